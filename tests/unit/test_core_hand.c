/* Hands: ahead, taken back, stopped, killed; cancel in each state. */
#include "tests/support/core_rig.h"

static struct core_rig rig;

static int setup(void **state)
{
    (void)state;
    rig_open(&rig);
    rig_child_up(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static void test_core_hand_unmeasured_pool_gets_one(void **state)
{
    uint64_t first = rig_submit(&rig), second = rig_submit(&rig);

    (void)state;
    rig_turn(&rig);
    assert_int_equal(rig_count(&rig, EFFECT_HAND), 1);
    assert_int_equal(rig_state(&rig, first), TASK_RUNNING);
    assert_int_equal(rig_state(&rig, second), TASK_READY);
}

static void test_core_hand_quick_pool_gets_some_ahead(void **state)
{
    uint32_t seq = rig_warm(&rig);
    uint64_t ids[5];

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        ids[i] = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_count(&rig, EFFECT_HAND), 5);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->seq, seq);
    assert_int_equal(rig_state(&rig, ids[0]), TASK_RUNNING);
    assert_int_equal(rig_state(&rig, ids[4]), TASK_HANDED);
    assert_int_equal(rig_result(&rig, seq, 0), 0);
    assert_int_equal(rig_state(&rig, ids[1]), TASK_RUNNING);
    assert_int_equal(rig_result(&rig, seq, 0), GANGER_ESTALE); /* that one has its result */
}

static void test_core_hand_fences_and_attempts_rise(void **state)
{
    uint64_t fence;

    (void)state;
    rig.spec.attempts_max = 3;
    (void)rig_submit(&rig);
    rig_turn(&rig);
    fence = rig_effect(&rig, EFFECT_HAND, 0)->fence;
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->attempt, 1);
    assert_int_equal(rig_result(&rig, 0, GANGER_EFAILED), 0);
    rig_turn(&rig);
    assert_true(rig_effect(&rig, EFFECT_HAND, 0)->fence > fence);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->attempt, 2);
}

/* Three in hand, the first runs long. */
static void stalled(uint64_t *ids)
{
    uint32_t seq = rig_warm(&rig);

    for (unsigned i = 0; i < 3; i++)
        ids[i] = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(seq, 2);
    rig_pass(&rig, CORE_HAND_STALL_US - 1);
    assert_null(rig_effect(&rig, EFFECT_TAKE_BACK, 0));
    rig_pass(&rig, 1);
    assert_int_equal(rig_effect(&rig, EFFECT_TAKE_BACK, 0)->seq, seq + 1);
}

static void test_core_take_back_returns_what_was_not_begun(void **state)
{
    uint64_t ids[3];

    (void)state;
    stalled(ids);
    assert_int_equal(rig_taken(&rig, 3, 3), 0);
    assert_int_equal(rig_state(&rig, ids[0]), TASK_RUNNING);
    assert_int_equal(rig_state(&rig, ids[1]), TASK_READY);
    assert_int_equal(rig_info(&rig, ids[1]).attempts, 0);
    /* Nothing more before the child has said that it dropped both. */
    rig_turn(&rig);
    assert_null(rig_effect(&rig, EFFECT_HAND, 0));
    assert_int_equal(rig_result(&rig, 2, 0), 0);
    rig_turn(&rig);
    assert_null(rig_effect(&rig, EFFECT_HAND, 0));
    assert_int_equal(
        rig_step(&rig,
            &(struct event){
                .type = EVENT_CHILD_RETURNED, .child = rig.child, .gen = rig.gen, .number = 2 }),
        0);
    rig_turn(&rig);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->id, ids[1]);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->seq, 5);
}

static void test_core_take_back_leaves_what_was_begun_meanwhile(void **state)
{
    uint64_t ids[3];

    (void)state;
    stalled(ids);
    assert_int_equal(rig_taken(&rig, 4, 3), 0);
    assert_int_equal(rig_state(&rig, ids[1]), TASK_HANDED);
    assert_int_equal(rig_state(&rig, ids[2]), TASK_READY);
}

static void test_core_take_back_in_vain_is_not_repeated_at_once(void **state)
{
    uint64_t ids[3];

    (void)state;
    stalled(ids);
    assert_int_equal(rig_taken(&rig, 4, 3), 0); /* two were begun, but no result came yet */
    assert_true(core_deadline(rig.core) >= rig.now + CORE_HAND_STALL_US);
    rig_pass(&rig, CORE_HAND_STALL_US - 1);
    assert_null(rig_effect(&rig, EFFECT_TAKE_BACK, 0));
    rig_pass(&rig, 1);
    assert_non_null(rig_effect(&rig, EFFECT_TAKE_BACK, 0));
}

