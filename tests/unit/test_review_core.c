/* The core in corners that clients and workers can lead it to. */
#include "core/core.h"
#include "tests/support/test_main.h"

#define SESSION ((UINT64_C(1) << 32) | 1)
#define TASKS   40u
#define WAITS   1000u

static struct core *core;
static struct core_spec spec;
static uint64_t now = 1;
static uint32_t child, gen;

static int step(const struct event *ev)
{
    return core_step(core, now, ev);
}

static const struct effect *effect_of(enum effect_type type)
{
    size_t count;
    const struct effect *effects = core_effects(core, &count);

    for (size_t i = 0; i < count; i++) {
        if (effects[i].type == type)
            return &effects[i];
    }
    return NULL;
}

static size_t effects_of(enum effect_type type)
{
    size_t count, n = 0;
    const struct effect *effects = core_effects(core, &count);

    for (size_t i = 0; i < count; i++)
        n += effects[i].type == type;
    return n;
}

/* A pool with one child that is ready. */
static int setup(void **state)
{
    struct core_config config = { .epoch = 1, .tasks_max = 20000, .grace_us = 1000000 };
    struct core_pool_settings s = { .processes = 1,
        .early_deaths = 3,
        .backlog = 20000,
        .backlog_bytes = 1 << 20,
        .init_timeout_us = 1000000,
        .early_backoff_us = 1000 };
    uint32_t pool;

    (void)state;
    core = core_new(&config);
    if (core == NULL || core_pool_add(core, "p", 1, &pool) < 0)
        return -1;
    spec = (struct core_spec){ .pool = pool, .attempts_max = 1, .priority = 128 };
    (void)step(&(struct event){ .type = EVENT_START });
    (void)step(&(struct event){ .type = EVENT_SESSION_OPEN, .session = SESSION });
    (void)step(&(struct event){ .type = EVENT_POOL_DEFINE, .index = pool, .settings = &s });
    (void)step(&(struct event){ .type = EVENT_AGENT_UP, .index = pool });
    child = effect_of(EFFECT_SPAWN)->child;
    gen = effect_of(EFFECT_SPAWN)->gen;
    return step(&(struct event){ .type = EVENT_CHILD_READY, .child = child, .gen = gen });
}

static int teardown(void **state)
{
    (void)state;
    core_check(core);
    core_free(core);
    return 0;
}

static uint64_t submit(void)
{
    uint32_t slot = 0;
    struct core_task_info t;

    assert_int_equal(
        step(&(struct event){
            .type = EVENT_SUBMIT, .session = SESSION, .req = 1, .spec = &spec, .ret_slot = &slot }),
        0);
    assert_int_equal(core_slot_info(core, slot, &t), 0);
    return t.id;
}

static void turn(uint64_t pass_us)
{
    now += pass_us;
    assert_int_equal(step(&(struct event){ .type = EVENT_TURN }), 0);
}

static void result(uint32_t seq)
{
    now += 1;
    assert_int_equal(
        step(&(struct event){
            .type = EVENT_CHILD_RESULT, .child = child, .gen = gen, .seq = seq, .number = 1 }),
        0);
}

/* So quick a pool that the child gets many hands at once; returns the number of its next hand. */
static uint32_t warm_up(void)
{
    uint32_t seq = 0;

    for (; seq < 20; seq++) {
        (void)submit();
        turn(0);
        result(seq);
    }
    return seq;
}

static void cancel_begun(uint64_t id, uint32_t begun)
{
    const struct effect *e;
    uint32_t keep;

    assert_int_equal(
        step(&(struct event){ .type = EVENT_CANCEL, .session = SESSION, .req = 2, .id = id }), 0);
    e = effect_of(EFFECT_TAKE_BACK);
    assert_non_null(e);
    keep = e->seq;
    (void)step(&(struct event){
        .type = EVENT_CHILD_TAKEN, .child = child, .gen = gen, .seq = begun, .number = keep });
}

