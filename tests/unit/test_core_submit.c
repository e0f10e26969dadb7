/* Submits, their answers, their order and their ends in time. */
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

static void test_core_submit_volatile_is_accepted_at_once(void **state)
{
    uint64_t id = rig_submit(&rig);
    const struct effect *e = rig_effect(&rig, EFFECT_ACCEPTED, 0);

    (void)state;
    assert_non_null(e);
    assert_true(e->id == id && e->session == RIG_SESSION && e->req == rig.req);
    assert_int_equal(rig_state(&rig, id), TASK_READY);
    assert_int_equal(rig.appended_count, 0);
}

static void test_core_submit_durable_is_accepted_when_stored(void **state)
{
    uint64_t id;

    (void)state;
    rig.spec.flags = CORE_TASK_DURABLE;
    id = rig_submit(&rig);
    assert_null(rig_effect(&rig, EFFECT_ACCEPTED, 0));
    assert_int_equal(rig_state(&rig, id), TASK_STORING);
    assert_int_equal(rig_stored(&rig), 0);
    assert_non_null(rig_effect(&rig, EFFECT_ACCEPTED, 0));
    assert_int_equal(rig_state(&rig, id), TASK_READY);
}

static void test_core_submit_quiet_hears_nothing(void **state)
{
    (void)state;
    rig.spec.flags = CORE_TASK_QUIET;
    (void)rig_submit(&rig);
    assert_int_equal(rig.last_count, 0);
    rig.spec.flags = CORE_TASK_QUIET | CORE_TASK_DURABLE;
    (void)rig_submit(&rig);
    (void)rig_stored(&rig);
    assert_null(rig_effect(&rig, EFFECT_ACCEPTED, 0));
}

static void test_core_submit_store_fails_answer_is_unknown_once(void **state)
{
    const struct effect *e;
    uint64_t id;

    (void)state;
    rig.spec.flags = CORE_TASK_DURABLE;
    id = rig_submit(&rig);
    e = &rig.appended[0];
    assert_int_equal(
        rig_step(&rig,
            &(struct event){
                .type = EVENT_STORE_FAILED, .slot = e->slot, .id = e->id, .fact = FACT_SUBMIT }),
        0);
    assert_int_equal(rig_count(&rig, EFFECT_UNKNOWN), 1);
    assert_int_equal(rig_stored(&rig), 0); /* it came through later: the task exists, silently */
    assert_null(rig_effect(&rig, EFFECT_ACCEPTED, 0));
    assert_int_equal(rig_state(&rig, id), TASK_READY);
}

static void test_core_submit_at_backlog_bound_is_full(void **state)
{
    uint64_t id;

    (void)state;
    rig.settings.backlog = 3;
    assert_int_equal(rig_define(&rig), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rig_try(&rig, &id), 0);
    assert_int_equal(rig_try(&rig, &id), GANGER_EFULL);
    assert_int_equal(rig.last_count, 0);
    assert_int_equal(rig_cancel(&rig, id), 0);
    assert_int_equal(rig_try(&rig, &id), 0);
}

static void test_core_submit_over_bytes_bound_is_full(void **state)
{
    uint64_t id;

    (void)state;
    rig.settings.backlog_bytes = 100;
    assert_int_equal(rig_define(&rig), 0);
    rig.spec.call_bytes = 60;
    assert_int_equal(rig_try(&rig, &id), 0);
    rig.spec.call_bytes = 41;
    assert_int_equal(rig_try(&rig, &id), GANGER_EFULL);
    rig.spec.call_bytes = 40;
    assert_int_equal(rig_try(&rig, &id), 0);
}

static int ask_room(uint64_t req, uint64_t tasks)
{
    return rig_step(&rig, &(struct event){ .type = EVENT_ROOM,
                              .session = RIG_SESSION,
                              .req = req,
                              .index = rig.pool,
                              .number = tasks });
}

static void test_core_room_is_given_in_order(void **state)
{
    uint64_t ids[3];

    (void)state;
    rig.settings.backlog = 3;
    assert_int_equal(rig_define(&rig), 0);
    assert_int_equal(ask_room(900, 1), 0);
    assert_non_null(rig_effect(&rig, EFFECT_ROOM, 0));
    for (unsigned i = 0; i < 3; i++)
        ids[i] = rig_submit(&rig);
    assert_int_equal(ask_room(901, 2), 0);
    assert_int_equal(ask_room(902, 1), 0);
    assert_int_equal(ask_room(903, 4), GANGER_ERANGE);
    (void)rig_cancel(&rig, ids[0]);
    assert_null(rig_effect(&rig, EFFECT_ROOM, 0)); /* one place: the first wants two */
    (void)rig_cancel(&rig, ids[1]);
    assert_int_equal(rig_count(&rig, EFFECT_ROOM), 1);
    assert_int_equal(rig_effect(&rig, EFFECT_ROOM, 0)->req, 901);
    (void)rig_cancel(&rig, ids[2]);
    assert_int_equal(rig_effect(&rig, EFFECT_ROOM, 0)->req, 902);
}

