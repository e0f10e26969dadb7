/*
 * The store: ordered, durable records. It knows bytes, keys and sequence numbers, no tasks.
 *
 * Two implementations stand behind this header and pass the same contract tests: the journal
 * (journal_open) and the memory store (store_memory_open), which forgets on close unless its
 * backing is kept by the test.
 *
 * Life of a record:
 *   1. store_reserve() sets journal space aside; the only call that may say "full".
 *   2. store_append() copies the record into the open batch and gives it a birth sequence.
 *   3. store_flush(), once a loop turn, hands the batch to the sync thread if that takes one;
 *      otherwise the batch goes on gathering (group commit). With many records store_append()
 *      does not wait for that.
 *   4. The sync thread writes and syncs, then calls notify() (from that thread).
 *   5. store_poll(), on the loop, calls synced(last_birth) in order of birth.
 *   6. The record is copied forward, with its birth, as long as live() says so.
 *
 * Log order and reclaim. The log is a ring of segments that are reclaimed in the order in which
 * they were written, oldest first: the live records of the oldest segment are appended again,
 * then the segment is reused. So when the segment of a record that ends a key is reclaimed, every
 * other record of that key stood before it and is gone already; no record has to be kept alive
 * only to hide another one. This holds because the owner stops calling a record live when it
 * APPENDS the record that ends it, not when that one is durable: otherwise a copy could come to
 * stand behind the end, and outlive it. A segment is not reused before everything is durable
 * that was appended when its last record was asked for, so nothing is lost by answering early.
 * Replay gives each live or dead record once, ordered by birth.
 *
 * Failure. After a failed write or sync nothing unsynced is trusted and that sync is not
 * repeated: failed(first_birth, last_birth) tells the owner, who answers "unknown" to those who
 * wait. The store then opens a fresh segment, whose header durably voids the failed range, writes
 * the pending records again with their births, and calls synced() when that is safe, as if
 * nothing had happened. While it cannot, store_reserve() returns GANGER_ESTORE.
 *
 * Threads: every function is for the loop thread, except that notify() is called on the sync
 * thread and must only wake the loop. During store_sync() the sync thread may be the loop thread,
 * in stand_in().
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct store; /* owned by the caller of the open function */

#define STORE_RECORD_MAX (18u * 1024 * 1024) /* bytes of one record's data */
#define STORE_HEAD_BYTES 32u                 /* journal space of a record beside its data */

/* One record as replay gives it. DATA is borrowed for the call. */
struct store_record {
    uint64_t birth; /* rises by one per append, across restarts */
    uint64_t key;   /* the owner's object, 0 if none */
    uint8_t kind;   /* the owner's kind, 1..255; 0 is the store's own */
    const void *data;
    size_t data_bytes;
};

/* What the store asks of and tells its owner. CTX is passed to each. */
struct store_owner {
    void *ctx;
    /* Is this record still needed? Asked while its segment is reclaimed. Loop thread. */
    bool (*live)(void *ctx, uint8_t kind, uint64_t key, uint64_t birth);
    /* Every record up to LAST_BIRTH is durable. Loop thread, from store_poll(). */
    void (*synced)(void *ctx, uint64_t last_birth);
    /* FIRST..LAST could not be confirmed (error CODE, errno text TEXT); synced() may follow. */
    void (*failed)(
        void *ctx, uint64_t first_birth, uint64_t last_birth, int code, const char *text);
    /* The sync thread has news: arrange a call of store_poll(). SYNC THREAD. */
    void (*notify)(void *ctx);
    /*
     * The call of store_sync() under way takes long: do what the loop would do, until that call
     * has returned and the loop's thread can go on. SYNC THREAD. NULL: store_flush_alone() leaves
     * nothing to the caller.
     */
    void (*stand_in)(void *ctx);
};

struct store_config {
    const char *dir;      /* journal: directory, created if missing (0700) */
    size_t segment_bytes; /* journal: 64 KiB..1 GiB, multiple of 4096; 0 = 16 MiB */
    uint64_t max_bytes;   /* most bytes of segments on disk; 0 = 8 GiB */
    struct store_owner owner;
};

/* Figures for stats; all since open unless named. */
struct store_stats {
    uint64_t appended_records, appended_bytes, synced_birth, syncs, copied_records, copied_bytes;
    uint64_t found_records; /* in the log when it was opened; copies that reclaim made apart */
    uint64_t segments, free_segments, live_bytes, reserved_bytes, disk_bytes, failures;
};

/*
 * Open the journal in CONFIG->dir. Takes an exclusive lock on the directory.
 * GANGER_EBUSY: another process holds it. GANGER_EFOREIGN: not a journal of ours, or of a newer
 * version. GANGER_EACCES / GANGER_EIO: the directory cannot be used. GANGER_ECORRUPT: a record
 * that was acknowledged is damaged. In each case ERR (ERR_BYTES long, may be NULL) gets a text
 * that names the file, the offset where there is one, and the way out.
 */
int journal_open(
    const struct store_config *config, struct store **ret_store, char *err, size_t err_bytes);

/* Open a memory store; same contract, no disk. */
int store_memory_open(const struct store_config *config, struct store **ret_store);

/*
 * Give every record that is durable to VISIT, by rising birth, each once; stops at the first
 * non-zero return and gives it back. Once, right after open, before the first append.
 */
int store_replay(struct store *s, int (*visit)(void *ctx, const struct store_record *r), void *ctx);

/*
 * Set aside room for records of BYTES data in all, RECORDS of them. 0, GANGER_EFULL (bound or
 * disk reached; nothing was set aside) or GANGER_ESTORE (the disk fails at present).
 */
int store_reserve(struct store *s, size_t bytes, unsigned records);

/* Give back room that was set aside and is not needed. */
void store_unreserve(struct store *s, size_t bytes, unsigned records);

/*
 * Append a record out of reserved room: the room for its data and head is consumed from what the
 * caller reserved. IOV (IOVCNT parts, together at most STORE_RECORD_MAX) is copied. Cannot fail,
 * which is what the reservation is for; appending without room is a bug and asserts.
 * Returns the record's birth. The record counts as live until store_dead().
 */
uint64_t store_append(
    struct store *s, uint8_t kind, uint64_t key, const struct iovec *iov, int iovcnt);

/* A record of DATA_BYTES is no longer needed (live() answers false for it from now on). */
void store_dead(struct store *s, size_t data_bytes);

/* End of a loop turn: start the sync of what was appended, if none is under way. */
void store_flush(struct store *s);

/*
 * As store_flush(), for a loop that has nothing else to do before that is durable. True: a batch is
 * left to the caller, who has to call store_sync() soon, and saves the way to another thread and
 * back. It is never left if the disk is slow, or if the batch is a large one.
 */
bool store_flush_alone(struct store *s);

/*
 * Sync what was left: HERE, which takes as long as the disk does (call store_poll() then); or not,
 * because something else has come up: then the sync thread does it. Nothing left: does nothing.
 */
void store_sync(struct store *s, bool here);

/* Call back for what the sync thread has done; also takes reclaim a bounded step further. */
void store_poll(struct store *s);

/* Last birth known to be durable. */
uint64_t store_synced(const struct store *s);

/* Wait until all that was appended is durable or failed, calling back. For the end of a drain. */
int store_drain(struct store *s);

void store_stats(const struct store *s, struct store_stats *ret_stats);

/* Free S; does not wait for unsynced records (call store_drain() first). Accepts NULL. */
void store_close(struct store *s);

#endif
