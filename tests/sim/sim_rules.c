/* The rules of fairness, time and words, as a caller would state them. */
#include "core/internal.h"
#include "tests/sim/sim.h"

/* Beyond the letter of the rule: what was decided in the turn in which it began to hold. */
#define OVERTAKEN_MOST (CORE_RESERVE_OVERTAKEN * 2)
#define OLDEST_MOST_US (CORE_RESERVE_US * 2 + CORE_RESERVE_US / 2)
#define TURN_MOST_US   (CORE_RESERVE_US / 2)
/* Most of it until the next look, when the permits came while nobody looked. */
#define KEPT_MOST_US (CORE_RESERVE_US + CORE_RESERVE_BUSY_US * 2 + TURN_MOST_US)

static bool runnable(const struct sim *s, const struct mtask *t)
{
    const struct mpool *p = &s->pools[t->spec.pool];
    struct core_pool_info info;

    core_pool_info(s->core, t->spec.pool, &info);
    return p->defined && !p->paused && !p->broken && !s->drain && info.ready > 0;
}

static bool same_lane(const struct mtask *a, const struct mtask *b)
{
    return a->spec.pool == b->spec.pool && a->spec.priority == b->spec.priority &&
           a->spec.uid == b->spec.uid;
}

/* One that nothing but its place in the queue holds back. */
static bool plain(const struct mtask *t)
{
    return t->spec.need_count == 0 && !t->past;
}

/* What waited before the turn and waits after it, and was passed by what was handed. */
static void passed_check(struct sim *s, const struct mtask *h)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *w = &s->tasks[i];

        if (!w->used || !s->was_ready[i] || w->last != TASK_READY || w->spec.pool != h->spec.pool ||
            w->spec.need_count != 0)
            continue;
        SIM_CHECK_TASK(s, h, w->spec.priority >= h->spec.priority);
        if (same_lane(w, h) && w->durable == h->durable && plain(w) && h->spec.need_count == 0 &&
            s->was_plain[h - s->tasks])
            SIM_CHECK_TASK(s, h, w->id > h->id);
    }
}

/* Handed in one turn: by urgency, and by age within a lane. */
static void order_check(struct sim *s)
{
    for (uint32_t i = 0; i < s->handed_count; i++) {
        const struct mtask *a = model_find(s, s->handed[i]);

        if (a == NULL || a->outcome || !s->was_ready[a - s->tasks])
            continue;
        passed_check(s, a);
        for (uint32_t j = i + 1; j < s->handed_count; j++) {
            const struct mtask *b = model_find(s, s->handed[j]);

            if (b == NULL || a == b || !s->was_ready[b - s->tasks] ||
                a->spec.pool != b->spec.pool || a->spec.need_count + b->spec.need_count != 0)
                continue;
            SIM_CHECK_TASK(s, b, a->spec.priority <= b->spec.priority);
            if (same_lane(a, b) && a->durable == b->durable && a->attempts + b->attempts == 0 &&
                s->was_plain[a - s->tasks] && s->was_plain[b - s->tasks])
                SIM_CHECK_TASK(s, b, a->id < b->id);
        }
    }
}

static unsigned priority_index(const struct mtask *t)
{
    return t->spec.priority == 10 ? 0 : t->spec.priority == 128 ? 1 : 2;
}

static bool handed_now(const struct sim *s, const struct mtask *t)
{
    for (uint32_t i = 0; i < s->handed_count; i++) {
        if (s->handed[i] == t->id)
            return true;
    }
    return false;
}

/*
 * Lanes that have a task to hand all the time. One with a task that has needs counts as empty,
 * since that one may park, and so does one that lost a task in this step: it may have been its
 * last.
 */
static void lanes_look(const struct sim *s, bool waits[SIM_POOLS][3][4])
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *t = &s->tasks[i];

        if (t->used && t->last == TASK_READY)
            waits[t->spec.pool][priority_index(t)][t->spec.uid] = true;
    }
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *t = &s->tasks[i];

        if ((t->used && t->spec.need_count != 0 && t->last < TASK_SETTLING) ||
            (s->was_ready[i] && t->last != TASK_READY && !handed_now(s, t)))
            waits[t->spec.pool][priority_index(t)][t->spec.uid] = false;
    }
}

