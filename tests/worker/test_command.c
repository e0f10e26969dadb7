/* Command tasks. */
#include "tests/worker/fake.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <time.h>

/* [[ARGS...], INPUT or nil] */
static struct out pay_command(const char *const *args, const void *input, size_t input_bytes)
{
    struct out o = { 0 };
    uint32_t count = 0;

    while (args[count] != NULL)
        count++;
    write_array(&o, 2);
    write_array(&o, count);
    for (uint32_t i = 0; i < count; i++)
        write_str(&o, args[i], strlen(args[i]));
    if (input == NULL)
        write_nil(&o);
    else
        write_bin(&o, input, input_bytes);
    return o;
}

/* The command is a shell here, so that a test can say in one line what it does. */
static void with_shell(struct fake *f, struct fake_child *c)
{
    const char *args[] = { "--stdout-max", "100000", "--command", "sh", "--", "-c", NULL };

    fake_start(f, args);
    fake_expect_loaded(f);
    fake_spawn(f, c, 0, 1);
}

static void with_any(struct fake *f, struct fake_child *c)
{
    const char *args[] = { "--command-any", NULL };

    fake_start(f, args);
    fake_expect_loaded(f);
    fake_spawn(f, c, 0, 1);
}

static void finish(struct fake *f, struct fake_child *c)
{
    fake_retire(c);
    assert_int_equal(fake_stop(f), 0);
}

static void run_input(struct fake_child *c, const char *const *args, const void *input,
    size_t bytes, struct fake_result *r)
{
    struct out o = pay_command(args, input, bytes);

    fake_call(c, "", &o, r);
    out_done(&o);
}

static void run_script(struct fake_child *c, const char *script, struct fake_result *r)
{
    const char *args[] = { script, NULL };

    run_input(c, args, NULL, 0, r);
}

static void test_command_output_is_the_result(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;

    with_shell(f, &c);
    run_script(&c, "echo hello; echo unseen >&2", &r);
    assert_outcome_text(&r, "hello\n");
    assert_int_equal(r.m.outcome.data[0], 0xc4);
    run_script(&c, "exit 0", &r);
    assert_outcome_text(&r, "");
    finish(f, &c);
}

static void test_command_arguments_follow_the_fixed_ones(void **state)
{
    struct fake *f = *state;
    const char *args[] = { "--command", "printf", "--", "<%s>", "--first", NULL };
    const char *more[] = { "$HOME; `id`", "two words", "", NULL };
    struct fake_child c;
    struct fake_result r;

    fake_start(f, args);
    fake_expect_loaded(f);
    fake_spawn(f, &c, 0, 1);
    /* No shell has looked at them. */
    run_input(&c, more, NULL, 0, &r);
    assert_outcome_text(&r, "<--first><$HOME; `id`><two words><>");
    finish(f, &c);
}

static void test_command_of_any_program(void **state)
{
    struct fake *f = *state;
    const char *args[] = { "echo", "one", "two", NULL }, *none[] = { NULL };
    struct fake_child c;
    struct fake_result r;

    with_any(f, &c);
    run_input(&c, args, NULL, 0, &r);
    assert_outcome_text(&r, "one two\n");
    run_input(&c, none, NULL, 0, &r);
    assert_failed(&r, GANGER_EDECODE, "must name the program");
    finish(f, &c);
}

static void test_command_that_does_not_exist_is_named(void **state)
{
    struct fake *f = *state;
    const char *missing[] = { "no-such-program", NULL }, *plain[] = { "/etc/passwd", NULL };
    const char *directory[] = { "/usr/bin", NULL }, *empty[] = { "", NULL };
    struct fake_child c;
    struct fake_result r;

    with_any(f, &c);
    run_input(&c, missing, NULL, 0, &r);
    assert_failed(&r, GANGER_ENOFUNC, "cannot execute \"no-such-program\": No such file");
    run_input(&c, plain, NULL, 0, &r);
    assert_failed(&r, GANGER_ENOFUNC, "cannot execute \"/etc/passwd\": Permission denied");
    run_input(&c, directory, NULL, 0, &r);
    assert_failed(&r, GANGER_ENOFUNC, "cannot execute \"/usr/bin\": Permission denied");
    run_input(&c, empty, NULL, 0, &r);
    assert_failed(&r, GANGER_ENOFUNC, "cannot execute \"\"");
    finish(f, &c);
}

