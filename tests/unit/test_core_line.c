/* Who waits at a semaphore without a child is in nobody's way, however many they are. */
#include "core/internal.h"
#include "tests/support/core_rig.h"

#define FEW    100u
#define MANY   20000u
#define PASSES 200u

static struct core_rig rig;
static uint32_t left, right, other;

/* As rig_step(), without a look at all that there is after each step. */
static void step(const struct event *ev)
{
    size_t count;
    const struct effect *effects;

    assert_int_equal(core_step(rig.core, rig.now, ev), 0);
    effects = core_effects(rig.core, &count);
    for (size_t i = 0; i < count; i++) {
        if (effects[i].type == EFFECT_SPAWN)
            rig.child = effects[i].child;
    }
}

static uint64_t submit_to(uint32_t pool, uint32_t permits)
{
    uint32_t slot = 0;
    struct core_task_info info;

    rig.spec.pool = pool;
    rig.spec.need_count = permits > 0;
    rig.spec.needs[0] = (struct core_need){ rig.sems[0], permits };
    step(&(struct event){ .type = EVENT_SUBMIT,
        .session = RIG_SESSION,
        .req = ++rig.req,
        .spec = &rig.spec,
        .ret_slot = &slot });
    assert_int_equal(core_slot_info(rig.core, slot, &info), 0);
    return info.id;
}

static void turn(void)
{
    step(&(struct event){ .type = EVENT_TURN });
}

static void finish(uint64_t id)
{
    struct core_task_info info = rig_info(&rig, id);

    step(&(struct event){
        .type = EVENT_CHILD_RESULT, .child = info.child, .gen = info.gen, .seq = info.seq });
}

static void pool_up(const char *name, uint32_t *ret_pool)
{
    assert_int_equal(core_pool_add(rig.core, name, strlen(name), ret_pool), 0);
    step(&(struct event){
        .type = EVENT_POOL_DEFINE, .index = *ret_pool, .settings = &rig.settings });
    step(&(struct event){ .type = EVENT_AGENT_UP, .index = *ret_pool });
    step(&(struct event){ .type = EVENT_CHILD_READY, .child = rig.child, .gen = 1 });
}

/* A core in which COUNT of the left wait, whose child is busy, and nobody has the permit. */
static void waiting_open(unsigned count)
{
    uint64_t gate;

    rig_open(&rig);
    core_set_tasks_max(rig.core, MANY * 2);
    rig.settings.backlog = MANY * 2;
    rig.settings.backlog_bytes = UINT64_MAX;
    pool_up("left", &left);
    pool_up("right", &right);
    pool_up("other", &other);
    step(&(struct event){ .type = EVENT_SEM_SET, .index = rig.sems[0], .number = 1 });
    gate = submit_to(right, 1);
    turn();
    while (count-- > 0)
        (void)submit_to(left, 1);
    turn();
    (void)submit_to(left, 0);
    turn();
    finish(gate);
    turn();
}

/* How many are looked at while tasks of the right use the semaphore and those of the left wait. */
static uint64_t looks(unsigned waiting)
{
    struct core_sem_info info;
    uint64_t looked;

    waiting_open(waiting);
    looked = rig.core->looked;
    for (unsigned i = 0; i < PASSES; i++) {
        uint64_t id = submit_to(right, 1);

        turn();
        if (rig_state(&rig, id) == TASK_BLOCKED) { /* one of the left reserved */
            rig.now += CORE_RESERVE_BUSY_US;
            turn();
        }
        finish(id);
        turn();
    }
    looked = rig.core->looked - looked;
    core_sem_info(rig.core, rig.sems[0], &info);
    assert_in_range(info.waiting, waiting / 2, waiting);
    rig_close(&rig);
    return looked;
}

/* Two hundred times as many: nobody looks at each of them. */
static void test_core_semaphore_with_many_waiting_looks_at_no_more(void **state)
{
    uint64_t few = looks(FEW), many = looks(MANY);

    (void)state;
    assert_true(few >= PASSES);
    assert_in_range(many, few / 2, few * 2);
}

/* Whatever their pools: one of each in turn, then two of each. */
static void test_core_semaphore_serves_pools_by_age(void **state)
{
    uint64_t ids[8];

    (void)state;
    waiting_open(0);
    step(&(struct event){ .type = EVENT_SEM_SET, .index = rig.sems[0], .number = 0 });
    for (unsigned i = 0; i < 8; i++) {
        ids[i] = submit_to((i < 4 ? i % 2 : i / 2 % 2) == 0 ? right : other, 1);
        turn();
        assert_int_equal(rig_state(&rig, ids[i]), TASK_BLOCKED);
    }
    step(&(struct event){ .type = EVENT_SEM_SET, .index = rig.sems[0], .number = 1 });
    for (unsigned i = 0; i < 8; i++) {
        turn();
        assert_int_equal(rig_state(&rig, ids[i]), TASK_RUNNING);
        finish(ids[i]);
        core_check(rig.core);
    }
    rig_close(&rig);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core_semaphore_with_many_waiting_looks_at_no_more),
        cmocka_unit_test(test_core_semaphore_serves_pools_by_age),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
