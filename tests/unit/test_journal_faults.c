/*
 * Disks that fail or are full, directories that cannot be used, and the size of the log.
 */
#include "tests/support/journal_rig.h"

#include "store/crc32c.h"

#define ENDLESS 1000000u

static uint64_t replayed, replayed_last;

static int count_visit(void *ctx, const struct store_record *r)
{
    (void)ctx;
    assert_true(r->birth > replayed_last);
    replayed_last = r->birth;
    replayed++;
    return 0;
}

static void replay_count(struct rig *rig, uint64_t want)
{
    replayed = 0;
    replayed_last = 0;
    assert_int_equal(store_replay(rig->store, count_visit, NULL), 0);
    assert_int_equal(replayed, want);
}

static uint64_t add(struct rig *rig, uint8_t kind, size_t bytes)
{
    static const uint8_t data[65536];

    return rig_append(rig, kind, 7, data, bytes);
}

/* Turn until reserve takes BYTES more, or give up after TURNS. */
static int wait_for_room(struct rig *rig, size_t bytes, int turns)
{
    int rc = GANGER_EFULL;

    for (int i = 0; i < turns && rc != 0; i++) {
        rc = store_reserve(rig->store, bytes, 1);
        if (rc != 0)
            rig_turn(rig, 2);
    }
    if (rc == 0)
        store_unreserve(rig->store, bytes, 1);
    return rc;
}

/* --- the directory --- */

static void test_journal_opened_twice_is_busy_and_names_the_process(void **state)
{
    struct rig rig;
    struct store *second = NULL;
    char pid[32];

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    assert_int_equal(journal_open(&rig.config, &second, rig.err, sizeof rig.err), GANGER_EBUSY);
    (void)snprintf(pid, sizeof pid, "process %ld;", (long)getpid());
    assert_non_null(strstr(rig.err, pid));
    assert_null(second);
    rig_close(&rig);
    assert_int_equal(rig_open(&rig), 0);
    rig_done(&rig);
}

static void test_journal_in_place_of_a_file_names_it(void **state)
{
    struct rig rig;
    char path[200];

    (void)state;
    rig_init(&rig);
    disk_put(&rig.disk, "lock", NULL, 0);
    (void)snprintf(path, sizeof path, "%s/lock", rig.dir);
    rig.config.dir = path;
    assert_int_equal(rig_open(&rig), GANGER_EIO);
    assert_non_null(strstr(rig.err, path));
    rig_done(&rig);
}

/* The tests may run as root, whom no mode keeps out; /proc does. */
static void test_journal_where_nothing_can_be_written_names_the_directory(void **state)
{
    static const char *const dirs[] = { "/proc", "/proc/ganger", "/no/such/directory" };
    struct rig rig;

    (void)state;
    rig_init(&rig);
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        int rc;

        rig.config.dir = dirs[i];
        rc = rig_open(&rig);
        assert_true(rc == GANGER_EACCES || rc == GANGER_EIO);
        assert_non_null(strstr(rig.err, dirs[i]));
    }
    rig_done(&rig);
}

