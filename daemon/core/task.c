#include "core/move.h"

#include <string.h>

/*
 * The legal moves. A task is created in STORING (durable), or moves on from FREE at once. STARTING
 * is for tasks that must not be begun twice.
 */
const struct state_row task_rows[TASK_STATES] = {
    [TASK_FREE] = { "free", TO(STORING) | TO(DELAYED) | TO(READY) },
    [TASK_STORING] = { "storing", TO(DELAYED) | TO(READY) | TO(SETTLING) },
    /* A replayed task waits here until all that is known of it was read: it may have ended. */
    [TASK_DELAYED] = { "delayed", TO(READY) | TO(DELAYED) | TO(SETTLING) | TO(DONE) | TO(FAILED) |
                                      TO(CANCELLED) | TO(DEAD) | TO(FREE) },
    [TASK_READY] = { "ready", TO(BLOCKED) | TO(HANDED) | TO(STARTING) | TO(RUNNING) | TO(SETTLING) |
                                  TO(FAILED) | TO(CANCELLED) },
    [TASK_BLOCKED] = { "blocked",
        TO(READY) | TO(BLOCKED) | TO(SETTLING) | TO(FAILED) | TO(CANCELLED) },
    /* Results that come together: those behind the first were never seen to run. */
    [TASK_HANDED] = { "handed", TO(READY) | TO(RUNNING) | TO(STOPPING) | TO(SETTLING) |
                                    TO(DELAYED) | TO(DONE) | TO(FAILED) | TO(CANCELLED) | TO(DEAD) |
                                    TO(FREE) },
    [TASK_STARTING] = { "starting", TO(RUNNING) | TO(SETTLING) },
    [TASK_RUNNING] = { "running", TO(READY) | TO(STOPPING) | TO(SETTLING) | TO(DELAYED) | TO(DONE) |
                                      TO(FAILED) | TO(CANCELLED) | TO(DEAD) | TO(FREE) },
    [TASK_STOPPING] = { "stopping",
        TO(SETTLING) | TO(DELAYED) | TO(FAILED) | TO(CANCELLED) | TO(DEAD) },
    [TASK_SETTLING] = { "settling",
        TO(DELAYED) | TO(READY) | TO(DONE) | TO(FAILED) | TO(CANCELLED) | TO(DEAD) | TO(SETTLING) },
    [TASK_DONE] = { "done", TO(FREE) },
    [TASK_FAILED] = { "failed", TO(FREE) },
    [TASK_CANCELLED] = { "cancelled", TO(FREE) },
    [TASK_DEAD] = { "dead", TO(FREE) },
};

const char *core_task_state_name(enum task_state s)
{
    return (unsigned)s < TASK_STATES ? task_rows[s].name : "?";
}

uint32_t core_task_moves(enum task_state s)
{
    return task_rows[s].to;
}

void task_leave(
    struct core *c, uint32_t slot, struct task *t, const struct policy *y, enum task_state to)
{
    if (t->state == TASK_BLOCKED)
        sem_unpark(c, slot);
    else if (t->state == TASK_DELAYED && (t->marks & MARK_HELD) != 0)
        held_remove(c, slot);
    if ((t->marks & MARK_PERMITS) != 0 && to != TASK_STOPPING && to != TASK_RUNNING)
        permits_release(c, slot);
    /* A task that runs or will not run any more holds no reservation. */
    if (y->need_count > 0 && (t->state == TASK_READY || t->state == TASK_BLOCKED) &&
        to != TASK_READY && to != TASK_BLOCKED) {
        sem_forget_reserve(c, slot);
        t->when = 0; /* its time as the oldest is over: oldest_ms shares this place */
    }
}

static uint64_t earlier_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void task_time(struct core *c, uint32_t slot, const struct task *t, const struct policy *y)
{
    uint64_t when = CORE_NEVER;

    switch ((enum task_state)t->state) {
    case TASK_DELAYED:
        when = expiry_of(c, t);
        if ((t->marks & MARK_HELD) == 0)
            when = earlier_of(t->when, when);
        break;
    case TASK_READY:
    case TASK_BLOCKED:
        when = expiry_of(c, t);
        break;
    case TASK_RUNNING:
        if (y->limit_us != 0)
            when = t->when + y->limit_us;
        break;
    default:
        break;
    }
    if (t->heap_pos != 0 || when != CORE_NEVER)
        heap_set(&c->heap, DUE_TASK, slot, when);
}

void task_move(struct core *c, uint32_t slot, enum task_state to)
{
    struct task *t = task_at(c, slot);

    task_move_of(c, slot, t, policy_of(c, t), to);
}

/* Everything that admission takes, given back. */
static void admit_undo(struct core *c, uint32_t slot, uint32_t policy, uint32_t extra)
{
    if (extra != 0)
        slab_give_sized(&c->extras, extra, sizeof(struct extra));
    if (policy != 0)
        policy_drop(c, policy);
    if (slot != 0)
        slab_give_sized(&c->tasks, slot, sizeof(struct task));
}

static void admitted(struct core *c, uint32_t slot, const struct policy *y)
{
    y->in->refs++;
    y->pool->count[TASK_FREE]++; /* so that the first move balances */
    ids_add(c, slot);
}

