/*
 * The journal: glue between the loop, the sync thread and the owner.
 *
 * Happy path of a record:
 *   1. reserve: is there room in the segments that may be used? Room counts as taken from here.
 *   2. append: copied into the gathering batch, with a birth. With many of them it is sent off at
 *      once, as in 3.
 *   3. flush: the batch goes to the sync thread, another buffer gathers.
 *   4. The sync thread cuts, seals, writes and syncs it (writer.c), then notifies. If it is busy
 *      the batch stands by, and comes back if more is appended before it is taken up. If the loop
 *      is alone with it, the batch is left to the loop, which does the same in journal_sync().
 *   5. poll: synced() for the owner.
 *   6. reclaim takes back old segments meanwhile, a bounded step at each poll (reclaim.c).
 *
 * What goes wrong:
 *   - A write or sync fails: poll tells the owner failed() for all that is not durable; the sync
 *     thread voids and rewrites (writer.c), at once and then with back-off; reserve says ESTORE
 *     until it succeeds, then synced() comes as usual.
 *   - The disk has no room for another segment: only the segments that exist count as room;
 *     reserve says EFULL when they are full. The sync thread goes on trying to make one.
 *   - A crash: recovery.c.
 *   - A record is found damaged while it is reclaimed: reserve says ESTORE from then on, and
 *     the next open names the place.
 */
#include "store/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/assert.h"
#include "proto/err.h"
#include "store/bytes.h"
#include "store/catalogue.h"
#include "store/recovery.h"

#define SEGMENT_BYTES_DEFAULT (16u * 1024 * 1024)
#define MAX_BYTES_DEFAULT     (UINT64_C(8) << 30)
#define SEGMENTS_MIN          8u /* that max_bytes must allow */
#define SPARE_ROOM            3u /* segments that reserve leaves to reclaim and recovery */
#define GATHER_MAX            (UINT64_C(256) << 20) /* bytes gathered while a sync hangs */

uint64_t journal_free(const struct journal *j)
{
    uint64_t more, left, sum;

    if (j->view.cramped)
        more = j->view.spares;
    else
        more = j->max_bytes > j->view.used_bytes
                   ? (j->max_bytes - j->view.used_bytes) / j->segment_bytes
                   : 0;
    left = j->view.left > BATCH_PART_MIN ? j->view.left - BATCH_PART_MIN : 0;
    sum = more * journal_usable(j) + left;
    return sum > j->unwritten ? sum - j->unwritten : 0;
}

static int journal_replay(
    struct store *s, int (*visit)(void *ctx, const struct store_record *r), void *ctx)
{
    struct journal *j = (struct journal *)s;
    int rc = index_replay(&j->index, j->io, j->dir, visit, ctx, &j->live_bytes);

    index_done(&j->index);
    return rc;
}

static int journal_reserve(struct store *s, size_t bytes, unsigned records)
{
    struct journal *j = (struct journal *)s;
    struct room sum = j->reserved;

    if (j->view.failing || j->reclaim.state == RECLAIM_STUCK)
        return GANGER_ESTORE;
    room_add(&sum, bytes, records);
    if (room_log_bytes(&sum) + SPARE_ROOM * journal_usable(j) > journal_free(j))
        return GANGER_EFULL;
    if (j->unwritten > GATHER_MAX)
        return GANGER_EFULL;
    j->reserved = sum;
    return 0;
}

static void journal_unreserve(struct store *s, size_t bytes, unsigned records)
{
    room_take(&((struct journal *)s)->reserved, bytes, records);
}

/*
 * The batch to add to. If it is empty and the one before it is not yet being written, that one:
 * the more records share a sync the better.
 */
static struct batch *journal_gather(struct journal *j)
{
    struct batch *b = journal_batch(j);

    if (j->sent == 0 || !batch_is_empty(b) || !syncer_take_back(j->syncer))
        return b;
    j->sent--;
    j->open_seq--;
    return journal_batch(j);
}

/*
 * Hand the gathered batch to the sync thread, if that takes one. If the loop is ALONE with it, it
 * may stay with the loop.
 */
static void journal_send(struct journal *j, bool alone)
{
    struct writer_facts facts = { .synced = j->synced, .oldest = j->oldest };
    struct batch *b = journal_batch(j);

    if (j->sent == SYNCER_BATCHES || batch_is_empty(b) || reclaim_is_behind(j))
        return;
    j->sent++;
    j->open_seq++;
    j->left |= syncer_write(j->syncer, b, &facts, alone);
}

static uint64_t journal_append(
    struct store *s, uint8_t kind, uint64_t key, const struct iovec *iov, int iovcnt)
{
    struct journal *j = (struct journal *)s;
    struct batch *b = journal_gather(j);
    size_t bytes = room_iov_bytes(iov, iovcnt);
    struct record_head head = {
        .length = (uint32_t)bytes, .kind = kind, .birth = j->next_birth, .key = key
    };

