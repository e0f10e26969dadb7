#include "net/listener.h"

#include "conf/log.h"
#include "net/address.h"
#include "proto/err.h"
#include "proto/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections taken in one go, so that a flood of them leaves the others their turn. */
#define ACCEPT_ROUNDS   64
#define ACCEPT_PAUSE_MS 100
/* Descriptors that no connection gets, of those that there may be. */
#define RESERVED_MOST  256u
#define RESERVED_SHARE 8u

struct listener {
    uv_poll_t poll;
    uv_timer_t timer; /* while paused */
    int fd;
    int reserve; /* a descriptor to give up for refusing somebody when there is no other */
    unsigned handles;
    listener_taker take;
    void *ctx;
    struct address address;
};

static void on_poll(uv_poll_t *poll, int status, int events);

void listener_refuse(int fd, int code, const char *text)
{
    struct out o = { 0 };

    msg_write_error(&o, code, text);
    if (o.failed == 0)
        (void)send(fd, o.data, o.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    out_done(&o);
    (void)close(fd);
}

static int reserve_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_timer(uv_timer_t *timer)
{
    struct listener *l = timer->data;

    if (l->reserve < 0)
        l->reserve = reserve_open();
    (void)uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

/* Those who wait keep waiting in the backlog; watching them meanwhile would spin. */
static void pause_accepting(struct listener *l, const char *why)
{
    log_event(LOG_WARNING, "accept-paused", "reason=%s ms=%d", why, ACCEPT_PAUSE_MS);
    (void)uv_poll_stop(&l->poll);
    (void)uv_timer_start(&l->timer, on_timer, ACCEPT_PAUSE_MS, 0);
}

/*
 * The last descriptors are for the journal and for the links of children: an agent whose child's
 * link finds none is killed with all that it runs. New ones have the lowest number that is free.
 */
static bool is_reserved(int fd)
{
    struct rlimit limit;
    rlim_t reserved;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return false;
    reserved = limit.rlim_cur / RESERVED_SHARE;
    if (reserved > RESERVED_MOST)
        reserved = RESERVED_MOST;
    return (rlim_t)fd >= limit.rlim_cur - reserved;
}

static void refuse_full(int fd)
{
    listener_refuse(fd, GANGER_EFULL, "the daemon has no file descriptor left");
    log_event(LOG_WARNING, "accept-refused", "reason=%s", "no file descriptor left");
}

/* No descriptor is left: use the one in reserve to tell one peer so. False when that fails. */
static bool refuse_one(struct listener *l)
{
    int fd;

    if (l->reserve < 0)
        return false;
    (void)close(l->reserve);
    fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        refuse_full(fd);
    l->reserve = reserve_open();
    return fd >= 0 && l->reserve >= 0;
}

/* One connection. False when there is none, or none can be taken now. */
static bool accept_one(struct listener *l)
{
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        if (is_reserved(fd))
            refuse_full(fd);
        else
            l->take(l->ctx, fd);
        return true;
    }
    if (errno == EINTR || errno == ECONNABORTED)
        return true;
    if (errno == EAGAIN)
        return false;
    if ((errno == EMFILE || errno == ENFILE) && refuse_one(l))
        return true;
    pause_accepting(l, strerror(errno));
    return false;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_ROUNDS; i++) {
        if (!accept_one(l))
            return;
    }
}

static int watch(uv_loop_t *loop, struct listener *l)
{
    if (uv_timer_init(loop, &l->timer) < 0)
        return GANGER_EIO;
    l->timer.data = l;
    l->handles++;
    if (uv_poll_init(loop, &l->poll, l->fd) < 0)
        return GANGER_EIO;
    l->poll.data = l;
    l->handles++;
    return uv_poll_start(&l->poll, UV_READABLE, on_poll) < 0 ? GANGER_EIO : 0;
}

int listener_open(uv_loop_t *loop, const struct conf_socket *socket, int fd, listener_taker take,
    void *ctx, char *err, size_t err_bytes, struct listener **ret_listener)
{
    struct listener *l = calloc(1, sizeof *l);
    int rc = 0;

    if (l == NULL)
        return GANGER_ENOMEM;
    l->take = take;
    l->ctx = ctx;
    l->fd = fd;
    l->reserve = reserve_open();
    if (fd < 0)
        rc = address_listen(socket, err, err_bytes, &l->address, &l->fd);
    if (rc == 0) {
        rc = watch(loop, l);
        if (rc < 0)
            (void)snprintf(err, err_bytes, "%s: cannot be watched", socket->path);
    }
    if (rc < 0) {
        listener_close(l);
        return rc;
    }
    *ret_listener = l;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;

    if (--l->handles == 0)
        free(l);
}

void listener_close(struct listener *l)
{
    unsigned handles;

    if (l == NULL)
        return;
    address_remove(&l->address);
    handles = l->handles;
    if (handles > 0)
        uv_close((uv_handle_t *)&l->timer, on_closed);
    if (handles > 1)
        uv_close((uv_handle_t *)&l->poll, on_closed);
    if (l->fd >= 0)
        (void)close(l->fd);
    if (l->reserve >= 0)
        (void)close(l->reserve);
    if (handles == 0)
        free(l);
}
