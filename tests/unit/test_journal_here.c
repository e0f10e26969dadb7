/* A batch that the loop syncs itself, since it has nothing else to do. */
#include "tests/support/journal_rig.h"

#include <semaphore.h>

#define WAIT_MS 10000
/* Syncs are slow that take longer than any should on a busy machine; one of STAND_IN_MS is. */
#define STAND_IN_MS 200
#define SLOW_US     (STAND_IN_MS * 1000 / 5) /* of four, only the last may have been slow */

/* The loop, the disk that makes it wait, and the thread that stands in. */
struct scene {
    struct rig rig;
    sem_t begun;           /* a sync has begun and waits ... */
    sem_t go_on;           /* ... until then */
    pthread_t loop;        /* who calls the store */
    _Atomic bool waits;    /* does a sync of the loop wait? */
    _Atomic bool holds;    /* does one of the other thread? */
    bool stood_in;         /* and by the other thread */
    _Atomic unsigned here; /* syncs in the thread of the loop, and in the other one */
    _Atomic unsigned elsewhere;
};

static void wait_for(sem_t *s)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    while (sem_timedwait(s, &until) < 0)
        assert_int_equal(errno, EINTR);
}

static void on_sync(void *ctx)
{
    struct scene *s = ctx;

    if (!pthread_equal(pthread_self(), s->loop)) {
        s->elsewhere++;
        if (s->holds) {
            (void)sem_post(&s->begun);
            wait_for(&s->go_on);
        }
        return;
    }
    s->here++;
    if (!s->waits)
        return;
    (void)sem_post(&s->begun);
    wait_for(&s->go_on);
}

/* What the loop would do is to let the disk go on, here. */
static void stand_in(void *ctx)
{
    struct scene *s = (struct scene *)ctx;

    s->stood_in = !pthread_equal(pthread_self(), s->loop);
    if (s->waits) {
        wait_for(&s->begun);
        (void)sem_post(&s->go_on);
    }
}

static uint64_t add(struct scene *s)
{
    static const uint8_t data[100];

    return rig_append(&s->rig, 1, 7, data, sizeof data);
}

/* Go on until the thread has made all segments, is at rest and leaves a batch to the loop. */
static void await_rest(struct scene *s)
{
    struct store_stats stats = { 0 };
    bool left = false;

    for (unsigned i = 0; i < 10000 && (!left || stats.free_segments < WRITER_SPARES); i++) {
        uint64_t birth = add(s);

        store_stats(s->rig.store, &stats);
        left = store_flush_alone(s->rig.store);
        store_sync(s->rig.store, true);
        rig_settle(&s->rig, birth);
    }
    assert_true(left);
}

/* A journal with a segment in use, so that each batch from now on is one sync. */
static void scene_begin_with(struct scene *s, unsigned stand_in_ms)
{
    memset(s, 0, sizeof *s);
    rig_init(&s->rig);
    s->loop = pthread_self();
    assert_int_equal(sem_init(&s->begun, 0, 0), 0);
    assert_int_equal(sem_init(&s->go_on, 0, 0), 0);
    s->rig.disk.on_sync_ctx = s;
    s->rig.config.owner.stand_in = stand_in;
    s->rig.disk.io.stand_in_ms = stand_in_ms;
    s->rig.config.segment_bytes = 1u << 18;
    s->rig.config.max_bytes = UINT64_C(16) << 20;
    assert_int_equal(rig_open(&s->rig), 0);
    await_rest(s);
    disk_on_sync(&s->rig.disk, on_sync);
}

static void scene_begin(struct scene *s)
{
    scene_begin_with(s, STAND_IN_MS);
}

static void scene_end(struct scene *s)
{
    rig_done(&s->rig);
    (void)sem_destroy(&s->begun);
    (void)sem_destroy(&s->go_on);
}

static bool notified(struct scene *s)
{
    struct pollfd p = { .fd = s->rig.wake, .events = POLLIN };

    return poll(&p, 1, 0) > 0;
}

/* A record that the loop may sync, and does not yet. */
static uint64_t add_left(struct scene *s)
{
    uint64_t birth = add(s);

    assert_true(store_flush_alone(s->rig.store));
    return birth;
}

/* The same once the syncs of late, which may have met with other work of the disk, are fast enough.
 */
static uint64_t add_left_once_fast(struct scene *s)
{
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t birth = add(s);

        if (store_flush_alone(s->rig.store))
            return birth;
        rig_settle(&s->rig, birth);
    }
    fail_msg("the disk stays slow");
    return 0;
}

static void test_journal_here_is_durable_when_the_call_returns(void **state)
{
    static struct scene s;

    (void)state;
    scene_begin(&s);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t birth = add_left(&s);

        store_sync(s.rig.store, true);
        assert_false(notified(&s));
        store_poll(s.rig.store);
        assert_int_equal(s.rig.synced, birth);
    }
    assert_int_equal(s.here, 20);
    assert_int_equal(s.elsewhere, 0);
    scene_end(&s);
}

