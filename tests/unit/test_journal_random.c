/*
 * Random lives of a journal against a simple model: appends of all sizes, records that end
 * others, failing disks, crashes that forget what was not synced, replay.
 *
 * Kind 1 is a task, which is live until a record of kind 2 with its birth as key ends it. That
 * one is never live itself. After a crash:
 *   - what was acknowledged and not ended is there;
 *   - what was ended, and the end acknowledged, does not come back without its end;
 *   - what was ended by a record that did not survive is there again;
 *   - of what was not acknowledged a prefix is there;
 *   - and each record has the content that was given.
 */
#include "tests/support/journal_rig.h"

#include "store/room.h"

#define RECORDS_MAX 20000u

struct entry {
    uint64_t key, content;
    size_t bytes;
    uint64_t ended_by; /* birth of the record that ends it, 0 if none */
    uint8_t kind;
    bool exists, seen;
};

struct model {
    struct rig rig;
    struct entry *entries; /* by birth */
    uint64_t next;         /* birth that comes next */
    uint64_t acked;
    uint64_t random, serial, last_seen;
    uint64_t live_bytes;
    uint64_t reserved_ends; /* tasks for whose end there is room set aside */
};

static uint64_t pick(struct model *m, uint64_t below)
{
    return rig_random(&m->random) % below;
}

static void content_fill(uint8_t *data, size_t bytes, uint64_t content)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(content >> (i % 8 * 8)) ^ (uint8_t)(i / 8);
}

static bool model_live(void *ctx, uint8_t kind, uint64_t key, uint64_t birth)
{
    struct model *m = ctx;

    (void)key;
    return kind == 1 && m->entries[birth].ended_by == 0;
}

static void model_synced(void *ctx, uint64_t last_birth)
{
    struct model *m = ctx;

    assert_true(last_birth > m->acked && last_birth < m->next);
    m->acked = last_birth;
}

static void model_failed(void *ctx, uint64_t first, uint64_t last, int code, const char *text)
{
    struct model *m = ctx;

    (void)text;
    assert_true(code < 0 && first > m->acked && first <= last && last < m->next);
}

static void model_notify(void *ctx)
{
    rig_notify(&((struct model *)ctx)->rig);
}

/* The disk takes its time; the loop of this test has nothing to do meanwhile. */
static void model_stand_in(void *ctx)
{
    (void)ctx;
}

static uint64_t model_append(struct model *m, uint8_t kind, uint64_t key, size_t bytes)
{
    static uint8_t data[300000];
    struct iovec iov[2] = { { .iov_base = data, .iov_len = bytes / 3 },
        { .iov_base = data + bytes / 3, .iov_len = bytes - bytes / 3 } };
    struct entry *e = &m->entries[m->next];
    uint64_t birth;

    *e = (struct entry){
        .key = key, .content = ++m->serial, .bytes = bytes, .kind = kind, .exists = true
    };
    content_fill(data, bytes, e->content);
    m->next++;
    birth = store_append(m->rig.store, kind, key, iov, 2);
    assert_int_equal(birth, m->next - 1);
    m->live_bytes += room_live_bytes(bytes);
    return birth;
}

static void model_dead(struct model *m, uint64_t birth)
{
    store_dead(m->rig.store, m->entries[birth].bytes);
    m->live_bytes -= room_live_bytes(m->entries[birth].bytes);
}

static void act_submit(struct model *m)
{
    size_t bytes = pick(m, 40) == 0 ? pick(m, 200000) : pick(m, 1500);

    if (m->next + 2 >= RECORDS_MAX)
        return;
    if (store_reserve(m->rig.store, bytes + 16, 2) != 0)
        return;
    m->reserved_ends++;
    (void)model_append(m, 1, 77, bytes);
}

