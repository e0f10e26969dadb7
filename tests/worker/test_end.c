/* The ends of children and agents: who is told what, and who is left. */
#include "tests/worker/fake.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void test_end_retired_child_finishes_its_task(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct fake_exit e;
    struct out payload;
    char path[100], fini[120];
    int fifo;

    fifo_make(f, "fifo", path, sizeof path);
    (void)snprintf(fini, sizeof fini, "%s/fini", f->dir);
    (void)setenv("TESTMOD_FINI", fini, 1);
    fake_start_module(f);
    (void)unsetenv("TESTMOD_FINI");
    fake_spawn(f, &c, 0, 1);
    payload = pay_text(path);
    (void)fake_hand(&c, "wait", &payload);
    fifo = fifo_open(path);
    assert_int_equal(shutdown(c.link.fd, SHUT_WR), 0);
    (void)close(fifo);
    fake_result(&c, &r);
    assert_outcome_int(&r, 0);
    fake_expect_exit(&c, &e);
    assert_int_equal(e.m.end.exit_code, 0);
    assert_int_equal(file_number(fini), c.pid);
    out_done(&payload);
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void ended_by(
    struct fake *f, const char *function, const struct out *payload, struct fake_exit *e)
{
    struct fake_child c;

    fake_start_module(f);
    fake_spawn(f, &c, 5, 9);
    (void)fake_hand(&c, function, payload);
    assert_int_equal(reader_next(&c.link), 0);
    fake_expect_exit(&c, e);
    assert_string_equal(e->text, "");
    fake_expect_empty(&c, e);
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_end_segfault_attributed(void **state)
{
    struct out nil = pay_nil();
    struct fake_exit e;

    ended_by(*state, "crash", &nil, &e);
    assert_int_equal(e.m.end.signal, SIGSEGV);
    assert_int_equal(e.m.end.exit_code, 0);
    assert_string_equal(e.tail, "about to crash\n");
    assert_true(e.m.end.maxrss_kib > 100);
    assert_true(e.m.end.user_us + e.m.end.system_us > 0);
    out_done(&nil);
}

static void test_end_stack_overflow_attributed(void **state)
{
    struct out nil = pay_nil();
    struct fake_exit e;

    ended_by(*state, "overflow", &nil, &e);
    assert_int_equal(e.m.end.signal, SIGSEGV);
    out_done(&nil);
}

static void test_end_abort_attributed(void **state)
{
    struct out nil = pay_nil();
    struct fake_exit e;

    ended_by(*state, "abort", &nil, &e);
    assert_int_equal(e.m.end.signal, SIGABRT);
    out_done(&nil);
}

static void test_end_exit_attributed(void **state)
{
    struct out seven = pay_int(7);
    struct fake_exit e;

    ended_by(*state, "exit", &seven, &e);
    assert_int_equal(e.m.end.signal, 0);
    assert_int_equal(e.m.end.exit_code, 7);
    assert_string_equal(e.tail, "leaving\n");
    out_done(&seven);
}

static void test_end_leak_shows_in_the_report(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct fake_exit e;
    struct out bytes = pay_int(100 * 1024 * 1024);

    fake_start_module(f);
    fake_spawn(f, &c, 0, 1);
    fake_call(&c, "leak", &bytes, &r);
    fake_child_close(&c);
    fake_expect_exit(&c, &e);
    assert_true(e.m.end.maxrss_kib > 100 * 1024);
    out_done(&bytes);
    assert_int_equal(fake_stop(f), 0);
}

static void test_end_kill_hits_only_that_generation(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct fake_exit e;
    struct out nil = pay_nil(), number = pay_int(4);

    fake_start_module(f);
    fake_spawn(f, &c, 3, 8);
    fake_signal(f, 3, 7, SIGKILL);
    fake_signal(f, 4, 8, SIGKILL);
    fake_call(&c, "echo", &number, &r);
    assert_outcome_int(&r, 4);
    (void)fake_hand(&c, "spin", &nil);
    fake_signal(f, 3, 8, SIGKILL);
    fake_expect_exit(&c, &e);
    assert_int_equal(e.m.end.signal, SIGKILL);
    fake_expect_empty(&c, &e);
    /* A late word for one that is gone. */
    fake_signal(f, 3, 8, SIGKILL);
    out_done(&nil);
    out_done(&number);
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void dead_with_descendants(struct fake *f, const char *function, bool kill_it)
{
    struct fake_child c;
    struct fake_exit e;
    struct out payload;
    char path[100];
    pid_t left;

    (void)snprintf(path, sizeof path, "%s/pid", f->dir);
    payload = pay_text(path);
    fake_start_module(f);
    fake_spawn(f, &c, 0, 1);
    (void)fake_hand(&c, function, &payload);
    left = (pid_t)file_number(path);
    if (kill_it)
        fake_signal(f, 0, 1, SIGKILL);
    fake_expect_exit(&c, &e);
    fake_expect_empty(&c, &e);
    /* Reported empty: gone by now, not later. */
    assert_int_equal(kill(left, 0), -1);
    out_done(&payload);
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_end_killed_child_leaves_nobody(void **state)
{
    dead_with_descendants(*state, "detach_forever", true);
}

static void test_end_crashed_child_leaves_nobody(void **state)
{
    dead_with_descendants(*state, "detach_crash", false);
}

static void test_end_killed_takes_children_along(void **state)
{
    struct fake *f = *state;
    struct fake_child a, b;
    struct out nil = pay_nil();

    fake_start_module(f);
    fake_spawn(f, &a, 0, 1);
    fake_spawn(f, &b, 1, 1);
    (void)fake_hand(&a, "spin", &nil);
    (void)kill(f->agent, SIGKILL);
    (void)fake_stop(f);
    wait_gone(a.pid);
    wait_gone(b.pid);
    out_done(&nil);
    fake_child_close(&a);
    fake_child_close(&b);
}

static void stopped_by(struct fake *f, int signal)
{
    struct fake_child c;
    struct out payload;
    char path[100];
    pid_t left;
    int status;

    (void)snprintf(path, sizeof path, "%s/pid", f->dir);
    payload = pay_text(path);
    fake_start_module(f);
    fake_spawn(f, &c, 0, 1);
    (void)fake_hand(&c, "detach_forever", &payload);
    left = (pid_t)file_number(path);
    if (signal != 0) {
        (void)kill(f->agent, signal);
        while (reader_next(&f->link) != 0) {
        }
    }
    status = fake_stop(f);
    assert_int_equal(status, 0);
    assert_int_equal(kill(c.pid, 0), -1);
    assert_int_equal(kill(left, 0), -1);
    out_done(&payload);
    fake_child_close(&c);
}

static void test_end_terminated_leaves_nobody(void **state)
{
    stopped_by(*state, SIGTERM);
}

static void test_end_without_link_leaves_nobody(void **state)
{
    stopped_by(*state, 0);
}

static void test_end_interrupted_goes_on(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out number = pay_int(4);

    fake_start_module(f);
    fake_spawn(f, &c, 0, 1);
    (void)kill(f->agent, SIGINT);
    (void)kill(f->agent, SIGHUP);
    (void)kill(c.pid, SIGINT);
    fake_call(&c, "echo", &number, &r);
    assert_outcome_int(&r, 4);
    out_done(&number);
    fake_retire(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_end_before_the_beginning_is_reported(void **state)
{
    struct fake *f = *state;
    struct fake_child c = { .fake = f, .child = 4, .gen = 2 };
    struct fake_exit e;
    struct out o = { 0 }, number = pay_int(4);
    struct fake_result r;
    struct rlimit few, old;

    fake_start_module(f);
    assert_int_equal(prlimit(f->agent, RLIMIT_NOFILE, NULL, &old), 0);
    few = old;
    few.rlim_cur = 8;
    assert_int_equal(prlimit(f->agent, RLIMIT_NOFILE, &few, NULL), 0);
    msg_write_child(&o, MSG_SPAWN, 4, 2);
    fake_send(f->link.fd, &o);
    fake_expect_exit(&c, &e);
    assert_string_equal(e.text, "cannot fork: Too many open files");
    assert_true(e.m.group_empty);
    /* The agent goes on. */
    assert_int_equal(prlimit(f->agent, RLIMIT_NOFILE, &old, NULL), 0);
    fake_spawn(f, &c, 4, 3);
    fake_call(&c, "echo", &number, &r);
    assert_outcome_int(&r, 4);
    out_done(&number);
    fake_retire(&c);
    assert_int_equal(fake_stop(f), 0);
}

/* ---- output ---- */

static long rss_kib(pid_t pid)
{
    char path[64], *text, *at;
    long kib = 0;

    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    text = file_text(path);
    at = strstr(text, "VmRSS:");
    if (at != NULL)
        kib = strtol(at + 6, NULL, 10);
    free(text);
    return kib;
}

static void test_end_flood_of_output_is_bounded(void **state)
{
    struct fake *f = *state;
    struct fake_child noisy, quiet;
    struct fake_result r;
    struct fake_exit e;
    struct out bytes = pay_int(1024ll * 1024 * 1024), number = pay_int(1), one = pay_int(1);
    char *log;
    long before;

    fake_start_module(f);
    before = rss_kib(f->agent);
    fake_spawn(f, &noisy, 0, 1);
    (void)fake_hand(&noisy, "flood", &bytes);
    /* Meanwhile the agent is there for others. */
    fake_spawn(f, &quiet, 1, 1);
    fake_call(&quiet, "echo", &number, &r);
    assert_outcome_int(&r, 1);
    fake_result(&noisy, &r);
    assert_int_equal(r.m.code, 0);
    assert_true(rss_kib(f->agent) < before + 4096);
    (void)fake_hand(&noisy, "exit", &one);
    fake_expect_exit(&noisy, &e);
    assert_int_equal(e.m.end.stderr_tail.len, GANGER_STDERR_TAIL);
    assert_string_equal(e.tail + GANGER_STDERR_TAIL - 25, "end of the flood\nleaving\n");
    log = file_text(f->errors);
    assert_true(strlen(log) < 1024 * 1024);
    assert_contains(log, "bytes of output left out)");
    free(log);
    out_done(&bytes);
    out_done(&number);
    out_done(&one);
    fake_child_close(&noisy);
    fake_retire(&quiet);
    assert_int_equal(fake_stop(f), 0);
}

static void test_end_lines_of_output_are_passed_on(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out text = pay_text("hello \x1b[31mworld");
    char expected[80], *log;

    fake_start_module(f);
    fake_spawn(f, &c, 0, 1);
    fake_call(&c, "print", &text, &r);
    assert_int_equal(r.m.code, 0);
    fake_retire(&c);
    (void)snprintf(expected, sizeof expected, "test/%ld: hello ?[31mworld\n", (long)c.pid);
    log = file_text(f->errors);
    assert_contains(log, expected);
    free(log);
    out_done(&text);
    assert_int_equal(fake_stop(f), 0);
}

int main(int argc, char **argv)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_end_retired_child_finishes_its_task, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_segfault_attributed, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_stack_overflow_attributed, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_abort_attributed, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_exit_attributed, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_leak_shows_in_the_report, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_kill_hits_only_that_generation, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_killed_child_leaves_nobody, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_crashed_child_leaves_nobody, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_killed_takes_children_along, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_terminated_leaves_nobody, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_without_link_leaves_nobody, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_interrupted_goes_on, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_before_the_beginning_is_reported, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_flood_of_output_is_bounded, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_end_lines_of_output_are_passed_on, fake_setup, fake_teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
