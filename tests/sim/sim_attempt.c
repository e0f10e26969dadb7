/* The model of attempts: in whose hand a task is, how it left it, and what must follow. */
#include "tests/sim/sim.h"

static struct proc *proc_of(struct sim *s, const struct mtask *t)
{
    struct proc *p = &s->procs[t->proc];

    SIM_CHECK_TASK(s, t, p->used && p->child == t->child && p->gen == t->gen && !p->old);
    return p;
}

static void permits_give(struct sim *s, const struct mtask *t)
{
    for (unsigned i = 0; i < t->spec.need_count; i++)
        s->sem_granted[t->spec.needs[i].sem] -= t->spec.needs[i].permits;
}

static bool over_limit(const struct sim *s, const struct mtask *t)
{
    return t->spec.limit_us != 0 && s->now >= t->hand_us + t->spec.limit_us;
}

static void must_end(struct mtask *t, enum task_state end, int code)
{
    t->expect = EXPECT_END;
    t->end = end;
    t->code = code;
}

/* An attempt was begun and did not succeed. CODE: how; CRASH: it counts against the budget. */
static void failed(struct mtask *t, int code, bool crash)
{
    uint32_t budget = t->spec.crash_budget == 0 ? 1 : t->spec.crash_budget;

    t->attempts++;
    t->crashes += crash;
    if (t->cancel)
        must_end(t, TASK_CANCELLED, GANGER_ECANCELLED);
    else if (t->attempts >= t->spec.attempts_max || (crash && t->crashes >= budget))
        must_end(t, t->spec.attempts_max > 1 ? TASK_DEAD : TASK_FAILED, code);
    else
        t->expect = EXPECT_RETRY;
}

static void left_by_result(struct mtask *t)
{
    bool late = !t->cancel && t->stop_told;

    t->has_result = false;
    if (t->result_code == 0 && !t->stop_told) {
        t->attempts++;
        must_end(t, TASK_DONE, 0);
    } else {
        failed(t, late ? GANGER_ETIMELIMIT : t->result_code, false);
    }
}

static void left_by_death(struct sim *s, struct mtask *t, const struct proc *p)
{
    int code = p->exit_told ? -(int)p->cause.code : GANGER_ELOST;
    bool crash = code == GANGER_EDIED && !t->cancel && !t->stop_told;

    SIM_CHECK_TASK(s, t, (p->exit_told && p->group_told) || proc_written_off(s, p));
    if (t->stop_told)
        code = GANGER_ETIMELIMIT;
    failed(t, code, crash);
}

void attempt_leave(struct sim *s, struct mtask *t)
{
    const struct proc *p = proc_of(s, t);
    bool told = p->eof_told || p->exit_told || proc_written_off(s, p);

    SIM_CHECK_TASK(s, t, t->in_hand);
    permits_give(s, t);
    if (t->has_result) {
        left_by_result(t);
    } else if (t->seq >= p->begun) { /* not begun: given back */
        SIM_CHECK_TASK(s, t, !proc_may_run(p, t->id));
        if (t->cancel)
            must_end(t, TASK_CANCELLED, GANGER_ECANCELLED);
    } else if (t->seq + 1 < p->begun) { /* finished, but its result died with the process */
        SIM_CHECK_TASK(s, t, told);
        if (t->cancel)
            must_end(t, TASK_CANCELLED, GANGER_ECANCELLED);
    } else {
        left_by_death(s, t, p);
    }
    t->in_hand = t->stop_told = false;
    t->past = true;
}

void attempt_retry(struct sim *s, struct mtask *t, uint64_t due_us)
{
    uint64_t wait = t->spec.backoff_us, most;

    if (t->in_hand)
        attempt_leave(s, t);
    SIM_CHECK_TASK(s, t, t->expect == EXPECT_RETRY);
    for (uint32_t i = 1; i < t->attempts; i++) {
        if (wait < t->spec.backoff_max_us)
            wait *= 2;
    }
    if (wait > t->spec.backoff_max_us)
        wait = t->spec.backoff_max_us;
    most = wait + wait * t->spec.jitter_percent / 100;
    SIM_CHECK_TASK(s, t, due_us >= s->now + wait && due_us <= s->now + most);
    s->coverage->retries++;
    t->expect = EXPECT_NOTHING;
    t->due = due_us;
    t->wall = false;
}

