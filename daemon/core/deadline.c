#include "core/internal.h"

#ifndef DEADLINES_STEP
#define DEADLINES_STEP 4096u /* in one turn */
#endif

void task_expire(struct core *c, uint32_t slot)
{
    task_end(c, slot, TASK_FAILED, GANGER_EEXPIRED, true);
}

/* Over its limit, or its grace to stop: the hard kill, bound to this attempt by the freeze. */
static void stop_harder(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);

    heap_set(&c->heap, DUE_TASK, slot, CORE_NEVER);
    t->marks |= MARK_KILLED;
    child_kill(c, t->child, hand_of(c, t, slot) + 1);
}

void task_deadline(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);

    switch ((enum task_state)t->state) {
    case TASK_DELAYED:
        if (expiry_of(c, t) <= c->now)
            task_expire(c, slot);
        else
            task_ready(c, slot);
        return;
    case TASK_READY:
    case TASK_BLOCKED:
        task_expire(c, slot);
        return;
    case TASK_RUNNING:
        heap_set(&c->heap, DUE_TASK, slot, CORE_NEVER);
        t->marks |= MARK_LIMIT;
        task_stop(c, slot);
        return;
    case TASK_STOPPING:
        stop_harder(c, slot);
        return;
    default:
        GANGER_ASSERT(state_is_end(t->state));
        task_forget(c, slot);
        return;
    }
}

static void deadline(struct core *c, struct heap_entry e)
{
    switch ((enum deadline_kind)e.kind) {
    case DUE_TASK:
        task_deadline(c, e.index);
        return;
    case DUE_CHILD:
        child_deadline(c, e.index);
        return;
    case DUE_POOL:
        pool_deadline(c, e.index);
        return;
    case DUE_SEM:
        sem_deadline(c, e.index);
        return;
    case DUE_CORE:
        grace_over(c);
        return;
    case DUE_KEPT:
        kept_deadline(c, e.index);
        return;
    }
}

/* What comes due together is done in parts, so that a turn stays short. */
void deadlines_run(struct core *c)
{
    unsigned n = 0;

    kept_turn_begin(c);
    while (c->heap.count > 0 && c->heap.entries[1].when <= c->now) {
        if (effects_crowded(c) || n++ >= DEADLINES_STEP) {
            c->more = true;
            break;
        }
        deadline(c, c->heap.entries[1]);
    }
    kept_turn_end(c);
}

/* Nothing more starts; what was not begun comes back so that it is in the journal only. */
void drain_event(struct core *c)
{
    c->drain = true;
    for (uint32_t i = 1; i < c->children.used; i++) {
        const struct child *k = child_at(c, i);

        if (k->state == CHILD_READY && k->limit - k->done > 1 && !effects_crowded(c))
            hand_take_back(c, i, k->done + 1);
    }
}

void clock_jump(struct core *c, int64_t jump_us)
{
    for (uint32_t slot = 1; slot < c->tasks.used; slot++) {
        struct task *t = task_known(c, slot);

        if (t == NULL)
            continue;
        if ((t->state != TASK_DELAYED && t->state != TASK_STORING) || (t->marks & MARK_WALL) == 0)
            continue;
        if (jump_us > 0)
            t->when = t->when > (uint64_t)jump_us ? t->when - (uint64_t)jump_us : 0;
        else
            t->when += (uint64_t)-jump_us;
        /* One that is held for the grace looks at its due time only then. */
        if (t->state == TASK_DELAYED && (t->marks & MARK_HELD) == 0)
            task_move(c, slot, TASK_DELAYED);
    }
}