static void test_journal_made_anew_is_for_its_owner_alone(void **state)
{
    struct rig rig;
    struct stat st;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rmdir(rig.dir), 0);
    assert_int_equal(journal_open(&rig.config, &rig.store, NULL, 0), 0);
    assert_int_equal(stat(rig.dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    rig_done(&rig);
}

static void test_journal_sizes_out_of_range_are_refused(void **state)
{
    static const size_t segments[] = { 4096, 65537, (size_t)2 << 30 };
    struct rig rig;

    (void)state;
    rig_init(&rig);
    for (size_t i = 0; i < sizeof segments / sizeof segments[0]; i++) {
        rig.config.segment_bytes = segments[i];
        assert_int_equal(rig_open(&rig), GANGER_EINVAL);
    }
    rig.config.segment_bytes = 65536;
    rig.config.max_bytes = 7 * 65536;
    assert_int_equal(rig_open(&rig), GANGER_EINVAL);
    assert_non_null(strstr(rig.err, "8 segments"));
    rig_done(&rig);
}

static void test_journal_with_a_foreign_file_names_it(void **state)
{
    struct rig rig;
    uint8_t junk[8192];

    (void)state;
    memset(junk, 'x', sizeof junk);
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    rig_settle(&rig, add(&rig, 1, 10));
    rig_close(&rig);
    disk_put(&rig.disk, "segment-00000077", junk, sizeof junk);
    assert_int_equal(rig_open(&rig), GANGER_EFOREIGN);
    assert_non_null(strstr(rig.err, "segment-00000077"));
    assert_int_equal(unlinkat(rig.disk.dir, "segment-00000077", 0), 0);
    disk_put(&rig.disk, "notes.txt", junk, sizeof junk);
    assert_int_equal(rig_open(&rig), 0);
    replay_count(&rig, 1);
    rig_done(&rig);
}

/* Put a sound header with the given id and generation into a file of its own. */
static void put_header(struct rig *rig, uint8_t journal, uint64_t generation, uint8_t version)
{
    static uint8_t file[65536];
    struct segment_header header = {
        .generation = generation, .bytes = sizeof file, .first_birth = 1
    };

    memset(header.journal, journal, sizeof header.journal);
    segment_header_put(file, &header);
    if (version != SEGMENT_VERSION) {
        /* The sum of version 1 stays where it is in later ones. */
        uint32_t sum;

        file[8] = version;
        memset(file + 12, 0, 4);
        sum = crc32c(0, file, SEGMENT_HEADER_BYTES);
        memcpy(file + 12, &sum, sizeof sum);
    }
    disk_put(&rig->disk, "segment-00000088", file, sizeof file);
}

static void test_journal_of_a_newer_version_is_refused(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    put_header(&rig, 1, 1, SEGMENT_VERSION + 1);
    assert_int_equal(rig_open(&rig), GANGER_EFOREIGN);
    assert_non_null(strstr(rig.err, "later version"));
    rig_done(&rig);
}

static void test_journal_with_a_segment_of_another_is_refused(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    rig_settle(&rig, add(&rig, 1, 10));
    rig_close(&rig);
    put_header(&rig, 1, 1000, SEGMENT_VERSION);
    assert_int_equal(rig_open(&rig), GANGER_EFOREIGN);
    assert_non_null(strstr(rig.err, "another journal"));
    rig_done(&rig);
}

/* --- failing disks --- */

/* The data of a failed sync did reach the disk: they are void all the same, and come once. */
static void test_journal_failed_sync_replays_each_record_once(void **state)
{
    struct rig rig;
    uint64_t last;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    rig_settle(&rig, add(&rig, 1, 100));
    disk_fail_syncs(&rig.disk, 0, 1, EIO);
    (void)add(&rig, 1, 200);
    last = add(&rig, 1, 300);
    rig_settle(&rig, last);
    assert_int_equal(rig.failures, 1);
    assert_int_equal(rig.failed_first, 2);
    assert_int_equal(rig.failed_last, 3);
    rig_settle(&rig, add(&rig, 1, 400));
    rig_close(&rig);
    assert_int_equal(rig_open(&rig), 0);
    replay_count(&rig, 4);
    rig_done(&rig);
}

static void test_journal_failing_many_times_goes_on_when_it_ends(void **state)
{
    struct store_stats stats;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    rig_settle(&rig, add(&rig, 1, 100));
    disk_fail_writes(&rig.disk, 0, 20, EIO);
    rig_settle(&rig, add(&rig, 1, 500));
    assert_int_equal(rig.failures, 1);
    assert_int_equal(rig.failed_code, GANGER_EIO);
    store_stats(rig.store, &stats);
    assert_true(stats.failures >= 2);
    assert_true(stats.disk_bytes <= rig.config.max_bytes / 4);
    rig_close(&rig);
    assert_int_equal(rig_open(&rig), 0);
    replay_count(&rig, 2);
    rig_done(&rig);
}

/* After a failed sync nothing goes to that file any more: the kernel would lie about it. */
static void test_journal_failed_file_is_never_written_again(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    for (int i = 0; i < 400; i++) {
        if (i % 40 == 5)
            disk_fail_syncs(&rig.disk, 0, 1, EIO);
        rig_settle(&rig, add(&rig, 2, 4000));
        store_dead(rig.store, 4000);
    }
    assert_int_equal(rig.disk.lost_touched, 0);
    assert_int_equal(rig.failures, 10);
    rig_done(&rig);
}

/* A crash right after the failure: the unconfirmed records may be there or not, in order. */
static void test_journal_crash_while_failing_replays_a_prefix(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    rig_settle(&rig, add(&rig, 1, 100));
    disk_fail_syncs(&rig.disk, 0, ENDLESS, EIO);
    for (int i = 0; i < 5; i++)
        (void)add(&rig, 1, 1000);
    for (int i = 0; i < 1000 && rig.failures == 0; i++)
        rig_turn(&rig, 5);
    assert_true(rig.failures > 0);
    disk_die(&rig.disk, 0);
    rig_close(&rig);
    disk_crash(&rig.disk);
    disk_reset(&rig.disk);
    assert_int_equal(rig_open(&rig), 0);
    replayed = 0;
    replayed_last = 0;
    assert_int_equal(store_replay(rig.store, count_visit, NULL), 0);
    assert_true(replayed >= 1 && replayed <= 6 && replayed_last == replayed);
    rig_done(&rig);
}

static void test_journal_drain_on_a_failing_disk_returns(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    disk_fail_syncs(&rig.disk, 0, ENDLESS, EIO);
    (void)add(&rig, 1, 10);
    store_flush(rig.store);
    assert_int_equal(store_drain(rig.store), GANGER_ESTORE);
    assert_int_equal(rig.failures, 1);
    rig_done(&rig);
}

static void test_journal_full_disk_refuses_then_recovers(void **state)
{
    struct rig rig;
    uint64_t last = 0;
    int rc = 0;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    disk_set_full(&rig.disk, true);
    for (int i = 0; i < 10000; i++) {
        rc = store_reserve(rig.store, 4000, 1);
        if (rc != 0)
            break;
        store_unreserve(rig.store, 4000, 1);
        last = add(&rig, 1, 4000);
        rig_settle(&rig, last);
    }
    assert_int_equal(rc, GANGER_EFULL);
    assert_true(last > 0);
    assert_int_equal(rig.failures, 0);
    disk_set_full(&rig.disk, false);
    assert_int_equal(wait_for_room(&rig, 4000, 5000), 0);
    last = add(&rig, 1, 4000);
    rig_settle(&rig, last);
    rig_close(&rig);
    assert_int_equal(rig_open(&rig), 0);
    replay_count(&rig, last);
    rig_done(&rig);
}

static void test_journal_new_on_a_full_disk_says_so(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    disk_set_full(&rig.disk, true);
    assert_int_equal(rig_open(&rig), GANGER_EFULL);
    assert_non_null(strstr(rig.err, rig.dir));
    rig_done(&rig);
}

/* --- the size of the log --- */

static void test_journal_full_of_live_records_takes_more_when_they_die(void **state)
{
    struct rig rig;
    unsigned count = 0;

    (void)state;
    rig_init(&rig);
    rig.config.max_bytes = 16 * 65536;
    assert_int_equal(rig_open(&rig), 0);
    /* Kind 1 would be live for ever; kind 2 is dead for live() as soon as we say so. */
    while (store_reserve(rig.store, 1000, 1) == 0) {
        store_unreserve(rig.store, 1000, 1);
        rig_settle(&rig, add(&rig, 2, 1000));
        count++;
    }
    assert_true(count > 16 * 65536 / 1000 / 2);
    for (unsigned i = 0; i < count; i++)
        store_dead(rig.store, 1000);
    assert_int_equal(wait_for_room(&rig, 1000, 5000), 0);
    for (unsigned i = 0; i < 2 * count; i++) {
        assert_int_equal(wait_for_room(&rig, 1000, 5000), 0);
        rig_settle(&rig, add(&rig, 2, 1000));
        store_dead(rig.store, 1000);
    }
    rig_done(&rig);
}

/*
 * Three of five records stay live. The log never gets twice as long as what lives, but when room
 * runs short the dead ones are squeezed out all the same.
 */
static void test_journal_full_of_half_dead_records_squeezes_them_out(void **state)
{
    struct store_stats stats;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    for (unsigned i = 0; wait_for_room(&rig, 1000, 100) == 0; i++) {
        rig_settle(&rig, add(&rig, i % 5 < 3 ? 1 : 2, 1000));
        if (i % 5 >= 3)
            store_dead(rig.store, 1000);
    }
    store_stats(rig.store, &stats);
    assert_true(stats.live_bytes > rig.config.max_bytes / 100 * 65);
    assert_true(stats.disk_bytes <= rig.config.max_bytes);
    rig_done(&rig);
}

static void test_journal_with_one_old_live_record_stays_small(void **state)
{
    struct store_stats stats;
    struct rig rig;
    uint64_t most = 0, last = 0;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    rig_settle(&rig, add(&rig, 1, 333));
    for (int i = 0; i < 2000; i++) {
        for (int k = 0; k < 1000; k++) {
            last = add(&rig, 2, 24);
            store_dead(rig.store, 24);
        }
        rig_settle(&rig, last);
        store_stats(rig.store, &stats);
        if (stats.disk_bytes > most)
            most = stats.disk_bytes;
    }
    assert_int_equal(store_drain(rig.store), 0);
    store_stats(rig.store, &stats);
    assert_int_equal(stats.appended_records, 2000001);
    assert_true(stats.copied_records > 10);
    print_message("2,000,001 records, at most %" PRIu64 " KiB on disk, %" PRIu64 " copies\n",
        most / 1024, stats.copied_records);
    assert_true(most <= 16 * 65536);
    rig_close(&rig);
    assert_int_equal(rig_open(&rig), 0);
    replayed = 0;
    replayed_last = 0;
    assert_int_equal(store_replay(rig.store, count_visit, NULL), 0);
    assert_true(replayed >= 1 && replayed < 16 * 65536 / 56);
    rig_done(&rig);
}

static void test_journal_restarted_often_does_not_grow(void **state)
{
    struct store_stats stats;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(rig_open(&rig), 0);
        (void)add(&rig, 1, 30);
        assert_int_equal(store_drain(rig.store), 0);
        store_stats(rig.store, &stats);
        assert_true(stats.disk_bytes <= 4 * 65536);
        rig_close(&rig);
    }
    assert_int_equal(rig_open(&rig), 0);
    replay_count(&rig, 300);
    rig_done(&rig);
}

