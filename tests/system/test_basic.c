/* A few tasks, to see that everything is in its place. */
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

static const char yaml[] = "pools:\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 2\n"
                           "  wc:\n"
                           "    command: [wc, -w]\n"
                           "    processes: 1\n";

static void test_basic_one_task_gives_its_result(void **state)
{
    struct daemon *d = daemon_run(yaml);
    struct ganger *g = daemon_open(d);

    (void)state;
    assert_int_equal(value_int(task_run(g, "mod", "add", value_of("a2ii", 2l, 3l))), 5);
    ganger_close(g);
    daemon_free(d);
}

static void test_basic_a_command_gives_its_output(void **state)
{
    struct daemon *d = daemon_run(yaml);
    struct ganger *g = daemon_open(d);

    (void)state;
    assert_string_equal(
        value_text(task_run(g, "wc", "", value_of("a2a0b", "one two three", (size_t)13))), "3\n");
    ganger_close(g);
    daemon_free(d);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basic_one_task_gives_its_result),
        cmocka_unit_test(test_basic_a_command_gives_its_output),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