/* A task that no process has: what may end it? */
static void ended_waiting(struct sim *s, struct mtask *t, int code)
{
    const struct mpool *p = &s->pools[t->spec.pool];

    if (code == GANGER_ECANCELLED) {
        SIM_CHECK_TASK(s, t, t->cancel);
        t->end = TASK_CANCELLED;
    } else if (code == GANGER_EEXPIRED) {
        SIM_CHECK_TASK(s, t, t->spec.expiry_us != 0 && t->spec.expiry_us <= s->now);
        t->end = TASK_FAILED;
    } else {
        SIM_CHECK_TASK(s, t, code == GANGER_EBROKEN && !t->durable && p->broken);
        t->end = TASK_FAILED;
    }
    t->code = code;
}

void attempt_outcome(struct sim *s, struct mtask *t, int code)
{
    if (t->in_hand)
        attempt_leave(s, t);
    if (t->expect == EXPECT_END) {
        SIM_CHECK_TASK(s, t, code == t->code);
        t->expect = EXPECT_NOTHING;
        return;
    }
    if (t->expect == EXPECT_RETRY) /* in the same turn, with no wait between */
        t->expect = EXPECT_NOTHING;
    ended_waiting(s, t, code);
}

/* ---- hands ---- */

static void hand_lawful(struct sim *s, const struct effect *e, const struct mtask *t)
{
    const struct mpool *p = &s->pools[t->spec.pool];

    SIM_CHECK_TASK(s, t, s->event->type == EVENT_TURN && !s->drain);
    SIM_CHECK_TASK(s, t, p->defined && !p->paused && !p->broken);
    SIM_CHECK_TASK(s, t, !t->outcome && !t->cancel && (!t->durable || t->submit_synced));
    SIM_CHECK_TASK(s, t, t->due <= s->now);
    SIM_CHECK_TASK(s, t, t->spec.expiry_us == 0 || t->spec.expiry_us > s->now);
    SIM_CHECK_TASK(s, t, e->fence > s->last_fence && id_epoch(e->fence) == s->epoch);
    SIM_CHECK_TASK(s, t, e->attempt == t->attempts + 1 && e->limit_us == t->spec.limit_us);
    if (s->grace)
        SIM_CHECK_TASK(s, t, t->spec.need_count == 0 && id_epoch(t->id) == s->epoch);
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        const struct proc *x = &s->procs[i];

        SIM_CHECK_TASK(s, t, !proc_may_run(x, t->id) || (!x->old && proc_written_off(s, x)));
    }
}

static void child_lawful(struct sim *s, const struct effect *e, const struct mtask *t)
{
    const struct proc *p = proc_find(s, e->child, e->gen);
    const struct core_pool_settings *set = &s->pools[t->spec.pool].settings;
    uint32_t others = 0;

    SIM_CHECK_TASK(s, t, p != NULL && p->pool == t->spec.pool && p->close_us == SIM_NEVER);
    SIM_CHECK_TASK(s, t, !p->garbage_told && !p->retire_asked);
    if (set->max_tasks_per_child != 0)
        SIM_CHECK_TASK(s, t, e->seq < set->max_tasks_per_child);
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *o = &s->tasks[i];

        if (!o->used || !o->in_hand || o->child != e->child || o->gen != e->gen)
            continue;
        others++;
        /* What is to be stopped, or holds permits, has its child for itself. */
        SIM_CHECK_TASK(s, t, !o->stop_told && o->spec.need_count == 0);
    }
    SIM_CHECK_TASK(s, t, others == 0 || t->spec.need_count == 0);
    SIM_CHECK_TASK(s, t, others < GANGER_HAND_MAX);
}

/* What ended for want of words in this same turn left its hand without an effect of its own. */
static void leave_quietly(struct sim *s)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        struct mtask *t = &s->tasks[i];
        struct core_task_info info;

        if (!t->used || !t->in_hand || core_slot_info(s->core, t->slot, &info) < 0)
            continue;
        if (info.child != t->child || info.gen != t->gen || info.seq != t->seq)
            attempt_leave(s, t);
    }
}

static void permits_take(struct sim *s, const struct mtask *t)
{
    for (unsigned i = 0; i < t->spec.need_count; i++) {
        uint32_t sem = t->spec.needs[i].sem;

        s->sem_granted[sem] += t->spec.needs[i].permits;
        if (s->sem_granted[sem] > s->sem_limit[sem])
            leave_quietly(s);
        SIM_CHECK_TASK(s, t, s->sem_granted[sem] <= s->sem_limit[sem]);
    }
}

