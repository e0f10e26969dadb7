#include "store/memory.h"

#include <stdlib.h>
#include <string.h>

#include "proto/assert.h"
#include "proto/err.h"
#include "store/room.h"
#include "store/store_ops.h"

#define MAX_BYTES_DEFAULT (UINT64_C(8) << 30)

struct kept {
    uint64_t birth, key;
    void *data;
    size_t data_bytes;
    uint8_t kind;
};

struct store_backing {
    struct kept *records; /* by rising birth */
    size_t count, capacity;
    uint64_t next_birth;
    bool hold;
    int fail;
};

struct memory {
    struct store store;
    struct store_owner owner;
    struct store_backing *backing; /* NULL: nothing is kept */
    struct room reserved;
    uint64_t max_bytes;
    uint64_t next_birth, flushed, synced; /* births: next, last under way, last durable */
    bool failing;                         /* the owner was told of a failure */
    struct store_stats stats;
};

int store_backing_new(struct store_backing **ret_backing)
{
    struct store_backing *b = calloc(1, sizeof *b);

    if (b == NULL)
        return GANGER_ENOMEM;
    b->next_birth = 1;
    *ret_backing = b;
    return 0;
}

void store_backing_free(struct store_backing *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->count; i++)
        free(b->records[i].data);
    free(b->records);
    free(b);
}

void store_backing_hold(struct store_backing *b, bool hold)
{
    b->hold = hold;
}

void store_backing_fail(struct store_backing *b, int code)
{
    b->fail = code;
}

/* Drop the records that the owner no longer needs, as reclaim does in the journal. */
static void backing_sweep(struct store_backing *b, const struct store_owner *owner)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->count; i++) {
        struct kept *k = &b->records[i];

        if (owner->live(owner->ctx, k->kind, k->key, k->birth))
            b->records[kept++] = *k;
        else
            free(k->data);
    }
    b->count = kept;
}

static void backing_make_room(struct store_backing *b, const struct store_owner *owner)
{
    size_t capacity;
    struct kept *records;

    if (b->count < b->capacity)
        return;
    backing_sweep(b, owner);
    if (b->count < b->capacity / 2)
        return;
    capacity = b->capacity == 0 ? 64 : b->capacity * 2;
    records = realloc(b->records, capacity * sizeof *records);
    GANGER_ASSERT(records != NULL);
    b->records = records;
    b->capacity = capacity;
}

static void backing_add(
    struct memory *m, uint8_t kind, uint64_t key, const struct iovec *iov, int iovcnt, size_t bytes)
{
    struct store_backing *b = m->backing;
    struct kept k = { .birth = m->next_birth, .key = key, .kind = kind, .data_bytes = bytes };
    char *at;