/* Identities that wait all the time have turns: none is two ahead of another. */
static void turns_check(struct sim *s)
{
    bool waits[SIM_POOLS][3][4] = { 0 };
    int handed[SIM_POOLS][3][4] = { 0 };

    lanes_look(s, waits);
    for (uint32_t i = 0; i < s->handed_count; i++) {
        const struct mtask *t = model_find(s, s->handed[i]);

        if (t != NULL)
            handed[t->spec.pool][priority_index(t)][t->spec.uid]++;
    }
    for (uint32_t x = 0; x < SIM_POOLS * 3 * 4 * 4; x++) {
        uint32_t p = x / 48, level = x / 16 % 3, a = x / 4 % 4, b = x % 4;
        int *turns = &s->pools[p].turns[level][a][b];

        *turns += handed[p][level][a] - handed[p][level][b];
        if (!waits[p][level][a] || !waits[p][level][b])
            *turns = 0;
        SIM_CHECK(s, *turns <= 1);
    }
}

static bool shares(const struct mtask *a, const struct mtask *b)
{
    for (unsigned i = 0; i < a->spec.need_count; i++) {
        for (unsigned j = 0; j < b->spec.need_count; j++) {
            if (a->spec.needs[i].sem == b->spec.needs[j].sem)
                return true;
        }
    }
    return false;
}

static bool blocked(const struct mtask *t)
{
    return t->used && t->last == TASK_BLOCKED;
}

/* Could it start if all permits were free? */
static bool satisfiable(const struct sim *s, const struct mtask *t)
{
    for (unsigned i = 0; i < t->spec.need_count; i++) {
        if (t->spec.needs[i].permits > s->sem_limit[t->spec.needs[i].sem])
            return false;
    }
    return true;
}

/* Blocked, in a pool that runs, and nobody older waits for what it needs. */
static bool is_oldest(const struct sim *s, const struct mtask *t)
{
    if (!blocked(t) || !runnable(s, t) || !satisfiable(s, t))
        return false;
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *o = &s->tasks[i];

        if (o->used && (blocked(o) || o->last == TASK_READY) && o->id < t->id && shares(o, t))
            return false;
    }
    return true;
}

/* The reservation: the oldest blocked one is passed so often and so long, and no more. */
static void reserve_check(struct sim *s)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        struct mtask *t = &s->tasks[i];

        if (!t->used || t->spec.need_count == 0)
            continue;
        /* Its pool had no child when the permits were there: it lets others pass for a while. */
        if (s->core->pools[t->spec.pool]->rest_until > s->now) {
            t->oldest_us = SIM_NEVER;
            t->overtaken = 0;
        }
        if (t->last == TASK_READY && t->oldest_us != SIM_NEVER) {
            t->oldest_us =
                s->now; /* woken: what lacks now is a child; who passed it still counts */
            continue;
        }
        if (!is_oldest(s, t)) {
            t->oldest_us = SIM_NEVER;
            t->overtaken = 0;
            continue;
        }
        if (t->oldest_us == SIM_NEVER)
            t->oldest_us = s->now;
        for (uint32_t n = 0; n < s->handed_count; n++) {
            const struct mtask *h = model_find(s, s->handed[n]);

            if (h == NULL || h->id <= t->id || !shares(h, t) || nested_awaited(s, h))
                continue;
            t->overtaken++;
            SIM_CHECK_TASK(s, t, t->overtaken <= OVERTAKEN_MOST);
            SIM_CHECK_TASK(s, t, s->now <= t->oldest_us + OLDEST_MOST_US);
        }
    }
}

/* Nothing lacks but a look: the permits are there, a child is idle, and no older one reserves. */
static bool startable(struct sim *s, const struct mtask *t)
{
    struct core_sem_info info;

    if (!blocked(t) || !runnable(s, t) || s->core->pools[t->spec.pool]->idle == 0)
        return false;
    for (unsigned i = 0; i < t->spec.need_count; i++) {
        core_sem_info(s->core, t->spec.needs[i].sem, &info);
        if (info.held + t->spec.needs[i].permits > info.limit ||
            (info.reserved_by != 0 && info.reserved_by < t->id &&
                !nested_holds_up(s, t, model_find(s, info.reserved_by))))
            return false;
    }
    return true;
}

/* Are its permits all there, and no child of its pool idle? */
static bool lacks_child(const struct sim *s, const struct mtask *t)
{
    struct core_sem_info info;

    for (unsigned i = 0; i < t->spec.need_count; i++) {
        core_sem_info(s->core, t->spec.needs[i].sem, &info);
        if (info.held + t->spec.needs[i].permits > info.limit)
            return false;
    }
    return s->core->pools[t->spec.pool]->idle == 0;
}

/*
 * The task whose reservation keeps T from starting though it lacks a child itself; 0 if none. Nor
 * does it if one that lacks permits keeps T back as well, since that may do so as long as it takes.
 */
