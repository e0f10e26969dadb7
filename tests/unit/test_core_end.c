/* How attempts end: the three witnesses in each order, retries, budgets. */
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

static uint64_t running(void)
{
    uint64_t id = rig_submit(&rig);

    if ((rig.spec.flags & CORE_TASK_DURABLE) != 0)
        assert_int_equal(rig_stored(&rig), 0);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, id), TASK_RUNNING);
    return id;
}

static int link_closed(uint32_t begun)
{
    return rig_child(&rig, EVENT_LINK_CLOSED, begun);
}

static int group_empty(void)
{
    return rig_child(&rig, EVENT_GROUP_EMPTY, 0);
}

static void assert_died(uint64_t id)
{
    assert_int_equal(rig_state(&rig, id), TASK_FAILED);
    assert_int_equal(rig_info(&rig, id).code, GANGER_EDIED);
    assert_int_equal(rig_info(&rig, id).attempts, 1);
    assert_int_equal(rig_info(&rig, id).crashes, 1);
}

/* ---- result (R), link's end (L), exit report (X) ---- */

static void test_core_end_result_link_exit_is_done(void **state)
{
    uint64_t id = running();

    (void)state;
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    assert_int_equal(rig_state(&rig, id), TASK_DONE);
    assert_int_equal(link_closed(1), 0);
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, true), 0);
    assert_non_null(rig_effect(&rig, EFFECT_SPAWN, 0));
}

static void test_core_end_result_exit_link_is_done(void **state)
{
    uint64_t id = running();

    (void)state;
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, false), 0);
    assert_int_equal(link_closed(1), 0);
    assert_int_equal(rig_state(&rig, id), TASK_DONE);
    assert_int_equal(group_empty(), 0);
    assert_non_null(rig_effect(&rig, EFFECT_SPAWN, 0));
}

/* The link is read to its end before either end is told: a result after that is no one's. */
static void test_core_end_link_result_exit_is_death(void **state)
{
    uint64_t id = running();

    (void)state;
    assert_int_equal(link_closed(1), 0);
    assert_int_equal(rig_state(&rig, id), TASK_STOPPING);
    assert_non_null(rig_effect(&rig, EFFECT_KILL, 0));
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, true), 0);
    assert_int_equal(rig_result(&rig, 0, 0), GANGER_ESTALE);
    assert_died(id);
}

static void test_core_end_link_exit_result_is_death(void **state)
{
    uint64_t id = running();

    (void)state;
    assert_int_equal(link_closed(1), 0);
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, false), 0);
    assert_int_equal(rig_state(&rig, id), TASK_STOPPING);
    assert_int_equal(rig_result(&rig, 0, 0), GANGER_ESTALE);
    assert_int_equal(group_empty(), 0);
    assert_died(id);
}

static void test_core_end_exit_result_link_is_death(void **state)
{
    uint64_t id = running();

    (void)state;
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, false), 0);
    assert_int_equal(rig_result(&rig, 0, 0), GANGER_ESTALE);
    assert_int_equal(link_closed(1), 0);
    assert_int_equal(group_empty(), 0);
    assert_died(id);
}

static void test_core_end_exit_link_result_is_death(void **state)
{
    uint64_t id = running();

    (void)state;
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, true), 0);
    assert_died(id);
    rig.gen--; /* its place was given to the next one */
    assert_int_equal(link_closed(1), GANGER_ESTALE);
    assert_int_equal(rig_result(&rig, 0, 0), GANGER_ESTALE);
}

/* ---- what is late or never ---- */

static void test_core_end_group_not_empty_keeps_permits(void **state)
{
    struct core_sem_info sem;
    uint64_t id;

    (void)state;
    rig.spec.need_count = 1;
    rig.spec.needs[0] = (struct core_need){ rig.sems[0], 2 };
    id = running();
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, false), 0);
    core_sem_info(rig.core, rig.sems[0], &sem);
    assert_int_equal(sem.held, 2);
    assert_int_equal(group_empty(), 0);
    core_sem_info(rig.core, rig.sems[0], &sem);
    assert_int_equal(sem.held, 0);
    assert_died(id);
}

static void test_core_end_group_never_empty_is_bounded(void **state)
{
    uint64_t id = running();

    (void)state;
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, false), 0);
    rig_pass(&rig, CORE_END_WAIT_US);
    assert_non_null(rig_effect(&rig, EFFECT_KILL, 0)); /* what lives of its group */
    rig_pass(&rig, CORE_END_WAIT_US);
    assert_died(id);
}

