/* Stops and starts: what is in the journal comes back, at the right time, once. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOL_MOD                                                                                   \
    "journal:\n"                                                                                   \
    "  dir: %D/journal\n"                                                                          \
    "  segment: 64KiB\n"                                                                           \
    "limits:\n"                                                                                    \
    "  grace: 60s\n"                                                                               \
    "  drain: 10s\n"                                                                               \
    "pools:\n"                                                                                     \
    "  mod:\n"                                                                                     \
    "    module: %M\n"                                                                             \
    "    processes: 2\n"

static const char yaml[] = POOL_MOD "  idle:\n    external: true\n";

/* Without a pool whose agent might live on unseen, the grace ends as soon as the old are gone. */
static const char own_yaml[] = POOL_MOD;

static const char short_yaml[] = "limits:\n"
                                 "  drain: 200ms\n"
                                 "pools:\n"
                                 "  mod:\n"
                                 "    module: %M\n"
                                 "    processes: 1\n";

static struct ganger_options durable(void)
{
    struct ganger_options o = options_new();

    o.durable = GANGER_DURABLE_YES;
    o.given = GANGER_OPT_MAX_ATTEMPTS | GANGER_OPT_BACKOFF_MS;
    o.max_attempts = 10;
    o.backoff_ms = 1;
    return o;
}

static off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? 0 : st.st_size;
}

static struct ganger_future *attach(const struct scene *s, uint64_t id)
{
    struct ganger_future *f;

    assert_int_equal(ganger_attach(s->g, id, &f), 0);
    return f;
}

static void test_restart_after_a_clean_stop_has_no_grace(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = durable();
    const char *touched = daemon_path(s.d, "touched");
    uint64_t id;

    (void)state;
    assert_int_equal(ganger_pool_pause(s.g, "mod", DAEMON_WAIT_MS), 0);
    id = task_id(task_submit(s.g, "mod", "touch", value_of("s", touched), &o));
    daemon_stop(s.d);
    assert_int_equal(size_of(touched), 0);
    daemon_start(s.d);
    scene_reopen(&s);
    (void)task_done(attach(&s, id));
    assert_int_equal(size_of(touched), 1);
    assert_false(daemon_log_has(s.d, "waiting-for-old-agents"));
    scene_close(&s);
}

static void test_restart_after_kill_9_ends_the_grace_when_the_old_are_gone(void **state)
{
    struct scene s = scene_open(own_yaml);
    struct ganger_options o = durable();
    const char *gate = gate_make(s.d, "gate");
    struct ganger_future *f;
    int64_t begin;
    uint64_t id;
    int fd;

    (void)state;
    id = task_id(task_submit(s.g, "mod", "wait", value_of("s", gate), &o));
    fd = gate_enter(gate);
    daemon_kill(s.d);
    (void)close(fd); /* or the next attempt, which may begin at once, would find the gate open */
    begin = test_now_ms();
    daemon_start(s.d);
    scene_reopen(&s);
    f = attach(&s, id);
    (void)close(gate_enter(gate));
    (void)task_done(f);
    assert_true(test_now_ms() - begin < 10000);
    scene_close(&s);
}

/* An agent that hangs keeps its children from dying with the daemon. */
static void test_restart_runs_nothing_twice_while_an_old_child_lives(void **state)
{
    struct scene s = scene_open(own_yaml);
    struct ganger_options o = durable();
    const char *gate = gate_make(s.d, "gate");
    pid_t agent = daemon_first(s.d, DAEMON_AGENT);
    struct ganger_future *f;
    uint64_t id;
    int fd;

    (void)state;
    id = task_id(task_submit(s.g, "mod", "wait", value_of("s", gate), &o));
    fd = gate_enter(gate);
    assert_true(process_freeze(agent));
    daemon_kill(s.d);
    daemon_start(s.d);
    scene_reopen(&s);
    daemon_log_wait(s.d, "waiting-for-old-agents");
    assert_true(why_is(s.g, id, "grace"));
    /* A task of the new time need not wait. */
    (void)task_run(s.g, "mod", "nothing", value_of("n"));
    assert_true(why_is(s.g, id, "grace"));
    (void)close(fd); /* before the next attempt can open it */
    process_thaw(agent);
    UNTIL(s.d, !why_is(s.g, id, "grace"));
    f = attach(&s, id);
    (void)close(gate_enter(gate));
    (void)task_done(f);
    scene_close(&s);
}

