/* The golden vectors cut anywhere, changed anywhere, and with the fields of a later version. */
#include "tests/support/golden.h"
#include "tests/support/msg_any.h"
#include "tests/support/test_main.h"

static struct golden vectors[GOLDEN_MAX];
static size_t vector_count;

static bool is_message(const struct golden *v)
{
    return strncmp(v->name, "detail_", 7) != 0;
}

static void test_msg_golden_decoded_encodes_to_the_same(void **state)
{
    (void)state;
    vector_count = golden_load(vectors);
    for (size_t i = 0; i < vector_count && is_message(&vectors[i]); i++) {
        struct out o = { 0 };

        assert_int_equal(any_again(vectors[i].bytes + 4, vectors[i].len - 4, &o), 0);
        assert_int_equal(o.len, vectors[i].len);
        assert_memory_equal(o.data, vectors[i].bytes, o.len);
        out_done(&o);
    }
}

/* Each length but the whole: in memory of that size, so that ASan sees any read beyond. */
static void test_msg_golden_cut_anywhere_is_refused(void **state)
{
    (void)state;
    vector_count = golden_load(vectors);
    for (size_t i = 0; i < vector_count && is_message(&vectors[i]); i++) {
        for (size_t len = 0; len < vectors[i].len - 4; len++) {
            uint8_t *copy = exact_copy(vectors[i].bytes + 4, len);
            struct out o = { 0 };

            if (any_again(copy, len, &o) != GANGER_EPROTO)
                fail_msg("%s cut to %zu bytes is accepted", vectors[i].name, len);
            out_done(&o);
            free(copy);
        }
    }
}

static void test_msg_golden_bytes_after_it_are_refused(void **state)
{
    (void)state;
    vector_count = golden_load(vectors);
    for (size_t i = 0; i < vector_count && is_message(&vectors[i]); i++) {
        uint8_t *copy = exact_copy(vectors[i].bytes + 4, vectors[i].len - 3);
        struct out o = { 0 };

        copy[vectors[i].len - 4] = 0;
        assert_int_equal(any_again(copy, vectors[i].len - 4 + 1, &o), GANGER_EPROTO);
        out_done(&o);
        free(copy);
    }
}

static void test_msg_golden_detail_cut_anywhere_is_refused(void **state)
{
    struct msg_detail d;

    (void)state;
    vector_count = golden_load(vectors);
    for (size_t i = 0; i < vector_count; i++) {
        if (is_message(&vectors[i]))
            continue;
        for (size_t len = 1; len < vectors[i].len; len++) {
            uint8_t *copy = exact_copy(vectors[i].bytes, len);

            assert_int_equal(msg_read_detail(copy, len, &d), GANGER_EPROTO);
            free(copy);
        }
        assert_int_equal(msg_read_detail(vectors[i].bytes, vectors[i].len, &d), 0);
        vectors[i].bytes[vectors[i].len] = 0;
        assert_int_equal(msg_read_detail(vectors[i].bytes, vectors[i].len + 1, &d), GANGER_EPROTO);
    }
}

/* What a later version may append: one value of each kind. */
static const uint8_t extra[] = "\x2a\xc0\x93\x01\xa1x\x81\x01\xc4\x00\xcb\x3f\xf0\0\0\0\0\0\0";
#define EXTRA_FIELDS 4u
#define EXTRA_BYTES  (sizeof extra - 1)

static void test_msg_golden_trailing_message_fields_are_skipped(void **state)
{
    (void)state;
    vector_count = golden_load(vectors);
    for (size_t i = 0; i < vector_count && is_message(&vectors[i]); i++) {
        size_t len = vectors[i].len - 4;
        uint8_t *copy = exact_copy(vectors[i].bytes + 4, len + EXTRA_BYTES);
        struct out o = { 0 };

        copy[0] = (uint8_t)(copy[0] + EXTRA_FIELDS);
        memcpy(copy + len, extra, EXTRA_BYTES);
        assert_int_equal(any_again(copy, len + EXTRA_BYTES, &o), 0);
        assert_int_equal(o.len, vectors[i].len);
        assert_memory_equal(o.data, vectors[i].bytes, o.len);
        out_done(&o);
        free(copy);
    }
}

static void test_msg_golden_trailing_item_fields_are_skipped(void **state)
{
    static const char *const names[] = { "submit_plain", "submit_options", "accepted", "end_done",
        "hand" };

    (void)state;
    vector_count = golden_load(vectors);
    for (size_t i = 0; i < vector_count; i++) {
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
            size_t len = vectors[i].len - 4;
            uint8_t *copy;
            struct out o = { 0 };

            if (strcmp(names[n], vectors[i].name) != 0)
                continue;
            copy = exact_copy(vectors[i].bytes + 4, len + EXTRA_BYTES);
            copy[5] = (uint8_t)(copy[5] + EXTRA_FIELDS);
            memcpy(copy + len, extra, EXTRA_BYTES);
            assert_int_equal(any_again(copy, len + EXTRA_BYTES, &o), 0);
            assert_int_equal(o.len, vectors[i].len);
            assert_memory_equal(o.data, vectors[i].bytes, o.len);
            out_done(&o);
            free(copy);
        }
    }
}

/* One field less than the message must have, the array's number lowered with it. */
static void test_msg_golden_missing_field_is_refused(void **state)
{
    (void)state;
    vector_count = golden_load(vectors);
    for (size_t i = 0; i < vector_count && is_message(&vectors[i]); i++) {
        uint8_t *copy = exact_copy(vectors[i].bytes + 4, vectors[i].len - 4);
        struct cursor c = cursor_make(copy, vectors[i].len - 4);
        uint32_t fields = read_array(&c, 100);
        struct out o = { 0 };

        for (uint32_t f = 0; f + 1 < fields; f++)
            read_skip(&c);
        copy[0]--;
        assert_int_equal(any_again(copy, (size_t)(c.at - copy), &o), GANGER_EPROTO);
        out_done(&o);
        free(copy);
    }
}

/* Any single byte changed: whatever is decoded stays inside, and encodes and decodes again. */
static void test_msg_golden_any_byte_changed_stays_inside(void **state)
{
    size_t accepted = 0;

    (void)state;
    vector_count = golden_load(vectors);
    for (size_t i = 0; i < vector_count && is_message(&vectors[i]); i++) {
        size_t len = vectors[i].len - 4;

        for (size_t at = 0; at < len * 256; at++) {
            uint8_t *copy = exact_copy(vectors[i].bytes + 4, len);
            struct out o = { 0 };
            struct out twice = { 0 };

            copy[at / 256] = (uint8_t)at;
            if (any_again(copy, len, &o) == 0 && o.len > 4) {
                accepted++;
                assert_int_equal(any_again(o.data + 4, o.len - 4, &twice), 0);
                assert_int_equal(twice.len, o.len);
                assert_memory_equal(twice.data, o.data, o.len);
            }
            out_done(&twice);
            out_done(&o);
            free(copy);
        }
    }
    assert_true(accepted > 1000);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msg_golden_decoded_encodes_to_the_same),
        cmocka_unit_test(test_msg_golden_cut_anywhere_is_refused),
        cmocka_unit_test(test_msg_golden_bytes_after_it_are_refused),
        cmocka_unit_test(test_msg_golden_detail_cut_anywhere_is_refused),
        cmocka_unit_test(test_msg_golden_trailing_message_fields_are_skipped),
        cmocka_unit_test(test_msg_golden_trailing_item_fields_are_skipped),
        cmocka_unit_test(test_msg_golden_missing_field_is_refused),
        cmocka_unit_test(test_msg_golden_any_byte_changed_stays_inside),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
