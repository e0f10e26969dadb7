/* A batch that stands by while the one before it is written. */
#include "tests/support/journal_rig.h"

#define WAIT_MS 10000

static uint64_t add(struct rig *rig)
{
    static const uint8_t data[100];

    return rig_append(rig, 1, 7, data, sizeof data);
}

static uint64_t add_and_flush(struct rig *rig)
{
    uint64_t birth = add(rig);

    store_flush(rig->store);
    return birth;
}

/* Wait for COUNT news of the sync thread, without looking at them. */
static void await_news(struct rig *rig, uint64_t count)
{
    struct pollfd p = { .fd = rig->wake, .events = POLLIN };

    while (count > 0) {
        uint64_t n = 0;

        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
        assert_int_equal(read(rig->wake, &n, sizeof n), sizeof n);
        count = n < count ? count - n : 0;
    }
}

/*
 * A journal with a segment in use, so that each batch from now on is one sync; and no news that
 * come later.
 */
static void begin(struct rig *rig)
{
    rig_init(rig);
    rig->config.segment_bytes = 1u << 20;
    rig->config.max_bytes = UINT64_C(16) << 20;
    assert_int_equal(rig_open(rig), 0);
    (void)add_and_flush(rig);
    await_news(rig, 1);
    store_poll(rig->store);
    assert_int_equal(rig->synced, 1);
}

static void test_journal_standby_is_written_while_the_loop_is_busy(void **state)
{
    struct rig rig;
    uint64_t first, last, synced;

    (void)state;
    begin(&rig);
    synced = rig.synced;
    (void)disk_hold(&rig.disk);
    first = add_and_flush(&rig);
    last = add_and_flush(&rig);
    disk_go_on(&rig.disk);
    await_news(&rig, 2);
    assert_true(rig.synced == synced && synced < first);
    store_poll(rig.store);
    assert_true(rig.synced == last);
    rig_settle(&rig, add(&rig));
    rig_done(&rig);
}

static void test_journal_standby_gathers_until_it_is_taken_up(void **state)
{
    struct rig rig;
    unsigned syncs;
    uint64_t last = 0;

    (void)state;
    begin(&rig);
    syncs = disk_hold(&rig.disk);
    (void)add_and_flush(&rig);
    for (unsigned i = 0; i < 5; i++)
        last = add_and_flush(&rig);
    disk_go_on(&rig.disk);
    rig_settle(&rig, last);
    assert_int_equal(syncs_of(&rig.disk), syncs + 2);
    rig_done(&rig);
}

/* What was durable before the failure is not called in question, and what stood by comes. */
static void test_journal_standby_that_fails_leaves_the_one_before_it_alone(void **state)
{
    struct rig rig;
    uint64_t last;

    (void)state;
    begin(&rig);
    disk_fail_syncs(&rig.disk, 1, 1, EIO);
    (void)disk_hold(&rig.disk);
    (void)add_and_flush(&rig);
    last = add_and_flush(&rig);
    disk_go_on(&rig.disk);
    await_news(&rig, 2);
    rig_settle(&rig, last);
    assert_int_equal(rig.failures, 1);
    assert_true(rig.failed_first == last && rig.failed_last == last);
    rig_done(&rig);
}

static void test_journal_standby_behind_one_that_fails_comes_back_once(void **state)
{
    struct rig rig;
    uint64_t last;
    unsigned syncs;

    (void)state;
    begin(&rig);
    disk_fail_syncs(&rig.disk, 0, 3, EIO);
    syncs = disk_hold(&rig.disk);
    (void)add_and_flush(&rig);
    last = add_and_flush(&rig);
    disk_go_on(&rig.disk);
    rig_settle(&rig, last);
    assert_true(rig.failures >= 1 && syncs_of(&rig.disk) > syncs + 3);
    rig_close(&rig);
    assert_int_equal(rig_open(&rig), 0);
    assert_true(rig.synced == last);
    rig_done(&rig);
}

/* Two records become durable on a disk that takes its time over them. */
static void two_slowly(struct rig *rig)
{
    const struct timespec slow = { .tv_nsec = 4000000 };
    uint64_t last;

    (void)disk_hold(&rig->disk);
    (void)add(rig);
    last = add_and_flush(rig);
    (void)nanosleep(&slow, NULL);
    disk_go_on(&rig->disk);
    rig_settle(rig, last);
}

/* And two more, one after the other: do they share a sync? */
static bool two_more_share(struct rig *rig)
{
    unsigned syncs;
    uint64_t last;

    two_slowly(rig);
    syncs = syncs_of(&rig->disk);
    (void)add_and_flush(rig);
    last = add_and_flush(rig);
    rig_settle(rig, last);
    return syncs_of(&rig->disk) == syncs + 1;
}

/*
 * Who waited for two comes back with two, one after the other: they share a sync. The second has a
 * millisecond to come, which it may miss on a machine that is busy.
 */
static void test_journal_batch_waits_for_as_many_as_were_answered(void **state)
{
    struct rig rig;
    unsigned shared = 0;

    (void)state;
    begin(&rig);
    for (unsigned i = 0; i < 200 && shared < 3; i++)
        shared += two_more_share(&rig);
    assert_true(shared > 0);
    rig_done(&rig);
}

static void test_journal_batch_waits_no_longer_than_its_bound(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig);
    two_slowly(&rig);
    rig_settle(&rig, add_and_flush(&rig)); /* and nobody else comes */
    rig_done(&rig);
}

#define LONELY_ROUNDS 8u /* the last of four waits is among them, and fifteen are left out then */
#define LEFT_OUT      4u /* of those by as many pairs, three batches each */

/* One comes alone where two were answered, so often that the wait for a second is left out. */
static void come_alone(struct rig *rig)
{
    for (unsigned i = 0; i < LONELY_ROUNDS; i++) {
        two_slowly(rig);
        rig_settle(rig, add_and_flush(rig));
    }
}

/* A wait that nobody saw, on a machine that is busy, teaches nothing: then it is tried again. */
static void test_journal_batch_does_not_wait_for_company_that_does_not_come(void **state)
{
    bool left_out = false;

    (void)state;
    for (unsigned i = 0; i < 200 && !left_out; i++) {
        struct rig rig;

        begin(&rig);
        come_alone(&rig);
        left_out = true;
        for (unsigned k = 0; k < LEFT_OUT; k++)
            left_out = !two_more_share(&rig) && left_out;
        rig_done(&rig);
    }
    assert_true(left_out);
}

/* At first in the one wait that is not left out; from then on each time. */
static void test_journal_batch_waits_again_when_company_comes(void **state)
{
    struct rig rig;
    unsigned in_a_row = 0;

    (void)state;
    begin(&rig);
    come_alone(&rig);
    for (unsigned i = 0; i < 200 && in_a_row < 3; i++)
        in_a_row = two_more_share(&rig) ? in_a_row + 1 : 0;
    assert_int_equal(in_a_row, 3);
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_standby_is_written_while_the_loop_is_busy),
        cmocka_unit_test(test_journal_standby_gathers_until_it_is_taken_up),
        cmocka_unit_test(test_journal_standby_that_fails_leaves_the_one_before_it_alone),
        cmocka_unit_test(test_journal_standby_behind_one_that_fails_comes_back_once),
        cmocka_unit_test(test_journal_batch_waits_for_as_many_as_were_answered),
        cmocka_unit_test(test_journal_batch_waits_no_longer_than_its_bound),
        cmocka_unit_test(test_journal_batch_does_not_wait_for_company_that_does_not_come),
        cmocka_unit_test(test_journal_batch_waits_again_when_company_comes),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
