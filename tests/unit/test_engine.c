/* The engine of one coordinator over a memory store: messages in, answers and hands out. */
#include "tests/support/engine_bench.h"

static void test_engine_task_is_handed_and_its_result_told(void **state)
{
    struct msg_submit m = submit_to("p", 7, TASK_WAIT);
    const struct note *hand, *end;

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    assert_int_equal(bench_await(NOTE_ACCEPTED, 0)->req, 7);
    hand = bench_await(NOTE_HAND, 0);
    assert_int_equal(hand->bytes, 5);
    assert_memory_equal(hand->seen, m.call.data, 5);
    finish(hand, 0, "\x2a", 1);
    end = bench_await(NOTE_ENDED, 0);
    assert_int_equal(end->end, END_DONE);
    assert_int_equal(end->req, 7);
    assert_int_equal(end->bytes, 1);
    assert_int_equal(end->seen[0], 0x2a);
    assert_int_equal(end->attempts, 1);
}

static void test_engine_quiet_task_gets_no_acceptance(void **state)
{
    struct msg_submit m = submit_to("p", 7, TASK_WAIT | TASK_QUIET);

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    (void)bench_await(NOTE_HAND, 0);
    assert_null(bench_last(NOTE_ACCEPTED));
}

static void test_engine_durable_task_is_accepted_after_its_sync(void **state)
{
    struct msg_submit m = submit_to("p", 7, TASK_WAIT | TASK_DURABLE);
    const struct note *hand;

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    assert_null(bench_last(NOTE_ACCEPTED));
    hand = bench_await(NOTE_HAND, 0);
    assert_non_null(bench_last(NOTE_ACCEPTED));
    finish(hand, 0, "\xc0", 1);
    assert_null(bench_last(NOTE_ENDED));
    assert_int_equal(bench_await(NOTE_ENDED, 0)->end, END_DONE);
}

/* What the submit before asked for is not asked for by the next one, however much they look alike.
 */
static void test_engine_submit_has_the_defaults_of_its_time(void **state)
{
    struct engine_pool_config c = {
        .name = "p", .kind = "module", .backlog = 1000, .backlog_bytes = 1 << 24, .durable = true
    };
    struct msg_submit m = submit_to("p", 7, TASK_WAIT);
    uint32_t pool;

    (void)state;
    (void)bench_pool("p", 0);
    engine_submit(bench.engine, SESSION, &m);
    assert_int_equal(bench_await(NOTE_ACCEPTED, 0)->req, 7);
    assert_int_equal(engine_pool_define(bench.engine, &c, &pool), 0);
    m.req = 8;
    engine_submit(bench.engine, SESSION, &m);
    assert_int_equal(bench_last(NOTE_ACCEPTED)->req, 7); /* not before its sync */
    (void)bench_turn(0);
    m.flags |= TASK_NOT_DURABLE;
    m.req = 9;
    engine_submit(bench.engine, SESSION, &m);
    assert_int_equal(bench_last(NOTE_ACCEPTED)->req, 9);
}

static void test_engine_submits_in_turn_go_to_their_pools(void **state)
{
    struct msg_submit p = submit_to("p", 1, TASK_WAIT), q = submit_to("q", 2, TASK_WAIT);
    const struct note *hand;

    (void)state;
    (void)bench_pool("p", 0);
    (void)bench_pool("q", 1);
    for (int i = 0; i < 3; i++) {
        engine_submit(bench.engine, SESSION, &p);
        engine_submit(bench.engine, SESSION, &q);
        hand = bench_await(NOTE_HAND, 0);
        finish(hand, 0, "\x2a", 1);
        assert_int_equal(bench_last(NOTE_ENDED)->req, q.req);
        bench.count = 0;
        p.req += 2;
        q.req += 2;
    }
}

static void refused(const struct msg_submit *m, int code, const char *text)
{
    const struct note *n;

    engine_submit(bench.engine, SESSION, m);
    n = bench_last(NOTE_REFUSED);
    assert_non_null(n);
    assert_int_equal(n->req, m->req);
    assert_int_equal(n->code, code);
    assert_non_null(strstr(n->text, text));
}

