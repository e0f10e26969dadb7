/* The encoder's shortest forms, the decoder's bounds, and its sticky error. */
#include "tests/support/msg_any.h"
#include "tests/support/test_main.h"

#include "proto/pack.h"

static void assert_written(struct out *o, const char *bytes, size_t len)
{
    assert_int_equal(o->len, len);
    assert_memory_equal(o->data, bytes, len);
    out_done(o);
}

#define ASSERT_WRITTEN(o, literal) assert_written(o, literal, sizeof(literal) - 1)

static void test_pack_uint_takes_the_shortest_form(void **state)
{
    static const struct {
        uint64_t v;
        const char *bytes;
        size_t len;
    } rows[] = {
        { 0, "\x00", 1 },
        { 127, "\x7f", 1 },
        { 128, "\xcc\x80", 2 },
        { 255, "\xcc\xff", 2 },
        { 256, "\xcd\x01\x00", 3 },
        { 65535, "\xcd\xff\xff", 3 },
        { 65536, "\xce\x00\x01\x00\x00", 5 },
        { UINT32_MAX, "\xce\xff\xff\xff\xff", 5 },
        { UINT64_C(1) << 32, "\xcf\x00\x00\x00\x01\x00\x00\x00\x00", 9 },
        { UINT64_MAX, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct out o = { 0 };

        write_uint(&o, rows[i].v);
        assert_written(&o, rows[i].bytes, rows[i].len);
        write_int(&o, (int64_t)(rows[i].v & INT64_MAX));
        if (rows[i].v <= INT64_MAX)
            assert_written(&o, rows[i].bytes, rows[i].len);
        out_done(&o);
    }
}

static void test_pack_int_takes_the_shortest_form(void **state)
{
    static const struct {
        int64_t v;
        const char *bytes;
        size_t len;
    } rows[] = {
        { -1, "\xff", 1 },
        { -32, "\xe0", 1 },
        { -33, "\xd0\xdf", 2 },
        { -128, "\xd0\x80", 2 },
        { -129, "\xd1\xff\x7f", 3 },
        { -32768, "\xd1\x80\x00", 3 },
        { -32769, "\xd2\xff\xff\x7f\xff", 5 },
        { INT32_MIN, "\xd2\x80\x00\x00\x00", 5 },
        { (int64_t)INT32_MIN - 1, "\xd3\xff\xff\xff\xff\x7f\xff\xff\xff", 9 },
        { INT64_MIN, "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct out o = { 0 };

        write_int(&o, rows[i].v);
        assert_written(&o, rows[i].bytes, rows[i].len);
    }
}

static void test_pack_small_values_are_as_msgpack_says(void **state)
{
    struct out o = { 0 };

    (void)state;
    write_nil(&o);
    write_bool(&o, false);
    write_bool(&o, true);
    write_str(&o, "ab", 2);
    write_str(&o, NULL, 0);
    write_bin(&o, "c", 1);
    write_bin(&o, NULL, 0);
    write_array(&o, 15);
    write_array(&o, 16);
    write_map(&o, 15);
    write_map(&o, 16);
    write_raw(&o, "\xca", 1);
    write_raw(&o, NULL, 0);
    ASSERT_WRITTEN(&o, "\xc0\xc2\xc3\xa2"
                       "ab\xa0\xc4\x01"
                       "c\xc4\x00\x9f\xdc\x00\x10\x8f\xde\x00\x10\xca");
    write_array(&o, 65535);
    write_array(&o, 65536);
    write_map(&o, 65535);
    write_map(&o, 65536);
    ASSERT_WRITTEN(&o, "\xdc\xff\xff\xdd\x00\x01\x00\x00\xde\xff\xff\xdf\x00\x01\x00\x00");
}

/* A str and a bin of LEN bytes: their heads, and that they are read back at their bound only. */
static void check_length(
    size_t len, const char *str_head, size_t str_bytes, const char *bin_head, size_t bin_bytes)
{
    uint8_t *data = calloc(1, len + 1);
    struct out o = { 0 };
    struct cursor c;
    uint8_t *copy;

    assert_non_null(data);
    write_str(&o, data, len);
    assert_int_equal(o.len, str_bytes + len);
    assert_memory_equal(o.data, str_head, str_bytes);
    write_bin(&o, data, len);
    assert_int_equal(o.len, str_bytes + bin_bytes + 2 * len);
    assert_memory_equal(o.data + str_bytes + len, bin_head, bin_bytes);
    copy = exact_copy(o.data, o.len);
    c = cursor_make(copy, o.len);
    assert_int_equal(read_str(&c, len).len, len);
    assert_int_equal(read_bin(&c, len).len, len);
    assert_int_equal(c.error, 0);
    assert_ptr_equal(c.at, c.end);
    if (len > 0) {
        c = cursor_make(copy, o.len);
        assert_null(read_str(&c, len - 1).data);
        assert_int_equal(c.error, GANGER_ETOOBIG);
        c = cursor_make(copy + str_bytes + len, o.len - str_bytes - len - 1);
        assert_null(read_bin(&c, len).data);
        assert_int_equal(c.error, GANGER_EPROTO);
    }
    free(copy);
    free(data);
    out_done(&o);
}

static void test_pack_lengths_take_the_shortest_form(void **state)
{
    (void)state;
    check_length(0, "\xa0", 1, "\xc4\x00", 2);
    check_length(31, "\xbf", 1, "\xc4\x1f", 2);
    check_length(32, "\xd9\x20", 2, "\xc4\x20", 2);
    check_length(255, "\xd9\xff", 2, "\xc4\xff", 2);
    check_length(256, "\xda\x01\x00", 3, "\xc5\x01\x00", 3);
    check_length(65535, "\xda\xff\xff", 3, "\xc5\xff\xff", 3);
    check_length(65536, "\xdb\x00\x01\x00\x00", 5, "\xc6\x00\x01\x00\x00", 5);
}

static void test_pack_longer_forms_are_read(void **state)
{
    static const uint8_t data[] = { 0xcf, 0, 0, 0, 0, 0, 0, 0, 5, 0xd0, 5, 0xd3, 0, 0, 0, 0, 0, 0,
        0, 5, 0xdb, 0, 0, 0, 1, 'x', 0xc6, 0, 0, 0, 1, 'y', 0xdd, 0, 0, 0, 1, 0xdf, 0, 0, 0, 0,
        0xd2, 0xff, 0xff, 0xff, 0xff };
    uint8_t *copy = exact_copy(data, sizeof data);
    struct cursor c = cursor_make(copy, sizeof data);

    (void)state;
    assert_int_equal(read_uint(&c, 5), 5);
    assert_int_equal(read_uint(&c, 5), 5);
    assert_int_equal(read_uint(&c, 5), 5);
    assert_int_equal(*read_str(&c, 1).data, 'x');
    assert_int_equal(*read_bin(&c, 1).data, 'y');
    assert_int_equal(read_array(&c, 1), 1);
    assert_int_equal(read_map(&c, 0), 0);
    assert_int_equal(read_int(&c), -1);
    assert_int_equal(c.error, 0);
    assert_ptr_equal(c.at, c.end);
    free(copy);
}

static void test_pack_uint_over_its_bound_is_refused(void **state)
{
    static const uint8_t data[] = { 0x05, 0xcc, 0xff, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct cursor c = cursor_make(data, sizeof data);

    (void)state;
    assert_int_equal(read_uint(&c, 5), 5);
    assert_int_equal(read_uint(&c, 255), 255);
    c = cursor_make(data, sizeof data);
    assert_int_equal(read_uint(&c, 4), 0);
    assert_int_equal(c.error, GANGER_EPROTO);
    c = cursor_make(data + 1, sizeof data - 1);
    assert_int_equal(read_uint(&c, 254), 0);
    assert_int_equal(c.error, GANGER_EPROTO);
}

static void test_pack_error_stays_and_ends_the_reading(void **state)
{
    static const uint8_t data[] = { 0x01, 0xc3, 0xa1, 'x', 0x91, 0xc0, 0x80 };
    struct cursor c = cursor_make(data, sizeof data);

    (void)state;
    assert_false(read_bool(&c)); /* it is a number */
    assert_int_equal(c.error, GANGER_EPROTO);
    assert_int_equal(read_uint(&c, 9), 0);
    assert_int_equal(read_int(&c), 0);
    assert_false(read_bool(&c));
    assert_null(read_str(&c, 9).data);
    assert_null(read_bin(&c, 9).data);
    assert_int_equal(read_array(&c, 9), 0);
    assert_int_equal(read_map(&c, 9), 0);
    assert_false(read_nil(&c));
    read_skip(&c);
    assert_null(read_raw(&c).data);
    assert_int_equal(c.error, GANGER_EPROTO);
}

static void test_pack_count_over_its_bound_or_the_bytes_is_refused(void **state)
{
    static const uint8_t data[] = { 0x93, 1, 2, 3 };
    static const uint8_t huge[] = { 0xdd, 0xff, 0xff, 0xff, 0xff, 0 };
    static const uint8_t map[] = { 0x82, 1, 2, 3 };
    struct cursor c = cursor_make(data, sizeof data);

    (void)state;
    assert_int_equal(read_array(&c, 3), 3);
    c = cursor_make(data, sizeof data);
    assert_int_equal(read_array(&c, 2), 0);
    assert_int_equal(c.error, GANGER_ETOOBIG);
    c = cursor_make(data, sizeof data - 1);
    assert_int_equal(read_array(&c, 3), 0);
    assert_int_equal(c.error, GANGER_EPROTO);
    c = cursor_make(huge, sizeof huge);
    assert_int_equal(read_array(&c, UINT32_MAX), 0);
    assert_int_equal(c.error, GANGER_EPROTO);
    c = cursor_make(map, sizeof map);
    assert_int_equal(read_map(&c, 1), 0);
    assert_int_equal(c.error, GANGER_ETOOBIG);
    c = cursor_make(map, sizeof map);
    assert_int_equal(read_map(&c, 2), 0);
    assert_int_equal(c.error, GANGER_EPROTO);
}

static void test_pack_raw_gives_the_bytes_of_one_value(void **state)
{
    static const uint8_t data[] = { 0x92, 0xa1, 'x', 0x81, 0x01, 0xc0, 0x07 };
    struct cursor c = cursor_make(data, sizeof data);
    struct slice raw = read_raw(&c);

    (void)state;
    assert_ptr_equal(raw.data, data);
    assert_int_equal(raw.len, 6);
    assert_int_equal(read_uint(&c, 7), 7);
}

/* DEPTH arrays inside one another around a nil, or around nothing. */
static bool nested_valid(size_t depth, bool empty)
{
    uint8_t data[GANGER_VALUE_DEPTH + 4];

    memset(data, 0x91, depth);
    data[depth] = 0xc0;
    if (empty)
        data[depth - 1] = 0x90;
    return value_valid(data, empty ? depth : depth + 1);
}

static void test_pack_value_nested_too_deep_is_refused(void **state)
{
    (void)state;
    assert_true(nested_valid(GANGER_VALUE_DEPTH, false));
    assert_true(nested_valid(GANGER_VALUE_DEPTH, true));
    assert_false(nested_valid(GANGER_VALUE_DEPTH + 1, false));
    assert_false(nested_valid(GANGER_VALUE_DEPTH + 1, true));
}

static void test_pack_value_valid_wants_exactly_one(void **state)
{
    static const uint8_t two[] = { 0x01, 0x02 };
    static const uint8_t never[] = { 0xc1 };

    (void)state;
    assert_true(value_valid(two, 1));
    assert_false(value_valid(two, 2));
    assert_false(value_valid(two, 0));
    assert_false(value_valid(NULL, 0));
    assert_false(value_valid(never, 1));
}

static void test_pack_writing_after_failure_does_nothing(void **state)
{
    struct out o = { .failed = GANGER_ENOMEM };

    (void)state;
    write_uint(&o, 1);
    write_int(&o, -1);
    write_bool(&o, true);
    write_nil(&o);
    write_str(&o, "x", 1);
    write_bin(&o, "x", 1);
    write_array(&o, 1);
    write_map(&o, 1);
    write_raw(&o, "x", 1);
    msg_write_error(&o, GANGER_EIO, "x");
    assert_int_equal(o.len, 0);
    assert_null(o.data);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_uint_takes_the_shortest_form),
        cmocka_unit_test(test_pack_int_takes_the_shortest_form),
        cmocka_unit_test(test_pack_small_values_are_as_msgpack_says),
        cmocka_unit_test(test_pack_lengths_take_the_shortest_form),
        cmocka_unit_test(test_pack_longer_forms_are_read),
        cmocka_unit_test(test_pack_uint_over_its_bound_is_refused),
        cmocka_unit_test(test_pack_error_stays_and_ends_the_reading),
        cmocka_unit_test(test_pack_count_over_its_bound_or_the_bytes_is_refused),
        cmocka_unit_test(test_pack_raw_gives_the_bytes_of_one_value),
        cmocka_unit_test(test_pack_value_nested_too_deep_is_refused),
        cmocka_unit_test(test_pack_value_valid_wants_exactly_one),
        cmocka_unit_test(test_pack_writing_after_failure_does_nothing),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
