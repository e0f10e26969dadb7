/* What a connection says first, and what it gets for bad or cut bytes. */
#include "tests/support/net_world.h"

/* ---- hello ---- */

static void test_net_hello_opens_a_session(void **state)
{
    struct world *w = *state;
    struct peer p;

    listen_now(w);
    p = client_of(w);
    assert_int_equal(w->engine.opened, 1);
    request_served(&p);
    assert_true(w->turns > 0);
    peer_close(&p);
    while (w->engine.gone == 0)
        pump(w);
    assert_int_equal(net_sessions(w->net), 0);
}

static void test_net_silent_peer_is_told_and_ended(void **state)
{
    struct world *w = *state;
    struct peer p;

    w->limits.handshake_ms = 30;
    listen_now(w);
    p = peer_of(w);
    peer_expect_error(&p, GANGER_ETIMEDOUT, "no hello");
    assert_int_equal(w->engine.opened, 0);
    assert_int_equal(w->engine.gone, 0);
    peer_close(&p);
}

static void test_net_half_a_hello_is_ended_in_time(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };
    struct peer p;

    w->limits.handshake_ms = 30;
    listen_now(w);
    p = peer_of(w);
    peer_hello(&o, GANGER_PROTOCOL_VERSION, ROLE_CLIENT, "test");
    assert_true(peer_send(&p, o.data, o.len - 1));
    out_done(&o);
    peer_expect_error(&p, GANGER_ETIMEDOUT, "no hello");
    peer_close(&p);
}

static void test_net_wrong_version_is_refused_by_name(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };
    struct peer p;

    listen_now(w);
    p = peer_of(w);
    peer_hello(&o, 99, ROLE_CLIENT, "test");
    assert_true(peer_put(&p, &o));
    peer_expect_error(&p, GANGER_EVERSION, "version 99");
    peer_close(&p);
}

static void test_net_role_of_a_daemon_is_refused(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };
    struct peer p;

    listen_now(w);
    p = peer_of(w);
    peer_hello(&o, GANGER_PROTOCOL_VERSION, ROLE_DAEMON, "test");
    assert_true(peer_put(&p, &o));
    peer_expect_error(&p, GANGER_EPROTO, "role 2");
    peer_close(&p);
}

static void test_net_long_first_frame_is_refused_before_it_comes(void **state)
{
    static const uint8_t head[] = { 0, 0, 4, 1 }; /* 1025 bytes */
    struct world *w = *state;
    struct peer p;

    listen_now(w);
    p = peer_of(w);
    assert_true(peer_send(&p, head, sizeof head));
    peer_expect_error(&p, GANGER_EPROTO, "over 1024 bytes");
    peer_close(&p);
}

static void test_net_other_protocol_is_refused(void **state)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct world *w = *state;
    struct peer p;

    listen_now(w);
    p = peer_of(w);
    (void)peer_send(&p, http, sizeof http - 1);
    peer_expect_error(&p, GANGER_EPROTO, "no hello");
    peer_close(&p);
}

static void test_net_request_before_hello_is_refused(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };
    struct peer p;

    listen_now(w);
    p = peer_of(w);
    request_add(&o, 1);
    assert_true(peer_put(&p, &o));
    peer_expect_error(&p, GANGER_EPROTO, "hello");
    assert_int_equal(w->engine.requests, 0);
    peer_close(&p);
}

/* ---- bad messages ---- */

/* A bad peer gets CODE and TEXT; a good one is served before and after. */
static void bad_bytes_expect(
    struct world *w, const void *bytes, size_t count, int code, const char *text)
{
    struct peer good, bad;

    listen_now(w);
    good = client_of(w);
    bad = client_of(w);
    (void)peer_send(&bad, bytes, count);
    peer_expect_error(&bad, code, text);
    assert_int_equal(w->engine.gone, 1);
    request_served(&good);
    peer_close(&good);
    peer_close(&bad);
}

static void test_net_garbage_ends_only_its_session(void **state)
{
    static const uint8_t bytes[] = { 0, 0, 0, 4, 0xc1, 0xff, 0xff, 0xff };

    bad_bytes_expect(*state, bytes, sizeof bytes, GANGER_EPROTO, "is not a message");
}

