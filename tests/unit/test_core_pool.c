/* Pools: how many children, early deaths, recycling, pause; semaphores and their order. */
#include "tests/support/core_rig.h"

static struct core_rig rig;

static int setup(void **state)
{
    (void)state;
    rig_open(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static enum pool_state pool_state(void)
{
    struct core_pool_info info;

    core_pool_info(rig.core, rig.pool, &info);
    return info.state;
}

static void test_core_pool_defined_asks_for_its_agent(void **state)
{
    (void)state;
    assert_int_equal(rig_count(&rig, EFFECT_AGENT_START), 1); /* in the turn after */
    rig_turn(&rig);
    assert_int_equal(rig_count(&rig, EFFECT_AGENT_START), 0);
    assert_int_equal(rig_event(&rig, EVENT_AGENT_UP, rig.pool, 0), 0);
    assert_int_equal(rig_count(&rig, EFFECT_SPAWN), 1);
    assert_int_equal(pool_state(), POOL_STARTING);
    assert_int_equal(rig_child(&rig, EVENT_CHILD_READY, 0), 0);
    assert_int_equal(pool_state(), POOL_OK);
}

static void test_core_pool_slow_initializer_is_killed(void **state)
{
    (void)state;
    assert_int_equal(rig_event(&rig, EVENT_AGENT_UP, rig.pool, 0), 0);
    rig_pass(&rig, rig.settings.init_timeout_us - 1);
    assert_null(rig_effect(&rig, EFFECT_KILL, 0));
    rig_pass(&rig, 1);
    assert_non_null(rig_effect(&rig, EFFECT_KILL, 0));
}

static void die_early(void)
{
    assert_int_equal(rig_exited(&rig, 0, -GANGER_EDIED, true), 0);
}

static void test_core_pool_early_deaths_back_off_then_break(void **state)
{
    uint64_t id = 0, durable;

    (void)state;
    rig.spec.flags = CORE_TASK_DURABLE;
    durable = rig_submit(&rig);
    assert_int_equal(rig_stored(&rig), 0);
    rig.spec.flags = CORE_TASK_WAIT;
    rig.spec.priority = 200;
    id = rig_submit(&rig);
    assert_int_equal(rig_event(&rig, EVENT_AGENT_UP, rig.pool, 0), 0);
    die_early();
    assert_null(rig_effect(&rig, EFFECT_SPAWN, 0));
    rig_pass(&rig, 1000);
    assert_non_null(rig_effect(&rig, EFFECT_SPAWN, 0));
    die_early();
    rig_pass(&rig, 1000);
    assert_null(rig_effect(&rig, EFFECT_SPAWN, 0)); /* twice as long now */
    rig_pass(&rig, 1000);
    assert_non_null(rig_effect(&rig, EFFECT_SPAWN, 0));
    die_early();
    assert_non_null(rig_effect(&rig, EFFECT_POOL_BROKEN, 0));
    rig_turn(&rig);
    assert_int_equal(rig_effect(&rig, EFFECT_ENDED, 0)->code, GANGER_EBROKEN);
    assert_int_equal(rig_state(&rig, id), TASK_FAILED);
    assert_int_equal(rig_state(&rig, durable), TASK_READY);
    assert_int_equal(rig_why(&rig, durable), WHY_POOL_BROKEN);
    assert_int_equal(rig_try(&rig, &id), GANGER_EBROKEN);
    rig.spec.flags = CORE_TASK_DURABLE;
    assert_int_equal(rig_try(&rig, &id), 0);
}

static void test_core_pool_broken_resumes(void **state)
{
    (void)state;
    rig.settings.early_deaths = 1;
    assert_int_equal(rig_define(&rig), 0);
    assert_int_equal(rig_event(&rig, EVENT_AGENT_UP, rig.pool, 0), 0);
    die_early();
    assert_int_equal(pool_state(), POOL_BROKEN);
    rig_pass(&rig, 100 * RIG_SECOND);
    assert_null(rig_effect(&rig, EFFECT_SPAWN, 0));
    assert_int_equal(rig_event(&rig, EVENT_POOL_RESUME, rig.pool, 0), 0);
    assert_non_null(rig_effect(&rig, EFFECT_SPAWN, 0));
    assert_int_equal(rig_child(&rig, EVENT_CHILD_READY, 0), 0);
    assert_int_equal(pool_state(), POOL_OK);
}

static void test_core_pool_death_after_ready_does_not_throttle(void **state)
{
    (void)state;
    rig_child_up(&rig);
    assert_int_equal(rig_exited(&rig, 0, -GANGER_EDIED, true), 0);
    assert_non_null(rig_effect(&rig, EFFECT_SPAWN, 0));
}

static void test_core_pool_spent_child_leaves_when_its_replacement_is_warm(void **state)
{
    uint32_t old, old_gen;

    (void)state;
    rig.settings.max_tasks_per_child = 1;
    assert_int_equal(rig_define(&rig), 0);
    rig_child_up(&rig);
    old = rig.child;
    old_gen = rig.gen;
    (void)rig_submit(&rig);
    rig_turn(&rig);
    assert_non_null(rig_effect(&rig, EFFECT_SPAWN, 0)); /* forked while the last task runs */
    assert_int_not_equal(rig.child, old);
    assert_int_equal(
        rig_step(&rig, &(struct event){ .type = EVENT_CHILD_RESULT, .child = old, .gen = old_gen }),
        0);
    assert_null(rig_effect(&rig, EFFECT_RETIRE, 0));
    assert_int_equal(rig_child(&rig, EVENT_CHILD_READY, 0), 0);
    assert_int_equal(rig_effect(&rig, EFFECT_RETIRE, 0)->child, old);
}

static void test_core_pool_retired_that_stays_is_killed(void **state)
{
    (void)state;
    rig_child_up(&rig);
    assert_int_equal(rig_event(&rig, EVENT_POOL_RESIZE, rig.pool, 0), 0);
    assert_non_null(rig_effect(&rig, EFFECT_RETIRE, 0));
    rig_pass(&rig, CORE_END_WAIT_US);
    assert_non_null(rig_effect(&rig, EFFECT_KILL, 0));
    rig_pass(&rig, CORE_END_WAIT_US);
    assert_int_equal(rig_event(&rig, EVENT_POOL_RESIZE, rig.pool, 1), 0);
    assert_non_null(rig_effect(&rig, EFFECT_SPAWN, 0));
}

static void test_core_pool_resize_up_spawns_and_down_retires_the_idle(void **state)
{
    uint32_t busy;

    (void)state;
    rig_child_up(&rig);
    assert_int_equal(rig_event(&rig, EVENT_POOL_RESIZE, rig.pool, 3), 0);
    assert_int_equal(rig_count(&rig, EFFECT_SPAWN), 2);
    assert_int_equal(rig_child(&rig, EVENT_CHILD_READY, 0), 0);
    (void)rig_submit(&rig);
    rig_turn(&rig);
    busy = rig_effect(&rig, EFFECT_HAND, 0)->child;
    assert_int_equal(rig_event(&rig, EVENT_POOL_RESIZE, rig.pool, 1), 0);
    for (unsigned i = 0; i < rig_count(&rig, EFFECT_RETIRE); i++)
        assert_int_not_equal(rig_effect(&rig, EFFECT_RETIRE, i)->child, busy);
    assert_int_equal(
        rig_event(&rig, EVENT_POOL_RESIZE, rig.pool, GANGER_PROCESSES_MAX + 1), GANGER_ERANGE);
}

static void test_core_pool_paused_hands_nothing_until_resumed(void **state)
{
    uint64_t id;

    (void)state;
    rig_child_up(&rig);
    assert_int_equal(rig_event(&rig, EVENT_POOL_PAUSE, rig.pool, 0), 0);
    id = rig_submit(&rig);
    rig_turn(&rig);
    assert_null(rig_effect(&rig, EFFECT_HAND, 0));
    assert_int_equal(rig_why(&rig, id), WHY_POOL_PAUSED);
    assert_int_equal(rig_event(&rig, EVENT_POOL_RESUME, rig.pool, 0), 0);
    rig_turn(&rig);
    assert_non_null(rig_effect(&rig, EFFECT_HAND, 0));
}

static void test_core_pool_bound_on_tasks_lowered_retires_the_spent(void **state)
{
    (void)state;
    rig_child_up(&rig);
    (void)rig_warm(&rig);
    rig.settings.max_tasks_per_child = 1;
    assert_int_equal(rig_define(&rig), 0);
    (void)rig_submit(&rig);
    (void)rig_submit(&rig);
    rig_turn(&rig); /* comes to an end */
    assert_null(rig_effect(&rig, EFFECT_HAND, 0));
}

/* ---- semaphores ---- */

static void need(unsigned count, uint32_t first, uint32_t second)
{
    rig.spec.need_count = (uint8_t)count;
    rig.spec.needs[0] = (struct core_need){ rig.sems[0], first };
    rig.spec.needs[1] = (struct core_need){ rig.sems[1], second };
}

/* Children enough that only permits are short. */
static void many_children(uint32_t count)
{
    rig.settings.processes = count;
    assert_int_equal(rig_define(&rig), 0);
    assert_int_equal(rig_event(&rig, EVENT_AGENT_UP, rig.pool, 0), 0);
    for (uint32_t child = rig.child - count + 1; child <= rig.child; child++)
        assert_int_equal(
            rig_step(&rig, &(struct event){ .type = EVENT_CHILD_READY, .child = child, .gen = 1 }),
            0);
}

static uint32_t held(unsigned sem)
{
    struct core_sem_info info;

    core_sem_info(rig.core, rig.sems[sem], &info);
    return info.held;
}

static void finish(uint64_t id)
{
    struct core_task_info info = rig_info(&rig, id);

    assert_int_equal(info.state, TASK_RUNNING);
    assert_int_equal(rig_step(&rig, &(struct event){ .type = EVENT_CHILD_RESULT,
                                        .child = info.child,
                                        .gen = info.gen,
                                        .seq = info.seq }),
        0);
}

static void test_core_needs_are_taken_all_together(void **state)
{
    uint64_t first, second;
    struct core_why why;

    (void)state;
    many_children(4);
    need(1, 1, 0);
    first = rig_submit(&rig);
    rig_turn(&rig);
    need(2, 2, 1);
    second = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, second), TASK_BLOCKED);
    assert_true(held(0) == 1 && held(1) == 0); /* a blocked task holds nothing */
    assert_int_equal(core_why(rig.core, second, &why), 0);
    assert_int_equal(why.reason, WHY_SEMAPHORE);
    assert_true(why.sem == rig.sems[0] && why.sem_wanted == 2 && why.sem_held == 1);
    assert_true(why.holder_count == 1 && why.holders[0] == first);
    finish(first);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, second), TASK_RUNNING);
    assert_true(held(0) == 2 && held(1) == 1);
    finish(second);
    assert_true(held(0) == 0 && held(1) == 0);
}

