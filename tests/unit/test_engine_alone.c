/* When the loop may sync by itself: when for some turns hardly anything but records has come. */
#include "tests/support/engine_bench.h"

#include "engine/internal.h"

static void submit(uint32_t flags)
{
    struct msg_submit m = submit_to("p", 7, flags);

    engine_submit(bench.engine, SESSION, &m);
}

static void ping(void)
{
    struct msg_request m = { .req = 8, .verb = VERB_PING };

    engine_request(bench.engine, SESSION, &m);
}

/* A turn with one durable submit. */
static void turn_durable(void)
{
    submit(TASK_DURABLE);
    (void)bench_turn(1);
}

static bool is_alone(void)
{
    return bench.engine->alone >= ALONE_TURNS << bench.engine->alone_doubled;
}

static void turns_alone(void)
{
    (void)bench_pool("p", 0);
    (void)bench_turn(1);
    for (unsigned i = 0; i < ALONE_TURNS; i++)
        turn_durable();
    assert_true(is_alone());
}

static void test_engine_alone_after_some_turns_of_records(void **state)
{
    (void)state;
    (void)bench_pool("p", 0);
    (void)bench_turn(1);
    for (unsigned i = 0; i < ALONE_TURNS - 1; i++)
        turn_durable();
    assert_int_equal(bench.engine->alone, ALONE_TURNS - 1);
    for (unsigned i = 0; i < 3; i++) {
        turn_durable();
        assert_true(is_alone());
    }
}

/* News of the store, deadlines: they concern nobody who waits. */
static void test_engine_alone_still_after_turns_of_nothing(void **state)
{
    (void)state;
    turns_alone();
    for (unsigned i = 0; i < 3; i++) {
        engine_store_ready(bench.engine);
        (void)bench_turn(1);
    }
    assert_true(is_alone());
}

/* Such as the end of the wait for the task before. */
static void test_engine_alone_with_one_request_beside_each_record(void **state)
{
    (void)state;
    turns_alone();
    ping();
    turn_durable();
    assert_true(is_alone());
    ping();
    ping();
    turn_durable();
    assert_int_equal(bench.engine->alone, 0);
}

static void test_engine_alone_no_more_when_somebody_asks(void **state)
{
    (void)state;
    turns_alone();
    ping();
    (void)bench_turn(1);
    assert_int_equal(bench.engine->alone, 0);
}

static void test_engine_alone_no_more_with_a_task_that_is_not_durable(void **state)
{
    (void)state;
    turns_alone();
    submit(0);
    (void)bench_turn(1);
    assert_int_equal(bench.engine->alone, 0);
    turn_durable();
    assert_int_equal(bench.engine->alone, 1);
}

static void test_engine_alone_no_more_with_a_result_that_is_not_durable(void **state)
{
    struct msg_submit m = submit_to("q", 7, TASK_WAIT);
    const struct note *hand;

    (void)state;
    (void)bench_pool("q", 1);
    engine_submit(bench.engine, SESSION, &m);
    hand = bench_await(NOTE_HAND, 0);
    turns_alone();
    finish(hand, 0, "\x2a", 1);
    (void)bench_turn(1);
    assert_int_equal(bench.engine->alone, 0);
}

/* As if one had come: the pool would be full before the end. */
static void turn_as_durable(void)
{
    bench.engine->heard++;
    bench.engine->recorded++;
    (void)bench_turn(1);
}

/* Turns with a record each until the engine thinks so. */
static unsigned turns_until_alone(void)
{
    unsigned turns = 0;

    while (!is_alone()) {
        assert_true(turns < ALONE_TURNS << (ALONE_DOUBLED_MAX + 1));
        turn_as_durable();
        turns++;
    }
    return turns;
}

/* Who comes now and then has to wait for the disk some times only. */
static void test_engine_alone_twice_as_late_each_time_that_somebody_comes(void **state)
{
    (void)state;
    (void)bench_pool("p", 0);
    (void)bench_turn(1);
    for (unsigned i = 0; i < ALONE_DOUBLED_MAX + 2; i++) {
        unsigned doubled = i < ALONE_DOUBLED_MAX ? i : ALONE_DOUBLED_MAX;

        assert_int_equal(turns_until_alone(), ALONE_TURNS << doubled);
        ping();
        (void)bench_turn(1);
        assert_false(is_alone());
    }
}

static void test_engine_alone_sooner_again_after_a_long_time(void **state)
{
    (void)state;
    turns_alone();
    ping();
    (void)bench_turn(1);
    assert_int_equal(turns_until_alone(), 2 * ALONE_TURNS);
    for (unsigned i = 0; i < 2 * ALONE_TURNS * ALONE_LONG; i++)
        turn_as_durable();
    assert_true(is_alone());
    ping();
    (void)bench_turn(1);
    assert_int_equal(turns_until_alone(), 2 * ALONE_TURNS);
}

/* A memory store leaves nothing to the loop. */
static void test_engine_alone_without_a_disk_has_nothing_to_sync(void **state)
{
    (void)state;
    turns_alone();
    turn_durable();
    assert_false(engine_sync_left(bench.engine));
}

int main(int argc, char **argv)
{
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, bench_setup_memory, bench_teardown)
    const struct CMUnitTest tests[] = {
        MEMORY(test_engine_alone_after_some_turns_of_records),
        MEMORY(test_engine_alone_still_after_turns_of_nothing),
        MEMORY(test_engine_alone_with_one_request_beside_each_record),
        MEMORY(test_engine_alone_no_more_when_somebody_asks),
        MEMORY(test_engine_alone_no_more_with_a_task_that_is_not_durable),
        MEMORY(test_engine_alone_no_more_with_a_result_that_is_not_durable),
        MEMORY(test_engine_alone_twice_as_late_each_time_that_somebody_comes),
        MEMORY(test_engine_alone_sooner_again_after_a_long_time),
        MEMORY(test_engine_alone_without_a_disk_has_nothing_to_sync),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
