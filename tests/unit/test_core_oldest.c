/* The time before a reservation stays with the oldest task, wherever it waits. */
#include "tests/support/core_rig.h"

#define TURNS   50
#define TURN_US (CORE_RESERVE_US * 2 / 5) /* too short for one semaphore to look in it */

static struct core_rig rig;
static uint32_t left, right;

static int setup(void **state)
{
    (void)state;
    rig_open(&rig);
    left = rig_pool_up(&rig, "left", 4);
    right = rig_pool_up(&rig, "right", 4);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* PERMITS each of COUNT semaphores from FIRST on. */
static uint64_t submit_to(uint32_t pool, unsigned first, unsigned count, uint32_t permits)
{
    rig.pool = pool;
    rig.spec.need_count = (uint8_t)count;
    rig.spec.needs[0] = (struct core_need){ rig.sems[first], permits };
    rig.spec.needs[1] = (struct core_need){ rig.sems[first + 1], permits };
    return rig_submit(&rig);
}

static uint64_t reserved_by(unsigned sem)
{
    struct core_sem_info info;

    core_sem_info(rig.core, rig.sems[sem], &info);
    return info.reserved_by;
}

/* It needs two semaphores of one permit each, which come free in turns. */
static void test_core_oldest_that_moves_between_semaphores_reserves(void **state)
{
    uint64_t running[2], next, both, began;
    unsigned turn = 0;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(rig_event(&rig, EVENT_SEM_SET, rig.sems[i], 1), 0);
        running[i] = submit_to(right, i, 1, 1);
    }
    rig_turn(&rig);
    both = submit_to(left, 0, 2, 1);
    rig_turn(&rig);
    began = rig.now;
    for (; turn < TURNS && reserved_by(0) == 0; turn++) {
        rig_pass(&rig, TURN_US);
        next = submit_to(right, turn % 2, 1, 1);
        rig_finish(&rig, running[turn % 2]);
        rig_turn(&rig);
        running[turn % 2] = next;
    }
    assert_true(reserved_by(0) == both && reserved_by(1) == both);
    assert_in_range(rig.now - began, CORE_RESERVE_US, CORE_RESERVE_US * 2);
}

/* It is woken each time, and each time a younger one of a pool that has its turn first is handed.
 */
static void test_core_oldest_that_is_woken_in_vain_reserves(void **state)
{
    uint64_t running = submit_to(right, 0, 1, 2), next, oldest, began = rig.now;
    unsigned turn = 0;

    (void)state;
    rig_turn(&rig);
    oldest = submit_to(left, 0, 1, 1);
    rig_turn(&rig);
    for (; turn < TURNS && rig_state(&rig, oldest) == TASK_BLOCKED; turn++) {
        next = submit_to(right, 0, 1, 2);
        rig_pass(&rig, TURN_US);
        (void)submit_to(left, 0, 0, 0); /* so that the left comes behind the right */
        rig_finish(&rig, running);
        rig_turn(&rig);
        running = next;
    }
    assert_int_equal(rig_state(&rig, oldest), TASK_RUNNING);
    assert_in_range(rig.now - began, 1, CORE_RESERVE_US * 2);
}

#define cmocka_unit_test_rig(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_rig(test_core_oldest_that_moves_between_semaphores_reserves),
        cmocka_unit_test_rig(test_core_oldest_that_is_woken_in_vain_reserves),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
