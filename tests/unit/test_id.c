#include "tests/support/test_main.h"

#include "proto/err.h"
#include "proto/id.h"

#include <string.h>

static void test_id_parts_come_back(void **state)
{
    uint64_t id = id_make(GANGER_EPOCH_MAX, (UINT64_C(1) << GANGER_ID_COUNTER_BITS) - 2);

    (void)state;
    assert_int_equal(id_epoch(id), GANGER_EPOCH_MAX);
    assert_int_equal(id_counter(id), (UINT64_C(1) << GANGER_ID_COUNTER_BITS) - 2);
    assert_int_equal(id_make(0, 5), 5);
}

static void test_id_format_prints_two_hex_numbers(void **state)
{
    char buf[GANGER_ID_TEXT_MAX];

    (void)state;
    assert_int_equal(id_format(id_make(1, 0x2a), buf), 4);
    assert_string_equal(buf, "1-2a");
    assert_int_equal(id_format(UINT64_MAX, buf), 17);
    assert_string_equal(buf, "ffffff-ffffffffff");
    assert_int_equal(id_format(0, buf), 3);
    assert_string_equal(buf, "0-0");
}

static void test_id_parse_reads_what_format_printed(void **state)
{
    static const uint64_t ids[] = { 1, UINT64_C(1) << 40, UINT64_MAX, 0xabcdef, 0x10000000001 };

    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char buf[GANGER_ID_TEXT_MAX];
        uint64_t id = 0;

        (void)id_format(ids[i], buf);
        assert_int_equal(id_parse(buf, &id), 0);
        assert_true(id == ids[i]);
    }
}

static void test_id_parse_takes_upper_case_and_zeros(void **state)
{
    uint64_t id = 0;

    (void)state;
    assert_int_equal(id_parse("00001F-000000002A", &id), 0);
    assert_true(id == id_make(0x1f, 0x2a));
}

static void test_id_parse_malformed_is_refused(void **state)
{
    static const char *const texts[] = { "", "-", "1", "1-", "-1", "1-2a ", " 1-2a", "1-2g", "g-2",
        "1--2", "0x1-2", "+1-2", "1000000-1", "1-10000000000", "0-0", "1-2-3", "1_2", "\xff-1" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t id = 77;

        assert_int_equal(id_parse(texts[i], &id), GANGER_EINVAL);
        assert_int_equal(id, 77);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_parts_come_back),
        cmocka_unit_test(test_id_format_prints_two_hex_numbers),
        cmocka_unit_test(test_id_parse_reads_what_format_printed),
        cmocka_unit_test(test_id_parse_takes_upper_case_and_zeros),
        cmocka_unit_test(test_id_parse_malformed_is_refused),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