static void test_command_that_is_no_program_gets_no_shell(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    char path[100];
    const char *args[] = { path, NULL };
    int fd;

    (void)snprintf(path, sizeof path, "%s/script", f->dir);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_int_equal(write(fd, "echo run by a shell\n", 20), 20);
    (void)close(fd);
    with_any(f, &c);
    run_input(&c, args, NULL, 0, &r);
    assert_failed(&r, GANGER_ENOFUNC, "Exec format error");
    finish(f, &c);
}

static void test_command_exit_status_is_the_outcome(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct cursor at;
    struct slice value;

    with_shell(f, &c);
    run_script(&c, "echo some; echo complaint >&2; exit 3", &r);
    assert_failed(&r, GANGER_EEXIT, "sh ended with status 3");
    assert_true(r.d.has_worker_end);
    assert_int_equal(r.d.worker_end.exit_code, 3);
    assert_int_equal(r.d.worker_end.signal, 0);
    assert_true(r.d.worker_end.pid > 0);
    assert_true(r.d.worker_end.maxrss_kib > 0);
    assert_int_equal(r.d.worker_end.stderr_tail.len, 10);
    assert_memory_equal(r.d.worker_end.stderr_tail.data, "complaint\n", 10);
    at = cursor_make(r.d.value.data, r.d.value.len);
    value = read_bin(&at, 100);
    assert_int_equal(value.len, 5);
    assert_memory_equal(value.data, "some\n", 5);
    run_script(&c, "kill -KILL $$", &r);
    assert_failed(&r, GANGER_EEXIT, "sh was ended by signal 9");
    assert_int_equal(r.d.worker_end.signal, SIGKILL);
    assert_int_equal(r.d.worker_end.exit_code, 0);
    finish(f, &c);
}

static void test_command_input_larger_than_a_pipe(void **state)
{
    struct fake *f = *state;
    const char *args[] = { "cat", NULL }, *deaf[] = { "true", NULL };
    struct fake_child c;
    struct fake_result r;
    size_t bytes = 1000 * 1000;
    char *input = malloc(bytes);
    struct cursor at;
    struct slice output;

    assert_non_null(input);
    for (size_t i = 0; i < bytes; i++)
        input[i] = (char)(i * 7);
    with_any(f, &c);
    run_input(&c, args, input, bytes, &r);
    assert_int_equal(r.m.code, 0);
    at = cursor_make(r.m.outcome.data, r.m.outcome.len);
    output = read_bin(&at, GANGER_PAYLOAD_MAX);
    assert_int_equal(output.len, bytes);
    assert_memory_equal(output.data, input, bytes);
    /* One that does not read it all has not failed. */
    run_input(&c, deaf, input, bytes, &r);
    assert_outcome_text(&r, "");
    free(input);
    finish(f, &c);
}

static void test_command_output_bounded(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;

    with_shell(f, &c);
    run_script(&c, "head -c 100000 /dev/zero", &r);
    assert_int_equal(r.m.code, 0);
    assert_int_equal(r.m.outcome.len, 100000 + 5);
    run_script(&c, "head -c 100001 /dev/zero", &r);
    assert_failed(&r, GANGER_ETOOBIG, "more than the 100000 bytes");
    /* It never ends by itself. */
    run_script(&c, "while :; do echo yes; done", &r);
    assert_failed(&r, GANGER_ETOOBIG, "more than the 100000 bytes");
    assert_int_equal(r.d.worker_end.signal, SIGKILL);
    run_script(&c, "echo on", &r);
    assert_outcome_text(&r, "on\n");
    finish(f, &c);
}

static void test_command_complaints_without_end_are_bounded(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct slice tail;

    with_shell(f, &c);
    run_script(&c, "head -c 30000000 /dev/zero >&2; echo last >&2; exit 1", &r);
    assert_failed(&r, GANGER_EEXIT, "status 1");
    tail = r.d.worker_end.stderr_tail;
    assert_int_equal(tail.len, GANGER_STDERR_TAIL);
    assert_memory_equal(tail.data + tail.len - 5, "last\n", 5);
    finish(f, &c);
}