    GANGER_ASSERT(kind != 0 && bytes <= STORE_RECORD_MAX);
    room_take(&j->reserved, bytes, 1);
    batch_add(b, &head, iov, iovcnt);
    b->room += bytes + ROOM_RECORD_BYTES;
    j->unwritten += bytes + ROOM_RECORD_BYTES;
    j->live_bytes += room_live_bytes(bytes);
    j->stats.appended_records++;
    j->stats.appended_bytes += bytes;
    j->next_birth++;
    if (j->sent == 0 && head.birth - b->first_birth + 1 >= j->early)
        journal_send(j, false);
    return head.birth;
}

void journal_copy(struct journal *j, const uint8_t *at)
{
    struct batch *b = journal_gather(j);
    uint64_t room = get_u32(at + 4) + ROOM_RECORD_BYTES;

    batch_add_copy(b, at);
    b->room += room;
    j->unwritten += room;
    j->stats.copied_records++;
    j->stats.copied_bytes += get_u32(at + 4);
}

static void journal_dead(struct store *s, size_t data_bytes)
{
    struct journal *j = (struct journal *)s;

    GANGER_ASSERT(j->live_bytes >= room_live_bytes(data_bytes));
    j->live_bytes -= room_live_bytes(data_bytes);
}

static void journal_flush(struct store *s)
{
    struct journal *j = (struct journal *)s;

    journal_send(j, false);
    reclaim_start(j);
}

static bool journal_flush_alone(struct store *s)
{
    struct journal *j = (struct journal *)s;

    journal_send(j, !j->left);
    reclaim_start(j);
    return j->left;
}

static void journal_sync(struct store *s, bool here)
{
    struct journal *j = (struct journal *)s;

    if (!j->left)
        return;
    j->left = false;
    syncer_sync(j->syncer, here);
}

/* The first batch that is with the sync thread is durable. */
static void journal_done(struct journal *j)
{
    struct batch *b = &j->batches[j->first];
    uint64_t last = b->last_birth;

    j->unwritten -= b->room;
    j->last_batch_bytes = b->bytes;
    j->done_seq++;
    j->first = (j->first + 1) % JOURNAL_BATCHES;
    j->sent--;
    batch_clear(b);
    if (last == 0)
        return;
    /* Who waited will be back. While the first half of them is synced the other half is taken. */
    j->early = (j->next_birth - 1 - j->synced) / 2;
    if (j->early < COMPANY_MANY)
        j->early = COMPANY_MANY;
    j->synced = last;
    if (j->reported < last)
        j->reported = last;
    j->owner.synced(j->owner.ctx, last);
}

/* A write or sync failed: tell the owner of what it has not heard of yet. */
static void journal_failed(struct journal *j, const struct syncer_news *news)
{
    uint64_t first = j->reported + 1, last = j->next_birth - 1;
    char text[160];

    j->stats.failures++;
    if (first > last)
        return;
    j->reported = last;
    (void)snprintf(text, sizeof text, "%s: %s", news->failed_at, strerror(news->error));
    j->owner.failed(j->owner.ctx, first, last, fault_code(news->error), text);
}

/* Tell the owner what became of the batches, in the order in which it did. */
static void journal_hear(struct journal *j, const struct syncer_news *news)
{
    unsigned before = news->failed ? news->failed_after : news->done;

    for (unsigned i = 0; i < before; i++)
        journal_done(j);
    if (news->failed)
        journal_failed(j, news);
    for (unsigned i = before; i < news->done; i++)
        journal_done(j);
}

static void journal_poll(struct store *s)
{
    struct journal *j = (struct journal *)s;
    struct syncer_news news;

    if (syncer_collect(j->syncer, &news)) {
        j->view = news.view;
        journal_hear(j, &news);
        if (news.read)
            reclaim_take(j);
        reclaim_go_on(j);
    }
    journal_flush(s);
}

static uint64_t journal_synced(const struct store *s)
{
    return ((const struct journal *)s)->synced;
}

static int journal_drain(struct store *s)
{
    struct journal *j = (struct journal *)s;

    journal_sync(s, false);
    journal_poll(s);
    while (j->synced != j->next_birth - 1) {
        if (j->view.failing)
            return GANGER_ESTORE;
        syncer_wait(j->syncer);
        journal_poll(s);
    }
    return 0;
}

static void journal_stats(const struct store *s, struct store_stats *ret_stats)
{
    const struct journal *j = (const struct journal *)s;

    *ret_stats = j->stats;
    ret_stats->synced_birth = j->synced;
    ret_stats->syncs = j->view.syncs;
    ret_stats->segments = j->view.used + j->view.spares;
    ret_stats->free_segments = j->view.spares;
    ret_stats->disk_bytes = j->view.disk_bytes;
    ret_stats->live_bytes = j->live_bytes;
    ret_stats->reserved_bytes = room_log_bytes(&j->reserved);
}

static void journal_close(struct store *s)
{
    struct journal *j = (struct journal *)s;

    syncer_stop(j->syncer);
    chunk_done(&j->reclaim.chunk);
    for (unsigned i = 0; i < JOURNAL_BATCHES; i++)
        batch_done(&j->batches[i]);
    index_done(&j->index);
    (void)close(j->dir);
    (void)close(j->lock);
    free(j);
}

