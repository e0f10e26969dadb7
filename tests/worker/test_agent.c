/* The agent: hello, functions, initializers, confinement. */
#include "tests/worker/fake.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- hello ---- */

static void test_agent_stopped_ends_well(void **state)
{
    struct fake *f = *state;

    fake_start_module(f);
    assert_int_equal(fake_stop(f), 0);
}

static void test_agent_other_version_refused(void **state)
{
    struct fake *f = *state;
    const char *args[] = { "--module", TESTMOD_PATH, NULL };
    char *log;
    int status;

    fake_launch(f, args, -1);
    fake_hello(f, GANGER_PROTOCOL_VERSION + 1);
    assert_int_equal(reader_next(&f->link), 0);
    status = fake_stop(f);
    assert_int_equal(WEXITSTATUS(status), 1);
    log = file_text(f->errors);
    assert_contains(log, "protocol version 2");
    free(log);
}

static void test_agent_garbage_from_the_daemon_ends_it(void **state)
{
    struct fake *f = *state;

    fake_start_module(f);
    assert_int_equal(send(f->link.fd, "\0\0\0\4\xc1\xc1\xc1\xc1", 8, MSG_NOSIGNAL), 8);
    assert_int_equal(reader_next(&f->link), 0);
    assert_int_equal(WEXITSTATUS(fake_stop(f)), 1);
}

