/* Many records in one turn: the first of them are written before the turn ends. */
#include "tests/support/journal_rig.h"

#define WAIT_MS 10000
#define MANY    1000u

static uint64_t replayed;

static uint64_t add(struct rig *rig)
{
    uint8_t data[100];

    memset(data, 3, sizeof data);
    return rig_append(rig, 1, 7, data, sizeof data);
}

static uint64_t add_many(struct rig *rig, unsigned count)
{
    uint64_t birth = 0;

    for (unsigned i = 0; i < count; i++)
        birth = add(rig);
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

/* Send off what there is, the one batch up to BIRTH, and leave no news of it that come later. */
static void settle_one(struct rig *rig, uint64_t birth)
{
    store_flush(rig->store);
    await_news(rig, 1);
    store_poll(rig->store);
    assert_int_equal(rig->synced, birth);
}

/* A journal that has a segment in use, and writes nothing but batches from now on. */
static void begin(struct rig *rig)
{
    rig_init(rig);
    rig->config.segment_bytes = 4u << 20;
    rig->config.max_bytes = UINT64_C(64) << 20;
    rig->disk.io.idle_ms = 3600000;
    assert_int_equal(rig_open(rig), 0);
    settle_one(rig, add(rig));
}

static int visit(void *ctx, const struct store_record *r)
{
    (void)ctx;
    assert_int_equal(r->birth, ++replayed);
    assert_true(r->kind == 1 && r->key == 7 && r->data_bytes == 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(((const uint8_t *)r->data)[i], 3);
    return 0;
}

static void end(struct rig *rig, uint64_t want)
{
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    replayed = 0;
    assert_int_equal(store_replay(rig->store, visit, NULL), 0);
    assert_int_equal(replayed, want);
    rig_done(rig);
}

static bool nothing_is_sent(const struct rig *rig)
{
    return ((const struct journal *)rig->store)->sent == 0;
}

static void test_journal_with_many_in_a_turn_writes_the_first_before_its_end(void **state)
{
    struct rig rig;
    unsigned syncs;
    uint64_t before, last;

    (void)state;
    begin(&rig);
    before = rig.synced;
    syncs = syncs_of(&rig.disk);
    last = add_many(&rig, MANY);
    await_news(&rig, 1); /* nobody flushed */
    assert_int_equal(syncs_of(&rig.disk), syncs + 1);
    assert_int_equal(rig.synced, before);
    store_poll(rig.store);
    assert_int_equal(rig.synced, before + COMPANY_MANY);
    rig_settle(&rig, last);
    assert_int_equal(syncs_of(&rig.disk), syncs + 2);
    end(&rig, last);
}

static void test_journal_with_few_in_a_turn_waits_for_its_end(void **state)
{
    struct rig rig;
    unsigned syncs;
    uint64_t last;

    (void)state;
    begin(&rig);
    syncs = syncs_of(&rig.disk);
    last = add_many(&rig, COMPANY_MANY - 1);
    assert_true(nothing_is_sent(&rig));
    settle_one(&rig, last);
    assert_int_equal(syncs_of(&rig.disk), syncs + 1);
    last = add_many(&rig, COMPANY_MANY);
    assert_false(nothing_is_sent(&rig));
    await_news(&rig, 1);
    assert_int_equal(syncs_of(&rig.disk), syncs + 2);
    rig_settle(&rig, last);
    end(&rig, last);
}

/* Half of those that were in flight, once they are many. */
static void test_journal_sends_the_first_half_of_as_many_as_were_answered(void **state)
{
    struct rig rig;
    uint64_t before, last;

    (void)state;
    begin(&rig);
    (void)disk_hold(&rig.disk);
    last = add_many(&rig, MANY);
    store_flush(rig.store);
    disk_go_on(&rig.disk);
    await_news(&rig, 2);
    store_poll(rig.store);
    assert_int_equal(rig.synced, last);
    before = last;
    (void)add_many(&rig, (MANY - COMPANY_MANY) / 2 - 1);
    assert_true(nothing_is_sent(&rig));
    (void)add(&rig);
    assert_false(nothing_is_sent(&rig));
    last = add_many(&rig, MANY);
    await_news(&rig, 1);
    store_poll(rig.store);
    assert_int_equal(rig.synced, before + (MANY - COMPANY_MANY) / 2);
    rig_settle(&rig, last);
    end(&rig, last);
}

static void test_journal_early_batch_that_fails_comes_before_the_rest(void **state)
{
    struct rig rig;
    uint64_t before, last;

    (void)state;
    begin(&rig);
    before = rig.synced;
    disk_fail_syncs(&rig.disk, 0, 1, EIO);
    last = add_many(&rig, MANY);
    rig_settle(&rig, last);
    assert_int_equal(rig.failures, 1);
    assert_true(rig.failed_first == before + 1 && rig.failed_last == last);
    end(&rig, last);
}

/* A crash when the first batch of a turn is durable and the turn was never over. */
static void test_journal_early_batch_is_there_after_a_crash(void **state)
{
    struct rig rig;
    uint64_t before;

    (void)state;
    begin(&rig);
    before = rig.synced;
    (void)add_many(&rig, MANY);
    await_news(&rig, 1);
    disk_die(&rig.disk, 0);
    rig_close(&rig);
    disk_crash(&rig.disk);
    disk_reset(&rig.disk);
    end(&rig, before + COMPANY_MANY);
}

/*
 * COMPANY_MANY are written while COUNT - COMPANY_MANY stand by, and one more comes when the first
 * are durable. Returns how many batches these were. The disk takes its time, so that it pays to
 * wait.
 */
static unsigned batches_of(struct rig *rig, unsigned count)
{
    const struct timespec slow = { .tv_nsec = 4000000 };
    unsigned syncs = disk_hold(&rig->disk);
    uint64_t last;

    (void)add_many(rig, COMPANY_MANY);
    (void)add_many(rig, count - COMPANY_MANY);
    store_flush(rig->store);
    (void)nanosleep(&slow, NULL);
    disk_go_on(&rig->disk);
    await_news(rig, 1);
    store_poll(rig->store);
    last = add(rig);
    store_flush(rig->store);
    rig_settle(rig, last);
    return syncs_of(&rig->disk) - syncs;
}

/* Of twice COMPANY_MANY a third is company enough: those that stand by do not wait for one more. */
static void test_journal_batch_of_many_waits_for_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct rig rig;

        begin(&rig);
        assert_int_equal(batches_of(&rig, 2 * COMPANY_MANY), 3);
        rig_done(&rig);
    }
}

/* With one less they do, a millisecond, which the one may miss on a machine that is busy. */
static void test_journal_batch_of_not_quite_as_many_waits(void **state)
{
    unsigned shared = 0;

    (void)state;
    for (unsigned i = 0; i < 200 && shared < 3; i++) {
        struct rig rig;

        begin(&rig);
        shared += batches_of(&rig, 2 * COMPANY_MANY - 1) == 2;
        rig_done(&rig);
    }
    assert_true(shared > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_with_many_in_a_turn_writes_the_first_before_its_end),
        cmocka_unit_test(test_journal_with_few_in_a_turn_waits_for_its_end),
        cmocka_unit_test(test_journal_sends_the_first_half_of_as_many_as_were_answered),
        cmocka_unit_test(test_journal_early_batch_that_fails_comes_before_the_rest),
        cmocka_unit_test(test_journal_early_batch_is_there_after_a_crash),
        cmocka_unit_test(test_journal_batch_of_many_waits_for_no_more),
        cmocka_unit_test(test_journal_batch_of_not_quite_as_many_waits),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