static void test_core_room_that_nobody_took_is_offered_again(void **state)
{
    uint64_t id = 0;

    (void)state;
    rig.settings.backlog = 1;
    assert_int_equal(rig_define(&rig), 0);
    id = rig_submit(&rig);
    assert_int_equal(ask_room(901, 1), 0);
    assert_int_equal(ask_room(902, 1), 0);
    (void)rig_cancel(&rig, id);
    assert_int_equal(rig_count(&rig, EFFECT_ROOM), 1);
    assert_true(core_deadline(rig.core) < CORE_NEVER);
    rig.now = core_deadline(rig.core) + 20000;
    rig_turn(&rig);
    assert_int_equal(rig_effect(&rig, EFFECT_ROOM, 0)->req, 902);
}

static void test_core_submit_while_draining_is_refused(void **state)
{
    uint64_t id = 0;

    (void)state;
    id = rig_submit(&rig);
    rig_child_up(&rig);
    assert_int_equal(rig_event(&rig, EVENT_DRAIN, 0, 0), 0);
    assert_int_equal(rig_try(&rig, &id), GANGER_EDRAIN);
    rig_turn(&rig);
    assert_null(rig_effect(&rig, EFFECT_HAND, 0));
}

static void test_core_submit_with_delay_waits_until_due(void **state)
{
    uint64_t id;

    (void)state;
    rig_child_up(&rig);
    rig.spec.due_us = rig.now + 500;
    id = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, id), TASK_DELAYED);
    assert_int_equal(core_deadline(rig.core), rig.spec.due_us);
    rig_pass(&rig, 499);
    assert_int_equal(rig_state(&rig, id), TASK_DELAYED);
    rig_pass(&rig, 1);
    assert_int_equal(rig_state(&rig, id), TASK_RUNNING);
}

static void test_core_clock_jump_moves_wall_times_only(void **state)
{
    uint64_t wall, plain, storing;
    struct event jump = { .type = EVENT_CLOCK_JUMP, .jump_us = 400 };

    (void)state;
    rig.spec.due_us = rig.now + 500;
    plain = rig_submit(&rig);
    rig.spec.due_wall = true;
    wall = rig_submit(&rig);
    rig.spec.flags = CORE_TASK_DURABLE;
    storing = rig_submit(&rig);
    assert_int_equal(rig_step(&rig, &jump), 0);
    assert_int_equal(rig_stored(&rig), 0);
    rig_pass(&rig, 100);
    assert_int_equal(rig_state(&rig, wall), TASK_READY);
    assert_int_equal(rig_state(&rig, storing), TASK_READY);
    assert_int_equal(rig_state(&rig, plain), TASK_DELAYED);
    jump.jump_us = -300;
    assert_int_equal(rig_step(&rig, &jump), 0);
    rig_pass(&rig, 400);
    assert_int_equal(rig_state(&rig, plain), TASK_READY);
}

static void test_core_submit_not_started_by_expiry_fails(void **state)
{
    uint64_t id;

    (void)state;
    rig.spec.expiry_us = rig.now + 100;
    rig.spec.flags = CORE_TASK_WAIT;
    id = rig_submit(&rig);
    rig_pass(&rig, 99);
    assert_int_equal(rig_state(&rig, id), TASK_READY);
    rig_pass(&rig, 1);
    assert_int_equal(rig_state(&rig, id), TASK_FAILED);
    assert_int_equal(rig_effect(&rig, EFFECT_ENDED, 0)->code, GANGER_EEXPIRED);
}

/* Run whatever is handed, one by one; the ids in order. */
static void run_all(uint64_t *ids, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct effect *e;

        rig_turn(&rig);
        e = rig_effect(&rig, EFFECT_HAND, 0);
        assert_non_null(e);
        ids[i] = e->id;
        rig.now += 5000;
        assert_int_equal(rig_result(&rig, e->seq, 0), 0);
    }
}

static void test_core_order_is_urgency_then_turns_then_age(void **state)
{
    static const struct {
        uint8_t priority;
        uint32_t uid;
    } in[] = { { 128, 1 }, { 128, 1 }, { 128, 2 }, { 10, 3 }, { 128, 1 }, { 10, 3 }, { 200, 1 } };
    static const unsigned order[] = { 3, 5, 0, 2, 1, 4, 6 };
    uint64_t ids[7], out[7];

    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        rig.spec.priority = in[i].priority;
        rig.spec.uid = in[i].uid;
        ids[i] = rig_submit(&rig);
    }
    rig_child_up(&rig);
    run_all(out, 7);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(out[i], ids[order[i]]);
}

