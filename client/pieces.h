/*
 * What waits to be written: whole frames, in pieces of memory that are sent one after the other.
 *
 * One buffer for all of it would have to be moved when it grows, and a large one that comes and
 * goes costs more in page faults than all the rest of a task. A piece that was sent serves again.
 */
#ifndef CLIENT_PIECES_H
#define CLIENT_PIECES_H

#include "proto/frame.h"

#include <stddef.h>

/* A piece ends before a frame that would make it longer than this. */
#define PIECE_BYTES (256u * 1024)
/* Memory of sent pieces that is kept for the next ones. */
#define PIECES_KEEP_BYTES (16u * 1024 * 1024)

struct piece {
    struct out out;
    struct piece *next;
};

/* Zero-initialise. */
struct pieces {
    struct out last;            /* where frames are written */
    struct piece *first, *tail; /* those before it, the oldest first */
    size_t bytes;               /* in those */
    size_t written;             /* of the oldest of all, as far as frames of it are still here */
    struct piece *spares;
    size_t spare_bytes;
};

/* The bytes that are not sent. */
static inline size_t pieces_unsent(const struct pieces *p)
{
    return p->bytes + p->last.len - p->written;
}

/*
 * Before a frame of about BYTES is begun in LAST: begin another piece if this one is long enough.
 * Without memory for that LAST goes on. Not within a frame.
 */
void pieces_turn(struct pieces *p, size_t bytes);

/* What is to be sent next; returns how much, 0: nothing is left. */
size_t pieces_head(const struct pieces *p, const uint8_t **ret_data);

/* BYTES of what pieces_head() has shown were sent. Frees or keeps a piece that is sent whole. */
void pieces_sent(struct pieces *p, size_t bytes);

/* Drop the frames that are sent whole; WRITTEN is then within the first one that is left. */
void pieces_drop(struct pieces *p);

/* Free all. */
void pieces_done(struct pieces *p);

#endif
