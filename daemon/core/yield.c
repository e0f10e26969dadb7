#include "core/internal.h"

/*
 * The running attempts that lead to a task: each waits for it, or for one before it in WHO, or for
 * a task that stands behind one of those.
 */
struct walk {
    const struct core *c;
    uint32_t who[YIELD_WALK]; /* task slots */
    uint32_t count;
    uint32_t looks; /* at waiters of other attempts */
    bool full;
};

bool attempt_lives(const struct core *c, uint32_t slot, uint64_t fence)
{
    const struct task *t = task_known(c, slot);

    return t != NULL && fence != 0 && hand_fence(c, t, slot) == fence;
}

static bool acts(const struct core *c, const struct session *s)
{
    return s->acts_fence != 0 && attempt_lives(c, s->acts_task, s->acts_fence);
}

static bool walked(const struct walk *w, uint32_t slot)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->who[i] == slot)
            return true;
    }
    return false;
}

static void walk_add(struct walk *w, uint32_t slot)
{
    if (walked(w, slot))
        return;
    if (w->count == YIELD_WALK)
        w->full = true;
    else
        w->who[w->count++] = slot;
}

/* Who waits for T? */
static void walk_waiters(struct walk *w, const struct task *t)
{
    const struct core *c = w->c;

    for (uint32_t at = t->waiters; at != 0 && !w->full; at = waiter_at(c, at)->next) {
        const struct session *s = &c->sessions[waiter_at(c, at)->session];

        if (waiter_at(c, at)->kind == WAITER_END && acts(c, s))
            walk_add(w, s->acts_task);
    }
}

static bool needs(const struct policy *y, uint32_t sem)
{
    for (unsigned i = 0; i < y->need_count; i++) {
        if (y->needs[i].sem == sem)
            return true;
    }
    return false;
}

/* Does T lack what the running task A has: permits, or, if it lacks none, A's worker? */
static bool stands_behind(const struct core *c, const struct task *t, const struct task *a)
{
    const struct policy *y = policy_of(c, t);
    const struct pool *p = pool_of(c, t);
    bool lacks = false;

    for (unsigned i = 0; i < y->need_count; i++) {
        const struct sem *s = &c->sems[y->needs[i].sem];

        if (s->held + y->needs[i].permits <= s->limit)
            continue;
        lacks = true;
        if ((a->marks & MARK_PERMITS) != 0 && needs(policy_of(c, a), y->needs[i].sem))
            return true;
    }
    return !lacks && p->idle == 0 && p == pool_of(c, a);
}

/* As stands_behind(), also when T only stands behind who keeps it back by a reservation. */
static bool waits_behind(const struct core *c, const struct task *t, const struct task *a)
{
    /* Each is older than the one that it keeps back. */
    while (!stands_behind(c, t, a)) {
        const struct sem *s = t->state == TASK_BLOCKED ? &c->sems[t->parked - 1] : NULL;

        if (s == NULL || s->reserved == 0 || task_at(c, s->reserved)->id >= t->id)
            return false;
        t = task_at(c, s->reserved);
    }
    return true;
}

/* Does the session wait for a task that stands behind A? */
static bool session_behind(struct walk *w, const struct session *s, const struct task *a)
{
    const struct core *c = w->c;
    uint32_t at = s->waiters;

    for (; at != 0 && w->looks < YIELD_LOOKS; at = waiter_at(c, at)->session_next) {
        const struct waiter *x = waiter_at(c, at);
        const struct task *t;

        w->looks++;
        if (x->kind != WAITER_END)
            continue;
        t = task_at(c, x->owner);
        if ((t->state == TASK_BLOCKED || t->state == TASK_READY) && waits_behind(c, t, a))
            return true;
    }
    return false;
}

/* Who waits for a task that stands behind A? */
static void walk_behind(struct walk *w, const struct task *a)
{
    const struct core *c = w->c;

    for (uint32_t i = c->acting; i != 0 && !w->full; i = c->sessions[i - 1].acts_next) {
        const struct session *s = &c->sessions[i - 1];

        if (acts(c, s) && !walked(w, s->acts_task) && session_behind(w, s, a))
            walk_add(w, s->acts_task);
    }
}

bool reservation_yields(
    const struct core *c, uint32_t reserver, const struct task *t, struct yielded *last)
{
    struct walk w = { .c = c };
    const struct task *r = task_at(c, reserver);
    uint32_t first;

    if (c->acting == 0)
        return false;
    walk_waiters(&w, t);
    if (w.count == 0)
        return false;
    first = w.count == 1 ? w.who[0] : 0;
    if (first != 0 && last != NULL && last->reserver == reserver && last->attempt == first)
        return false;
    for (uint32_t i = 0; i < w.count; i++) {
        const struct task *a = task_at(c, w.who[i]);

        if (waits_behind(c, r, a))
            return true;
        walk_waiters(&w, a);
        walk_behind(&w, a);
    }
    /* Too many to tell: to be passed is better than to stand still for ever. */
    if (!w.full && last != NULL)
        *last = (struct yielded){ .reserver = reserver, .attempt = first };
    return w.full;
}
