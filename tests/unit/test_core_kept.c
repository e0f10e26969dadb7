/* Outcomes that are kept go at their time, or before it when they are asked to, in any order. */
#include "tests/support/core_rig.h"

#define TASKS   5u
#define ID(n)   ((UINT64_C(1) << GANGER_ID_COUNTER_BITS) | (7 + (n)))
#define STEP_US 1000u

static struct core_rig rig;

static int setup(void **state)
{
    (void)state;
    rig_open_again(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* Tasks that have ended and are to be forgotten after these many steps of time each. */
static void ended(const unsigned *steps)
{
    rig.spec.flags = CORE_TASK_DURABLE;
    rig.spec.pool = rig.pool;
    for (unsigned i = 0; i < TASKS; i++) {
        uint32_t slot;

        assert_int_equal(
            rig_step(&rig,
                &(struct event){
                    .type = EVENT_REPLAY_TASK, .id = ID(i), .spec = &rig.spec, .ret_slot = &slot }),
            0);
        assert_int_equal(rig_step(&rig, &(struct event){ .type = EVENT_REPLAY_END,
                                            .id = ID(i),
                                            .state = TASK_DONE,
                                            .number2 = 1,
                                            .time_us = rig.now + steps[i] * (uint64_t)STEP_US }),
            0);
    }
}

static bool is_known(unsigned i)
{
    struct core_task_info info;

    return core_task_info(rig.core, ID(i), &info) == 0;
}

/* Let time pass; at each step exactly those are known whose time has not come and who were not
 * dropped. */
static void watch(const unsigned *steps, unsigned dropped)
{
    for (unsigned now = 0; now <= TASKS + 1; now++) {
        for (unsigned i = 0; i < TASKS; i++)
            assert_int_equal(is_known(i), steps[i] > now && (dropped >> i & 1) == 0);
        rig_pass(&rig, STEP_US);
        rig_turn(&rig);
    }
    assert_int_equal(core_deadline(rig.core), CORE_NEVER);
}

static void drop(unsigned i)
{
    assert_int_equal(rig_step(&rig, &(struct event){ .type = EVENT_DROP, .id = ID(i) }), 0);
}

static void test_core_kept_go_at_their_time(void **state)
{
    static const unsigned orders[][TASKS] = { { 1, 2, 3, 4, 5 }, { 5, 4, 3, 2, 1 },
        { 2, 2, 2, 2, 2 }, { 3, 1, 4, 2, 5 }, { 2, 5, 1, 1, 3 } };

    (void)state;
    for (unsigned n = 0; n < sizeof orders / sizeof orders[0]; n++) {
        ended(orders[n]);
        rig_start(&rig, false);
        watch(orders[n], 0);
        rig_close(&rig);
        rig_new(&rig, 2);
    }
}

/* Each set of them is dropped: the first, the last, those between, all. */
static void test_core_kept_are_dropped_wherever_they_stand(void **state)
{
    static const unsigned orders[][TASKS] = { { 1, 2, 3, 4, 5 }, { 4, 5, 1, 2, 3 } };

    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        for (unsigned set = 0; set < 1u << TASKS; set++) {
            ended(orders[n]);
            rig_start(&rig, false);
            for (unsigned i = 0; i < TASKS; i++) {
                if ((set >> i & 1) != 0)
                    drop(i);
            }
            watch(orders[n], set);
            rig_close(&rig);
            rig_new(&rig, 2);
        }
    }
}

int main(int argc, char **argv)
{
#define RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        RIG(test_core_kept_go_at_their_time),
        RIG(test_core_kept_are_dropped_wherever_they_stand),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