static uint64_t kept_by(struct sim *s, const struct mtask *t)
{
    struct core_sem_info info;
    uint64_t by = 0;

    if (!blocked(t) || !runnable(s, t) || s->core->pools[t->spec.pool]->idle == 0)
        return 0;
    for (unsigned i = 0; i < t->spec.need_count; i++) {
        core_sem_info(s->core, t->spec.needs[i].sem, &info);
        if (info.held + t->spec.needs[i].permits > info.limit)
            return 0;
        if (info.reserved_by == 0 || info.reserved_by >= t->id)
            continue;
        if (!lacks_child(s, model_find(s, info.reserved_by)))
            return 0;
        by = by == 0 ? info.reserved_by : by;
    }
    return by;
}

/* A reservation that lacks only a child keeps nobody back for long. */
static void kept_check(struct sim *s)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        struct mtask *t = &s->tasks[i];
        uint64_t by = t->used && t->spec.need_count > 0 ? kept_by(s, t) : 0;

        if (by == 0 || by != t->kept_by)
            t->kept_us = s->now;
        t->kept_by = by;
        SIM_CHECK_TASK(s, t, by == 0 || s->now <= t->kept_us + KEPT_MOST_US);
    }
}

static bool is_alone(const struct sim *s, const struct mtask *t)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *o = &s->tasks[i];

        if (o != t && o->used && (blocked(o) || o->last == TASK_READY) &&
            (shares(o, t) || o->spec.pool == t->spec.pool))
            return false;
    }
    return true;
}

/* Who could start does so: at once when it is the only one, else within the second. */
static void startable_check(struct sim *s)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        struct mtask *t = &s->tasks[i];

        if (!t->used || !startable(s, t)) {
            t->startable_us = SIM_NEVER;
            continue;
        }
        SIM_CHECK_TASK(s, t, !is_alone(s, t));
        if (t->startable_us == SIM_NEVER)
            t->startable_us = s->now;
        SIM_CHECK_TASK(s, t, s->now < t->startable_us + OLDEST_MOST_US);
    }
}

/* A task in hand: killed when its grace to stop is over, taken back when it waits for too long. */
static void in_hand_check(struct sim *s)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *t = &s->tasks[i];
        const struct proc *p = &s->procs[t->proc];

        if (!t->used || !t->in_hand || p->close_us != SIM_NEVER)
            continue;
        if (t->stop_told)
            SIM_CHECK_TASK(s, t, s->now < t->stop_us + t->spec.kill_grace_us);
        if (t->last == TASK_HANDED && t->seq >= p->begun && p->taking == 0)
            SIM_CHECK_TASK(s, t,
                s->now < t->hand_us + CORE_HAND_STALL_US ||
                    s->now < p->taken_us + CORE_HAND_STALL_US ||
                    s->now < p->progress_us + CORE_HAND_STALL_US);
    }
}

/* What is due has happened. */
static void due_check(struct sim *s)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *t = &s->tasks[i];
        bool waits = t->last == TASK_DELAYED || t->last == TASK_READY || t->last == TASK_BLOCKED;

        if (!t->used)
            continue;
        if (waits && t->spec.expiry_us != 0)
            SIM_CHECK_TASK(s, t, t->spec.expiry_us > s->now);
        if (t->last == TASK_DELAYED && t->due <= s->now)
            SIM_CHECK_TASK(s, t, s->grace);
        if (t->ended)
            SIM_CHECK_TASK(s, t, t->forget_at > s->now);
    }
}

/* No child is idle while a task could go to it. */
static void idle_check(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_POOLS; i++) {
        const struct pool *p = s->core->pools[i];
        uint32_t best = lane_best(s->core, p);

        if (s->drain || p->idle == 0 || best == 0)
            continue;
        SIM_CHECK_TASK(s, model_find(s, task_at(s->core, best)->id),
            s->pools[i].paused || s->pools[i].broken || !s->pools[i].defined);
    }
}

/* A turn that came late is not the core's fault: the clocks of the rules stood still meanwhile. */
static void late_turn(struct sim *s)
{
    uint64_t gap = s->now - s->turn_us, late = gap > TURN_MOST_US ? gap - TURN_MOST_US : 0;

    s->turn_us = s->now;
    for (uint32_t i = 0; i < s->task_count; i++) {
        if (s->tasks[i].oldest_us != SIM_NEVER)
            s->tasks[i].oldest_us += late;
        if (s->tasks[i].startable_us != SIM_NEVER)
            s->tasks[i].startable_us += late;
        s->tasks[i].kept_us += late;
    }
}

