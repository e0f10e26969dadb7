/*
 * What the files of the journal that run on the loop thread share. Private to this folder.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "store/batch.h"
#include "store/index.h"
#include "store/io.h"
#include "store/reclaim.h"
#include "store/room.h"
#include "store/store_ops.h"
#include "store/syncer.h"

#define JOURNAL_BATCHES (SYNCER_BATCHES + 1)

struct journal {
    struct store store;
    struct store_owner owner;
    const struct journal_io *io;
    size_t segment_bytes;
    uint64_t max_bytes;
    int dir, lock;
    struct syncer *syncer;
    struct syncer_view view; /* as of the last news */

    struct batch batches[JOURNAL_BATCHES]; /* a ring */
    unsigned first, sent;                  /* those with the sync thread; the next one gathers */
    uint64_t open_seq;                     /* number of the gathering batch */
    uint64_t done_seq;                     /* number of the last durable batch */
    uint64_t unwritten;                    /* log bytes that all batches may take */
    size_t last_batch_bytes;
    bool left;      /* a batch is left to journal_sync() */
    uint64_t early; /* so many records are sent off before the turn ends, if the thread is idle */

    uint64_t next_birth, synced, reported; /* reported: last birth the owner heard failed() of */
    uint64_t oldest;                       /* what the next batch states */
    struct room reserved;
    uint64_t live_bytes;
    struct reclaim reclaim;
    struct index index; /* until replay */
    struct store_stats stats;
};

/* The batch that gathers. */
static inline struct batch *journal_batch(struct journal *j)
{
    return &j->batches[(j->first + j->sent) % JOURNAL_BATCHES];
}

/* Bytes of records that a segment holds for certain, whatever their sizes. */
static inline uint64_t journal_usable(const struct journal *j)
{
    return j->segment_bytes - SEGMENT_HEADER_BYTES - BATCH_PART_MIN;
}

/* Bytes of records that can still be written before a segment has to be taken back. */
uint64_t journal_free(const struct journal *j);

/* Put a copy of the sound record AT into the gathering batch. */
void journal_copy(struct journal *j, const uint8_t *at);

/* As journal_open(), on IO, which outlives the store. For tests. */
int journal_open_on(const struct store_config *config, const struct journal_io *io,
    struct store **ret_store, char *err, size_t err_bytes);

#endif
