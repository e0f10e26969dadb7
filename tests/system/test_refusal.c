/* Submits that name what is not there, or ask for what cannot be. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <stdlib.h>
#include <string.h>

static const char yaml[] = "semaphores:\n"
                           "  one: 1\n"
                           "pools:\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 1\n"
                           "  fixed:\n"
                           "    command: [cat]\n"
                           "    processes: 1\n"
                           "  absent:\n"
                           "    command: /no/such/command\n"
                           "    processes: 1\n"
                           "  any:\n"
                           "    command: any\n"
                           "    processes: 1\n"
                           "  small:\n"
                           "    external: true\n"
                           "    backlog: 3\n"
                           "    backlog_bytes: 1MiB\n";

static void served(const struct scene *s)
{
    assert_int_equal(value_int(task_run(s->g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
}

static void test_refusal_unknown_pool_is_named(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e = task_run_failed(
        s.g, "nowhere", "add", value_of("n"), NULL, GANGER_ENOPOOL);

    (void)state;
    assert_non_null(strstr(e.text, "nowhere"));
    served(&s);
    scene_close(&s);
}

static void test_refusal_unknown_function_is_named(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e = task_run_failed(
        s.g, "mod", "no_such", value_of("n"), NULL, GANGER_ENOFUNC);

    (void)state;
    assert_non_null(strstr(e.text, "no_such"));
    served(&s);
    scene_close(&s);
}

static void test_refusal_unknown_semaphore_is_named(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_need need = { "no-such-sem", 1 };
    struct ganger_options o = options_new();
    struct ganger_failure e;

    (void)state;
    o.needs = &need;
    o.need_count = 1;
    e = task_run_failed(s.g, "mod", "add", value_of("n"), &o, GANGER_ENOSEM);
    assert_non_null(strstr(e.text, "no-such-sem"));
    served(&s);
    scene_close(&s);
}

static void test_refusal_payload_that_is_no_msgpack_is_not_sent(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_call call = { "mod", "echo", "\xc1", 1 };
    struct ganger_future *f;

    (void)state;
    assert_int_equal(ganger_submit(s.g, &call, NULL, &f), GANGER_EDECODE);
    served(&s);
    scene_close(&s);
}

static void test_refusal_arguments_of_the_wrong_type_are_the_functions_error(void **state)
{
    struct scene s = scene_open(yaml);

    (void)state;
    (void)task_run_failed(s.g, "mod", "add", value_of("s", "no"), NULL, GANGER_EINVAL);
    served(&s);
    scene_close(&s);
}

static void test_refusal_result_that_is_no_msgpack_fails_the_task(void **state)
{
    struct scene s = scene_open(yaml);

    (void)state;
    (void)task_run_failed(s.g, "mod", "bad", value_of("n"), NULL, GANGER_EENCODE);
    served(&s);
    scene_close(&s);
}

static void test_refusal_result_over_the_bound_fails_the_task(void **state)
{
    struct scene s = scene_open(yaml);

    (void)state;
    (void)task_run_failed(
        s.g, "mod", "big", value_of("i", (int64_t)17 << 20), NULL, GANGER_ETOOBIG);
    served(&s);
    scene_close(&s);
}

static void test_refusal_payload_over_the_bound_is_not_sent(void **state)
{
    struct scene s = scene_open(yaml);
    size_t bytes = (size_t)17 << 20;
    char *data = calloc(1, bytes);
    struct ganger_bytes args = value_of("b", data, bytes);
    struct ganger_call call = { "mod", "echo", args.data, args.len };
    struct ganger_future *f;

    (void)state;
    assert_int_equal(ganger_submit(s.g, &call, NULL, &f), GANGER_ETOOBIG);
    served(&s);
    free(data);
    scene_close(&s);
}

static void test_refusal_command_that_does_not_exist_is_named(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_failure e = task_run_failed(
        s.g, "any", "", value_of("a2a1sn", "/no/such/program"), NULL, GANGER_ENOFUNC);

    (void)state;
    assert_non_null(strstr(e.text, "/no/such/program"));
    e = task_run_failed(s.g, "absent", "", value_of("a2a0n"), NULL, GANGER_ENOFUNC);
    assert_non_null(strstr(e.text, "/no/such/command"));
    assert_int_equal(value_raw(task_run(s.g, "any", "", value_of("a2a1sn", "true"))).len, 0);
    scene_close(&s);
}

static void test_refusal_command_arguments_of_the_wrong_shape_fail_the_task(void **state)
{
    struct scene s = scene_open(yaml);

    (void)state;
    (void)task_run_failed(s.g, "fixed", "", value_of("s", "cat"), NULL, GANGER_EDECODE);
    (void)task_run_failed(s.g, "any", "", value_of("a2a0n"), NULL, GANGER_EDECODE);
    served(&s);
    scene_close(&s);
}

static void test_refusal_unknown_task_is_told_to_all_who_ask(void **state)
{
    struct scene s = scene_open(yaml);
    uint64_t id = (uint64_t)77 << 40 | 5;
    struct ganger_future *f;
    void *value;
    size_t bytes;

    (void)state;
    assert_int_equal(ganger_attach(s.g, id, &f), 0);
    (void)task_failed(f, GANGER_ENOTASK);
    assert_int_equal(ganger_cancel(s.g, id, DAEMON_WAIT_MS), GANGER_ENOTASK);
    assert_int_equal(ganger_status(s.g, id, DAEMON_WAIT_MS, &value, &bytes), GANGER_ENOTASK);
    assert_int_equal(ganger_why(s.g, id, DAEMON_WAIT_MS, &value, &bytes), GANGER_ENOTASK);
    assert_int_equal(ganger_forget(s.g, id, DAEMON_WAIT_MS), GANGER_ENOTASK);
    scene_close(&s);
}

static void test_refusal_full_backlog_refuses_and_room_is_told(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_future *f[3], *room;

    (void)state;
    for (int i = 0; i < 3; i++) {
        f[i] = task_submit(s.g, "small", "x", value_of("n"), NULL);
        (void)task_id(f[i]);
    }
    (void)task_run_failed(s.g, "small", "x", value_of("n"), NULL, GANGER_EFULL);
    assert_int_equal(ganger_wait_room(s.g, "small", 4, 1, 1000), GANGER_ERANGE);
    assert_int_equal(ganger_request(s.g, GANGER_ROOM, 0, "small", 1, 1, &room), 0);
    assert_int_equal(ganger_ping(s.g, DAEMON_WAIT_MS), 0);
    assert_false(ganger_future_ready(room));
    assert_int_equal(ganger_future_cancel(f[1]), 0);
    assert_int_equal(ganger_future_wait(room, DAEMON_WAIT_MS), 0);
    assert_int_equal(ganger_future_successful(room), 1);
    (void)task_id(task_submit(s.g, "small", "x", value_of("n"), NULL));
    scene_close(&s);
}

static void test_refusal_full_in_bytes_is_refused_too(void **state)
{
    struct scene s = scene_open(yaml);
    static char data[1 << 20];

    (void)state;
    (void)task_run_failed(s.g, "small", "x", value_of("b", data, sizeof data), NULL, GANGER_EFULL);
    scene_close(&s);
}

static void test_refusal_submit_that_waits_for_room_gets_in(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = options_new();
    struct ganger_future *f[3], *late;

    (void)state;
    for (int i = 0; i < 3; i++) {
        f[i] = task_submit(s.g, "small", "x", value_of("n"), NULL);
        (void)task_id(f[i]);
    }
    o.flags = GANGER_WAIT_ROOM;
    late = task_submit(s.g, "small", "x", value_of("n"), &o);
    assert_int_equal(ganger_future_wait_id(late, 50, &(uint64_t){ 0 }), GANGER_ETIMEDOUT);
    assert_int_equal(ganger_future_cancel(f[0]), 0);
    assert_true(task_id(late) != 0);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusal_unknown_pool_is_named),
        cmocka_unit_test(test_refusal_unknown_function_is_named),
        cmocka_unit_test(test_refusal_unknown_semaphore_is_named),
        cmocka_unit_test(test_refusal_payload_that_is_no_msgpack_is_not_sent),
        cmocka_unit_test(test_refusal_arguments_of_the_wrong_type_are_the_functions_error),
        cmocka_unit_test(test_refusal_result_that_is_no_msgpack_fails_the_task),
        cmocka_unit_test(test_refusal_result_over_the_bound_fails_the_task),
        cmocka_unit_test(test_refusal_payload_over_the_bound_is_not_sent),
        cmocka_unit_test(test_refusal_command_that_does_not_exist_is_named),
        cmocka_unit_test(test_refusal_command_arguments_of_the_wrong_shape_fail_the_task),
        cmocka_unit_test(test_refusal_unknown_task_is_told_to_all_who_ask),
        cmocka_unit_test(test_refusal_full_backlog_refuses_and_room_is_told),
        cmocka_unit_test(test_refusal_full_in_bytes_is_refused_too),
        cmocka_unit_test(test_refusal_submit_that_waits_for_room_gets_in),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
