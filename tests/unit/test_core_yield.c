/* A reservation yields to a task that a holder waits for, and to no other. */
#include "tests/support/core_rig.h"

#define INNER ((UINT64_C(1) << 32) | 2) /* sessions of running tasks */
#define OTHER ((UINT64_C(1) << 32) | 3)

static struct core_rig rig;

static int open_session(uint64_t session)
{
    return rig_step(&rig, &(struct event){ .type = EVENT_SESSION_OPEN, .session = session });
}

static int setup(void **state)
{
    (void)state;
    rig_open(&rig);
    rig_children_up(&rig, 6);
    assert_int_equal(open_session(INNER), 0);
    assert_int_equal(open_session(OTHER), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static void need(unsigned count, uint32_t first, uint32_t first_permits, uint32_t second_permits)
{
    rig.spec.need_count = (uint8_t)count;
    rig.spec.needs[0] = (struct core_need){ rig.sems[first], first_permits };
    rig.spec.needs[1] = (struct core_need){ rig.sems[(first + 1) % 3], second_permits };
}

static uint64_t submit_from(uint64_t session, bool wait)
{
    uint32_t slot = 0;
    struct core_task_info info;
    struct event ev = { .type = EVENT_SUBMIT, .spec = &rig.spec, .ret_slot = &slot };

    rig.spec.flags = wait ? CORE_TASK_WAIT : 0;
    rig.spec.pool = rig.pool;
    ev.session = session;
    ev.req = ++rig.req;
    assert_int_equal(rig_step(&rig, &ev), 0);
    assert_int_equal(core_slot_info(rig.core, slot, &info), 0);
    rig.spec.flags = 0;
    return info.id;
}

static int act(uint64_t session, uint64_t id, uint64_t fence)
{
    return rig_step(
        &rig, &(struct event){ .type = EVENT_ACT, .session = session, .id = id, .number = fence });
}

static void act_for(uint64_t session, uint64_t id)
{
    assert_int_equal(act(session, id, rig_info(&rig, id).fence), 0);
}

static int wait_for(uint64_t session, uint64_t id)
{
    return rig_step(&rig,
        &(struct event){ .type = EVENT_WAIT, .session = session, .req = ++rig.req, .id = id });
}

static void finish(uint64_t id)
{
    struct core_task_info info = rig_info(&rig, id);

    assert_int_equal(rig_step(&rig, &(struct event){ .type = EVENT_CHILD_RESULT,
                                        .child = info.child,
                                        .gen = info.gen,
                                        .seq = info.seq }),
        0);
    rig_turn(&rig);
}

/* One that runs and holds a permit of red. */
static uint64_t holder_runs(void)
{
    uint64_t id;

    need(1, 0, 1, 0);
    id = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, id), TASK_RUNNING);
    return id;
}

/* The oldest, blocked by the holder of red, reserves red and green after its second. */
static uint64_t reserver_waits(void)
{
    uint64_t id;
    struct core_sem_info info;

    need(2, 0, 2, 1);
    id = rig_submit(&rig);
    rig_turn(&rig);
    rig_pass(&rig, CORE_RESERVE_US);
    core_sem_info(rig.core, rig.sems[1], &info);
    assert_true(rig_state(&rig, id) == TASK_BLOCKED && info.reserved_by == id);
    return id;
}

static enum task_state after_turn(uint64_t id)
{
    rig_turn(&rig);
    return rig_state(&rig, id);
}

static void test_core_reservation_yields_to_what_a_holder_submits(void **state)
{
    uint64_t holder = holder_runs(), reserver = reserver_waits(), inner, stranger;

    (void)state;
    act_for(INNER, holder);
    need(1, 1, 1, 0);
    stranger = rig_submit(&rig);
    inner = submit_from(INNER, true);
    assert_int_equal(after_turn(inner), TASK_RUNNING);
    assert_int_equal(rig_state(&rig, stranger), TASK_BLOCKED);
    assert_int_equal(rig_why(&rig, stranger), WHY_RESERVED);
    finish(inner);
    finish(holder);
    assert_int_equal(rig_state(&rig, reserver), TASK_RUNNING);
}

static void test_core_reservation_yields_when_the_wait_comes_later(void **state)
{
    uint64_t holder = holder_runs(), inner;

    (void)state;
    (void)reserver_waits();
    act_for(INNER, holder);
    need(1, 1, 1, 0);
    inner = submit_from(INNER, false);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    assert_int_equal(wait_for(INNER, inner), 0);
    assert_int_equal(after_turn(inner), TASK_RUNNING);
}

