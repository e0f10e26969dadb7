#include "json.h"
#include "value.h"

#include "ganger/err.h"
#include "tests/support/test_main.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int read_text(const char *text, struct buf *out)
{
    return json_read(text, strlen(text), out, NULL);
}

static void assert_pair(const char *text, const char *expected)
{
    struct buf packed = { 0 }, again = { 0 };

    assert_int_equal(read_text(text, &packed), 0);
    assert_true(value_is_one(packed.data, packed.len));
    assert_int_equal(json_write(packed.data, packed.len, &again), 0);
    buf_char(&again, '\0');
    assert_string_equal(again.data, expected);
    buf_done(&packed);
    buf_done(&again);
}

static void test_json_values_come_back_the_same(void **state)
{
    static const char *const texts[] = { "null", "true", "false", "0", "-1", "127", "128", "65536",
        "-129", "18446744073709551615", "-9223372036854775808", "1.5", "-0.25", "1e+300", "0.1",
        "5e-324", "\"\"", "\"a\\nb\\\"\\\\\\u0001\"", "[]", "{}", "[1,[2,{\"a\":null}],\"x\"]",
        "{\"a\":{\"b\":[]},\"c\":-3}", "[[[[[[[[]]]]]]]]", "\"\xe2\x82\xac \xf0\x9f\x98\x80\"" };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_pair(texts[i], texts[i]);
}

static void test_json_other_spellings_mean_the_same(void **state)
{
    (void)state;
    assert_pair(" \t\r\n[ 1 , 2 ] ", "[1,2]");
    assert_pair("{ \"a\" : 1 }", "{\"a\":1}");
    assert_pair(
        "\"\\u20ac\\ud83d\\ude00\\/\\u0041\\u00E9\"", "\"\xe2\x82\xac\xf0\x9f\x98\x80/A\xc3\xa9\"");
    assert_pair("\"\\b\\f\\r\\t\"", "\"\\b\\f\\r\\t\"");
    assert_pair("1.0", "1.0");
    assert_pair("1E2", "100.0");
    assert_pair("-0", "0");
    assert_pair("1e-400", "0.0");
}

static void test_json_what_is_none_is_refused_and_leaves_nothing(void **state)
{
    static const char *const texts[] = { "", " ", "nul", "nulll", "TRUE", "01", "+1", "-", ".5",
        "5.", "1e", "1e+", "0x10", "1 2", "[", "]", "[1,", "[1,]", "[,1]", "{", "{\"a\"}",
        "{\"a\":}", "{a:1}", "{\"a\":1,}", "{1:2}", "\"", "\"a", "\"\\", "\"\\x\"", "\"\\u12\"",
        "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"",
        "\"\x80\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "'a'", "NaN",
        "Infinity", "18446744073709551616", "-9223372036854775809", "1e999", "[1]]", "/**/1",
        "\xef\xbb\xbf\x31", "\"\\u 041\"" };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct buf b = { 0 };

        buf_char(&b, 'x');
        if (read_text(texts[i], &b) != GANGER_EDECODE)
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(b.len, 1);
        buf_done(&b);
    }
}

static void test_json_error_offset_points_at_the_fault(void **state)
{
    struct buf b = { 0 };
    size_t at = 0;

    (void)state;
    assert_int_equal(json_read("[1, 2, x]", 9, &b, &at), GANGER_EDECODE);
    assert_int_equal(at, 7);
    assert_int_equal(json_read("1\0", 2, &b, &at), GANGER_EDECODE);
    assert_int_equal(at, 1);
    buf_done(&b);
}

/* N brackets one in another. */
static int nested(unsigned n)
{
    struct buf text = { 0 }, b = { 0 }, again = { 0 };
    int rc;

    for (unsigned i = 0; i < n; i++)
        buf_char(&text, '[');
    for (unsigned i = 0; i < n; i++)
        buf_char(&text, ']');
    buf_char(&text, '\0');
    rc = read_text(text.data, &b);
    if (rc == 0)
        assert_int_equal(json_write(b.data, b.len, &again), 0);
    buf_done(&text);
    buf_done(&b);
    buf_done(&again);
    return rc;
}