/* A worker can raise `begun` at will, and clients can wait for a task as often as they like. */
static void test_review_death_that_ends_many_awaited_tasks_tells_all(void **state)
{
    struct event died = { .type = EVENT_CHILD_EXITED,
        .cause = { .code = -GANGER_EDIED, .signal = 9 },
        .group_empty = true };
    uint32_t first = warm_up();
    uint64_t id[TASKS];

    (void)state;
    for (uint32_t i = 0; i < TASKS; i++) {
        id[i] = submit();
        for (uint32_t n = 0; n < WAITS; n++)
            assert_int_equal(step(&(struct event){
                                 .type = EVENT_WAIT, .session = SESSION, .req = n, .id = id[i] }),
                0);
    }
    turn(0);
    assert_int_equal(effects_of(EFFECT_HAND), TASKS);
    for (uint32_t i = 0; i + 1 < TASKS; i++)
        cancel_begun(id[i], first + TASKS);
    died.child = child;
    died.gen = gen;
    died.seq = first + TASKS;
    assert_int_equal(step(&died), 0);
    assert_int_equal(effects_of(EFFECT_ENDED), TASKS * WAITS);
}

static uint32_t gate(uint32_t permits)
{
    uint32_t sem;

    assert_int_equal(core_sem_add(core, "gate", 4, &sem), 0);
    (void)step(&(struct event){ .type = EVENT_SEM_SET, .index = sem, .number = permits });
    spec.need_count = 1;
    spec.needs[0] = (struct core_need){ .sem = sem, .permits = 1 };
    return sem;
}

/* More than a returned task looks for its place: all of them wait, then the gate is opened. */
static void test_review_many_that_are_woken_together_run_in_order(void **state)
{
    uint32_t sem = gate(0), seq = 0;
    uint64_t id[200];

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        id[i] = submit();
    turn(0);
    (void)step(&(struct event){ .type = EVENT_SEM_SET, .index = sem, .number = 1000 });
    for (unsigned i = 0; i < 200; i++) {
        turn(0);
        assert_non_null(effect_of(EFFECT_HAND));
        assert_int_equal(effect_of(EFFECT_HAND)->id, id[i]);
        result(seq++);
    }
}

/* Permits come free while the only child of those who wait for them is busy with something else. */
static void test_review_release_wakes_no_more_than_could_begin(void **state)
{
    struct core_pool_info p;
    uint32_t sem = gate(0);

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        (void)submit();
    turn(0);
    spec.need_count = 0;
    spec.priority = 1;
    (void)submit();
    turn(0);
    assert_non_null(effect_of(EFFECT_HAND));
    (void)step(&(struct event){ .type = EVENT_SEM_SET, .index = sem, .number = 1000 });
    turn(0);
    core_pool_info(core, spec.pool, &p);
    assert_int_equal(p.waiting + p.blocked, 1000);
    assert_in_range(p.waiting, 1, 2);
    result(0);
    turn(0);
    assert_non_null(effect_of(EFFECT_HAND));
}

/* Many tasks for midnight: the loop is not held until all of them are in line. */
static void test_review_many_deadlines_at_once_are_done_in_parts(void **state)
{
    struct core_pool_info p;

    (void)state;
    spec.due_us = 1000000;
    for (unsigned i = 0; i < 10000; i++)
        (void)submit();
    turn(1000000);
    core_pool_info(core, spec.pool, &p);
    assert_in_range(p.delayed, 1, 9999);
    assert_true(core_deadline(core) <= now);
    for (unsigned i = 0; i < 10 && p.delayed > 0; i++) {
        turn(0);
        core_pool_info(core, spec.pool, &p);
    }
    assert_int_equal(p.delayed, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_review_death_that_ends_many_awaited_tasks_tells_all, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_review_many_deadlines_at_once_are_done_in_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_review_many_that_are_woken_together_run_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_review_release_wakes_no_more_than_could_begin, setup, teardown),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