int task_admit(struct core *c, const struct core_spec *spec, uint64_t id, uint32_t *ret_slot)
{
    bool more = spec->attempts_max > 1 || spec->expiry_us != 0;
    uint32_t slot, policy, extra = 0;

    if (ids_reserve(c) < 0 || objects_reserve(c, 1) < 0)
        return GANGER_ENOMEM;
    slot = slab_take_raw(&c->tasks, sizeof(struct task));
    policy = policy_find(c, spec);
    if (more)
        extra = slab_take_raw(&c->extras, sizeof(struct extra));
    if (slot == 0 || policy == 0 || (more && extra == 0)) {
        admit_undo(c, slot, policy, extra);
        return GANGER_ENOMEM;
    }
    *task_at(c, slot) = (struct task){ .id = id,
        .when = spec->due_us,
        .policy = policy,
        .extra = extra,
        .call_bytes = spec->call_bytes,
        .flags = (uint8_t)spec->flags,
        .marks = spec->due_wall ? MARK_WALL : 0 };
    if (more)
        *(struct extra *)slab_at(&c->extras, extra) =
            (struct extra){ .expiry = spec->expiry_us == 0 ? CORE_NEVER : spec->expiry_us };
    admitted(c, slot, policy_at(c, policy));
    *ret_slot = slot;
    return 0;
}

void task_free(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);

    GANGER_ASSERT(t->state == TASK_FREE && t->waiters == 0);
    pool_of(c, t)->count[TASK_FREE]--;
    if (t->heap_pos != 0)
        heap_set(&c->heap, DUE_TASK, slot, CORE_NEVER);
    ids_remove(c, slot);
    t->next = c->graves;
    c->graves = slot;
    c->grave_count++;
}

void graves_clear(struct core *c)
{
    while (c->graves != 0) {
        uint32_t slot = c->graves;
        const struct task *t = task_at(c, slot);

        c->graves = t->next;
        c->grave_count--;
        policy_of(c, t)->in->refs--;
        admit_undo(c, slot, t->policy, t->extra);
    }
}

void task_append(struct core *c, uint32_t slot, enum fact fact)
{
    struct effect *e = effect_add(c, EFFECT_APPEND);

    e->slot = slot;
    e->id = task_at(c, slot)->id;
    e->fact = (uint8_t)fact;
}

void task_ready(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    const struct policy *y = policy_of(c, t);

    if ((t->marks & MARK_CANCEL) != 0) { /* replayed */
        task_end(c, slot, TASK_CANCELLED, GANGER_ECANCELLED, true);
        return;
    }
    if (c->grace && (y->need_count > 0 || id_epoch(t->id) != c->cfg.epoch)) {
        held_add(c, slot);
        return;
    }
    if (t->when > c->now) {
        task_move(c, slot, TASK_DELAYED);
        return;
    }
    if (y->pool->broken && (t->flags & CORE_TASK_DURABLE) == 0) {
        task_end(c, slot, TASK_FAILED, GANGER_EBROKEN, true);
        return;
    }
    task_move_of(c, slot, t, y, TASK_READY);
}

static int submit_refuse(const struct core *c, const struct pool *p, const struct core_spec *spec)
{
    if (c->drain)
        return GANGER_EDRAIN;
    if (p->broken && (spec->flags & CORE_TASK_DURABLE) == 0)
        return GANGER_EBROKEN;
    if (c->tasks.live - c->grave_count >= c->cfg.tasks_max)
        return GANGER_EFULL;
    if (p->tasks >= p->set.backlog || p->bytes + spec->call_bytes > p->set.backlog_bytes)
        return GANGER_EFULL;
    return 0;
}

/* The submitter's own place among the waiters, if it wants to hear anything later. */
static int submit_waiter(struct core *c, uint32_t slot, const struct event *ev)
{
    uint32_t flags = ev->spec->flags;
    bool wait = (flags & CORE_TASK_WAIT) != 0;
    bool accept = (flags & CORE_TASK_DURABLE) != 0 && (flags & CORE_TASK_QUIET) == 0;
    int rc;

    if (!wait && !accept)
        return 0;
    rc = waiter_add(c, slot, ev->session, ev->req, wait ? WAITER_END : WAITER_ACCEPT);
    if (rc == 0 && accept)
        waiter_at(c, task_at(c, slot)->waiters)->accept = true;
    return rc;
}

int submit(struct core *c, const struct event *ev)
{
    uint32_t slot;
    uint64_t id = id_make(c->cfg.epoch, c->next_counter);
    struct effect *e;
    int rc = submit_refuse(c, c->pools[ev->spec->pool], ev->spec);

    if (rc == 0)
        rc = task_admit(c, ev->spec, id, &slot);
    if (rc < 0)
        return rc;
    rc = submit_waiter(c, slot, ev);
    if (rc < 0) {
        task_free(c, slot);
        return rc;
    }
    c->next_counter++;
    c->totals.submitted++;
    *ev->ret_slot = slot;
    if ((ev->spec->flags & CORE_TASK_DURABLE) != 0) {
        task_move(c, slot, TASK_STORING);
        task_append(c, slot, FACT_SUBMIT);
        return 0;
    }
    if ((ev->spec->flags & CORE_TASK_QUIET) == 0) {
        e = effect_add(c, EFFECT_ACCEPTED);
        e->session = ev->session;
        e->req = ev->req;
        e->id = id;
    }
    task_ready(c, slot);
    return 0;
}
