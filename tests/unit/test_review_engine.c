/* The engine in corners: what clients, workers and old journals can lead it to. */
#include "tests/support/engine_bench.h"

#include "engine/internal.h"

#define OTHER ((session_id)((UINT64_C(1) << 32) | 2))

/* A pool as bench_pool() makes it, but as CHANGE says; its children are ready. */
static uint32_t pool_like(const char *name, uint32_t processes, uint32_t tasks_per_child)
{
    struct engine_pool_config c = { .name = name,
        .kind = "module",
        .processes = processes,
        .backlog = 1000,
        .backlog_bytes = 1 << 24,
        .max_tasks_per_child = tasks_per_child,
        .early_deaths = 3,
        .init_timeout_ms = 10000,
        .early_backoff_ms = 100,
        .defaults = { .priority = 128, .attempts = 1, .crash_budget = 3, .kill_grace_ms = 5000 } };
    unsigned from = bench.count;
    uint32_t pool;

    assert_int_equal(engine_pool_define(bench.engine, &c, &pool), 0);
    (void)bench_turn(0);
    engine_agent_up(bench.engine, pool);
    for (unsigned i = from; i < bench.count; i++) {
        if (bench.notes[i].type != NOTE_SPAWN)
            continue;
        engine_child_started(bench.engine, bench.notes[i].child, bench.notes[i].gen, 1);
        engine_child_ready(bench.engine, bench.notes[i].child, bench.notes[i].gen);
    }
    return pool;
}

static void submit_needing(const char *pool, uint64_t req, const char *sem, uint32_t permits)
{
    struct msg_submit m = submit_to(pool, req, TASK_WAIT);

    m.options.given = 1u << OPT_NEEDS;
    m.options.need_count = 1;
    m.options.needs[0] = (struct task_need){ text_of(sem), permits };
    engine_submit(bench.engine, SESSION, &m);
}

static unsigned count_notes(enum note_type type, unsigned from)
{
    unsigned n = 0;

    for (unsigned i = from; i < bench.count; i++)
        n += bench.notes[i].type == type;
    return n;
}

static void test_review_last_child_of_a_pool_that_is_spent_leaves_the_rest_waiting(void **state)
{
    struct msg_submit m = submit_to("p", 1, TASK_WAIT);

    (void)state;
    (void)pool_like("p", 1, 1);
    engine_submit(bench.engine, SESSION, &m);
    m.req = 2;
    engine_submit(bench.engine, SESSION, &m);
    (void)bench_turn(0);
    assert_int_equal(count_notes(NOTE_HAND, 0), 1);
    assert_int_equal(count_notes(NOTE_SPAWN, 0), 2);
}

/* A task that can never have what it needs must not keep the semaphore from all who came later. */
static void test_review_task_that_needs_more_than_there_is_reserves_nothing(void **state)
{
    (void)state;
    assert_int_equal(engine_semaphore_define(bench.engine, "s", 1), 0);
    (void)bench_pool("p", 2);
    submit_needing("p", 1, "s", 2);
    (void)bench_turn(0);
    (void)bench_turn(1100000);
    (void)bench_turn(1100000);
    assert_int_equal(count_notes(NOTE_HAND, 0), 0);
    submit_needing("p", 2, "s", 1);
    (void)bench_turn(0);
    assert_int_equal(count_notes(NOTE_HAND, 0), 1);
}

/* ... and one behind it that can have it is still guarded from being overtaken for ever. */
static void test_review_oldest_that_can_be_served_reserves(void **state)
{
    unsigned from;

    (void)state;
    assert_int_equal(engine_semaphore_define(bench.engine, "s", 2), 0);
    (void)bench_pool("p", 3);
    submit_needing("p", 1, "s", 3);
    submit_needing("p", 2, "s", 1);
    submit_needing("p", 3, "s", 2);
    (void)bench_turn(0);
    assert_int_equal(count_notes(NOTE_HAND, 0), 1);
    (void)bench_turn(1100000);
    from = bench.count;
    submit_needing("p", 4, "s", 1);
    (void)bench_turn(0);
    assert_int_equal(count_notes(NOTE_HAND, from), 0);
}

static void child_dies_early(const struct note *spawn)
{
    struct msg_worker_end end = { .pid = 5, .exit_code = 1 };

    engine_child_exited(bench.engine, spawn->child, spawn->gen, &end, true, "no such module");
}