static bool descriptor_is_null(pid_t pid, int fd)
{
    char path[64], target[64] = "";

    (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    return readlink(path, target, sizeof target - 1) > 0 && strcmp(target, "/dev/null") == 0;
}

static void test_agent_connects_by_socket(void **state)
{
    struct fake *f = *state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct fake_child c;

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", f->dir);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    f->agent = fork();
    if (f->agent == 0) {
        (void)execl(WORKER_PATH, WORKER_PATH, "--pool", "test", "--socket", address.sun_path,
            "--module", TESTMOD_PATH, (char *)NULL);
        _exit(127);
    }
    f->link.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    (void)close(listener);
    fake_hello(f, GANGER_PROTOCOL_VERSION);
    fake_expect_loaded(f);
    fake_spawn(f, &c, 0, 1);
    fake_retire(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_agent_without_standard_descriptors_takes_none_of_their_numbers(void **state)
{
    struct fake *f = *state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct fake_child c;

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", f->dir);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    f->agent = fork();
    if (f->agent == 0) {
        for (int fd = 0; fd < 3; fd++)
            (void)close(fd);
        (void)execl(WORKER_PATH, WORKER_PATH, "--pool", "test", "--socket", address.sun_path,
            "--module", TESTMOD_PATH, (char *)NULL);
        _exit(127);
    }
    f->link.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    (void)close(listener);
    fake_hello(f, GANGER_PROTOCOL_VERSION);
    fake_expect_loaded(f);
    fake_spawn(f, &c, 0, 1);
    for (int fd = 0; fd < 3; fd++)
        assert_true(descriptor_is_null(f->agent, fd));
    fake_retire(&c);
    assert_int_equal(fake_stop(f), 0);
}

/* ---- functions ---- */

static void refused_module(struct fake *f, const char *path, const char *part)
{
    const char *args[] = { "--module", path, NULL };

    fake_start(f, args);
    fake_expect_refusal(f, GANGER_EMODULE, part);
    /* It stays, for the coordinator to decide. */
    assert_int_equal(fake_stop(f), 0);
}

/* The agent says it on its standard error as well, for whoever started it by hand. */
static void complained(struct fake *f, const char *part)
{
    char *log = file_text(f->errors);

    assert_contains(log, "<3>ganger-worker pool=test: ");
    assert_contains(log, part);
    free(log);
}

static void test_agent_missing_module_refused(void **state)
{
    refused_module(*state, "/nonexistent/module.so", "/nonexistent/module.so");
    complained(*state, "/nonexistent/module.so: cannot open shared object file");
}

static void test_agent_no_object_refused(void **state)
{
    refused_module(*state, "/etc/passwd", "/etc/passwd");
}

static void test_agent_module_without_table_refused(void **state)
{
    refused_module(*state, NO_TABLE_PATH, "has no table");
    complained(*state, "has no table: it must define");
}

static void test_agent_module_of_other_layout_refused(void **state)
{
    refused_module(*state, WRONG_ABI_PATH, "layout 99");
}

/* "thread" and others as msgpack strings, in hexadecimal. */
#define HEX_THREAD       "a6746872656164"
#define HEX_FAIL         "a46661696c"
#define HEX_CRASH        "a56372617368"
#define HEX_HANG         "a468616e67"
#define HEX_EXIT         "a465786974"
#define HEX_PRELOAD_FAIL "ac7072656c6f61645f6661696c"

static void start_told(struct fake *f, const char *hex)
{
    const char *args[] = { "--module", TESTMOD_PATH, "--init-hex", hex, "--init-timeout", "300",
        NULL };

    fake_start(f, args);
}

static void test_agent_thread_in_preload_refused(void **state)
{
    struct fake *f = *state;

    start_told(f, HEX_THREAD);
    fake_expect_refusal(f, GANGER_EMODULE, "testmod started a thread (\"sneaky\")");
    assert_int_equal(fake_stop(f), 0);
}

static void test_agent_failing_preload_refused(void **state)
{
    struct fake *f = *state;

    start_told(f, HEX_PRELOAD_FAIL);
    fake_expect_refusal(f, GANGER_EMODULE, "told to fail early");
    assert_int_equal(fake_stop(f), 0);
}

/* ---- initializers ---- */

static void test_agent_initializer_runs_once_in_each_child(void **state)
{
    struct fake *f = *state;
    struct fake_child a, b;
    struct fake_result r;
    struct out nil = pay_nil();

    start_told(f, "07");
    fake_expect_loaded(f);
    fake_spawn(f, &a, 0, 1);
    fake_spawn(f, &b, 1, 1);
    /* The number 7, init once here, preload once in the agent. */
    fake_call(&a, "initialized", &nil, &r);
    assert_outcome_int(&r, 711);
    fake_call(&b, "initialized", &nil, &r);
    assert_outcome_int(&r, 711);
    out_done(&nil);
    fake_retire(&a);
    fake_retire(&b);
    assert_int_equal(fake_stop(f), 0);
}

static void not_ready(struct fake_child *c, int code, const char *part)
{
    struct msg_ready m;
    char text[GANGER_TEXT_MAX + 1];

    assert_int_equal(msg_read_ready(reader_expect(&c->link, MSG_READY), &m), 0);
    assert_int_equal(m.code, code);
    (void)snprintf(text, sizeof text, "%.*s", (int)m.text.len, (const char *)m.text.data);
    assert_contains(text, part);
}

static void test_agent_failing_initializer_reported(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_exit e;

    start_told(f, HEX_FAIL);
    fake_expect_loaded(f);
    fake_spawn_started(f, &c, 0, 1);
    not_ready(&c, GANGER_EFAILED, "the initializer failed: told to fail");
    fake_expect_exit(&c, &e);
    assert_int_equal(e.m.end.exit_code, 1);
    assert_string_equal(e.text, "ended in its initializer, with status 1");
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_agent_slow_initializer_ended(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_exit e;

    start_told(f, HEX_HANG);
    fake_expect_loaded(f);
    fake_spawn_started(f, &c, 0, 1);
    not_ready(&c, GANGER_ETIMEDOUT, "did not end within 300 ms");
    fake_expect_exit(&c, &e);
    assert_int_equal(e.m.end.exit_code, 1);
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_agent_crashing_initializer_reported(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_exit e;

    start_told(f, HEX_CRASH);
    fake_expect_loaded(f);
    fake_spawn_started(f, &c, 0, 1);
    fake_expect_exit(&c, &e);
    assert_int_equal(e.m.end.signal, SIGSEGV);
    assert_contains(e.text, "died in its initializer, by signal 11");
    assert_string_equal(e.tail, "initializer crashes\n");
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_agent_exiting_initializer_reported(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_exit e;

    start_told(f, HEX_EXIT);
    fake_expect_loaded(f);
    fake_spawn_started(f, &c, 0, 1);
    fake_expect_exit(&c, &e);
    assert_int_equal(e.m.end.exit_code, 9);
    assert_string_equal(e.text, "ended in its initializer, with status 9");
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

/* ---- confinement ---- */

static void test_agent_child_has_only_agreed_descriptors(void **state)
{
    struct fake *f = *state;
    struct fake_child a, b;
    struct fake_result r;
    struct out nil = pay_nil();

    fake_start_module(f);
    fake_spawn(f, &a, 0, 1);
    fake_spawn(f, &b, 1, 1);
    fake_call(&b, "descriptors", &nil, &r);
    assert_outcome_text(&r, "0 1 2 3 ");
    out_done(&nil);
    fake_retire(&a);
    fake_retire(&b);
    assert_int_equal(fake_stop(f), 0);
}

static void test_agent_child_confined_as_told(void **state)
{
    struct fake *f = *state;
    const char *args[] = { "--module", TESTMOD_PATH, "--rlimit", "nofile=123", "--nice", "3",
        "--directory", f->dir, "--env", "COLOUR=green", "--env", "EMPTY=", NULL };
    struct fake_child c;
    struct fake_result r;
    struct out nil = pay_nil(), colour = pay_text("COLOUR"), empty = pay_text("EMPTY");
    struct cursor at;

    fake_start(f, args);
    fake_expect_loaded(f);
    fake_spawn(f, &c, 0, 1);
    fake_call(&c, "limits", &nil, &r);
    at = cursor_make(r.m.outcome.data, r.m.outcome.len);
    assert_int_equal(read_array(&at, 2), 2);
    assert_int_equal(read_uint(&at, UINT64_MAX), 123);
    assert_int_equal(read_int(&at), getpriority(PRIO_PROCESS, 0) + 3);
    fake_call(&c, "directory", &nil, &r);
    assert_outcome_text(&r, f->dir);
    fake_call(&c, "getenv", &colour, &r);
    assert_outcome_text(&r, "green");
    fake_call(&c, "getenv", &empty, &r);
    assert_outcome_text(&r, "");
    assert_int_equal(getpgid(c.pid), c.pid);
    out_done(&nil);
    out_done(&colour);
    out_done(&empty);
    fake_retire(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_agent_bad_directory_reported(void **state)
{
    struct fake *f = *state;
    const char *args[] = { "--module", TESTMOD_PATH, "--directory", "/nonexistent", NULL };
    struct fake_child c;
    struct fake_exit e;

    fake_start(f, args);
    fake_expect_loaded(f);
    fake_spawn_started(f, &c, 0, 1);
    not_ready(&c, GANGER_EINVAL, "directory /nonexistent: No such file");
    fake_expect_exit(&c, &e);
    assert_contains(e.text, "before its initializer");
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_agent_lock_held_by_all_until_the_last_is_dead(void **state)
{
    struct fake *f = *state;
    const char *args[] = { "--module", TESTMOD_PATH, "--lock-fd", "7", NULL };
    struct fake_child c;
    struct fake_result r;
    struct out nil = pay_nil();
    char path[100];
    int lock, other;

    (void)snprintf(path, sizeof path, "%s/lock", f->dir);
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    other = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    fake_launch(f, args, lock);
    (void)close(lock);
    fake_hello(f, GANGER_PROTOCOL_VERSION);
    fake_expect_loaded(f);
    fake_spawn(f, &c, 0, 1);
    fake_call(&c, "descriptors", &nil, &r);
    assert_outcome_text(&r, "0 1 2 3 4 ");
    out_done(&nil);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
    (void)kill(f->agent, SIGKILL);
    (void)fake_stop(f);
    wait_gone(c.pid);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
    (void)close(other);
    fake_child_close(&c);
}

int main(int argc, char **argv)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_agent_stopped_ends_well, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_other_version_refused, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_garbage_from_the_daemon_ends_it, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_connects_by_socket, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_without_standard_descriptors_takes_none_of_their_numbers, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_missing_module_refused, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_no_object_refused, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_module_without_table_refused, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_module_of_other_layout_refused, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_thread_in_preload_refused, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_failing_preload_refused, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_initializer_runs_once_in_each_child, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_failing_initializer_reported, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_slow_initializer_ended, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_crashing_initializer_reported, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_exiting_initializer_reported, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_child_has_only_agreed_descriptors, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_child_confined_as_told, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_bad_directory_reported, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_agent_lock_held_by_all_until_the_last_is_dead, fake_setup, fake_teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