static void test_command_descendants_cleared(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    char path[100], script[400];

    (void)snprintf(path, sizeof path, "%s/pid", f->dir);
    (void)snprintf(script, sizeof script,
        "(sleep 1000 & setsid sh -c 'echo $$ >%s; exec sleep 1000' & ) ; "
        "while [ ! -s %s ]; do sleep 0.01; done; echo done",
        path, path);
    with_shell(f, &c);
    /* They hold its output open; the end of the command itself is what counts. */
    run_script(&c, script, &r);
    assert_outcome_text(&r, "done\n");
    assert_int_equal(kill((pid_t)file_number(path), 0), -1);
    finish(f, &c);
}

static void test_command_has_only_three_descriptors(void **state)
{
    struct fake *f = *state;
    const char *args[] = { "--command-any", "--lock-fd", "7", NULL };
    const char *ls[] = { "ls", "/proc/self/fd", NULL };
    struct fake_child c;
    struct fake_result r;
    char path[100];
    int lock;

    (void)snprintf(path, sizeof path, "%s/lock", f->dir);
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    fake_launch(f, args, lock);
    (void)close(lock);
    fake_hello(f, GANGER_PROTOCOL_VERSION);
    fake_expect_loaded(f);
    fake_spawn(f, &c, 0, 1);
    run_input(&c, ls, NULL, 0, &r);
    /* 3 is the directory that it reads. */
    assert_outcome_text(&r, "0\n1\n2\n3\n");
    finish(f, &c);
}

static void test_command_environment_tells_about_the_task(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;

    (void)setenv("GANGER_FENCE", "forged", 1);
    with_shell(f, &c);
    (void)unsetenv("GANGER_FENCE");
    run_script(&c, "echo $GANGER_TASK_ID $GANGER_ATTEMPT $GANGER_FENCE", &r);
    assert_outcome_text(&r, "1-1 2 77\n");
    finish(f, &c);
}

static void test_command_group_of_its_own(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;

    with_shell(f, &c);
    run_script(&c, "set -- $(cut -d' ' -f5 /proc/$$/stat); [ $1 = $$ ] && echo leader", &r);
    assert_outcome_text(&r, "leader\n");
    finish(f, &c);
}

static void test_command_signals_are_as_for_any_program(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;

    with_shell(f, &c);
    run_script(&c, "grep -E 'SigIgn|SigBlk' /proc/self/status | cut -f2 | sort -u", &r);
    assert_outcome_text(&r, "0000000000000000\n");
    finish(f, &c);
}

static void test_command_asked_to_stop_gets_the_signal(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    char path[100], script[300];
    const char *args[] = { script, NULL };
    struct out o;
    uint32_t seq;

    (void)snprintf(path, sizeof path, "%s/pid", f->dir);
    (void)snprintf(script, sizeof script,
        "trap 'echo stopping; exit 4' TERM; echo $$ >%s; while :; do sleep 0.05; done", path);
    o = pay_command(args, NULL, 0);
    with_shell(f, &c);
    seq = fake_hand(&c, "", &o);
    (void)file_number(path);
    atomic_store(&c.page->cancel, seq + 1);
    fake_signal(f, 0, 1, SIGTERM);
    fake_result(&c, &r);
    assert_failed(&r, GANGER_EEXIT, "status 4");
    out_done(&o);
    finish(f, &c);
}

