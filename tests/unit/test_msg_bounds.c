/* Every bound of a message: at the bound accepted, one over it refused. */
#include "tests/support/msg_any.h"
#include "tests/support/test_main.h"

/* Long enough for all names and texts here. */
static uint8_t filler[GANGER_TEXT_MAX + 8];

/* Decode the message that O holds, as a body in memory of its exact size; empties O. */
static int decode(struct out *o)
{
    struct out again = { 0 };
    uint8_t *copy = exact_copy(o->data, o->len);
    int rc = any_again(copy, o->len, &again);

    free(copy);
    out_done(&again);
    out_done(o);
    return rc;
}

/* The start of a message with one item of FIELDS fields, or of a plain message. */
static void item(struct out *o, enum msg_type type, uint32_t fields)
{
    write_array(o, 2);
    write_uint(o, type);
    write_array(o, 1);
    write_array(o, fields);
}

static void plain(struct out *o, enum msg_type type, uint32_t fields)
{
    write_array(o, fields + 1);
    write_uint(o, type);
}

static void uints(struct out *o, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        write_uint(o, 1);
}

static int submit_with_names(size_t pool_len, size_t function_len)
{
    struct out o = { 0 };

    item(&o, MSG_SUBMIT, 6);
    uints(&o, 2);
    write_str(&o, filler, pool_len);
    write_map(&o, 0);
    write_str(&o, filler, function_len);
    write_bin(&o, "", 0);
    return decode(&o);
}

static void test_msg_name_over_bound_is_refused(void **state)
{
    struct out o = { 0 };

    (void)state;
    assert_int_equal(submit_with_names(GANGER_NAME_MAX, GANGER_NAME_MAX), 0);
    assert_int_equal(submit_with_names(GANGER_NAME_MAX + 1, 1), GANGER_ETOOBIG);
    assert_int_equal(submit_with_names(1, GANGER_NAME_MAX + 1), GANGER_ETOOBIG);
    for (size_t over = 0; over < 2; over++) {
        int want = over == 0 ? 0 : GANGER_ETOOBIG;
        size_t len = GANGER_NAME_MAX + over;
        struct msg_hello hello = { GANGER_PROTOCOL_VERSION, ROLE_AGENT, 0, { filler, len }, 1, 1, 1,
            1, 1, 0, 0 };
        struct msg_request request = { 1, VERB_ROOM, 0, { filler, len }, 0, 0 };

        msg_write_hello(&o, &hello);
        out_consume(&o, FRAME_HEAD_BYTES);
        assert_int_equal(decode(&o), want);
        msg_write_request(&o, &request);
        out_consume(&o, FRAME_HEAD_BYTES);
        assert_int_equal(decode(&o), want);
        item(&o, MSG_HAND, 8);
        uints(&o, 6);
        write_str(&o, filler, len);
        write_bin(&o, "", 0);
        assert_int_equal(decode(&o), want);
    }
}

/* All messages that carry bytes of a task: each with a payload or an outcome of LEN bytes. */
static void check_bytes(const uint8_t *bytes, size_t len, int want)
{
    struct out o = { 0 };

    item(&o, MSG_SUBMIT, 6);
    uints(&o, 2);
    write_str(&o, "p", 1);
    write_map(&o, 0);
    write_str(&o, "f", 1);
    write_bin(&o, bytes, len);
    assert_int_equal(decode(&o), want);
    item(&o, MSG_HAND, 8);
    uints(&o, 6);
    write_str(&o, "f", 1);
    write_bin(&o, bytes, len);
    assert_int_equal(decode(&o), want);
    item(&o, MSG_RESULT, 3);
    uints(&o, 1);
    write_int(&o, 0);
    write_bin(&o, bytes, len);
    assert_int_equal(decode(&o), want);
    item(&o, MSG_END, 6);
    uints(&o, 3);
    write_int(&o, 0);
    uints(&o, 1);
    write_bin(&o, bytes, len);
    assert_int_equal(decode(&o), want);
}

static void test_msg_payload_over_bound_is_refused(void **state)
{
    uint8_t *bytes = calloc(1, GANGER_PAYLOAD_MAX + 1);

    (void)state;
    assert_non_null(bytes);
    check_bytes(bytes, GANGER_PAYLOAD_MAX, 0);
    check_bytes(bytes, GANGER_PAYLOAD_MAX + 1, GANGER_ETOOBIG);
    free(bytes);
}

