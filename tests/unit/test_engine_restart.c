/* The engine over a journal: what a restart brings back. */
#include "tests/support/engine_bench.h"

#include "engine/internal.h"

#include <sys/stat.h>

static uint64_t submit_durable(const char *pool, uint32_t flags, const struct task_options *o)
{
    struct msg_submit m = submit_to(pool, 7, TASK_DURABLE | flags);
    unsigned from = bench.count;

    if (o != NULL)
        m.options = *o;
    engine_submit(bench.engine, SESSION, &m);
    return bench_await(NOTE_ACCEPTED, from)->id;
}

static void await_grace(void)
{
    engine_grace_over(bench.engine);
    (void)bench_turn(0);
}

static void test_restart_brings_back_a_waiting_task(void **state)
{
    uint64_t id;
    const struct note *hand;

    (void)state;
    (void)bench_pool("p", 0);
    id = submit_durable("p", 0, NULL);
    bench_restart(false);
    assert_true(engine_unclean(bench.engine));
    assert_int_equal(engine_epoch(bench.engine), 2);
    (void)bench_pool("p", 1);
    (void)bench_turn(0);
    assert_null(bench_last(NOTE_HAND));
    await_grace();
    hand = bench_await(NOTE_HAND, 0);
    assert_true(hand->id == id);
    assert_int_equal(hand->bytes, 5);
    assert_memory_equal(hand->seen, "\xa1\x66\xc4\x01\xc0", 5);
}

static void test_restart_after_a_clean_stop_has_no_grace(void **state)
{
    uint64_t id;

    (void)state;
    (void)bench_pool("p", 0);
    id = submit_durable("p", 0, NULL);
    bench_restart(true);
    assert_false(engine_unclean(bench.engine));
    (void)bench_pool("p", 1);
    assert_true(bench_await(NOTE_HAND, 0)->id == id);
}

static void test_restart_loses_what_is_not_durable(void **state)
{
    struct msg_submit m = submit_to("p", 7, 0);
    uint64_t id;

    (void)state;
    (void)bench_pool("p", 0);
    engine_submit(bench.engine, SESSION, &m);
    id = bench_await(NOTE_ACCEPTED, 0)->id;
    bench_restart(false);
    ask(VERB_STATUS, 1, id, "", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_ENOTASK);
}

static void test_restart_keeps_a_result(void **state)
{
    uint64_t id;

    (void)state;
    (void)bench_pool("p", 1);
    id = submit_durable("p", TASK_WAIT, NULL);
    finish(bench_await(NOTE_HAND, 0), 0, "\xa3yes", 4);
    (void)bench_await(NOTE_ENDED, 0);
    bench_restart(false);
    ask(VERB_WAIT, 9, id, "", 0);
    assert_int_equal(bench_last(NOTE_ENDED)->end, END_DONE);
    assert_memory_equal(bench_last(NOTE_ENDED)->seen, "\xa3yes", 4);
}

static void test_restart_drops_a_result_at_its_time(void **state)
{
    uint64_t id;

    (void)state;
    (void)bench_pool("p", 1);
    id = submit_durable("p", TASK_WAIT, NULL);
    finish(bench_await(NOTE_HAND, 0), 0, "\xa3yes", 4);
    (void)bench_await(NOTE_ENDED, 0);
    bench.wall_ms += 3600001;
    bench_restart(false);
    (void)bench_turn(1000);
    ask(VERB_STATUS, 9, id, "", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_ENOTASK);
}

static void test_restart_remembers_a_forget(void **state)
{
    uint64_t id;
    unsigned from;

    (void)state;
    (void)bench_pool("p", 1);
    id = submit_durable("p", TASK_WAIT, NULL);
    finish(bench_await(NOTE_HAND, 0), 0, "\xa3yes", 4);
    (void)bench_await(NOTE_ENDED, 0);
    from = bench.count;
    ask(VERB_FORGET, 9, id, "", 0);
    assert_int_equal(bench.count, from); /* not before it is durable */
    assert_int_equal(bench_await(NOTE_REPLY, from)->code, 0);
    bench_restart(false);
    ask(VERB_STATUS, 9, id, "", 0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_ENOTASK);
}

