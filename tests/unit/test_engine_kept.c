/* Outcomes that are kept: for how long, how many, and what it takes to remember their order. */
#include "engine/internal.h"
#include "tests/support/engine_bench.h"

static void test_engine_forgets_a_result_on_request(void **state)
{
    struct msg_submit m = submit_to("p", 7, 0);
    uint64_t id;

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    finish(bench_await(NOTE_HAND, 0), 0, "\xc0", 1);
    id = bench_last(NOTE_ACCEPTED)->id;
    ask(VERB_FORGET, 2, id, "", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, 0);
    ask(VERB_STATUS, 3, id, "", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_ENOTASK);
}

static void test_engine_results_over_their_bound_go_first_to_end_first(void **state)
{
    struct msg_submit m = submit_to("p", 7, 0);
    unsigned from;
    uint64_t id[3];

    (void)state;
    (void)bench_pool("p", 1);
    engine_set_results_max(bench.engine, 200);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t result[100] = { 0xc4, 98 };

        from = bench.count;
        engine_submit(bench.engine, SESSION, &m);
        id[i] = bench_await(NOTE_ACCEPTED, from)->id;
        finish(bench_await(NOTE_HAND, from), 0, result, sizeof result);
    }
    (void)bench_turn(0);
    ask(VERB_STATUS, 1, id[0], "", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_ENOTASK);
    ask(VERB_STATUS, 2, id[1], "", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, 0);
    ask(VERB_STATUS, 3, id[2], "", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, 0);
}

/* Thousands are kept; every third is forgotten by hand, the bound then takes the oldest of all. */
static void test_engine_thousands_of_results_go_first_to_end_first(void **state)
{
    static uint64_t id[3000];
    struct msg_submit m = submit_to("p", 7, 0);

    (void)state;
    (void)bench_pool("p", 1);
    for (unsigned i = 0; i < 3000; i++) {
        bench.count = 0;
        engine_submit(bench.engine, SESSION, &m);
        id[i] = bench_await(NOTE_ACCEPTED, 0)->id;
        finish(bench_await(NOTE_HAND, 0), 0, "\xc0", 1);
        if (i % 3 == 0)
            ask(VERB_FORGET, 2, id[i], "", 0);
    }
    engine_set_results_max(bench.engine, 100); /* of one byte each */
    for (unsigned i = 0; i < 10; i++)
        (void)bench_turn(0);
    for (unsigned i = 0, left = 0; i < 3000; i++) {
        bench.count = 0;
        ask(VERB_STATUS, 3, id[2999 - i], "", 0);
        if ((2999 - i) % 3 == 0 || left == 100) {
            assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_ENOTASK);
        } else {
            assert_int_equal(bench_last(NOTE_REPLY)->code, 0);
            left++;
        }
    }
}

/* A task whose result is kept for so long, done at once. */
static uint64_t done_and_kept_for(uint64_t retention_ms)
{
    struct msg_submit m = submit_to("p", 7, 0);
    uint64_t id;

    m.options.given = 1u << OPT_RETENTION_MS;
    m.options.retention_ms = retention_ms;
    bench.count = 0;
    engine_submit(bench.engine, SESSION, &m);
    id = bench_last(NOTE_ACCEPTED)->id;
    (void)bench_turn(0);
    finish(bench_last(NOTE_HAND), 0, "\xc0", 1);
    return id;
}

static bool is_known(uint64_t id)
{
    bench.count = 0;
    ask(VERB_STATUS, 3, id, "", 0);
    return bench_last(NOTE_REPLY)->code == 0;
}

static uint64_t row_ids(void)
{
    return bench.engine->kept.swept.count + bench.engine->kept.rest.count;
}

