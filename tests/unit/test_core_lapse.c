/* A reservation whose task lacks nothing but a child lapses, and comes back. */
#include "tests/support/core_rig.h"

#define BUSY 3 /* tasks of the pool without a child that wait */

static struct core_rig rig;
static uint32_t left, right;
static uint64_t busy, waiting[BUSY], running, next;

static uint64_t submit_to(uint32_t pool, uint32_t permits)
{
    rig.pool = pool;
    rig.spec.need_count = permits > 0;
    rig.spec.needs[0] = (struct core_need){ rig.sems[0], permits };
    return rig_submit(&rig);
}

/* A task of the right holds the one permit, three of the left wait, whose child is busy. */
static int setup(void **state)
{
    (void)state;
    rig_open(&rig);
    left = rig_pool_up(&rig, "left", 1);
    right = rig_pool_up(&rig, "right", 2);
    assert_int_equal(rig_event(&rig, EVENT_SEM_SET, rig.sems[0], 1), 0);
    running = submit_to(right, 1);
    rig_turn(&rig);
    for (unsigned i = 0; i < BUSY; i++)
        waiting[i] = submit_to(left, 1);
    rig_turn(&rig);
    busy = submit_to(left, 0);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, busy), TASK_RUNNING);
    assert_int_equal(rig_state(&rig, waiting[BUSY - 1]), TASK_BLOCKED);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* One of the right after the other, US each, until one is kept back; how many were not. */
static unsigned pass_until_kept(uint64_t us, unsigned most)
{
    unsigned passed = 0;

    for (; passed < most; passed++) {
        next = submit_to(right, 1);
        rig_turn(&rig);
        rig.now += us;
        rig_finish(&rig, running);
        rig_turn(&rig);
        if (rig_state(&rig, next) != TASK_RUNNING)
            break;
        running = next;
    }
    return passed;
}

static uint64_t reserved_by(void)
{
    struct core_sem_info info;

    core_sem_info(rig.core, rig.sems[0], &info);
    assert_int_equal(info.held, 0);
    return info.reserved_by;
}

static void test_core_reservation_that_lacks_a_child_lapses(void **state)
{
    (void)state;
    assert_in_range(pass_until_kept(10, 200), 1, CORE_RESERVE_OVERTAKEN * 2);
    assert_int_not_equal(reserved_by(), 0);
    assert_int_equal(rig_why(&rig, next), WHY_RESERVED);
    rig_pass(&rig, CORE_RESERVE_BUSY_US - 1);
    assert_int_equal(rig_state(&rig, next), TASK_BLOCKED);
    rig_pass(&rig, 1);
    assert_int_equal(rig_state(&rig, next), TASK_RUNNING);
}

static void test_core_reservation_that_lapsed_rests(void **state)
{
    (void)state;
    (void)pass_until_kept(10, 200);
    rig_pass(&rig, CORE_RESERVE_BUSY_US);
    running = next;
    assert_int_equal(pass_until_kept(10, 400), 400);
}

static void test_core_reservation_that_lapsed_comes_back(void **state)
{
    (void)state;
    (void)pass_until_kept(10, 200);
    rig_pass(&rig, CORE_RESERVE_BUSY_US);
    for (unsigned i = 0; i < 5; i++) {
        running = next;
        assert_int_equal(rig_state(&rig, running), TASK_RUNNING);
        assert_in_range(pass_until_kept(10000, 400), 40, 300);
        assert_true(reserved_by() != 0 && reserved_by() <= waiting[BUSY - 1]);
        rig_pass(&rig, CORE_RESERVE_BUSY_US);
    }
}

static void test_core_reservation_takes_the_child_that_comes(void **state)
{
    (void)state;
    (void)pass_until_kept(10, 200);
    (void)submit_to(left, 0);
    rig_pass(&rig, CORE_RESERVE_BUSY_US - 1);
    rig_finish(&rig, busy);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, waiting[0]), TASK_RUNNING);
    assert_int_equal(rig_state(&rig, next), TASK_BLOCKED);
}

/* While permits lack it does not lapse, whatever its pool does. */
static void test_core_reservation_that_lacks_permits_stays(void **state)
{
    uint64_t wide;

    (void)state;
    assert_int_equal(rig_event(&rig, EVENT_SEM_SET, rig.sems[0], 2), 0);
    rig_finish(&rig, running);
    for (unsigned i = 0; i < BUSY; i++)
        (void)rig_cancel(&rig, waiting[i]);
    running = submit_to(right, 1);
    rig_finish(&rig, busy);
    rig_turn(&rig);
    wide = submit_to(left, 2);
    rig_turn(&rig);
    (void)submit_to(left, 0);
    rig_pass(&rig, CORE_RESERVE_US);
    rig_pass(&rig, CORE_RESERVE_US * 10);
    next = submit_to(right, 1);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, wide), TASK_BLOCKED);
    assert_int_equal(rig_why(&rig, next), WHY_RESERVED);
}

#define cmocka_unit_test_rig(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_rig(test_core_reservation_that_lacks_a_child_lapses),
        cmocka_unit_test_rig(test_core_reservation_that_lapsed_rests),
        cmocka_unit_test_rig(test_core_reservation_that_lapsed_comes_back),
        cmocka_unit_test_rig(test_core_reservation_takes_the_child_that_comes),
        cmocka_unit_test_rig(test_core_reservation_that_lacks_permits_stays),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
