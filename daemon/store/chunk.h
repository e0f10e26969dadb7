/*
 * The chunk: some whole records of an old segment, read for reclaim.
 *
 * The loop owns a chunk, lends it to the sync thread to be filled, and gets it back with the
 * news. Private to this folder.
 */
#ifndef STORE_CHUNK_H
#define STORE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/writer.h"

struct chunk {
    uint64_t generation; /* of the segment, or lower: then it becomes that of the next one */
    uint64_t offset;     /* where to read */
    size_t want;         /* bytes to read; more only for a single record */
    uint8_t *buf;
    size_t capacity;
    size_t bytes; /* of whole, sound records in BUF */
    bool last;    /* the segment ends behind them */
    bool none;    /* there is no such segment but the current one */
    int rc;       /* 0, or why nothing was read (negative errno; -EBADMSG: a damaged record) */
};

/* Fill C from the first used segment that is not below its generation. Sync thread. */
void chunk_read(struct chunk *c, const struct writer *w);

/* Free the buffer of C. */
void chunk_done(struct chunk *c);

#endif
