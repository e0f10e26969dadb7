/* How answers leave: in batches, bounded, to the session that is meant. */
#include "tests/support/net_world.h"

/* ---- answers ---- */

static void test_net_answers_of_a_turn_are_two_frames(void **state)
{
    struct world *w = *state;
    struct body *big = body_new(NULL, 10000), *small = body_new(NULL, 10);
    struct msg_accepted accepted;
    struct msg_end end;
    struct msg m;
    struct peer p;

    memset(big->data, 1, 10000);
    memset(small->data, 2, 10);
    listen_now(w);
    p = client_of(w);
    for (uint64_t i = 1; i <= 12; i++)
        w->engine.ops.accepted(w->engine.ops.ctx, w->engine.last, i, 100 + i);
    for (uint64_t i = 1; i <= 12; i++)
        end_send(&w->engine, w->engine.last, i, 100 + i,
            i % 3 == 0   ? big
            : i % 3 == 1 ? small
                         : NULL);
    assert_int_equal(peer_next(&p, &m), 1);
    assert_int_equal(m.type, MSG_ACCEPTED);
    assert_int_equal(m.count, 12);
    for (uint64_t i = 1; i <= 12; i++) {
        assert_int_equal(msg_read_accepted(&m, &accepted), 0);
        assert_int_equal(accepted.id, 100 + i);
    }
    assert_int_equal(peer_next(&p, &m), 1);
    assert_int_equal(m.type, MSG_END);
    assert_int_equal(m.count, 12);
    for (uint64_t i = 1; i <= 12; i++) {
        assert_int_equal(msg_read_end(&m, &end), 0);
        assert_int_equal(end.req, i);
        assert_int_equal(end.outcome.len, i % 3 == 0 ? 10000 : i % 3 == 1 ? 10 : 0);
        if (end.outcome.len > 0)
            assert_int_equal(end.outcome.data[end.outcome.len - 1], i % 3 == 0 ? 1 : 2);
    }
    assert_int_equal(msg_close(&m), 0);
    assert_int_equal(big->refs, 1);
    body_unref(big);
    body_unref(small);
    peer_close(&p);
}

static void test_net_answer_to_an_old_session_is_dropped(void **state)
{
    struct world *w = *state;
    struct peer p;
    session_id old;

    listen_now(w);
    p = client_of(w);
    old = w->engine.last;
    peer_close(&p);
    while (w->engine.gone == 0)
        pump(w);
    p = client_of(w);
    assert_int_equal((uint32_t)old, (uint32_t)w->engine.last); /* the same place */
    assert_true(old != w->engine.last);
    w->engine.ops.accepted(w->engine.ops.ctx, old, 1, 1);
    end_send(&w->engine, old, 1, 1, NULL);
    request_served(&p); /* whose first message is the reply, not one of these */
    peer_close(&p);
}

static void test_net_slow_reader_is_not_read_until_it_reads(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };
    struct peer p;
    struct msg m;
    size_t most = 0;
    uint32_t count = 2000;

    w->engine.reply = 1000;
    listen_now(w);
    p = client_of(w);
    for (uint32_t i = 0; i < count; i++)
        request_add(&o, i);
    assert_true(peer_put(&p, &o));
    for (int i = 0; i < 1000; i++) {
        const struct session *s = net_find(w->net, w->engine.last);

        pump(w);
        if (outbox_unsent(&s->out) > most)
            most = outbox_unsent(&s->out);
    }
    assert_true(w->engine.requests < count); /* the rest is not even looked at */
    assert_in_range(most, w->limits.session_out_bytes, w->limits.session_out_bytes + 2000);
    for (uint32_t i = 0; i < count; i++) {
        struct msg_reply reply;

        assert_int_equal(peer_next(&p, &m), 1);
        assert_int_equal(msg_read_reply(&m, &reply), 0);
        assert_int_equal(reply.req, i);
    }
    assert_int_equal(w->engine.requests, count);
    peer_close(&p);
}

static void test_net_reader_that_lets_all_gather_is_ended(void **state)
{
    struct world *w = *state;
    struct body *outcome = body_new(NULL, 100000);
    struct peer p;

    memset(outcome->data, 0, 100000);
    listen_now(w);
    p = client_of(w);
    for (uint64_t i = 0; i < 1000 && w->engine.gone == 0; i++) {
        end_send(&w->engine, w->engine.last, i, i + 1, outcome);
        pump(w);
    }
    assert_int_equal(w->engine.gone, 1);
    assert_int_equal(outcome->refs, 1);
    body_unref(outcome);
    peer_close(&p);
}

static void test_net_progress_for_a_slow_reader_is_dropped(void **state)
{
    struct world *w = *state;
    struct msg_progress progress = { .req = 1, .id = 1, .done = 1, .total = 2 };
    struct peer p;

    listen_now(w);
    p = client_of(w);
    for (int i = 0; i < 200000; i++) {
        w->engine.ops.progress(w->engine.ops.ctx, w->engine.last, &progress);
        if (i % 100 == 0)
            (void)net_flush(w->net);
    }
    pump(w);
    assert_int_equal(w->engine.gone, 0);
    assert_in_range(outbox_unsent(&net_find(w->net, w->engine.last)->out), 0,
        w->limits.session_out_bytes + 100);
    peer_close(&p);
}

int main(int argc, char **argv)
{
    /* clang-format off: a name a line, for ctest */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_net_answers_of_a_turn_are_two_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_answer_to_an_old_session_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_slow_reader_is_not_read_until_it_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_reader_that_lets_all_gather_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_progress_for_a_slow_reader_is_dropped, setup, teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
