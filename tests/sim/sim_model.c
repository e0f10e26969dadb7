#include "tests/sim/sim.h"

#include <string.h>

struct mtask *model_find(struct sim *s, uint64_t id)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        if (s->tasks[i].used && s->tasks[i].id == id)
            return &s->tasks[i];
    }
    return NULL;
}

struct mtask *model_add(struct sim *s)
{
    uint32_t i = 0;

    while (i < s->task_count && s->tasks[i].used)
        i++;
    SIM_CHECK(s, i < SIM_TASKS);
    if (i == s->task_count)
        s->task_count++;
    memset(&s->tasks[i], 0, sizeof s->tasks[i]);
    s->tasks[i].used = true;
    s->tasks[i].oldest_us = s->tasks[i].startable_us = SIM_NEVER;
    return &s->tasks[i];
}

uint32_t model_live(const struct sim *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->task_count; i++)
        n += s->tasks[i].used && !s->tasks[i].ended;
    return n;
}

/* ---- before the step ---- */

static void clock_jumps(struct sim *s, int64_t by)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        struct mtask *t = &s->tasks[i];

        if (!t->used || !t->wall || (t->last != TASK_STORING && t->last != TASK_DELAYED))
            continue;
        if (by > 0)
            t->due = t->due > (uint64_t)by ? t->due - (uint64_t)by : 0;
        else
            t->due += (uint64_t)-by;
        /* One that was due when it was submitted may be delayed again: see submitted(). */
        t->past |= t->due > s->now;
    }
}

void model_before(struct sim *s, const struct event *ev)
{
    struct mtask *t;

    s->handed_count = 0;
    s->effect_count = 0;
    for (uint32_t i = 0; i < s->task_count; i++) {
        s->tasks[i].told = 0;
        s->was_plain[i] = !s->tasks[i].past;
        s->was_ready[i] = s->tasks[i].used && s->tasks[i].last == TASK_READY;
    }
    switch (ev->type) {
    case EVENT_CANCEL:
        t = model_find(s, ev->id);
        if (t != NULL) {
            t->cancel_before = t->cancel;
            t->cancel |= !t->outcome;
        }
        return;
    case EVENT_TURN:
        if (s->grace && s->now >= s->grace_end)
            s->grace = false;
        return;
    case EVENT_GRACE_OVER:
        s->grace = false;
        return;
    case EVENT_DRAIN:
        s->drain = true;
        return;
    case EVENT_POOL_PAUSE:
        s->pools[ev->index].paused = true;
        return;
    case EVENT_POOL_RESUME:
        s->pools[ev->index].paused = s->pools[ev->index].broken = false;
        return;
    case EVENT_SEM_SET:
        s->sem_limit[ev->index] = s->sem_wanted[ev->index] = (uint32_t)ev->number;
        return;
    case EVENT_CLOCK_JUMP:
        clock_jumps(s, ev->jump_us);
        return;
    default:
        return;
    }
}

/* ---- effects ---- */

static void told_accepted(struct sim *s, const struct effect *e)
{
    struct mwait *w = wait_find(s, WAIT_ACCEPT, e->session, e->req, e->id);
    const struct mtask *t = model_find(s, e->id);

    SIM_CHECK(s, w != NULL);
    w->used = false;
    if (e->type == EFFECT_UNKNOWN) {
        SIM_CHECK(s, s->event->type == EVENT_STORE_FAILED);
        return;
    }
    if (s->event->type == EVENT_SUBMIT) { /* nothing was promised to last */
        SIM_CHECK(s, (s->event->spec->flags & CORE_TASK_DURABLE) == 0);
        return;
    }
    SIM_CHECK(s, t != NULL);
    SIM_CHECK_TASK(s, t, t->durable && t->submit_synced);
    promise_find(s, e->id)->accepted = true;
}

static void told_ended(struct sim *s, const struct effect *e)
{
    struct mwait *w = wait_find(s, WAIT_END, e->session, e->req, e->id);
    struct mtask *t = model_find(s, e->id);
    struct promise *p;

    SIM_CHECK(s, w != NULL && t != NULL);
    SIM_CHECK_TASK(s, t, wait_find(s, WAIT_ACCEPT, e->session, e->req, e->id) == NULL);
    SIM_CHECK_TASK(s, t, t->outcome && (!t->durable || t->end_synced));
    SIM_CHECK_TASK(s, t, e->state == t->end && e->code == t->code);
    w->used = false;
    t->told++;
    if (!t->durable)
        return;
    p = promise_find(s, e->id);
    if (p->shown)
        SIM_CHECK_TASK(s, t, p->end == t->end && p->code == t->code);
    p->shown = true;
    p->end = t->end;
    p->code = t->code;
}

static void told_cancel(struct sim *s, const struct effect *e)
{
    struct mwait *w = wait_find(s, WAIT_CANCEL, e->session, e->req, e->id);
    const struct mtask *t = model_find(s, e->id);

    SIM_CHECK(s, w != NULL && t != NULL);
    w->used = false;
    if (e->code != 0) {
        SIM_CHECK_TASK(s, t, e->code == GANGER_ESTATE && t->outcome && t->end != TASK_CANCELLED);
        return;
    }
    SIM_CHECK_TASK(s, t, t->cancel);
    if (!t->durable)
        return;
    SIM_CHECK_TASK(s, t, t->cancel_synced || (t->end_synced && t->end == TASK_CANCELLED));
    promise_find(s, e->id)->cancelled = true;
}

