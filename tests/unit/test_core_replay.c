/* Replay of each fact, the grace, and the reason for each state. */
#include "tests/support/core_rig.h"

#define OLD_ID ((UINT64_C(1) << GANGER_ID_COUNTER_BITS) | 7)

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

static int replay_task(void)
{
    uint32_t slot;

    rig.spec.flags = CORE_TASK_DURABLE;
    rig.spec.pool = rig.pool;
    return rig_step(
        &rig, &(struct event){
                  .type = EVENT_REPLAY_TASK, .id = OLD_ID, .spec = &rig.spec, .ret_slot = &slot });
}

static int replay_end(void)
{
    return rig_step(&rig, &(struct event){ .type = EVENT_REPLAY_END,
                              .id = OLD_ID,
                              .state = TASK_DONE,
                              .number = 5,
                              .number2 = 2,
                              .time_us = rig.now + 100 });
}

static int replay(enum event_type type)
{
    return rig_step(&rig, &(struct event){ .type = type, .id = OLD_ID });
}

static void test_core_replay_clean_start_hands_at_once(void **state)
{
    (void)state;
    assert_int_equal(replay_task(), 0);
    assert_int_equal(replay_task(), GANGER_EEXIST);
    rig_start(&rig, false);
    rig_child_up(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->id, OLD_ID);
    assert_int_equal(id_epoch(rig_effect(&rig, EFFECT_HAND, 0)->fence), 2);
}

static void test_core_replay_unclean_start_waits_for_the_grace(void **state)
{
    uint64_t id;

    (void)state;
    assert_int_equal(replay_task(), 0);
    rig_start(&rig, true);
    rig_child_up(&rig);
    rig.spec.flags = 0;
    id = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->id, id); /* the new epoch's need not wait */
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    assert_int_equal(rig_why(&rig, OLD_ID), WHY_GRACE);
    rig_pass(&rig, rig.config.grace_us - 1);
    assert_null(rig_effect(&rig, EFFECT_HAND, 0));
    rig_pass(&rig, 1);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->id, OLD_ID);
}

static void test_core_replay_grace_over_early_lets_go(void **state)
{
    (void)state;
    assert_int_equal(replay_task(), 0);
    rig_start(&rig, true);
    rig_child_up(&rig);
    assert_int_equal(rig_event(&rig, EVENT_GRACE_OVER, 0, 0), 0);
    rig_turn(&rig);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->id, OLD_ID);
}

static void test_core_grace_holds_new_tasks_with_needs(void **state)
{
    uint64_t id;

    (void)state;
    rig_start(&rig, true);
    rig_child_up(&rig);
    rig.spec.need_count = 1;
    rig.spec.needs[0] = (struct core_need){ rig.sems[0], 1 };
    id = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_why(&rig, id), WHY_GRACE);
    assert_int_equal(rig_event(&rig, EVENT_GRACE_OVER, 0, 0), 0);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, id), TASK_RUNNING);
}

static void test_core_replay_attempt_keeps_charges_and_due(void **state)
{
    struct core_attempts a = { .attempts = 2, .crashes = 1, .cause_count = 1 };

    (void)state;
    rig.spec.attempts_max = 3;
    a.due_us = rig.now + 5000;
    a.causes[0].code = -GANGER_EDIED;
    assert_int_equal(replay_task(), 0);
    assert_int_equal(
        rig_step(
            &rig, &(struct event){ .type = EVENT_REPLAY_ATTEMPT, .id = OLD_ID, .attempts = &a }),
        0);
    rig_start(&rig, false);
    rig_child_up(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, OLD_ID), TASK_DELAYED);
    assert_int_equal(rig_why(&rig, OLD_ID), WHY_BACKOFF);
    rig_pass(&rig, 5000);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->attempt, 3);
    assert_int_equal(rig_info(&rig, OLD_ID).crashes, 1);
    assert_int_equal(rig_result(&rig, 0, GANGER_EFAILED), 0);
    assert_int_equal(rig_info(&rig, OLD_ID).end, TASK_DEAD);
}

static void test_core_replay_cancel_ends_the_task(void **state)
{
    (void)state;
    assert_int_equal(replay_task(), 0);
    assert_int_equal(replay(EVENT_REPLAY_CANCEL), 0);
    rig_start(&rig, false);
    assert_int_equal(rig.appended[0].fact, FACT_END);
    assert_int_equal(rig_stored(&rig), 0);
    assert_int_equal(rig_state(&rig, OLD_ID), TASK_CANCELLED);
}

static void test_core_replay_end_keeps_the_result_until_then(void **state)
{
    (void)state;
    rig.spec.attempts_max = 2;
    assert_int_equal(replay_task(), 0);
    assert_int_equal(replay_end(), 0);
    assert_int_equal(replay(EVENT_REPLAY_CANCEL), GANGER_ESTATE);
    rig_start(&rig, true);
    assert_int_equal(
        rig_step(&rig,
            &(struct event){ .type = EVENT_WAIT, .session = RIG_SESSION, .req = 1, .id = OLD_ID }),
        0);
    assert_int_equal(rig_effect(&rig, EFFECT_ENDED, 0)->state, TASK_DONE);
    assert_int_equal(rig_info(&rig, OLD_ID).attempts, 2);
    rig_pass(&rig, 100);
    assert_int_equal(rig_state(&rig, OLD_ID), TASK_FREE);
}