/* Tasks that are not durable end when their pool breaks, whoever's durable ones stand before. */
static void test_review_broken_pool_fails_what_stands_behind_durable_tasks(void **state)
{
    struct engine_pool_config c = { .name = "p",
        .kind = "module",
        .processes = 1,
        .backlog = 1000,
        .backlog_bytes = 1 << 24,
        .early_deaths = 1,
        .init_timeout_ms = 10000,
        .early_backoff_ms = 100,
        .defaults = { .priority = 128, .attempts = 1, .crash_budget = 3 } };
    struct msg_submit m = submit_to("p", 1, TASK_DURABLE);
    const struct note *ended;
    uint32_t pool;

    (void)state;
    engine_session_open(bench.engine, OTHER, 1001);
    assert_int_equal(engine_pool_define(bench.engine, &c, &pool), 0);
    (void)bench_turn(0);
    engine_agent_up(bench.engine, pool);
    engine_submit(bench.engine, SESSION, &m);
    engine_submit(bench.engine, SESSION, &m);
    (void)bench_await(NOTE_ACCEPTED, 0);
    m = submit_to("p", 2, TASK_WAIT);
    engine_submit(bench.engine, OTHER, &m);
    m.req = 3;
    m.options.given = 1u << OPT_PRIORITY;
    m.options.priority = 200;
    engine_submit(bench.engine, OTHER, &m);
    child_dies_early(bench_last(NOTE_SPAWN));
    (void)bench_turn(0);
    assert_int_equal(count_notes(NOTE_ENDED, 0), 2);
    ended = bench_last(NOTE_ENDED);
    assert_int_equal(ended->code, GANGER_EBROKEN);
}

static void journal_figures(struct store_stats *ret)
{
    store_stats(bench.engine->store, ret);
}

/* Whatever happened to a task: when it is forgotten, the journal holds nothing for it. */
static void test_review_journal_room_and_live_bytes_return(void **state)
{
    struct msg_submit m = submit_to("p", 1, TASK_DURABLE | TASK_WAIT);
    struct store_stats before, after;
    const struct note *hand;

    (void)state;
    (void)bench_pool("p", 1);
    journal_figures(&before);
    engine_submit(bench.engine, SESSION, &m);
    hand = bench_await(NOTE_HAND, 0);
    bench.begun = hand->seq + 1;
    ask(VERB_CANCEL, 2, hand->id, "", 0);
    (void)bench_await(NOTE_REPLY, 0);
    finish(hand, GANGER_EFAILED, NULL, 0);
    (void)bench_await(NOTE_ENDED, 0);
    ask(VERB_FORGET, 3, hand->id, "", 0);
    (void)bench_turn(0);
    engine_store_ready(bench.engine);
    journal_figures(&after);
    assert_int_equal(after.reserved_bytes, before.reserved_bytes);
    assert_int_equal(after.live_bytes, before.live_bytes);
}

/* What was accepted once comes back, however low the bound is set meanwhile. */
static void test_review_restart_with_a_lower_bound_of_tasks(void **state)
{
    struct msg_submit m = submit_to("p", 1, TASK_DURABLE);
    struct engine_stats s;

    (void)state;
    (void)bench_pool("p", 0);
    for (unsigned i = 0; i < 20; i++)
        engine_submit(bench.engine, SESSION, &m);
    (void)bench_await(NOTE_ACCEPTED, 0);
    bench.tasks_max = 5;
    bench_restart(true);
    engine_stats(bench.engine, &s);
    assert_int_equal(s.waiting, 20);
    (void)bench_pool("p", 0);
    engine_submit(bench.engine, SESSION, &m);
    (void)bench_turn(0);
    assert_int_equal(bench_last(NOTE_REFUSED)->code, GANGER_EFULL);
}

/* Tasks of long ago stand in the journal until their segment is reused; they take no place. */
static void test_review_restart_does_not_count_forgotten_tasks(void **state)
{
    struct msg_submit m = submit_to("p", 1, TASK_DURABLE | TASK_WAIT);
    struct engine_stats s;

    (void)state;
    bench.tasks_max = 8;
    bench_restart(true);
    (void)pool_like("p", 1, 0);
    for (unsigned i = 0; i < 30; i++) {
        unsigned from = bench.count;

        engine_submit(bench.engine, SESSION, &m);
        finish(bench_await(NOTE_HAND, from), 0, "\xc0", 1);
        (void)bench_await(NOTE_ENDED, from);
    }
    bench.wall_ms += 3600000;
    bench_restart(true);
    (void)bench_turn(0);
    engine_stats(bench.engine, &s);
    assert_int_equal(s.tasks, 0);
}

