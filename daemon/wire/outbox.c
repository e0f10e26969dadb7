#include "wire/outbox.h"

#include "proto/assert.h"
#include "proto/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SPARE_BYTES_MAX (1024u * 1024)
#define WRITE_PARTS     64
/* One peer that reads as fast as we write must not keep the others waiting. */
#define WRITE_ROUNDS    32
#define ITEM_HEAD_BYTES 64u

struct outbox_part {
    struct body *body; /* one reference */
    uint64_t at;       /* it follows the copied bytes up to here, counted as `base` is */
};

/* The length in a frame's head counts only what was copied: add what goes by reference. */
static void batch_patch(struct outbox *o)
{
    uint8_t *p = o->bytes.data + o->batch.mark;
    size_t body = ((size_t)p[0] << 24) | ((size_t)p[1] << 16) | ((size_t)p[2] << 8) | p[3];

    body += o->batch_bodies;
    GANGER_ASSERT(body <= GANGER_FRAME_MAX);
    p[0] = (uint8_t)(body >> 24);
    p[1] = (uint8_t)(body >> 16);
    p[2] = (uint8_t)(body >> 8);
    p[3] = (uint8_t)body;
}

static void batch_finish(struct outbox *o)
{
    if (o->batch_type == 0)
        return;
    batch_end(&o->batch, &o->bytes);
    if (o->batch_bodies != 0 && o->bytes.failed == 0)
        batch_patch(o);
    o->batch_type = 0;
    o->batch_bodies = 0;
}

static void buffer_take(struct outbox *o)
{
    if (o->bytes.data == NULL && o->bytes.failed == 0 && o->spares != NULL && o->spares->count > 0)
        o->bytes = o->spares->spare[--o->spares->count];
}

static void buffer_give(struct outbox *o)
{
    if (o->spares != NULL && o->spares->count < OUTBOX_SPARES && o->bytes.data != NULL &&
        o->bytes.failed == 0 && o->bytes.len == 0 && o->bytes.cap <= SPARE_BYTES_MAX) {
        o->spares->spare[o->spares->count++] = o->bytes;
        o->bytes = (struct out){ 0 };
        return;
    }
    out_done(&o->bytes);
}

struct out *outbox_batch_new(struct outbox *o, enum msg_type type)
{
    batch_finish(o);
    buffer_take(o);
    batch_begin(&o->batch, &o->bytes, type);
    o->batch_type = (uint32_t)type;
    return &o->bytes;
}

struct out *outbox_frame(struct outbox *o)
{
    batch_finish(o);
    buffer_take(o);
    return &o->bytes;
}

static bool parts_grow(struct outbox *o)
{
    uint32_t cap = o->part_cap == 0 ? 8 : 2 * o->part_cap;
    struct outbox_part *parts;

    if (o->part_first > 0) {
        memmove(
            o->parts, o->parts + o->part_first, (o->part_count - o->part_first) * sizeof *o->parts);
        o->part_count -= o->part_first;
        o->part_first = 0;
        if (o->part_count < o->part_cap)
            return true;
    }
    parts = realloc(o->parts, cap * sizeof *parts);
    if (parts == NULL)
        return false;
    o->parts = parts;
    o->part_cap = cap;
    return true;
}

/* Let BODY follow what was copied so far, as part of the batch under construction. */
static void body_attach(struct outbox *o, struct body *body)
{
    if (o->bytes.failed != 0)
        return;
    if (o->part_count == o->part_cap && !parts_grow(o)) {
        o->bytes.failed = GANGER_ENOMEM;
        return;
    }
    o->parts[o->part_count++] = (struct outbox_part){ body_ref(body), o->base + o->bytes.len };
    o->body_bytes += body->len;
    o->batch_bodies += body->len;
}

/* An empty outcome ends the item with two bytes, which become the head of a long one. */
static void end_attach(
    struct outbox *o, struct out *out, const struct msg_end *m, struct body *outcome)
{
    struct msg_end end = *m;
    uint8_t *p;

    end.outcome = (struct slice){ NULL, 0 };
    msg_add_end(&o->batch, out, &end);
    p = out_room(out, 3);
    if (p == NULL)
        return;
    p[-2] = 0xc6;
    p[-1] = (uint8_t)(outcome->len >> 24);
    p[0] = (uint8_t)(outcome->len >> 16);
    p[1] = (uint8_t)(outcome->len >> 8);
    p[2] = (uint8_t)outcome->len;
    out->len += 3;
    body_attach(o, outcome);
}

