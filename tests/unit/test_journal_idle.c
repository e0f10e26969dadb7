/* What the sync thread does when no batch comes: zeros for raw spares, an end to what is too many.
 */
#include "tests/support/journal_rig.h"

#define WAIT_TURNS 20000 /* of 1 ms */
#define NEVER_MS   3600000u

static uint64_t replayed_last, replayed;

static int count_visit(void *ctx, const struct store_record *r)
{
    (void)ctx;
    assert_true(r->birth > replayed_last && r->data_bytes == 4000);
    replayed_last = r->birth;
    replayed++;
    return 0;
}

/* Open it again: all records of the WANT last ones are there. */
static void reopen(struct rig *rig, uint64_t want)
{
    uint64_t last = rig->synced;

    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    replayed = 0;
    replayed_last = 0;
    assert_int_equal(store_replay(rig->store, count_visit, NULL), 0);
    assert_true(rig->synced == last && replayed >= want);
    assert_true(want == 0 || replayed_last == last);
}

static void begin(struct rig *rig, unsigned idle_ms, unsigned trim_ms)
{
    rig_init(rig);
    rig->disk.io.idle_ms = idle_ms;
    rig->disk.io.trim_ms = trim_ms;
    assert_int_equal(rig_open(rig), 0);
}

static uint64_t add(struct rig *rig, uint8_t kind)
{
    static const uint8_t data[4000];

    return rig_append(rig, kind, 7, data, sizeof data);
}

static unsigned writes_of(struct rig_disk *d)
{
    unsigned writes;

    (void)pthread_mutex_lock(&d->mutex);
    writes = d->writes;
    (void)pthread_mutex_unlock(&d->mutex);
    return writes;
}

/* Writes and syncs of files that had failed before. */
static unsigned lost_touched_of(struct rig_disk *d)
{
    unsigned touched;

    (void)pthread_mutex_lock(&d->mutex);
    touched = d->lost_touched;
    (void)pthread_mutex_unlock(&d->mutex);
    return touched;
}

static void await_writes(struct rig *rig, unsigned want)
{
    for (int i = 0; i < WAIT_TURNS && writes_of(&rig->disk) < want; i++)
        rig_turn(rig, 1);
    assert_true(writes_of(&rig->disk) >= want);
}

static struct store_stats stats_of(struct rig *rig)
{
    struct store_stats stats;

    store_poll(rig->store);
    store_stats(rig->store, &stats);
    return stats;
}

/* A burst of records that stay, and then none of them is needed; returns how many. */
static uint64_t burst(struct rig *rig, unsigned segments)
{
    uint64_t count = 0, last = 0;

    while (stats_of(rig).segments - stats_of(rig).free_segments < segments) {
        for (unsigned i = 0; i < 15; i++, count++)
            last = add(rig, 2);
        rig_settle(rig, last);
    }
    return count;
}

/* None of COUNT is needed any more: turn until the log is short, or the bound is reached. */
static void drain(struct rig *rig, uint64_t count)
{
    struct store_stats stats = stats_of(rig);

    for (; count > 0; count--)
        store_dead(rig->store, 4000);
    for (int i = 0; i < WAIT_TURNS; i++) {
        stats = stats_of(rig);
        if (stats.segments - stats.free_segments <= 4)
            break;
        rig_turn(rig, 1);
    }
    assert_true(stats.segments - stats.free_segments <= 4);
    assert_int_equal(store_drain(rig->store), 0);
}

/* Time for the sync thread to do what it should not. */
static void linger(struct rig *rig)
{
    for (unsigned i = 0; i < 30; i++)
        rig_turn(rig, 3);
}

/* --- zeros --- */

static void test_journal_idle_fills_its_spares(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 1, NEVER_MS);
    await_writes(&rig, 3);
    rig_settle(&rig, add(&rig, 1));
    reopen(&rig, 1);
    rig_settle(&rig, add(&rig, 1));
    reopen(&rig, 2);
    rig_done(&rig);
}

static void test_journal_that_is_not_idle_writes_no_zeros(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, NEVER_MS, NEVER_MS);
    for (unsigned i = 0; i < 10; i++)
        rig_settle(&rig, add(&rig, 1));
    linger(&rig);
    assert_int_equal(writes_of(&rig.disk), 1 + 10); /* the header of the segment, the batches */
    reopen(&rig, 10);
    rig_done(&rig);
}

/* Nobody knows whether they were written before the process ended. */
static void test_journal_idle_fills_the_blank_files_that_it_finds(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, NEVER_MS, NEVER_MS);
    rig_close(&rig);
    assert_int_equal(writes_of(&rig.disk), 0);
    rig.disk.io.idle_ms = 1;
    assert_int_equal(rig_open(&rig), 0);
    await_writes(&rig, 3);
    linger(&rig);
    assert_int_equal(writes_of(&rig.disk), 3);
    rig_settle(&rig, add(&rig, 1));
    reopen(&rig, 1);
    rig_done(&rig);
}