static void test_journal_here_nothing_left_is_nothing_to_do(void **state)
{
    static struct scene s;

    (void)state;
    scene_begin(&s);
    assert_false(store_flush_alone(s.rig.store));
    store_sync(s.rig.store, true);
    store_sync(s.rig.store, false);
    assert_int_equal(s.here, 0);
    scene_end(&s);
}

static void test_journal_here_is_left_to_the_thread(void **state)
{
    static struct scene s;
    uint64_t birth;

    (void)state;
    scene_begin(&s);
    birth = add_left(&s);
    store_sync(s.rig.store, false);
    rig_settle(&s.rig, birth);
    assert_int_equal(s.here, 0);
    assert_int_equal(s.elsewhere, 1);
    scene_end(&s);
}

/* What comes after the turn and before the sync has a batch of its own, which stands by. */
static void test_journal_here_what_comes_later_is_the_thread_s(void **state)
{
    static struct scene s;
    uint64_t first, last;

    (void)state;
    scene_begin(&s);
    first = add_left(&s);
    last = add(&s);
    assert_true(store_flush_alone(s.rig.store));
    store_sync(s.rig.store, true);
    store_poll(s.rig.store);
    assert_true(s.rig.synced >= first);
    rig_settle(&s.rig, last);
    assert_int_equal(s.here, 1);
    assert_int_equal(s.elsewhere, 1);
    scene_end(&s);
}

static void test_journal_here_drain_gives_it_to_the_thread(void **state)
{
    static struct scene s;
    uint64_t birth;

    (void)state;
    scene_begin(&s);
    birth = add_left(&s);
    assert_int_equal(store_drain(s.rig.store), 0);
    assert_int_equal(s.rig.synced, birth);
    store_sync(s.rig.store, true);
    assert_int_equal(s.here, 0);
    scene_end(&s);
}

static void test_journal_here_close_forgets_what_is_left(void **state)
{
    static struct scene s;

    (void)state;
    scene_begin(&s);
    (void)add_left(&s);
    rig_close(&s.rig);
    assert_int_equal(s.here + s.elsewhere, 0);
    scene_end(&s);
}

static void test_journal_here_not_with_many(void **state)
{
    static struct scene s;
    uint64_t birth = 0;

    (void)state;
    scene_begin(&s);
    for (unsigned i = 1; i < COMPANY_MANY; i++)
        birth = add(&s);
    assert_true(store_flush_alone(s.rig.store));
    store_sync(s.rig.store, true);
    store_poll(s.rig.store);
    assert_int_equal(s.rig.synced, birth);
    for (unsigned i = 0; i < COMPANY_MANY; i++)
        birth = add(&s);
    assert_false(store_flush_alone(s.rig.store));
    rig_settle(&s.rig, birth);
    scene_end(&s);
}

static void test_journal_here_not_for_an_owner_whom_nobody_stands_in_for(void **state)
{
    static struct scene s;
    uint64_t birth;

    (void)state;
    scene_begin(&s);
    rig_close(&s.rig);
    s.rig.config.owner.stand_in = NULL;
    assert_int_equal(rig_open(&s.rig), 0);
    s.here = 0;
    birth = add(&s);
    assert_false(store_flush_alone(s.rig.store));
    rig_settle(&s.rig, birth);
    assert_int_equal(s.here, 0);
    scene_end(&s);
}

/* The sync goes on only because the other thread stands in. Then the disk counts as slow. */
static void test_journal_here_a_slow_disk_has_the_thread_stand_in(void **state)
{
    static struct scene s;
    uint64_t birth;

    (void)state;
    scene_begin(&s);
    s.rig.disk.io.slow_us = SLOW_US;
    birth = add_left_once_fast(&s);
    s.waits = true;
    store_sync(s.rig.store, true);
    s.waits = false;
    assert_true(s.stood_in);
    store_poll(s.rig.store);
    assert_int_equal(s.rig.synced, birth);
    birth = add(&s);
    assert_false(store_flush_alone(s.rig.store));
    rig_settle(&s.rig, birth);
    scene_end(&s);
}

/* A fast disk again: after some batches of the thread the loop may sync again. */
static void test_journal_here_comes_back_when_the_disk_is_fast(void **state)
{
    static struct scene s;

    (void)state;
    scene_begin(&s);
    s.rig.disk.io.slow_us = SLOW_US;
    (void)add_left_once_fast(&s);
    s.waits = true;
    store_sync(s.rig.store, true);
    s.waits = false;
    await_rest(&s);
    /* And the other thread stands in a second time. */
    s.stood_in = false;
    (void)add_left_once_fast(&s);
    s.waits = true;
    store_sync(s.rig.store, true);
    s.waits = false;
    assert_true(s.stood_in);
    scene_end(&s);
}