static void test_engine_unknown_pool_is_refused_by_name(void **state)
{
    struct msg_submit m = submit_to("nowhere", 1, 0);

    (void)state;
    refused(&m, GANGER_ENOPOOL, "\"nowhere\"");
}

static void test_engine_unknown_semaphore_is_refused_by_name(void **state)
{
    struct msg_submit m = submit_to("p", 1, 0);

    (void)state;
    (void)bench_pool("p", 1);
    m.options.need_count = 1;
    m.options.needs[0] = (struct task_need){ text_of("lamp"), 1 };
    refused(&m, GANGER_ENOSEM, "\"lamp\"");
}

static void test_engine_full_pool_refuses_and_tells_when_there_is_room(void **state)
{
    struct msg_submit m = submit_to("p", 1, TASK_QUIET);

    (void)state;
    (void)bench_pool("p", 0);
    for (m.req = 1; m.req <= 1000; m.req++)
        engine_submit(bench.engine, SESSION, &m);
    assert_null(bench_last(NOTE_REFUSED));
    refused(&m, GANGER_EFULL, "1000 tasks of 1000");
    ask(VERB_ROOM, 5000, 0, "p", 1);
    assert_null(bench_last(NOTE_REPLY));
    ask(VERB_CANCEL, 5001, id_make(engine_epoch(bench.engine), 1), "", 0);
    assert_int_equal(bench_await(NOTE_REPLY, 0)->code, 0);
    (void)bench_turn(0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, 0);
}

static void test_engine_worker_error_comes_as_detail(void **state)
{
    struct msg_submit m = submit_to("p", 7, TASK_WAIT);
    struct msg_detail d = { .code = GANGER_EFAILED, .text = text_of("no such file") };
    struct out o = { 0 };
    const struct note *end;

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    msg_write_detail(&o, &d);
    finish(bench_await(NOTE_HAND, 0), GANGER_EFAILED, o.data, o.len);
    out_done(&o);
    end = bench_await(NOTE_ENDED, 0);
    assert_int_equal(end->end, END_FAILED);
    assert_int_equal(end->code, GANGER_EFAILED);
    assert_int_equal(msg_read_detail(end->seen, end->bytes, &d), 0);
    assert_int_equal(d.text.len, 12);
    assert_memory_equal(d.text.data, "no such file", 12);
}

static void test_engine_detail_that_is_garbage_keeps_the_code(void **state)
{
    struct msg_submit m = submit_to("p", 7, TASK_WAIT);
    struct msg_detail d;
    const struct note *end;

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    finish(bench_await(NOTE_HAND, 0), GANGER_EFAILED, "\xff\xff", 2);
    end = bench_await(NOTE_ENDED, 0);
    assert_int_equal(end->code, GANGER_EFAILED);
    assert_int_equal(msg_read_detail(end->seen, end->bytes, &d), 0);
}

static void test_engine_dead_worker_ends_its_task_with_the_cause(void **state)
{
    struct msg_submit m = submit_to("p", 7, TASK_WAIT);
    struct msg_worker_end how = {
        .pid = 4711, .signal = 11, .core = true, .stderr_tail = text_of("last words")
    };
    struct msg_detail d;
    const struct note *hand, *end;

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    hand = bench_await(NOTE_HAND, 0);
    bench.begun = 1;
    engine_child_exited(bench.engine, hand->child, hand->gen, &how, false, NULL);
    assert_null(bench_last(NOTE_ENDED));
    engine_child_group_empty(bench.engine, hand->child, hand->gen);
    end = bench_await(NOTE_ENDED, 0);
    assert_int_equal(end->code, GANGER_EDIED);
    assert_int_equal(msg_read_detail(end->seen, end->bytes, &d), 0);
    assert_true(d.has_worker_end);
    assert_int_equal(d.worker_end.pid, 4711);
    assert_int_equal(d.worker_end.signal, 11);
    assert_true(d.worker_end.core);
    assert_int_equal(d.worker_end.stderr_tail.len, 10);
}