static void test_core_end_without_exit_report_is_lost(void **state)
{
    uint64_t id = running();

    (void)state;
    assert_int_equal(link_closed(1), 0);
    rig_pass(&rig, CORE_END_WAIT_US - 1);
    assert_int_equal(rig_state(&rig, id), TASK_STOPPING);
    rig_pass(&rig, 1);
    assert_int_equal(rig_state(&rig, id), TASK_FAILED);
    assert_int_equal(rig_info(&rig, id).code, GANGER_ELOST);
    assert_int_equal(rig_info(&rig, id).crashes, 0);
}

static void test_core_end_before_begun_is_not_charged(void **state)
{
    uint64_t id = running();

    (void)state;
    assert_int_equal(link_closed(0), 0);
    assert_int_equal(rig_state(&rig, id), TASK_READY);
    assert_int_equal(rig_info(&rig, id).attempts, 0);
    assert_int_equal(rig_exited(&rig, 0, -GANGER_EDIED, true), 0);
    assert_int_equal(rig_info(&rig, id).crashes, 0);
}

static void test_core_end_agent_lost_is_the_cause_and_no_crash(void **state)
{
    uint64_t id = running();

    (void)state;
    assert_int_equal(
        rig_step(&rig,
            &(struct event){ .type = EVENT_AGENT_DOWN, .index = rig.pool, .code = GANGER_EAGENT }),
        0);
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EAGENT, true), 0);
    assert_int_equal(rig_state(&rig, id), TASK_FAILED);
    assert_int_equal(rig_info(&rig, id).code, GANGER_EAGENT);
    assert_int_equal(rig_info(&rig, id).crashes, 0);
}

static void test_core_end_charges_the_one_begun_only(void **state)
{
    uint32_t seq = rig_warm(&rig);
    uint64_t ids[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        ids[i] = rig_submit(&rig);
    rig_turn(&rig);
    assert_int_equal(rig_result(&rig, seq, 0), 0);
    /* It had finished the second too, but that result died with it. */
    assert_int_equal(rig_exited(&rig, seq + 3, -GANGER_EDIED, true), 0);
    assert_int_equal(rig_state(&rig, ids[0]), TASK_DONE);
    assert_int_equal(rig_state(&rig, ids[1]), TASK_READY);
    assert_int_equal(rig_info(&rig, ids[1]).attempts, 0);
    assert_died(ids[2]);
    assert_int_equal(rig_state(&rig, ids[3]), TASK_READY);
}

static void test_core_end_killed_child_results_on_the_link_count(void **state)
{
    uint32_t seq = rig_warm(&rig);
    uint64_t first = rig_submit(&rig), second = rig_submit(&rig);

    (void)state;
    rig_turn(&rig);
    assert_int_equal(rig_child(&rig, EVENT_CHILD_GARBAGE, seq + 2), 0);
    assert_int_equal(rig_state(&rig, second), TASK_STOPPING);
    assert_int_equal(rig_result(&rig, seq, 0), 0);
    assert_int_equal(rig_state(&rig, first), TASK_DONE);
    assert_int_equal(rig_exited(&rig, seq + 2, -GANGER_EDIED, true), 0);
    assert_died(second);
}

static void test_core_end_garbage_kills_the_child(void **state)
{
    (void)state;
    assert_int_equal(rig_child(&rig, EVENT_CHILD_GARBAGE, 0), 0);
    assert_non_null(rig_effect(&rig, EFFECT_KILL, 0));
}

/* ---- again ---- */

static void test_core_retry_waits_exponentially_with_jitter(void **state)
{
    static const uint64_t least[] = { 1000, 2000, 3000, 3000 };
    uint64_t id;

    (void)state;
    rig.spec.attempts_max = 5;
    rig.spec.backoff_us = 1000;
    rig.spec.backoff_max_us = 3000;
    rig.spec.jitter_percent = 50;
    id = running();
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t due;

        assert_int_equal(rig_result(&rig, i, GANGER_EFAILED), 0);
        assert_int_equal(rig_state(&rig, id), TASK_DELAYED);
        assert_int_equal(rig_why(&rig, id), WHY_BACKOFF);
        due = rig_info(&rig, id).due_us;
        assert_true(due >= rig.now + least[i] && due <= rig.now + least[i] * 3 / 2);
        rig.now = due;
        rig_turn(&rig);
        assert_int_equal(rig_state(&rig, id), TASK_RUNNING);
    }
    assert_int_equal(rig_result(&rig, 4, GANGER_EFAILED), 0);
    assert_int_equal(rig_state(&rig, id), TASK_DEAD);
    assert_int_equal(rig_info(&rig, id).code, GANGER_EFAILED);
    assert_int_equal(rig_info(&rig, id).cause_count, 5);
}