void outbox_add_end(struct outbox *o, const struct msg_end *m, struct body *outcome)
{
    struct out *out = outbox_batch(o, MSG_END, ITEM_HEAD_BYTES + m->outcome.len);

    if (m->outcome.len <= OUTBOX_COPY_MAX)
        msg_add_end(&o->batch, out, m);
    else
        end_attach(o, out, m, outcome);
}

/* The call ends the item as it is: let one byte stand for it and take that away. */
static void hand_attach(
    struct outbox *o, struct out *out, const struct msg_hand *m, struct body *call)
{
    static const uint8_t place[1] = { 0 };
    struct msg_hand hand = *m;

    hand.call = (struct slice){ place, sizeof place };
    msg_add_hand(&o->batch, out, &hand);
    if (out->failed != 0)
        return;
    out->len -= sizeof place;
    body_attach(o, call);
}

void outbox_add_hand(struct outbox *o, const struct msg_hand *m, struct body *call)
{
    struct out *out = outbox_batch(o, MSG_HAND, ITEM_HEAD_BYTES + m->call.len);

    if (m->call.len <= OUTBOX_COPY_MAX)
        msg_add_hand(&o->batch, out, m);
    else
        hand_attach(o, out, m, call);
}

static int parts_to_iov(const struct outbox *o, struct iovec *iov)
{
    uint64_t at = o->base, end = o->base + o->bytes.len;
    size_t skip = o->body_sent;
    uint32_t i;
    int n = 0;

    for (i = o->part_first; i < o->part_count && n + 2 <= WRITE_PARTS; i++) {
        const struct outbox_part *part = &o->parts[i];

        if (part->at > at)
            iov[n++] = (struct iovec){ o->bytes.data + (at - o->base), (size_t)(part->at - at) };
        iov[n++] = (struct iovec){ part->body->data + skip, part->body->len - skip };
        at = part->at;
        skip = 0;
    }
    if (i == o->part_count && at < end && n < WRITE_PARTS)
        iov[n++] = (struct iovec){ o->bytes.data + (at - o->base), (size_t)(end - at) };
    return n;
}

/* COUNT bytes of the first body were sent, or less if it has less left. Returns how many. */
static size_t body_consume(struct outbox *o, size_t count)
{
    struct outbox_part *part = &o->parts[o->part_first];
    size_t left = part->body->len - o->body_sent;
    size_t take = count < left ? count : left;

    o->body_sent += take;
    o->body_bytes -= take;
    if (take < left)
        return take;
    body_unref(part->body);
    o->part_first++;
    o->body_sent = 0;
    return take;
}

static void outbox_consume(struct outbox *o, size_t count)
{
    while (count > 0) {
        bool body = o->part_first < o->part_count;
        size_t take;

        if (body && o->parts[o->part_first].at == o->base) {
            count -= body_consume(o, count);
            continue;
        }
        take = body ? (size_t)(o->parts[o->part_first].at - o->base) : o->bytes.len;
        if (take > count)
            take = count;
        out_consume(&o->bytes, take);
        o->base += take;
        count -= take;
    }
}

static void outbox_rest(struct outbox *o)
{
    free(o->parts);
    o->parts = NULL;
    o->part_count = 0;
    o->part_cap = 0;
    o->part_first = 0;
    o->base = 0;
    buffer_give(o);
}

static ssize_t send_parts(struct outbox *o, int fd)
{
    struct iovec iov[WRITE_PARTS];
    struct msghdr head = { .msg_iov = iov, .msg_iovlen = (size_t)parts_to_iov(o, iov) };

    return sendmsg(fd, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int send_once(struct outbox *o, int fd)
{
    ssize_t sent;

    if (o->part_first == o->part_count)
        sent = send(fd, o->bytes.data, o->bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    else
        sent = send_parts(o, fd);
    if (sent >= 0) {
        outbox_consume(o, (size_t)sent);
        return 0;
    }
    if (errno == EINTR)
        return 0;
    return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? GANGER_EAGAIN : GANGER_ECONN;
}

int outbox_write(struct outbox *o, int fd)
{
    batch_finish(o);
    if (o->bytes.failed != 0)
        return o->bytes.failed;
    for (int round = 0; outbox_unsent(o) > 0; round++) {
        int rc = round < WRITE_ROUNDS ? send_once(o, fd) : GANGER_EAGAIN;

        if (rc < 0)
            return rc;
    }
    outbox_rest(o);
    return 0;
}

void outbox_done(struct outbox *o)
{
    for (uint32_t i = o->part_first; i < o->part_count; i++)
        body_unref(o->parts[i].body);
    free(o->parts);
    out_done(&o->bytes);
    *o = (struct outbox){ .spares = o->spares };
}

void outbox_spares_done(struct outbox_spares *spares)
{
    while (spares->count > 0)
        out_done(&spares->spare[--spares->count]);
}