static void test_restart_remembers_attempts_and_crashes(void **state)
{
    struct task_options o = {
        .given = 1u << OPT_ATTEMPTS | 1u << OPT_BACKOFF_MS, .attempts = 3, .backoff_ms = 60000
    };
    struct msg_worker_end how = { .pid = 1, .signal = 9 };
    const struct note *hand;
    uint64_t id;

    (void)state;
    (void)bench_pool("p", 1);
    id = submit_durable("p", 0, &o);
    hand = bench_await(NOTE_HAND, 0);
    bench.begun = 1;
    engine_child_exited(bench.engine, hand->child, hand->gen, &how, true, NULL);
    while (!engine_drained(bench.engine)) {
        (void)bench_turn(0);
        engine_store_ready(bench.engine);
    }
    bench_restart(false);
    ask(VERB_STATUS, 9, id, "", 0);
    assert_non_null(memmem(bench_last(NOTE_REPLY)->seen, SEEN_MAX, "attempts\x01", 9));
    assert_non_null(memmem(bench_last(NOTE_REPLY)->seen, SEEN_MAX, "crashes\x01", 8));
    (void)bench_pool("p", 1);
    await_grace();
    assert_null(bench_last(NOTE_HAND));
    (void)bench_turn(70000000);
    assert_int_equal(bench_await(NOTE_HAND, 0)->attempts, 2);
}

static void test_restart_ends_a_task_whose_cancel_was_stored(void **state)
{
    const struct note *hand;
    uint64_t id;

    (void)state;
    (void)bench_pool("p", 1);
    id = submit_durable("p", 0, NULL);
    hand = bench_await(NOTE_HAND, 0);
    bench.begun = hand->seq + 1;
    ask(VERB_CANCEL, 5, id, "", 0);
    assert_int_equal(bench_await(NOTE_REPLY, 0)->code, 0);
    bench_restart(false);
    (void)bench_pool("p", 1);
    await_grace();
    ask(VERB_WAIT, 6, id, "", 0);
    assert_int_equal(bench_await(NOTE_ENDED, 0)->end, END_CANCELLED);
    assert_null(bench_last(NOTE_HAND));
}

static void test_restart_keeps_a_semaphore_set_by_hand(void **state)
{
    (void)state;
    assert_int_equal(engine_semaphore_define(bench.engine, "db", 3), 0);
    ask(VERB_SEM_SET, 1, 0, "db", 1);
    assert_int_equal(bench_await(NOTE_REPLY, 0)->code, 0);
    bench_restart(false);
    assert_int_equal(engine_semaphore_define(bench.engine, "db", 3), 0);
    ask(VERB_SEM_VALUE, 2, 0, "db", 0);
    assert_non_null(memmem(bench_last(NOTE_REPLY)->seen, SEEN_MAX, "limit\x01", 6));
}

static void test_restart_keeps_needs_and_options(void **state)
{
    struct task_options o = {
        .given = 1u << OPT_PRIORITY | 1u << OPT_NEEDS, .priority = 3, .need_count = 1
    };
    uint64_t id;

    (void)state;
    (void)bench_pool("p", 1);
    assert_int_equal(engine_semaphore_define(bench.engine, "db", 0), 0);
    o.needs[0] = (struct task_need){ text_of("db"), 2 };
    id = submit_durable("p", 0, &o);
    bench_restart(false);
    assert_int_equal(engine_semaphore_define(bench.engine, "db", 1), 0);
    (void)bench_pool("p", 1);
    await_grace();
    ask(VERB_STATUS, 2, id, "", 0);
    assert_non_null(memmem(bench_last(NOTE_REPLY)->seen, SEEN_MAX, "priority\x03", 9));
    ask(VERB_WHY, 3, id, "", 0);
    assert_non_null(memmem(bench_last(NOTE_REPLY)->seen, SEEN_MAX, "wanted\x02", 7));
}

static void test_restart_tells_tasks_from_those_before_them(void **state)
{
    static const uint8_t priorities[] = { 3, 3, 7, 3, 5, 5 };
    uint64_t ids[6];

    (void)state;
    (void)bench_pool("p", 0);
    (void)bench_pool("q", 0);
    for (unsigned i = 0; i < 6; i++) {
        struct task_options o = { .given = 1u << OPT_PRIORITY, .priority = priorities[i] };

        ids[i] = submit_durable(i == 5 ? "q" : "p", 0, &o);
    }
    bench_restart(false);
    (void)bench_pool("p", 0);
    (void)bench_pool("q", 0);
    for (unsigned i = 0; i < 6; i++) {
        char text[] = "priority?";

        text[8] = (char)priorities[i];
        ask(VERB_STATUS, 2 + i, ids[i], "", 0);
        assert_non_null(memmem(bench_last(NOTE_REPLY)->seen, SEEN_MAX, text, 9));
        assert_non_null(
            memmem(bench_last(NOTE_REPLY)->seen, SEEN_MAX, i == 5 ? "pool\xa1q" : "pool\xa1p", 6));
    }
}