static void test_engine_task_not_begun_survives_its_child(void **state)
{
    struct msg_submit m = submit_to("p", 7, TASK_WAIT);
    struct msg_worker_end how = { .pid = 4711, .signal = 9 };
    const struct note *hand;
    unsigned from;

    (void)state;
    (void)bench_pool("p", 2);
    engine_submit(bench.engine, SESSION, &m);
    hand = bench_await(NOTE_HAND, 0);
    bench.begun = 0;
    from = bench.count;
    engine_child_exited(bench.engine, hand->child, hand->gen, &how, true, NULL);
    assert_int_equal(bench_await(NOTE_HAND, from)->attempts, 1);
    assert_null(bench_last(NOTE_ENDED));
}

static void test_engine_broken_pool_tells_waiters_the_reason(void **state)
{
    struct msg_submit m = submit_to("p", 7, TASK_WAIT);
    struct msg_worker_end how = { .pid = 1, .exit_code = 1 };
    struct msg_detail d;
    const struct note *end;
    unsigned from = 0;

    (void)state;
    (void)bench_pool("p", 0);
    engine_submit(bench.engine, SESSION, &m);
    ask(VERB_POOL_RESIZE, 1, 0, "p", 1);
    for (unsigned i = 0; i < 3; i++) {
        const struct note *spawn;

        (void)bench_turn(10000000);
        spawn = bench_await(NOTE_SPAWN, from);
        from = bench.count;
        engine_child_started(bench.engine, spawn->child, spawn->gen, 1);
        engine_child_exited(
            bench.engine, spawn->child, spawn->gen, &how, true, "no database today");
    }
    end = bench_await(NOTE_ENDED, 0);
    assert_int_equal(end->code, GANGER_EBROKEN);
    assert_int_equal(msg_read_detail(end->seen, end->bytes, &d), 0);
    assert_non_null(memmem(d.text.data, d.text.len, "no database today", 17));
    refused(&m, GANGER_EBROKEN, "no database today");
}

static void test_engine_cancel_of_a_running_task_stops_that_hand(void **state)
{
    struct msg_submit m = submit_to("p", 7, TASK_WAIT);
    const struct note *hand;

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    hand = bench_await(NOTE_HAND, 0);
    bench.begun = 1;
    ask(VERB_CANCEL, 9, hand->id, "", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, 0);
    assert_int_equal(bench_last(NOTE_STOP)->seq, hand->seq);
    finish(hand, GANGER_ECANCELLED, NULL, 0);
    assert_int_equal(bench_await(NOTE_ENDED, 0)->end, END_CANCELLED);
}

static void test_engine_every_verb_answers_with_one_value(void **state)
{
    static const enum verb verbs[] = { VERB_PING, VERB_STATUS, VERB_WHY, VERB_POOLS, VERB_SEM_VALUE,
        VERB_SEM_LIST, VERB_STATS };
    struct msg_submit m = submit_to("p", 7, 0);
    uint64_t id;

    (void)state;
    (void)bench_pool("p", 0);
    assert_int_equal(engine_semaphore_define(bench.engine, "p", 3), 0);
    engine_submit(bench.engine, SESSION, &m);
    id = bench_last(NOTE_ACCEPTED)->id;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        const struct note *n;

        ask(verbs[i], 100 + i, id, "p", 0);
        n = bench_last(NOTE_REPLY);
        assert_int_equal(n->req, 100 + i);
        assert_int_equal(n->code, 0);
        assert_true(n->bytes > 0 && n->bytes < SEEN_MAX * 4);
        if (n->bytes <= SEEN_MAX)
            assert_true(value_valid(n->seen, n->bytes));
    }
}

static int act_answer(uint64_t id, uint64_t fence)
{
    const struct note *n;

    ask(VERB_ACT, 5, id, "", fence);
    n = bench_last(NOTE_REPLY);
    assert_true(n->req == 5 && (n->code == 0 || strstr(n->text, "not under way") != NULL));
    return n->code;
}

