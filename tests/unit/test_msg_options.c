/* The options of a task and the detail of an end: ranges, and what excludes what. */
#include "tests/support/msg_any.h"
#include "tests/support/test_main.h"

/* Write the start of a submit, up to its options. */
static void submit_begin(struct out *o)
{
    write_array(o, 2);
    write_uint(o, MSG_SUBMIT);
    write_array(o, 1);
    write_array(o, 6);
    write_uint(o, 1);
    write_uint(o, 0);
    write_str(o, "p", 1);
}

/* Write the rest, and decode it from memory of its exact size; empties O. */
static int submit_decode(struct out *o)
{
    struct out again = { 0 };
    uint8_t *copy;
    int rc;

    write_str(o, "f", 1);
    write_bin(o, "", 0);
    copy = exact_copy(o->data, o->len);
    rc = any_again(copy, o->len, &again);
    free(copy);
    out_done(&again);
    out_done(o);
    return rc;
}

static int with_option(uint64_t key, uint64_t value)
{
    struct out o = { 0 };

    submit_begin(&o);
    write_map(&o, 1);
    write_uint(&o, key);
    write_uint(&o, value);
    return submit_decode(&o);
}

static int with_two(uint64_t key, uint64_t other)
{
    struct out o = { 0 };

    submit_begin(&o);
    write_map(&o, 2);
    write_uint(&o, key);
    write_uint(&o, 1);
    write_uint(&o, other);
    write_uint(&o, 1);
    return submit_decode(&o);
}

static void test_options_number_out_of_range_is_refused(void **state)
{
    static const struct {
        uint64_t key, min, max;
    } rows[] = {
        { OPT_PRIORITY, 0, GANGER_PRIORITY_MAX },
        { OPT_DELAY_MS, 0, GANGER_DURATION_MAX_MS },
        { OPT_RUN_AT_MS, 0, GANGER_RUN_AT_MAX_MS },
        { OPT_LIMIT_MS, 0, GANGER_DURATION_MAX_MS },
        { OPT_KILL_GRACE_MS, 0, GANGER_DURATION_MAX_MS },
        { OPT_EXPIRY_MS, 0, GANGER_DURATION_MAX_MS },
        { OPT_ATTEMPTS, 1, GANGER_ATTEMPTS_MAX },
        { OPT_BACKOFF_MS, 0, GANGER_DURATION_MAX_MS },
        { OPT_BACKOFF_MAX_MS, 0, GANGER_DURATION_MAX_MS },
        { OPT_JITTER_PERCENT, 0, 100 },
        { OPT_CRASH_BUDGET, 0, GANGER_CRASHES_MAX },
        { OPT_RETENTION_MS, 0, GANGER_DURATION_MAX_MS },
    };

    (void)state;
    assert_int_equal(sizeof rows / sizeof rows[0], OPT_COUNT - 2); /* all but the needs */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(with_option(rows[i].key, rows[i].min), 0);
        assert_int_equal(with_option(rows[i].key, rows[i].max), 0);
        assert_int_equal(with_option(rows[i].key, rows[i].max + 1), GANGER_EPROTO);
        if (rows[i].min > 0)
            assert_int_equal(with_option(rows[i].key, rows[i].min - 1), GANGER_EPROTO);
    }
}

static void test_options_unknown_key_is_refused(void **state)
{
    (void)state;
    assert_int_equal(with_option(0, 1), GANGER_EPROTO);
    assert_int_equal(with_option(OPT_COUNT, 1), GANGER_EPROTO);
    assert_int_equal(with_option(UINT64_MAX, 1), GANGER_EPROTO);
}

static void test_options_key_twice_is_refused(void **state)
{
    (void)state;
    assert_int_equal(with_two(OPT_PRIORITY, OPT_LIMIT_MS), 0);
    assert_int_equal(with_two(OPT_LIMIT_MS, OPT_PRIORITY), 0);
    assert_int_equal(with_two(OPT_PRIORITY, OPT_PRIORITY), GANGER_EPROTO);
}

static void test_options_delay_and_run_at_are_refused(void **state)
{
    (void)state;
    assert_int_equal(with_two(OPT_DELAY_MS, OPT_RUN_AT_MS), GANGER_EPROTO);
    assert_int_equal(with_two(OPT_RUN_AT_MS, OPT_DELAY_MS), GANGER_EPROTO);
}

static void test_options_value_of_another_type_is_refused(void **state)
{
    struct out o = { 0 };

    (void)state;
    submit_begin(&o);
    write_map(&o, 1);
    write_uint(&o, OPT_PRIORITY);
    write_nil(&o);
    assert_int_equal(submit_decode(&o), GANGER_EPROTO);
    submit_begin(&o);
    write_nil(&o);
    assert_int_equal(submit_decode(&o), GANGER_EPROTO);
}

/* COUNT needs of PERMITS each; the last one is named like the one with number TWIN. */
static int with_needs(uint32_t count, uint64_t permits, uint32_t twin)
{
    struct out o = { 0 };

    submit_begin(&o);
    write_map(&o, 1);
    write_uint(&o, OPT_NEEDS);
    write_array(&o, count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t name = (uint8_t)('a' + (i + 1 == count ? twin : i));

        write_array(&o, 2);
        write_str(&o, &name, 1);
        write_uint(&o, permits);
    }
    return submit_decode(&o);
}