/* A name is what its bytes say: one with a NUL in it is none. */
static void test_review_semaphore_name_with_a_nul_is_refused(void **state)
{
    struct msg_request set = {
        .req = 1, .verb = VERB_SEM_SET, .name = { (const uint8_t *)"a\0b", 3 }, .number = 1
    };
    uint32_t before = core_sem_count(bench.engine->core);

    (void)state;
    engine_request(bench.engine, SESSION, &set);
    engine_request(bench.engine, SESSION, &set);
    (void)bench_turn(0);
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_EINVAL);
    assert_int_equal(core_sem_count(bench.engine->core), before);
}

/* Who waits for more room than a reload has left for anybody must not stop those behind him. */
static void test_review_room_that_can_no_longer_be_is_refused(void **state)
{
    struct msg_submit m = submit_to("p", 1, 0);
    struct msg_request room = {
        .req = 10, .verb = VERB_ROOM, .name = text_of("p"), .number = 900, .number2 = 0
    };
    struct engine_pool_config c = { .name = "p",
        .kind = "module",
        .processes = 0,
        .backlog = 1000,
        .backlog_bytes = 1 << 24,
        .early_deaths = 3,
        .init_timeout_ms = 1000,
        .early_backoff_ms = 100,
        .defaults = { .priority = 128, .attempts = 1 } };
    uint32_t pool;

    (void)state;
    assert_int_equal(engine_pool_define(bench.engine, &c, &pool), 0);
    for (unsigned i = 0; i < 200; i++)
        engine_submit(bench.engine, SESSION, &m);
    engine_request(bench.engine, SESSION, &room);
    assert_null(bench_last(NOTE_REPLY));
    c.backlog = 500;
    assert_int_equal(engine_pool_define(bench.engine, &c, &pool), 0);
    (void)bench_turn(0);
    assert_non_null(bench_last(NOTE_REPLY));
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_ERANGE);
}

/* Both who cancel hear of it when it is durable, not before. */
static void test_review_second_cancel_waits_for_the_journal_too(void **state)
{
    struct msg_submit m = submit_to("p", 1, TASK_DURABLE);
    const struct note *hand;
    unsigned from;

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    hand = bench_await(NOTE_HAND, 0);
    bench.begun = hand->seq + 1;
    from = bench.count;
    ask(VERB_CANCEL, 2, hand->id, "", 0);
    ask(VERB_CANCEL, 3, hand->id, "", 0);
    assert_int_equal(count_notes(NOTE_REPLY, from), 0);
    (void)bench_await(NOTE_REPLY, from);
    assert_int_equal(count_notes(NOTE_REPLY, from), 2);
}

/* Nobody else gets room any more. */
static void journal_fill(void)
{
    size_t room = 1;

    while (store_reserve(bench.engine->store, room, 1) == 0)
        room *= 2;
    for (; room > 0; room /= 2) {
        while (store_reserve(bench.engine->store, room, 1) == 0)
            continue;
    }
    while (store_reserve(bench.engine->store, 0, 1) == 0)
        continue;
}

/* A cancel for which the journal has no room, of a task that ends and is forgotten meanwhile. */
static void test_review_cancel_without_room_does_not_outlive_its_task(void **state)
{
    struct msg_submit m = submit_to("p", 1, TASK_DURABLE | TASK_WAIT);
    const struct note *hand;
    uint64_t id;
    unsigned from;

    (void)state;
    (void)bench_pool("p", 1);
    engine_submit(bench.engine, SESSION, &m);
    hand = bench_await(NOTE_HAND, 0);
    id = hand->id;
    bench.begun = hand->seq + 1;
    journal_fill();
    ask(VERB_CANCEL, 2, id, "", 0);
    ask(VERB_CANCEL, 3, id, "", 0);
    assert_int_not_equal(bench.engine->stuck, 0);
    finish(hand, 0, "\xc0", 1);
    assert_int_equal(bench.engine->stuck, 0);
    assert_int_equal(bench_await(NOTE_ENDED, 0)->end, END_CANCELLED);
    from = bench.count;
    ask(VERB_FORGET, 4, id, "", 0);
    assert_int_equal(bench_await(NOTE_REPLY, from)->req, 4);
    assert_int_equal(bench_last(NOTE_REPLY)->code, 0);
}

static unsigned count_stuck(void)
{
    unsigned n = 0;

    for (uint32_t at = bench.engine->stuck; at != 0; n++)
        at = entry_durable(bench.engine, at)->stuck_next;
    return n;
}