static void test_restart_of_a_task_whose_pool_is_gone_says_so(void **state)
{
    uint64_t id;

    (void)state;
    (void)bench_pool("old", 0);
    id = submit_durable("old", 0, NULL);
    bench_restart(true);
    (void)bench_turn(0);
    ask(VERB_WHY, 3, id, "", 0);
    assert_non_null(memmem(bench_last(NOTE_REPLY)->seen, SEEN_MAX, "pool-undefined", 14));
}

static void test_second_engine_on_the_same_journal_is_refused(void **state)
{
    struct engine *first = bench.engine;

    (void)state;
    assert_int_equal(bench_open(), GANGER_EBUSY);
    assert_non_null(strstr(bench.err, bench.dir));
    bench.engine = first;
}

static void test_engine_record_of_an_ended_task_is_dead_before_the_sync(void **state)
{
    struct core_task_info t;
    const struct durable *d;
    uint64_t id, birth;

    (void)state;
    (void)bench_pool("p", 1);
    id = submit_durable("p", 0, NULL);
    assert_int_equal(core_task_info(bench.engine->core, id, &t), 0);
    d = entry_durable(bench.engine, t.slot);
    birth = d->birth;
    assert_true(facts_live(bench.engine, RECORD_TASK, id, birth));
    finish(bench_await(NOTE_HAND, 0), 0, "\xc0", 1);
    assert_false(facts_live(bench.engine, RECORD_TASK, id, birth));
    assert_true(facts_live(bench.engine, RECORD_END, id, d->birth));
}

/* A result larger than the room that is left: the child is not read until there is room. */
static void test_large_result_waits_for_journal_room(void **state)
{
    struct msg_submit m = submit_to("p", 7, TASK_WAIT | TASK_DURABLE);
    uint8_t *big = calloc(1, 48000);
    const struct note *n, *filler;
    unsigned from;

    (void)state;
    assert_non_null(big);
    big[0] = 0xc5;
    big[1] = 0xbb;
    big[2] = 0x7d;
    (void)bench_pool("p", 8);
    /* Fill the journal with results that stay, each just under a segment. */
    for (;;) {
        from = bench.count;
        engine_submit(bench.engine, SESSION, &m);
        if (bench.notes[bench.count - 1].type == NOTE_REFUSED)
            break;
        n = bench_await(NOTE_HAND, from);
        finish(n, 0, big, 48000);
        (void)bench_turn(0);
        for (unsigned i = 0; i < 200 && bench_last(NOTE_READ) == NULL; i++) {
            (void)bench_turn(0);
            engine_store_ready(bench.engine);
            if (engine_drained(bench.engine))
                break;
            (void)poll(NULL, 0, 1);
        }
        if (bench_last(NOTE_READ) != NULL)
            break;
    }
    filler = bench_last(NOTE_READ);
    assert_non_null(filler);
    assert_false(filler->on);
    /* Forgetting the results kept before gives the room. */
    for (uint64_t i = 1; i <= 200; i++)
        ask(VERB_FORGET, 9000 + i, id_make(engine_epoch(bench.engine), i), "", 0);
    for (unsigned i = 0; i < 5000 && !bench_last(NOTE_READ)->on; i++) {
        (void)bench_turn(0);
        engine_store_ready(bench.engine);
        (void)poll(NULL, 0, 1);
    }
    assert_true(bench_last(NOTE_READ)->on);
    free(big);
}

static int setup_small_disk(void **state)
{
    (void)state;
    memset(&bench, 0, sizeof bench);
    (void)snprintf(bench.dir, sizeof bench.dir, "/tmp/ganger-engine.XXXXXX");
    if (mkdtemp(bench.dir) == NULL)
        return -1;
    bench.on_disk = true;
    bench.store =
        (struct store_config){ .dir = bench.dir, .segment_bytes = 65536, .max_bytes = 16 * 65536 };
    return bench_open();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_restart_brings_back_a_waiting_task, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_after_a_clean_stop_has_no_grace, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_loses_what_is_not_durable, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_keeps_a_result, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_drops_a_result_at_its_time, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_remembers_a_forget, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_remembers_attempts_and_crashes, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_ends_a_task_whose_cancel_was_stored, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_keeps_a_semaphore_set_by_hand, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_keeps_needs_and_options, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_tells_tasks_from_those_before_them, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_restart_of_a_task_whose_pool_is_gone_says_so, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_second_engine_on_the_same_journal_is_refused, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(test_engine_record_of_an_ended_task_is_dead_before_the_sync,
            bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_large_result_waits_for_journal_room, setup_small_disk, bench_teardown),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