static void test_core_replay_forget_and_facts_of_the_unknown(void **state)
{
    (void)state;
    assert_int_equal(replay(EVENT_REPLAY_CANCEL), GANGER_ENOTASK);
    assert_int_equal(replay(EVENT_REPLAY_FORGET), GANGER_ENOTASK);
    assert_int_equal(replay_end(), GANGER_ENOTASK);
    rig.spec.attempts_max = 2;
    assert_int_equal(replay_task(), 0);
    assert_int_equal(replay_end(), 0);
    assert_int_equal(replay(EVENT_REPLAY_FORGET), 0);
    assert_int_equal(rig_state(&rig, OLD_ID), TASK_FREE);
}

static void test_core_replay_is_not_bounded_by_tasks_max(void **state)
{
    uint64_t id;

    (void)state;
    rig_close(&rig);
    rig.config.tasks_max = 0;
    rig_new(&rig, 2);
    assert_int_equal(replay_task(), 0); /* what was accepted once stays */
    rig_start(&rig, false);
    assert_int_equal(rig_try(&rig, &id), GANGER_EFULL);
}

/* ---- why ---- */

static void test_core_why_names_each_reason_of_waiting(void **state)
{
    uint64_t id, running;

    (void)state;
    rig_start(&rig, false);
    rig.spec.flags = CORE_TASK_DURABLE;
    id = rig_submit(&rig);
    assert_int_equal(rig_why(&rig, id), WHY_STORING);
    assert_int_equal(rig_stored(&rig), 0);
    assert_int_equal(rig_why(&rig, id), WHY_NO_WORKER);
    assert_int_equal(rig_event(&rig, EVENT_AGENT_UP, rig.pool, 0), 0);
    assert_int_equal(rig_why(&rig, id), WHY_WORKERS_STARTING);
    assert_int_equal(rig_child(&rig, EVENT_CHILD_READY, 0), 0);
    rig_turn(&rig);
    running = id;
    assert_int_equal(rig_why(&rig, running), WHY_RUNNING);
    rig.spec.flags = 0;
    id = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_why(&rig, id), WHY_QUEUE);
    assert_int_equal(rig_event(&rig, EVENT_DRAIN, 0, 0), 0);
    assert_int_equal(rig_why(&rig, id), WHY_DRAINING);
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    assert_int_equal(rig_why(&rig, running), WHY_SETTLING);
    assert_int_equal(rig_stored(&rig), 0);
    assert_int_equal(rig_why(&rig, running), WHY_ENDED);
    assert_int_equal(core_why(rig.core, 5, &(struct core_why){ 0 }), GANGER_ENOTASK);
}

static void test_core_why_counts_who_is_ahead(void **state)
{
    struct core_why why;
    uint64_t id = 0;

    (void)state;
    rig_start(&rig, false);
    for (unsigned i = 0; i < 4; i++)
        id = rig_submit(&rig);
    assert_int_equal(core_why(rig.core, id, &why), 0);
    assert_int_equal(why.ahead, 3);
}

static void test_core_why_undefined_pool_is_named(void **state)
{
    (void)state;
    assert_int_equal(replay_task(), 0);
    assert_int_equal(rig_step(&rig, &(struct event){ .type = EVENT_START }), 0);
    assert_int_equal(rig_why(&rig, OLD_ID), WHY_POOL_UNDEFINED);
}

static void test_core_why_delay_handed_and_stopping(void **state)
{
    uint32_t seq;
    uint64_t head, behind;

    (void)state;
    rig_start(&rig, false);
    rig_child_up(&rig);
    seq = rig_warm(&rig);
    head = rig_submit(&rig);
    behind = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_why(&rig, behind), WHY_HANDED);
    assert_int_equal(rig_cancel(&rig, head), 0);
    assert_int_equal(rig_taken(&rig, seq + 1, seq), 0);
    assert_int_equal(rig_why(&rig, head), WHY_STOPPING);
    rig.spec.due_us = rig.now + 1000;
    assert_int_equal(rig_why(&rig, rig_submit(&rig)), WHY_DELAY);
}

#define cmocka_unit_test_rig(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_rig(test_core_replay_clean_start_hands_at_once),
        cmocka_unit_test_rig(test_core_replay_unclean_start_waits_for_the_grace),
        cmocka_unit_test_rig(test_core_replay_grace_over_early_lets_go),
        cmocka_unit_test_rig(test_core_grace_holds_new_tasks_with_needs),
        cmocka_unit_test_rig(test_core_replay_attempt_keeps_charges_and_due),
        cmocka_unit_test_rig(test_core_replay_cancel_ends_the_task),
        cmocka_unit_test_rig(test_core_replay_end_keeps_the_result_until_then),
        cmocka_unit_test_rig(test_core_replay_forget_and_facts_of_the_unknown),
        cmocka_unit_test_rig(test_core_replay_is_not_bounded_by_tasks_max),
        cmocka_unit_test_rig(test_core_why_names_each_reason_of_waiting),
        cmocka_unit_test_rig(test_core_why_counts_who_is_ahead),
        cmocka_unit_test_rig(test_core_why_undefined_pool_is_named),
        cmocka_unit_test_rig(test_core_why_delay_handed_and_stopping),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