static void act_end(struct model *m)
{
    uint64_t low = m->next > 400 && pick(m, 8) != 0 ? m->next - 400 : 1;
    uint64_t birth = m->next == 1 ? 1 : low + pick(m, m->next - low);

    /* Some tasks are never ended: those are the ones that have to be copied for ever. */
    for (; birth < m->next; birth++) {
        struct entry *e = &m->entries[birth];
        uint64_t end;

        if (!e->exists || e->kind != 1 || e->ended_by != 0 || birth % 64 == 0)
            continue;
        if (m->reserved_ends == 0)
            return;
        m->reserved_ends--;
        end = model_append(m, 2, birth, 16);
        e->ended_by = end;
        model_dead(m, birth);
        model_dead(m, end);
        return;
    }
}

static int model_visit(void *ctx, const struct store_record *r)
{
    static uint8_t data[300000];
    struct model *m = ctx;
    struct entry *e = &m->entries[r->birth];

    assert_true(r->birth > m->last_seen && r->birth < m->next);
    m->last_seen = r->birth;
    assert_true(e->exists && !e->seen);
    assert_int_equal(r->kind, e->kind);
    assert_int_equal(r->key, e->key);
    assert_int_equal(r->data_bytes, e->bytes);
    content_fill(data, e->bytes, e->content);
    assert_memory_equal(r->data, data, e->bytes);
    e->seen = true;
    return 0;
}

/* Is what replay gave what it may give? */
static void model_check(struct model *m)
{
    bool missing = false;

    for (uint64_t b = 1; b < m->next; b++) {
        struct entry *e = &m->entries[b];

        if (b > m->acked) {
            assert_false(e->seen && missing);
            missing = missing || !e->seen;
        }
        if (!e->exists || e->kind != 1)
            continue;
        if (e->ended_by == 0 || (e->ended_by > m->acked && !m->entries[e->ended_by].seen))
            assert_true(b > m->acked || e->seen);
        else if (e->seen)
            assert_true(m->entries[e->ended_by].seen);
    }
}

/* Go on from what replay gave. */
static void model_adopt(struct model *m)
{
    uint64_t top = store_synced(m->rig.store);

    m->live_bytes = 0;
    m->reserved_ends = 0;
    for (uint64_t b = 1; b < m->next; b++) {
        struct entry *e = &m->entries[b];

        e->exists = e->seen;
        if (e->seen)
            m->live_bytes += room_live_bytes(e->bytes);
        if (e->ended_by != 0 && e->ended_by > m->acked && !m->entries[e->ended_by].seen)
            e->ended_by = 0;
    }
    assert_true(top >= m->acked);
    m->acked = top;
    m->next = top + 1;
    for (uint64_t b = 1; b < m->next; b++) {
        struct entry *e = &m->entries[b];

        if (e->exists && (e->kind == 2 || e->ended_by != 0))
            model_dead(m, b);
        if (e->exists && e->kind == 1 && e->ended_by == 0 &&
            store_reserve(m->rig.store, 16, 1) == 0)
            m->reserved_ends++;
        e->seen = false;
    }
}

static void model_open(struct model *m)
{
    int rc = rig_open(&m->rig);

    if (rc != 0)
        (void)printf("open: %d %s\n", rc, m->rig.err);
    assert_int_equal(rc, 0);
    m->last_seen = 0;
    for (uint64_t b = 1; b < m->next; b++)
        m->entries[b].seen = false;
    assert_int_equal(store_replay(m->rig.store, model_visit, m), 0);
    model_check(m);
    model_adopt(m);
}

static void act_trouble(struct model *m)
{
    static const int errors[] = { EIO, ENOSPC, EDQUOT };

    if (pick(m, 2) == 0)
        disk_fail_syncs(
            &m->rig.disk, (unsigned)pick(m, 4), 1 + (unsigned)pick(m, 4), errors[pick(m, 3)]);
    else
        disk_fail_writes(
            &m->rig.disk, (unsigned)pick(m, 4), 1 + (unsigned)pick(m, 4), errors[pick(m, 3)]);
    disk_set_short(&m->rig.disk, pick(m, 2) == 0);
}

