/* CRC-32C: known values, and the fast way against the table. */
#include "tests/support/test_main.h"

#include <string.h>

#include "store/crc32c.h"

/* The vectors of RFC 3720, appendix B.4, and the usual check value. */
static void test_crc32c_known_inputs_give_known_sums(void **state)
{
    uint8_t bytes[32];

    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c_table(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46dd794eu);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c_table(0, bytes, sizeof bytes), 0x113fdb5cu);
    assert_int_equal(crc32c(7, bytes, 0), 7);
}

static void test_crc32c_fast_and_table_agree_at_any_length_and_place(void **state)
{
    uint8_t bytes[300];
    uint32_t seed = 1;

    (void)state;
    if (!crc32c_is_fast())
        print_message("this processor has no instruction for it: table against table\n");
    for (size_t i = 0; i < sizeof bytes; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
    for (size_t at = 0; at < 9; at++) {
        for (size_t n = 0; n + at <= sizeof bytes; n++)
            assert_int_equal(crc32c(seed, bytes + at, n), crc32c_table(seed, bytes + at, n));
    }
}

static void test_crc32c_in_two_steps_equals_one(void **state)
{
    static const char text[] = "written in two parts";

    (void)state;
    for (size_t cut = 0; cut < sizeof text; cut++)
        assert_int_equal(crc32c(crc32c(0, text, cut), text + cut, sizeof text - cut),
            crc32c(0, text, sizeof text));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_known_inputs_give_known_sums),
        cmocka_unit_test(test_crc32c_fast_and_table_agree_at_any_length_and_place),
        cmocka_unit_test(test_crc32c_in_two_steps_equals_one),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
