/* Starts that must fail, with a clear reason and exit status; and who may connect. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOLS                                                                                      \
    "pools:\n"                                                                                     \
    "  mod:\n"                                                                                     \
    "    module: %M\n"                                                                             \
    "    processes: 1\n"

#define NOBODY 65534

/* It must not start: exit STATUS, and each of WORDS (ends with NULL) in the log. */
static void expect_refused(struct daemon *d, int status, const char *const *words)
{
    int got;

    daemon_spawn(d);
    got = daemon_wait(d);
    if (!WIFEXITED(got) || WEXITSTATUS(got) != status) {
        daemon_log_print(d);
        fail_msg("status %x instead of exit %d", (unsigned)got, status);
    }
    for (; *words != NULL; words++) {
        if (!daemon_log_has(d, *words)) {
            daemon_log_print(d);
            fail_msg("no word of %s", *words);
        }
    }
}

static void test_start_second_daemon_on_the_same_journal_is_refused(void **state)
{
    struct scene s = scene_open(POOLS);
    struct daemon *second = daemon_new(POOLS);
    char other[256];

    (void)state;
    (void)snprintf(other, sizeof other,
        "journal:\n  dir: %s/journal\n  segment: 1MiB\n"
        "pools:\n",
        daemon_dir(s.d));
    daemon_yaml(second, other);
    expect_refused(second, 2, (const char *const[]){ "start-failed", "journal", NULL });
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    daemon_free(second);
    scene_close(&s);
}

static void test_start_second_daemon_on_the_same_socket_is_refused(void **state)
{
    struct scene s = scene_open(POOLS);
    struct daemon *second = daemon_new(POOLS);
    char other[256];

    (void)state;
    (void)snprintf(other, sizeof other, "socket:\n  path: %s\npools:\n", daemon_socket(s.d));
    daemon_yaml(second, other);
    expect_refused(second, 3, (const char *const[]){ "start-failed", "ganger.sock", NULL });
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    daemon_free(second);
    scene_close(&s);
}

static void test_start_over_a_socket_that_nobody_serves_takes_it(void **state)
{
    struct scene s = scene_open(POOLS);

    (void)state;
    daemon_kill(s.d);
    assert_int_equal(access(daemon_socket(s.d), F_OK), 0);
    daemon_start(s.d);
    scene_reopen(&s);
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    scene_close(&s);
}

static void test_start_over_a_file_that_is_no_socket_is_refused(void **state)
{
    struct daemon *d = daemon_new(POOLS);
    FILE *f = fopen(daemon_socket(d), "w");

    (void)state;
    assert_non_null(f);
    (void)fputs("precious", f);
    (void)fclose(f);
    expect_refused(d, 3, (const char *const[]){ "ganger.sock", NULL });
    assert_int_equal(access(daemon_socket(d), F_OK), 0);
    daemon_free(d);
}

static void test_start_with_a_directory_that_cannot_be_made_is_refused(void **state)
{
    struct daemon *d = daemon_new("journal:\n  dir: /proc/no/such\n" POOLS);

    (void)state;
    expect_refused(d, 2, (const char *const[]){ "start-failed", "/proc/no", NULL });
    daemon_free(d);
}

static void test_start_with_a_read_only_directory_is_refused(void **state)
{
    struct daemon *d = daemon_new("journal:\n  dir: /sys/kernel\n" POOLS);

    (void)state;
    expect_refused(d, 2, (const char *const[]){ "start-failed", "/sys/kernel", NULL });
    daemon_free(d);
}

static void test_start_with_a_foreign_directory_is_refused(void **state)
{
    struct daemon *d = daemon_new(POOLS);
    FILE *f;

    (void)state;
    assert_int_equal(mkdir(daemon_path(d, "journal"), 0700), 0);
    f = fopen(daemon_path(d, "journal/segment-00000001"), "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        (void)fputs("not a journal\n", f);
    (void)fclose(f);
    expect_refused(d, 2, (const char *const[]){ "segment-00000001", NULL });
    daemon_free(d);
}

static void test_start_with_a_bad_configuration_names_the_place(void **state)
{
    struct daemon *d = daemon_new("pools:\n  mod:\n    modul: %M\n");

    (void)state;
    expect_refused(d, 1, (const char *const[]){ "gangerd.yaml:", "modul", "module", NULL });
    daemon_free(d);
}

static void test_start_without_a_configuration_file_names_it(void **state)
{
    struct daemon *d = daemon_new(POOLS);

    (void)state;
    assert_int_equal(unlink(daemon_path(d, "gangerd.yaml")), 0);
    expect_refused(d, 1, (const char *const[]){ "gangerd.yaml", NULL });
    daemon_free(d);
}

/* What somebody else, who is not root, gets. */
static int open_as_nobody(const char *socket)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct ganger *g;
        int rc;

        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
            _exit(100);
        rc = ganger_open(socket, &g);
        _exit(-rc);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return -WEXITSTATUS(status);
}

