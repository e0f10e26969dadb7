/*
 * Memory ahead of need: the helper of proto/pages.h, a thread that makes the pieces that the core
 * and the engine will grow into next. None of a size is made before one was asked for, and all go
 * back when one does: a daemon that does not grow has nothing ready.
 */
#ifndef DAEMON_AHEAD_H
#define DAEMON_AHEAD_H

#include <stddef.h>

#define AHEAD_KINDS 8u /* sizes; pieces of others are not made */
#define AHEAD_READY 4u /* of a size, if fewer were not enough */

struct ahead;

/* Start the thread and be the helper. GANGER_ENOMEM: without it all goes on as it would. */
int ahead_open(struct ahead **ret_ahead);

/* Stop, after the piece at hand, and give back what is ready. Accepts NULL. */
void ahead_close(struct ahead *a);

/* Wait until all is as it should be; how many pieces of BYTES are ready then. */
unsigned ahead_settle(struct ahead *a, size_t bytes);

#endif
