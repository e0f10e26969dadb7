/*
 * What the sync thread does when no batch comes: zeros for raw spares, an end to what is too many.
 *
 * Each test has a static rig: the sync thread goes on with it after an assertion that failed, and
 * on a stack that is gone it would end the whole program, or never.
 */
#include "tests/support/journal_rig.h"

#include <signal.h>

#define WAIT_TURNS    20000 /* of 1 ms */
#define NEVER_MS      3600000u
#define WATCH_SECONDS 60 /* more than all turns of a wait, less than ctest gives a test */

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

static void on_alarm(int number)
{
    (void)number;
    fail_msg("no end in time; a sync thread that spins keeps its mutex for ever");
}

/* What a loop waits for inside the store no bound on turns can end. */
static int watch_begin(void **state)
{
    /* cmocka does not come back from it: the next one must not be blocked. */
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_NODEFER };

    (void)state;
    (void)alarm(WATCH_SECONDS);
    return sigaction(SIGALRM, &action, NULL);
}

static int watch_end(void **state)
{
    (void)state;
    (void)alarm(0);
    return 0;
}

/* --- zeros --- */

static void test_journal_idle_fills_its_spares(void **state)
{
    static struct rig rig;

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
    static struct rig rig;

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
    static struct rig rig;

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
    static struct rig rig;
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
    static struct rig rig;
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
    static struct rig rig;

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
    static struct rig rig;
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
    static struct rig rig;
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
    static struct rig rig;
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

static uint64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/*
 * Batches without a pause, until no spare is too many or MOST batches are durable. LEAST is the
 * shortest that the log was at a look, kept from call to call. Each batch is looked at, so nothing
 * was given back while the log was shorter, and not more than that one would do without.
 */
static void load(struct rig *rig, unsigned most, uint64_t *least, bool *ret_enough)
{
    bool enough = false;

    for (unsigned i = 0; i < most && !enough; i++) {
        struct store_stats stats;
        uint64_t used;

        rig_settle(rig, add(rig, 2));
        store_dead(rig->store, 4000);
        stats = stats_of(rig);
        used = stats.segments - stats.free_segments;
        if (used < *least)
            *least = used;
        assert_true(stats.segments >= *least + *least / 2 + 3);
        enough = stats.free_segments <= used / 2 + 3;
    }
    *ret_enough = enough;
}

/* A batch comes far more often than it is time to trim: whatever each puts off never happens. */
static void test_journal_under_load_gives_back_what_is_too_many(void **state)
{
    static const unsigned trim_ms = 20;
    static struct rig rig;
    struct store_stats stats;
    uint64_t count, began, before, given, least;
    bool enough;

    (void)state;
    begin(&rig, NEVER_MS, trim_ms);
    count = burst(&rig, 30);
    before = stats_of(&rig).segments;
    began = now_ms();
    drain(&rig, count);
    stats = stats_of(&rig);
    least = stats.segments - stats.free_segments;
    load(&rig, WAIT_TURNS, &least, &enough);
    assert_true(enough);
    given = before - stats_of(&rig).segments;
    assert_true(given >= 16);
    /* An eighth of all segments is more than was ever given back at a time. */
    assert_true(now_ms() - began + 1 >= trim_ms * (given / ((before + 7) / 8)));
    for (unsigned i = 0; i < 2000; i++)
        load(&rig, 1, &least, &enough);
    assert_int_equal(rig.failures, 0);
    rig_settle(&rig, add(&rig, 1));
    reopen(&rig, 1);
    rig_done(&rig);
}

static void test_journal_long_after_a_burst_has_but_enough_spares(void **state)
{
    struct store_stats stats;
    static struct rig rig;

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
    static struct rig rig;
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

#define watched(test) cmocka_unit_test_setup_teardown(test, watch_begin, watch_end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        watched(test_journal_idle_fills_its_spares),
        watched(test_journal_that_is_not_idle_writes_no_zeros),
        watched(test_journal_idle_fills_the_blank_files_that_it_finds),
        watched(test_journal_without_reserve_has_written_spares_alone),
        watched(test_journal_whose_idle_disk_fails_goes_on),
        watched(test_journal_whose_idle_sync_fails_loses_nothing),
        watched(test_journal_that_reserves_on_a_full_disk_recovers),
        watched(test_journal_that_fills_on_a_full_disk_recovers),
        watched(test_journal_after_a_burst_keeps_its_spares),
        watched(test_journal_after_a_burst_gives_back_an_eighth_at_a_time),
        watched(test_journal_under_load_gives_back_what_is_too_many),
        watched(test_journal_long_after_a_burst_has_but_enough_spares),
        watched(test_journal_that_finds_too_many_files_keeps_within_its_bound),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
