/* Tasks that are tried again, and tasks that are set aside. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <signal.h>
#include <sys/stat.h>

static const char yaml[] =
    "pools:\n"
    "  mod:\n"
    "    module: %M\n"
    "    processes: 1\n"
    "  shell:\n"
    "    command: [sh, -c, 'echo x >>%D/runs; test $(wc -l <%D/runs) -ge 3']\n"
    "    processes: 1\n";

static struct ganger_options retry_of(uint32_t attempts, uint64_t backoff_ms)
{
    struct ganger_options o = options_new();

    o.given = GANGER_OPT_MAX_ATTEMPTS | GANGER_OPT_BACKOFF_MS | GANGER_OPT_BACKOFF_MAX_MS |
              GANGER_OPT_JITTER_PERCENT;
    o.max_attempts = attempts;
    o.backoff_ms = backoff_ms;
    o.backoff_max_ms = 10000;
    return o;
}

static void test_retry_waits_with_back_off_until_it_succeeds(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = retry_of(5, 100);
    int64_t begin = test_now_ms();

    (void)state;
    (void)task_done(task_submit(s.g, "shell", "", value_of("a2a0n"), &o));
    /* Two waits: 100 and 200. */
    assert_true(test_now_ms() - begin >= 300);
    scene_close(&s);
}

static void test_retry_ends_when_the_attempts_are_spent(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = retry_of(3, 1);
    struct ganger_failure e = task_run_failed(
        s.g, "mod", "fail", value_of("s", "no luck"), &o, GANGER_EFAILED);

    (void)state;
    assert_int_equal(e.attempts, 3);
    assert_string_equal(e.text, "no luck");
    assert_int_equal(e.end, GANGER_END_DEAD);
    assert_true(e.cause_count >= 2);
    assert_int_equal(e.causes[0].code, GANGER_EFAILED);
    scene_close(&s);
}

static void test_retry_of_a_killer_ends_with_its_crash_budget_and_causes(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = retry_of(100, 1);
    struct ganger_failure e;

    (void)state;
    o.given |= GANGER_OPT_CRASH_BUDGET;
    o.crash_budget = 3;
    e = task_run_failed(s.g, "mod", "crash", value_of("n"), &o, GANGER_EDIED);
    assert_int_equal(e.end, GANGER_END_DEAD);
    assert_int_equal(e.attempts, 3);
    assert_int_equal(e.worker.signal, SIGSEGV);
    assert_true(e.cause_count >= 2);
    assert_int_equal(e.causes[0].signal, SIGSEGV);
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    scene_close(&s);
}

static void test_retry_crash_budget_survives_a_restart(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = retry_of(100, 3000);
    struct ganger_future *f;
    struct ganger_failure e;
    uint64_t id;

    (void)state;
    o.given |= GANGER_OPT_CRASH_BUDGET;
    o.crash_budget = 2;
    o.durable = GANGER_DURABLE_YES;
    id = task_id(task_submit(s.g, "mod", "crash", value_of("n"), &o));
    UNTIL(s.d, why_is(s.g, id, "back-off"));
    daemon_kill(s.d);
    daemon_start(s.d);
    scene_reopen(&s);
    assert_int_equal(ask_int(s.g, GANGER_STATUS, id, NULL, "crashes"), 1);
    assert_int_equal(ganger_attach(s.g, id, &f), 0);
    e = task_failed(f, GANGER_EDIED);
    assert_int_equal(e.end, GANGER_END_DEAD);
    assert_int_equal(e.attempts, 2);
    scene_close(&s);
}

static void test_retry_in_back_off_is_told_by_why_and_can_be_cancelled(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = retry_of(5, 60000);
    struct ganger_future *f;
    uint64_t id;

    (void)state;
    o.backoff_max_ms = 60000;
    f = task_submit(s.g, "mod", "fail", value_of("s", "x"), &o);
    id = task_id(f);
    UNTIL(s.d, why_is(s.g, id, "back-off"));
    assert_true(ask_int(s.g, GANGER_WHY, id, NULL, "due_in_ms") > 50000);
    assert_int_equal(ganger_future_cancel(f), 0);
    assert_int_equal(task_failed(f, GANGER_ECANCELLED).attempts, 1);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry_waits_with_back_off_until_it_succeeds),
        cmocka_unit_test(test_retry_ends_when_the_attempts_are_spent),
        cmocka_unit_test(test_retry_of_a_killer_ends_with_its_crash_budget_and_causes),
        cmocka_unit_test(test_retry_crash_budget_survives_a_restart),
        cmocka_unit_test(test_retry_in_back_off_is_told_by_why_and_can_be_cancelled),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
