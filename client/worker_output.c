#include "client/worker_output.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READ_BYTES (64u * 1024)
/* Bytes that one child may pass on at once, and in each second. */
#define BURST_BYTES 65536u
#define RATE_BYTES  16384u
/* What is still read from a dead child's pipe, which others may go on to fill. */
#define LAST_BYTES (1024u * 1024)

void kid_output_init(
    struct kid_output *o, int fd, int poll, const char *pool, pid_t pid, uint64_t now_ms)
{
    memset(o, 0, sizeof *o);
    o->fd = fd;
    o->poll = poll;
    o->pool = pool;
    o->pid = pid;
    o->refilled_ms = now_ms;
    o->allowance = BURST_BYTES;
}

/*
 * Told to the epoll explicitly: a kid just forked may still hold a copy of the descriptor, and
 * events would go on to come for a kid that is freed.
 */
static void pipe_close(struct kid_output *o)
{
    if (o->fd < 0)
        return;
    (void)epoll_ctl(o->poll, EPOLL_CTL_DEL, o->fd, NULL);
    (void)close(o->fd);
    o->fd = -1;
}

/* Write one line to our standard error, unless that would block. False when it was not. */
static bool line_write(const struct kid_output *o, const char *text, size_t bytes)
{
    char line[OUTPUT_LINE_MAX + 200];
    struct pollfd fd = { 2, POLLOUT, 0 };
    int head = snprintf(line, sizeof line, "%.150s/%ld: ", o->pool, (long)o->pid);
    size_t at = (size_t)head;

    if (poll(&fd, 1, 0) != 1 || (fd.revents & POLLOUT) == 0)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)text[i];

        /* Nothing that moves the cursor of whoever reads it. */
        line[at++] = byte == '\t' || (byte >= 0x20 && byte != 0x7f) ? text[i] : '?';
    }
    line[at++] = '\n';
    return write(2, line, at) == (ssize_t)at;
}

static void allowance_refill(struct kid_output *o, uint64_t now_ms)
{
    uint64_t more = (now_ms - o->refilled_ms) * RATE_BYTES / 1000;

    if (more == 0)
        return;
    o->refilled_ms = now_ms;
    o->allowance = more > BURST_BYTES - o->allowance ? BURST_BYTES : o->allowance + (size_t)more;
}

static void line_pass_on(struct kid_output *o, uint64_t now_ms)
{
    char note[80];

    allowance_refill(o, now_ms);
    if (o->line_bytes + 1 > o->allowance) {
        o->dropped += o->line_bytes + 1;
        o->line_bytes = 0;
        return;
    }
    if (o->dropped != 0) {
        int length = snprintf(
            note, sizeof note, "(%" PRIu64 " bytes of output left out)", o->dropped);

        if (line_write(o, note, (size_t)length))
            o->dropped = 0;
    }
    if (line_write(o, o->line, o->line_bytes))
        o->allowance -= o->line_bytes + 1;
    else
        o->dropped += o->line_bytes + 1;
    o->line_bytes = 0;
}

static void lines_split(struct kid_output *o, const char *bytes, size_t count, uint64_t now_ms)
{
    while (count > 0) {
        const char *end = memchr(bytes, '\n', count);
        size_t part = end == NULL ? count : (size_t)(end - bytes);
        size_t room = sizeof o->line - o->line_bytes;
        bool whole = end != NULL && part <= room;

        if (part > room)
            part = room;
        memcpy(o->line + o->line_bytes, bytes, part);
        o->line_bytes += part;
        bytes += part + whole;
        count -= part + whole;
        if (whole || o->line_bytes == sizeof o->line)
            line_pass_on(o, now_ms);
    }
}

size_t kid_output_read(struct kid_output *o, uint64_t now_ms)
{
    char bytes[READ_BYTES];
    ssize_t n;

    if (o->fd < 0)
        return 0;
    n = read(o->fd, bytes, sizeof bytes);
    if (n > 0) {
        tail_add(&o->tail, bytes, (size_t)n);
        lines_split(o, bytes, (size_t)n, now_ms);
        return (size_t)n;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        pipe_close(o);
    return 0;
}

void kid_output_close(struct kid_output *o, uint64_t now_ms)
{
    size_t left = 0, n;

    while (left < LAST_BYTES && (n = kid_output_read(o, now_ms)) > 0)
        left += n;
    if (o->line_bytes != 0)
        line_pass_on(o, now_ms);
    if (o->dropped != 0 && o->line_bytes == 0) {
        o->allowance = BURST_BYTES;
        line_pass_on(o, now_ms);
    }
    pipe_close(o);
}
