/* The links of agents and children: what is believed, in which order, and what is refused. */
#include "tests/support/pool_world.h"

/* ---- hands ---- */

static void test_pool_hands_of_a_turn_are_one_message(void **state)
{
    struct world *w = *state;
    const uint32_t seq[] = { 0, 1, 2 };
    struct msg_hand h;
    struct msg m;

    child_ready(w);
    for (uint32_t i = 0; i < 3; i++)
        hand(w, i, 10);
    assert_int_equal((uint32_t)(w->page->word >> 32), 0);
    assert_int_equal(peer_next(&w->child, &m), 1);
    assert_int_equal(m.type, MSG_HAND);
    assert_int_equal(m.count, 3);
    assert_int_equal((uint32_t)(w->page->word >> 32), 3); /* granted with the message */
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(msg_read_hand(&m, &h), 0);
        assert_int_equal(h.seq, i);
        assert_int_equal(h.id, 100 + i);
        assert_int_equal(h.payload.len, 10);
    }
    assert_int_equal(msg_close(&m), 0);
    page_ran_add(w->page, 4711);
    results_send(w, seq, 3);
    diary_await(w, "result5.2:0 result5.2:1 result5.2:2 ");
    assert_int_equal(w->engine.ran_us, 4711);
}

static void test_pool_large_call_arrives_whole(void **state)
{
    struct world *w = *state;
    struct msg_hand h;
    struct msg m;

    child_ready(w);
    hand(w, 0, 3000000);
    hand(w, 1, 10);
    assert_int_equal(peer_next(&w->child, &m), 1);
    assert_int_equal(msg_read_hand(&m, &h), 0);
    assert_int_equal(h.payload.len, 3000000);
    assert_int_equal(h.function.len, 1);
    assert_int_equal(msg_close(&m), 0);
    assert_int_equal(peer_next(&w->child, &m), 1);
    assert_int_equal(msg_read_hand(&m, &h), 0);
    assert_int_equal(h.seq, 1);
}

static void test_pool_taken_back_hands_are_returned_and_numbers_used_up(void **state)
{
    struct world *w = *state;
    const uint32_t first[] = { 0, 1 }, later[] = { 4 };
    struct out o = { 0 };

    child_ready(w);
    for (uint32_t i = 0; i < 4; i++)
        hand(w, i, 10);
    pump(w);
    assert_true(page_begin(w->page, 0));
    assert_int_equal(w->ops.take_back(w->ops.ctx, CHILD, GEN, 2), 1);
    assert_true(page_begin(w->page, 1)); /* kept */
    assert_false(page_begin(w->page, 2));
    results_send(w, first, 2);
    msg_write_returned(&o, 2);
    assert_true(peer_put(&w->child, &o));
    diary_await(w, "result5.2:0 result5.2:1 returned5.2:2 ");
    hand(w, 4, 10);
    pump(w);
    assert_true(page_begin(w->page, 4));
    results_send(w, later, 1);
    diary_await(w, "returned5.2:2 result5.2:4 ");
}

static void test_pool_hands_not_yet_written_can_be_taken_back(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };

    child_ready(w);
    hand(w, 0, 10);
    hand(w, 1, 10);
    assert_int_equal(w->ops.take_back(w->ops.ctx, CHILD, GEN, 1), 0);
    pump(w);
    assert_true(page_begin(w->page, 0));
    assert_false(page_begin(w->page, 1));
    msg_write_returned(&o, 1);
    results_send(w, (const uint32_t[]){ 0 }, 1);
    assert_true(peer_put(&w->child, &o));
    diary_await(w, "result5.2:0 returned5.2:1 ");
}

static void test_pool_page_that_lies_is_clamped_and_killed(void **state)
{
    struct world *w = *state;

    child_ready(w);
    hand(w, 0, 10);
    hand(w, 1, 10);
    pump(w);
    w->page->word = page_word(1000, 2);
    assert_int_equal(w->ops.take_back(w->ops.ctx, CHILD, GEN, 0), 2);
    diary_await(w, "garbage5.2 ");
    assert_non_null(strstr(w->engine.text, "not handed"));
}

