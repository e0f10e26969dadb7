/* Segments that were removed, and are there again after the machine went down. */
#include "tests/support/journal_rig.h"

static uint64_t replayed, replayed_last;

static int count_visit(void *ctx, const struct store_record *r)
{
    (void)ctx;
    assert_true(r->birth > replayed_last);
    replayed_last = r->birth;
    replayed++;
    return 0;
}

static uint64_t replay(struct rig *rig)
{
    replayed = replayed_last = 0;
    assert_int_equal(store_replay(rig->store, count_visit, NULL), 0);
    return replayed;
}

static uint64_t add(struct rig *rig, size_t bytes)
{
    static const uint8_t data[4096];

    return rig_append(rig, 1, 7, data, bytes);
}

/* In time the machine writes everything, but says nothing of what was removed. */
static void disk_catches_up(struct rig_disk *d)
{
    d->sync_script = NULL;
    for (int i = 0; i < RIG_FILES; i++) {
        if (d->files[i].name[0] == '\0' || d->files[i].removed)
            continue;
        d->files[i].lost = false;
        disk_keep(d, i);
    }
}

/* Can a removed segment be there again when the machine goes down now? */
static bool disk_can_bring_back(struct rig_disk *d)
{
    bool can = false;

    (void)pthread_mutex_lock(&d->mutex);
    for (int i = 0; i < RIG_FILES; i++)
        can |= d->files[i].removed && d->files[i].bytes > 0;
    (void)pthread_mutex_unlock(&d->mutex);
    return can;
}

/*
 * The sync of a batch fails; the segment that is to take it gets its header, and its first sync
 * fails too, so it is removed. The process ends then. The next one writes on where the first one
 * was: the removed segment, whose header is newer, would void that.
 */
static bool removed_and_opened(void)
{
    struct rig rig;
    bool removed;
    int rc;

    rig_init(&rig);
    assert_int_equal(rig_open(&rig), 0);
    rig_settle(&rig, add(&rig, 100));
    (void)pthread_mutex_lock(&rig.disk.mutex);
    rig.disk.sync_script = "x-x";
    (void)pthread_mutex_unlock(&rig.disk.mutex);
    (void)add(&rig, 200);
    for (int i = 0; i < 1000 && rig.failures == 0; i++)
        rig_turn(&rig, 5);
    assert_true(rig.failures > 0);
    rig_close(&rig);
    removed = disk_can_bring_back(&rig.disk);
    disk_catches_up(&rig.disk);
    disk_set_full(&rig.disk, true); /* else a new segment is made, which syncs the directory too */
    rc = rig_open(&rig);
    if (rc == 0) {
        assert_false(disk_can_bring_back(&rig.disk));
        assert_int_equal(replay(&rig), 2);
    } else {
        assert_int_equal(rc, GANGER_EFULL);
    }
    rig_done(&rig);
    return removed && rc == 0;
}

/* How far the sync thread gets before the end is chance. */
static void test_journal_removed_segment_is_gone_before_anything_is_written(void **state)
{
    unsigned removed = 0;

    (void)state;
    for (unsigned i = 0; i < 3000 && removed < 3; i++)
        removed += removed_and_opened();
    assert_true(removed > 0);
}

#define BATCH_FIRST  100u
#define BATCH_FAILED 200u
#define BATCH_LATER  300u

static bool seen_failed; /* the batch that failed */

static int size_visit(void *ctx, const struct store_record *r)
{
    (void)ctx;
    seen_failed |= r->data_bytes == BATCH_FAILED;
    return 0;
}

static bool replay_sees_failed(struct rig *rig)
{
    seen_failed = false;
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(store_replay(rig->store, size_visit, NULL), 0);
    return seen_failed;
}

/* Append BYTES; the machine goes down AFTER changes, and comes up with all that it wrote. */
static void dies_after(struct rig *rig, size_t bytes, unsigned after)
{
    disk_die(&rig->disk, after + 1);
    (void)add(rig, bytes);
    for (int i = 0; i < 40 && !disk_is_dead(&rig->disk); i++)
        rig_turn(rig, 1);
    rig_close(rig);
    disk_reset(&rig->disk);
}

/* True if the second process found a segment that said nothing but that the batch is void. */
static bool void_and_failing(unsigned first, unsigned second)
{
    struct rig rig;
    bool saw, other;

    rig_init(&rig);
    assert_false(replay_sees_failed(&rig));
    rig_settle(&rig, add(&rig, BATCH_FIRST));
    disk_fail_syncs(&rig.disk, 0, 1, EIO);
    dies_after(&rig, BATCH_FAILED, first);
    saw = replay_sees_failed(&rig);
    disk_fail_writes(&rig.disk, 0, 1, EIO);
    dies_after(&rig, BATCH_LATER, second);
    other = replay_sees_failed(&rig);
    if (!saw)
        assert_false(other);
    rig_done(&rig);
    return !saw;
}

/*
 * A batch fails, and the next segment gets its header, which voids what the batch left, and nothing
 * more. The next process writes on in that segment, but its first batch fails too: the segment has
 * to stay, since nothing else says that the batch of the first process is void.
 */
static void test_journal_batch_that_was_void_once_stays_void(void **state)
{
    unsigned found = 0;

    (void)state;
    for (unsigned first = 2; first < 12; first++) {
        for (unsigned second = 0; second < 6; second++)
            found += void_and_failing(first, second);
    }
    assert_true(found > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_removed_segment_is_gone_before_anything_is_written),
        cmocka_unit_test(test_journal_batch_that_was_void_once_stays_void),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
