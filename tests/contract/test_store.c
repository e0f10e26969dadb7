/*
 * The contract of store.h, over both implementations: each test runs on the journal and on the
 * memory store.
 */
#include "tests/support/journal_rig.h"

#include "store/memory.h"
#include "store/room.h"

/* A store of either kind that can be closed and opened again. */
struct subject {
    struct rig rig;
    struct store_backing *backing; /* NULL: the journal */
    bool live[4096];               /* by birth */
    uint64_t seen[4096];           /* births, as replay gave them */
    unsigned seen_count, stop_at;
};

static bool subject_live(void *ctx, uint8_t kind, uint64_t key, uint64_t birth)
{
    (void)kind;
    (void)key;
    return ((struct subject *)ctx)->live[birth % 4096];
}

static void subject_synced(void *ctx, uint64_t last_birth)
{
    rig_synced(&((struct subject *)ctx)->rig, last_birth);
}

static void subject_failed(void *ctx, uint64_t first, uint64_t last, int code, const char *text)
{
    rig_failed(&((struct subject *)ctx)->rig, first, last, code, text);
}

static void subject_notify(void *ctx)
{
    rig_notify(&((struct subject *)ctx)->rig);
}

static void subject_open(struct subject *s)
{
    if (s->backing == NULL)
        assert_int_equal(rig_open(&s->rig), 0);
    else
        assert_int_equal(store_memory_open_on(&s->rig.config, s->backing, &s->rig.store), 0);
    s->rig.synced = store_synced(s->rig.store);
}

static void subject_init(struct subject *s, bool memory)
{
    memset(s, 0, sizeof *s);
    rig_init(&s->rig);
    s->rig.config.owner = (struct store_owner){ .ctx = s,
        .live = subject_live,
        .synced = subject_synced,
        .failed = subject_failed,
        .notify = subject_notify };
    if (memory)
        assert_int_equal(store_backing_new(&s->backing), 0);
    subject_open(s);
}

static void subject_done(struct subject *s)
{
    rig_done(&s->rig);
    store_backing_free(s->backing);
}

static void subject_reopen(struct subject *s)
{
    rig_close(&s->rig);
    subject_open(s);
}

/* Let syncs fail, or no longer. */
static void subject_fail(struct subject *s, bool fail)
{
    if (s->backing != NULL)
        store_backing_fail(s->backing, fail ? GANGER_EIO : 0);
    else
        disk_fail_syncs(&s->rig.disk, 0, fail ? 1000000 : 0, EIO);
}

static uint64_t subject_append(struct subject *s, uint64_t key, const char *text)
{
    uint64_t birth = rig_append(&s->rig, 1, key, text, strlen(text));

    s->live[birth % 4096] = true;
    return birth;
}

static int subject_visit(void *ctx, const struct store_record *r)
{
    struct subject *s = ctx;

    s->seen[s->seen_count++] = r->birth;
    return s->stop_at != 0 && s->seen_count == s->stop_at ? 42 : 0;
}

static int subject_replay(struct subject *s)
{
    s->seen_count = 0;
    return store_replay(s->rig.store, subject_visit, s);
}

static int visit_text(void *ctx, const struct store_record *r)
{
    struct subject *s = ctx;

    assert_int_equal(r->kind, 9);
    assert_int_equal(r->key, UINT64_C(0xfedcba9876543210));
    assert_int_equal(r->data_bytes, 11);
    assert_memory_equal(r->data, "head + tail", 11);
    s->seen_count++;
    return 0;
}

static void check_parts(struct subject *s)
{
    char head[] = "head", tail[] = " + tail";
    struct iovec iov[3] = { { .iov_base = head, .iov_len = 4 }, { .iov_base = NULL, .iov_len = 0 },
        { .iov_base = tail, .iov_len = 7 } };

    assert_int_equal(store_reserve(s->rig.store, 11, 1), 0);
    rig_settle(&s->rig, store_append(s->rig.store, 9, UINT64_C(0xfedcba9876543210), iov, 3));
    s->live[1] = true;
    subject_reopen(s);
    assert_int_equal(store_replay(s->rig.store, visit_text, s), 0);
    assert_int_equal(s->seen_count, 1);
}

static void check_births_rise(struct subject *s)
{
    uint64_t last = subject_append(s, 1, "one");

    assert_int_equal(last, 1);
    for (int i = 0; i < 50; i++)
        assert_int_equal(subject_append(s, 1, "more"), ++last);
    rig_settle(&s->rig, last);
    for (int i = 0; i < 3; i++) {
        subject_reopen(s);
        assert_int_equal(store_synced(s->rig.store), last);
        assert_int_equal(subject_replay(s), 0);
        assert_int_equal(subject_append(s, 1, "after"), ++last);
        assert_int_equal(store_drain(s->rig.store), 0);
    }
}