static void test_pool_stop_marks_the_hand_and_asks_the_agent(void **state)
{
    struct world *w = *state;
    struct msg_signal word;
    struct msg m;

    child_ready(w);
    hand(w, 0, 10);
    w->ops.stop(w->ops.ctx, CHILD, GEN, 0);
    assert_int_equal(w->page->cancel, 1);
    assert_int_equal(peer_next(&w->agent, &m), 1);
    assert_int_equal(m.type, MSG_SIGNAL);
    assert_int_equal(msg_read_signal(&m, &word), 0);
    assert_int_equal(word.signal, SIGTERM);
    assert_int_equal(word.gen, GEN);
    w->ops.kill(w->ops.ctx, CHILD, GEN);
    assert_int_equal(peer_next(&w->agent, &m), 1);
    assert_int_equal(msg_read_signal(&m, &word), 0);
    assert_int_equal(word.signal, SIGKILL);
}

static void test_pool_retired_child_sees_its_links_end(void **state)
{
    struct world *w = *state;
    struct msg m;

    child_ready(w);
    w->ops.retire(w->ops.ctx, CHILD, GEN);
    assert_int_equal(peer_next(&w->child, &m), 0);
    peer_close(&w->child);
    diary_await(w, "closed5.2 ");
    exited_send(w, GEN, true);
    diary_await(w, "closed5.2 exited5.2 ");
}

/* ---- what a child must not say ---- */

static void garbage_expect(struct world *w, const char *text)
{
    diary_await(w, "garbage5.2 ");
    if (strstr(w->engine.text, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, w->engine.text);
}

static void test_pool_result_out_of_order_is_garbage(void **state)
{
    struct world *w = *state;

    child_ready(w);
    hand(w, 0, 10);
    hand(w, 1, 10);
    results_send(w, (const uint32_t[]){ 1 }, 1);
    garbage_expect(w, "result of hand 1 where 0 of 2 is next");
    assert_int_equal(w->engine.results, 0);
}

static void test_pool_result_of_no_hand_is_garbage(void **state)
{
    struct world *w = *state;

    child_ready(w);
    hand(w, 0, 10);
    results_send(w, (const uint32_t[]){ 0, 1 }, 2);
    garbage_expect(w, "result of hand 1 where 1 of 1");
    assert_int_equal(w->engine.results, 1);
}

static void test_pool_result_of_what_was_taken_back_is_garbage(void **state)
{
    struct world *w = *state;

    child_ready(w);
    hand(w, 0, 10);
    pump(w);
    assert_int_equal(w->ops.take_back(w->ops.ctx, CHILD, GEN, 0), 0);
    results_send(w, (const uint32_t[]){ 0 }, 1);
    garbage_expect(w, "result of hand 0");
}

static void test_pool_return_of_too_many_is_garbage(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };

    child_ready(w);
    hand(w, 0, 10);
    pump(w);
    assert_int_equal(w->ops.take_back(w->ops.ctx, CHILD, GEN, 0), 0);
    msg_write_returned(&o, 2);
    assert_true(peer_put(&w->child, &o));
    garbage_expect(w, "returns");
}

static void test_pool_progress_of_no_hand_is_garbage(void **state)
{
    struct world *w = *state;
    struct msg_progress p = { .req = 0, .done = 1 };
    struct out o = { 0 };

    child_ready(w);
    hand(w, 0, 10);
    msg_write_progress(&o, &p);
    assert_true(peer_put(&w->child, &o));
    diary_await(w, "progress5.2:0 ");
    p.req = 1;
    msg_write_progress(&o, &p);
    assert_true(peer_put(&w->child, &o));
    garbage_expect(w, "progress");
}

static void test_pool_bytes_that_are_no_frame_are_garbage(void **state)
{
    struct world *w = *state;

    child_ready(w);
    assert_true(peer_send(&w->child, "\xff\xff\xff\xff", 4));
    garbage_expect(w, "no frame");
    quiet(w); /* told once */
    assert_string_equal(w->engine.diary, "garbage5.2 ");
    exited_send(w, GEN, true);
    diary_await(w, "garbage5.2 exited5.2 ");
}

