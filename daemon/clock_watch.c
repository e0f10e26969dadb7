/*
 * A wall clock that is set while we wait: the kernel ends our wait at once, so that a task with a
 * start by the clock does not have to wait for our next turn.
 */
#include "gangerd.h"

#include <sys/timerfd.h>
#include <unistd.h>

/* A timer that is never due but fails, readable, whenever the clock is set. */
static void watch_again(int fd)
{
    const struct itimerspec never = { .it_value = { .tv_sec = INT64_C(1) << 40 } };

    (void)timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void on_clock_set(uv_poll_t *poll, int status, int events)
{
    struct gangerd *d = poll->data;
    uint64_t ticks;

    (void)status;
    (void)events;
    if (read(d->clock_fd, &ticks, sizeof ticks) < 0) /* ECANCELED: the clock was set */
        watch_again(d->clock_fd);
    turn_begin(d);
}

void clock_watch_start(struct gangerd *d)
{
    d->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (d->clock_fd < 0)
        return; /* the slow timer will notice, later */
    d->clock_poll.data = d;
    if (uv_poll_init(&d->loop, &d->clock_poll, d->clock_fd) < 0)
        return;
    watch_again(d->clock_fd);
    (void)uv_poll_start(&d->clock_poll, UV_READABLE, on_clock_set);
}

void clock_watch_close(struct gangerd *d)
{
    if (d->clock_fd >= 0)
        (void)close(d->clock_fd);
    d->clock_fd = -1;
}