static void test_journal_without_reserve_has_written_spares_alone(void **state)
{
    struct rig rig;
    unsigned writes;

    (void)state;
    rig_init(&rig);
    rig.disk.no_reserve = true;
    rig.disk.io.idle_ms = 1;
    assert_int_equal(rig_open(&rig), 0);
    writes = writes_of(&rig.disk);
    assert_int_equal(writes, 3);
    for (unsigned i = 0; i < 100; i++)
        rig_settle(&rig, add(&rig, 1));
    reopen(&rig, 100);
    rig_done(&rig);
}

static void test_journal_whose_idle_disk_fails_goes_on(void **state)
{
    struct rig rig;
    uint64_t last = 0;

    (void)state;
    rig_init(&rig);
    rig.disk.io.idle_ms = 1;
    disk_fail_writes(&rig.disk, 0, 2, EIO);
    assert_int_equal(rig_open(&rig), 0);
    await_writes(&rig, 4); /* two that failed; two spares are kept */
    assert_int_equal(rig.failures, 0);
    for (unsigned i = 0; i < 100; i++) {
        last = add(&rig, 1);
        rig_settle(&rig, last);
    }
    assert_int_equal(rig.failures, 0);
    reopen(&rig, last);
    rig_done(&rig);
}

/* Whatever syncs fail meanwhile, what was answered is there when the machine comes up again. */
static void test_journal_whose_idle_sync_fails_loses_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.disk.io.idle_ms = 1;
    disk_fail_syncs(&rig.disk, 3, 2, EIO); /* behind those of the first spares */
    assert_int_equal(rig_open(&rig), 0);
    await_writes(&rig, 4);
    for (unsigned i = 0; i < 100; i++)
        rig_settle(&rig, add(&rig, 1));
    assert_int_equal(rig.failures, 0);
    assert_int_equal(lost_touched_of(&rig.disk), 0);
    disk_die(&rig.disk, 0);
    rig_close(&rig);
    disk_crash(&rig.disk);
    disk_reset(&rig.disk);
    assert_int_equal(rig_open(&rig), 0);
    assert_int_equal(rig.synced, 100);
    reopen(&rig, 100);
    rig_done(&rig);
}

/* --- a full disk --- */

/* Append until there is no room; returns the last birth. */
static uint64_t fill_up(struct rig *rig)
{
    uint64_t last = rig->synced;
    int rc = 0;

    for (int i = 0; i < 1000 && rc == 0; i++) {
        rc = store_reserve(rig->store, 4000, 1);
        if (rc != 0)
            break;
        store_unreserve(rig->store, 4000, 1);
        last = add(rig, 1);
        rig_settle(rig, last);
    }
    assert_int_equal(rc, GANGER_EFULL);
    return last;
}

static void full_and_back(bool no_reserve)
{
    struct rig rig;
    uint64_t last;
    int rc = GANGER_EFULL;

    rig_init(&rig);
    rig.disk.no_reserve = no_reserve;
    rig.disk.io.idle_ms = 1;
    assert_int_equal(rig_open(&rig), 0);
    disk_set_full(&rig.disk, true);
    reopen(&rig, fill_up(&rig));
    reopen(&rig, fill_up(&rig));
    (void)fill_up(&rig);
    disk_set_full(&rig.disk, false);
    for (int i = 0; i < WAIT_TURNS && rc != 0; i++) {
        rc = store_reserve(rig.store, 4000 * 100, 100);
        if (rc != 0)
            rig_turn(&rig, 1);
    }
    assert_int_equal(rc, 0);
    store_unreserve(rig.store, 4000 * 100, 100);
    last = add(&rig, 1);
    rig_settle(&rig, last);
    assert_int_equal(rig.failures, 0);
    reopen(&rig, last);
    rig_done(&rig);
}

static void test_journal_that_reserves_on_a_full_disk_recovers(void **state)
{
    (void)state;
    full_and_back(false);
}

static void test_journal_that_fills_on_a_full_disk_recovers(void **state)
{
    (void)state;
    full_and_back(true);
}

/* --- what is too many --- */

static void test_journal_after_a_burst_keeps_its_spares(void **state)
{
    struct store_stats stats;
    struct rig rig;
    uint64_t count;

    (void)state;
    begin(&rig, 1, NEVER_MS);
    count = burst(&rig, 30);
    drain(&rig, count);
    linger(&rig);
    stats = stats_of(&rig);
    assert_true(stats.free_segments >= 26 && stats.segments >= 30);
    /* And a second one takes those. */
    count = burst(&rig, 25);
    assert_true(stats_of(&rig).segments <= stats.segments + 1);
    reopen(&rig, count);
    rig_done(&rig);
}

