/* Pools whose workers come by themselves. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char yaml[] = "limits:\n"
                           "  grace: 1s\n"
                           "pools:\n"
                           "  own:\n"
                           "    external: true\n"
                           "    processes: 1\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 1\n";

/* The stock agent, started by hand for POOL. */
static pid_t agent_start(const struct daemon *d, const char *pool)
{
    int errors = open(daemon_path(d, "agent.log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    pid_t pid = fork();

    if (pid == 0) {
        (void)dup2(errors, STDERR_FILENO);
        (void)execl(WORKER_PATH, "ganger-worker", "--pool", pool, "--socket", daemon_socket(d),
            "--module", TESTMOD_PATH, (char *)NULL);
        _exit(127);
    }
    (void)close(errors);
    return pid;
}

static int agent_wait(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void agent_stop(pid_t pid)
{
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(agent_wait(pid), 0);
}

static void test_external_agent_serves_what_waits(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_future *f = task_submit(s.g, "own", "add", value_of("a2ii", 1l, 2l), NULL);
    pid_t agent;

    (void)state;
    assert_true(why_is(s.g, task_id(f), "no-worker"));
    agent = agent_start(s.d, "own");
    assert_int_equal(value_int(task_done(f)), 3);
    (void)task_run_failed(s.g, "own", "crash", value_of("n"), NULL, GANGER_EDIED);
    assert_int_equal(value_int(task_run(s.g, "own", "add", value_of("a2ii", 1l, 2l))), 3);
    agent_stop(agent);
    scene_close(&s);
}

static void test_external_agent_that_leaves_is_replaced_by_the_next(void **state)
{
    struct scene s = scene_open(yaml);
    pid_t agent = agent_start(s.d, "own");
    struct ganger_future *f;

    (void)state;
    (void)task_run(s.g, "own", "nothing", value_of("n"));
    agent_stop(agent);
    f = task_submit(s.g, "own", "nothing", value_of("n"), NULL);
    UNTIL(s.d, why_is(s.g, task_id(f), "no-worker"));
    agent = agent_start(s.d, "own");
    (void)task_done(f);
    agent_stop(agent);
    scene_close(&s);
}

static void test_external_agent_that_is_killed_ends_its_task_in_time(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    pid_t agent = agent_start(s.d, "own");
    struct ganger_future *f = task_submit(s.g, "own", "wait", value_of("s", gate), NULL);
    int fd = gate_enter(gate);

    (void)state;
    assert_int_equal(kill(agent, SIGKILL), 0);
    (void)agent_wait(agent);
    assert_int_equal(ganger_future_wait(f, DAEMON_WAIT_MS), 0);
    assert_int_equal(ganger_future_successful(f), 0);
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    agent = agent_start(s.d, "own");
    (void)task_run(s.g, "own", "nothing", value_of("n"));
    agent_stop(agent);
    (void)close(fd);
    scene_close(&s);
}

static void test_external_second_agent_is_refused(void **state)
{
    struct scene s = scene_open(yaml);
    pid_t agent = agent_start(s.d, "own");

    (void)state;
    (void)task_run(s.g, "own", "nothing", value_of("n"));
    assert_int_not_equal(agent_wait(agent_start(s.d, "own")), 0);
    (void)task_run(s.g, "own", "nothing", value_of("n"));
    agent_stop(agent);
    scene_close(&s);
}

static void test_external_agent_of_a_pool_that_is_not_external_is_refused(void **state)
{
    struct scene s = scene_open(yaml);

    (void)state;
    assert_int_not_equal(agent_wait(agent_start(s.d, "mod")), 0);
    assert_int_not_equal(agent_wait(agent_start(s.d, "nowhere")), 0);
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    scene_close(&s);
}

static void test_external_agent_ends_when_the_daemon_is_killed(void **state)
{
    struct scene s = scene_open(yaml);
    pid_t agent = agent_start(s.d, "own");
    struct ganger_options o = options_new();
    const char *gate = gate_make(s.d, "gate");
    struct ganger_future *f;
    int fd;

    (void)state;
    o.durable = GANGER_DURABLE_YES;
    f = task_submit(s.g, "own", "wait", value_of("s", gate), &o);
    (void)task_id(f);
    fd = gate_enter(gate);
    daemon_kill(s.d);
    (void)agent_wait(agent);
    (void)close(fd);
    daemon_start(s.d);
    agent = agent_start(s.d, "own");
    (void)close(gate_enter(gate));
    (void)task_done(f);
    agent_stop(agent);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_external_agent_serves_what_waits),
        cmocka_unit_test(test_external_agent_that_leaves_is_replaced_by_the_next),
        cmocka_unit_test(test_external_agent_that_is_killed_ends_its_task_in_time),
        cmocka_unit_test(test_external_second_agent_is_refused),
        cmocka_unit_test(test_external_agent_of_a_pool_that_is_not_external_is_refused),
        cmocka_unit_test(test_external_agent_ends_when_the_daemon_is_killed),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
