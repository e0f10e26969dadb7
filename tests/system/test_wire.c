/* What comes over the socket and is no Ganger: each gets a clear error, and others are served. */
#include "proto/err.h"
#include "proto/msg.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char yaml[] = "limits:\n"
                           "  handshake: 300ms\n"
                           "pools:\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 1\n";

static int raw_connect(const struct daemon *d)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)strncpy(name.sun_path, daemon_socket(d), sizeof name.sun_path - 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void raw_send(int fd, const void *data, size_t bytes)
{
    assert_int_equal(send(fd, data, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
}

/* Read until the daemon closes; gives the code of the ERROR it ended with, 0 for none. */
static int raw_error(int fd, char *text, size_t text_bytes)
{
    static uint8_t data[1 << 16];
    size_t have = 0, at = 0;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    const uint8_t *body;
    size_t body_bytes;
    int code = 0;
    int64_t used;

    while (have < sizeof data) {
        ssize_t got;

        assert_int_equal(poll(&p, 1, DAEMON_WAIT_MS), 1);
        got = recv(fd, data + have, sizeof data - have, 0);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    while (
        (used = frame_next(data + at, have - at, GANGER_FRAME_MAX, &body, &body_bytes, NULL)) > 0) {
        struct msg m;
        struct msg_error e;

        at += (size_t)used;
        if (msg_open(body, body_bytes, &m) == 0 && m.type == MSG_ERROR &&
            msg_read_error(&m, &e) == 0) {
            code = e.code;
            (void)snprintf(text, text_bytes, "%.*s", (int)e.text.len, (const char *)e.text.data);
        }
    }
    (void)close(fd);
    return code;
}

static struct out hello_of(uint32_t version)
{
    struct out o = { 0 };

    msg_write_hello(&o, &(struct msg_hello){ .version = version,
                            .role = ROLE_CLIENT,
                            .name = { (const uint8_t *)"raw", 3 },
                            .frame_max = GANGER_FRAME_MAX,
                            .payload_max = GANGER_PAYLOAD_MAX,
                            .name_max = GANGER_NAME_MAX,
                            .batch_max = GANGER_BATCH_MAX,
                            .needs_max = GANGER_NEEDS_MAX,
                            .pid = 1 });
    return o;
}

/* Send bytes, after a hello or not, and see which error comes; another client is served then. */
static void expect(bool greet, const void *data, size_t bytes, bool shut, int code)
{
    struct scene s = scene_open(yaml);
    struct out hello = hello_of(GANGER_PROTOCOL_VERSION);
    int fd = raw_connect(s.d);
    char text[256] = "";

    if (greet)
        raw_send(fd, hello.data, hello.len);
    raw_send(fd, data, bytes);
    if (shut)
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(raw_error(fd, text, sizeof text), code);
    if (code != 0)
        assert_true(strlen(text) > 3);
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    out_done(&hello);
    scene_close(&s);
}

static void test_wire_garbage_at_first_gets_an_error(void **state)
{
    (void)state;
    expect(false, "GET / HTTP/1.1\r\n\r\n", 18, false, GANGER_EPROTO);
}

static void test_wire_no_msgpack_in_a_frame_gets_an_error(void **state)
{
    (void)state;
    expect(false, "\0\0\0\4\xc1\xc1\xc1\xc1", 8, false, GANGER_EPROTO);
}

static void test_wire_garbage_after_the_hello_gets_an_error(void **state)
{
    (void)state;
    expect(true, "\0\0\0\4\x94\x0a\xc1\xc1", 8, false, GANGER_EPROTO);
}

static void test_wire_empty_frame_gets_an_error(void **state)
{
    (void)state;
    expect(true, "\0\0\0\0", 4, false, GANGER_EPROTO);
}

static void test_wire_oversize_frame_gets_an_error(void **state)
{
    (void)state;
    expect(true, "\x7f\xff\xff\xff", 4, false, GANGER_ETOOBIG);
}

static void test_wire_unknown_type_gets_an_error(void **state)
{
    (void)state;
    expect(true, "\0\0\0\2\x91\x63", 6, false, GANGER_EPROTO);
}

static void test_wire_message_of_an_agent_gets_an_error(void **state)
{
    (void)state;
    expect(true, "\0\0\0\4\x93\x2e\0\xa0", 8, false, GANGER_EPROTO);
}

static void test_wire_truncated_frame_and_end_disturbs_nobody(void **state)
{
    (void)state;
    expect(true, "\0\0\0\x20\x92\x0a", 6, true, 0);
}

static void test_wire_truncated_hello_and_silence_ends_in_time(void **state)
{
    (void)state;
    expect(false, "\0\0\0\x1a\x98", 5, false, GANGER_ETIMEDOUT);
}

static void test_wire_wrong_version_is_refused(void **state)
{
    struct out hello = hello_of(99);

    (void)state;
    expect(false, hello.data, hello.len, false, GANGER_EVERSION);
    out_done(&hello);
}

static void test_wire_agent_of_an_unknown_pool_is_refused(void **state)
{
    struct out o = { 0 };

    (void)state;
    msg_write_hello(&o, &(struct msg_hello){ .version = GANGER_PROTOCOL_VERSION,
                            .role = ROLE_AGENT,
                            .name = { (const uint8_t *)"nowhere", 7 },
                            .frame_max = GANGER_FRAME_MAX,
                            .payload_max = GANGER_PAYLOAD_MAX,
                            .name_max = GANGER_NAME_MAX,
                            .batch_max = GANGER_BATCH_MAX,
                            .needs_max = GANGER_NEEDS_MAX });
    expect(false, o.data, o.len, false, GANGER_ENOPOOL);
    out_done(&o);
}

static void test_wire_unknown_verb_gets_a_reply_and_the_connection_lives(void **state)
{
    static uint8_t data[4096];
    struct scene s = scene_open(yaml);
    struct out o = hello_of(GANGER_PROTOCOL_VERSION);
    int fd = raw_connect(s.d), replies = 0;
    size_t have = 0, at = 0, body_bytes;
    const uint8_t *body;
    struct msg_reply reply;

    (void)state;
    msg_write_request(&o, &(struct msg_request){ .req = 5, .verb = 77 });
    msg_write_request(&o, &(struct msg_request){ .req = 6, .verb = VERB_PING });
    raw_send(fd, o.data, o.len);
    while (replies < 2) {
        int64_t used = frame_next(data + at, have - at, GANGER_FRAME_MAX, &body, &body_bytes, NULL);
        struct msg m;

        if (used <= 0) {
            ssize_t got = recv(fd, data + have, sizeof data - have, 0);

            assert_true(got > 0);
            have += (size_t)got;
            continue;
        }
        at += (size_t)used;
        assert_int_equal(msg_open(body, body_bytes, &m), 0);
        if (m.type != MSG_REPLY)
            continue;
        assert_int_equal(msg_read_reply(&m, &reply), 0);
        assert_int_equal(reply.req, 5 + replies);
        assert_int_equal(reply.code, replies == 0 ? GANGER_EINVAL : 0);
        replies++;
    }
    (void)close(fd);
    out_done(&o);
    scene_close(&s);
}

static void submit_raw(struct out *o, const char *pool, const char *payload, size_t bytes)
{
    struct batch b;
    struct msg_submit m = { .req = 9,
        .flags = TASK_WAIT,
        .pool = { (const uint8_t *)pool, strlen(pool) },
        .function = { (const uint8_t *)"echo", 4 },
        .payload = { (const uint8_t *)payload, bytes } };

    batch_begin(&b, o, MSG_SUBMIT);
    msg_add_submit(&b, o, &m);
    batch_end(&b, o);
}

/* A client library would not send this; the worker is the first who looks at it. */
static void test_wire_payload_that_is_no_msgpack_fails_its_task_only(void **state)
{
    static uint8_t data[8192];
    struct scene s = scene_open(yaml);
    struct out o = hello_of(GANGER_PROTOCOL_VERSION);
    int fd = raw_connect(s.d);
    size_t have = 0, at = 0, body_bytes;
    const uint8_t *body;
    struct msg_end end = { 0 };

    (void)state;
    submit_raw(&o, "mod", "\xc1\xc1", 2);
    raw_send(fd, o.data, o.len);
    while (end.req != 9) {
        int64_t used = frame_next(data + at, have - at, GANGER_FRAME_MAX, &body, &body_bytes, NULL);
        struct msg m;

        if (used <= 0) {
            ssize_t got = recv(fd, data + have, sizeof data - have, 0);

            assert_true(got > 0);
            have += (size_t)got;
            continue;
        }
        at += (size_t)used;
        assert_int_equal(msg_open(body, body_bytes, &m), 0);
        if (m.type == MSG_END)
            assert_int_equal(msg_read_end(&m, &end), 0);
    }
    assert_int_equal(end.end, END_FAILED);
    assert_int_equal(end.code, GANGER_EDECODE);
    (void)close(fd);
    out_done(&o);
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    assert_int_equal(ask_int(s.g, GANGER_POOLS, 0, "mod", "deaths"), 0);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_garbage_at_first_gets_an_error),
        cmocka_unit_test(test_wire_no_msgpack_in_a_frame_gets_an_error),
        cmocka_unit_test(test_wire_garbage_after_the_hello_gets_an_error),
        cmocka_unit_test(test_wire_empty_frame_gets_an_error),
        cmocka_unit_test(test_wire_oversize_frame_gets_an_error),
        cmocka_unit_test(test_wire_unknown_type_gets_an_error),
        cmocka_unit_test(test_wire_message_of_an_agent_gets_an_error),
        cmocka_unit_test(test_wire_truncated_frame_and_end_disturbs_nobody),
        cmocka_unit_test(test_wire_truncated_hello_and_silence_ends_in_time),
        cmocka_unit_test(test_wire_wrong_version_is_refused),
        cmocka_unit_test(test_wire_agent_of_an_unknown_pool_is_refused),
        cmocka_unit_test(test_wire_payload_that_is_no_msgpack_fails_its_task_only),
        cmocka_unit_test(test_wire_unknown_verb_gets_a_reply_and_the_connection_lives),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