static void test_core_hand_goes_not_behind_a_task_that_runs_long(void **state)
{
    uint64_t first, second;

    (void)state;
    (void)rig_warm(&rig);
    first = rig_submit(&rig);
    rig_turn(&rig);
    rig_pass(&rig, CORE_HAND_STALL_US);
    second = rig_submit(&rig);
    (void)rig_submit(&rig);
    (void)rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, first), TASK_RUNNING);
    assert_int_equal(rig_state(&rig, second), TASK_READY);
}

static void test_core_take_back_answer_unasked_is_stale(void **state)
{
    (void)state;
    (void)rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_taken(&rig, 0, 0), GANGER_ESTALE);
}

static void test_core_returned_more_than_taken_is_malformed(void **state)
{
    (void)state;
    assert_int_equal(
        rig_step(&rig,
            &(struct event){
                .type = EVENT_CHILD_RETURNED, .child = rig.child, .gen = rig.gen, .number = 1 }),
        GANGER_EPROTO);
}

static void test_core_word_of_another_generation_is_stale(void **state)
{
    (void)state;
    (void)rig_submit(&rig);
    rig_turn(&rig);
    rig.gen++;
    assert_int_equal(rig_result(&rig, 0, 0), GANGER_ESTALE);
    assert_int_equal(rig_exited(&rig, 0, -GANGER_EDIED, true), GANGER_ESTALE);
    rig.gen--;
}

static void test_core_task_with_needs_is_never_ahead_nor_behind(void **state)
{
    uint32_t seq = rig_warm(&rig);
    uint64_t plain, needy;

    (void)state;
    plain = rig_submit(&rig);
    rig.spec.need_count = 1;
    rig.spec.needs[0] = (struct core_need){ rig.sems[0], 1 };
    needy = rig_submit(&rig);
    rig.spec.need_count = 0;
    (void)rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_count(&rig, EFFECT_HAND), 1);
    assert_int_equal(rig_result(&rig, seq, 0), 0);
    rig_turn(&rig);
    assert_int_equal(rig_count(&rig, EFFECT_HAND), 1);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->id, needy);
    assert_int_equal(rig_state(&rig, plain), TASK_DONE);
}

/* ---- cancel ---- */

static void test_core_cancel_ready_ends_at_once(void **state)
{
    uint64_t id;

    (void)state;
    rig.spec.flags = CORE_TASK_WAIT;
    id = rig_submit(&rig);
    assert_int_equal(rig_cancel(&rig, id), 0);
    assert_int_equal(rig_effect(&rig, EFFECT_CANCEL, 0)->code, 0);
    assert_int_equal(rig_effect(&rig, EFFECT_ENDED, 0)->state, TASK_CANCELLED);
    assert_int_equal(rig_cancel(&rig, id), GANGER_ESTATE);
    assert_int_equal(rig_cancel(&rig, 1), GANGER_ENOTASK);
}

static void test_core_cancel_delayed_ends_at_once(void **state)
{
    uint64_t id;

    (void)state;
    rig.spec.due_us = rig.now + RIG_SECOND;
    id = rig_submit(&rig);
    assert_int_equal(rig_cancel(&rig, id), 0);
    assert_int_equal(rig_state(&rig, id), TASK_CANCELLED);
}

static void test_core_cancel_blocked_ends_at_once(void **state)
{
    uint64_t id;

    (void)state;
    assert_int_equal(rig_event(&rig, EVENT_SEM_SET, rig.sems[0], 0), 0);
    rig.spec.need_count = 1;
    rig.spec.needs[0] = (struct core_need){ rig.sems[0], 1 };
    id = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, id), TASK_BLOCKED);
    assert_int_equal(rig_cancel(&rig, id), 0);
    assert_int_equal(rig_state(&rig, id), TASK_CANCELLED);
}

static void test_core_cancel_storing_is_answered_when_stored(void **state)
{
    uint64_t id;

    (void)state;
    rig.spec.flags = CORE_TASK_DURABLE | CORE_TASK_WAIT;
    id = rig_submit(&rig);
    assert_int_equal(rig_cancel(&rig, id), 0);
    assert_null(rig_effect(&rig, EFFECT_CANCEL, 0));
    assert_int_equal(rig_stored(&rig), 0);
    assert_non_null(rig_effect(&rig, EFFECT_ACCEPTED, 0));
    assert_null(rig_effect(&rig, EFFECT_ENDED, 0));
    assert_int_equal(rig_stored(&rig), 0);
    assert_non_null(rig_effect(&rig, EFFECT_CANCEL, 0));
    assert_non_null(rig_effect(&rig, EFFECT_ENDED, 0));
    assert_int_equal(rig_state(&rig, id), TASK_CANCELLED);
}