static void told_room(struct sim *s, const struct effect *e)
{
    struct mwait *w = wait_find(s, WAIT_ROOM, e->session, e->req, 0);

    SIM_CHECK(s, w != NULL && (e->code == 0 || e->code == GANGER_EBROKEN));
    for (uint32_t i = 0; i < s->wait_count; i++) {
        const struct mwait *o = &s->waits[i];

        if (o->used && o->kind == WAIT_ROOM && o->pool == w->pool)
            SIM_CHECK(s, o->order >= w->order);
    }
    w->used = false;
}

static void appended(struct sim *s, const struct effect *e)
{
    struct mtask *t = model_find(s, e->id);
    struct core_attempts a;

    store_append(s, e);
    if (e->fact == FACT_SUBMIT) {
        SIM_CHECK(s, s->event->type == EVENT_SUBMIT && t == NULL);
        return;
    }
    SIM_CHECK(s, t != NULL);
    SIM_CHECK_TASK(s, t, t->durable);
    if (e->fact == FACT_ATTEMPT) {
        core_task_attempts(s->core, e->slot, &a);
        attempt_retry(s, t, a.due_us);
        SIM_CHECK_TASK(s, t, a.attempts == t->attempts && a.crashes == t->crashes);
    } else if (e->fact == FACT_CANCEL) {
        SIM_CHECK_TASK(s, t, s->event->type == EVENT_CANCEL && t->in_hand);
    } else if (e->fact == FACT_END) {
        SIM_CHECK_TASK(s, t, t->outcome && !t->end_synced);
    } else {
        SIM_CHECK_TASK(s, t, t->outcome && t->end_synced);
    }
}

static void outcome(struct sim *s, const struct effect *e)
{
    struct mtask *t = model_find(s, e->id);

    SIM_CHECK(s, t != NULL && t->slot == e->slot);
    SIM_CHECK_TASK(s, t, !t->outcome);
    attempt_outcome(s, t, e->code);
    t->outcome = true;
    sim_trace(s, "%llx ends: %d", (unsigned long long)e->id, e->code);
}

static uint64_t forget_at(const struct sim *s, const struct mtask *t)
{
    uint64_t keep = t->spec.retention_us;

    if (keep == 0 && t->told == 0)
        keep = s->config.orphan_retention_us;
    return s->now + keep;
}

static void forgets(struct sim *s, const struct effect *e)
{
    struct mtask *t = model_find(s, e->id);

    SIM_CHECK(s, t != NULL && t->slot == e->slot);
    SIM_CHECK_TASK(s, t, t->outcome && (!t->durable || t->end_synced));
    if (!t->ended)
        t->forget_at = forget_at(s, t);
    SIM_CHECK_TASK(s, t, t->forget_at <= s->now || s->event->type == EVENT_DROP);
    for (uint32_t i = 0; i < s->wait_count; i++)
        SIM_CHECK_TASK(s, t, !s->waits[i].used || s->waits[i].id != t->id);
    t->used = false;
    if (t->durable)
        promise_find(s, t->id)->forgotten = true;
}

/* Three effects in one; nothing but a result that has just come ends a task so. */
static void gone(struct sim *s, const struct effect *e)
{
    SIM_CHECK(s, s->event->type == EVENT_CHILD_RESULT && e->code == 0);
    outcome(s, e);
    told_ended(s, e);
    forgets(s, e);
}

static void told_progress(struct sim *s, const struct effect *e)
{
    SIM_CHECK(s, s->event->type == EVENT_PROGRESS);
    SIM_CHECK(s, wait_find(s, WAIT_END, e->session, e->req, e->id) != NULL);
}

static void agent_start(struct sim *s, const struct effect *e)
{
    struct mpool *p = &s->pools[e->index];

    SIM_CHECK(s, !p->agent_up && !p->agent_asked && !p->settings.external && !s->drain);
    p->agent_asked = true;
}

static void pool_breaks(struct sim *s, const struct effect *e)
{
    SIM_CHECK(s, !s->pools[e->index].broken);
    s->pools[e->index].broken = true;
}