/* What goes first leaves nothing behind however long the one before it stays. */
static void test_engine_row_of_results_is_as_long_as_they_are_many(void **state)
{
    static uint64_t id[80];
    uint64_t most = 0;

    (void)state;
    (void)bench_pool("p", 1);
    for (unsigned i = 0; i < 80000; i++) {
        uint64_t kept = done_and_kept_for(i % 1000 == 0 ? 3600000 : i % 20 == 1 ? 6000 : 2);

        if (i % 1000 == 0)
            id[i / 1000] = kept;
        if (row_ids() > most)
            most = row_ids();
        (void)bench_turn(1000);
    }
    assert_true(most > 4096 && most < 4096 + 4 * 400); /* some 380 are kept */
    /* They went over from row to row and are still in order: the bound takes the oldest. */
    (void)bench_turn(6000000);
    (void)bench_turn(0);
    assert_int_equal(bench.engine->kept.live, 80);
    engine_set_results_max(bench.engine, 25); /* of one byte each */
    for (unsigned i = 0; i < 10; i++)
        (void)bench_turn(0);
    for (unsigned i = 0; i < 80; i++)
        assert_int_equal(is_known(id[i]), i >= 55);
}

/* Ids of forgotten tasks at the front take their time, but no turn waits for the next message. */
static void test_engine_results_over_their_bound_go_at_once_however_many_ids_are_before(
    void **state)
{
    unsigned turns = 0;
    uint64_t deadline;

    (void)state;
    (void)bench_pool("p", 1);
    for (unsigned i = 0; i < 3000; i++)
        (void)done_and_kept_for(i == 0 || i >= 2990 ? 3600000 : 1000);
    ask(VERB_FORGET, 2, bench_last(NOTE_ACCEPTED)->id, "", 0);
    (void)bench_turn(2000000);
    while (bench.engine->kept.live > 10)
        (void)bench_turn(1000);
    assert_true(row_ids() > 2900);
    engine_set_results_max(bench.engine, 5); /* of one byte each */
    do {
        deadline = bench_turn(0);
        turns++;
    } while (deadline <= bench.now_us);
    assert_true(turns > 1);
    assert_int_equal(bench.engine->kept.live, 5);
}

/* In the midst of a round as well the oldest go first. */
static void test_engine_row_of_results_keeps_its_order_while_it_is_swept(void **state)
{
    static uint64_t id[200];
    unsigned count = 0;

    (void)state;
    (void)bench_pool("p", 1);
    for (unsigned i = 0; bench.engine->kept.swept.count < 20; i++) {
        uint64_t kept = done_and_kept_for(i % 50 == 0 ? 3600000 : 2);

        assert_true(i < 50 * 200);
        if (i % 50 == 0)
            id[count++] = kept;
        (void)bench_turn(1000);
    }
    assert_true(bench.engine->kept.rest.count > 0);
    engine_set_results_max(bench.engine, bench.engine->kept.bytes - 10); /* of one byte each */
    (void)bench_turn(0);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(is_known(id[i]), i >= 10);
}

/* Those that go in the order in which they came leave nothing that is to be swept. */
static void test_engine_row_of_results_loses_its_front_with_them(void **state)
{
    (void)state;
    (void)bench_pool("p", 1);
    for (unsigned i = 0; i < 3000; i++) {
        (void)done_and_kept_for(100);
        (void)bench_turn(1000);
        assert_int_equal(row_ids(), bench.engine->kept.live);
    }
    (void)bench_turn(100000);
    (void)bench_turn(0);
    assert_int_equal(row_ids(), 0);
    assert_int_equal(bench.engine->kept.bytes, 0);
}

int main(int argc, char **argv)
{
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, bench_setup_memory, bench_teardown)
    const struct CMUnitTest tests[] = {
        MEMORY(test_engine_forgets_a_result_on_request),
        MEMORY(test_engine_results_over_their_bound_go_first_to_end_first),
        MEMORY(test_engine_thousands_of_results_go_first_to_end_first),
        MEMORY(test_engine_row_of_results_is_as_long_as_they_are_many),
        MEMORY(test_engine_results_over_their_bound_go_at_once_however_many_ids_are_before),
        MEMORY(test_engine_row_of_results_keeps_its_order_while_it_is_swept),
        MEMORY(test_engine_row_of_results_loses_its_front_with_them),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
