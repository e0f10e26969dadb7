/* Tasks that are told to stop: limits, cancels, expiry; soft first, then hard. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char yaml[] = "pools:\n"
                           "  one:\n"
                           "    module: %M\n"
                           "    processes: 1\n"
                           "    kill_grace: 100ms\n"
                           "  any:\n"
                           "    command: any\n"
                           "    processes: 1\n"
                           "    kill_grace: 100ms\n";

static void served(const struct scene *s)
{
    assert_int_equal(value_int(task_run(s->g, "one", "add", value_of("a2ii", 1l, 2l))), 3);
}

static struct ganger_options limit_of(uint64_t ms)
{
    struct ganger_options o = options_new();

    o.given = GANGER_OPT_LIMIT_MS;
    o.limit_ms = ms;
    return o;
}

static void test_stopping_at_the_limit_kills_what_never_ends(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = limit_of(100);
    int64_t begin = test_now_ms();
    struct ganger_failure e = task_run_failed(
        s.g, "one", "spin", value_of("n"), &o, GANGER_ETIMELIMIT);

    (void)state;
    assert_true(test_now_ms() - begin >= 100);
    assert_int_equal(e.end, GANGER_END_FAILED);
    assert_true(e.has_worker);
    assert_int_equal(e.worker.signal, SIGKILL);
    served(&s);
    scene_close(&s);
}

static void test_stopping_at_the_limit_is_soft_for_who_listens(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    int64_t pid = value_int(task_run(s.g, "one", "pid", value_of("n")));
    struct ganger_options o = limit_of(100);
    struct ganger_future *f;
    int fd;

    (void)state;
    o.given |= GANGER_OPT_KILL_GRACE_MS;
    o.kill_grace_ms = 60000;
    f = task_submit(s.g, "one", "until_cancelled", value_of("s", gate), &o);
    fd = gate_enter(gate);
    /* It returned by itself, so its worker lives. */
    assert_int_equal(ganger_future_wait(f, DAEMON_WAIT_MS), 0);
    assert_int_equal(value_int(task_run(s.g, "one", "pid", value_of("n"))), pid);
    (void)close(fd);
    scene_close(&s);
}

static void test_stopping_by_cancel_kills_what_ignores_it(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_future *f = task_submit(s.g, "one", "forever", value_of("n"), NULL);
    struct ganger_failure e;

    (void)state;
    UNTIL(s.d, task_is(s.g, task_id(f), "running"));
    assert_int_equal(ganger_cancel(s.g, task_id(f), DAEMON_WAIT_MS), 0);
    e = task_failed(f, GANGER_ECANCELLED);
    assert_int_equal(e.end, GANGER_END_CANCELLED);
    served(&s);
    scene_close(&s);
}

static void test_stopping_by_cancel_is_soft_for_who_listens(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    int64_t pid = value_int(task_run(s.g, "one", "pid", value_of("n")));
    struct ganger_options o = options_new();
    struct ganger_future *f;
    int fd;

    (void)state;
    o.given = GANGER_OPT_KILL_GRACE_MS;
    o.kill_grace_ms = 60000;
    f = task_submit(s.g, "one", "until_cancelled", value_of("s", gate), &o);
    fd = gate_enter(gate);
    assert_int_equal(ganger_future_cancel(f), 0);
    assert_int_equal(ganger_future_wait(f, DAEMON_WAIT_MS), 0);
    assert_int_equal(value_int(task_run(s.g, "one", "pid", value_of("n"))), pid);
    (void)close(fd);
    scene_close(&s);
}

static void test_stopping_by_cancel_of_a_waiting_task_leaves_the_running_one(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate"), *touched = daemon_path(s.d, "touched");
    struct ganger_future *running, *waiting;
    struct ganger_failure e;
    int fd;

    (void)state;
    running = task_submit(s.g, "one", "wait", value_of("s", gate), NULL);
    waiting = task_submit(s.g, "one", "touch", value_of("s", touched), NULL);
    fd = gate_enter(gate);
    assert_int_equal(ganger_cancel(s.g, task_id(waiting), DAEMON_WAIT_MS), 0);
    e = task_failed(waiting, GANGER_ECANCELLED);
    assert_int_equal(e.attempts, 0);
    (void)close(fd);
    assert_int_equal(value_int(task_done(running)), 0);
    served(&s);
    assert_int_equal(access(touched, F_OK), -1);
    scene_close(&s);
}

