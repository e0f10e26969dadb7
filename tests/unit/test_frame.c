#include "tests/support/test_main.h"

#include "proto/err.h"
#include "proto/frame.h"

#include <stdlib.h>
#include <string.h>

static void test_frame_next_incomplete_head_needs_more(void **state)
{
    const uint8_t *body = NULL;
    size_t len = 0, need = 99;

    (void)state;
    for (size_t n = 0; n < FRAME_HEAD_BYTES; n++) {
        uint8_t *data = calloc(1, n + 1);

        assert_non_null(data);
        assert_int_equal(frame_next(data, n, 100, &body, &len, &need), 0);
        assert_int_equal(need, 0);
        free(data);
    }
    assert_null(body);
}

static void test_frame_next_incomplete_body_says_how_much(void **state)
{
    static const uint8_t data[] = { 0, 0, 1, 2, 7, 7 };
    const uint8_t *body = NULL;
    size_t len = 0, need = 0;

    (void)state;
    assert_int_equal(frame_next(data, sizeof data, 1000, &body, &len, &need), 0);
    assert_int_equal(need, 4 + 258);
    assert_int_equal(frame_next(data, sizeof data, 1000, &body, &len, NULL), 0);
    assert_null(body);
}

static void test_frame_next_whole_frame_gives_its_body(void **state)
{
    static const uint8_t data[] = { 0, 0, 0, 2, 7, 8, 0, 0 };
    const uint8_t *body = NULL;
    size_t len = 0, need = 0;

    (void)state;
    assert_int_equal(frame_next(data, 6, 2, &body, &len, &need), 6);
    assert_ptr_equal(body, data + 4);
    assert_int_equal(len, 2);
    assert_int_equal(need, 6);
    assert_int_equal(frame_next(data, sizeof data, 2, &body, &len, NULL), 6);
}

static void test_frame_next_over_bound_is_refused(void **state)
{
    static const uint8_t at[] = { 0, 1, 0, 0 };
    static const uint8_t over[] = { 0, 1, 0, 1 };
    static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff };
    const uint8_t *body;
    size_t len;

    (void)state;
    assert_int_equal(frame_next(at, 4, 65536, &body, &len, NULL), 0);
    assert_int_equal(frame_next(over, 4, 65536, &body, &len, NULL), GANGER_ETOOBIG);
    assert_int_equal(frame_next(huge, 4, 65536, &body, &len, NULL), GANGER_ETOOBIG);
}

static void test_frame_next_empty_frame_is_refused(void **state)
{
    static const uint8_t data[] = { 0, 0, 0, 0 };
    const uint8_t *body;
    size_t len;

    (void)state;
    assert_int_equal(frame_next(data, 4, 10, &body, &len, NULL), GANGER_EPROTO);
}

static void put(struct out *o, int byte, size_t count)
{
    uint8_t *p = out_room(o, count);

    assert_non_null(p);
    memset(p, byte, count);
    o->len += count;
}

static void test_frame_end_fills_the_length_in(void **state)
{
    struct out o = { 0 };
    const uint8_t *body;
    size_t mark, len;

    (void)state;
    put(&o, 'x', 3);
    mark = frame_begin(&o);
    put(&o, 'y', 70000);
    frame_end(&o, mark);
    assert_int_equal(frame_next(o.data + 3, o.len - 3, 100000, &body, &len, NULL), 70004);
    assert_int_equal(len, 70000);
    out_done(&o);
}

static void test_out_room_keeps_what_was_written(void **state)
{
    struct out o = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++)
        put(&o, i & 0xff, 97);
    assert_int_equal(o.len, 97000);
    for (size_t i = 0; i < o.len; i++)
        assert_int_equal(o.data[i], (int)(i / 97) & 0xff);
    out_done(&o);
    assert_null(o.data);
    assert_int_equal(o.len + o.cap + o.sent, 0);
}