/* A task that wants one permit of a semaphore that has none. */
static uint64_t block_at(unsigned sem)
{
    uint64_t id;

    assert_int_equal(rig_event(&rig, EVENT_SEM_SET, rig.sems[sem], 0), 0);
    rig.spec.need_count = 1;
    rig.spec.needs[0] = (struct core_need){ rig.sems[sem], 1 };
    id = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, id), TASK_BLOCKED);
    return id;
}

/* Of a pool without an idle child only a few are woken: who was passed over must not be forgotten.
 */
static void test_core_semaphore_passed_over_starts_when_a_child_is_idle(void **state)
{
    uint64_t passed;

    (void)state;
    rig_child_up(&rig);
    passed = block_at(0);
    for (unsigned i = 0; i < 3; i++)
        (void)block_at(1);
    rig.spec.need_count = 0;
    (void)rig_submit(&rig);
    rig_turn(&rig); /* takes the child, while all permits come free */
    assert_int_equal(rig_event(&rig, EVENT_SEM_SET, rig.sems[0], 1), 0);
    assert_int_equal(rig_event(&rig, EVENT_SEM_SET, rig.sems[1], 3), 0);
    rig_turn(&rig);
    for (uint32_t seq = 0; seq < 4; seq++) {
        assert_int_equal(rig_result(&rig, seq, 0), 0);
        rig_turn(&rig);
    }
    assert_int_equal(rig_state(&rig, passed), TASK_RUNNING);
}

