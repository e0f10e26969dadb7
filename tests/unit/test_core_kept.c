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

/* Without the checks of rig_step(), which would take long for thousands. */
static void step_unseen(const struct event *ev)
{
    assert_int_equal(core_step(rig.core, rig.now, ev), 0);
}

/* Task I has ended and is to be forgotten at FORGET_AT. */
static void ended_one(unsigned i, uint64_t forget_at)
{
    uint32_t slot;

    rig.spec.flags = CORE_TASK_DURABLE;
    rig.spec.pool = rig.pool;
    step_unseen(&(struct event){
        .type = EVENT_REPLAY_TASK, .id = ID(i), .spec = &rig.spec, .ret_slot = &slot });
    step_unseen(&(struct event){ .type = EVENT_REPLAY_END,
        .id = ID(i),
        .state = TASK_DONE,
        .number2 = 1,
        .time_us = forget_at });
}

/* A task that is cancelled at once, and its outcome kept. */
static void cancelled_one(void)
{
    struct core_task_info info;
    uint32_t slot;

    rig.spec.flags = 0;
    step_unseen(&(struct event){
        .type = EVENT_SUBMIT, .session = RIG_SESSION, .spec = &rig.spec, .ret_slot = &slot });
    assert_int_equal(core_slot_info(rig.core, slot, &info), 0);
    step_unseen(&(struct event){ .type = EVENT_CANCEL, .session = RIG_SESSION, .id = info.id });
}

/* Tasks that have ended and are to be forgotten after these many steps of time each. */
static void ended(const unsigned *steps)
{
    for (unsigned i = 0; i < TASKS; i++)
        ended_one(i, rig.now + steps[i] * (uint64_t)STEP_US);
}

/* COUNT tasks that are all to be forgotten at the time that is returned. */
static uint64_t ended_many(unsigned count)
{
    uint64_t due = rig.now + RIG_SECOND;

    for (unsigned i = 0; i < count; i++)
        ended_one(i, due);
    rig_start(&rig, false);
    return due;
}

/* How many a turn at NOW forgets. */
static unsigned forgotten_at(uint64_t now)
{
    rig.now = now;
    rig.appended_count = rig.stored_count = 0;
    rig_turn(&rig);
    return rig_count(&rig, EFFECT_FORGET);
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

/* Others that are due, though later than they, need not wait until all of them are gone. */
static void test_core_kept_go_in_small_parts(void **state)
{
    uint64_t due, delayed;

    (void)state;
    due = ended_many(150);
    rig.spec.flags = 0;
    rig.spec.due_us = due + 5;
    delayed = rig_submit(&rig);
    assert_int_equal(forgotten_at(due - 1), 0);
    assert_int_equal(core_deadline(rig.core), due);
    assert_int_equal(forgotten_at(due + 10), 64);
    assert_int_equal(rig_state(&rig, delayed), TASK_READY);
    assert_int_equal(core_deadline(rig.core), rig.now);
    assert_int_equal(forgotten_at(due + 11), 64);
    assert_int_equal(forgotten_at(due + 12), 22);
    assert_int_equal(core_deadline(rig.core), CORE_NEVER);
}

/* Of two rows each has its turn when the time of its first has come; both share the part. */
static void test_core_kept_of_two_kinds_share_a_part(void **state)
{
    uint64_t due = rig.now + RIG_SECOND;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        rig.spec.retention_us = RIG_SECOND + i % 2;
        ended_one(i, due + (i % 2 == 0 ? 1000 : 0));
    }
    rig_start(&rig, false);
    assert_int_equal(forgotten_at(due + 1000), 64);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(is_known(i), i % 2 == 0 && i >= 2 * 14);
    assert_int_equal(forgotten_at(due + 1001), 36);
}

/* That more of them are to go keeps no child idle: a task that needs a permit starts as well. */
static void test_core_kept_that_are_put_off_do_not_keep_tasks_from_starting(void **state)
{
    uint64_t due = ended_many(150);

    (void)state;
    rig.spec.flags = 0;
    rig_children_up(&rig, 2);
    /* So that a child may get two, but none that needs a permit behind another. */
    (void)rig_warm(&rig);
    (void)rig_submit(&rig);
    rig.spec.need_count = 1;
    rig.spec.needs[0] = (struct core_need){ rig.sems[0], 1 };
    (void)rig_submit(&rig);
    assert_int_equal(forgotten_at(due), 64);
    assert_int_equal(rig_count(&rig, EFFECT_HAND), 2);
}

/* What a replay finds late goes in parts as well. */
static void test_core_kept_that_were_replayed_go_in_parts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++)
        ended_one(i, 1);
    rig.now += RIG_SECOND;
    assert_int_equal(rig_step(&rig, &(struct event){ .type = EVENT_START }), 0);
    assert_int_equal(forgotten_at(rig.now), 256);
}

/* However many entered: what carries out the effects of a turn has room for so many. */
static void test_core_kept_stop_before_there_are_too_many_effects(void **state)
{
    const struct effect *effects;
    unsigned forgotten = 0;
    size_t count;

    (void)state;
    rig_close(&rig);
    rig.config.tasks_max = 60000;
    rig.settings.backlog = 60000;
    rig_new(&rig, 2);
    for (unsigned i = 0; i < 20000; i++)
        ended_one(i, rig.now + 1);
    rig_start(&rig, false);
    for (unsigned i = 0; i < 20000; i++)
        cancelled_one();
    rig.now += RIG_SECOND / 2;
    step_unseen(&(struct event){ .type = EVENT_TURN });
    effects = core_effects(rig.core, &count);
    for (size_t i = 0; i < count; i++)
        forgotten += effects[i].type == EFFECT_FORGET;
    assert_true(forgotten > 4096 && count <= 32768 - 8192 + 2);
    assert_int_equal(core_deadline(rig.core), rig.now);
}

/* Late by more than this they go faster, and faster than others enter. */
static void test_core_kept_that_are_late_keep_up(void **state)
{
    uint64_t due;

    (void)state;
    due = ended_many(1400);
    assert_int_equal(forgotten_at(due + 250000), 64);
    assert_int_equal(forgotten_at(due + 250001), 256);
    for (unsigned i = 0; i < 700; i++)
        cancelled_one();
    assert_int_equal(forgotten_at(due + 250002), 956);
    assert_int_equal(forgotten_at(due + 250003), 124);
}

int main(int argc, char **argv)
{
#define RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        RIG(test_core_kept_go_at_their_time),
        RIG(test_core_kept_are_dropped_wherever_they_stand),
        RIG(test_core_kept_go_in_small_parts),
        RIG(test_core_kept_of_two_kinds_share_a_part),
        RIG(test_core_kept_that_are_put_off_do_not_keep_tasks_from_starting),
        RIG(test_core_kept_that_were_replayed_go_in_parts),
        RIG(test_core_kept_stop_before_there_are_too_many_effects),
        RIG(test_core_kept_that_are_late_keep_up),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