static void test_pool_result_before_ready_is_garbage(void **state)
{
    struct world *w = *state;

    agent_up(w);
    child_start(w, F_SEAL_SHRINK);
    diary_await(w, "started5.2 ");
    results_send(w, (const uint32_t[]){ 0 }, 1);
    garbage_expect(w, "no business");
}

/* ---- ends ---- */

static void test_pool_result_wins_over_the_exit_that_overtakes_it(void **state)
{
    struct world *w = *state;

    child_ready(w);
    hand(w, 0, 10);
    pump(w);
    /* Both are there before the loop looks: whichever it takes first, the result must come first.
     */
    w->agent.pump = on_turn;
    w->child.pump = on_turn;
    exited_send(w, GEN, false);
    results_send(w, (const uint32_t[]){ 0 }, 1);
    diary_await(w, "exited5.2+ ");
    assert_string_equal(w->engine.diary, "result5.2:0 exited5.2+ ");
    assert_int_equal(w->engine.end.pid, 4711);
    assert_int_equal(w->engine.end.signal, SIGSEGV);
}

static void test_pool_exit_waits_while_the_child_is_not_read(void **state)
{
    struct world *w = *state;

    child_ready(w);
    hand(w, 0, 10);
    hand(w, 1, 10);
    pump(w);
    w->engine.hold = &w->ops;
    results_send(w, (const uint32_t[]){ 0 }, 1);
    diary_await(w, "result5.2:0 ");
    results_send(w, (const uint32_t[]){ 1 }, 1);
    exited_send(w, GEN, true);
    quiet(w);
    assert_string_equal(w->engine.diary, "result5.2:0 ");
    w->ops.read(w->ops.ctx, CHILD, GEN, true);
    diary_await(w, "result5.2:0 result5.2:1 exited5.2 ");
}

static void test_pool_word_of_an_old_generation_is_dropped(void **state)
{
    struct world *w = *state;

    child_ready(w);
    exited_send(w, GEN - 1, true);
    quiet(w);
    assert_string_equal(w->engine.diary, "");
    w->ops.kill(w->ops.ctx, CHILD, GEN + 1); /* of a new one: nobody */
    exited_send(w, GEN, false);
    diary_await(w, "exited5.2+ ");
    exited_send(w, GEN, false); /* said twice */
    quiet(w);
    assert_string_equal(w->engine.diary, "exited5.2+ ");
}

static void test_pool_failed_initializer_is_the_text_of_the_exit(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };

    agent_up(w);
    child_start(w, F_SEAL_SHRINK);
    diary_await(w, "started5.2 ");
    msg_write_ready(&o, GANGER_EFAILED, "no dictionary");
    assert_true(peer_put(&w->child, &o));
    exited_send(w, GEN, true);
    diary_await(w, "started5.2 exited5.2 ");
    assert_string_equal(w->engine.text, "no dictionary");
}

/* ---- agents ---- */

static void test_pool_page_without_seal_ends_the_agent(void **state)
{
    struct world *w = *state;

    agent_up(w);
    child_start(w, F_SEAL_GROW);
    diary_await(w, "exited5.2 ");
    assert_string_equal(w->engine.diary, "up0 down0:EPROTO exited5.2 ");
}

static void test_pool_agent_garbage_ends_it(void **state)
{
    struct world *w = *state;

    agent_up(w);
    assert_true(peer_send(&w->agent, "\0\0\0\1\xc1", 5));
    diary_await(w, "up0 down0:EPROTO ");
    assert_non_null(strstr(w->engine.text, "no message"));
}

static void test_pool_agent_that_cannot_load_says_why(void **state)
{
    struct world *w = *state;
    struct conf_pool conf = { .name = (char *)(uintptr_t) "words", .kind = CONF_POOL_EXTERNAL };
    struct out o = { 0 };
    char text[256];

    world_open(w, "/nonexistent");
    assert_int_equal(pool_define(w->pool, 0, &conf), 0);
    assert_int_equal(adopt(w, "words", geteuid(), text), 0);
    msg_write_agent(&o, GANGER_EMODULE, "no such table");
    agent_send(w, &o);
    diary_await(w, "down0:EMODULE ");
    assert_string_equal(w->engine.text, "no such table");
}

