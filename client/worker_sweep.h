/* Descendants: which processes are our children now, and how to be rid of them. */
#ifndef CLIENT_WORKER_SWEEP_H
#define CLIENT_WORKER_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The children of this process, dead ones that nobody has reaped included, at most MAX of them.
 * Returns their number.
 */
size_t sweep_list(pid_t *pids, size_t max);

/* True when this process has no child. One system call. */
bool sweep_is_clean(void);

/*
 * Kill and reap every child of this process, and theirs, which come to us (a subreaper) when their
 * parents die. Returns false when some are left after LIMIT_MS.
 */
bool sweep_all(unsigned limit_ms);

#endif