static void test_json_nesting_is_bounded(void **state)
{
    struct buf deep = { 0 }, out = { 0 };

    (void)state;
    assert_int_equal(nested(VALUE_DEPTH_MAX), 0);
    assert_int_equal(nested(VALUE_DEPTH_MAX + 1), GANGER_EDECODE);
    assert_int_equal(nested(1000000), GANGER_EDECODE);
    for (int i = 0; i < 1000000; i++)
        buf_char(&deep, (char)0x91);
    buf_char(&deep, (char)0xc0);
    assert_int_equal(json_write(deep.data, deep.len, &out), GANGER_EDECODE);
    assert_false(value_is_one(deep.data, deep.len));
    buf_done(&deep);
    /* A key is within its map. */
    for (unsigned inner = VALUE_DEPTH_MAX - 1; inner <= VALUE_DEPTH_MAX; inner++) {
        struct buf keyed = { 0 };

        out.len = 0;
        buf_char(&keyed, (char)0x81);
        for (unsigned i = 0; i < inner; i++)
            buf_char(&keyed, (char)0x91);
        buf_char(&keyed, (char)0xc0);
        buf_char(&keyed, (char)0xc0);
        assert_int_equal(value_is_one(keyed.data, keyed.len), inner < VALUE_DEPTH_MAX);
        assert_int_equal(
            json_write(keyed.data, keyed.len, &out), inner < VALUE_DEPTH_MAX ? 0 : GANGER_EDECODE);
        buf_done(&keyed);
    }
    buf_done(&out);
}

/* Containers take the shortest head, at each bound of its forms. */
static void test_json_containers_of_every_size_are_packed_as_by_msgpack(void **state)
{
    static const size_t sizes[] = { 0, 1, 15, 16, 65535, 65536, 70000 };

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct buf text = { 0 }, ours = { 0 };
        msgpack_sbuffer theirs;
        msgpack_packer pack;

        msgpack_sbuffer_init(&theirs);
        msgpack_packer_init(&pack, &theirs, msgpack_sbuffer_write);
        (void)msgpack_pack_array(&pack, sizes[i]);
        buf_char(&text, '[');
        for (size_t j = 0; j < sizes[i]; j++) {
            buf_text(&text, j == 0 ? "7" : ",7");
            (void)msgpack_pack_int(&pack, 7);
        }
        buf_text(&text, "]");
        buf_char(&text, '\0');
        assert_int_equal(read_text(text.data, &ours), 0);
        assert_int_equal(ours.len, theirs.size);
        assert_memory_equal(ours.data, theirs.data, theirs.size);
        msgpack_sbuffer_destroy(&theirs);
        buf_done(&text);
        buf_done(&ours);
    }
}

static void assert_written(const char *bytes, size_t len, const char *expected)
{
    struct buf b = { 0 };

    assert_int_equal(json_write(bytes, len, &b), 0);
    buf_char(&b, '\0');
    assert_string_equal(b.data, expected);
    buf_done(&b);
}

#define WRITTEN(bytes, expected) assert_written(bytes, sizeof(bytes) - 1, expected)

static void test_json_what_json_lacks_is_written_as_told(void **state)
{
    (void)state;
    WRITTEN("\xc4\x02hi", "\"hi\"");
    WRITTEN("\xc4\x03\xff\x00\x01", "{\"base64\":\"/wAB\"}");
    WRITTEN("\xc4\x01\xff", "{\"base64\":\"/w==\"}");
    WRITTEN("\xc4\x02\xff\xff", "{\"base64\":\"//8=\"}");
    WRITTEN("\xa3\x61\xff\x62", "\"a\xef\xbf\xbd"
                                "b\"");
    WRITTEN("\xd4\x05\x01", "{\"ext\":5,\"base64\":\"AQ==\"}");
    WRITTEN("\xcb\x7f\xf0\0\0\0\0\0\0", "null");
    WRITTEN("\xca\x3d\xcc\xcc\xcd", "0.1");
    WRITTEN("\xca\x3f\x80\0\0", "1.0");
    WRITTEN("\x81\x01\x02", "{\"1\":2}");
    WRITTEN("\x81\xc0\x02", "{\"null\":2}");
    WRITTEN("\x81\x92\x01\x02\x03", "{\"msgpack:kgEC\":3}");
    WRITTEN("\xd0\x80", "-128");
    WRITTEN("\xd3\x80\0\0\0\0\0\0\0", "-9223372036854775808");
    WRITTEN("\xd3\0\0\0\0\0\0\0\x05", "5");
    WRITTEN("\xa1\x7f", "\"\\u007f\"");
}

