/*
 * The batch: records that become durable with one sync.
 *
 * The loop gathers records in one batch while the sync thread writes the other. The buffer is
 * reused and grows as needed; nothing is allocated for a record. Sums and generations are put
 * in when the batch is cut into parts, since they depend on the segment that a part goes to.
 * Private to this folder.
 */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "store/record.h"

struct batch {
    uint8_t *buf;
    size_t bytes, capacity;
    uint64_t first_birth, last_birth; /* of new records; 0 if there are only copies */
    uint64_t room;                    /* log bytes that it may take at most */
    bool statement;                   /* write a batch record even if there is no other */
};

/* How far a batch has been written durably. */
struct batch_cursor {
    size_t at;         /* the next record */
    uint32_t piece_at; /* bytes of its data that are written */
    bool stated;       /* a batch record is written */
};

#define BATCH_PART_IOV 8

/* Some records of a batch, ready to be written to one segment. */
struct batch_part {
    struct iovec iov[BATCH_PART_IOV];
    int iovcnt;
    size_t bytes;
    struct batch_cursor after;
    uint8_t batch_record[RECORD_BATCH_BYTES];
    uint8_t piece_heads[2][STORE_HEAD_BYTES + RECORD_PIECE_BYTES];
    int pieces;
};

/* Room that must be left in a segment for a part to be worth it. */
#define BATCH_PART_MIN 4096u

/* Add a record with a birth of its own. Running out of memory aborts. */
void batch_add(
    struct batch *b, const struct record_head *head, const struct iovec *iov, int iovcnt);

/* Add a copy of the whole record AT, of whatever generation, with its birth. */
void batch_add_copy(struct batch *b, const uint8_t *at);

/* Empty B for reuse; gives back what an unusually large batch took. */
void batch_clear(struct batch *b);

/* Free the buffer of B. */
void batch_done(struct batch *b);

/* Nothing to write? */
static inline bool batch_is_empty(const struct batch *b)
{
    return b->bytes == 0 && !b->statement;
}

/* Is all of B written, as far as CURSOR knows? */
static inline bool batch_is_written(const struct batch *b, const struct batch_cursor *cursor)
{
    return cursor->at == b->bytes && (cursor->stated || !b->statement);
}

/*
 * Make PART of what fits ROOM bytes (at least BATCH_PART_MIN) from CURSOR on, sealed for the
 * generation in RECORD, which becomes its batch record. Borrows B until PART is written.
 */
void batch_cut(struct batch *b, const struct batch_cursor *cursor, size_t room,
    const struct record_batch *record, uint32_t seed, struct batch_part *ret_part);

#endif