static void act(struct model *m, bool trouble)
{
    struct store_stats stats;
    uint64_t what = pick(m, 100);

    if (what < 45)
        act_submit(m);
    else if (what < 85)
        act_end(m);
    else if (what < 89)
        store_flush(m->rig.store);
    else if (what < 92)
        (void)store_flush_alone(m->rig.store);
    else if (what < 94)
        store_sync(m->rig.store, pick(m, 4) != 0);
    else if (what < 98)
        rig_turn(&m->rig, 1);
    else if (what < 99)
        (void)store_drain(m->rig.store);
    else if (trouble)
        act_trouble(m);
    store_stats(m->rig.store, &stats);
    assert_int_equal(stats.live_bytes, m->live_bytes);
    assert_true(stats.disk_bytes <= m->rig.config.max_bytes);
}

/* A file system that reserves or not, and a sync thread that is soon idle or never. */
static void choose_disk(struct model *m)
{
    static const unsigned idle_ms[] = { 0, 1, 10, 60000 }, trim_ms[] = { 0, 1, 5, 60000 };
    static const unsigned stand_in_ms[] = { 0, 1, 60000 }, slow_us[] = { 0, 100, UINT32_MAX };

    m->rig.disk.no_reserve = pick(m, 4) == 0;
    m->rig.disk.io.idle_ms = idle_ms[pick(m, 4)];
    m->rig.disk.io.trim_ms = trim_ms[pick(m, 4)];
    m->rig.disk.io.stand_in_ms = stand_in_ms[pick(m, 3)];
    m->rig.disk.io.slow_us = slow_us[pick(m, 3)];
}

static void live_once(struct model *m, bool trouble)
{
    unsigned acts = 1 + (unsigned)pick(m, 1500);
    bool crash = pick(m, 4) != 0;

    choose_disk(m);
    model_open(m);
    if (crash)
        disk_die(&m->rig.disk, 1 + (unsigned)pick(m, acts / 4 + 1));
    for (unsigned i = 0; i < acts; i++)
        act(m, trouble);
    if (!crash && pick(m, 2) == 0)
        (void)store_drain(m->rig.store);
    if (crash)
        disk_die(&m->rig.disk, 0);
    store_poll(m->rig.store);
    rig_close(&m->rig);
    if (crash || pick(m, 2) == 0)
        disk_crash(&m->rig.disk);
    disk_reset(&m->rig.disk);
}

static void model_run(uint64_t seed, unsigned lives, bool trouble)
{
    struct model *m = calloc(1, sizeof *m);

    assert_non_null(m);
    (void)printf("seed %" PRIu64 "\n", seed);
    m->random = seed;
    m->next = 1;
    m->entries = calloc(RECORDS_MAX, sizeof *m->entries);
    assert_non_null(m->entries);
    rig_init(&m->rig);
    m->rig.disk.random = seed ^ 0x5555;
    m->rig.config.owner = (struct store_owner){ .ctx = m,
        .live = model_live,
        .synced = model_synced,
        .failed = model_failed,
        .notify = model_notify,
        .stand_in = model_stand_in };
    for (unsigned i = 0; i < lives; i++)
        live_once(m, trouble);
    model_open(m);
    rig_done(&m->rig);
    free(m->entries);
    free(m);
}

static unsigned seeds_wanted(void)
{
    const char *given = getenv("SEEDS");

    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : 20;
}

static void test_journal_random_crashes_replay_as_the_model(void **state)
{
    uint64_t seed = rig_seed();

    (void)state;
    for (unsigned i = 0; i < seeds_wanted(); i++)
        model_run(seed + i, 12, false);
}

static void test_journal_random_failing_disk_replays_as_the_model(void **state)
{
    uint64_t seed = rig_seed();

    (void)state;
    for (unsigned i = 0; i < seeds_wanted(); i++)
        model_run(seed + i, 12, true);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_random_crashes_replay_as_the_model),
        cmocka_unit_test(test_journal_random_failing_disk_replays_as_the_model),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
