#include "wire/inbox.h"

#include "proto/err.h"
#include "proto/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define GROW_FIRST_BYTES (2u * INBOX_SHARED_BYTES)

static int receive(
    int fd, uint8_t *data, size_t bytes, struct descriptors *descriptors, size_t *ret_received)
{
    ssize_t got;

    if (descriptors != NULL)
        return descriptors_receive(descriptors, fd, (struct iovec){ data, bytes }, ret_received);
    do {
        got = recv(fd, data, bytes, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? GANGER_EAGAIN : GANGER_ECONN;
    if (got == 0)
        return GANGER_ECONN;
    *ret_received = (size_t)got;
    return 0;
}

/* Room for a part of a long frame: what has come and as much again, not more than the frame. */
static int long_grow(struct inbox *in)
{
    size_t cap = in->cap < GROW_FIRST_BYTES ? GROW_FIRST_BYTES : 2 * in->cap;
    uint8_t *data;

    if (in->len < in->cap)
        return 0;
    if (cap > in->need)
        cap = in->need;
    data = realloc(in->data, cap);
    if (data == NULL)
        return GANGER_ENOMEM;
    in->data = data;
    in->cap = cap;
    return 0;
}

/* The frame at the start does not fit into the shared buffer: receive its next bytes alone. */
static int receive_long(struct inbox *in, int fd, struct descriptors *descriptors,
    struct inbox_span *ret_span, size_t *ret_received)
{
    int rc = long_grow(in);

    if (rc == 0)
        rc = receive(fd, in->data + in->len, in->cap - in->len, descriptors, ret_received);
    if (rc < 0)
        return rc;
    in->len += *ret_received;
    *ret_span = (struct inbox_span){ in->data, in->len };
    return 0;
}

int inbox_receive(struct inbox *in, int fd, uint8_t *shared, struct descriptors *descriptors,
    struct inbox_span *ret_span, size_t *ret_received)
{
    size_t kept = in->len;
    int rc;

    if (in->need > INBOX_SHARED_BYTES)
        return receive_long(in, fd, descriptors, ret_span, ret_received);
    rc = receive(fd, shared + kept, INBOX_SHARED_BYTES - kept, descriptors, ret_received);
    if (rc < 0)
        return rc;
    if (kept != 0) {
        memcpy(shared, in->data, kept);
        inbox_done(in);
    }
    *ret_span = (struct inbox_span){ shared, kept + *ret_received };
    return 0;
}

struct inbox_span inbox_kept(struct inbox *in, uint8_t *shared)
{
    struct inbox_span span = { in->data, in->len };

    if (in->need > INBOX_SHARED_BYTES || in->len == 0)
        return span;
    memcpy(shared, in->data, in->len);
    span.data = shared;
    inbox_done(in);
    return span;
}

/* Keep SPAN, which may be the inbox's own bytes. */
static int keep(struct inbox *in, struct inbox_span span, size_t need)
{
    in->need = need;
    if (span.data == in->data)
        return 0;
    if (span.len == 0) {
        inbox_done(in);
        return 0;
    }
    in->data = malloc(span.len);
    if (in->data == NULL)
        return GANGER_ENOMEM;
    memcpy(in->data, span.data, span.len);
    in->len = span.len;
    in->cap = span.len;
    return 0;
}

/* The one frame of a buffer of its own. */
static int long_frame(struct inbox *in, inbox_reader read, void *ctx)
{
    struct inbox whole = *in;
    int rc;

    *in = (struct inbox){ 0 };
    rc = read(ctx, whole.data + FRAME_HEAD_BYTES, whole.len - FRAME_HEAD_BYTES);
    free(whole.data);
    return rc;
}

int inbox_frames(
    struct inbox *in, struct inbox_span span, size_t max_bytes, inbox_reader read, void *ctx)
{
    size_t need = 0;
    int verdict = INBOX_GO;
    int rc;

    if (in->data != NULL && span.data == in->data) {
        if (in->len == in->need)
            return long_frame(in, read, ctx);
        return 0;
    }
    while (verdict == INBOX_GO) {
        const uint8_t *body;
        size_t body_bytes;
        int64_t took = frame_next(span.data, span.len, max_bytes, &body, &body_bytes, &need);

        if (took < 0)
            return (int)took;
        if (took == 0)
            break;
        verdict = read(ctx, body, body_bytes);
        if (verdict < 0)
            return verdict;
        span.data += took;
        span.len -= (size_t)took;
        need = 0;
    }
    rc = keep(in, span, need);
    return rc < 0 ? rc : verdict;
}

void inbox_done(struct inbox *in)
{
    free(in->data);
    *in = (struct inbox){ 0 };
}
