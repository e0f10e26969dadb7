/*
 * A core on a bench: one pool, three semaphores, one session; steps, and what they asked for.
 * A header of static functions for the tests of the core.
 */
#ifndef SUPPORT_CORE_RIG_H
#define SUPPORT_CORE_RIG_H

#include "core/core.h"
#include "tests/support/test_main.h"

#include <stdlib.h>
#include <string.h>

#define RIG_SESSION ((UINT64_C(1) << 32) | 1)
#define RIG_UNUSED  __attribute__((unused))
#define RIG_EFFECTS 4096
#define RIG_SECOND  UINT64_C(1000000)

struct core_rig {
    struct core *core;
    struct core_config config;
    struct core_pool_settings settings;
    struct core_spec spec; /* of the next submit */
    uint64_t now, req;
    uint32_t pool, sems[3];
    struct effect last[RIG_EFFECTS]; /* of the last step */
    size_t last_count;
    struct effect appended[RIG_EFFECTS]; /* since the start */
    size_t appended_count, stored_count;
    uint32_t child, gen; /* the last one spawned */
};

static RIG_UNUSED int rig_step(struct core_rig *r, const struct event *ev)
{
    int rc = core_step(r->core, r->now, ev);
    const struct effect *effects = core_effects(r->core, &r->last_count);

    assert_true(r->last_count <= RIG_EFFECTS);
    memcpy(r->last, effects, r->last_count * sizeof *effects);
    for (size_t i = 0; i < r->last_count; i++) {
        if (effects[i].type == EFFECT_APPEND)
            r->appended[r->appended_count++] = effects[i];
        if (effects[i].type == EFFECT_SPAWN) {
            r->child = effects[i].child;
            r->gen = effects[i].gen;
        }
    }
    core_check(r->core);
    return rc;
}

/* The Nth effect of TYPE of the last step, NULL if there is none. */
static RIG_UNUSED const struct effect *rig_effect(
    const struct core_rig *r, enum effect_type type, unsigned nth)
{
    for (size_t i = 0; i < r->last_count; i++) {
        if (r->last[i].type == type && nth-- == 0)
            return &r->last[i];
    }
    return NULL;
}

static RIG_UNUSED unsigned rig_count(const struct core_rig *r, enum effect_type type)
{
    unsigned n = 0;

    for (size_t i = 0; i < r->last_count; i++)
        n += r->last[i].type == type;
    return n;
}

/* An event that has an index and a number at most. */
static RIG_UNUSED int rig_event(
    struct core_rig *r, enum event_type type, uint32_t index, uint64_t number)
{
    return rig_step(r, &(struct event){ .type = type, .index = index, .number = number });
}

static RIG_UNUSED void rig_turn(struct core_rig *r)
{
    assert_int_equal(rig_event(r, EVENT_TURN, 0, 0), 0);
}

/* Let time pass, then a turn. */
static RIG_UNUSED void rig_pass(struct core_rig *r, uint64_t us)
{
    r->now += us;
    rig_turn(r);
}

static RIG_UNUSED int rig_define(struct core_rig *r)
{
    return rig_step(r,
        &(struct event){ .type = EVENT_POOL_DEFINE, .index = r->pool, .settings = &r->settings });
}