static void test_net_empty_frame_is_refused(void **state)
{
    static const uint8_t bytes[] = { 0, 0, 0, 0 };

    bad_bytes_expect(*state, bytes, sizeof bytes, GANGER_EPROTO, "empty");
}

static void test_net_oversize_frame_is_refused_before_it_comes(void **state)
{
    static const uint8_t bytes[] = { 0x01, 0x10, 0x00, 0x01 }; /* 17 MiB + 1 */

    bad_bytes_expect(*state, bytes, sizeof bytes, GANGER_ETOOBIG, "17825792");
}

static void test_net_message_of_another_role_is_refused(void **state)
{
    struct out o = { 0 };

    msg_write_ready(&o, 0, "");
    bad_bytes_expect(*state, o.data, o.len, GANGER_EPROTO, "not one that a client sends");
    out_done(&o);
}

static void test_net_malformed_task_is_named_by_its_place(void **state)
{
    struct out o = { 0 };
    uint8_t one[] = { 0xc0 };

    submits_add(&o, 3, one, sizeof one);
    o.data[o.len - 6] = 0xc1; /* in the third task */
    bad_bytes_expect(*state, o.data, o.len, GANGER_EPROTO, "task 3 of 3");
    out_done(&o);
}

static void test_net_truncated_frame_and_leave_is_harmless(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };
    struct peer p, good;
    uint8_t one[] = { 0xc0 };

    listen_now(w);
    good = client_of(w);
    p = client_of(w);
    submits_add(&o, 3, one, sizeof one);
    assert_true(peer_send(&p, o.data, o.len - 1));
    out_done(&o);
    peer_close(&p);
    while (w->engine.gone == 0)
        pump(w);
    assert_int_equal(w->engine.submits, 0);
    request_served(&good);
    peer_close(&good);
}

/* ---- messages in pieces and large ones ---- */

static void test_net_frames_come_in_single_bytes(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };
    struct peer p;
    uint8_t one[] = { 0xc0 };

    listen_now(w);
    p = client_of(w);
    submits_add(&o, 5, one, sizeof one);
    request_add(&o, 1);
    for (size_t i = 0; i < o.len; i++)
        assert_true(peer_send(&p, o.data + i, 1));
    out_done(&o);
    while (w->engine.requests == 0)
        pump(w);
    assert_int_equal(w->engine.submits, 5);
    peer_close(&p);
}

static void test_net_large_payload_comes_back_whole(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };
    struct msg_end end;
    struct msg m;
    struct peer p;
    size_t bytes = GANGER_PAYLOAD_MAX;
    uint8_t *payload = malloc(bytes);

    assert_non_null(payload);
    for (size_t i = 0; i < bytes; i++)
        payload[i] = (uint8_t)(i * 2654435761u >> 24);
    w->engine.echo = true;
    listen_now(w);
    p = client_of(w);
    submits_add(&o, 1, payload, bytes);
    assert_true(peer_put(&p, &o));
    assert_int_equal(peer_next(&p, &m), 1);
    assert_int_equal(m.type, MSG_ACCEPTED);
    assert_int_equal(peer_next(&p, &m), 1);
    assert_int_equal(m.type, MSG_END);
    assert_int_equal(msg_read_end(&m, &end), 0);
    assert_int_equal(msg_close(&m), 0);
    assert_int_equal(end.outcome.len, bytes);
    assert_memory_equal(end.outcome.data, payload, bytes);
    request_served(&p);
    free(payload);
    peer_close(&p);
}

int main(int argc, char **argv)
{
    /* clang-format off: a name a line, for ctest */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_net_hello_opens_a_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_silent_peer_is_told_and_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_half_a_hello_is_ended_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_wrong_version_is_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_role_of_a_daemon_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_long_first_frame_is_refused_before_it_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_other_protocol_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_request_before_hello_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_garbage_ends_only_its_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_empty_frame_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_oversize_frame_is_refused_before_it_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_message_of_another_role_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_malformed_task_is_named_by_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_truncated_frame_and_leave_is_harmless, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_frames_come_in_single_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_large_payload_comes_back_whole, setup, teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
