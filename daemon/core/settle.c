#include "core/move.h"

static void keep_cause(struct core *c, struct task *t, struct core_cause cause)
{
    struct extra *h = extra_of(c, t);

    if (h == NULL)
        return;
    if (h->count == GANGER_CAUSES_MAX) { /* the newest ones are kept */
        for (unsigned i = 1; i < GANGER_CAUSES_MAX; i++)
            h->causes[i - 1] = h->causes[i];
        h->count--;
    }
    h->causes[h->count++] = cause;
}

/* Exponential back-off with jitter, which only ever adds: a retry is never early. */
static uint64_t backoff_us(struct core *c, const struct task *t)
{
    const struct policy *y = policy_of(c, t);
    uint64_t wait = y->backoff_us;

    for (unsigned i = 1; i < t->attempts && wait < y->backoff_max_us; i++)
        wait *= 2;
    if (wait > y->backoff_max_us)
        wait = y->backoff_max_us;
    if (y->jitter_percent > 0 && wait > 0)
        wait += core_random(c) % (wait / 100 * y->jitter_percent + 1);
    return wait;
}

static void outcome(struct core *c, uint32_t slot, int code, bool own, uint32_t dead_child)
{
    struct effect *e = effect_add(c, EFFECT_OUTCOME);

    e->slot = slot;
    e->id = task_at(c, slot)->id;
    e->code = code;
    e->own = own;
    if (dead_child != 0) {
        e->child = dead_child;
        e->gen = child_at(c, dead_child)->gen;
    }
}

/* KEPT: its outcome was kept until now. */
static void forget(struct core *c, uint32_t slot, bool kept)
{
    struct task *t = task_at(c, slot);
    struct effect *e;

    kept_leave(c, slot);
    waiters_drop(c, slot);
    if ((t->flags & CORE_TASK_DURABLE) != 0)
        task_append(c, slot, FACT_FORGET);
    e = effect_add(c, EFFECT_FORGET);
    e->slot = slot;
    e->id = t->id;
    e->own = kept;
    task_move(c, slot, TASK_FREE);
    task_free(c, slot);
}

static void finish(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    uint64_t retention = policy_of(c, t)->retention_us;
    struct pool *p = pool_of(c, t);
    struct effect *e;
    uint32_t told;

    if (t->end == TASK_DONE)
        p->done_total++;
    else
        p->failed_total++;
    c->totals.done += t->end == TASK_DONE;
    c->totals.failed += t->end == TASK_FAILED;
    c->totals.cancelled += t->end == TASK_CANCELLED;
    c->totals.dead += t->end == TASK_DEAD;
    if ((t->flags & CORE_TASK_DURABLE) != 0)
        effect_add(c, EFFECT_CALL_DONE)->slot = slot;
    if ((t->marks & MARK_CANCEL) != 0)
        waiters_cancel_answer(c, slot, t->end == TASK_CANCELLED ? 0 : GANGER_ESTATE);
    told = waiters_ended(c, slot);
    if (retention == 0 && told == 0)
        retention = c->cfg.orphan_retention_us;
    if (retention == 0 && (t->state == TASK_HANDED || t->state == TASK_RUNNING)) {
        forget(c, slot, false); /* the way that most go: nobody could see it ended */
        return;
    }
    task_move(c, slot, t->end);
    if (retention == 0) {
        forget(c, slot, false);
        return;
    }
    kept_enter(c, slot, c->now + retention);
    e = effect_add(c, EFFECT_KEPT);
    e->slot = slot;
    e->id = t->id;
}

/*
 * The way that most tasks go: one session waits for what it returned, nothing of it is kept, and
 * nobody could see it ended. False, and nothing changed, when this one does not.
 */
static bool gone(struct core *c, uint32_t slot, struct task *t)
{
    const struct policy *y = policy_of(c, t);

    if ((t->flags & CORE_TASK_DURABLE) != 0 || (t->marks & MARK_CANCEL) != 0 ||
        y->retention_us != 0)
        return false;
    t->end = TASK_DONE;
    t->code = 0;
    if (!waiters_gone(c, t, slot))
        return false;
    y->pool->done_total++;
    c->totals.done++;
    task_move_of(c, slot, t, y, TASK_FREE);
    task_free(c, slot);
    return true;
}

static void end_with(
    struct core *c, uint32_t slot, enum task_state end, int code, bool own, uint32_t dead_child)
{
    struct task *t = task_at(c, slot);

    t->end = (uint8_t)end;
    t->code = (uint8_t)-code;
    t->marks = (uint8_t)(t->marks & ~MARK_RETRY);
    outcome(c, slot, code, own, dead_child);
    if ((t->flags & CORE_TASK_DURABLE) == 0) {
        finish(c, slot);
        return;
    }
    task_move(c, slot, TASK_SETTLING);
    task_append(c, slot, FACT_END);
}