static void test_core_retry_durable_waits_for_its_record(void **state)
{
    struct core_attempts a;
    uint64_t id;

    (void)state;
    rig.spec.flags = CORE_TASK_DURABLE;
    rig.spec.attempts_max = 2;
    id = running();
    assert_int_equal(rig_result(&rig, 0, GANGER_EFAILED), 0);
    assert_int_equal(rig_state(&rig, id), TASK_SETTLING);
    assert_int_equal(rig.appended[1].fact, FACT_ATTEMPT);
    core_task_attempts(rig.core, rig.appended[1].slot, &a);
    assert_true(a.attempts == 1 && a.cause_count == 1 && a.causes[0].code == -GANGER_EFAILED);
    rig_turn(&rig);
    assert_null(rig_effect(&rig, EFFECT_HAND, 0));
    assert_int_equal(rig_stored(&rig), 0);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, id), TASK_RUNNING);
}

static void test_core_end_durable_is_told_when_stored(void **state)
{
    uint64_t id;

    (void)state;
    rig.spec.flags = CORE_TASK_DURABLE | CORE_TASK_WAIT;
    id = running();
    assert_int_equal(rig_result(&rig, 0, 0), 0);
    assert_non_null(rig_effect(&rig, EFFECT_OUTCOME, 0));
    assert_null(rig_effect(&rig, EFFECT_ENDED, 0));
    assert_int_equal(rig_state(&rig, id), TASK_SETTLING);
    assert_int_equal(rig_stored(&rig), 0);
    assert_non_null(rig_effect(&rig, EFFECT_ENDED, 0));
    rig_pass(&rig, RIG_SECOND);
    assert_int_equal(rig.appended[2].fact, FACT_FORGET);
}

static void test_core_crash_budget_spent_is_dead(void **state)
{
    uint64_t id;

    (void)state;
    rig.spec.attempts_max = 10;
    rig.spec.crash_budget = 2;
    id = running();
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, true), 0);
    assert_int_equal(rig_state(&rig, id), TASK_DELAYED);
    assert_int_equal(rig_child(&rig, EVENT_CHILD_READY, 0), 0);
    rig_turn(&rig);
    assert_int_equal(rig_state(&rig, id), TASK_RUNNING);
    assert_int_equal(rig_exited(&rig, 1, -GANGER_EDIED, true), 0);
    assert_int_equal(rig_state(&rig, id), TASK_DEAD);
    assert_int_equal(rig_info(&rig, id).crashes, 2);
    assert_int_equal(rig_info(&rig, id).causes[1].signal, 9);
}

#define cmocka_unit_test_rig(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_rig(test_core_end_result_link_exit_is_done),
        cmocka_unit_test_rig(test_core_end_result_exit_link_is_done),
        cmocka_unit_test_rig(test_core_end_link_result_exit_is_death),
        cmocka_unit_test_rig(test_core_end_link_exit_result_is_death),
        cmocka_unit_test_rig(test_core_end_exit_result_link_is_death),
        cmocka_unit_test_rig(test_core_end_exit_link_result_is_death),
        cmocka_unit_test_rig(test_core_end_group_not_empty_keeps_permits),
        cmocka_unit_test_rig(test_core_end_group_never_empty_is_bounded),
        cmocka_unit_test_rig(test_core_end_without_exit_report_is_lost),
        cmocka_unit_test_rig(test_core_end_before_begun_is_not_charged),
        cmocka_unit_test_rig(test_core_end_agent_lost_is_the_cause_and_no_crash),
        cmocka_unit_test_rig(test_core_end_charges_the_one_begun_only),
        cmocka_unit_test_rig(test_core_end_killed_child_results_on_the_link_count),
        cmocka_unit_test_rig(test_core_end_garbage_kills_the_child),
        cmocka_unit_test_rig(test_core_retry_waits_exponentially_with_jitter),
        cmocka_unit_test_rig(test_core_retry_durable_waits_for_its_record),
        cmocka_unit_test_rig(test_core_end_durable_is_told_when_stored),
        cmocka_unit_test_rig(test_core_crash_budget_spent_is_dead),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
