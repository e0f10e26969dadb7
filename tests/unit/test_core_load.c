/* How deep the hands of a pool are: 8 children under virtual time, first quick tasks, then long. */
#include "tests/support/core_rig.h"

#define CHILDREN    8u
#define TICK_US     50u
#define SHORT_US    50u
#define LONG_US     10000u
#define OUTSTANDING 400u
#define TICKS_MAX   100000u /* whoever needs more has lost a task */

struct worker {
    uint32_t child, gen;
    uint32_t first, end; /* hand numbers: the one that runs, behind the last */
    uint32_t taken;      /* numbers that were taken back and not yet returned */
    uint64_t done_at;
    uint64_t ran_us; /* as it says */
};

static struct core_rig rig;
static struct worker workers[CHILDREN];
static uint64_t run_us;      /* of a task that begins now */
static uint64_t says_us;     /* what its child says of it; 0: nothing */
static unsigned outstanding; /* submitted and not ended */
static unsigned long ended, idle_ticks, deepest;

static struct worker *worker_of(uint32_t child)
{
    for (unsigned i = 0; i < CHILDREN; i++) {
        if (workers[i].child == child)
            return &workers[i];
    }
    fail_msg("no child %u", child);
    return NULL;
}

static void begin(struct worker *w)
{
    if (w->first != w->end && w->done_at == 0)
        w->done_at = rig.now + run_us;
}

/* All but what runs goes back, as the shared page would decide. */
static void take_back(const struct effect *e)
{
    struct worker *w = worker_of(e->child);
    uint32_t begun = w->first == w->end ? w->first : w->first + 1;
    uint32_t stays = begun > e->seq ? begun : e->seq;

    if (stays < w->end) {
        w->taken += w->end - stays;
        w->end = stays;
    }
    assert_int_equal(rig_step(&rig, &(struct event){ .type = EVENT_CHILD_TAKEN,
                                        .child = w->child,
                                        .gen = w->gen,
                                        .seq = begun,
                                        .number = e->seq }),
        0);
}

static void turn(void)
{
    static struct effect effects[RIG_EFFECTS];
    size_t count;

    rig_turn(&rig);
    count = rig.last_count;
    memcpy(effects, rig.last, count * sizeof *effects);
    for (size_t i = 0; i < count; i++) {
        struct worker *w;

        if (effects[i].type == EFFECT_TAKE_BACK)
            take_back(&effects[i]);
        if (effects[i].type != EFFECT_HAND)
            continue;
        w = worker_of(effects[i].child);
        if (w->first == w->end)
            w->first = effects[i].seq;
        w->end = effects[i].seq + 1;
        begin(w);
    }
}

static void finish(struct worker *w)
{
    if (w->done_at == 0 || w->done_at > rig.now)
        return;
    w->ran_us += says_us;
    assert_int_equal(rig_step(&rig, &(struct event){ .type = EVENT_CHILD_RESULT,
                                        .child = w->child,
                                        .gen = w->gen,
                                        .seq = w->first++,
                                        .time_us = w->ran_us }),
        0);
    assert_true(outstanding > 0);
    ended++;
    outstanding--;
    w->done_at = 0;
    begin(w);
    if (w->first != w->end || w->taken == 0)
        return;
    assert_int_equal(rig_step(&rig, &(struct event){ .type = EVENT_CHILD_RETURNED,
                                        .child = w->child,
                                        .gen = w->gen,
                                        .number = w->taken }),
        0);
    w->taken = 0;
}

/* A child that has nothing while another has more than the one that it runs. */
static void look(void)
{
    bool idle = false, behind = false;

    for (unsigned i = 0; i < CHILDREN; i++) {
        uint32_t hand = workers[i].end - workers[i].first;

        idle |= hand == 0;
        behind |= hand > 1;
        if (hand > deepest)
            deepest = hand;
    }
    idle_ticks += idle && behind;
}

static void submit_up_to(unsigned count)
{
    for (; outstanding < count; outstanding++)
        (void)rig_submit(&rig);
}

static void tick(void)
{
    rig.now += TICK_US;
    for (unsigned i = 0; i < CHILDREN; i++)
        finish(&workers[i]);
    turn();
}

static void run(unsigned long tasks)
{
    ended = idle_ticks = deepest = 0;
    for (unsigned i = 0; i < TICKS_MAX && ended < tasks; i++) {
        submit_up_to(OUTSTANDING);
        tick();
        turn();
        look();
    }
    assert_true(ended >= tasks);
}