static void test_core_reservation_yields_when_the_word_comes_later(void **state)
{
    uint64_t holder = holder_runs(), inner;

    (void)state;
    (void)reserver_waits();
    need(1, 1, 1, 0);
    inner = submit_from(INNER, true);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    act_for(INNER, holder);
    assert_int_equal(after_turn(inner), TASK_RUNNING);
}

static void test_core_reservation_that_comes_later_yields(void **state)
{
    uint64_t holder = holder_runs(), filler, reserver, inner;

    (void)state;
    act_for(INNER, holder);
    need(1, 1, 2, 0);
    filler = rig_submit(&rig);
    rig_turn(&rig);
    need(2, 0, 2, 1);
    reserver = rig_submit(&rig);
    need(1, 1, 1, 0);
    inner = submit_from(INNER, true);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    rig_pass(&rig, CORE_RESERVE_US);
    assert_int_equal(rig_why(&rig, inner), WHY_SEMAPHORE);
    finish(filler);
    assert_int_equal(rig_state(&rig, inner), TASK_RUNNING);
    assert_int_equal(rig_state(&rig, reserver), TASK_BLOCKED);
}

/* The holder waits for one without needs, which waits for the one that is kept back. */
static void test_core_reservation_yields_through_another_task(void **state)
{
    uint64_t holder = holder_runs(), middle, inner;

    (void)state;
    (void)reserver_waits();
    act_for(INNER, holder);
    rig.spec.need_count = 0;
    middle = submit_from(INNER, true);
    assert_int_equal(after_turn(middle), TASK_RUNNING);
    act_for(OTHER, middle);
    need(1, 1, 1, 0);
    inner = submit_from(OTHER, true);
    assert_int_equal(after_turn(inner), TASK_RUNNING);
}

/* The holder waits for one that is blocked by a third, which waits for the one kept back. */
static void test_core_reservation_yields_through_a_blocked_task(void **state)
{
    uint64_t holder = holder_runs(), third, middle, inner;

    (void)state;
    need(1, 2, 2, 0);
    third = rig_submit(&rig);
    rig_turn(&rig);
    (void)reserver_waits();
    act_for(OTHER, third);
    need(1, 1, 1, 0);
    inner = submit_from(OTHER, true);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    act_for(INNER, holder);
    need(1, 2, 1, 0);
    middle = submit_from(INNER, true);
    assert_int_equal(after_turn(middle), TASK_BLOCKED);
    rig_pass(&rig, CORE_RESERVE_US);
    assert_int_equal(rig_state(&rig, inner), TASK_RUNNING);
}

/* Another pool with one child, for what is submitted from now on. */
static void other_pool(void)
{
    assert_int_equal(core_pool_add(rig.core, "other", 5, &rig.pool), 0);
    rig.settings.processes = 1;
    assert_int_equal(rig_define(&rig), 0);
    rig_child_up(&rig);
}

/* The reserver has all permits and lacks a worker: all of its pool wait for the one kept back. */
static void test_core_reservation_yields_to_what_a_busy_worker_waits_for(void **state)
{
    uint32_t pool = rig.pool, other;
    uint64_t green, busy = 0, reserver, inner;

    (void)state;
    other_pool();
    other = rig.pool;
    need(1, 1, 1, 0);
    green = rig_submit(&rig);
    rig_turn(&rig);
    rig.pool = pool;
    need(1, 1, 2, 0);
    reserver = rig_submit(&rig);
    rig_turn(&rig);
    rig_pass(&rig, CORE_RESERVE_US);
    rig.spec.need_count = 0;
    for (unsigned i = 0; i < 6; i++)
        busy = rig_submit(&rig);
    rig_turn(&rig);
    finish(green);
    assert_int_equal(rig_state(&rig, reserver), TASK_READY);
    rig.pool = other;
    need(1, 1, 1, 0);
    inner = submit_from(INNER, true);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    act_for(INNER, busy);
    assert_int_equal(after_turn(inner), TASK_RUNNING);
}

/* Two that wait for each other lead nowhere, and the walk ends. */
static void test_core_reservation_does_not_yield_to_a_ring(void **state)
{
    uint64_t a, b, inner;

    (void)state;
    (void)holder_runs();
    (void)reserver_waits();
    rig.spec.need_count = 0;
    a = submit_from(RIG_SESSION, false);
    b = submit_from(RIG_SESSION, false);
    rig_turn(&rig);
    act_for(INNER, a);
    act_for(OTHER, b);
    assert_int_equal(wait_for(INNER, b), 0);
    assert_int_equal(wait_for(OTHER, a), 0);
    need(1, 1, 1, 0);
    inner = submit_from(INNER, true);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
}

