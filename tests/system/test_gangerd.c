/* The daemon as an operator meets it: its command line, reload, stop, restart, its manager. */
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char yaml[] = "pools:\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 2\n"
                           "    max_attempts: 3\n";

static const char external_yaml[] = "pools:\n"
                                    "  ext:\n"
                                    "    external: true\n"
                                    "    processes: 2\n";

/* ---- programs that end by themselves ---- */

/* Run ARGV, all its output into OUT; returns its exit status. */
static int program_run(char *const *argv, char *out, size_t out_bytes)
{
    int pipes[2], status = 0;
    size_t len = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(pipes[1], STDOUT_FILENO);
        (void)dup2(pipes[1], STDERR_FILENO);
        (void)execv(argv[0], argv);
        _exit(127);
    }
    (void)close(pipes[1]);
    while ((got = read(pipes[0], out + len, out_bytes - 1 - len)) > 0)
        len += (size_t)got;
    out[len] = '\0';
    (void)close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define WORDS(...) ((char *const[]){ __VA_ARGS__, NULL })
#define WORD(text) ((char *)(uintptr_t)(text))

/* gangerd with these arguments must exit with STATUS and say TEXT. */
static void gangerd_expect(char *const *argv, int status, const char *text)
{
    char out[8192];
    int got = program_run(argv, out, sizeof out);

    if (got != status || strstr(out, text) == NULL)
        fail_msg("exit status %d, output: %s", got, out);
}

static void test_gangerd_check_tells_right_from_wrong(void **state)
{
    struct daemon *d = daemon_new(yaml);
    char *path = WORD(daemon_path(d, "gangerd.yaml"));
    static const char hint[] = "unknown key \"modul\"; did you mean \"module\"";

    (void)state;
    gangerd_expect(WORDS(WORD(GANGERD_PATH), WORD("--check"), WORD("--config"), path), 0, "ok\n");
    daemon_yaml(d, "pools:\n  mod:\n    modul: x\n");
    gangerd_expect(WORDS(WORD(GANGERD_PATH), WORD("--check"), WORD("--config"), path), 1, hint);
    gangerd_expect(WORDS(WORD(GANGERD_PATH), WORD("--config"), path), 1, hint);
    daemon_free(d);
}

static void test_gangerd_wrong_usage_is_named(void **state)
{
    (void)state;
    gangerd_expect(WORDS(WORD(GANGERD_PATH), WORD("--frobnicate")), 1, "--frobnicate");
    gangerd_expect(WORDS(WORD(GANGERD_PATH), WORD("--config")), 1, "needs an argument");
    gangerd_expect(WORDS(WORD(GANGERD_PATH), WORD("words")), 1, "words: not an option");
    gangerd_expect(WORDS(WORD(GANGERD_PATH), WORD("--version")), 0, "gangerd ");
    gangerd_expect(WORDS(WORD(GANGERD_PATH), WORD("--help")), 0, "Usage:");
}

static void test_gangerd_second_one_is_refused_by_journal_and_socket(void **state)
{
    struct daemon *d = daemon_run(yaml);
    char *path = WORD(daemon_path(d, "gangerd.yaml"));
    struct ganger *g;

    (void)state;
    gangerd_expect(WORDS(WORD(GANGERD_PATH), WORD("--config"), path, WORD("--socket"),
                       WORD(daemon_path(d, "other.sock"))),
        2, "start-failed");
    gangerd_expect(
        WORDS(WORD(GANGERD_PATH), WORD("--config"), path, WORD("--journal"), WORD("memory")), 3,
        "another daemon is listening there");
    g = daemon_open(d); /* which the first has survived */
    assert_int_equal(value_int(task_run(g, "mod", "add", value_of("a2ii", 2l, 3l))), 5);
    ganger_close(g);
    daemon_free(d);
}

/* ---- stop ---- */