static void check_text(size_t len, int want)
{
    static const enum msg_type types[] = { MSG_ERROR, MSG_READY, MSG_AGENT };
    struct out o = { 0 };

    for (size_t i = 0; i < 3; i++) {
        plain(&o, types[i], 2);
        write_int(&o, -1);
        write_str(&o, filler, len);
        assert_int_equal(decode(&o), want);
    }
    plain(&o, MSG_PROGRESS, 5);
    uints(&o, 4);
    write_str(&o, filler, len);
    assert_int_equal(decode(&o), want);
    plain(&o, MSG_REPLY, 4);
    uints(&o, 1);
    write_int(&o, 0);
    write_str(&o, filler, len);
    write_nil(&o);
    assert_int_equal(decode(&o), want);
    item(&o, MSG_ACCEPTED, 4);
    uints(&o, 1);
    write_uint(&o, 0);
    write_int(&o, -5);
    write_str(&o, filler, len);
    assert_int_equal(decode(&o), want);
}

static void test_msg_text_over_bound_is_refused(void **state)
{
    (void)state;
    check_text(GANGER_TEXT_MAX, 0);
    check_text(GANGER_TEXT_MAX + 1, GANGER_ETOOBIG);
}

static void test_msg_text_over_bound_is_cut_by_the_encoder(void **state)
{
    struct out o = { 0 };
    struct msg m;
    struct msg_reply got, r = { 1, -9, { filler, sizeof filler }, { NULL, 0 } };

    (void)state;
    /* The character that would be cut through (two bytes) is left out as a whole. */
    filler[GANGER_TEXT_MAX - 1] = 0xc3;
    filler[GANGER_TEXT_MAX] = 0xa4;
    msg_write_reply(&o, &r);
    assert_int_equal(msg_open(o.data + 4, o.len - 4, &m), 0);
    assert_int_equal(msg_read_reply(&m, &got), 0);
    assert_int_equal(got.text.len, GANGER_TEXT_MAX - 1);
    out_done(&o);
}

static int batch_of(uint32_t count)
{
    struct out o = { 0 };

    write_array(&o, 2);
    write_uint(&o, MSG_ACCEPTED);
    write_array(&o, count);
    for (uint32_t i = 0; i < count; i++) {
        write_array(&o, 2);
        uints(&o, 2);
    }
    return decode(&o);
}

static void test_msg_batch_over_bound_is_refused(void **state)
{
    (void)state;
    assert_int_equal(batch_of(0), 0);
    assert_int_equal(batch_of(GANGER_BATCH_MAX), 0);
    assert_int_equal(batch_of(GANGER_BATCH_MAX + 1), GANGER_ETOOBIG);
}

/* Count the items of all frames in O, each of which must be within its bounds. */
static uint32_t items_in(const struct out *o, uint32_t *ret_frames)
{
    uint32_t items = 0;
    size_t at = 0;

    *ret_frames = 0;
    while (at < o->len) {
        const uint8_t *body;
        size_t len;
        struct msg m;
        int64_t n = frame_next(o->data + at, o->len - at, GANGER_FRAME_MAX, &body, &len, NULL);

        assert_true(n > 0);
        assert_int_equal(msg_open(body, len, &m), 0);
        items += m.count;
        at += (size_t)n;
        ++*ret_frames;
    }
    return items;
}

static void test_msg_batch_that_is_full_begins_another_frame(void **state)
{
    struct out o = { 0 };
    struct batch b;
    struct msg_accepted a = { 1, 1, 0, { NULL, 0 } };
    uint32_t frames;

    (void)state;
    batch_begin(&b, &o, MSG_ACCEPTED);
    for (uint32_t i = 0; i < GANGER_BATCH_MAX; i++)
        msg_add_accepted(&b, &o, &a);
    assert_int_equal(b.count, GANGER_BATCH_MAX);
    msg_add_accepted(&b, &o, &a);
    assert_int_equal(b.count, 1);
    batch_end(&b, &o);
    assert_int_equal(items_in(&o, &frames), GANGER_BATCH_MAX + 1);
    assert_int_equal(frames, 2);
    out_done(&o);
}

static void test_msg_batch_that_is_too_long_begins_another_frame(void **state)
{
    uint8_t *bytes = calloc(1, GANGER_PAYLOAD_MAX);
    struct out o = { 0 };
    struct batch b;
    struct msg_result r = { 1, 0, { bytes, GANGER_PAYLOAD_MAX } };
    uint32_t frames;

    (void)state;
    assert_non_null(bytes);
    batch_begin(&b, &o, MSG_RESULT);
    msg_add_result(&b, &o, &r);
    r.outcome.len = 1000000;
    msg_add_result(&b, &o, &r);
    msg_add_result(&b, &o, &r);
    batch_end(&b, &o);
    assert_int_equal(items_in(&o, &frames), 3);
    assert_int_equal(frames, 2);
    free(bytes);
    out_done(&o);
}