static void children_up(void)
{
    rig.spec.retention_us = 0;
    rig.spec.flags = CORE_TASK_WAIT | CORE_TASK_QUIET;
    rig.settings.processes = CHILDREN;
    assert_int_equal(rig_define(&rig), 0);
    assert_int_equal(rig_event(&rig, EVENT_AGENT_UP, rig.pool, 0), 0);
    for (unsigned i = 0; i < CHILDREN; i++) {
        const struct effect *e = rig_effect(&rig, EFFECT_SPAWN, i);

        assert_non_null(e);
        workers[i] = (struct worker){ .child = e->child, .gen = e->gen };
    }
    for (unsigned i = 0; i < CHILDREN; i++)
        assert_int_equal(rig_step(&rig, &(struct event){ .type = EVENT_CHILD_READY,
                                            .child = workers[i].child,
                                            .gen = workers[i].gen }),
            0);
}

static void test_core_load_no_child_idles_while_a_long_task_waits_in_anothers_hand(void **state)
{
    (void)state;
    rig_open(&rig);
    children_up();
    outstanding = 0;
    run_us = SHORT_US;
    run(2000);
    assert_true(deepest > 4); /* quick ones are handed ahead */
    run_us = LONG_US;
    run(OUTSTANDING + CHILDREN); /* until only long ones are there and were measured */
    run(400);
    assert_int_equal(idle_ticks, 0);
    assert_int_equal(deepest, 1);
    rig_close(&rig);
}

static void load_begin(uint64_t wall_us, uint64_t said_us)
{
    rig_open(&rig);
    children_up();
    outstanding = 0;
    run_us = wall_us;
    says_us = said_us;
}

static void load_end(void)
{
    says_us = 0;
    rig_close(&rig);
}

/* There are more children than processors: most of the time that has passed they have waited. */
static void test_core_load_children_that_wait_for_a_processor_are_handed_as_quick_ones(void **state)
{
    (void)state;
    load_begin(16 * SHORT_US, SHORT_US);
    run(2000);
    assert_true(deepest > 4);
    load_end();
    load_begin(16 * SHORT_US, 0);
    run(2000);
    assert_int_equal(deepest, 1);
    load_end();
}

/* What a child says is its word: it may have run no longer than time has passed. */
static void test_core_load_child_that_says_too_much_is_measured_by_the_clock(void **state)
{
    (void)state;
    load_begin(SHORT_US, UINT64_C(1) << 40);
    run(2000);
    assert_true(deepest > 4);
    load_end();
}

/* Children that have something in hand, after COUNT tasks came at once. */
static unsigned children_woken(unsigned count)
{
    unsigned busy = 0;

    run(2000);
    for (unsigned i = 0; i < TICKS_MAX && outstanding > 0; i++)
        tick();
    assert_int_equal(outstanding, 0);
    submit_up_to(count);
    turn();
    for (unsigned i = 0; i < CHILDREN; i++)
        busy += workers[i].end != workers[i].first;
    return busy;
}

static void test_core_load_few_quick_tasks_wake_one_child_and_longer_ones_all(void **state)
{
    (void)state;
    load_begin(SHORT_US, 1);
    assert_int_equal(children_woken(CORE_HAND_LEAST_US / 2), 1);
    load_end();
    load_begin(SHORT_US, 1);
    assert_int_equal(children_woken(CORE_HAND_LEAST_US * 3 / 2), 2);
    load_end();
    load_begin(2 * CORE_HAND_LEAST_US, 2 * CORE_HAND_LEAST_US);
    assert_int_equal(children_woken(CHILDREN), CHILDREN);
    load_end();
}

/* 25 us of tasks that take no time would be more than any hand holds. */
static void test_core_load_tasks_of_no_time_wake_another_child_by_their_number(void **state)
{
    (void)state;
    load_begin(SHORT_US, 0);
    /* They have run before, and no longer since: 0 would be that they say nothing. */
    for (unsigned i = 0; i < CHILDREN; i++)
        workers[i].ran_us = 1;
    assert_int_equal(children_woken(CORE_HAND_LEAST_MAX), 1);
    assert_int_equal(children_woken(CORE_HAND_LEAST_MAX + 1), 2);
    assert_int_equal(children_woken(2 * CORE_HAND_LEAST_MAX), 2);
    assert_int_equal(children_woken(2 * CORE_HAND_LEAST_MAX + 1), 3);
    load_end();
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core_load_no_child_idles_while_a_long_task_waits_in_anothers_hand),
        cmocka_unit_test(
            test_core_load_children_that_wait_for_a_processor_are_handed_as_quick_ones),
        cmocka_unit_test(test_core_load_child_that_says_too_much_is_measured_by_the_clock),
        cmocka_unit_test(test_core_load_few_quick_tasks_wake_one_child_and_longer_ones_all),
        cmocka_unit_test(test_core_load_tasks_of_no_time_wake_another_child_by_their_number),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