static const struct store_ops journal_ops = {
    .replay = journal_replay,
    .reserve = journal_reserve,
    .unreserve = journal_unreserve,
    .append = journal_append,
    .dead = journal_dead,
    .flush = journal_flush,
    .flush_alone = journal_flush_alone,
    .sync = journal_sync,
    .poll = journal_poll,
    .synced = journal_synced,
    .drain = journal_drain,
    .stats = journal_stats,
    .close = journal_close,
};

/* Take the sizes from CONFIG, or refuse them. */
static int journal_configure(
    struct journal *j, const struct store_config *config, const struct fault *fault)
{
    j->segment_bytes = config->segment_bytes;
    j->max_bytes = config->max_bytes == 0 ? MAX_BYTES_DEFAULT : config->max_bytes;
    if (config->dir == NULL || config->dir[0] == '\0')
        return fault_set(fault, GANGER_EINVAL, "the journal has no directory");
    if (j->segment_bytes == 0)
        j->segment_bytes = SEGMENT_BYTES_DEFAULT;
    if (j->segment_bytes < SEGMENT_BYTES_MIN || j->segment_bytes > SEGMENT_BYTES_MAX ||
        j->segment_bytes % 4096 != 0)
        return fault_set(fault, GANGER_EINVAL,
            "%s: a segment of %zu bytes is not possible: a multiple of 4096 from %u to %u",
            config->dir, j->segment_bytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    if (j->max_bytes / j->segment_bytes < SEGMENTS_MIN)
        return fault_set(fault, GANGER_EINVAL,
            "%s: %" PRIu64 " bytes in all are too few: %u segments of %zu bytes are needed",
            config->dir, j->max_bytes, SEGMENTS_MIN, j->segment_bytes);
    return 0;
}

/* Have spare segments ready before the first batch comes. */
static int make_spares(struct writer *w, const char *dir, const struct fault *fault)
{
    while (w->spares.list.count < WRITER_SPARES + 1 && writer_has_room(w)) {
        int rc = spares_make(&w->spares);

        /* With one to begin with, the daemon can start; the sync thread will go on trying. */
        if (rc < 0 && w->spares.list.count > 0)
            return 0;
        if (rc < 0)
            return fault_set(
                fault, fault_code(-rc), "%s: cannot make a segment: %s", dir, strerror(-rc));
    }
    return 0;
}

/* Recover what the directory holds and start the sync thread. */
static int journal_start(struct journal *j, const char *dir, const struct fault *fault)
{
    struct writer w = { .io = j->io,
        .dir = j->dir,
        .segment_bytes = j->segment_bytes,
        .max_bytes = j->max_bytes,
        .fd = -1 };
    struct syncer_news news;
    uint64_t last_birth = 0;
    int rc;

    spares_init(&w.spares, j->io, j->dir, j->segment_bytes);
    rc = recovery_run(&w, dir, &j->index, &last_birth, fault);
    if (rc == 0)
        rc = make_spares(&w, dir, fault);
    if (rc < 0)
        goto free_writer;
    j->stats.found_records = j->index.in_order;
    j->next_birth = last_birth + 1;
    j->synced = last_birth;
    j->reported = last_birth;
    j->early = COMPANY_MANY;
    j->oldest = w.used.first == NULL ? 0 : w.used.first->generation;
    j->open_seq = 1;
    rc = syncer_start(&w, &j->owner, &j->syncer);
    if (rc < 0) {
        (void)fault_set(fault, rc, "%s: cannot start the sync thread", dir);
        goto free_writer;
    }
    (void)syncer_collect(j->syncer, &news);
    j->view = news.view;
    return 0;

free_writer:
    writer_done(&w);
    return rc;
}

/* NOLINTBEGIN(readability-non-const-parameter): ERR is written to, by fault_set(). */
int journal_open_on(const struct store_config *config, const struct journal_io *io,
    struct store **ret_store, char *err, size_t err_bytes)
{
    struct fault fault = { .text = err, .bytes = err_bytes };
    struct journal *j = calloc(1, sizeof *j);
    int rc;

    if (j == NULL)
        return fault_set(&fault, GANGER_ENOMEM, "%s: not enough memory", config->dir);
    j->store.ops = &journal_ops;
    j->owner = config->owner;
    j->io = io;
    rc = journal_configure(j, config, &fault);
    if (rc == 0)
        rc = directory_open(config->dir, &j->dir, &j->lock, &fault);
    if (rc < 0)
        goto free_journal;
    rc = journal_start(j, config->dir, &fault);
    if (rc < 0)
        goto close_directory;
    *ret_store = &j->store;
    return 0;

close_directory:
    index_done(&j->index);
    (void)close(j->dir);
    (void)close(j->lock);
free_journal:
    free(j);
    return rc;
}
/* NOLINTEND(readability-non-const-parameter) */

int journal_open(
    const struct store_config *config, struct store **ret_store, char *err, size_t err_bytes)
{
    return journal_open_on(config, &io_real, ret_store, err, err_bytes);
}