/* Many wait for room: a turn tries some of them, and when there is room all get their turn. */
static void test_review_many_facts_without_room_take_turns(void **state)
{
    struct msg_submit m = submit_to("p", 1, TASK_DURABLE);
    uint64_t id[100];
    unsigned n = 0;

    (void)state;
    (void)bench_pool("p", 100);
    for (unsigned i = 0; i < 100; i++)
        engine_submit(bench.engine, SESSION, &m);
    (void)bench_await(NOTE_HAND, 0);
    for (unsigned i = 0; i < bench.count; i++) {
        if (bench.notes[i].type == NOTE_HAND)
            id[n++] = bench.notes[i].id;
    }
    assert_int_equal(n, 100);
    bench.begun = 1;
    for (unsigned i = 0; i < 100; i++)
        ask(VERB_CANCEL, 2, id[i], "", 0);
    journal_fill();
    for (unsigned i = 0; i < 100; i++)
        ask(VERB_CANCEL, 3, id[i], "", 0);
    assert_int_equal(count_stuck(), 100);
    (void)bench_turn(0);
    assert_int_equal(count_stuck(), 100);
    store_unreserve(bench.engine->store, 32768, 0);
    for (unsigned i = 0; i < 3; i++)
        (void)bench_turn(0);
    assert_int_equal(count_stuck(), 0);
}

/* No room for a semaphore's record: then there is no such semaphore. */
static void test_review_refused_set_makes_no_semaphore(void **state)
{
    (void)state;
    journal_fill();
    ask(VERB_SEM_SET, 1, 0, "lamp", 3);
    assert_int_equal(bench_last(NOTE_REPLY)->code, GANGER_EFULL);
    assert_int_equal(core_sem_count(bench.engine->core), 0);
}

/* Only the last record of each semaphore is kept, however often they are set. */
static void test_review_record_of_a_semaphore_lives_until_the_next(void **state)
{
    struct engine *e = bench.engine;
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        unsigned which = i < 150 ? i : i % 7;
        uint64_t old = which < e->sem_cap ? e->sems[which].birth : 0;

        (void)snprintf(name, sizeof name, "s%u", which);
        ask(VERB_SEM_SET, 1, 0, name, i);
        assert_true(facts_live(e, RECORD_SEM, 0, e->sems[which].birth));
        assert_false(facts_live(e, RECORD_SEM, 0, e->sems[which].birth + 1));
        assert_false(old != 0 && facts_live(e, RECORD_SEM, 0, old));
        bench.count = 0;
        (void)bench_turn(0);
        engine_store_ready(e);
    }
    for (unsigned i = 0; i < 150; i++)
        assert_true(facts_live(e, RECORD_SEM, 0, e->sems[i].birth));
    bench_restart(true);
    e = bench.engine;
    assert_int_equal(core_sem_count(e->core), 150);
    for (unsigned i = 0; i < 150; i++)
        assert_true(facts_live(e, RECORD_SEM, 0, e->sems[i].birth));
}

static void test_review_bound_of_tasks_follows_a_reload(void **state)
{
    struct msg_submit m = submit_to("p", 1, 0);

    (void)state;
    (void)bench_pool("p", 0);
    engine_set_tasks_max(bench.engine, 1);
    engine_submit(bench.engine, SESSION, &m);
    assert_null(bench_last(NOTE_REFUSED));
    engine_submit(bench.engine, SESSION, &m);
    assert_int_equal(bench_last(NOTE_REFUSED)->code, GANGER_EFULL);
    engine_set_tasks_max(bench.engine, 2);
    m.req = 2;
    engine_submit(bench.engine, SESSION, &m);
    assert_int_equal(bench_last(NOTE_ACCEPTED)->req, 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_review_last_child_of_a_pool_that_is_spent_leaves_the_rest_waiting,
            bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_task_that_needs_more_than_there_is_reserves_nothing, bench_setup_memory,
            bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_oldest_that_can_be_served_reserves, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_broken_pool_fails_what_stands_behind_durable_tasks, bench_setup_memory,
            bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_journal_room_and_live_bytes_return, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_restart_with_a_lower_bound_of_tasks, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_restart_does_not_count_forgotten_tasks, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_semaphore_name_with_a_nul_is_refused, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_room_that_can_no_longer_be_is_refused, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_second_cancel_waits_for_the_journal_too, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(test_review_cancel_without_room_does_not_outlive_its_task,
            bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(test_review_record_of_a_semaphore_lives_until_the_next,
            bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_bound_of_tasks_follows_a_reload, bench_setup_memory, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_many_facts_without_room_take_turns, bench_setup_disk, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_review_refused_set_makes_no_semaphore, bench_setup_disk, bench_teardown),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