static void check_replay_in_order(struct subject *s)
{
    uint64_t last = 0;

    for (int i = 0; i < 100; i++)
        last = subject_append(s, (uint64_t)i, "a record");
    rig_settle(&s->rig, last);
    subject_reopen(s);
    assert_int_equal(subject_replay(s), 0);
    assert_int_equal(s->seen_count, 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(s->seen[i], i + 1);
}

static void check_replay_stops(struct subject *s)
{
    for (int i = 0; i < 9; i++)
        (void)subject_append(s, 1, "a record");
    assert_int_equal(store_drain(s->rig.store), 0);
    subject_reopen(s);
    s->stop_at = 4;
    assert_int_equal(subject_replay(s), 42);
    assert_int_equal(s->seen_count, 4);
}

static void check_synced_comes_from_poll(struct subject *s)
{
    uint64_t birth = subject_append(s, 1, "a record");
    struct pollfd p = { .fd = s->rig.wake, .events = POLLIN };

    assert_int_equal(s->rig.synced, 0);
    store_flush(s->rig.store);
    while (s->rig.synced < birth) {
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(s->rig.synced, 0);
        store_poll(s->rig.store);
    }
    assert_int_equal(s->rig.synced, birth);
    assert_int_equal(store_synced(s->rig.store), birth);
}

/* What is gathered while a sync is under way goes off with the poll that ends it. */
static void check_gathered_goes_off_by_itself(struct subject *s)
{
    struct pollfd p = { .fd = s->rig.wake, .events = POLLIN };
    uint64_t last, count;

    (void)subject_append(s, 1, "first batch");
    store_flush(s->rig.store);
    last = subject_append(s, 1, "second batch");
    for (int i = 0; i < 100 && s->rig.synced < last; i++) {
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(read(s->rig.wake, &count, sizeof count), sizeof count);
        store_poll(s->rig.store);
    }
    assert_int_equal(s->rig.synced, last);
}

static void check_unflushed_is_lost(struct subject *s)
{
    uint64_t last = subject_append(s, 1, "kept");

    rig_settle(&s->rig, last);
    (void)subject_append(s, 1, "never flushed");
    subject_reopen(s);
    assert_int_equal(subject_replay(s), 0);
    assert_int_equal(s->seen_count, 1);
    assert_int_equal(subject_append(s, 1, "next"), 2);
}

static void check_room_is_bounded(struct subject *s)
{
    unsigned reserved = 0;
    struct store_stats stats;

    while (store_reserve(s->rig.store, 4096, 1) == 0)
        reserved++;
    assert_int_equal(store_reserve(s->rig.store, 4096, 1), GANGER_EFULL);
    assert_true(reserved > s->rig.config.max_bytes / 4096 / 2);
    store_stats(s->rig.store, &stats);
    assert_true(stats.reserved_bytes >= reserved * UINT64_C(4096));
    assert_true(stats.reserved_bytes <= s->rig.config.max_bytes);
    store_unreserve(s->rig.store, (size_t)4096 * reserved, reserved);
    assert_int_equal(store_reserve(s->rig.store, 4096, 1), 0);
    store_unreserve(s->rig.store, 4096, 1);
    store_stats(s->rig.store, &stats);
    assert_int_equal(stats.reserved_bytes, 0);
}

/* What was reserved before the bound was reached can be appended after it. */
static void check_reserved_room_is_real(struct subject *s)
{
    static uint8_t data[4096];
    struct iovec iov = { .iov_base = data, .iov_len = sizeof data };
    unsigned reserved = 0;
    uint64_t last = 0;

    while (store_reserve(s->rig.store, sizeof data, 1) == 0)
        reserved++;
    for (unsigned i = 0; i < reserved; i++) {
        last = store_append(s->rig.store, 1, i, &iov, 1);
        s->live[last % 4096] = true;
        if (i % 7 == 0)
            rig_turn(&s->rig, 0);
    }
    rig_settle(&s->rig, last);
    assert_int_equal(s->rig.failures, 0);
    subject_reopen(s);
    assert_int_equal(subject_replay(s), 0);
    assert_int_equal(s->seen_count, reserved);
}

static void check_live_bytes_add_up(struct subject *s)
{
    struct store_stats stats;

    (void)subject_append(s, 1, "123456789");
    (void)subject_append(s, 1, "");
    s->live[1] = false;
    store_dead(s->rig.store, 9);
    store_stats(s->rig.store, &stats);
    assert_int_equal(stats.live_bytes, room_live_bytes(0));
    assert_int_equal(stats.appended_records, 2);
    assert_int_equal(stats.appended_bytes, 9);
    assert_int_equal(store_drain(s->rig.store), 0);
    subject_reopen(s);
    assert_int_equal(subject_replay(s), 0);
    store_stats(s->rig.store, &stats);
    assert_int_equal(
        stats.live_bytes, (s->seen_count == 2 ? room_live_bytes(9) : 0) + room_live_bytes(0));
}

static void check_failure_is_told_and_recovered(struct subject *s)
{
    uint64_t last;

    rig_settle(&s->rig, subject_append(s, 1, "before"));
    subject_fail(s, true);
    (void)subject_append(s, 1, "in trouble");
    last = subject_append(s, 1, "in trouble as well");
    for (int i = 0; i < 2000 && s->rig.failures == 0; i++)
        rig_turn(&s->rig, 5);
    assert_int_equal(s->rig.failures, 1);
    assert_int_equal(s->rig.failed_first, 2);
    assert_int_equal(s->rig.failed_last, 3);
    assert_int_equal(s->rig.failed_code, GANGER_EIO);
    assert_int_equal(store_reserve(s->rig.store, 10, 1), GANGER_ESTORE);
    assert_int_equal(store_drain(s->rig.store), GANGER_ESTORE);
    assert_int_equal(s->rig.synced, 1);
    subject_fail(s, false);
    rig_settle(&s->rig, last);
    assert_int_equal(subject_append(s, 1, "after"), last + 1);
    assert_int_equal(store_drain(s->rig.store), 0);
    subject_reopen(s);
    assert_int_equal(subject_replay(s), 0);
    assert_int_equal(s->seen_count, 4);
}

static void check_largest_record(struct subject *s)
{
    static uint8_t data[STORE_RECORD_MAX];
    struct store_stats stats;

    s->rig.config.max_bytes = UINT64_C(64) << 20;
    s->rig.config.segment_bytes = (size_t)1 << 20;
    subject_reopen(s);
    s->live[1] = true;
    rig_settle(&s->rig, rig_append(&s->rig, 1, 1, data, sizeof data));
    subject_reopen(s);
    assert_int_equal(subject_replay(s), 0);
    assert_int_equal(s->seen_count, 1);
    store_stats(s->rig.store, &stats);
    assert_int_equal(stats.live_bytes, room_live_bytes(sizeof data));
}

static void check_drain_of_nothing(struct subject *s)
{
    assert_int_equal(store_drain(s->rig.store), 0);
    store_flush(s->rig.store);
    store_poll(s->rig.store);
    assert_int_equal(s->rig.synced, 0);
    store_close(NULL);
}

static void both(void (*check)(struct subject *s))
{
    static struct subject s;

    for (int memory = 0; memory < 2; memory++) {
        subject_init(&s, memory != 0);
        check(&s);
        subject_done(&s);
    }
}

static void test_store_record_in_parts_comes_back_whole(void **state)
{
    (void)state;
    both(check_parts);
}

static void test_store_births_rise_across_restarts(void **state)
{
    (void)state;
    both(check_births_rise);
}

static void test_store_replay_gives_each_once_in_order(void **state)
{
    (void)state;
    both(check_replay_in_order);
}

static void test_store_replay_stops_when_told(void **state)
{
    (void)state;
    both(check_replay_stops);
}

static void test_store_synced_is_called_from_poll_alone(void **state)
{
    (void)state;
    both(check_synced_comes_from_poll);
}

static void test_store_batch_gathered_meanwhile_goes_off_by_itself(void **state)
{
    (void)state;
    both(check_gathered_goes_off_by_itself);
}

static void test_store_closed_before_flush_loses_the_record(void **state)
{
    (void)state;
    both(check_unflushed_is_lost);
}

static void test_store_reserve_over_the_bound_is_full(void **state)
{
    (void)state;
    both(check_room_is_bounded);
}

static void test_store_reserved_room_takes_all_that_was_promised(void **state)
{
    (void)state;
    both(check_reserved_room_is_real);
}

static void test_store_live_bytes_follow_append_dead_and_replay(void **state)
{
    (void)state;
    both(check_live_bytes_add_up);
}

static void test_store_failed_sync_is_told_once_and_recovered(void **state)
{
    (void)state;
    both(check_failure_is_told_and_recovered);
}

static void test_store_largest_record_comes_back(void **state)
{
    (void)state;
    both(check_largest_record);
}

static void test_store_drain_of_nothing_returns_at_once(void **state)
{
    (void)state;
    both(check_drain_of_nothing);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_record_in_parts_comes_back_whole),
        cmocka_unit_test(test_store_births_rise_across_restarts),
        cmocka_unit_test(test_store_replay_gives_each_once_in_order),
        cmocka_unit_test(test_store_replay_stops_when_told),
        cmocka_unit_test(test_store_synced_is_called_from_poll_alone),
        cmocka_unit_test(test_store_batch_gathered_meanwhile_goes_off_by_itself),
        cmocka_unit_test(test_store_closed_before_flush_loses_the_record),
        cmocka_unit_test(test_store_reserve_over_the_bound_is_full),
        cmocka_unit_test(test_store_reserved_room_takes_all_that_was_promised),
        cmocka_unit_test(test_store_live_bytes_follow_append_dead_and_replay),
        cmocka_unit_test(test_store_failed_sync_is_told_once_and_recovered),
        cmocka_unit_test(test_store_largest_record_comes_back),
        cmocka_unit_test(test_store_drain_of_nothing_returns_at_once),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