    backing_make_room(b, &m->owner);
    at = malloc(bytes == 0 ? 1 : bytes);
    GANGER_ASSERT(at != NULL);
    k.data = at;
    for (int i = 0; i < iovcnt; i++) {
        if (iov[i].iov_len > 0)
            memcpy(at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    b->records[b->count++] = k;
}

static int memory_replay(
    struct store *s, int (*visit)(void *ctx, const struct store_record *r), void *ctx)
{
    struct memory *m = (struct memory *)s;
    struct store_backing *b = m->backing;
    int rc = 0;

    for (size_t i = 0; b != NULL && i < b->count && rc == 0; i++) {
        const struct kept *k = &b->records[i];
        struct store_record r = { .birth = k->birth,
            .key = k->key,
            .kind = k->kind,
            .data = k->data,
            .data_bytes = k->data_bytes };

        m->stats.live_bytes += room_live_bytes(k->data_bytes);
        rc = visit(ctx, &r);
    }
    return rc;
}

static int memory_reserve(struct store *s, size_t bytes, unsigned records)
{
    struct memory *m = (struct memory *)s;
    struct room more = { .bytes = bytes, .records = records };
    uint64_t taken = m->stats.live_bytes + room_log_bytes(&m->reserved);

    if (m->failing)
        return GANGER_ESTORE;
    if (taken > m->max_bytes || room_log_bytes(&more) > m->max_bytes - taken)
        return GANGER_EFULL;
    room_add(&m->reserved, bytes, records);
    return 0;
}

static void memory_unreserve(struct store *s, size_t bytes, unsigned records)
{
    room_take(&((struct memory *)s)->reserved, bytes, records);
}

static uint64_t memory_append(
    struct store *s, uint8_t kind, uint64_t key, const struct iovec *iov, int iovcnt)
{
    struct memory *m = (struct memory *)s;
    size_t bytes = room_iov_bytes(iov, iovcnt);

    GANGER_ASSERT(kind != 0 && bytes <= STORE_RECORD_MAX);
    room_take(&m->reserved, bytes, 1);
    if (m->backing != NULL)
        backing_add(m, kind, key, iov, iovcnt, bytes);
    m->stats.appended_records++;
    m->stats.appended_bytes += bytes;
    m->stats.live_bytes += room_live_bytes(bytes);
    return m->next_birth++;
}

static void memory_dead(struct store *s, size_t data_bytes)
{
    struct memory *m = (struct memory *)s;

    GANGER_ASSERT(m->stats.live_bytes >= room_live_bytes(data_bytes));
    m->stats.live_bytes -= room_live_bytes(data_bytes);
}

static bool memory_held(const struct memory *m)
{
    return m->backing != NULL && m->backing->hold;
}

static void memory_flush(struct store *s)
{
    struct memory *m = (struct memory *)s;

    if (m->flushed != m->synced || m->next_birth - 1 == m->synced)
        return;
    m->flushed = m->next_birth - 1;
    if (!memory_held(m))
        m->owner.notify(m->owner.ctx);
}

static bool memory_flush_alone(struct store *s)
{
    memory_flush(s);
    return false;
}

static void memory_sync(struct store *s, bool here)
{
    (void)s;
    (void)here;
}

static void memory_fail(struct memory *m, int code)
{
    if (m->failing)
        return;
    m->failing = true;
    m->stats.failures++;
    m->owner.failed(m->owner.ctx, m->synced + 1, m->flushed, code, "the backing fails");
}

static void memory_poll(struct store *s)
{
    struct memory *m = (struct memory *)s;

    if (m->flushed == m->synced || memory_held(m))
        return;
    if (m->backing != NULL && m->backing->fail != 0) {
        memory_fail(m, m->backing->fail);
        return;
    }
    m->failing = false;
    m->synced = m->flushed;
    m->stats.syncs++;
    if (m->backing != NULL)
        m->backing->next_birth = m->synced + 1;
    m->owner.synced(m->owner.ctx, m->synced);
    memory_flush(s);
}

static uint64_t memory_synced(const struct store *s)
{
    return ((const struct memory *)s)->synced;
}

static int memory_drain(struct store *s)
{
    struct memory *m = (struct memory *)s;

    while (m->synced != m->next_birth - 1) {
        memory_flush(s);
        if (memory_held(m))
            return GANGER_ESTORE;
        memory_poll(s);
        if (m->failing)
            return GANGER_ESTORE;
    }
    return 0;
}

static void memory_stats(const struct store *s, struct store_stats *ret_stats)
{
    const struct memory *m = (const struct memory *)s;

    *ret_stats = m->stats;
    ret_stats->synced_birth = m->synced;
    ret_stats->reserved_bytes = room_log_bytes(&m->reserved);
}

static void memory_close(struct store *s)
{
    struct memory *m = (struct memory *)s;
    struct store_backing *b = m->backing;

    while (b != NULL && b->count > 0 && b->records[b->count - 1].birth > m->synced)
        free(b->records[--b->count].data);
    free(m);
}

static const struct store_ops memory_ops = {
    .replay = memory_replay,
    .reserve = memory_reserve,
    .unreserve = memory_unreserve,
    .append = memory_append,
    .dead = memory_dead,
    .flush = memory_flush,
    .flush_alone = memory_flush_alone,
    .sync = memory_sync,
    .poll = memory_poll,
    .synced = memory_synced,
    .drain = memory_drain,
    .stats = memory_stats,
    .close = memory_close,
};

int store_memory_open_on(
    const struct store_config *config, struct store_backing *b, struct store **ret_store)
{
    struct memory *m = calloc(1, sizeof *m);

    if (m == NULL)
        return GANGER_ENOMEM;
    m->store.ops = &memory_ops;
    m->owner = config->owner;
    m->backing = b;
    m->max_bytes = config->max_bytes == 0 ? MAX_BYTES_DEFAULT : config->max_bytes;
    m->next_birth = b == NULL ? 1 : b->next_birth;
    m->synced = m->next_birth - 1;
    m->flushed = m->synced;
    *ret_store = &m->store;
    return 0;
}

int store_memory_open(const struct store_config *config, struct store **ret_store)
{
    return store_memory_open_on(config, NULL, ret_store);
}
