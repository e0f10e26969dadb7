/* A program's own workers: no stock agent, no shared object. */
#include "tests/worker/fake.h"

#include "client/include/ganger/worker.h"

#include <sys/socket.h>
#include <sys/wait.h>

static int run_twice_as_much(struct ganger_task *task)
{
    size_t bytes;
    struct cursor c = cursor_make(ganger_task_args(task, &bytes), 0);
    struct out o = { 0 };
    int rc;

    c.end = c.at + bytes;
    write_int(&o, 2 * read_int(&c));
    rc = ganger_task_return(task, o.data, o.len);
    out_done(&o);
    return rc;
}

static const struct ganger_function functions[] = {
    { "twice_as_much", run_twice_as_much },
    { NULL, NULL },
};
static const struct ganger_module module = { GANGER_MODULE_ABI, "own", functions, NULL, NULL,
    NULL };

_Noreturn static void be_a_worker(int link)
{
    struct ganger_worker_config config;
    char err[200];

    ganger_worker_config_init(&config);
    config.pool = "test";
    config.link_fd = link;
    config.module = &module;
    _exit(ganger_worker_run(&config, err, sizeof err) == 0 ? 0 : 1);
}

static void test_own_program_is_a_worker(void **state)
{
    struct fake *f = *state;
    struct fake_child a, b;
    struct fake_result r;
    struct out number = pay_int(21);
    int sockets[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    f->agent = fork();
    if (f->agent == 0) {
        (void)close(sockets[0]);
        be_a_worker(sockets[1]);
    }
    (void)close(sockets[1]);
    f->link.fd = sockets[0];
    fake_hello(f, GANGER_PROTOCOL_VERSION);
    fake_expect_loaded(f);
    fake_spawn(f, &a, 0, 1);
    fake_spawn(f, &b, 1, 1);
    fake_call(&a, "twice_as_much", &number, &r);
    assert_outcome_int(&r, 42);
    fake_call(&b, "twice_as_much", &number, &r);
    assert_outcome_int(&r, 42);
    out_done(&number);
    fake_retire(&a);
    fake_retire(&b);
    assert_int_equal(fake_stop(f), 0);
}

static void refused(const struct ganger_worker_config *config, int code, const char *part)
{
    char err[200];

    assert_int_equal(ganger_worker_run(config, err, sizeof err), code);
    assert_contains(err, part);
}

static void test_own_bad_configurations_refused(void **state)
{
    struct ganger_worker_config c;
    const char *const bad_env[] = { "NOVALUE", NULL };

    (void)state;
    ganger_worker_config_init(&c);
    refused(&c, GANGER_EINVAL, "a pool needs a name");
    c.pool = "test";
    refused(&c, GANGER_EINVAL, "exactly one of");
    c.module = &module;
    refused(&c, GANGER_EINVAL, "no way to the daemon");
    c.link_fd = 999;
    refused(&c, GANGER_EINVAL, "link is not open");
    c.link_fd = -1;
    c.socket = "/nonexistent/socket";
    refused(&c, GANGER_ECONN, "/nonexistent/socket: No such file");
    c.init_args = "\xc1";
    c.init_bytes = 1;
    refused(&c, GANGER_EINVAL, "not one msgpack value");
    c.init_bytes = 0;
    c.env = bad_env;
    refused(&c, GANGER_EINVAL, "\"NOVALUE\" is not NAME=VALUE");
    c.config_bytes--;
    refused(&c, GANGER_EINVAL, "another version of the library");
}

int main(int argc, char **argv)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own_program_is_a_worker, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_own_bad_configurations_refused, fake_setup, fake_teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
