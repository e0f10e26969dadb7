/*
 * SIGINT, SIGTERM and SIGHUP while the command waits: the first is noted and interrupts the
 * blocking call, the second ends the process at once. SIGPIPE is ignored: a write says it.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

struct ganger;

/* Begin to watch on behalf of G, which must stay until signals_end(). */
void signals_start(struct ganger *g);
void signals_end(void);

/* The number of the signal that came, or 0. */
int signals_caught(void);

#endif
