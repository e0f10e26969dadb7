#include "client/worker_child.h"
#include "client/worker_sweep.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_FIRST_BYTES (64u * 1024)
/* A larger input buffer is given back once it is empty. */
#define IN_KEEP_BYTES (256u * 1024)
/* How long descendants may resist before the child gives up on itself. */
#define SWEEP_LIMIT_MS 2000

_Noreturn static void child_give_up(const char *reason)
{
    (void)fprintf(stderr, "worker child ends: %s\n", reason);
    (void)fflush(stderr);
    _exit(1);
}

void child_flush(struct child *c)
{
    uint64_t now;

    if (c->out.len == 0 && c->returned == 0 && c->out.failed == 0)
        return;
    if (!sweep_is_clean() && !sweep_all(SWEEP_LIMIT_MS))
        child_give_up("cannot kill what its task left running");
    child_close_batch(c);
    if (c->returned != 0)
        msg_write_returned(&c->out, c->returned);
    c->returned = 0;
    if (c->out.failed != 0)
        child_give_up("no memory for results");
    now = child_now_us();
    page_ran_add(c->page, now - c->mark_us);
    c->mark_us = now;
    if (child_send(c->out.data, c->out.len) < 0)
        child_give_up("the link to the coordinator is broken");
    out_consume(&c->out, c->out.len);
}

static void child_hand(struct child *c, const struct msg_hand *hand)
{
    c->cancelled = 0;
    /* Before it is begun: from then on the coordinator may ask it to stop. */
    c->running = (uint64_t)hand->seq + 1;
    if (page_begin(c->page, hand->seq))
        child_run_hand(c, hand);
    else
        c->returned++;
    c->running = 0;
}

static void child_frame(struct child *c, const uint8_t *body, size_t bytes)
{
    struct msg m;
    struct msg_hand hand;

    if (msg_open(body, bytes, &m) < 0 || m.type != MSG_HAND)
        child_give_up("an unknown message from the coordinator");
    for (uint32_t i = 0; i < m.count; i++) {
        if (msg_read_hand(&m, &hand) < 0)
            child_give_up("a malformed hand from the coordinator");
        child_hand(c, &hand);
    }
    if (msg_close(&m) < 0)
        child_give_up("a malformed message from the coordinator");
}

/* Make room for a frame of NEED bytes (0: unknown) at the start of the buffer. */
static void child_input_room(struct child *c, size_t need)
{
    size_t cap = need > IN_FIRST_BYTES ? need : IN_FIRST_BYTES;
    uint8_t *in;

    if (c->in_at != 0)
        memmove(c->in, c->in + c->in_at, c->in_bytes - c->in_at);
    c->in_bytes -= c->in_at;
    c->in_at = 0;
    if (cap <= c->in_cap && (c->in_bytes != 0 || c->in_cap <= IN_KEEP_BYTES))
        return;
    in = realloc(c->in, cap);
    if (in == NULL)
        child_give_up("no memory for a hand");
    c->in = in;
    c->in_cap = cap;
}

/*
 * Wait for input. A blocking recv() would do, but is woken for nothing each time that the
 * coordinator reads a result: then the socket has room again, which poll() is not asked for.
 */
static void child_await(void)
{
    struct pollfd link = { CHILD_LINK, POLLIN, 0 };

    (void)poll(&link, 1, -1);
}

/* Read what there is; false at the end of the link. */
static bool child_read(struct child *c, size_t need)
{
    ssize_t n;

    child_input_room(c, need);
    do {
        child_await();
        n = recv(CHILD_LINK, c->in + c->in_bytes, c->in_cap - c->in_bytes, MSG_DONTWAIT);
    } while (n < 0 && (errno == EINTR || errno == EAGAIN));
    if (n < 0 && errno != ECONNRESET)
        child_give_up("the link to the coordinator cannot be read");
    if (n <= 0)
        return false;
    c->in_bytes += (size_t)n;
    c->task_us = child_now_us();
    c->mark_us = c->task_us;
    c->unread = 0;
    return true;
}

void child_serve(struct child *c)
{
    for (;;) {
        const uint8_t *body;
        size_t body_bytes, need = 0;
        int64_t used = 0;

        if (c->in_bytes != c->in_at)
            used = frame_next(c->in + c->in_at, c->in_bytes - c->in_at, GANGER_FRAME_MAX, &body,
                &body_bytes, &need);
        if (used < 0)
            child_give_up("a malformed frame from the coordinator");
        if (used > 0) {
            child_frame(c, body, body_bytes);
            c->in_at += (size_t)used;
            continue;
        }
        child_flush(c);
        if (!child_read(c, need))
            break;
    }
    child_timer_rest(c);
}