static void test_msg_batch_empty_leaves_no_trace(void **state)
{
    struct out o = { 0 };
    struct batch b;

    (void)state;
    write_nil(&o);
    batch_begin(&b, &o, MSG_HAND);
    batch_end(&b, &o);
    assert_int_equal(o.len, 1);
    out_done(&o);
}

static void test_msg_hand_call_is_copied_as_it_is(void **state)
{
    /* Not the shortest forms: a str 8 and a bin 16. */
    static const uint8_t call[] = { 0xd9, 1, 'f', 0xc5, 0, 1, 0x2a };
    struct out o = { 0 };
    struct batch b;
    struct msg_hand got, h = { .seq = 9, .call = { call, sizeof call } };
    struct msg m;

    (void)state;
    batch_begin(&b, &o, MSG_HAND);
    msg_add_hand(&b, &o, &h);
    batch_end(&b, &o);
    assert_memory_equal(o.data + o.len - sizeof call, call, sizeof call);
    assert_int_equal(msg_open(o.data + 4, o.len - 4, &m), 0);
    assert_int_equal(msg_read_hand(&m, &got), 0);
    assert_int_equal(got.function.len, 1);
    assert_int_equal(got.payload.data[0], 0x2a);
    out_done(&o);
}

/* A number in a field of an otherwise good message. */
static int with_code(int64_t code)
{
    struct out o = { 0 };

    plain(&o, MSG_ERROR, 2);
    write_int(&o, code);
    write_str(&o, "", 0);
    return decode(&o);
}

static int with_end(uint64_t how)
{
    struct out o = { 0 };

    item(&o, MSG_END, 6);
    uints(&o, 2);
    write_uint(&o, how);
    write_int(&o, 0);
    uints(&o, 1);
    write_bin(&o, "", 0);
    return decode(&o);
}

static int with_role(uint64_t role)
{
    struct out o = { 0 };

    plain(&o, MSG_HELLO, 7);
    uints(&o, 1);
    write_uint(&o, role);
    uints(&o, 1);
    write_str(&o, "", 0);
    write_array(&o, 5);
    uints(&o, 7);
    return decode(&o);
}

static int with_number(enum msg_type type, unsigned before, uint64_t number)
{
    struct out o = { 0 };

    plain(&o, type, before + 1);
    uints(&o, before);
    write_uint(&o, number);
    return decode(&o);
}

static int with_flags(uint64_t flags)
{
    struct out o = { 0 };

    item(&o, MSG_SUBMIT, 6);
    uints(&o, 1);
    write_uint(&o, flags);
    write_str(&o, "p", 1);
    write_map(&o, 0);
    write_str(&o, "f", 1);
    write_bin(&o, "", 0);
    return decode(&o);
}

static void test_msg_number_out_of_range_is_refused(void **state)
{
    (void)state;
    assert_int_equal(with_code(-(int64_t)GANGER_CODE_MAX), 0);
    assert_int_equal(with_code(-(int64_t)GANGER_CODE_MAX - 1), GANGER_EPROTO);
    assert_int_equal(with_code(1), GANGER_EPROTO);
    assert_int_equal(with_end(END_DONE), 0);
    assert_int_equal(with_end(END_DEAD), 0);
    assert_int_equal(with_end(0), GANGER_EPROTO);
    assert_int_equal(with_end(END_DEAD + 1), GANGER_EPROTO);
    assert_int_equal(with_role(ROLE_CLIENT), 0);
    assert_int_equal(with_role(ROLE_CHILD), 0);
    assert_int_equal(with_role(0), GANGER_EPROTO);
    assert_int_equal(with_role(ROLE_CHILD + 1), GANGER_EPROTO);
    assert_int_equal(with_number(MSG_RETURNED, 0, GANGER_HAND_MAX), 0);
    assert_int_equal(with_number(MSG_RETURNED, 0, GANGER_HAND_MAX + 1), GANGER_EPROTO);
    assert_int_equal(with_number(MSG_SIGNAL, 2, 64), 0);
    assert_int_equal(with_number(MSG_SIGNAL, 2, 65), GANGER_EPROTO);
    assert_int_equal(with_number(MSG_SPAWN, 1, UINT32_MAX), 0);
    assert_int_equal(with_number(MSG_SPAWN, 1, UINT64_C(1) << 32), GANGER_EPROTO);
    assert_int_equal(with_flags(TASK_WAIT | TASK_QUIET | TASK_CHUNK | TASK_DURABLE), 0);
    assert_int_equal(with_flags(TASK_NOT_DURABLE << 1), GANGER_EPROTO);
    assert_int_equal(with_flags(TASK_DURABLE | TASK_NOT_DURABLE), GANGER_EPROTO);
}

