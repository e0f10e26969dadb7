/*
 * The proof that no agent of an older daemon lives.
 *
 * Each run of the daemon has a lock file of its own, DIR/agents-EPOCH-PID.lock. The daemon itself
 * does not hold it: it opens the file and takes a shared lock on that open file when it starts
 * an agent, which inherits it together with its children, and closes its own descriptor. So the
 * lock lives as long as any of them. A later daemon can take the lock of every older file
 * exclusively exactly when they are all gone, and then removes it.
 */
#ifndef DAEMON_LOCKS_H
#define DAEMON_LOCKS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct locks {
    char dir[PATH_MAX];
    char own[PATH_MAX]; /* the file of this run */
};

/* Name the file of this run in DIR, which exists. GANGER_ERANGE: too long a path. */
int locks_init(struct locks *locks, const char *dir, uint32_t epoch);

/* Remove files of older runs that nobody holds. True when none is left. Never waits. */
bool locks_clear(const struct locks *locks);

/* Remove the file of this run, if nobody holds it. */
void locks_done(const struct locks *locks);

#endif
