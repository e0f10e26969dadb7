/* The event loop's view of a handle, and the blocking calls that are built on it. */
#include "handle.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int ganger_fd(const struct ganger *g)
{
    return g->fd;
}

short ganger_events(const struct ganger *g)
{
    bool output = g->state == LINK_UP && (g->batch_open || pieces_unsent(&g->out) != 0);

    return (short)(output ? POLLIN | POLLOUT : POLLIN);
}

/* When link_tend() is due although nothing came. */
static int64_t link_due(const struct ganger *g)
{
    if (g->fail_code != 0)
        return 0;
    if (g->state == LINK_HELLO)
        return g->hello_by;
    if (g->state == LINK_DOWN)
        return g->retry_at < g->give_up_at ? g->retry_at : g->give_up_at;
    return NEVER;
}

int64_t ganger_timeout_ms(const struct ganger *g)
{
    int64_t due = link_due(g), now;

    if (due == NEVER)
        return -1;
    now = clock_ms();
    return due > now ? due - now : 0;
}

int ganger_process(struct ganger *g, short revents)
{
    int rc = handle_check_block(g);

    if (rc < 0)
        return rc;
    g->writable = true;
    return link_tend(g, (revents & (POLLIN | POLLHUP | POLLERR)) != 0);
}

void ganger_interrupt(struct ganger *g)
{
    int saved = errno;
    uint64_t one = 1;

    /* A full counter means that it is set already. */
    if (write(g->wake_fd, &one, sizeof one) < 0)
        errno = saved;
}

/* Milliseconds for poll(2) until DEADLINE or until the link needs tending. */
static int poll_ms(const struct ganger *g, int64_t deadline)
{
    int64_t due = link_due(g), now;

    if (deadline < due)
        due = deadline;
    if (due == NEVER)
        return -1;
    now = clock_ms();
    if (due <= now)
        return 0;
    return due - now < INT_MAX ? (int)(due - now) : INT_MAX;
}

static int64_t clock_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void spin(struct ganger *g, bool (*done)(void *arg), void *arg)
{
    int64_t end = clock_us() + g->spin_us;

    while (g->state == LINK_UP && !done(arg) && clock_us() < end)
        (void)link_tend(g, true);
}

/* Sleep until something comes or is due, and handle it. 0 or an error that ends the wait. */
static int wait_turn(struct ganger *g, int64_t deadline)
{
    struct pollfd fds[2] = { { g->fd, ganger_events(g), 0 }, { g->wake_fd, POLLIN, 0 } };
    int n = poll(fds, 2, poll_ms(g, deadline));
    uint64_t count;

    if (n < 0 && errno != EINTR)
        return fail(g, GANGER_EIO, "poll: %s", strerror(errno));
    if (n > 0 && fds[1].revents != 0) {
        if (read(g->wake_fd, &count, sizeof count) < 0)
            return fail(g, GANGER_EIO, "eventfd: %s", strerror(errno));
        return fail_plain(g, GANGER_EINTR);
    }
    g->writable = true;
    (void)link_tend(g, n > 0 && (fds[0].revents & ~POLLOUT) != 0);
    return 0;
}

int wait_for(struct ganger *g, bool (*done)(void *arg), void *arg, int64_t timeout_ms)
{
    int64_t deadline = timeout_ms == GANGER_FOREVER ? NEVER
                                                    : deadline_after(clock_ms(), timeout_ms);
    int rc = handle_check_block(g);

    if (rc < 0)
        return rc;
    g->writable = true;
    (void)link_tend(g, false);
    for (;;) {
        if (g->spin_us != 0 && timeout_ms > 0)
            spin(g, done, arg);
        if (done(arg))
            return 0;
        if (g->state == LINK_DEAD)
            return g->dead_code;
        rc = wait_turn(g, deadline);
        if (done(arg))
            return 0;
        if (rc < 0)
            return rc;
        if (deadline != NEVER && clock_ms() >= deadline)
            return fail_plain(g, GANGER_ETIMEDOUT);
    }
}

static bool flushed(void *arg)
{
    const struct ganger *g = arg;

    return !g->batch_open && pieces_unsent(&g->out) == 0;
}

int ganger_flush(struct ganger *g, int64_t timeout_ms)
{
    int rc = handle_check_block(g);

    if (rc < 0)
        return rc;
    return wait_for(g, flushed, g, timeout_ms);
}
