#include "pool/watch.h"

#include "pool/internal.h"
#include "proto/err.h"

#include <stdlib.h>
#include <unistd.h>

struct watch {
    uv_poll_t poll;
    struct pool *pool;
    int fd;
    int events;
    watch_call call;
    void *owner;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;

    if (status < 0) {
        /* The loop has stopped watching; reading will tell what is wrong. */
        w->events = 0;
        events = UV_READABLE;
    }
    pool_turn(w->pool);
    w->call(w->owner, events);
}

int watch_open(struct pool *pool, uv_loop_t *loop, int fd, watch_call call, void *owner,
    struct watch **ret_watch)
{
    struct watch *w = calloc(1, sizeof *w);

    if (w == NULL)
        return GANGER_ENOMEM;
    w->pool = pool;
    w->fd = fd;
    w->call = call;
    w->owner = owner;
    if (uv_poll_init(loop, &w->poll, fd) < 0) {
        free(w);
        return GANGER_EIO;
    }
    w->poll.data = w;
    pool->handles++;
    *ret_watch = w;
    return 0;
}

int watch_fd(const struct watch *w)
{
    return w->fd;
}

int watch_set(struct watch *w, int events)
{
    if (events == w->events)
        return 0;
    w->events = events;
    if (events == 0)
        return uv_poll_stop(&w->poll) < 0 ? GANGER_EIO : 0;
    return uv_poll_start(&w->poll, events, on_poll) < 0 ? GANGER_EIO : 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    struct pool *pool = w->pool;

    free(w);
    pool_handle_closed(pool);
}

void watch_close(struct watch *w)
{
    if (w == NULL)
        return;
    (void)uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, on_closed);
    (void)close(w->fd);
    w->fd = -1;
}
