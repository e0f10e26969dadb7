/* The command line of ganger-worker. */
#include "tests/worker/fake.h"

#include <fcntl.h>
#include <sys/wait.h>

#define ARGS_MAX 12

/* Run it with ARGS; returns its exit status, and its output in TEXT. */
static int run(const char *const *args, char *text, size_t text_bytes)
{
    const char *argv[ARGS_MAX + 2] = { WORKER_PATH };
    int ends[2], status;
    size_t at = 0;
    ssize_t n;
    pid_t pid;

    for (int i = 0; i < ARGS_MAX && args[i] != NULL; i++)
        argv[i + 1] = args[i];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        union {
            const char **from;
            char **to;
        } u = { argv };

        (void)dup2(ends[1], 1);
        (void)dup2(ends[1], 2);
        (void)execv(WORKER_PATH, u.to);
        _exit(127);
    }
    (void)close(ends[1]);
    while ((n = read(ends[0], text + at, text_bytes - 1 - at)) > 0)
        at += (size_t)n;
    text[at] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void test_options_mistakes_are_named(void **state)
{
    static const struct {
        const char *args[ARGS_MAX];
        int status;
        const char *part;
    } rows[] = {
        { { "--colour" }, 2, "--colour: unknown option" },
        { { "--pool" }, 2, "--pool: needs a value" },
        { { "--pool", "p", "stray" }, 2, "argument \"stray\" belongs to no --command" },
        { { "--link-fd", "three" }, 2, "--link-fd three: no number" },
        { { "--lock-fd", "2" }, 2, "--lock-fd 2: no number, or out of range" },
        { { "--rlimit", "nofile" }, 2, "not NAME=VALUE" },
        { { "--rlimit", "files=3" }, 2, "--rlimit files=3: unknown resource" },
        { { "--rlimit", "no=3" }, 2, "--rlimit no=3: unknown resource" },
        { { "--rlimit", "nofile=many" }, 2, "VALUE is no number" },
        { { "--init-hex", "9" }, 2, "odd number of digits" },
        { { "--init-hex", "zz" }, 2, "not hexadecimal" },
        { { "--init-fd", "77" }, 2, "Bad file descriptor" },
        { { "--pool", "p", "--link-fd", "0" }, 1, "exactly one of" },
        { { "--pool", "p", "--link-fd", "0", "--module", "m", "--command", "c" }, 1,
            "exactly one of" },
        { { "--module", "m", "--link-fd", "0" }, 1, "a pool needs a name" },
        { { "--pool", "p", "--module", "m" }, 1, "no way to the daemon" },
        { { "--pool", "p", "--module", "m", "--socket", "/nonexistent" }, 1,
            "pool=p: /nonexistent: No such file" },
        { { "--pool", "p", "--module", "m", "--link-fd", "99" }, 1, "link is not open" },
    };
    char text[4096];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int status = run(rows[i].args, text, sizeof text);

        assert_contains(text, rows[i].part);
        assert_int_equal(status, rows[i].status);
    }
}

static void test_options_help_and_version_are_shown(void **state)
{
    const char *help[] = { "--help", NULL }, *version[] = { "--version", NULL };
    char text[4096];

    (void)state;
    assert_int_equal(run(help, text, sizeof text), 0);
    assert_contains(text, "Usage: ganger-worker");
    assert_int_equal(run(version, text, sizeof text), 0);
    assert_contains(text, "ganger-worker " GANGER_VERSION);
}

static void test_options_initializer_arguments_by_descriptor(void **state)
{
    struct fake *f = *state;
    const char *args[] = { "--module", TESTMOD_PATH, "--init-fd", "7", NULL };
    struct fake_child c;
    struct fake_result r;
    struct out nil = pay_nil();
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "\x2a", 1), 1);
    (void)close(ends[1]);
    fake_launch(f, args, ends[0]);
    (void)close(ends[0]);
    fake_hello(f, GANGER_PROTOCOL_VERSION);
    fake_expect_loaded(f);
    fake_spawn(f, &c, 0, 1);
    fake_call(&c, "initialized", &nil, &r);
    assert_outcome_int(&r, 4211);
    out_done(&nil);
    fake_retire(&c);
    assert_int_equal(fake_stop(f), 0);
}

int main(int argc, char **argv)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_options_mistakes_are_named, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_options_help_and_version_are_shown, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_options_initializer_arguments_by_descriptor, fake_setup, fake_teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