/* A stream of numbered bytes through the buffer, written and taken in chunks of other sizes. */
static void test_out_consume_gives_the_bytes_in_order(void **state)
{
    struct out o = { 0 };
    size_t written = 0, taken = 0;

    (void)state;
    for (size_t step = 1; step < 4000; step++) {
        size_t more = step * 7919 % 613;
        uint8_t *p = out_room(&o, more);
        size_t less;

        for (size_t i = 0; i < more; i++)
            p[i] = (uint8_t)(written++ * 31);
        o.len += more;
        less = step * 104729 % 601;
        less = less < o.len ? less : o.len;
        for (size_t i = 0; i < less; i++)
            assert_int_equal(o.data[i], (uint8_t)(taken++ * 31));
        out_consume(&o, less);
        assert_int_equal(o.len, written - taken);
    }
    assert_true(taken > 100000);
    out_done(&o);
}

static void test_out_consume_all_reuses_the_memory(void **state)
{
    struct out o = { 0 };
    const uint8_t *first;

    (void)state;
    put(&o, 1, 4000);
    first = o.data;
    out_consume(&o, 4000);
    put(&o, 2, 4000);
    assert_ptr_equal(o.data, first);
    assert_int_equal(o.cap, 4096);
    out_done(&o);
}

static void test_out_consume_does_not_move_the_rest_each_time(void **state)
{
    struct out o = { 0 };
    const uint8_t *first;

    (void)state;
    put(&o, 1, 4000);
    first = o.data;
    out_consume(&o, 10);
    assert_ptr_equal(o.data, first + 10);
    out_consume(&o, 3980);
    put(&o, 2, 4000);
    assert_ptr_equal(o.data, first);
    assert_int_equal(o.data[9], 1);
    assert_int_equal(o.data[10], 2);
    out_done(&o);
}

/* A peer that takes what is given to it, but never all: moving must not cost more than sending. */
static void test_out_that_is_never_empty_moves_less_than_it_sends(void **state)
{
    const size_t message = 1000, most = 64 * message;
    uint64_t moved = 0, sent = 0;
    struct out o = { 0 };

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        size_t before = o.sent;
        uint8_t *p = out_room(&o, message);

        assert_non_null(p);
        if (o.sent < before)
            moved += o.len;
        memset(p, 0, message);
        o.len += message;
        if (o.len < most)
            continue;
        out_consume(&o, message);
        sent += message;
    }
    assert_true(moved <= sent);
    assert_true(o.cap + o.sent <= 4 * most);
    out_done(&o);
}

static void test_out_consume_gives_a_large_buffer_back(void **state)
{
    struct out o = { 0 };

    (void)state;
    put(&o, 1, 17u << 20);
    out_consume(&o, (17u << 20) - 1);
    assert_non_null(o.data);
    out_consume(&o, 1);
    assert_null(o.data);
    assert_int_equal(o.cap, 0);
    put(&o, 2, 5);
    out_done(&o);
}

static void test_out_room_failure_is_sticky_and_drops_the_frame(void **state)
{
    struct out o = { 0 };
    size_t mark;

    (void)state;
    put(&o, 1, 5);
    mark = frame_begin(&o);
    put(&o, 2, 5);
    assert_null(out_room(&o, SIZE_MAX / 2));
    assert_int_equal(o.failed, GANGER_ENOMEM);
    assert_null(out_room(&o, 1));
    frame_end(&o, mark);
    assert_int_equal(o.len, 5);
    assert_int_equal(frame_begin(&o), 5);
    assert_int_equal(o.len, 5);
    out_done(&o);
    assert_int_equal(o.failed, 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_next_incomplete_head_needs_more),
        cmocka_unit_test(test_frame_next_incomplete_body_says_how_much),
        cmocka_unit_test(test_frame_next_whole_frame_gives_its_body),
        cmocka_unit_test(test_frame_next_over_bound_is_refused),
        cmocka_unit_test(test_frame_next_empty_frame_is_refused),
        cmocka_unit_test(test_frame_end_fills_the_length_in),
        cmocka_unit_test(test_out_room_keeps_what_was_written),
        cmocka_unit_test(test_out_consume_gives_the_bytes_in_order),
        cmocka_unit_test(test_out_consume_all_reuses_the_memory),
        cmocka_unit_test(test_out_consume_does_not_move_the_rest_each_time),
        cmocka_unit_test(test_out_that_is_never_empty_moves_less_than_it_sends),
        cmocka_unit_test(test_out_consume_gives_a_large_buffer_back),
        cmocka_unit_test(test_out_room_failure_is_sticky_and_drops_the_frame),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
