/*
 * A client that is alone with the disk has the main thread sync for it. Nobody else may notice that
 * when the disk stands still.
 */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define TURNS_MAX 20000 /* submits after which the main thread must have synced, on any machine */

static const char yaml[] = "pools:\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 1\n"
                           "  idle:\n"
                           "    external: true\n";

struct slow {
    struct scene s;
    void *map;
    int lock;                /* of the file that holds the disk */
    _Atomic uint64_t *syncs; /* in the main thread, in others */
};

static void slow_open(struct slow *t)
{
    t->s.d = daemon_new(yaml);
    t->lock = open(daemon_path(t->s.d, "disk"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(t->lock >= 0);
    assert_int_equal(ftruncate(t->lock, 2 * sizeof(uint64_t)), 0);
    t->map = mmap(NULL, 2 * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, t->lock, 0);
    assert_true(t->map != MAP_FAILED);
    t->syncs = t->map;
    daemon_env(t->s.d, "DISK=%D/disk");
    daemon_env(t->s.d, "LD_PRELOAD=%T/shim_disk.so");
    /* The sanitizer's library would like to be first. */
    daemon_env(t->s.d, "ASAN_OPTIONS=verify_asan_link_order=0");
#ifdef __SANITIZE_THREAD__
    /* It cannot follow a clone() that shares memory; and it delays signals by itself. */
    daemon_env(t->s.d, "DISK_HEARS=yes");
#endif
    daemon_start(t->s.d);
    t->s.g = daemon_open(t->s.d);
}

static void slow_close(struct slow *t)
{
    (void)munmap(t->map, 2 * sizeof(uint64_t));
    (void)close(t->lock);
    scene_close(&t->s);
}

static struct ganger_future *submit_durable(struct slow *t)
{
    struct ganger_options o = options_new();

    o.durable = GANGER_DURABLE_YES;
    return task_submit(t->s.g, "idle", "nothing", value_of("n"), &o);
}

/* Submit one after the other, until the main thread syncs. */
static void be_alone(struct slow *t)
{
    uint64_t before = atomic_load(&t->syncs[0]);

    for (unsigned i = 0; atomic_load(&t->syncs[0]) == before; i++) {
        struct ganger_future *f;

        assert_true(i < TURNS_MAX);
        f = submit_durable(t);
        (void)task_id(f);
        ganger_future_free(f);
    }
}

/* Submit while the disk stands still, until the main thread is stuck in it. */
static struct ganger_future *hold_main_thread(struct slow *t)
{
    for (;;) {
        uint64_t here, elsewhere;
        struct ganger_future *f;

        be_alone(t);
        here = atomic_load(&t->syncs[0]);
        elsewhere = atomic_load(&t->syncs[1]);
        assert_int_equal(flock(t->lock, LOCK_EX), 0);
        f = submit_durable(t);
        UNTIL(t->s.d, atomic_load(&t->syncs[0]) > here || atomic_load(&t->syncs[1]) > elsewhere);
        if (atomic_load(&t->syncs[0]) > here)
            return f;
        assert_int_equal(flock(t->lock, LOCK_UN), 0); /* the thread had it: once more */
        (void)task_id(f);
        ganger_future_free(f);
    }
}

static void test_slow_disk_others_are_served_meanwhile(void **state)
{
    struct slow t = { 0 };
    struct ganger_future *f;
    struct ganger *other;
    struct ganger_bytes result;

    (void)state;
    slow_open(&t);
    f = hold_main_thread(&t);
    for (unsigned i = 0; i < 3; i++) {
        other = daemon_open(t.s.d);
        assert_int_equal(ganger_ping(other, DAEMON_WAIT_MS), 0);
        result = task_run(other, "mod", "echo", value_of("i", (int64_t)41 + i));
        assert_int_equal(value_int(result), 41 + i);
        ganger_close(other);
    }
    assert_int_equal(flock(t.lock, LOCK_UN), 0);
    assert_true(task_id(f) != 0);
    be_alone(&t);
    slow_close(&t);
}

/* What others make durable meanwhile stands by, and is durable soon after. */
static void test_slow_disk_others_wait_for_it_like_everybody(void **state)
{
    struct slow t = { 0 };
    struct ganger_future *f;
    struct slow other;

    (void)state;
    slow_open(&t);
    f = hold_main_thread(&t);
    other = t;
    other.s.g = daemon_open(t.s.d);
    for (unsigned round = 0; round < 2; round++) {
        struct ganger_future *g = submit_durable(&other);

        assert_int_equal(ganger_ping(other.s.g, DAEMON_WAIT_MS), 0);
        if (round == 0)
            assert_int_equal(flock(t.lock, LOCK_UN), 0);
        assert_true(task_id(g) != 0);
        ganger_future_free(g);
    }
    assert_true(task_id(f) != 0);
    ganger_close(other.s.g);
    slow_close(&t);
}

static void test_slow_disk_stop_waits_and_is_clean(void **state)
{
    struct slow t = { 0 };
    struct ganger_future *f;
    uint64_t id;

    (void)state;
    slow_open(&t);
    f = hold_main_thread(&t);
    daemon_signal(t.s.d, SIGTERM);
    daemon_log_wait(t.s.d, "stopping");
    assert_int_equal(flock(t.lock, LOCK_UN), 0);
    id = task_id(f);
    assert_int_equal(daemon_wait(t.s.d), 0);
    daemon_start(t.s.d);
    scene_reopen(&t.s);
    assert_true(task_is(t.s.g, id, "ready"));
    assert_false(daemon_log_has(t.s.d, "unclean"));
    slow_close(&t);
}

static void test_slow_disk_kill_loses_nothing_that_was_acknowledged(void **state)
{
    struct slow t = { 0 };
    uint64_t id;

    (void)state;
    slow_open(&t);
    {
        struct ganger_future *f = submit_durable(&t);

        id = task_id(f);
    }
    (void)hold_main_thread(&t);
    daemon_kill(t.s.d);
    assert_int_equal(flock(t.lock, LOCK_UN), 0);
    daemon_start(t.s.d);
    scene_reopen(&t.s);
    assert_false(task_is(t.s.g, id, "gone"));
    slow_close(&t);
}

static void test_slow_disk_stop_at_once_does_not_wait_for_it(void **state)
{
    struct slow t = { 0 };

    (void)state;
    slow_open(&t);
    (void)task_run(t.s.g, "mod", "echo", value_of("n"));
    (void)hold_main_thread(&t);
    daemon_signal(t.s.d, SIGTERM);
    daemon_log_wait(t.s.d, "stopping");
    daemon_signal(t.s.d, SIGTERM);
    daemon_log_wait(t.s.d, "stopping-at-once");
    UNTIL(t.s.d, daemon_count(t.s.d, DAEMON_AGENT) == 0 && daemon_count(t.s.d, DAEMON_CHILD) == 0);
    assert_int_equal(flock(t.lock, LOCK_UN), 0);
    assert_int_equal(daemon_wait(t.s.d), 0);
    slow_close(&t);
}

/* In nanoseconds, as the kernel says. */
static long timer_slack(pid_t pid)
{
    char path[64], text[32] = "";
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/timerslack_ns", (int)pid);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    (void)fclose(f);
    return strtol(text, NULL, 10);
}

/* An agent that dies meanwhile is started again, by another thread, and is like the first. */
static void test_slow_disk_agents_are_started_again_meanwhile(void **state)
{
    struct slow t = { 0 };
    struct ganger_future *f;
    pid_t first, second = 0;
    long slack;

    (void)state;
    slow_open(&t);
    (void)task_run(t.s.g, "mod", "echo", value_of("n"));
    first = daemon_first(t.s.d, DAEMON_AGENT);
    slack = timer_slack(first);
    f = hold_main_thread(&t);
    assert_int_equal(kill(first, SIGKILL), 0);
    UNTIL(t.s.d, (second = daemon_first(t.s.d, DAEMON_AGENT)) > 0 && second != first);
    assert_int_equal(timer_slack(second), slack);
    assert_int_equal(flock(t.lock, LOCK_UN), 0);
    assert_true(task_id(f) != 0);
    slow_close(&t);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_disk_others_are_served_meanwhile),
        cmocka_unit_test(test_slow_disk_others_wait_for_it_like_everybody),
        cmocka_unit_test(test_slow_disk_stop_waits_and_is_clean),
        cmocka_unit_test(test_slow_disk_stop_at_once_does_not_wait_for_it),
        cmocka_unit_test(test_slow_disk_agents_are_started_again_meanwhile),
        cmocka_unit_test(test_slow_disk_kill_loses_nothing_that_was_acknowledged),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
