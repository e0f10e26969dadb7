#include "core/internal.h"

#define AHEAD_MOST 10000u

static void why_semaphore(const struct core *c, const struct task *t, struct core_why *w)
{
    const struct policy *y = policy_of(c, t);
    const struct sem *s;
    bool reserved;
    uint32_t lacking = sem_lacking(c, t, &reserved);

    w->sem = lacking != 0 ? lacking - 1 : t->parked - 1;
    s = &c->sems[w->sem];
    w->reason = reserved ? WHY_RESERVED : WHY_SEMAPHORE;
    w->sem_limit = s->limit;
    w->sem_held = s->held;
    for (unsigned i = 0; i < y->need_count; i++) {
        if (y->needs[i].sem == w->sem)
            w->sem_wanted = y->needs[i].permits;
    }
    if (reserved) {
        w->holders[w->holder_count++] = task_at(c, s->reserved)->id;
        return;
    }
    /* Who holds permits is in some child's hand; there are few of those. */
    for (uint32_t i = 1; i < c->children.used && w->holder_count < CORE_WHY_HOLDERS; i++) {
        const struct child *k = child_at(c, i);
        const struct task *h;

        if (k->state == CHILD_FREE || k->done == k->limit)
            continue;
        h = task_at(c, k->ring[k->done % GANGER_HAND_MAX]);
        for (unsigned n = 0; n < policy_of(c, h)->need_count; n++) {
            if ((h->marks & MARK_PERMITS) != 0 && policy_of(c, h)->needs[n].sem == w->sem)
                w->holders[w->holder_count++] = h->id;
        }
    }
}

static void why_ready(const struct core *c, uint32_t slot, const struct pool *p, struct core_why *w)
{
    w->ahead = lane_ahead(c, slot, AHEAD_MOST);
    if (c->drain)
        w->reason = WHY_DRAINING;
    else if (!p->defined)
        w->reason = WHY_POOL_UNDEFINED;
    else if (p->broken)
        w->reason = WHY_POOL_BROKEN;
    else if (p->paused)
        w->reason = WHY_POOL_PAUSED;
    else if (p->ready == 0)
        w->reason = p->set.processes == 0 || !p->agent_up ? WHY_NO_WORKER : WHY_WORKERS_STARTING;
    else
        w->reason = WHY_QUEUE;
}

static void why_delayed(const struct core *c, const struct task *t, struct core_why *w)
{
    w->due_us = t->when;
    w->reason = (t->marks & MARK_BACKOFF) != 0 ? WHY_BACKOFF : WHY_DELAY;
    if ((t->marks & MARK_HELD) != 0) {
        w->reason = WHY_GRACE;
        w->due_us = heap_when(&c->heap, c->grace_pos);
    }
}

int core_why(const struct core *c, uint64_t id, struct core_why *ret)
{
    uint32_t slot = ids_find(c, id);
    const struct task *t;
    const struct pool *p;
    struct core_pool_info info;

    if (slot == 0)
        return GANGER_ENOTASK;
    t = task_at(c, slot);
    p = pool_of(c, t);
    *ret = (struct core_why){ .reason = WHY_RUNNING };
    (void)core_slot_info(c, slot, &ret->task);
    core_pool_info(c, lane_of(c, t)->pool, &info);
    ret->workers_wanted = info.target;
    ret->workers_ready = info.ready;
    ret->workers_busy = info.busy;
    switch ((enum task_state)t->state) {
    case TASK_STORING:
        ret->reason = WHY_STORING;
        break;
    case TASK_DELAYED:
        why_delayed(c, t, ret);
        break;
    case TASK_READY:
        why_ready(c, slot, p, ret);
        break;
    case TASK_BLOCKED:
        why_semaphore(c, t, ret);
        break;
    case TASK_HANDED:
        ret->reason = WHY_HANDED;
        break;
    case TASK_STOPPING:
        ret->reason = WHY_STOPPING;
        break;
    case TASK_SETTLING:
        ret->reason = WHY_SETTLING;
        break;
    default:
        ret->reason = state_is_end(t->state) ? WHY_ENDED : WHY_RUNNING;
        break;
    }
    return 0;
}