static void test_restart_keeps_results_for_who_asks_later(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = durable();
    struct ganger_failure e;
    uint64_t id[3];

    (void)state;
    o.max_attempts = 1;
    id[0] = task_id(task_submit(s.g, "mod", "add", value_of("a2ii", 20l, 22l), &o));
    id[1] = task_id(task_submit(s.g, "mod", "exit", value_of("i", 9l), &o));
    id[2] = task_id(task_submit(s.g, "mod", "fail", value_of("s", "not today"), &o));
    for (int i = 0; i < 3; i++)
        assert_int_equal(ganger_future_wait(attach(&s, id[i]), DAEMON_WAIT_MS), 0);
    for (int round = 0; round < 2; round++) {
        if (round == 0)
            daemon_kill(s.d);
        else
            daemon_stop(s.d);
        daemon_start(s.d);
        scene_reopen(&s);
        assert_int_equal(value_int(task_done(attach(&s, id[0]))), 42);
        e = task_failed(attach(&s, id[1]), GANGER_EDIED);
        assert_int_equal(e.worker.exit_code, 9);
        assert_int_equal(e.attempts, 1);
        e = task_failed(attach(&s, id[2]), GANGER_EFAILED);
        assert_string_equal(e.text, "not today");
    }
    scene_close(&s);
}

/* Far more goes through the journal than it holds, so that its oldest part is reclaimed. */
static void churn(const struct scene *s, unsigned tasks)
{
    struct ganger_options o = durable();
    struct ganger_future *f[100];
    static char filler[1000];

    o.given |= GANGER_OPT_RETENTION_MS;
    o.retention_ms = 0;
    for (unsigned n = 0; n < tasks; n += 100) {
        for (int i = 0; i < 100; i++)
            f[i] = task_submit(s->g, "mod", "echo", value_of("b", filler, sizeof filler), &o);
        for (int i = 0; i < 100; i++) {
            (void)task_done(f[i]);
            ganger_future_free(f[i]);
        }
    }
}

static void test_restart_keeps_results_that_the_journal_has_moved(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = durable();
    uint64_t id[50], waiting;

    (void)state;
    waiting = task_id(task_submit(s.g, "idle", "x", value_of("n"), &o));
    for (int i = 0; i < 50; i++)
        id[i] = task_id(task_submit(s.g, "mod", "add", value_of("a2ii", (int64_t)i, 1000l), &o));
    for (int i = 0; i < 50; i++)
        (void)task_done(attach(&s, id[i]));
    churn(&s, 2000);
    assert_true(ask_int(s.g, GANGER_STATS, 0, NULL, "journal_copied_bytes") > 0);
    daemon_kill(s.d);
    daemon_start(s.d);
    scene_reopen(&s);
    for (int i = 0; i < 50; i++)
        assert_int_equal(value_int(task_done(attach(&s, id[i]))), i + 1000);
    assert_true(task_is(s.g, waiting, "ready") || task_is(s.g, waiting, "delayed"));
    scene_close(&s);
}

static void test_restart_never_runs_an_ended_task_again(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = durable();
    const char *touched = daemon_path(s.d, "touched");
    struct ganger_future *f;

    (void)state;
    for (int round = 0; round < 5; round++) {
        f = task_submit(s.g, "mod", "touch", value_of("s", touched), &o);
        (void)task_done(f);
        daemon_kill(s.d);
        daemon_start(s.d);
        scene_reopen(&s);
        assert_int_equal(ganger_ping(s.g, DAEMON_WAIT_MS), 0);
    }
    (void)task_run(s.g, "mod", "nothing", value_of("n"));
    assert_int_equal(size_of(touched), 5);
    scene_close(&s);
}

static void test_restart_loses_what_is_not_durable_and_says_so(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_future *f = task_submit(s.g, "idle", "x", value_of("n"), NULL);

    (void)state;
    (void)task_id(f);
    daemon_kill(s.d);
    daemon_start(s.d);
    (void)task_failed(f, GANGER_ELOST);
    scene_close(&s);
}

static void test_restart_is_survived_by_a_wait(void **state)
{
    struct scene s = scene_open(own_yaml);
    struct ganger_options o = durable();
    struct ganger_future *f;

    (void)state;
    assert_int_equal(ganger_pool_pause(s.g, "mod", DAEMON_WAIT_MS), 0);
    f = task_submit(s.g, "mod", "add", value_of("a2ii", 1l, 2l), &o);
    (void)task_id(f);
    daemon_kill(s.d);
    daemon_start(s.d);
    assert_int_equal(value_int(task_done(f)), 3);
    scene_close(&s);
}

static void test_restart_keeps_a_delay(void **state)
{
    struct scene s = scene_open(own_yaml);
    struct ganger_options o = durable();
    int64_t begin = test_now_ms();
    uint64_t id;

    (void)state;
    o.given |= GANGER_OPT_DELAY_MS;
    o.delay_ms = 1500;
    id = task_id(task_submit(s.g, "mod", "nothing", value_of("n"), &o));
    daemon_kill(s.d);
    daemon_start(s.d);
    scene_reopen(&s);
    (void)task_done(attach(&s, id));
    assert_true(test_now_ms() - begin >= 1500);
    scene_close(&s);
}

