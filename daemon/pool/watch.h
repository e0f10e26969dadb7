/*
 * A descriptor that the loop watches. It can end while its owner goes on or ends first: the
 * memory the loop needs lives until the close callback.
 */
#ifndef POOL_WATCH_H
#define POOL_WATCH_H

#include <uv.h>

struct pool;
struct watch; /* owned by the agent or child whose link it is */

/* EVENTS as uv_poll_t; an error of the descriptor comes as UV_READABLE. */
typedef void (*watch_call)(void *owner, int events);

/* Watch FD, which is owned from here on, for nothing yet. GANGER_ENOMEM, GANGER_EIO: not taken. */
int watch_open(struct pool *pool, uv_loop_t *loop, int fd, watch_call call, void *owner,
    struct watch **ret_watch);
int watch_fd(const struct watch *watch);
/* Watch for EVENTS from now on. GANGER_EIO. */
int watch_set(struct watch *watch, int events);
/* End, and close the descriptor; accepts NULL. */
void watch_close(struct watch *watch);

#endif