/* Whoever looks sees nothing but what is left after one eighth and another. */
static void test_journal_after_a_burst_gives_back_an_eighth_at_a_time(void **state)
{
    struct store_stats stats;
    struct rig rig;
    uint64_t free, used, enough;
    unsigned steps = 0;

    (void)state;
    begin(&rig, NEVER_MS, 20);
    drain(&rig, burst(&rig, 40));
    stats = stats_of(&rig);
    free = stats.free_segments;
    used = stats.segments - stats.free_segments;
    enough = used / 2 + 3;
    /* One eighth may be under way by now. */
    for (int i = 0; i < WAIT_TURNS && stats.free_segments == free && free > enough; i++) {
        rig_turn(&rig, 1);
        stats = stats_of(&rig);
    }
    for (free = stats.free_segments; free > enough; steps++) {
        free -= (free - enough + 7) / 8;
        for (int i = 0; i < WAIT_TURNS && stats.free_segments > free; i++) {
            rig_turn(&rig, 1);
            stats = stats_of(&rig);
        }
        while (free > stats.free_segments && free > enough)
            free -= (free - enough + 7) / 8;
        assert_int_equal(stats.free_segments, free);
        assert_int_equal(stats.segments - stats.free_segments, used);
    }
    assert_true(steps > 0);
    reopen(&rig, 0);
    rig_done(&rig);
}

static void test_journal_under_load_gives_back_what_is_too_many(void **state)
{
    struct store_stats stats;
    struct rig rig;
    uint64_t enough;

    (void)state;
    begin(&rig, NEVER_MS, 1);
    drain(&rig, burst(&rig, 30));
    for (int i = 0; i < WAIT_TURNS; i++) {
        rig_settle(&rig, add(&rig, 2));
        store_dead(rig.store, 4000);
        stats = stats_of(&rig);
        enough = (stats.segments - stats.free_segments) / 2 + 3;
        if (stats.free_segments <= enough)
            break;
    }
    assert_true(stats.free_segments <= enough);
    assert_int_equal(rig.failures, 0);
    rig_settle(&rig, add(&rig, 1));
    reopen(&rig, 1);
    rig_done(&rig);
}

static void test_journal_long_after_a_burst_has_but_enough_spares(void **state)
{
    struct store_stats stats;
    struct rig rig;

    (void)state;
    begin(&rig, 1, 5);
    drain(&rig, burst(&rig, 40));
    for (int i = 0; i < WAIT_TURNS; i++) {
        uint64_t enough;

        stats = stats_of(&rig);
        enough = (stats.segments - stats.free_segments) / 2 + 3;
        assert_true(stats.free_segments >= enough);
        if (stats.free_segments == enough)
            break;
        rig_turn(&rig, 1);
    }
    linger(&rig);
    stats = stats_of(&rig);
    assert_int_equal(stats.free_segments, (stats.segments - stats.free_segments) / 2 + 3);
    reopen(&rig, 0);
    assert_int_equal(stats_of(&rig).free_segments, stats.free_segments);
    rig_settle(&rig, add(&rig, 1));
    reopen(&rig, 1);
    rig_done(&rig);
}

/* A crash can bring back any number of files that had been removed. */
static void test_journal_that_finds_too_many_files_keeps_within_its_bound(void **state)
{
    struct rig rig;
    uint64_t last;

    (void)state;
    rig_init(&rig);
    rig.config.max_bytes = 12 * rig.config.segment_bytes;
    assert_int_equal(rig_open(&rig), 0);
    last = fill_up(&rig);
    rig_close(&rig);
    for (uint32_t id = 100; id < 120; id++) {
        static const uint8_t blank[65536];
        char name[SEGMENT_NAME_BYTES];

        segment_name(id, false, name);
        disk_put(&rig.disk, name, blank, sizeof blank);
    }
    disk_reset(&rig.disk);
    assert_int_equal(rig_open(&rig), 0);
    assert_true(stats_of(&rig).disk_bytes <= rig.config.max_bytes);
    assert_true(stats_of(&rig).free_segments > 0);
    reopen(&rig, last);
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_idle_fills_its_spares),
        cmocka_unit_test(test_journal_that_is_not_idle_writes_no_zeros),
        cmocka_unit_test(test_journal_idle_fills_the_blank_files_that_it_finds),
        cmocka_unit_test(test_journal_without_reserve_has_written_spares_alone),
        cmocka_unit_test(test_journal_whose_idle_disk_fails_goes_on),
        cmocka_unit_test(test_journal_whose_idle_sync_fails_loses_nothing),
        cmocka_unit_test(test_journal_that_reserves_on_a_full_disk_recovers),
        cmocka_unit_test(test_journal_that_fills_on_a_full_disk_recovers),
        cmocka_unit_test(test_journal_after_a_burst_keeps_its_spares),
        cmocka_unit_test(test_journal_after_a_burst_gives_back_an_eighth_at_a_time),
        cmocka_unit_test(test_journal_under_load_gives_back_what_is_too_many),
        cmocka_unit_test(test_journal_long_after_a_burst_has_but_enough_spares),
        cmocka_unit_test(test_journal_that_finds_too_many_files_keeps_within_its_bound),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