static void test_start_socket_is_for_its_own_user_only(void **state)
{
    struct scene s;
    struct stat st;

    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root to become somebody else\n");
        skip();
    }
    s = scene_open(POOLS);
    assert_int_equal(chmod(daemon_dir(s.d), 0755), 0);
    assert_int_equal(stat(daemon_socket(s.d), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(open_as_nobody(daemon_socket(s.d)), GANGER_EACCES);
    scene_close(&s);
}

static void test_start_socket_with_an_open_mode_lets_others_in(void **state)
{
    struct scene s;

    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root to become somebody else\n");
        skip();
    }
    s = scene_open("socket:\n  path: %D/ganger.sock\n  mode: 0666\n" POOLS);
    assert_int_equal(chmod(daemon_dir(s.d), 0755), 0);
    assert_int_equal(open_as_nobody(daemon_socket(s.d)), 0);
    scene_close(&s);
}

static void test_start_nobody_listens_is_told_as_such(void **state)
{
    struct daemon *d = daemon_new(POOLS);
    struct ganger *g;

    (void)state;
    assert_int_equal(ganger_open(daemon_socket(d), &g), GANGER_ECONN);
    daemon_free(d);
}

static void test_start_with_the_memory_journal_keeps_nothing(void **state)
{
    struct scene s = scene_open("journal: memory\n" POOLS);
    struct ganger_options o = options_new();
    struct ganger_future *f;
    uint64_t id;

    (void)state;
    o.durable = GANGER_DURABLE_YES;
    id = task_id(task_submit(s.g, "mod", "nothing", value_of("n"), &o));
    daemon_stop(s.d);
    daemon_start(s.d);
    scene_reopen(&s);
    assert_int_equal(ganger_attach(s.g, id, &f), 0);
    (void)task_failed(f, GANGER_ENOTASK);
    scene_close(&s);
}

static bool descriptor_is_null(pid_t pid, int fd)
{
    char path[64], target[64] = "";

    (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    return readlink(path, target, sizeof target - 1) > 0 && strcmp(target, "/dev/null") == 0;
}

static void test_start_with_too_few_open_files_is_refused(void **state)
{
    struct daemon *d = daemon_new(POOLS);

    (void)state;
    daemon_files(d, 24);
    expect_refused(d, 1, (const char *const[]){ "open files", "24", "50", "ulimit -n", NULL });
    daemon_free(d);
}

/* Else the journal or a socket would get what is written to standard error. */
static void test_start_without_standard_descriptors_takes_none_of_their_numbers(void **state)
{
    struct scene s = { .d = daemon_new(POOLS) };
    pid_t agent;

    (void)state;
    daemon_bare(s.d);
    daemon_start(s.d);
    scene_reopen(&s);
    (void)task_run(s.g, "mod", "nothing", value_of("n"));
    agent = daemon_first(s.d, DAEMON_AGENT);
    for (int fd = 0; fd < 3; fd++) {
        assert_true(descriptor_is_null(daemon_pid(s.d), fd));
        assert_true(descriptor_is_null(agent, fd));
    }
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_second_daemon_on_the_same_journal_is_refused),
        cmocka_unit_test(test_start_second_daemon_on_the_same_socket_is_refused),
        cmocka_unit_test(test_start_over_a_socket_that_nobody_serves_takes_it),
        cmocka_unit_test(test_start_over_a_file_that_is_no_socket_is_refused),
        cmocka_unit_test(test_start_with_a_directory_that_cannot_be_made_is_refused),
        cmocka_unit_test(test_start_with_a_read_only_directory_is_refused),
        cmocka_unit_test(test_start_with_a_foreign_directory_is_refused),
        cmocka_unit_test(test_start_with_a_bad_configuration_names_the_place),
        cmocka_unit_test(test_start_without_a_configuration_file_names_it),
        cmocka_unit_test(test_start_socket_is_for_its_own_user_only),
        cmocka_unit_test(test_start_socket_with_an_open_mode_lets_others_in),
        cmocka_unit_test(test_start_nobody_listens_is_told_as_such),
        cmocka_unit_test(test_start_with_the_memory_journal_keeps_nothing),
        cmocka_unit_test(test_start_with_too_few_open_files_is_refused),
        cmocka_unit_test(test_start_without_standard_descriptors_takes_none_of_their_numbers),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