void attempt_hand(struct sim *s, const struct effect *e)
{
    struct mtask *t = model_find(s, e->id);

    SIM_CHECK(s, t != NULL && t->slot == e->slot);
    if (t->in_hand)
        attempt_leave(s, t);
    if (t->expect == EXPECT_RETRY && !t->durable)
        attempt_retry(s, t, s->now);
    SIM_CHECK_TASK(s, t, t->expect == EXPECT_NOTHING);
    hand_lawful(s, e, t);
    child_lawful(s, e, t);
    permits_take(s, t);
    s->last_fence = e->fence;
    t->in_hand = true;
    t->child = e->child;
    t->gen = e->gen;
    t->seq = e->seq;
    t->proc = (uint32_t)(proc_find(s, e->child, e->gen) - s->procs);
    t->hand_us = s->now;
    t->fence = e->fence;
    SIM_CHECK(s, s->handed_count < sizeof s->handed / sizeof s->handed[0]);
    s->handed[s->handed_count++] = e->id;
    sim_trace(s, "hand %llx to %u.%u #%u", (unsigned long long)e->id, e->child, e->gen, e->seq);
    proc_hand(s, e);
}

static struct mtask *in_hand_at(struct sim *s, uint32_t child, uint32_t gen, uint32_t seq)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        struct mtask *t = &s->tasks[i];

        if (t->used && t->in_hand && t->child == child && t->gen == gen && t->seq == seq)
            return t;
    }
    return NULL;
}

/* A soft stop: only for who was cancelled or is over its limit, and nothing can come behind it. */
void attempt_stop(struct sim *s, const struct effect *e)
{
    struct mtask *t = in_hand_at(s, e->child, e->gen, e->seq);
    const struct proc *p = proc_find(s, e->child, e->gen);

    SIM_CHECK(s, t != NULL && p != NULL && !t->stop_told);
    SIM_CHECK_TASK(s, t, t->cancel || over_limit(s, t));
    SIM_CHECK_TASK(
        s, t, p->begun == t->seq + 1 && p->limit == t->seq + 1 && p->granted >= p->limit);
    t->stop_told = true;
    t->stop_us = s->now;
}

/*
 * A kill: the child is ending anyway, or never became ready; or it has a task that was told to
 * stop, has had its grace, and is the only one that the kill can hit.
 */
void attempt_kill(struct sim *s, const struct effect *e)
{
    const struct proc *p = proc_find(s, e->child, e->gen);
    const struct mtask *stopped = NULL;
    bool child_ready = false;

    SIM_CHECK(s, p != NULL && !p->kill_asked);
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *t = &s->tasks[i];

        if (t->used && t->in_hand && t->stop_told && t->child == e->child && t->gen == e->gen)
            stopped = t;
    }
    child_ready = p->ready && p->granted > 0;
    if (p->eof_told || p->exit_told || p->garbage_told || p->retire_asked || !child_ready) {
        if (!child_ready && !p->eof_told && !p->exit_told && !p->garbage_told && !p->retire_asked)
            SIM_CHECK(s, s->now >= p->born_us + s->pools[p->pool].settings.init_timeout_us ||
                             s->pools[p->pool].settings.init_timeout_us == 0);
        return;
    }
    SIM_CHECK(s, stopped != NULL);
    SIM_CHECK_TASK(s, stopped, s->now >= stopped->stop_us + stopped->spec.kill_grace_us);
    SIM_CHECK_TASK(s, stopped, p->limit == stopped->seq + 1);
}

/* After each step: what the core says of the task's hand and charges against what is true. */
void attempt_compare(struct sim *s, struct mtask *t, const struct core_task_info *info)
{
    bool in_hand = info->state == TASK_HANDED || info->state == TASK_RUNNING ||
                   info->state == TASK_STOPPING;

    if (t->in_hand &&
        !(in_hand && info->child == t->child && info->gen == t->gen && info->seq == t->seq))
        attempt_leave(s, t);
    if (t->expect == EXPECT_RETRY) {
        SIM_CHECK_TASK(s, t, !t->durable);
        attempt_retry(s, t, info->state == TASK_DELAYED ? info->due_us : s->now);
    }
    SIM_CHECK_TASK(s, t, t->expect == EXPECT_NOTHING);
    SIM_CHECK_TASK(s, t, t->in_hand == in_hand);
    SIM_CHECK_TASK(s, t, info->attempts == t->attempts + t->in_hand);
    SIM_CHECK_TASK(s, t, info->crashes == t->crashes);
    if (info->state == TASK_STOPPING)
        SIM_CHECK_TASK(s, t, t->stop_told || s->procs[t->proc].close_us != SIM_NEVER);
}