/* Who holds what the reserver does not need, or has already, is no reason to yield. */
static void test_core_reservation_does_not_yield_to_what_others_wait_for(void **state)
{
    uint64_t blue, green, inner;

    (void)state;
    (void)holder_runs();
    need(1, 2, 1, 0);
    blue = rig_submit(&rig);
    need(1, 1, 1, 0);
    green = rig_submit(&rig);
    rig_turn(&rig);
    (void)reserver_waits();
    act_for(INNER, blue);
    act_for(OTHER, green);
    need(1, 1, 1, 0);
    inner = submit_from(INNER, true);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    assert_int_equal(wait_for(OTHER, inner), 0);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    assert_int_equal(rig_why(&rig, inner), WHY_RESERVED);
}

static void test_core_act_of_an_attempt_that_is_over_is_stale(void **state)
{
    uint64_t holder = holder_runs(), fence, inner, next, waits;

    (void)state;
    fence = rig_info(&rig, holder).fence;
    assert_int_equal(act(INNER, holder, fence + 1), GANGER_ESTALE);
    assert_int_equal(act(INNER, holder, fence - 1), GANGER_ESTALE);
    assert_int_equal(act(INNER, holder + 1000, fence), GANGER_ESTALE);
    assert_int_equal(act(INNER, holder, 0), GANGER_ESTALE);
    need(1, 0, 3, 0); /* more than there is */
    waits = rig_submit(&rig);
    assert_int_equal(act(INNER, waits, 0), GANGER_ESTALE);
    assert_int_equal(act(INNER, waits, fence), GANGER_ESTALE);
    assert_int_equal(rig_cancel(&rig, waits), 0);
    assert_int_equal(act(UINT64_C(9) << 32 | 2, holder, fence), GANGER_ESTALE);
    assert_int_equal(act(INNER, holder, fence), 0);
    finish(holder);
    assert_int_equal(act(OTHER, holder, fence), GANGER_ESTALE);
    /* What was said of an attempt that is over does not count for who holds red now. */
    next = holder_runs();
    (void)reserver_waits();
    need(1, 1, 1, 0);
    inner = submit_from(INNER, true);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    assert_int_equal(act(INNER, next, fence), GANGER_ESTALE);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    act_for(INNER, next);
    assert_int_equal(after_turn(inner), TASK_RUNNING);
}

static void test_core_act_for_nobody_ends_it(void **state)
{
    uint64_t holder = holder_runs(), inner;

    (void)state;
    (void)reserver_waits();
    act_for(INNER, holder);
    act_for(OTHER, holder);
    assert_int_equal(act(INNER, 0, 0), 0);
    assert_int_equal(act(OTHER, holder, 1), GANGER_ESTALE); /* refused: for nobody either */
    need(1, 1, 1, 0);
    inner = submit_from(INNER, true);
    assert_int_equal(wait_for(OTHER, inner), 0);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
}

static void test_core_session_that_left_acts_for_nobody(void **state)
{
    uint64_t holder = holder_runs(), inner;

    (void)state;
    (void)reserver_waits();
    need(1, 1, 1, 0);
    inner = submit_from(INNER, true);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    act_for(OTHER, holder);
    act_for(INNER, holder);
    assert_int_equal(
        rig_step(&rig, &(struct event){ .type = EVENT_SESSION_GONE, .session = INNER }), 0);
    assert_int_equal(open_session(INNER), 0);
    assert_int_equal(wait_for(INNER, inner), 0);
    assert_int_equal(after_turn(inner), TASK_BLOCKED);
    assert_int_equal(wait_for(OTHER, inner), 0);
    assert_int_equal(after_turn(inner), TASK_RUNNING);
}

#define cmocka_unit_test_rig(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_rig(test_core_reservation_yields_to_what_a_holder_submits),
        cmocka_unit_test_rig(test_core_reservation_yields_when_the_wait_comes_later),
        cmocka_unit_test_rig(test_core_reservation_yields_when_the_word_comes_later),
        cmocka_unit_test_rig(test_core_reservation_that_comes_later_yields),
        cmocka_unit_test_rig(test_core_reservation_yields_through_another_task),
        cmocka_unit_test_rig(test_core_reservation_yields_through_a_blocked_task),
        cmocka_unit_test_rig(test_core_reservation_yields_to_what_a_busy_worker_waits_for),
        cmocka_unit_test_rig(test_core_reservation_does_not_yield_to_a_ring),
        cmocka_unit_test_rig(test_core_reservation_does_not_yield_to_what_others_wait_for),
        cmocka_unit_test_rig(test_core_act_of_an_attempt_that_is_over_is_stale),
        cmocka_unit_test_rig(test_core_act_for_nobody_ends_it),
        cmocka_unit_test_rig(test_core_session_that_left_acts_for_nobody),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