static void test_core_semaphore_lowered_below_held_starts_nothing(void **state)
{
    uint64_t ids[3];

    (void)state;
    many_children(4);
    need(1, 1, 0);
    for (unsigned i = 0; i < 3; i++)
        ids[i] = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_event(&rig, EVENT_SEM_SET, rig.sems[0], 1), 0);
    finish(ids[0]);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, ids[2]), TASK_BLOCKED);
    finish(ids[1]);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, ids[2]), TASK_RUNNING);
    assert_int_equal(
        rig_event(&rig, EVENT_SEM_SET, rig.sems[0], GANGER_PERMITS_MAX + 1), GANGER_ERANGE);
}

/* A wide task is blocked by a narrow one that runs; the narrow ones behind it pass. */
static uint64_t wide_is_blocked(uint64_t *ret_narrow)
{
    uint64_t wide;

    many_children(4);
    need(1, 1, 0);
    *ret_narrow = rig_submit(&rig);
    rig_turn(&rig);
    need(1, 2, 0);
    wide = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, wide), TASK_BLOCKED);
    need(1, 1, 0);
    return wide;
}

static void test_core_blocked_task_reserves_after_64_overtakings(void **state)
{
    uint64_t running, next, wide = wide_is_blocked(&running);
    struct core_why why;
    unsigned passed = 0;

    (void)state;
    for (; passed < 200; passed++) {
        rig.now += 10;
        next = rig_submit(&rig);
        rig_turn(&rig);
        if (rig_state(&rig, next) != TASK_RUNNING)
            break;
        finish(running);
        running = next;
        rig_turn(&rig);
    }
    assert_int_equal(passed, CORE_RESERVE_OVERTAKEN);
    assert_int_equal(core_why(rig.core, next, &why), 0);
    assert_true(why.reason == WHY_RESERVED && why.holders[0] == wide);
    finish(running);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, wide), TASK_RUNNING);
    finish(wide);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, next), TASK_RUNNING);
}