static void test_engine_act_is_for_the_attempt_that_runs(void **state)
{
    struct msg_submit m = submit_to("p", 7, 0);
    uint64_t fence = id_make(engine_epoch(bench.engine), 1);
    struct note *hand;

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    hand = bench_await(NOTE_HAND, 0);
    assert_int_equal(act_answer(hand->id, fence), 0);
    assert_int_equal(act_answer(hand->id, fence + 1), GANGER_ESTALE);
    assert_int_equal(act_answer(hand->id + 1, fence), GANGER_ESTALE);
    assert_int_equal(act_answer(0, 0), 0);
    bench.begun = 1;
    finish(hand, 0, NULL, 0);
    assert_int_equal(act_answer(hand->id, fence), GANGER_ESTALE);
}

static void test_engine_unknown_verb_is_refused_by_number(void **state)
{
    (void)state;
    ask((enum verb)99, 1, 0, "", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_EINVAL);
    assert_non_null(strstr(bench_last(NOTE_REPLY)->text, "99"));
}

static void test_engine_odd_semaphore_name_is_refused(void **state)
{
    (void)state;
    ask(VERB_SEM_SET, 1, 0, "bad name!", 1);
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_EINVAL);
    ask(VERB_SEM_VALUE, 2, 0, "bad name!", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_ENOSEM);
}

static void test_engine_bound_of_tasks_is_named_by_its_key(void **state)
{
    struct msg_submit m = submit_to("p", 1, TASK_QUIET);

    (void)state;
    (void)bench_pool("p", 0);
    engine_set_tasks_max(bench.engine, 1);
    engine_submit(bench.engine, SESSION, &m);
    refused(&m, GANGER_EFULL, "limits.tasks");
}

static void test_engine_clock_jump_moves_a_wall_clock_start(void **state)
{
    struct msg_submit m = submit_to("p", 7, 0);

    (void)state;
    (void)bench_pool("p", 1);
    m.options.given = 1u << OPT_RUN_AT_MS;
    m.options.run_at_ms = bench.wall_ms + 3600000;
    engine_submit(bench.engine, SESSION, &m);
    (void)bench_turn(1000000);
    assert_null(bench_last(NOTE_HAND));
    bench.wall_ms += 3600000;
    (void)bench_turn(1000000);
    (void)bench_turn(0);
    assert_non_null(bench_last(NOTE_HAND));
}

static void test_engine_delay_ignores_a_clock_jump(void **state)
{
    struct msg_submit m = submit_to("p", 7, 0);

    (void)state;
    (void)bench_pool("p", 1);
    m.options.given = 1u << OPT_DELAY_MS;
    m.options.delay_ms = 3600000;
    engine_submit(bench.engine, SESSION, &m);
    bench.wall_ms += 3600000;
    (void)bench_turn(1000000);
    (void)bench_turn(0);
    assert_null(bench_last(NOTE_HAND));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_engine_task_is_handed_and_its_result_told, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_quiet_task_gets_no_acceptance, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(test_engine_durable_task_is_accepted_after_its_sync,
            bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_submit_has_the_defaults_of_its_time, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_submits_in_turn_go_to_their_pools, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_unknown_pool_is_refused_by_name, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_unknown_semaphore_is_refused_by_name, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(test_engine_full_pool_refuses_and_tells_when_there_is_room,
            bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_worker_error_comes_as_detail, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_detail_that_is_garbage_keeps_the_code, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(test_engine_dead_worker_ends_its_task_with_the_cause,
            bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_task_not_begun_survives_its_child, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_broken_pool_tells_waiters_the_reason, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(test_engine_cancel_of_a_running_task_stops_that_hand,
            bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_every_verb_answers_with_one_value, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_act_is_for_the_attempt_that_runs, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_unknown_verb_is_refused_by_number, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_clock_jump_moves_a_wall_clock_start, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_delay_ignores_a_clock_jump, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_odd_semaphore_name_is_refused, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_bound_of_tasks_is_named_by_its_key, bench_setup_memory, bench_teardown),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