static void test_core_wait_is_answered_once_for_each_who_waits(void **state)
{
    uint64_t id;
    struct event wait = { .type = EVENT_WAIT, .session = RIG_SESSION, .req = 77 };

    (void)state;
    rig_child_up(&rig);
    rig.spec.flags = CORE_TASK_WAIT;
    id = rig_submit(&rig);
    wait.id = id;
    assert_int_equal(rig_step(&rig, &wait), 0);
    wait.req = 78;
    assert_int_equal(rig_step(&rig, &wait), 0);
    assert_int_equal(
        rig_step(&rig,
            &(struct event){
                .type = EVENT_UNWAIT, .session = RIG_SESSION, .id = id, .number = 78 }),
        0);
    rig_turn(&rig);
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    assert_int_equal(rig_count(&rig, EFFECT_ENDED), 2);
    assert_int_equal(rig_step(&rig, &wait), 0); /* it is kept for a second: an answer at once */
    assert_int_equal(rig_effect(&rig, EFFECT_ENDED, 0)->state, TASK_DONE);
    wait.id = 12345;
    assert_int_equal(rig_step(&rig, &wait), GANGER_ENOTASK);
}

static void test_core_session_gone_is_told_nothing(void **state)
{
    (void)state;
    rig_child_up(&rig);
    rig.spec.flags = CORE_TASK_WAIT;
    (void)rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(
        rig_step(&rig, &(struct event){ .type = EVENT_SESSION_GONE, .session = RIG_SESSION }), 0);
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    assert_null(rig_effect(&rig, EFFECT_ENDED, 0));
}

static void test_core_progress_goes_to_who_waits(void **state)
{
    (void)state;
    rig_child_up(&rig);
    rig.spec.flags = CORE_TASK_WAIT;
    (void)rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_child(&rig, EVENT_PROGRESS, 0), 0);
    assert_int_equal(rig_count(&rig, EFFECT_PROGRESS), 1);
}

static void test_core_result_is_kept_for_its_retention(void **state)
{
    uint64_t id;

    (void)state;
    rig_child_up(&rig);
    id = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    rig_pass(&rig, RIG_SECOND - 1);
    assert_int_equal(rig_state(&rig, id), TASK_DONE);
    rig_pass(&rig, 1);
    assert_int_equal(rig_effect(&rig, EFFECT_FORGET, 0)->id, id);
    assert_int_equal(rig_state(&rig, id), TASK_FREE);
}

static void test_core_result_without_retention_goes_with_its_waiter(void **state)
{
    uint64_t told, orphan;

    (void)state;
    rig_child_up(&rig);
    rig.spec.retention_us = 0;
    rig.spec.flags = CORE_TASK_WAIT;
    told = rig_submit(&rig);
    rig.spec.flags = 0;
    orphan = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    assert_int_equal(rig_state(&rig, told), TASK_FREE);
    rig_turn(&rig);
    assert_int_equal(rig_result(&rig, 1, 0), 0);
    assert_int_equal(rig_state(&rig, orphan), TASK_DONE);
    rig_pass(&rig, rig.config.orphan_retention_us);
    assert_int_equal(rig_state(&rig, orphan), TASK_FREE);
}

static void test_core_drop_forgets_an_ended_task_only(void **state)
{
    struct event drop = { .type = EVENT_DROP };

    (void)state;
    rig_child_up(&rig);
    drop.id = rig_submit(&rig);
    assert_int_equal(rig_step(&rig, &drop), GANGER_ESTATE);
    rig_turn(&rig);
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    assert_int_equal(rig_step(&rig, &drop), 0);
    assert_int_equal(rig_step(&rig, &drop), GANGER_ENOTASK);
}

#define cmocka_unit_test_rig(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_rig(test_core_submit_volatile_is_accepted_at_once),
        cmocka_unit_test_rig(test_core_submit_durable_is_accepted_when_stored),
        cmocka_unit_test_rig(test_core_submit_quiet_hears_nothing),
        cmocka_unit_test_rig(test_core_submit_store_fails_answer_is_unknown_once),
        cmocka_unit_test_rig(test_core_submit_at_backlog_bound_is_full),
        cmocka_unit_test_rig(test_core_submit_over_bytes_bound_is_full),
        cmocka_unit_test_rig(test_core_room_is_given_in_order),
        cmocka_unit_test_rig(test_core_room_that_nobody_took_is_offered_again),
        cmocka_unit_test_rig(test_core_submit_while_draining_is_refused),
        cmocka_unit_test_rig(test_core_submit_with_delay_waits_until_due),
        cmocka_unit_test_rig(test_core_clock_jump_moves_wall_times_only),
        cmocka_unit_test_rig(test_core_submit_not_started_by_expiry_fails),
        cmocka_unit_test_rig(test_core_order_is_urgency_then_turns_then_age),
        cmocka_unit_test_rig(test_core_wait_is_answered_once_for_each_who_waits),
        cmocka_unit_test_rig(test_core_session_gone_is_told_nothing),
        cmocka_unit_test_rig(test_core_progress_goes_to_who_waits),
        cmocka_unit_test_rig(test_core_result_is_kept_for_its_retention),
        cmocka_unit_test_rig(test_core_result_without_retention_goes_with_its_waiter),
        cmocka_unit_test_rig(test_core_drop_forgets_an_ended_task_only),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