static void test_gangerd_drain_lets_running_tasks_end(void **state)
{
    struct daemon *d = daemon_run(yaml);
    struct ganger *g = daemon_open(d);
    const char *gate = gate_make(d, "gate");
    struct ganger_options durable = options_new();
    struct ganger_future *running = task_submit(g, "mod", "wait", value_of("s", gate), NULL);
    int door = gate_enter(gate);
    struct stat st;

    (void)state;
    durable.durable = GANGER_DURABLE_YES;
    daemon_signal(d, SIGTERM);
    UNTIL(d, stat(daemon_socket(d), &st) < 0);
    (void)task_run_failed(g, "mod", "nothing", value_of("n"), &durable, GANGER_EDRAIN);
    (void)close(door);
    assert_int_equal(value_int(task_done(running)), 0);
    assert_int_equal(daemon_wait(d), 0);
    assert_true(daemon_log_has(d, "clean=yes"));
    ganger_close(g);
    daemon_free(d);
}

static void test_gangerd_drain_is_cut_short_in_time(void **state)
{
    struct daemon *d = daemon_run("limits:\n  drain: 100ms\n"
                                  "pools:\n  mod:\n    module: %M\n");
    struct ganger *g = daemon_open(d);
    struct ganger_options durable = options_new();
    const char *gate = gate_make(d, "gate");
    uint64_t id;
    int door;

    (void)state;
    durable.durable = GANGER_DURABLE_YES;
    id = task_id(task_submit(g, "mod", "wait", value_of("s", gate), &durable));
    (void)close(gate_enter(gate));
    UNTIL(d, task_is(g, id, "done"));
    id = task_id(task_submit(g, "mod", "wait", value_of("s", gate), &durable));
    door = gate_enter(gate);
    daemon_signal(d, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    assert_true(daemon_log_has(d, "drain-cut-short"));
    assert_true(daemon_log_has(d, "clean=no"));
    ganger_close(g);
    (void)close(door);
    daemon_start(d); /* the task is there, uncharged, and runs again */
    g = daemon_open(d);
    (void)close(gate_enter(gate));
    UNTIL(d, task_is(g, id, "done"));
    ganger_close(g);
    daemon_free(d);
}

static void test_gangerd_second_signal_stops_at_once(void **state)
{
    struct daemon *d = daemon_run(yaml);
    struct ganger *g = daemon_open(d);
    const char *gate = gate_make(d, "gate");
    int door;

    (void)state;
    (void)task_submit(g, "mod", "wait", value_of("s", gate), NULL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    door = gate_enter(gate);
    daemon_signal(d, SIGTERM);
    daemon_log_wait(d, "stopping");
    daemon_signal(d, SIGINT);
    assert_int_equal(daemon_wait(d), 0);
    (void)close(door);
    ganger_close(g);
    daemon_free(d);
}

/* ---- reload ---- */

static void test_gangerd_reload_resizes_a_pool_and_adds_one(void **state)
{
    struct daemon *d = daemon_run(yaml);
    struct ganger *g = daemon_open(d);

    (void)state;
    UNTIL(d, ask_int(g, GANGER_POOLS, 0, "mod", "ready") == 2);
    daemon_yaml(d, "pools:\n"
                   "  mod:\n    module: %M\n    processes: 3\n"
                   "  wc:\n    command: [wc, -w]\n    processes: 1\n");
    daemon_signal(d, SIGHUP);
    daemon_log_wait(d, "reloaded");
    assert_true(daemon_log_has(d, "pools.mod.processes"));
    UNTIL(d, ask_int(g, GANGER_POOLS, 0, "mod", "ready") == 3);
    assert_string_equal(
        value_text(task_run(g, "wc", "", value_of("a2a0b", "one two three", (size_t)13))), "3\n");
    ganger_close(g);
    daemon_free(d);
}

static void test_gangerd_reload_of_a_bad_file_changes_nothing(void **state)
{
    struct daemon *d = daemon_run(yaml);
    struct ganger *g = daemon_open(d);

    (void)state;
    /* Behind the eight lines of the sections that every configuration here has. */
    daemon_yaml(d, "pools:\n  mod:\n    modul: x\n");
    daemon_signal(d, SIGHUP);
    daemon_log_wait(d, "reload-refused");
    daemon_log_wait(d, "gangerd.yaml:11:5: pools.mod: unknown key \\\"modul\\\"; did");
    assert_int_equal(value_int(task_run(g, "mod", "add", value_of("a2ii", 2l, 3l))), 5);
    ganger_close(g);
    daemon_free(d);
}

/* ---- restart ---- */

/* The lock that says that an agent of the running daemon lives; held until it is closed. */
static int lock_hold(const struct daemon *d)
{
    const char *path = daemon_path(d, "journal");
    DIR *dir = opendir(path);
    const struct dirent *entry;
    int fd = -1;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL && fd < 0) {
        if (strncmp(entry->d_name, "agents-", 7) == 0)
            fd = openat(dirfd(dir), entry->d_name, O_RDWR | O_CLOEXEC);
    }
    (void)closedir(dir);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
    return fd;
}

static void test_gangerd_restart_waits_for_the_agents_of_the_killed_one(void **state)
{
    struct daemon *d = daemon_run(yaml);
    struct ganger *g = daemon_open(d);
    struct ganger_options durable = options_new();
    const char *gate = gate_make(d, "gate");
    uint64_t id;
    int lock;

    (void)state;
    durable.durable = GANGER_DURABLE_YES;
    id = task_id(task_submit(g, "mod", "wait", value_of("s", gate), &durable));
    (void)close(gate_enter(gate));
    UNTIL(d, task_is(g, id, "done"));
    id = task_id(task_submit(g, "mod", "wait", value_of("s", gate), &durable));
    UNTIL(d, task_is(g, id, "running"));
    lock = lock_hold(d); /* as an agent would that does not see the end of its link */
    daemon_kill(d);
    ganger_close(g);
    daemon_start(d);
    daemon_log_wait(d, "waiting-for-old-agents");
    g = daemon_open(d);
    assert_true(why_is(g, id, "grace")); /* it may still run in the old child */
    (void)close(lock);
    UNTIL(d, task_is(g, id, "running"));
    (void)close(gate_enter(gate));
    UNTIL(d, task_is(g, id, "done"));
    ganger_close(g);
    daemon_free(d);
}

static void test_gangerd_killed_agent_is_replaced_and_leaves_nothing(void **state)
{
    struct daemon *d = daemon_run(yaml);
    struct ganger *g = daemon_open(d);
    const char *gate = gate_make(d, "gate");
    struct ganger_future *task = task_submit(g, "mod", "wait", value_of("s", gate), NULL);
    pid_t agent;
    int door = gate_enter(gate);

    (void)state;
    agent = daemon_first(d, DAEMON_AGENT);
    assert_int_equal(kill(agent, SIGKILL), 0);
    UNTIL(d, daemon_first(d, DAEMON_AGENT) != 0 && daemon_first(d, DAEMON_AGENT) != agent);
    UNTIL(d, ask_int(g, GANGER_STATUS, task_id(task), NULL, "attempts") == 2);
    (void)close(gate_enter(gate));
    (void)close(door);
    assert_int_equal(value_int(task_done(task)), 0);
    assert_int_equal(daemon_count(d, DAEMON_AGENT), 1);
    assert_int_equal(daemon_count(d, DAEMON_CHILD), 2);
    ganger_close(g);
    daemon_free(d);
}

/* ---- its manager ---- */

static void notify_expect(int fd, const char *text)
{
    char got[1024];
    ssize_t len;

    do {
        len = recv(fd, got, sizeof got - 1, 0);
        assert_true(len > 0);
        got[len] = '\0';
    } while (strstr(got, text) == NULL);
}

static void test_gangerd_tells_its_manager_what_it_does(void **state)
{
    struct daemon *d = daemon_new(yaml);
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    struct timeval limit = { .tv_sec = 10 };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_true(fd >= 0);
    (void)snprintf(name.sun_path, sizeof name.sun_path, "%s", daemon_path(d, "notify"));
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    daemon_env(d, "NOTIFY_SOCKET=%D/notify");
    daemon_start(d);
    notify_expect(fd, "READY=1");
    notify_expect(fd, "STATUS=0 tasks waiting");
    daemon_signal(d, SIGHUP);
    notify_expect(fd, "RELOADING=1");
    notify_expect(fd, "READY=1");
    daemon_signal(d, SIGTERM);
    notify_expect(fd, "STOPPING=1");
    assert_int_equal(daemon_wait(d), 0);
    (void)close(fd);
    daemon_free(d);
}

/* ---- agents that come by themselves ---- */

static pid_t worker_start(const struct daemon *d)
{
    char path[4096];
    pid_t pid;

    (void)snprintf(path, sizeof path, "%s", GANGERD_PATH);
    (void)snprintf(strrchr(path, '/'), 32, "/ganger-worker");
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl(path, "ganger-worker", "--pool", "ext", "--socket", daemon_socket(d),
            "--module", TESTMOD_PATH, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void test_gangerd_external_agent_serves_until_it_is_killed(void **state)
{
    struct daemon *d = daemon_run(external_yaml);
    struct ganger *g = daemon_open(d);
    struct ganger_future *task = task_submit(g, "ext", "add", value_of("a2ii", 2l, 3l), NULL);
    pid_t worker = worker_start(d);
    int status;

    (void)state;
    assert_int_equal(value_int(task_done(task)), 5);
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_int_equal(waitpid(worker, &status, 0), worker);
    daemon_log_wait(d, "agent-gone");
    worker = worker_start(d);
    assert_int_equal(value_int(task_run(g, "ext", "add", value_of("a2ii", 3l, 4l))), 7);
    ganger_close(g);
    daemon_stop(d); /* whose end it sees */
    assert_int_equal(waitpid(worker, &status, 0), worker);
    assert_int_equal(status, 0);
    daemon_free(d);
}

static void test_gangerd_second_external_agent_is_refused(void **state)
{
    struct daemon *d = daemon_run(external_yaml);
    struct ganger *g = daemon_open(d);
    pid_t first = worker_start(d), second;
    int status;

    (void)state;
    UNTIL(d, ask_int(g, GANGER_POOLS, 0, "ext", "ready") == 2);
    second = worker_start(d);
    assert_int_equal(waitpid(second, &status, 0), second);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    assert_int_equal(kill(first, SIGTERM), 0);
    assert_int_equal(waitpid(first, &status, 0), first);
    ganger_close(g);
    daemon_free(d);
}

int main(int argc, char **argv)
{
    /* clang-format off: a name a line, for ctest */
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gangerd_check_tells_right_from_wrong),
        cmocka_unit_test(test_gangerd_wrong_usage_is_named),
        cmocka_unit_test(test_gangerd_second_one_is_refused_by_journal_and_socket),
        cmocka_unit_test(test_gangerd_drain_lets_running_tasks_end),
        cmocka_unit_test(test_gangerd_drain_is_cut_short_in_time),
        cmocka_unit_test(test_gangerd_second_signal_stops_at_once),
        cmocka_unit_test(test_gangerd_reload_resizes_a_pool_and_adds_one),
        cmocka_unit_test(test_gangerd_reload_of_a_bad_file_changes_nothing),
        cmocka_unit_test(test_gangerd_restart_waits_for_the_agents_of_the_killed_one),
        cmocka_unit_test(test_gangerd_killed_agent_is_replaced_and_leaves_nothing),
        cmocka_unit_test(test_gangerd_tells_its_manager_what_it_does),
        cmocka_unit_test(test_gangerd_external_agent_serves_until_it_is_killed),
        cmocka_unit_test(test_gangerd_second_external_agent_is_refused),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