static int hand_with_limit(uint64_t limit_ms)
{
    struct out o = { 0 };

    item(&o, MSG_HAND, 8);
    uints(&o, 5);
    write_uint(&o, limit_ms);
    write_str(&o, "f", 1);
    write_bin(&o, "", 0);
    return decode(&o);
}

static void test_msg_hand_limit_out_of_range_is_refused(void **state)
{
    (void)state;
    assert_int_equal(hand_with_limit(GANGER_DURATION_MAX_MS), 0);
    assert_int_equal(hand_with_limit(GANGER_DURATION_MAX_MS + 1), GANGER_EPROTO);
}

static int accepted_of(uint32_t fields, uint64_t id, int64_t code)
{
    struct out o = { 0 };

    item(&o, MSG_ACCEPTED, fields);
    uints(&o, 1);
    write_uint(&o, id);
    if (fields > 2)
        write_int(&o, code);
    if (fields > 3)
        write_str(&o, "", 0);
    return decode(&o);
}

static void test_msg_refusal_without_reason_is_refused(void **state)
{
    (void)state;
    assert_int_equal(accepted_of(4, 0, -5), 0);
    assert_int_equal(accepted_of(2, 0, 0), GANGER_EPROTO);
    assert_int_equal(accepted_of(3, 0, -5), GANGER_EPROTO);
    assert_int_equal(accepted_of(4, 0, 0), GANGER_EPROTO);
    assert_int_equal(accepted_of(4, 7, -5), 0);
}

static void test_msg_hello_of_another_version_shows_its_version(void **state)
{
    struct out o = { 0 };
    struct msg m;
    struct msg_hello h;

    (void)state;
    plain(&o, MSG_HELLO, 2);
    write_uint(&o, 99);
    write_str(&o, "what comes here is not known", 28);
    assert_int_equal(msg_open(o.data, o.len, &m), 0);
    assert_int_equal(msg_read_hello(&m, &h), 0);
    assert_int_equal(h.version, 99);
    assert_int_equal(h.role, 0);
    out_done(&o);
}

static void test_msg_reply_too_long_for_a_frame_says_so(void **state)
{
    uint8_t *bytes = calloc(1, GANGER_FRAME_MAX);
    struct msg_reply got, r = { 4, 0, { NULL, 0 }, { bytes, GANGER_FRAME_MAX } };
    struct out o = { 0 };
    struct msg m;

    (void)state;
    assert_non_null(bytes);
    msg_write_reply(&o, &r);
    assert_int_equal(msg_open(o.data + 4, o.len - 4, &m), 0);
    assert_int_equal(msg_read_reply(&m, &got), 0);
    assert_int_equal(got.code, GANGER_ETOOBIG);
    assert_int_equal(got.value.len, 0);
    free(bytes);
    out_done(&o);
}

static void test_msg_type_of_no_message_is_opened(void **state)
{
    static const uint8_t body[] = { 0x91, 0xcd, 0x03, 0xe8 };
    struct msg m;

    (void)state;
    assert_int_equal(msg_open(body, sizeof body, &m), 0);
    assert_int_equal(m.type, 1000);
    assert_string_equal(msg_type_name(m.type), "?");
    assert_string_equal(msg_type_name(MSG_HAND), "HAND");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msg_name_over_bound_is_refused),
        cmocka_unit_test(test_msg_payload_over_bound_is_refused),
        cmocka_unit_test(test_msg_text_over_bound_is_refused),
        cmocka_unit_test(test_msg_text_over_bound_is_cut_by_the_encoder),
        cmocka_unit_test(test_msg_batch_over_bound_is_refused),
        cmocka_unit_test(test_msg_batch_that_is_full_begins_another_frame),
        cmocka_unit_test(test_msg_batch_that_is_too_long_begins_another_frame),
        cmocka_unit_test(test_msg_batch_empty_leaves_no_trace),
        cmocka_unit_test(test_msg_hand_call_is_copied_as_it_is),
        cmocka_unit_test(test_msg_number_out_of_range_is_refused),
        cmocka_unit_test(test_msg_hand_limit_out_of_range_is_refused),
        cmocka_unit_test(test_msg_refusal_without_reason_is_refused),
        cmocka_unit_test(test_msg_hello_of_another_version_shows_its_version),
        cmocka_unit_test(test_msg_reply_too_long_for_a_frame_says_so),
        cmocka_unit_test(test_msg_type_of_no_message_is_opened),
    };

    memset(filler, 'a', sizeof filler);
    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