static void test_pool_children_of_a_lost_stranger_end_with_their_links(void **state)
{
    struct world *w = *state;

    child_ready(w);
    hand(w, 0, 10);
    peer_close(&w->agent);
    diary_await(w, "down0:EAGENT ");
    quiet(w);
    assert_string_equal(w->engine.diary, "down0:EAGENT ");
    results_send(w, (const uint32_t[]){ 0 }, 1);
    peer_close(&w->child);
    diary_await(w, "down0:EAGENT result5.2:0 closed5.2 exited5.2 ");
}

static void test_pool_spawn_without_agent_is_reported(void **state)
{
    struct world *w = *state;
    struct conf_pool conf = { .name = (char *)(uintptr_t) "words", .kind = CONF_POOL_EXTERNAL };

    world_open(w, "/nonexistent");
    assert_int_equal(pool_define(w->pool, 0, &conf), 0);
    w->ops.spawn(w->ops.ctx, 0, CHILD, GEN);
    assert_string_equal(w->engine.diary, ""); /* not from inside the call */
    diary_await(w, "exited5.2 ");
}

static void test_pool_visitor_is_refused_for_a_reason(void **state)
{
    struct world *w = *state;
    struct conf_pool conf = { .name = (char *)(uintptr_t) "own",
        .kind = CONF_POOL_MODULE,
        .module = (char *)(uintptr_t) "/m.so" };
    char text[256];

    agent_up(w);
    assert_int_equal(pool_define(w->pool, 1, &conf), 0);
    assert_int_equal(adopt(w, "nobody", geteuid(), text), GANGER_ENOPOOL);
    assert_int_equal(adopt(w, "own", geteuid(), text), GANGER_EINVAL);
    assert_int_equal(adopt(w, "words", geteuid(), text), GANGER_EBUSY);
    assert_int_equal(adopt(w, "words", 12345, text), GANGER_EACCES);
}

/* The worker program as an agent of our own. */
static void own_start(struct world *w, const char *worker)
{
    struct conf_pool conf = { .name = (char *)(uintptr_t) "own",
        .kind = CONF_POOL_MODULE,
        .module = (char *)(uintptr_t) "/m.so",
        .init_timeout_ms = 60000 };

    world_open(w, worker);
    assert_int_equal(pool_define(w->pool, 0, &conf), 0);
    w->ops.agent_start(w->ops.ctx, 0);
}

static void test_pool_agent_program_that_is_missing_is_reported(void **state)
{
    struct world *w = *state;

    own_start(w, "/nonexistent/worker");
    diary_await(w, "down0:EIO ");
    assert_non_null(strstr(w->engine.text, "/nonexistent/worker cannot be run: No such file"));
}

static void test_pool_agent_program_that_ends_is_reported_with_its_status(void **state)
{
    struct world *w = *state;

    own_start(w, "/bin/false");
    diary_await(w, "down0:EAGENT ");
    assert_string_equal(w->engine.text, "the agent exited with status 1");
    w->ops.agent_start(w->ops.ctx, 0);
    diary_await(w, "down0:EAGENT down0:EAGENT ");
}

int main(int argc, char **argv)
{
    /* clang-format off: a name a line, for ctest */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pool_hands_of_a_turn_are_one_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool_large_call_arrives_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_taken_back_hands_are_returned_and_numbers_used_up, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_hands_not_yet_written_can_be_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_page_that_lies_is_clamped_and_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_stop_marks_the_hand_and_asks_the_agent, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_retired_child_sees_its_links_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool_result_out_of_order_is_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool_result_of_no_hand_is_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_result_of_what_was_taken_back_is_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool_return_of_too_many_is_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool_progress_of_no_hand_is_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_bytes_that_are_no_frame_are_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool_result_before_ready_is_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_result_wins_over_the_exit_that_overtakes_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_exit_waits_while_the_child_is_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_word_of_an_old_generation_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_failed_initializer_is_the_text_of_the_exit, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_page_without_seal_ends_the_agent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool_agent_garbage_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool_agent_that_cannot_load_says_why, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_children_of_a_lost_stranger_end_with_their_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool_spawn_without_agent_is_reported, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool_visitor_is_refused_for_a_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_agent_program_that_is_missing_is_reported, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pool_agent_program_that_ends_is_reported_with_its_status, setup, teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