void rules_turn(struct sim *s)
{
    late_turn(s);
    if (core_deadline(s->core) <= s->now) /* it stopped early; another turn follows at once */
        return;
    order_check(s);
    reserve_check(s);
    startable_check(s);
    kept_check(s);
    in_hand_check(s);
    due_check(s);
    idle_check(s);
}

void rules_after(struct sim *s)
{
    turns_check(s);
    for (uint32_t i = 0; i < SIM_POOLS; i++) {
        const struct core_pool_settings *set = &s->pools[i].settings;
        struct core_pool_info info;
        uint64_t tasks = 0;

        core_pool_info(s->core, i, &info);
        for (uint32_t n = 0; n < s->task_count; n++)
            tasks += s->tasks[n].used && s->tasks[n].spec.pool == i &&
                     s->tasks[n].last >= TASK_STORING && s->tasks[n].last <= TASK_HANDED;
        SIM_CHECK(s, info.tasks == tasks);
        SIM_CHECK(s, !s->pools[i].defined || info.target == set->processes);
    }
}

static void why_blocked(struct sim *s, const struct mtask *t, const struct core_why *w)
{
    uint64_t held = 0;

    if (w->reason == WHY_RESERVED) {
        SIM_CHECK_TASK(s, t, w->holder_count == 1 && w->holders[0] < t->id);
        return;
    }
    SIM_CHECK_TASK(s, t, w->reason == WHY_SEMAPHORE && w->sem < SIM_SEMS && w->sem_wanted > 0);
    SIM_CHECK_TASK(s, t, w->sem_held == s->sem_granted[w->sem]);
    SIM_CHECK_TASK(s, t, w->sem_limit == s->sem_limit[w->sem]);
    for (uint32_t i = 0; i < w->holder_count; i++) {
        const struct mtask *h = model_find(s, w->holders[i]);

        SIM_CHECK_TASK(s, t, h != NULL && h->in_hand);
        for (unsigned n = 0; n < h->spec.need_count; n++)
            held += h->spec.needs[n].sem == w->sem ? h->spec.needs[n].permits : 0;
    }
    if (w->holder_count < CORE_WHY_HOLDERS)
        SIM_CHECK_TASK(s, t, held == w->sem_held);
}

static void why_ready(struct sim *s, const struct mtask *t, const struct core_why *w)
{
    const struct mpool *p = &s->pools[t->spec.pool];

    if (s->drain)
        SIM_CHECK_TASK(s, t, w->reason == WHY_DRAINING);
    else if (!p->defined)
        SIM_CHECK_TASK(s, t, w->reason == WHY_POOL_UNDEFINED);
    else if (p->broken)
        SIM_CHECK_TASK(s, t, w->reason == WHY_POOL_BROKEN);
    else if (p->paused)
        SIM_CHECK_TASK(s, t, w->reason == WHY_POOL_PAUSED);
    else if (runnable(s, t))
        SIM_CHECK_TASK(s, t, w->reason == WHY_QUEUE);
    else
        SIM_CHECK_TASK(s, t, w->reason == WHY_NO_WORKER || w->reason == WHY_WORKERS_STARTING);
}

static void why_check(struct sim *s, const struct mtask *t)
{
    static const enum why_reason plain_reasons[TASK_STATES] = { [TASK_STORING] = WHY_STORING,
        [TASK_HANDED] = WHY_HANDED,
        [TASK_RUNNING] = WHY_RUNNING,
        [TASK_STOPPING] = WHY_STOPPING,
        [TASK_SETTLING] = WHY_SETTLING,
        [TASK_DONE] = WHY_ENDED,
        [TASK_FAILED] = WHY_ENDED,
        [TASK_CANCELLED] = WHY_ENDED,
        [TASK_DEAD] = WHY_ENDED };
    struct core_why w;

    SIM_CHECK_TASK(s, t, core_why(s->core, t->id, &w) == 0);
    s->coverage->why[w.reason]++;
    if (t->last == TASK_BLOCKED)
        why_blocked(s, t, &w);
    else if (t->last == TASK_READY)
        why_ready(s, t, &w);
    else if (t->last == TASK_DELAYED) /* after the grace they are let go in parts */
        SIM_CHECK_TASK(s, t,
            w.reason == WHY_DELAY || w.reason == WHY_BACKOFF ||
                (w.reason == WHY_GRACE && (s->grace || core_deadline(s->core) <= s->now)));
    else
        SIM_CHECK_TASK(s, t, w.reason == plain_reasons[t->last]);
}

void rules_why(struct sim *s)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        if (s->tasks[i].used)
            why_check(s, &s->tasks[i]);
    }
}