static void test_json_malformed_msgpack_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = { { "", 0 }, { "\xc1", 1 }, { "\x91", 1 }, { "\xa2x", 2 }, { "\xcd\x01", 2 },
        { "\xdd\xff\xff\xff\xff", 5 }, { "\xdf\xff\xff\xff\xff\x01\x01", 7 },
        { "\xc6\xff\xff\xff\xffx", 6 }, { "\xc9\xff\xff\xff\xff\x01", 6 }, { "\x01\x02", 2 },
        { "\x81\x01", 2 }, { "\xd8\x01", 2 } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf b = { 0 };

        assert_int_equal(json_write(rows[i].bytes, rows[i].len, &b), GANGER_EDECODE);
        assert_false(value_is_one(rows[i].bytes, rows[i].len));
        buf_done(&b);
    }
}

/* ---- random values, packed by msgpack-c ---- */

static void random_pack(msgpack_packer *pack, unsigned depth)
{
    static const double doubles[] = { 0.1, -1e300, 5e-324, 123456.75, 3.0 };
    size_t n = (size_t)(random() % 20);
    char text[32];

    switch (random() % (depth == 0 ? 6 : 8)) {
    case 0:
        (void)msgpack_pack_nil(pack);
        return;
    case 1:
        (void)msgpack_pack_int64(pack, (int64_t)(((uint64_t)random() << 33) >> (random() % 64)));
        return;
    case 2:
        (void)msgpack_pack_int64(pack, -(random() >> (random() % 31)));
        return;
    case 3:
        (void)msgpack_pack_double(pack, doubles[n % COUNT(doubles)]);
        return;
    case 4:
        (void)msgpack_pack_true(pack);
        return;
    case 5:
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(random() % 128);
        (void)msgpack_pack_str(pack, n);
        (void)msgpack_pack_str_body(pack, text, n);
        return;
    case 6:
        (void)msgpack_pack_array(pack, n);
        for (size_t i = 0; i < n; i++)
            random_pack(pack, depth - 1);
        return;
    default:
        (void)msgpack_pack_map(pack, n);
        for (size_t i = 0; i < n; i++) {
            (void)msgpack_pack_str(pack, 1);
            (void)msgpack_pack_str_body(pack, "k", 1);
            random_pack(pack, depth - 1);
        }
        return;
    }
}

static void test_json_random_values_come_back_byte_by_byte(void **state)
{
    const char *given = getenv("GANGER_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < 2000; i++) {
        struct buf text = { 0 }, again = { 0 };
        msgpack_sbuffer packed;
        msgpack_packer pack;

        msgpack_sbuffer_init(&packed);
        msgpack_packer_init(&pack, &packed, msgpack_sbuffer_write);
        random_pack(&pack, 3);
        assert_true(value_is_one(packed.data, packed.size));
        assert_int_equal(json_write(packed.data, packed.size, &text), 0);
        buf_char(&text, '\0');
        assert_int_equal(json_read(text.data, text.len - 1, &again, NULL), 0);
        assert_int_equal(again.len, packed.size);
        assert_memory_equal(again.data, packed.data, packed.size);
        msgpack_sbuffer_destroy(&packed);
        buf_done(&text);
        buf_done(&again);
    }
}

static void test_value_find_takes_the_key_and_skips_others(void **state)
{
    struct buf b = { 0 };
    struct value v;

    (void)state;
    assert_int_equal(read_text("{\"a\":[1,{\"b\":2}],\"b\":\"x\",\"c\":null}", &b), 0);
    assert_true(value_get(reader_make(b.data, b.len), "b", &v));
    assert_true(value_is_text(&v, "x"));
    assert_false(value_get(reader_make(b.data, b.len), "d", &v));
    assert_false(value_get(reader_make("\x05", 1), "a", &v));
    buf_done(&b);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_values_come_back_the_same),
        cmocka_unit_test(test_json_other_spellings_mean_the_same),
        cmocka_unit_test(test_json_what_is_none_is_refused_and_leaves_nothing),
        cmocka_unit_test(test_json_error_offset_points_at_the_fault),
        cmocka_unit_test(test_json_nesting_is_bounded),
        cmocka_unit_test(test_json_containers_of_every_size_are_packed_as_by_msgpack),
        cmocka_unit_test(test_json_what_json_lacks_is_written_as_told),
        cmocka_unit_test(test_json_malformed_msgpack_is_refused),
        cmocka_unit_test(test_json_random_values_come_back_byte_by_byte),
        cmocka_unit_test(test_value_find_takes_the_key_and_skips_others),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