/* A core with its names; EVENT_START is still to come. */
static RIG_UNUSED void rig_new(struct core_rig *r, uint32_t epoch)
{
    static const char *const names[] = { "red", "green", "blue" };

    r->config.epoch = epoch;
    r->core = core_new(&r->config);
    assert_non_null(r->core);
    assert_int_equal(core_pool_add(r->core, "pool", 4, &r->pool), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(core_sem_add(r->core, names[i], strlen(names[i]), &r->sems[i]), 0);
}

/* EVENT_START, the pool, two permits for each semaphore, the session. No agent yet. */
static RIG_UNUSED void rig_start(struct core_rig *r, bool unclean)
{
    assert_int_equal(rig_step(r, &(struct event){ .type = EVENT_START, .flag = unclean }), 0);
    assert_int_equal(rig_define(r), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rig_event(r, EVENT_SEM_SET, r->sems[i], 2), 0);
    assert_int_equal(
        rig_step(r, &(struct event){ .type = EVENT_SESSION_OPEN, .session = RIG_SESSION }), 0);
    rig_turn(r);
}

static RIG_UNUSED void rig_open(struct core_rig *r)
{
    memset(r, 0, sizeof *r);
    r->now = RIG_SECOND;
    r->config = (struct core_config){
        .tasks_max = 4000, .grace_us = 10 * RIG_SECOND, .orphan_retention_us = 60 * RIG_SECOND
    };
    r->settings = (struct core_pool_settings){ .processes = 1,
        .early_deaths = 3,
        .backlog = 1000,
        .backlog_bytes = 1000000,
        .init_timeout_us = RIG_SECOND,
        .early_backoff_us = 1000 };
    r->spec = (struct core_spec){ .priority = 128,
        .attempts_max = 1,
        .crash_budget = 3,
        .kill_grace_us = 500000,
        .retention_us = RIG_SECOND };
    rig_new(r, 1);
    rig_start(r, false);
}

static RIG_UNUSED void rig_close(struct core_rig *r)
{
    core_check(r->core);
    core_free(r->core);
    r->core = NULL;
}

/* A core of epoch 2 before EVENT_START. */
static RIG_UNUSED void rig_open_again(struct core_rig *r)
{
    rig_open(r);
    rig_close(r);
    r->appended_count = r->stored_count = 0;
    rig_new(r, 2);
}

static RIG_UNUSED int rig_child(struct core_rig *r, enum event_type type, uint32_t seq)
{
    return rig_step(
        r, &(struct event){ .type = type, .child = r->child, .gen = r->gen, .seq = seq });
}

/* The agent comes up and the child that it forks is ready (the last one, if there are more). */
static RIG_UNUSED void rig_child_up(struct core_rig *r)
{
    assert_int_equal(rig_event(r, EVENT_AGENT_UP, r->pool, 0), 0);
    assert_non_null(rig_effect(r, EFFECT_SPAWN, 0));
    assert_int_equal(rig_child(r, EVENT_CHILD_READY, 0), 0);
}

/* The agent comes up, and all PROCESSES of its children are ready. */
static RIG_UNUSED void rig_children_up(struct core_rig *r, uint32_t processes)
{
    r->settings.processes = processes;
    assert_int_equal(rig_define(r), 0);
    assert_int_equal(rig_event(r, EVENT_AGENT_UP, r->pool, 0), 0);
    for (uint32_t child = r->child - processes + 1; child <= r->child; child++)
        assert_int_equal(
            rig_step(r, &(struct event){ .type = EVENT_CHILD_READY, .child = child, .gen = 1 }), 0);
}

/* Another pool, with so many children that are ready; returns it. */
static RIG_UNUSED uint32_t rig_pool_up(struct core_rig *r, const char *name, uint32_t processes)
{
    assert_int_equal(core_pool_add(r->core, name, strlen(name), &r->pool), 0);
    rig_children_up(r, processes);
    return r->pool;
}

/* Submit r->spec; the answer. */
static RIG_UNUSED int rig_try(struct core_rig *r, uint64_t *ret_id)
{
    uint32_t slot = 0;
    struct core_task_info info;
    struct event ev = { .type = EVENT_SUBMIT,
        .session = RIG_SESSION,
        .req = ++r->req,
        .spec = &r->spec,
        .ret_slot = &slot };
    int rc;

    r->spec.pool = r->pool;
    rc = rig_step(r, &ev);
    if (rc == 0) {
        assert_int_equal(core_slot_info(r->core, slot, &info), 0);
        *ret_id = info.id;
    }
    return rc;
}

static RIG_UNUSED uint64_t rig_submit(struct core_rig *r)
{
    uint64_t id = 0;

    assert_int_equal(rig_try(r, &id), 0);
    return id;
}

static RIG_UNUSED enum task_state rig_state(const struct core_rig *r, uint64_t id)
{
    struct core_task_info info;

    return core_task_info(r->core, id, &info) < 0 ? TASK_FREE : info.state;
}

static RIG_UNUSED struct core_task_info rig_info(const struct core_rig *r, uint64_t id)
{
    struct core_task_info info;

    assert_int_equal(core_task_info(r->core, id, &info), 0);
    return info;
}

/* The child that has this task says that it is done. */
static RIG_UNUSED void rig_finish(struct core_rig *r, uint64_t id)
{
    struct core_task_info info = rig_info(r, id);

    assert_int_equal(rig_step(r, &(struct event){ .type = EVENT_CHILD_RESULT,
                                     .child = info.child,
                                     .gen = info.gen,
                                     .seq = info.seq }),
        0);
}

static RIG_UNUSED enum why_reason rig_why(const struct core_rig *r, uint64_t id)
{
    struct core_why why;

    assert_int_equal(core_why(r->core, id, &why), 0);
    return why.reason;
}

/* The next record is durable. */
static RIG_UNUSED int rig_stored(struct core_rig *r)
{
    const struct effect *e = &r->appended[r->stored_count++];

    assert_true(r->stored_count <= r->appended_count);
    return rig_step(
        r, &(struct event){ .type = EVENT_STORED, .slot = e->slot, .id = e->id, .fact = e->fact });
}

static RIG_UNUSED int rig_result(struct core_rig *r, uint32_t seq, int code)
{
    return rig_step(r, &(struct event){ .type = EVENT_CHILD_RESULT,
                           .child = r->child,
                           .gen = r->gen,
                           .seq = seq,
                           .code = code });
}

/* The answer to a take-back: BEGUN, KEEP. */
static RIG_UNUSED int rig_taken(struct core_rig *r, uint32_t begun, uint32_t keep)
{
    return rig_step(r, &(struct event){ .type = EVENT_CHILD_TAKEN,
                           .child = r->child,
                           .gen = r->gen,
                           .seq = begun,
                           .number = keep });
}

static RIG_UNUSED int rig_exited(struct core_rig *r, uint32_t begun, uint8_t code, bool empty)
{
    return rig_step(r, &(struct event){ .type = EVENT_CHILD_EXITED,
                           .child = r->child,
                           .gen = r->gen,
                           .seq = begun,
                           .cause = { .code = code, .signal = 9 },
                           .group_empty = empty });
}

static RIG_UNUSED int rig_cancel(struct core_rig *r, uint64_t id)
{
    return rig_step(r,
        &(struct event){ .type = EVENT_CANCEL, .session = RIG_SESSION, .req = ++r->req, .id = id });
}

/* Two quick tasks, so that the pool hands ahead from now on. Returns the next hand number. */
static RIG_UNUSED uint32_t rig_warm(struct core_rig *r)
{
    for (uint32_t seq = 0; seq < 2; seq++) {
        (void)rig_submit(r);
        rig_turn(r);
        r->now += 10;
        assert_int_equal(rig_result(r, seq, 0), 0);
    }
    return 2;
}

#endif
