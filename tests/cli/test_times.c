#include "times.h"

#include "ganger/err.h"
#include "tests/support/test_main.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW          UINT64_C(1700000000123)

static void test_duration_units_add_up(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = { { "0", 0 }, { "5", 5000 }, { "0.25", 250 }, { "500ms", 500 }, { "1.5s", 1500 },
        { "2min", 120000 }, { "2m", 120000 }, { "1h30min", 5400000 }, { "7d", 604800000 },
        { "1d1h1m1s1ms", 90061001 }, { "0.0001s", 0 } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t ms = 99;

        assert_int_equal(duration_parse(rows[i].text, &ms), 0);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void test_duration_nonsense_is_refused(void **state)
{
    static const char *const texts[] = { "", "s", "5x", "-5s", "5 s", "1s1h", "1s1s", "1h30", ".5s",
        "5.s", "1..5s", "5s ", "0x5s", "1e3s" };
    uint64_t ms = 99;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (duration_parse(texts[i], &ms) != GANGER_EINVAL)
            fail_msg("accepted: %s", texts[i]);
    }
    assert_int_equal(duration_parse("3661d", &ms), GANGER_ERANGE);
    assert_int_equal(duration_parse("99999999999999999999999d", &ms), GANGER_ERANGE);
    assert_int_equal(duration_parse("99999999999d99999999999h", &ms), GANGER_ERANGE);
    assert_int_equal(ms, 99);
}

static void test_moment_forms_mean_what_they_say(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = { { "now", NOW }, { "now+5min", NOW + 300000 }, { "now+1", NOW + 1000 }, { "0", 0 },
        { "1893456000", UINT64_C(1893456000000) }, { "@1893456000.5", UINT64_C(1893456000500) },
        { "2030-01-01T00:00:00Z", UINT64_C(1893456000000) },
        { "2030-01-01 01:30:00.25+01:30", UINT64_C(1893456000250) },
        { "2029-12-31t20:00:00-04:00", UINT64_C(1893456000000) },
        { "2028-02-29T00:00:00Z", UINT64_C(1835395200000) },
        { "2016-12-31T23:59:60Z", UINT64_C(1483228800000) },
        { "9999-12-31T23:59:59.999Z", UINT64_C(253402300799999) } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t ms = 99;

        assert_int_equal(moment_parse(rows[i].text, NOW, &ms), 0);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void test_moment_nonsense_is_refused(void **state)
{
    static const char *const texts[] = { "", "@", "later", "now-5s", "now+", "nowish", "1.2.3",
        "2030-01-01", "2030-01-01T00:00:00", "2030-13-01T00:00:00Z", "2030-00-01T00:00:00Z",
        "2030-02-29T00:00:00Z", "2030-01-01T24:00:00Z", "2030-01-01T00:60:00Z",
        "2030-01-01T00:00:61Z", "2030-01-01T00:00:00.Z", "2030-01-01T00:00:00+1:00",
        "2030-01-01T00:00:00+24:00", "2030-01-01T00:00:00ZZ", "2030-1-1T00:00:00Z",
        "30-01-01T00:00:00Z" };
    uint64_t ms = 99;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (moment_parse(texts[i], NOW, &ms) != GANGER_EINVAL)
            fail_msg("accepted: %s", texts[i]);
    }
    assert_int_equal(moment_parse("999999999999", NOW, &ms), GANGER_ERANGE);
    assert_int_equal(moment_parse("9999-12-31T23:59:59-23:00", NOW, &ms), GANGER_ERANGE);
    assert_int_equal(moment_parse("1969-12-31T00:00:00Z", NOW, &ms), GANGER_ERANGE);
    assert_int_equal(moment_parse("1970-01-01T00:00:00+01:00", NOW, &ms), GANGER_ERANGE);
    assert_int_equal(ms, 99);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration_units_add_up),
        cmocka_unit_test(test_duration_nonsense_is_refused),
        cmocka_unit_test(test_moment_forms_mean_what_they_say),
        cmocka_unit_test(test_moment_nonsense_is_refused),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
