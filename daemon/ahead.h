/*
 * Memory ahead of need. The first write to a page costs a fault, and where the memory of a machine
 * is lent to it page by page a slow one; a daemon that takes a million tasks has tens of thousands
 * of them. While it grows, a thread keeps a few pieces ready whose pages have been written to.
 *
 * None is ready before some were asked for, so a daemon that has no backlog keeps none.
 */
#ifndef DAEMON_AHEAD_H
#define DAEMON_AHEAD_H

#define AHEAD_PIECES 8u /* 2 MiB are ready at most ... */
#define AHEAD_FROM   8u /* ... once so many were asked for, so that a small daemon stays small */

struct ahead;

/* Start it and be the source of pages_new(); GANGER_ENOMEM: without a thread all goes on as it
 * would. */
int ahead_open(struct ahead **ret_ahead);
/* Stop, and give back what is ready. Accepts NULL. */
void ahead_close(struct ahead *a);

/* How many pieces are ready just now. ANY THREAD. */
unsigned ahead_ready(struct ahead *a);

#endif
