/* Pools at run time: size, replacement, pause, progress, a new configuration. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char yaml[] = "semaphores:\n"
                           "  one: 1\n"
                           "pools:\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 1\n"
                           "    init: 41\n"
                           "  worn:\n"
                           "    module: %M\n"
                           "    processes: 1\n"
                           "    max_tasks_per_child: 5\n";

static const char more_yaml[] = "semaphores:\n"
                                "  one: 3\n"
                                "  fresh: 2\n"
                                "pools:\n"
                                "  mod:\n"
                                "    module: %M\n"
                                "    processes: 2\n"
                                "    init: 41\n"
                                "  worn:\n"
                                "    module: %M\n"
                                "    processes: 1\n"
                                "    max_tasks_per_child: 5\n"
                                "  added:\n"
                                "    module: %M\n"
                                "    processes: 1\n";

static int64_t pool_ready(const struct scene *s, const char *pool)
{
    return ask_int(s->g, GANGER_POOLS, 0, pool, "ready");
}

static void test_pool_children_are_there_before_any_task(void **state)
{
    struct scene s = scene_open(yaml);

    (void)state;
    UNTIL(s.d, pool_ready(&s, "mod") == 1 && pool_ready(&s, "worn") == 1);
    assert_int_equal(daemon_count(s.d, DAEMON_CHILD), 2);
    scene_close(&s);
}

static void test_pool_grows_and_shrinks_at_run_time(void **state)
{
    struct scene s = scene_open(yaml);

    (void)state;
    assert_int_equal(ganger_pool_resize(s.g, "mod", 4, DAEMON_WAIT_MS), 0);
    UNTIL(s.d, pool_ready(&s, "mod") == 4 && daemon_count(s.d, DAEMON_CHILD) == 5);
    assert_int_equal(ganger_pool_resize(s.g, "mod", 1, DAEMON_WAIT_MS), 0);
    UNTIL(s.d, pool_ready(&s, "mod") == 1 && daemon_count(s.d, DAEMON_CHILD) == 2);
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    assert_int_equal(ganger_pool_resize(s.g, "mod", 1000000, DAEMON_WAIT_MS), GANGER_ERANGE);
    scene_close(&s);
}

static void test_pool_of_size_0_holds_its_tasks_until_it_grows(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_future *f;

    (void)state;
    assert_int_equal(ganger_pool_resize(s.g, "mod", 0, DAEMON_WAIT_MS), 0);
    UNTIL(s.d, pool_ready(&s, "mod") == 0);
    f = task_submit(s.g, "mod", "nothing", value_of("n"), NULL);
    assert_true(why_is(s.g, task_id(f), "no-worker"));
    assert_true(
        ask_is(s.g, GANGER_WHY, task_id(f), NULL, "text", "pool mod has 0 processes; resize it"));
    assert_int_equal(ganger_pool_resize(s.g, "mod", 1, DAEMON_WAIT_MS), 0);
    (void)task_done(f);
    scene_close(&s);
}

static void test_pool_shrinking_lets_running_tasks_end(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    struct ganger_future *f = task_submit(s.g, "mod", "wait", value_of("s", gate), NULL);
    int fd = gate_enter(gate);

    (void)state;
    assert_int_equal(ganger_pool_resize(s.g, "mod", 0, DAEMON_WAIT_MS), 0);
    UNTIL(s.d, ask_int(s.g, GANGER_POOLS, 0, "mod", "processes") == 0);
    assert_false(ganger_future_ready(f));
    (void)close(fd);
    assert_int_equal(value_int(task_done(f)), 0);
    UNTIL(s.d, daemon_count(s.d, DAEMON_CHILD) == 1);
    scene_close(&s);
}

static void test_pool_replaces_children_after_their_tasks(void **state)
{
    struct scene s = scene_open(yaml);
    int64_t pid[20];
    int changes = 0;

    (void)state;
    for (int i = 0; i < 20; i++) {
        pid[i] = value_int(task_run(s.g, "worn", "pid", value_of("n")));
        changes += i > 0 && pid[i] != pid[i - 1];
    }
    assert_int_equal(changes, 3);
    assert_int_equal(ask_int(s.g, GANGER_POOLS, 0, "worn", "deaths"), 0);
    scene_close(&s);
}

static void test_pool_many_tasks_at_once_respect_the_bound_of_a_child(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_future *f[50];
    int64_t pid[50];

    (void)state;
    for (int i = 0; i < 50; i++)
        f[i] = task_submit(s.g, "worn", "pid", value_of("n"), NULL);
    for (int i = 0; i < 50; i++)
        pid[i] = value_int(task_done(f[i]));
    for (int i = 0; i < 50; i++) {
        int same = 0;

        for (int k = 0; k < 50; k++)
            same += pid[k] == pid[i];
        assert_true(same <= 5);
    }
    scene_close(&s);
}

static void test_pool_initializer_runs_once_in_each_child(void **state)
{
    struct scene s = scene_open(yaml);

    (void)state;
    assert_int_equal(value_int(task_run(s.g, "mod", "initialized", value_of("n"))), 4111);
    assert_int_equal(
        kill((pid_t)value_int(task_run(s.g, "mod", "pid", value_of("n"))), SIGKILL), 0);
    UNTIL(s.d, ask_int(s.g, GANGER_POOLS, 0, "mod", "deaths") == 1);
    assert_int_equal(value_int(task_run(s.g, "mod", "initialized", value_of("n"))), 4111);
    scene_close(&s);
}

static void test_pool_progress_reaches_who_waits(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_future *f = task_submit(s.g, "mod", "progress", value_of("i", 10l), NULL);
    struct ganger_progress p;

    (void)state;
    (void)task_done(f);
    ganger_future_progress(f, &p);
    assert_true(p.count >= 1);
    assert_int_equal(p.done, 10);
    assert_int_equal(p.total, 10);
    assert_string_equal(p.text, "step");
    scene_close(&s);
}

static void test_pool_reload_adds_a_pool_and_changes_a_semaphore(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_sem_value v;
    int64_t pid = value_int(task_run(s.g, "worn", "pid", value_of("n")));

    (void)state;
    daemon_yaml(s.d, more_yaml);
    daemon_signal(s.d, SIGHUP);
    daemon_log_wait(s.d, "notice reloaded");
    assert_int_equal(value_int(task_run(s.g, "added", "add", value_of("a2ii", 1l, 2l))), 3);
    assert_int_equal(ganger_sem_value(s.g, "one", DAEMON_WAIT_MS, &v), 0);
    assert_int_equal(v.limit, 3);
    assert_int_equal(ganger_sem_value(s.g, "fresh", DAEMON_WAIT_MS, &v), 0);
    assert_int_equal(v.limit, 2);
    UNTIL(s.d, pool_ready(&s, "mod") == 2);
    assert_int_equal(value_int(task_run(s.g, "worn", "pid", value_of("n"))), pid);
    scene_close(&s);
}

static void test_pool_reload_of_a_bad_file_changes_nothing(void **state)
{
    struct scene s = scene_open(yaml);

    (void)state;
    daemon_yaml(s.d, "pools:\n  mod:\n    modul: %M\n");
    daemon_signal(s.d, SIGHUP);
    daemon_log_wait(s.d, "reload-refused");
    assert_true(daemon_log_has(s.d, "modul"));
    assert_int_equal(value_int(task_run(s.g, "worn", "add", value_of("a2ii", 1l, 2l))), 3);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_children_are_there_before_any_task),
        cmocka_unit_test(test_pool_grows_and_shrinks_at_run_time),
        cmocka_unit_test(test_pool_of_size_0_holds_its_tasks_until_it_grows),
        cmocka_unit_test(test_pool_shrinking_lets_running_tasks_end),
        cmocka_unit_test(test_pool_replaces_children_after_their_tasks),
        cmocka_unit_test(test_pool_many_tasks_at_once_respect_the_bound_of_a_child),
        cmocka_unit_test(test_pool_initializer_runs_once_in_each_child),
        cmocka_unit_test(test_pool_progress_reaches_who_waits),
        cmocka_unit_test(test_pool_reload_adds_a_pool_and_changes_a_semaphore),
        cmocka_unit_test(test_pool_reload_of_a_bad_file_changes_nothing),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
