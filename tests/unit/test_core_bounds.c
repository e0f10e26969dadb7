/* The bounds of the core, each reached: at the bound it works, one over is refused. */
#include "core/core.h"
#include "tests/support/test_main.h"

#include <stdio.h>
#include <string.h>

#define SESSION ((UINT64_C(1) << 32) | 1)

static struct core *core;
static struct core_spec spec;
static uint64_t now = 1;

static int step(const struct event *ev)
{
    return core_step(core, now, ev);
}

static int setup(void **state)
{
    struct core_config config = { .epoch = 1, .tasks_max = 5000, .grace_us = 1000000 };
    struct core_pool_settings s = { .processes = 1,
        .early_deaths = 3,
        .backlog = 10000,
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
    return step(&(struct event){ .type = EVENT_POOL_DEFINE, .index = pool, .settings = &s });
}

static int teardown(void **state)
{
    (void)state;
    core_check(core);
    core_free(core);
    return 0;
}

static int submit(uint64_t *ret_id)
{
    uint32_t slot = 0;
    struct core_task_info t;
    int rc = step(&(struct event){
        .type = EVENT_SUBMIT, .session = SESSION, .req = 1, .spec = &spec, .ret_slot = &slot });

    if (rc == 0 && core_slot_info(core, slot, &t) == 0)
        *ret_id = t.id;
    return rc;
}

static void test_core_tasks_max_is_reached_and_refused(void **state)
{
    uint64_t id;

    (void)state;
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(submit(&id), 0);
    assert_int_equal(submit(&id), GANGER_EFULL);
}

static void test_core_waiters_max_is_reached_and_refused(void **state)
{
    struct event wait = { .type = EVENT_WAIT, .session = SESSION };

    (void)state;
    assert_int_equal(submit(&wait.id), 0);
    for (wait.req = 1; wait.req <= GANGER_WAITERS_MAX; wait.req++)
        assert_int_equal(step(&wait), 0);
    assert_int_equal(step(&wait), GANGER_EFULL);
    /* One that leaves makes room for one. */
    assert_int_equal(step(&(struct event){
                         .type = EVENT_UNWAIT, .session = SESSION, .id = wait.id, .number = 1 }),
        0);
    assert_int_equal(step(&wait), 0);
}

static void test_core_semaphores_max_is_reached_and_refused(void **state)
{
    uint32_t sem;
    char name[32];
    int len;

    (void)state;
    for (unsigned i = 0; i < GANGER_SEMS_MAX; i++) {
        len = snprintf(name, sizeof name, "s%u", i);
        assert_int_equal(core_sem_add(core, name, (size_t)len, &sem), 0);
    }
    assert_int_equal(core_sem_add(core, "more", 4, &sem), GANGER_EFULL);
    assert_int_equal(core_sem_add(core, "s7", 2, &sem), 0);
    assert_int_equal(sem, 7);
}

static void test_core_pools_max_is_reached_and_refused(void **state)
{
    uint32_t pool;
    char name[32];
    int len;

    (void)state;
    for (unsigned i = 1; i < GANGER_POOLS_MAX; i++) {
        len = snprintf(name, sizeof name, "p%u", i);
        assert_int_equal(core_pool_add(core, name, (size_t)len, &pool), 0);
    }
    assert_int_equal(core_pool_add(core, "more", 4, &pool), GANGER_EFULL);
    assert_true(core_pool_find(core, "p17", 3) == 17);
}

static void test_core_permits_max_is_reached_and_refused(void **state)
{
    struct event set = { .type = EVENT_SEM_SET, .number = GANGER_PERMITS_MAX };

    (void)state;
    assert_int_equal(core_sem_add(core, "s", 1, &set.index), 0);
    assert_int_equal(step(&set), 0);
    set.number++;
    assert_int_equal(step(&set), GANGER_ERANGE);
}

static void test_core_processes_max_is_reached_and_refused(void **state)
{
    struct event resize = { .type = EVENT_POOL_RESIZE, .number = GANGER_PROCESSES_MAX };

    (void)state;
    assert_int_equal(step(&resize), 0);
    resize.number++;
    assert_int_equal(step(&resize), GANGER_ERANGE);
}

/* The pool's only child, ready. */
static void child_up(uint32_t *ret_child, uint32_t *ret_gen)
{
    const struct effect *effects;
    size_t count;

    (void)step(&(struct event){ .type = EVENT_TURN });
    (void)step(&(struct event){ .type = EVENT_AGENT_UP });
    effects = core_effects(core, &count);
    assert_int_equal(count, 1);
    assert_int_equal(effects[0].type, EFFECT_SPAWN);
    *ret_child = effects[0].child;
    *ret_gen = effects[0].gen;
    (void)step(&(struct event){ .type = EVENT_CHILD_READY, .child = *ret_child, .gen = *ret_gen });
}

static unsigned hands(void)
{
    const struct effect *effects;
    size_t count;
    unsigned n = 0;

    (void)step(&(struct event){ .type = EVENT_TURN });
    effects = core_effects(core, &count);
    for (size_t i = 0; i < count; i++)
        n += effects[i].type == EFFECT_HAND;
    return n;
}

/* Tasks of no length are handed ahead ever deeper, but never more than the bound. */
static void test_core_hand_max_is_reached_and_not_passed(void **state)
{
    uint32_t child, gen, seq = 0;
    unsigned most = 0;
    uint64_t id;

    (void)state;
    child_up(&child, &gen);
    for (unsigned round = 0; round < 64; round++) {
        unsigned n;

        while (submit(&id) == 0) {
        }
        n = hands();
        if (n > most)
            most = n;
        now++;
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(
                step(&(struct event){
                    .type = EVENT_CHILD_RESULT, .child = child, .gen = gen, .seq = seq++ }),
                0);
        now += 60000001; /* the results are forgotten */
        (void)step(&(struct event){ .type = EVENT_SESSION_GONE, .session = SESSION + 1 });
    }
    assert_int_equal(most, GANGER_HAND_MAX);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_core_tasks_max_is_reached_and_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_core_waiters_max_is_reached_and_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_core_semaphores_max_is_reached_and_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_core_pools_max_is_reached_and_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_core_permits_max_is_reached_and_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_core_processes_max_is_reached_and_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_core_hand_max_is_reached_and_not_passed, setup, teardown),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
