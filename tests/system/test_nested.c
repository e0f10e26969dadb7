/* Tasks that wait for tasks while an older one has a reservation: none stands still. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <string.h>
#include <unistd.h>

static const char yaml[] = "semaphores:\n"
                           "  early: 1\n"
                           "  late: 1\n"
                           "pools:\n"
                           "  outer:\n"
                           "    module: %T/nestmod.so\n"
                           "    processes: 2\n"
                           "  middle:\n"
                           "    module: %T/nestmod.so\n"
                           "    processes: 2\n"
                           "  inner:\n"
                           "    module: %M\n"
                           "    processes: 2\n"
                           "  command:\n"
                           "    command: any\n"
                           "    processes: 2\n";

static struct ganger_future *submit(const struct scene *s, const char *pool, const char *function,
    struct ganger_bytes args, unsigned need_count)
{
    const struct ganger_need needs[2] = { { "early", 1 }, { "late", 1 } };
    struct ganger_options o = options_new();

    o.needs = needs;
    o.need_count = need_count;
    return task_submit(s->g, pool, function, args, &o);
}

/*
 * HOLDER has "early" and waits at the gate. Another one comes that needs both semaphores, and
 * reserves them; then the holder goes on, and waits for a task that needs "late".
 */
static void holder_is_served(struct scene *s, struct ganger_future *holder, const char *gate)
{
    int fd = gate_enter(gate);
    struct ganger_future *both = submit(s, "inner", "nothing", value_of("n"), 2);

    UNTIL(s->d, ask_int(s->g, GANGER_SEM_VALUE, 0, "late", "reserved") == 1);
    assert_false(ganger_future_ready(both));
    (void)close(fd);
    (void)task_done(holder);
    (void)task_done(both);
}

static void test_nested_function_that_holds_gets_what_it_waits_for(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");

    (void)state;
    /* Twice: the connection that the function keeps is told of the new attempt. */
    for (int i = 0; i < 2; i++)
        holder_is_served(&s,
            submit(&s, "outer", "ask",
                value_of("a5ssssi", gate, "inner", "echo", "late", (int64_t)7), 1),
            gate);
    scene_close(&s);
}

static void test_nested_function_is_served_through_another_task(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    struct ganger_bytes inner = value_of(
        "a5ssssa5ssssi", gate, "middle", "ask", "", "", "inner", "echo", "late", (int64_t)7);
    struct ganger_future *holder = submit(&s, "outer", "ask", inner, 1);

    (void)state;
    holder_is_served(&s, holder, gate);
    scene_close(&s);
}

static void test_nested_command_that_holds_gets_what_it_waits_for(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    static const char script[] = "read x <\"$1\"; exec \"$0\" run --needs late inner echo 7";
    struct ganger_bytes args = value_of("a2a5sssssn", "sh", "-c", script, GANGER_PATH, gate);

    (void)state;
    holder_is_served(&s, submit(&s, "command", "", args, 1), gate);
    scene_close(&s);
}

/* A daemon that a task has started: its workers are not of that task. */
static void test_nested_workers_inherit_no_attempt(void **state)
{
    static const char *const names[] = { "GANGER_TASK_ID", "GANGER_ATTEMPT", "GANGER_FENCE" };
    struct daemon *d = daemon_new(yaml);
    struct scene s = { .d = d };

    (void)state;
    daemon_env(d, "GANGER_TASK_ID=1-1");
    daemon_env(d, "GANGER_ATTEMPT=1");
    daemon_env(d, "GANGER_FENCE=1");
    daemon_start(d);
    s.g = daemon_open(d);
    for (int i = 0; i < 3; i++)
        assert_string_equal(
            value_text(task_run(s.g, "outer", "getenv", value_of("s", names[i]))), "");
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nested_function_that_holds_gets_what_it_waits_for),
        cmocka_unit_test(test_nested_function_is_served_through_another_task),
        cmocka_unit_test(test_nested_command_that_holds_gets_what_it_waits_for),
        cmocka_unit_test(test_nested_workers_inherit_no_attempt),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