static void test_core_blocked_task_reserves_after_one_second(void **state)
{
    uint64_t running, next, wide = wide_is_blocked(&running);

    (void)state;
    rig_pass(&rig, CORE_RESERVE_US - 1);
    next = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, next), TASK_RUNNING);
    finish(next);
    rig_pass(&rig, 1);
    next = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, next), TASK_BLOCKED);
    finish(running);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, wide), TASK_RUNNING);
}

static void test_core_reservation_of_an_impossible_task_does_not_count(void **state)
{
    uint64_t running, next, wide = wide_is_blocked(&running);

    (void)state;
    assert_int_equal(rig_event(&rig, EVENT_SEM_SET, rig.sems[0], 1), 0);
    finish(running);
    rig_pass(&rig, CORE_RESERVE_US * 2);
    next = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, next), TASK_RUNNING);
    assert_int_equal(rig_state(&rig, wide), TASK_BLOCKED);
}

#define cmocka_unit_test_rig(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_rig(test_core_pool_defined_asks_for_its_agent),
        cmocka_unit_test_rig(test_core_pool_slow_initializer_is_killed),
        cmocka_unit_test_rig(test_core_pool_early_deaths_back_off_then_break),
        cmocka_unit_test_rig(test_core_pool_broken_resumes),
        cmocka_unit_test_rig(test_core_pool_death_after_ready_does_not_throttle),
        cmocka_unit_test_rig(test_core_pool_spent_child_leaves_when_its_replacement_is_warm),
        cmocka_unit_test_rig(test_core_pool_retired_that_stays_is_killed),
        cmocka_unit_test_rig(test_core_pool_resize_up_spawns_and_down_retires_the_idle),
        cmocka_unit_test_rig(test_core_pool_paused_hands_nothing_until_resumed),
        cmocka_unit_test_rig(test_core_pool_bound_on_tasks_lowered_retires_the_spent),
        cmocka_unit_test_rig(test_core_needs_are_taken_all_together),
        cmocka_unit_test_rig(test_core_semaphore_passed_over_starts_when_a_child_is_idle),
        cmocka_unit_test_rig(test_core_semaphore_lowered_below_held_starts_nothing),
        cmocka_unit_test_rig(test_core_blocked_task_reserves_after_64_overtakings),
        cmocka_unit_test_rig(test_core_blocked_task_reserves_after_one_second),
        cmocka_unit_test_rig(test_core_reservation_of_an_impossible_task_does_not_count),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