static void test_core_cancel_handed_takes_it_back(void **state)
{
    uint32_t seq = rig_warm(&rig);
    uint64_t first = rig_submit(&rig), second = rig_submit(&rig), third = rig_submit(&rig);

    (void)state;
    rig_turn(&rig);
    assert_int_equal(rig_cancel(&rig, second), 0);
    assert_int_equal(rig_effect(&rig, EFFECT_TAKE_BACK, 0)->seq, seq + 1);
    assert_int_equal(rig_taken(&rig, seq + 1, seq + 1), 0);
    assert_int_equal(rig_state(&rig, first), TASK_RUNNING);
    assert_int_equal(rig_state(&rig, second), TASK_CANCELLED);
    assert_int_equal(rig_state(&rig, third), TASK_READY);
    assert_null(rig_effect(&rig, EFFECT_STOP, 0));
}

/* A running task that was told to stop for a cancel. */
static uint64_t cancelled_running(uint32_t flags)
{
    uint64_t id;

    rig.spec.flags = flags;
    id = rig_submit(&rig);
    if ((flags & CORE_TASK_DURABLE) != 0)
        assert_int_equal(rig_stored(&rig), 0);
    rig_turn(&rig);
    assert_int_equal(rig_cancel(&rig, id), 0);
    assert_int_equal(rig_effect(&rig, EFFECT_TAKE_BACK, 0)->seq, 0);
    return id;
}

static void test_core_cancel_running_stops_then_kills(void **state)
{
    uint64_t id = cancelled_running(CORE_TASK_WAIT);

    (void)state;
    assert_int_equal(rig_taken(&rig, 1, 0), 0);
    assert_int_equal(rig_effect(&rig, EFFECT_STOP, 0)->seq, 0);
    assert_int_equal(rig_state(&rig, id), TASK_STOPPING);
    rig_pass(&rig, rig.spec.kill_grace_us - 1);
    assert_null(rig_effect(&rig, EFFECT_KILL, 0));
    rig_pass(&rig, 1);
    assert_non_null(rig_effect(&rig, EFFECT_KILL, 0));
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, true), 0);
    assert_int_equal(rig_state(&rig, id), TASK_CANCELLED);
    assert_int_equal(rig_effect(&rig, EFFECT_ENDED, 0)->code, GANGER_ECANCELLED);
}

static void test_core_cancel_not_begun_after_all_needs_no_stop(void **state)
{
    uint64_t id = cancelled_running(0);

    (void)state;
    assert_int_equal(rig_taken(&rig, 0, 0), 0);
    assert_int_equal(rig_state(&rig, id), TASK_CANCELLED);
    assert_int_equal(rig_info(&rig, id).attempts, 0);
}

static void test_core_cancel_running_result_after_the_stop_is_cancelled(void **state)
{
    uint64_t id = cancelled_running(0);

    (void)state;
    assert_int_equal(rig_taken(&rig, 1, 0), 0);
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    assert_int_equal(rig_state(&rig, id), TASK_CANCELLED);
}

static void test_core_cancel_durable_running_is_answered_when_stored(void **state)
{
    uint64_t id = cancelled_running(CORE_TASK_DURABLE);

    (void)state;
    assert_null(rig_effect(&rig, EFFECT_CANCEL, 0));
    assert_int_equal(rig_taken(&rig, 1, 0), 0);
    assert_int_equal(rig_cancel(&rig, id), 0); /* another one waits for the same */
    assert_null(rig_effect(&rig, EFFECT_CANCEL, 0));
    assert_int_equal(rig_stored(&rig), 0);
    assert_int_equal(rig_count(&rig, EFFECT_CANCEL), 2);
    assert_int_equal(rig_result(&rig, 0, GANGER_EFAILED), 0);
    assert_int_equal(rig_state(&rig, id), TASK_SETTLING);
    assert_int_equal(rig_cancel(&rig, id), GANGER_ESTATE);
}

static void test_core_cancel_of_a_stored_retry_ends_it(void **state)
{
    uint64_t id;

    (void)state;
    rig.spec.flags = CORE_TASK_DURABLE;
    rig.spec.attempts_max = 3;
    id = rig_submit(&rig);
    assert_int_equal(rig_stored(&rig), 0);
    rig_turn(&rig);
    assert_int_equal(rig_result(&rig, 0, GANGER_EFAILED), 0);
    assert_int_equal(rig_state(&rig, id), TASK_SETTLING);
    assert_int_equal(rig_cancel(&rig, id), 0);
    assert_int_equal(rig_stored(&rig), 0); /* the attempt */
    assert_int_equal(rig_stored(&rig), 0); /* the end */
    assert_non_null(rig_effect(&rig, EFFECT_CANCEL, 0));
    assert_int_equal(rig_state(&rig, id), TASK_CANCELLED);
}

