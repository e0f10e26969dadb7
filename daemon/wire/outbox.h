/*
 * What waits to be written to one connection: copied bytes, and large bodies by reference.
 *
 * Items of one type that follow each other gather in one batch frame; another type, a full frame
 * or a write ends it, so what is written keeps the order in which it was added. One system call
 * takes everything of a turn. An empty outbox owns no memory.
 *
 * Loop thread only.
 */
#ifndef WIRE_OUTBOX_H
#define WIRE_OUTBOX_H

#include "engine/body.h"
#include "proto/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* A body up to this size is copied: cheaper than an entry of an iovec and a reference. */
#define OUTBOX_COPY_MAX 4096u

/* Emptied buffers that wait for the next outbox that needs one; shared by all of one folder. */
#define OUTBOX_SPARES 16
struct outbox_spares {
    struct out spare[OUTBOX_SPARES];
    unsigned count;
};

struct outbox_part; /* a body and its place between the copied bytes */

/* Zero-initialise; SPARES may be set afterwards and may be NULL. */
struct outbox {
    struct out bytes;
    struct outbox_spares *spares;
    struct outbox_part *parts;
    uint32_t part_count, part_cap, part_first;
    uint32_t batch_type; /* of the batch under construction, 0 = none */
    struct batch batch;
    uint64_t base;       /* copied bytes that were sent since the outbox was last empty */
    size_t body_sent;    /* bytes of the first body that were sent */
    size_t body_bytes;   /* of all bodies, without body_sent */
    size_t batch_bodies; /* bytes of bodies in the batch under construction */
};

/* Bytes that are not yet sent. */
static inline size_t outbox_unsent(const struct outbox *o)
{
    return o->bytes.len + o->body_bytes;
}

/* A frame is ended rather than made longer than this, so that a large body gets one of its own. */
#define OUTBOX_FRAME_BYTES (256u * 1024)

/* For outbox_batch(): ends what is under construction and begins a batch of TYPE. */
struct out *outbox_batch_new(struct outbox *o, enum msg_type type);

/*
 * The buffer for one more item of a batch of TYPE that takes about ITEM_BYTES: add it with
 * msg_add_xxx(&o->batch, ...). Ends another batch and one that would grow too long.
 */
static inline struct out *outbox_batch(struct outbox *o, enum msg_type type, size_t item_bytes)
{
    size_t bytes = o->bytes.len - o->batch.mark + o->batch_bodies + item_bytes;

    if (o->batch_type != (uint32_t)type || o->batch.count >= GANGER_BATCH_MAX ||
        (bytes > OUTBOX_FRAME_BYTES && o->batch.count != 0))
        return outbox_batch_new(o, type);
    return &o->bytes;
}

/* The buffer for a message that is a whole frame. Ends the batch under construction. */
struct out *outbox_frame(struct outbox *o);

/* Add an END item; OUTCOME, the body of its outcome (NULL: it is empty), by reference if large. */
void outbox_add_end(struct outbox *o, const struct msg_end *m, struct body *outcome);

/* Add a HAND item; CALL, the body of its call, by reference if it is large. */
void outbox_add_hand(struct outbox *o, const struct msg_hand *m, struct body *call);

/*
 * Send what is there to the socket FD without waiting. 0: all is sent; GANGER_EAGAIN: the rest
 * waits for room; GANGER_ECONN: the peer is gone; GANGER_ENOMEM: something could not be added.
 */
int outbox_write(struct outbox *o, int fd);

/* Drop everything. */
void outbox_done(struct outbox *o);

/* Free what SPARES holds. */
void outbox_spares_done(struct outbox_spares *spares);

#endif