void task_end(struct core *c, uint32_t slot, enum task_state end, int code, bool own)
{
    end_with(c, slot, end, code, own, 0);
}

static void retry(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);

    c->totals.retries++;
    t->when = c->now + backoff_us(c, t);
    t->marks = (uint8_t)(t->marks & ~(MARK_LIMIT | MARK_KILLED | MARK_WALL)) | MARK_BACKOFF;
    if ((t->flags & CORE_TASK_DURABLE) != 0) {
        t->marks |= MARK_RETRY;
        task_move(c, slot, TASK_SETTLING);
        task_append(c, slot, FACT_ATTEMPT);
        return;
    }
    task_move(c, slot, TASK_DELAYED);
}

/* An attempt that ended without success: again, or the end. */
static void attempt_failed(struct core *c, uint32_t slot, struct core_cause cause, bool crash,
    bool own, uint32_t dead_child)
{
    struct task *t = task_at(c, slot);
    const struct policy *y = policy_of(c, t);
    unsigned budget = y->crash_budget == 0 ? 1 : y->crash_budget;
    bool spent;

    keep_cause(c, t, cause);
    if (crash && t->crashes < UINT8_MAX)
        t->crashes++;
    if ((t->marks & MARK_CANCEL) != 0) {
        end_with(c, slot, TASK_CANCELLED, GANGER_ECANCELLED, true, 0);
        return;
    }
    spent = t->attempts >= y->attempts_max || (crash && t->crashes >= budget);
    if (!spent)
        retry(c, slot);
    else
        end_with(c, slot, y->attempts_max > 1 ? TASK_DEAD : TASK_FAILED, -(int)cause.code, own,
            dead_child);
}

void attempt_result(struct core *c, uint32_t slot, int code, uint32_t outcome_bytes)
{
    struct task *t = task_at(c, slot);
    bool late = (t->marks & MARK_LIMIT) != 0;

    t->result_bytes = outcome_bytes;
    /* Work that was finished before it was told to stop counts; what comes after is half of it. */
    if (code == 0 && t->state != TASK_STOPPING) {
        if (!gone(c, slot, t))
            end_with(c, slot, TASK_DONE, 0, false, 0);
        return;
    }
    if (late)
        code = GANGER_ETIMELIMIT;
    else if (code == 0)
        code = GANGER_ECANCELLED;
    attempt_failed(c, slot, (struct core_cause){ .code = (uint8_t)-code }, false, late, 0);
}

void attempt_died(struct core *c, uint32_t slot, struct core_cause cause)
{
    const struct task *t = task_at(c, slot);
    bool known = cause.code == -GANGER_EDIED;
    uint32_t child = known ? t->child : 0;

    if ((t->marks & (MARK_LIMIT | MARK_CANCEL)) != 0) {
        cause.code = -GANGER_ETIMELIMIT;
        attempt_failed(c, slot, cause, false, !known, child);
        return;
    }
    attempt_failed(c, slot, cause, known, !known, child);
}

static void attempt_stored(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);

    t->marks = (uint8_t)(t->marks & ~MARK_RETRY);
    if ((t->marks & MARK_CANCEL) != 0)
        end_with(c, slot, TASK_CANCELLED, GANGER_ECANCELLED, true, 0);
    else
        task_ready(c, slot);
}

static void stored(struct core *c, uint32_t slot, enum fact fact)
{
    const struct task *t = task_at(c, slot);

    switch (fact) {
    case FACT_SUBMIT:
        waiters_accepted(c, slot, false);
        if (t->state == TASK_STORING)
            task_ready(c, slot);
        return;
    case FACT_ATTEMPT:
        if (t->state == TASK_SETTLING && (t->marks & MARK_RETRY) != 0)
            attempt_stored(c, slot);
        return;
    case FACT_CANCEL:
        waiters_cancel_answer(c, slot, 0);
        return;
    case FACT_END:
        if (t->state == TASK_SETTLING && (t->marks & MARK_RETRY) == 0)
            finish(c, slot);
        return;
    case FACT_FORGET:
        return;
    }
}

int store_event(struct core *c, const struct event *ev)
{
    const struct task *t = task_known(c, ev->slot);

    if (t == NULL || t->id != ev->id)
        return GANGER_ESTALE;
    if (ev->type == EVENT_STORED)
        stored(c, ev->slot, ev->fact);
    else if (ev->fact == FACT_SUBMIT)
        waiters_accepted(c, ev->slot, true);
    return 0;
}

void task_forget(struct core *c, uint32_t slot)
{
    forget(c, slot, true);
}

int drop_event(struct core *c, const struct event *ev)
{
    uint32_t slot = ids_find(c, ev->id);

    if (slot == 0)
        return GANGER_ENOTASK;
    if (!state_is_end(task_at(c, slot)->state))
        return GANGER_ESTATE;
    task_forget(c, slot);
    return 0;
}