/* A journal opened with other sizes than it was made with goes on in the new ones. */
static void test_journal_of_another_segment_size_goes_on(void **state)
{
    struct rig rig;
    uint64_t last = 0;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    for (int i = 0; i < 100; i++)
        last = add(&rig, 1, 2000);
    rig_settle(&rig, last);
    rig_close(&rig);
    rig.config.segment_bytes = 131072;
    assert_int_equal(rig_open(&rig), 0);
    replay_count(&rig, 100);
    for (int i = 0; i < 100; i++)
        last = add(&rig, 1, 2000);
    rig_settle(&rig, last);
    rig_close(&rig);
    assert_int_equal(rig_open(&rig), 0);
    replay_count(&rig, 200);
    rig_done(&rig);
}

/* Damage that reclaim meets stops admission; the next opening names the place. */
static void test_journal_damage_met_by_reclaim_stops_admission(void **state)
{
    struct rig rig;
    int rc = 0;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    rig_settle(&rig, add(&rig, 1, 1000));
    for (unsigned id = 1; id < 4; id++) {
        char name[SEGMENT_NAME_BYTES];
        int fd;

        segment_name(id, false, name);
        fd = openat(rig.disk.dir, name, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "damage", 6, SEGMENT_HEADER_BYTES + 500), 6);
        (void)close(fd);
    }
    for (int i = 0; i < 2000 && rc == 0; i++) {
        rc = store_reserve(rig.store, 1000, 1);
        if (rc != 0)
            break;
        store_unreserve(rig.store, 1000, 1);
        rig_settle(&rig, add(&rig, 2, 1000));
        store_dead(rig.store, 1000);
    }
    assert_int_equal(rc, GANGER_ESTORE);
    rig_close(&rig);
    assert_int_equal(rig_open(&rig), GANGER_ECORRUPT);
    assert_non_null(strstr(rig.err, "offset"));
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_opened_twice_is_busy_and_names_the_process),
        cmocka_unit_test(test_journal_in_place_of_a_file_names_it),
        cmocka_unit_test(test_journal_where_nothing_can_be_written_names_the_directory),
        cmocka_unit_test(test_journal_made_anew_is_for_its_owner_alone),
        cmocka_unit_test(test_journal_sizes_out_of_range_are_refused),
        cmocka_unit_test(test_journal_with_a_foreign_file_names_it),
        cmocka_unit_test(test_journal_of_a_newer_version_is_refused),
        cmocka_unit_test(test_journal_with_a_segment_of_another_is_refused),
        cmocka_unit_test(test_journal_failed_sync_replays_each_record_once),
        cmocka_unit_test(test_journal_failing_many_times_goes_on_when_it_ends),
        cmocka_unit_test(test_journal_failed_file_is_never_written_again),
        cmocka_unit_test(test_journal_crash_while_failing_replays_a_prefix),
        cmocka_unit_test(test_journal_drain_on_a_failing_disk_returns),
        cmocka_unit_test(test_journal_full_disk_refuses_then_recovers),
        cmocka_unit_test(test_journal_new_on_a_full_disk_says_so),
        cmocka_unit_test(test_journal_full_of_live_records_takes_more_when_they_die),
        cmocka_unit_test(test_journal_full_of_half_dead_records_squeezes_them_out),
        cmocka_unit_test(test_journal_with_one_old_live_record_stays_small),
        cmocka_unit_test(test_journal_restarted_often_does_not_grow),
        cmocka_unit_test(test_journal_of_another_segment_size_goes_on),
        cmocka_unit_test(test_journal_damage_met_by_reclaim_stops_admission),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