static void test_restart_drain_lets_running_tasks_end_and_keeps_the_rest(void **state)
{
    struct scene s = scene_open(short_yaml);
    struct ganger_options o = durable();
    const char *gate = gate_make(s.d, "gate"), *touched = daemon_path(s.d, "touched");
    struct ganger_future *running;
    uint64_t waiting;
    int fd;

    (void)state;
    daemon_stop(s.d);
    daemon_yaml(s.d, "limits:\n  drain: 20s\npools:\n  mod:\n    module: %M\n    processes: 1\n");
    daemon_start(s.d);
    scene_reopen(&s);
    running = task_submit(s.g, "mod", "wait", value_of("s", gate), &o);
    waiting = task_id(task_submit(s.g, "mod", "touch", value_of("s", touched), &o));
    fd = gate_enter(gate);
    daemon_signal(s.d, SIGTERM);
    daemon_log_wait(s.d, "stopping");
    (void)task_run_failed(s.g, "mod", "nothing", value_of("n"), &o, GANGER_EDRAIN);
    (void)close(fd);
    (void)task_done(running);
    assert_int_equal(daemon_wait(s.d), 0);
    assert_int_equal(size_of(touched), 0);
    daemon_start(s.d);
    scene_reopen(&s);
    (void)task_done(attach(&s, waiting));
    assert_int_equal(size_of(touched), 1);
    scene_close(&s);
}

static void test_restart_drain_that_is_cut_short_runs_the_task_again(void **state)
{
    struct scene s = scene_open(short_yaml);
    struct ganger_options o = durable();
    const char *gate = gate_make(s.d, "gate");
    struct ganger_future *f;
    uint64_t id;
    int fd;

    (void)state;
    id = task_id(task_submit(s.g, "mod", "wait", value_of("s", gate), &o));
    fd = gate_enter(gate);
    daemon_stop(s.d);
    assert_true(daemon_log_has(s.d, "drain-cut-short"));
    UNTIL(s.d, daemon_count(s.d, DAEMON_OTHER) == 0);
    (void)close(fd);
    daemon_start(s.d);
    scene_reopen(&s);
    f = attach(&s, id);
    (void)close(gate_enter(gate));
    (void)task_done(f);
    scene_close(&s);
}

static void test_restart_second_term_stops_at_once(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    struct ganger_options o = durable();
    int fd, status;

    (void)state;
    (void)task_submit(s.g, "mod", "wait", value_of("s", gate), &o);
    fd = gate_enter(gate);
    daemon_signal(s.d, SIGTERM);
    daemon_log_wait(s.d, "stopping");
    daemon_signal(s.d, SIGTERM);
    status = daemon_wait(s.d);
    assert_int_equal(status, 0);
    (void)close(fd);
    ganger_close(s.g);
    daemon_free(s.d);
}

static void test_restart_with_a_damaged_journal_is_refused(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = durable();
    char command[512];
    int status;

    (void)state;
    for (int i = 0; i < 10; i++)
        (void)task_id(task_submit(s.g, "idle", "x", value_of("s", "some argument"), &o));
    daemon_stop(s.d);
    (void)snprintf(command, sizeof command,
        "for f in %s/*; do [ -s \"$f\" ] && printf XXXXXXXX | dd of=\"$f\" bs=1 seek=4300 "
        "conv=notrunc 2>/dev/null; done",
        daemon_path(s.d, "journal"));
    assert_int_equal(system(command), 0);
    daemon_spawn(s.d);
    status = daemon_wait(s.d);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    assert_true(daemon_log_has(s.d, "start-failed"));
    ganger_close(s.g);
    daemon_free(s.d);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restart_after_a_clean_stop_has_no_grace),
        cmocka_unit_test(test_restart_after_kill_9_ends_the_grace_when_the_old_are_gone),
        cmocka_unit_test(test_restart_runs_nothing_twice_while_an_old_child_lives),
        cmocka_unit_test(test_restart_keeps_results_for_who_asks_later),
        cmocka_unit_test(test_restart_keeps_results_that_the_journal_has_moved),
        cmocka_unit_test(test_restart_never_runs_an_ended_task_again),
        cmocka_unit_test(test_restart_loses_what_is_not_durable_and_says_so),
        cmocka_unit_test(test_restart_is_survived_by_a_wait),
        cmocka_unit_test(test_restart_keeps_a_delay),
        cmocka_unit_test(test_restart_drain_lets_running_tasks_end_and_keeps_the_rest),
        cmocka_unit_test(test_restart_drain_that_is_cut_short_runs_the_task_again),
        cmocka_unit_test(test_restart_second_term_stops_at_once),
        cmocka_unit_test(test_restart_with_a_damaged_journal_is_refused),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
