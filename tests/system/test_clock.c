/* A wall clock that jumps: dates follow it, everything else does not care. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define HOUR_MS (3600 * 1000ll)

static const char yaml[] = "pools:\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 1\n"
                           "    kill_grace: 100ms\n";

static volatile int64_t *offset_ms;

static int64_t wall_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct scene clock_scene(void)
{
    struct scene s = { .d = daemon_new(yaml) };
    int fd = open(daemon_path(s.d, "offset"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *at;

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof(int64_t)), 0);
    at = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(at != MAP_FAILED);
    (void)close(fd);
    offset_ms = at;
    daemon_env(s.d, "CLOCK_OFFSET=%D/offset");
    daemon_env(s.d, "LD_PRELOAD=%T/shim_clock.so");
    /* The sanitizer's library would like to be first. */
    daemon_env(s.d, "ASAN_OPTIONS=verify_asan_link_order=0");
    daemon_start(s.d);
    s.g = daemon_open(s.d);
    return s;
}

/* The daemon notices at its next turn, at the latest after ten seconds. */
static void clock_jump(const struct scene *s, int64_t ms)
{
    *offset_ms += ms;
    assert_int_equal(ganger_ping(s->g, DAEMON_WAIT_MS), 0);
}

static struct ganger_future *at_date(const struct scene *s, int64_t date_ms)
{
    struct ganger_options o = options_new();

    o.given = GANGER_OPT_RUN_AT_MS;
    o.run_at_ms = (uint64_t)date_ms;
    o.durable = GANGER_DURABLE_YES;
    return task_submit(s->g, "mod", "nothing", value_of("n"), &o);
}

static void test_clock_jump_forward_makes_dated_tasks_due(void **state)
{
    struct scene s = clock_scene();
    struct ganger_future *f = at_date(&s, wall_ms() + HOUR_MS);

    (void)state;
    assert_true(why_is(s.g, task_id(f), "delay"));
    clock_jump(&s, 2 * HOUR_MS);
    (void)task_done(f);
    scene_close(&s);
}

static void test_clock_jump_backward_keeps_dated_tasks_waiting(void **state)
{
    struct scene s = clock_scene();
    struct ganger_future *f = at_date(&s, wall_ms() + HOUR_MS);

    (void)state;
    (void)task_id(f);
    clock_jump(&s, -2 * HOUR_MS);
    assert_true(ask_int(s.g, GANGER_WHY, task_id(f), NULL, "due_in_ms") > 2 * HOUR_MS);
    clock_jump(&s, 4 * HOUR_MS);
    (void)task_done(f);
    scene_close(&s);
}

static void test_clock_jump_leaves_delays_and_limits_alone(void **state)
{
    struct scene s = clock_scene();
    struct ganger_options delay = options_new(), limit = options_new();
    struct ganger_future *late, *spin;
    int64_t begin = test_now_ms();

    (void)state;
    delay.given = GANGER_OPT_DELAY_MS;
    delay.delay_ms = 400;
    limit.given = GANGER_OPT_LIMIT_MS;
    limit.limit_ms = 400;
    late = task_submit(s.g, "mod", "nothing", value_of("n"), &delay);
    spin = task_submit(s.g, "mod", "spin", value_of("n"), &limit);
    (void)task_id(late);
    UNTIL(s.d, task_is(s.g, task_id(spin), "running"));
    clock_jump(&s, -24 * HOUR_MS);
    clock_jump(&s, 48 * HOUR_MS);
    (void)task_failed(spin, GANGER_ETIMELIMIT);
    (void)task_done(late);
    assert_true(test_now_ms() - begin >= 400);
    scene_close(&s);
}

static void test_clock_jump_over_a_restart_keeps_tasks_and_results(void **state)
{
    struct scene s = clock_scene();
    struct ganger_options o = options_new();
    struct ganger_future *f;
    uint64_t done, dated;

    (void)state;
    o.durable = GANGER_DURABLE_YES;
    f = task_submit(s.g, "mod", "add", value_of("a2ii", 1l, 2l), &o);
    (void)task_done(f);
    done = task_id(f);
    dated = task_id(at_date(&s, wall_ms() + HOUR_MS));
    daemon_kill(s.d);
    *offset_ms = -24 * HOUR_MS;
    daemon_start(s.d);
    scene_reopen(&s);
    assert_int_equal(ganger_attach(s.g, done, &f), 0);
    assert_int_equal(value_int(task_done(f)), 3);
    assert_int_equal(ganger_attach(s.g, dated, &f), 0);
    clock_jump(&s, 48 * HOUR_MS);
    (void)task_done(f);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_jump_forward_makes_dated_tasks_due),
        cmocka_unit_test(test_clock_jump_backward_keeps_dated_tasks_waiting),
        cmocka_unit_test(test_clock_jump_leaves_delays_and_limits_alone),
        cmocka_unit_test(test_clock_jump_over_a_restart_keeps_tasks_and_results),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
