/*
 * The index: what stands in the log, for one replay.
 *
 * It is filled in log order while the journal is opened, and freed after replay. New records stand
 * in the log by rising birth already, so it is enough to know the segments and to read them once
 * more. Only of the copies that reclaim made, which stand elsewhere, each has an entry, to be
 * sorted. Private to this folder.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "store/io.h"
#include "store/store.h"

struct index_entry {
    uint64_t birth;
    uint32_t segment; /* id */
    uint32_t place;   /* offset in units of 8 bytes */
};

struct index_run {
    struct index_entry *entries;
    size_t count, capacity;
};

struct index_segment {
    uint32_t id;
    uint64_t end; /* behind its last record */
};

struct index {
    struct index_segment *segments; /* in the order of the log */
    size_t segment_count, segment_capacity;
    struct index_run copies;
    uint64_t in_order, last_birth; /* records that are no copies, and the last of them */
};

/* What follows stands in segment ID, up to END. GANGER_ENOMEM. */
int index_add_segment(struct index *index, uint32_t id, uint64_t end);

/* Add the next record of the log. GANGER_ENOMEM. */
int index_add(struct index *index, uint64_t birth, uint64_t offset);

/*
 * Give each record once to VISIT, by rising birth; stops at its first non-zero return and gives
 * that back. LIVE_BYTES becomes the log bytes of what was visited. GANGER_EIO, GANGER_ENOMEM.
 */
int index_replay(struct index *index, const struct journal_io *io, int dir,
    int (*visit)(void *ctx, const struct store_record *r), void *ctx, uint64_t *live_bytes);

/* Free what INDEX holds. */
void index_done(struct index *index);

#endif