void model_effect(struct sim *s, const struct effect *e)
{
    s->effect_count++;
    switch (e->type) {
    case EFFECT_ACCEPTED:
    case EFFECT_UNKNOWN:
        told_accepted(s, e);
        return;
    case EFFECT_ENDED:
        told_ended(s, e);
        return;
    case EFFECT_GONE:
        gone(s, e);
        return;
    case EFFECT_CANCEL:
        told_cancel(s, e);
        return;
    case EFFECT_ROOM:
        told_room(s, e);
        return;
    case EFFECT_PROGRESS:
        told_progress(s, e);
        return;
    case EFFECT_APPEND:
        appended(s, e);
        return;
    case EFFECT_OUTCOME:
        outcome(s, e);
        return;
    case EFFECT_FORGET:
        forgets(s, e);
        return;
    case EFFECT_HAND:
        attempt_hand(s, e);
        return;
    case EFFECT_TAKE_BACK:
        proc_take_back(s, e);
        return;
    case EFFECT_STOP:
        attempt_stop(s, e);
        proc_stop(s, e);
        return;
    case EFFECT_KILL:
        attempt_kill(s, e);
        proc_kill(s, e);
        return;
    case EFFECT_RETIRE:
        proc_retire(s, e);
        return;
    case EFFECT_SPAWN:
        proc_spawn(s, e);
        return;
    case EFFECT_AGENT_START:
        agent_start(s, e);
        return;
    case EFFECT_POOL_BROKEN:
        pool_breaks(s, e);
        return;
    default: /* bytes, which the core only counts */
        SIM_CHECK(s, e->type == EFFECT_KEPT || e->type == EFFECT_CALL_DONE);
        return;
    }
}

/* ---- after the step ---- */

static void submitted(struct sim *s, const struct event *ev)
{
    struct mtask *t = model_add(s);
    struct core_task_info info;

    t->slot = *ev->ret_slot;
    SIM_CHECK(s, core_slot_info(s->core, t->slot, &info) == 0);
    t->id = info.id;
    t->spec = *ev->spec;
    t->due = ev->spec->due_us;
    t->wall = ev->spec->due_wall;
    t->durable = (ev->spec->flags & CORE_TASK_DURABLE) != 0;
    t->past = t->due > s->now;
    t->last = TASK_FREE;
    SIM_CHECK_TASK(s, t, id_epoch(t->id) == s->epoch);
    for (uint32_t i = 0; i < s->wait_count; i++) {
        struct mwait *w = &s->waits[i];

        if (w->session == ev->session && w->req == ev->req)
            w->id = t->id;
    }
    sim_trace(s, "submit %llx pool %u priority %u uid %u flags %u needs %u",
        (unsigned long long)t->id, t->spec.pool, t->spec.priority, t->spec.uid, t->spec.flags,
        t->spec.need_count);
}

static void ends_now(struct sim *s, struct mtask *t)
{
    t->ended = true;
    t->forget_at = forget_at(s, t);
    for (uint32_t i = 0; i < s->wait_count; i++)
        SIM_CHECK_TASK(s, t, !s->waits[i].used || s->waits[i].id != t->id);
}

static void task_compare(struct sim *s, struct mtask *t)
{
    struct core_task_info info;
    bool over;

    SIM_CHECK_TASK(s, t, core_slot_info(s->core, t->slot, &info) == 0 && info.id == t->id);
    over = info.state >= TASK_DONE;
    attempt_compare(s, t, &info);
    SIM_CHECK_TASK(s, t, over == (t->outcome && (!t->durable || t->end_synced)));
    if (t->outcome) {
        SIM_CHECK_TASK(s, t, over || (info.state == TASK_SETTLING && t->durable));
        SIM_CHECK_TASK(s, t, (over ? info.state : info.end) == t->end && info.code == t->code);
    }
    if (over && !t->ended)
        ends_now(s, t);
    if (info.state == TASK_STORING)
        SIM_CHECK_TASK(s, t, t->durable && !t->submit_synced);
    if (info.state == TASK_DELAYED)
        SIM_CHECK_TASK(s, t, info.due_us == t->due);
    t->last = info.state;
}

/* What executes is in the core's hand: nothing runs that it does not know of. */
static void procs_compare(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        const struct proc *p = &s->procs[i];
        const struct mtask *t;

        if (!p->used || p->old || !p->group || p->running == 0 || proc_written_off(s, p))
            continue;
        t = model_find(s, p->hands[(p->running - 1) % SIM_HANDS].id);
        SIM_CHECK(s, t != NULL);
        SIM_CHECK_TASK(s, t, t->in_hand && t->proc == i && t->seq == p->running - 1);
    }
}

static void sems_compare(struct sim *s)
{
    struct core_sem_info info;

    for (uint32_t i = 0; i < SIM_SEMS; i++) {
        core_sem_info(s->core, i, &info);
        SIM_CHECK(s, info.held == s->sem_granted[i] && info.limit == s->sem_limit[i]);
    }
}

void model_after(struct sim *s, const struct event *ev, int rc)
{
    struct mtask *t;

    if (rc < 0)
        SIM_CHECK(s, s->effect_count == 0);
    if (ev->type == EVENT_CANCEL && rc < 0) {
        t = model_find(s, ev->id);
        if (t != NULL)
            t->cancel = t->cancel_before;
    }
    if (ev->type == EVENT_SUBMIT && rc == 0)
        submitted(s, ev);
    waits_compact(s);
    for (uint32_t i = 0; i < s->task_count; i++) {
        if (s->tasks[i].used)
            task_compare(s, &s->tasks[i]);
    }
    procs_compare(s);
    sems_compare(s);
    if (ev->type == EVENT_TURN)
        rules_turn(s);
    rules_after(s);
}