static void test_options_needs_over_bound_are_refused(void **state)
{
    (void)state;
    assert_int_equal(with_needs(0, 1, 0), 0);
    assert_int_equal(with_needs(GANGER_NEEDS_MAX, 1, GANGER_NEEDS_MAX - 1), 0);
    assert_int_equal(with_needs(GANGER_NEEDS_MAX + 1, 1, GANGER_NEEDS_MAX), GANGER_ETOOBIG);
    assert_int_equal(with_needs(1, GANGER_PERMITS_MAX, 0), 0);
    assert_int_equal(with_needs(1, GANGER_PERMITS_MAX + 1, 0), GANGER_EPROTO);
    assert_int_equal(with_needs(1, 0, 0), GANGER_EPROTO);
}

static void test_options_need_named_twice_is_refused(void **state)
{
    (void)state;
    assert_int_equal(with_needs(3, 1, 2), 0);
    assert_int_equal(with_needs(3, 1, 1), GANGER_EPROTO);
    assert_int_equal(with_needs(3, 1, 0), GANGER_EPROTO);
}

static int with_need(size_t name_len, uint32_t fields)
{
    static uint8_t name[GANGER_NAME_MAX + 1];
    struct out o = { 0 };

    submit_begin(&o);
    write_map(&o, 1);
    write_uint(&o, OPT_NEEDS);
    write_array(&o, 1);
    write_array(&o, fields);
    write_str(&o, name, name_len);
    for (uint32_t i = 1; i < fields; i++)
        write_uint(&o, 1);
    return submit_decode(&o);
}

static void test_options_need_name_over_bound_is_refused(void **state)
{
    (void)state;
    assert_int_equal(with_need(1, 2), 0);
    assert_int_equal(with_need(GANGER_NAME_MAX, 2), 0);
    assert_int_equal(with_need(GANGER_NAME_MAX + 1, 2), GANGER_ETOOBIG);
    assert_int_equal(with_need(0, 2), GANGER_EPROTO);
}

static void test_options_need_trailing_fields_are_skipped(void **state)
{
    (void)state;
    assert_int_equal(with_need(1, 4), 0);
    assert_int_equal(with_need(1, 1), GANGER_EPROTO);
}

/* Write a detail whose parts have the given sizes. */
static int detail_with(size_t text, size_t backtrace, size_t tail, uint32_t causes)
{
    static const uint8_t filler[GANGER_TEXT_MAX + 1];
    struct out o = { 0 };
    struct msg_detail d;
    int rc;

    write_array(&o, 6);
    write_int(&o, GANGER_EDIED);
    write_str(&o, filler, text);
    write_str(&o, filler, backtrace);
    write_nil(&o);
    write_array(&o, 8);
    for (int i = 0; i < 7; i++) {
        if (i == 3)
            write_bool(&o, true);
        else
            write_uint(&o, 1);
    }
    write_bin(&o, filler, tail);
    write_array(&o, causes);
    for (uint32_t i = 0; i < causes; i++) {
        write_array(&o, 3);
        write_int(&o, GANGER_EDIED);
        write_uint(&o, 11);
        write_uint(&o, 0);
    }
    rc = msg_read_detail(o.data, o.len, &d);
    out_done(&o);
    return rc;
}

static void test_detail_part_over_bound_is_refused(void **state)
{
    size_t text = GANGER_TEXT_MAX;
    size_t tail = GANGER_STDERR_TAIL;

    (void)state;
    assert_int_equal(detail_with(text, text, tail, GANGER_CAUSES_MAX), 0);
    assert_int_equal(detail_with(text + 1, 0, 0, 0), GANGER_ETOOBIG);
    assert_int_equal(detail_with(0, text + 1, 0, 0), GANGER_ETOOBIG);
    assert_int_equal(detail_with(0, 0, tail + 1, 0), GANGER_ETOOBIG);
    assert_int_equal(detail_with(0, 0, 0, GANGER_CAUSES_MAX + 1), GANGER_ETOOBIG);
}

static void test_detail_written_too_long_is_cut(void **state)
{
    uint8_t *bytes = malloc(GANGER_PAYLOAD_MAX);
    struct out o = { 0 };
    struct msg_detail got, d = { .code = GANGER_EFAILED, .has_worker_end = true };

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 0xc4, GANGER_PAYLOAD_MAX);
    bytes[GANGER_PAYLOAD_MAX - 1] = 'z';
    d.text = d.backtrace = d.value = d.worker_end.stderr_tail = (struct slice){ bytes,
        GANGER_PAYLOAD_MAX };
    msg_write_detail(&o, &d);
    assert_true(o.len <= GANGER_PAYLOAD_MAX);
    assert_int_equal(msg_read_detail(o.data, o.len, &got), 0);
    assert_int_equal(got.text.len, GANGER_TEXT_MAX);
    assert_int_equal(got.backtrace.len, GANGER_TEXT_MAX);
    assert_int_equal(got.value.len, 0);
    assert_int_equal(got.worker_end.stderr_tail.len, GANGER_STDERR_TAIL);
    assert_int_equal(got.worker_end.stderr_tail.data[GANGER_STDERR_TAIL - 1], 'z');
    free(bytes);
    out_done(&o);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_number_out_of_range_is_refused),
        cmocka_unit_test(test_options_unknown_key_is_refused),
        cmocka_unit_test(test_options_key_twice_is_refused),
        cmocka_unit_test(test_options_delay_and_run_at_are_refused),
        cmocka_unit_test(test_options_value_of_another_type_is_refused),
        cmocka_unit_test(test_options_needs_over_bound_are_refused),
        cmocka_unit_test(test_options_need_named_twice_is_refused),
        cmocka_unit_test(test_options_need_name_over_bound_is_refused),
        cmocka_unit_test(test_options_need_trailing_fields_are_skipped),
        cmocka_unit_test(test_detail_part_over_bound_is_refused),
        cmocka_unit_test(test_detail_written_too_long_is_cut),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
