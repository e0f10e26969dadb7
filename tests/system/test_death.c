/* Ends of workers, one at a time: the cause is told, only the begun task pays, others go on. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char yaml[] = "pools:\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 2\n"
                           "  one:\n"
                           "    module: %M\n"
                           "    processes: 1\n"
                           "  any:\n"
                           "    command: any\n"
                           "    processes: 1\n"
                           "    stdout_max: 64KiB\n";

static void served(const struct scene *s, const char *pool)
{
    assert_int_equal(value_int(task_run(s->g, pool, "add", value_of("a2ii", 1l, 2l))), 3);
}

static bool tail_has(const struct ganger_failure *e, const char *words)
{
    return memmem(e->worker.stderr_tail.data, e->worker.stderr_tail.len, words, strlen(words)) !=
           NULL;
}

static void test_death_by_exit_tells_status_and_last_words(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e = task_run_failed(
        s.g, "mod", "exit", value_of("i", 7l), NULL, GANGER_EDIED);

    (void)state;
    assert_int_equal(e.end, GANGER_END_FAILED);
    assert_true(e.has_worker);
    assert_int_equal(e.worker.exit_code, 7);
    assert_int_equal(e.worker.signal, 0);
    assert_true(e.worker.pid > 1);
    assert_true(e.worker.maxrss_kib > 0);
    assert_true(tail_has(&e, "leaving"));
    assert_int_equal(e.attempts, 1);
    served(&s, "mod");
    scene_close(&s);
}

static void test_death_by_exit_0_is_a_death_too(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e = task_run_failed(
        s.g, "mod", "exit", value_of("i", 0l), NULL, GANGER_EDIED);

    (void)state;
    assert_int_equal(e.worker.exit_code, 0);
    assert_int_equal(e.worker.signal, 0);
    served(&s, "mod");
    scene_close(&s);
}

static void test_death_by_segv_tells_the_signal(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e = task_run_failed(
        s.g, "mod", "crash", value_of("n"), NULL, GANGER_EDIED);

    (void)state;
    assert_int_equal(e.worker.signal, SIGSEGV);
    assert_true(tail_has(&e, "about to crash"));
    served(&s, "mod");
    scene_close(&s);
}

static void test_death_by_abort_tells_the_signal(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e = task_run_failed(
        s.g, "mod", "abort", value_of("n"), NULL, GANGER_EDIED);

    (void)state;
    assert_int_equal(e.worker.signal, SIGABRT);
    served(&s, "mod");
    scene_close(&s);
}

static void test_death_by_stack_overflow_tells_the_signal(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e = task_run_failed(
        s.g, "mod", "overflow", value_of("n"), NULL, GANGER_EDIED);

    (void)state;
    assert_int_equal(e.worker.signal, SIGSEGV);
    served(&s, "mod");
    scene_close(&s);
}

static void test_death_by_kill_9_charges_only_the_task_that_runs(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    struct ganger_future *killed, *behind[5];
    struct ganger_failure e;
    pid_t pid;
    int fd;

    (void)state;
    pid = (pid_t)value_int(task_run(s.g, "one", "pid", value_of("n")));
    killed = task_submit(s.g, "one", "wait", value_of("s", gate), NULL);
    for (int i = 0; i < 5; i++)
        behind[i] = task_submit(s.g, "one", "about", value_of("n"), NULL);
    fd = gate_enter(gate);
    assert_int_equal(kill(pid, SIGKILL), 0);
    e = task_failed(killed, GANGER_EDIED);
    assert_int_equal(e.worker.signal, SIGKILL);
    assert_int_equal(e.worker.pid, pid);
    assert_int_equal(e.attempts, 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(value_int_at(task_done(behind[i]), 1), 1);
    (void)close(fd);
    scene_close(&s);
}

static void test_death_of_an_idle_child_is_replaced(void **state)
{
    struct scene s = scene_open(yaml);
    pid_t pid = (pid_t)value_int(task_run(s.g, "one", "pid", value_of("n")));

    (void)state;
    assert_int_equal(kill(pid, SIGKILL), 0);
    UNTIL(s.d, ask_int(s.g, GANGER_POOLS, 0, "one", "deaths") == 1);
    assert_int_not_equal(value_int(task_run(s.g, "one", "pid", value_of("n"))), pid);
    scene_close(&s);
}

static void test_death_of_an_agent_ends_its_tasks_and_another_comes(void **state)
{
    struct scene s = scene_open("pools:\n  one:\n    module: %M\n    processes: 1\n");
    const char *gate = gate_make(s.d, "gate");
    struct ganger_future *f = task_submit(s.g, "one", "wait", value_of("s", gate), NULL);
    struct ganger_failure e;
    int fd = gate_enter(gate);

    (void)state;
    assert_int_equal(kill(daemon_first(s.d, DAEMON_AGENT), SIGKILL), 0);
    e = task_failed(f, GANGER_EDIED);
    assert_int_equal(e.worker.signal, SIGKILL);
    served(&s, "one");
    assert_int_equal(daemon_count(s.d, DAEMON_AGENT), 1);
    (void)close(fd);
    scene_close(&s);
}

static void test_death_of_a_memory_hog_is_by_its_limit(void **state)
{
    struct scene s;

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("skipped: a sanitizer needs terabytes of addresses\n");
    skip();
#endif
    s = scene_open("pools:\n"
                   "  tight:\n"
                   "    module: %M\n"
                   "    processes: 1\n"
                   "    rlimits:\n"
                   "      as: 256MiB\n");
    (void)task_run_failed(
        s.g, "tight", "leak", value_of("i", (int64_t)1 << 30), NULL, GANGER_ENOMEM);
    served(&s, "tight");
    scene_close(&s);
}

static void test_death_leak_is_told_by_the_resident_size(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e;

    (void)state;
    (void)task_run(s.g, "one", "leak", value_of("i", 64l << 20));
    e = task_run_failed(s.g, "one", "exit", value_of("i", 1l), NULL, GANGER_EDIED);
    assert_true(e.worker.maxrss_kib >= 64 * 1024);
    scene_close(&s);
}

static pid_t pid_in(const char *path)
{
    FILE *f = fopen(path, "r");
    long pid = 0;

    if (f != NULL) {
        assert_int_equal(fscanf(f, "%ld", &pid), 1);
        (void)fclose(f);
    }
    return (pid_t)pid;
}

static void expect_swept(const char *function, int code)
{
    struct scene s = scene_open(yaml);
    const char *path = daemon_path(s.d, "pid");
    struct ganger_future *f = task_submit(s.g, "one", function, value_of("s", path), NULL);

    if (code == 0)
        (void)task_done(f);
    else
        (void)task_failed(f, code);
    assert_true(pid_in(path) > 1);
    UNTIL(s.d, kill(pid_in(path), 0) < 0);
    served(&s, "one");
    scene_close(&s);
}

static void test_death_of_a_detached_grandchild_comes_with_the_tasks_end(void **state)
{
    (void)state;
    expect_swept("detach", 0);
}

static void test_death_of_a_detached_grandchild_comes_with_the_workers_crash(void **state)
{
    (void)state;
    expect_swept("detach_crash", GANGER_EDIED);
}

static void test_death_of_a_forked_copy_disturbs_nobody(void **state)
{
    struct scene s = scene_open(yaml);

    (void)state;
    assert_int_equal(value_int(task_run(s.g, "one", "twice", value_of("n"))), 1);
    (void)task_run(s.g, "one", "fork_exit", value_of("n"));
    served(&s, "one");
    scene_close(&s);
}

static void test_death_flood_of_stderr_is_bounded_and_its_end_kept(void **state)
{
    struct scene s = scene_open("log:\n  level: error\n  format: plain\n"
                                "pools:\n  one:\n    module: %M\n    processes: 1\n");
    struct ganger_failure e;
    struct stat st;

    (void)state;
    (void)task_run(s.g, "one", "flood", value_of("i", 200l << 20));
    e = task_run_failed(s.g, "one", "exit", value_of("i", 1l), NULL, GANGER_EDIED);
    assert_true(tail_has(&e, "end of the flood"));
    assert_true(e.worker.stderr_tail.len <= 4096);
    assert_int_equal(stat(daemon_path(s.d, "log"), &st), 0);
    assert_true(st.st_size < (64 << 20));
    served(&s, "one");
    scene_close(&s);
}

static void test_death_gigabytes_of_stdout_fail_the_command_in_bounded_memory(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = options_new();
    struct ganger_failure e;

    (void)state;
    o.given = GANGER_OPT_LIMIT_MS;
    o.limit_ms = 15000;
    e = task_run_failed(s.g, "any", "",
        value_of("a2a4ssssn", "head", "-c", "2147483648", "/dev/zero"), &o, GANGER_ETOOBIG);
    assert_true(e.value.len <= 65536 + 5);
    assert_string_equal(
        value_text(task_run(s.g, "any", "", value_of("a2a2ssn", "echo", "hi"))), "hi\n");
    scene_close(&s);
}

static void test_death_command_with_a_status_gives_status_output_and_last_words(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e = task_run_failed(s.g, "any", "",
        value_of("a2a3sssn", "sh", "-c", "echo out; echo err >&2; exit 5"), NULL, GANGER_EEXIT);

    (void)state;
    assert_true(e.has_worker);
    assert_int_equal(e.worker.exit_code, 5);
    assert_true(tail_has(&e, "err"));
    assert_string_equal(value_text(e.value), "out\n");
    scene_close(&s);
}

static void test_death_command_by_a_signal_tells_it(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e = task_run_failed(
        s.g, "any", "", value_of("a2a3sssn", "sh", "-c", "kill -9 $$"), NULL, GANGER_EEXIT);

    (void)state;
    assert_true(e.has_worker);
    assert_int_equal(e.worker.signal, SIGKILL);
    scene_close(&s);
}

static void test_death_command_leaves_no_background_process(void **state)
{
    struct scene s = scene_open(yaml);
    const char *path = daemon_path(s.d, "pid");

    (void)state;
    (void)task_run(s.g, "any", "",
        value_of("a2a5sssssn", "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $! >$1", "sh",
            path));
    assert_true(pid_in(path) > 1);
    UNTIL(s.d, daemon_count(s.d, DAEMON_OTHER) == 0);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_death_by_exit_tells_status_and_last_words),
        cmocka_unit_test(test_death_by_exit_0_is_a_death_too),
        cmocka_unit_test(test_death_by_segv_tells_the_signal),
        cmocka_unit_test(test_death_by_abort_tells_the_signal),
        cmocka_unit_test(test_death_by_stack_overflow_tells_the_signal),
        cmocka_unit_test(test_death_by_kill_9_charges_only_the_task_that_runs),
        cmocka_unit_test(test_death_of_an_idle_child_is_replaced),
        cmocka_unit_test(test_death_of_an_agent_ends_its_tasks_and_another_comes),
        cmocka_unit_test(test_death_of_a_memory_hog_is_by_its_limit),
        cmocka_unit_test(test_death_leak_is_told_by_the_resident_size),
        cmocka_unit_test(test_death_of_a_detached_grandchild_comes_with_the_tasks_end),
        cmocka_unit_test(test_death_of_a_detached_grandchild_comes_with_the_workers_crash),
        cmocka_unit_test(test_death_of_a_forked_copy_disturbs_nobody),
        cmocka_unit_test(test_death_flood_of_stderr_is_bounded_and_its_end_kept),
        cmocka_unit_test(test_death_gigabytes_of_stdout_fail_the_command_in_bounded_memory),
        cmocka_unit_test(test_death_command_with_a_status_gives_status_output_and_last_words),
        cmocka_unit_test(test_death_command_by_a_signal_tells_it),
        cmocka_unit_test(test_death_command_leaves_no_background_process),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
