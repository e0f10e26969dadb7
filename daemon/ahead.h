/*
 * Memory ahead of need: the helper of proto/pages.h, a thread that writes to what the core and the
 * engine will grow into next. It is told of one piece when they begin with the one before it, so a
 * daemon that does not grow has nothing ready, and one that does at most a piece of each kind.
 */
#ifndef DAEMON_AHEAD_H
#define DAEMON_AHEAD_H

#define AHEAD_MAX 16u /* pieces that may be asked for at a time; more come as if never asked for   \
                       */

struct ahead;

/* Start the thread and be the helper. GANGER_ENOMEM: without it all goes on as it would. */
int ahead_open(struct ahead **ret_ahead);

/* Stop, after the piece at hand. Accepts NULL. */
void ahead_close(struct ahead *a);

/* Wait until nothing is asked for that is not done. */
void ahead_settle(struct ahead *a);

#endif