static void test_stopping_an_ended_task_is_refused(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = options_new();
    struct ganger_future *f;

    (void)state;
    o.given = GANGER_OPT_RETENTION_MS;
    o.retention_ms = 60000;
    f = task_submit(s.g, "one", "nothing", value_of("n"), &o);
    (void)task_done(f);
    assert_int_equal(ganger_cancel(s.g, task_id(f), DAEMON_WAIT_MS), GANGER_ESTATE);
    scene_close(&s);
}

static void test_stopping_a_command_that_ignores_term_kills_it_and_its_group(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = limit_of(200);

    (void)state;
    (void)task_run_failed(s.g, "any", "",
        value_of("a2a3sssn", "sh", "-c", "trap '' TERM; sleep 1000 & while :; do wait; done"), &o,
        GANGER_ETIMELIMIT);
    UNTIL(s.d, daemon_count(s.d, DAEMON_OTHER) == 0);
    assert_string_equal(
        value_text(task_run(s.g, "any", "", value_of("a2a2ssn", "echo", "hi"))), "hi\n");
    scene_close(&s);
}

static void test_stopping_a_command_by_cancel_ends_it_by_term(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_future *f = task_submit(
        s.g, "any", "", value_of("a2a2ssn", "sleep", "1000"), NULL);

    (void)state;
    UNTIL(s.d, daemon_count(s.d, DAEMON_OTHER) == 1);
    assert_int_equal(ganger_future_cancel(f), 0);
    (void)task_failed(f, GANGER_ECANCELLED);
    UNTIL(s.d, daemon_count(s.d, DAEMON_OTHER) == 0);
    scene_close(&s);
}

static void test_stopping_a_task_with_a_detached_grandchild_ends_both(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = limit_of(300);

    (void)state;
    (void)task_run_failed(s.g, "one", "detach_forever", value_of("s", daemon_path(s.d, "pid")), &o,
        GANGER_ETIMELIMIT);
    assert_int_equal(access(daemon_path(s.d, "pid"), F_OK), 0);
    served(&s);
    scene_close(&s);
}

static void test_stopping_what_has_expired_before_it_began(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    struct ganger_options o = options_new();
    struct ganger_future *running;
    struct ganger_failure e;
    int fd;

    (void)state;
    running = task_submit(s.g, "one", "wait", value_of("s", gate), NULL);
    fd = gate_enter(gate);
    o.given = GANGER_OPT_EXPIRY_MS;
    o.expiry_ms = 100;
    e = task_run_failed(s.g, "one", "nothing", value_of("n"), &o, GANGER_EEXPIRED);
    assert_int_equal(e.attempts, 0);
    (void)close(fd);
    (void)task_done(running);
    scene_close(&s);
}

static void test_stopping_at_the_limit_counts_as_an_attempt(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = limit_of(50);
    struct ganger_failure e;

    (void)state;
    o.given |= GANGER_OPT_MAX_ATTEMPTS | GANGER_OPT_BACKOFF_MS;
    o.max_attempts = 2;
    o.backoff_ms = 1;
    e = task_run_failed(s.g, "one", "spin", value_of("n"), &o, GANGER_ETIMELIMIT);
    assert_int_equal(e.attempts, 2);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopping_at_the_limit_kills_what_never_ends),
        cmocka_unit_test(test_stopping_at_the_limit_is_soft_for_who_listens),
        cmocka_unit_test(test_stopping_by_cancel_kills_what_ignores_it),
        cmocka_unit_test(test_stopping_by_cancel_is_soft_for_who_listens),
        cmocka_unit_test(test_stopping_by_cancel_of_a_waiting_task_leaves_the_running_one),
        cmocka_unit_test(test_stopping_an_ended_task_is_refused),
        cmocka_unit_test(test_stopping_a_command_that_ignores_term_kills_it_and_its_group),
        cmocka_unit_test(test_stopping_a_command_by_cancel_ends_it_by_term),
        cmocka_unit_test(test_stopping_a_task_with_a_detached_grandchild_ends_both),
        cmocka_unit_test(test_stopping_what_has_expired_before_it_began),
        cmocka_unit_test(test_stopping_at_the_limit_counts_as_an_attempt),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