static void test_core_stopping_task_gets_nothing_behind_it(void **state)
{
    uint32_t seq = rig_warm(&rig);
    uint64_t id = rig_submit(&rig), next;

    (void)state;
    rig_turn(&rig);
    assert_int_equal(rig_cancel(&rig, id), 0);
    assert_int_equal(rig_taken(&rig, seq + 1, seq), 0);
    next = rig_submit(&rig);
    rig_turn(&rig);
    assert_null(rig_effect(&rig, EFFECT_HAND, 0));
    assert_int_equal(rig_result(&rig, seq, GANGER_EFAILED), 0);
    rig_turn(&rig);
    assert_int_equal(rig_effect(&rig, EFFECT_HAND, 0)->id, next);
}

static void test_core_limit_stops_then_kills_and_is_the_cause(void **state)
{
    uint64_t id;

    (void)state;
    rig.spec.limit_us = 1000;
    id = rig_submit(&rig);
    rig_turn(&rig);
    rig_pass(&rig, 1000);
    assert_int_equal(rig_effect(&rig, EFFECT_TAKE_BACK, 0)->seq, 0);
    assert_int_equal(rig_taken(&rig, 1, 0), 0);
    assert_non_null(rig_effect(&rig, EFFECT_STOP, 0));
    rig_pass(&rig, rig.spec.kill_grace_us);
    assert_non_null(rig_effect(&rig, EFFECT_KILL, 0));
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, true), 0);
    assert_int_equal(rig_state(&rig, id), TASK_FAILED);
    assert_int_equal(rig_info(&rig, id).code, GANGER_ETIMELIMIT);
    assert_int_equal(rig_info(&rig, id).crashes, 0);
}

static void test_core_limit_over_but_not_begun_starts_anew(void **state)
{
    uint64_t id;

    (void)state;
    rig.spec.limit_us = 1000;
    id = rig_submit(&rig);
    rig_turn(&rig);
    rig_pass(&rig, 1000);
    assert_int_equal(rig_taken(&rig, 0, 0), 0);
    assert_int_equal(rig_state(&rig, id), TASK_READY);
    assert_int_equal(rig_info(&rig, id).attempts, 0);
}

#define cmocka_unit_test_rig(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_rig(test_core_hand_unmeasured_pool_gets_one),
        cmocka_unit_test_rig(test_core_hand_quick_pool_gets_some_ahead),
        cmocka_unit_test_rig(test_core_hand_fences_and_attempts_rise),
        cmocka_unit_test_rig(test_core_take_back_returns_what_was_not_begun),
        cmocka_unit_test_rig(test_core_take_back_leaves_what_was_begun_meanwhile),
        cmocka_unit_test_rig(test_core_take_back_in_vain_is_not_repeated_at_once),
        cmocka_unit_test_rig(test_core_hand_goes_not_behind_a_task_that_runs_long),
        cmocka_unit_test_rig(test_core_take_back_answer_unasked_is_stale),
        cmocka_unit_test_rig(test_core_returned_more_than_taken_is_malformed),
        cmocka_unit_test_rig(test_core_word_of_another_generation_is_stale),
        cmocka_unit_test_rig(test_core_task_with_needs_is_never_ahead_nor_behind),
        cmocka_unit_test_rig(test_core_cancel_ready_ends_at_once),
        cmocka_unit_test_rig(test_core_cancel_delayed_ends_at_once),
        cmocka_unit_test_rig(test_core_cancel_blocked_ends_at_once),
        cmocka_unit_test_rig(test_core_cancel_storing_is_answered_when_stored),
        cmocka_unit_test_rig(test_core_cancel_handed_takes_it_back),
        cmocka_unit_test_rig(test_core_cancel_running_stops_then_kills),
        cmocka_unit_test_rig(test_core_cancel_not_begun_after_all_needs_no_stop),
        cmocka_unit_test_rig(test_core_cancel_running_result_after_the_stop_is_cancelled),
        cmocka_unit_test_rig(test_core_cancel_durable_running_is_answered_when_stored),
        cmocka_unit_test_rig(test_core_cancel_of_a_stored_retry_ends_it),
        cmocka_unit_test_rig(test_core_stopping_task_gets_nothing_behind_it),
        cmocka_unit_test_rig(test_core_limit_stops_then_kills_and_is_the_cause),
        cmocka_unit_test_rig(test_core_limit_over_but_not_begun_starts_anew),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