static void test_journal_here_a_failing_sync_is_the_thread_s_to_mend(void **state)
{
    static struct scene s;
    uint64_t birth;
    unsigned lost_touched;

    (void)state;
    scene_begin(&s);
    disk_fail_syncs(&s.rig.disk, 0, 2, EIO);
    birth = add_left(&s);
    store_sync(s.rig.store, true);
    store_poll(s.rig.store);
    assert_int_equal(s.rig.failures, 1);
    assert_true(s.rig.failed_first == birth && s.rig.failed_last == birth);
    rig_settle(&s.rig, birth);
    (void)disk_hold(&s.rig.disk);
    lost_touched = s.rig.disk.lost_touched;
    disk_go_on(&s.rig.disk);
    assert_int_equal(lost_touched, 0);
    assert_true(s.elsewhere > 0);
    scene_end(&s);
}

/* Time passes: the thread comes to rest, holds end. */
static void pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* After a while in which nothing was left to the loop the thread sleeps until it is woken. */
static void test_journal_here_wakes_a_thread_that_sleeps(void **state)
{
    static struct scene s;
    uint64_t birth;

    (void)state;
    scene_begin_with(&s, 1);
    pause_ms(100);
    birth = add_left(&s);
    store_sync(s.rig.store, false);
    for (unsigned i = 0; i < 1000 && s.rig.synced < birth; i++)
        rig_turn(&s.rig, 5);
    assert_true(s.rig.synced == birth);
    scene_end(&s);
}

static void test_journal_here_not_while_the_thread_is_at_work(void **state)
{
    static struct scene s;
    uint64_t birth;
    int rc;

    (void)state;
    scene_begin(&s);
    s.holds = true;
    do {
        struct timespec until;

        for (unsigned i = 0; i < 100; i++)
            birth = add(&s);
        (void)store_flush_alone(s.rig.store);
        store_sync(s.rig.store, true);
        store_poll(s.rig.store);
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 5000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        rc = sem_timedwait(&s.begun, &until);
    } while (rc < 0);
    birth = add(&s);
    assert_false(store_flush_alone(s.rig.store));
    s.holds = false;
    (void)sem_post(&s.go_on);
    rig_settle(&s.rig, birth);
    scene_end(&s);
}

static void test_journal_here_not_with_many_after_more(void **state)
{
    static struct scene s;
    uint64_t birth = 0;

    (void)state;
    scene_begin(&s);
    for (unsigned i = 0; i < 5 * COMPANY_MANY; i++)
        birth = add(&s);
    store_flush(s.rig.store);
    rig_settle(&s.rig, birth);
    pause_ms(20);
    for (unsigned i = 0; i < COMPANY_MANY + COMPANY_MANY / 2; i++)
        birth = add(&s);
    assert_false(store_flush_alone(s.rig.store));
    rig_settle(&s.rig, birth);
    scene_end(&s);
}

static void test_journal_here_company_that_does_not_come(void **state)
{
    static struct scene s;
    uint64_t birth;

    (void)state;
    scene_begin(&s);
    (void)add(&s);
    (void)add_left(&s);
    store_sync(s.rig.store, true);
    store_poll(s.rig.store);
    pause_ms(5);
    birth = add_left(&s);
    store_sync(s.rig.store, true);
    store_poll(s.rig.store);
    assert_int_equal(s.rig.synced, birth);
    scene_end(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_here_is_durable_when_the_call_returns),
        cmocka_unit_test(test_journal_here_nothing_left_is_nothing_to_do),
        cmocka_unit_test(test_journal_here_is_left_to_the_thread),
        cmocka_unit_test(test_journal_here_what_comes_later_is_the_thread_s),
        cmocka_unit_test(test_journal_here_drain_gives_it_to_the_thread),
        cmocka_unit_test(test_journal_here_close_forgets_what_is_left),
        cmocka_unit_test(test_journal_here_not_with_many),
        cmocka_unit_test(test_journal_here_not_for_an_owner_whom_nobody_stands_in_for),
        cmocka_unit_test(test_journal_here_a_slow_disk_has_the_thread_stand_in),
        cmocka_unit_test(test_journal_here_comes_back_when_the_disk_is_fast),
        cmocka_unit_test(test_journal_here_a_failing_sync_is_the_thread_s_to_mend),
        cmocka_unit_test(test_journal_here_wakes_a_thread_that_sleeps),
        cmocka_unit_test(test_journal_here_not_while_the_thread_is_at_work),
        cmocka_unit_test(test_journal_here_not_with_many_after_more),
        cmocka_unit_test(test_journal_here_company_that_does_not_come),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
