/* Pools whose workers cannot work: the reason reaches whoever waits, and other pools go on. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOOD                                                                                       \
    "  good:\n"                                                                                    \
    "    module: %M\n"                                                                             \
    "    processes: 1\n"

static void served(const struct scene *s)
{
    assert_int_equal(value_int(task_run(s->g, "good", "add", value_of("a2ii", 1l, 2l))), 3);
}

/* A task for pool "bad" gets EBROKEN with WORDS in its text, and so does one that comes later. */
static void expect_broken(const char *bad, const char *words)
{
    char yaml[1000];
    struct scene s;
    struct ganger_failure e;

    (void)snprintf(yaml, sizeof yaml, "pools:\n  bad:\n%s    processes: 1\n    early_deaths: 2\n%s",
        bad, GOOD);
    s = scene_open(yaml);
    e = task_run_failed(s.g, "bad", "echo", value_of("n"), NULL, GANGER_EBROKEN);
    if (strstr(e.text, words) == NULL)
        fail_msg("no %s in: %s", words, e.text);
    assert_true(ask_is(s.g, GANGER_POOLS, 0, "bad", "state", "broken"));
    assert_non_null(strstr(ask_text(s.g, GANGER_POOLS, 0, "bad", "reason"), words));
    e = task_run_failed(s.g, "bad", "echo", value_of("n"), NULL, GANGER_EBROKEN);
    if (strstr(e.text, words) == NULL)
        fail_msg("no %s in the second: %s", words, e.text);
    served(&s);
    scene_close(&s);
}

static void test_broken_module_that_is_not_there_is_told(void **state)
{
    (void)state;
    expect_broken("    module: /no/such/module.so\n", "/no/such/module.so");
}

static void test_broken_module_without_a_table_is_told(void **state)
{
    (void)state;
    expect_broken("    module: %T/testmod_no_table.so\n", "ganger_module");
}

static void test_broken_module_of_another_layout_is_told(void **state)
{
    (void)state;
    expect_broken("    module: %T/testmod_wrong_abi.so\n", "99");
}

static void test_broken_module_that_is_a_text_is_told(void **state)
{
    (void)state;
    expect_broken("    module: /etc/passwd\n", "/etc/passwd");
}

static void test_broken_module_that_starts_a_thread_is_told(void **state)
{
    (void)state;
    expect_broken("    module: %M\n    init: thread\n", "sneaky");
}

static void test_broken_preload_that_fails_is_told(void **state)
{
    (void)state;
    expect_broken("    module: %M\n    init: preload_fail\n", "told to fail early");
}

static void test_broken_initializer_that_fails_is_told(void **state)
{
    (void)state;
    expect_broken("    module: %M\n    init: fail\n", "told to fail");
}

static void test_broken_initializer_that_crashes_is_told(void **state)
{
    (void)state;
    expect_broken("    module: %M\n    init: crash\n", "signal 11");
}

static void test_broken_initializer_that_exits_is_told(void **state)
{
    (void)state;
    expect_broken("    module: %M\n    init: exit\n", "9");
}

static void test_broken_initializer_that_hangs_is_told(void **state)
{
    (void)state;
    expect_broken("    module: %M\n    init: hang\n    init_timeout: 100ms\n", "100 ms");
}

static void test_broken_directory_that_is_not_there_is_told(void **state)
{
    (void)state;
    expect_broken("    module: %M\n    directory: /no/such/dir\n", "/no/such/dir");
}

static void test_broken_pool_works_again_when_mended_and_resumed(void **state)
{
    static const char broken[] = "pools:\n  bad:\n    module: %D/mod.so\n    processes: 1\n"
                                 "    early_deaths: 2\n" GOOD;
    struct scene s = scene_open(broken);
    char command[512];

    (void)state;
    (void)task_run_failed(s.g, "bad", "add", value_of("n"), NULL, GANGER_EBROKEN);
    (void)snprintf(command, sizeof command, "cp %s %s", TESTMOD_PATH, daemon_path(s.d, "mod.so"));
    assert_int_equal(system(command), 0);
    assert_int_equal(ganger_pool_resume(s.g, "bad", DAEMON_WAIT_MS), 0);
    assert_int_equal(value_int(task_run(s.g, "bad", "add", value_of("a2ii", 1l, 2l))), 3);
    assert_true(ask_is(s.g, GANGER_POOLS, 0, "bad", "state", "ok"));
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_module_that_is_not_there_is_told),
        cmocka_unit_test(test_broken_module_without_a_table_is_told),
        cmocka_unit_test(test_broken_module_of_another_layout_is_told),
        cmocka_unit_test(test_broken_module_that_is_a_text_is_told),
        cmocka_unit_test(test_broken_module_that_starts_a_thread_is_told),
        cmocka_unit_test(test_broken_preload_that_fails_is_told),
        cmocka_unit_test(test_broken_initializer_that_fails_is_told),
        cmocka_unit_test(test_broken_initializer_that_crashes_is_told),
        cmocka_unit_test(test_broken_initializer_that_exits_is_told),
        cmocka_unit_test(test_broken_initializer_that_hangs_is_told),
        cmocka_unit_test(test_broken_directory_that_is_not_there_is_told),
        cmocka_unit_test(test_broken_pool_works_again_when_mended_and_resumed),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