static void test_command_dies_with_its_worker(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_exit e;
    char path[100], script[200];
    const char *args[] = { script, NULL };
    struct out o;
    pid_t command;

    (void)snprintf(path, sizeof path, "%s/pid", f->dir);
    (void)snprintf(script, sizeof script, "echo $$ >%s; exec sleep 1000", path);
    o = pay_command(args, NULL, 0);
    with_shell(f, &c);
    (void)fake_hand(&c, "", &o);
    command = (pid_t)file_number(path);
    fake_signal(f, 0, 1, SIGKILL);
    fake_expect_exit(&c, &e);
    assert_int_equal(e.m.end.signal, SIGKILL);
    fake_expect_empty(&c, &e);
    assert_int_equal(kill(command, 0), -1);
    out_done(&o);
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_command_dies_with_its_agent(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    char path[100], script[200];
    const char *args[] = { script, NULL };
    struct out o;
    pid_t command;

    (void)snprintf(path, sizeof path, "%s/pid", f->dir);
    (void)snprintf(script, sizeof script, "echo $$ >%s; exec sleep 1000", path);
    o = pay_command(args, NULL, 0);
    with_shell(f, &c);
    (void)fake_hand(&c, "", &o);
    command = (pid_t)file_number(path);
    (void)kill(f->agent, SIGKILL);
    (void)fake_stop(f);
    wait_gone(c.pid);
    wait_gone(command);
    out_done(&o);
    fake_child_close(&c);
}

/* Each item is a task of its own: what the first one left is gone when the second one runs. */
static void test_command_chunk_runs_each_item(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    char path[100], first[400], second[200];
    const char *one[] = { first, NULL }, *two[] = { second, NULL };
    struct out o = { 0 }, a, b, items = { 0 };
    struct batch batch;
    struct cursor at;
    struct slice s;

    (void)snprintf(path, sizeof path, "%s/pid", f->dir);
    (void)snprintf(first, sizeof first,
        "(setsid sh -c 'echo $$ >%s; exec sleep 1000' & ); while [ ! -s %s ]; do sleep 0.01; done; "
        "exit 5",
        path, path);
    (void)snprintf(second, sizeof second, "kill -0 $(cat %s) 2>/dev/null || echo gone", path);
    a = pay_command(one, NULL, 0);
    b = pay_command(two, NULL, 0);
    write_array(&items, 2);
    write_raw(&items, a.data, a.len);
    write_raw(&items, b.data, b.len);
    with_shell(f, &c);
    batch_begin(&batch, &o, MSG_HAND);
    (void)fake_hand_add(&c, &batch, &o, "", &items, TASK_CHUNK);
    batch_end(&batch, &o);
    page_grant(c.page, c.next);
    fake_send(c.link.fd, &o);
    fake_result(&c, &r);
    assert_int_equal(r.m.code, 0);
    at = cursor_make(r.m.outcome.data, r.m.outcome.len);
    assert_int_equal(read_array(&at, 2), 2);
    assert_int_equal(read_array(&at, 2), 2);
    assert_int_equal(read_int(&at), GANGER_EEXIT);
    (void)read_raw(&at);
    assert_int_equal(read_array(&at, 2), 2);
    assert_int_equal(read_int(&at), 0);
    s = read_bin(&at, 100);
    assert_int_equal(s.len, 5);
    assert_memory_equal(s.data, "gone\n", 5);
    out_done(&a);
    out_done(&b);
    out_done(&items);
    finish(f, &c);
}

static void test_command_malformed_payloads_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *part;
    } rows[] = {
        { "\xc0", 1, "it is not such an array" },
        { "\x91\x01", 2, "it is not such an array" },
        { "\x92\x91\x01\xc0", 4, "an argument is no string" },
        { "\x92\x91\xa2\x61\x00\xc0", 6, "zero byte" },
        { "\x92\x90\x05", 3, "the input is no binary" },
        { "\x90", 1, "it is not such an array" },
    };
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;

    with_shell(f, &c);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct out o = { 0 };

        write_raw(&o, rows[i].bytes, rows[i].count);
        fake_call(&c, "", &o, &r);
        assert_failed(&r, GANGER_EDECODE, rows[i].part);
        out_done(&o);
    }
    run_script(&c, "echo on", &r);
    assert_outcome_text(&r, "on\n");
    finish(f, &c);
}

int main(int argc, char **argv)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_command_output_is_the_result, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_arguments_follow_the_fixed_ones, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_of_any_program, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_that_does_not_exist_is_named, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_that_is_no_program_gets_no_shell, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_exit_status_is_the_outcome, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_input_larger_than_a_pipe, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_output_bounded, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_complaints_without_end_are_bounded, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_descendants_cleared, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_has_only_three_descriptors, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_environment_tells_about_the_task, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_group_of_its_own, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_signals_are_as_for_any_program, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_asked_to_stop_gets_the_signal, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_dies_with_its_worker, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_dies_with_its_agent, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_chunk_runs_each_item, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_command_malformed_payloads_refused, fake_setup, fake_teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
