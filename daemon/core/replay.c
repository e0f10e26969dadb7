#include "core/internal.h"

#define HELD_STEP 2048u /* tasks let go in one turn */

void held_add(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);

    if (t->state == TASK_DELAYED)
        GANGER_ASSERT((t->marks & MARK_HELD) == 0);
    t->marks |= MARK_HELD;
    if (t->state != TASK_DELAYED)
        task_move(c, slot, TASK_DELAYED);
    else
        heap_set(&c->heap, DUE_TASK, slot, expiry_of(c, t));
    t->next = 0;
    t->prev = c->held_tail;
    if (c->held_tail == 0)
        c->held_head = slot;
    else
        task_at(c, c->held_tail)->next = slot;
    c->held_tail = slot;
}

void held_remove(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);

    if (t->prev == 0)
        c->held_head = t->next;
    else
        task_at(c, t->prev)->next = t->next;
    if (t->next == 0)
        c->held_tail = t->prev;
    else
        task_at(c, t->next)->prev = t->prev;
    t->next = t->prev = 0;
    t->marks = (uint8_t)(t->marks & ~MARK_HELD);
}

void held_release_some(struct core *c)
{
    unsigned n = 0;

    if (c->grace || !c->started)
        return;
    while (c->held_head != 0 && n++ < HELD_STEP) {
        uint32_t slot = c->held_head;

        held_remove(c, slot);
        task_ready(c, slot);
    }
    if (c->held_head != 0)
        c->more = true;
}

void grace_over(struct core *c)
{
    c->grace = false;
    heap_set(&c->heap, DUE_CORE, 0, CORE_NEVER);
    held_release_some(c);
}

void start_event(struct core *c, bool unclean)
{
    c->started = true;
    c->kept_entered = 0;
    c->grace = unclean;
    if (unclean)
        heap_set(&c->heap, DUE_CORE, 0, c->now + c->cfg.grace_us);
    else
        held_release_some(c);
    for (uint32_t i = 0; i < c->pool_count; i++)
        pool_balance(c, c->pools[i]);
}

static int replay_task(struct core *c, const struct event *ev)
{
    uint32_t slot;
    int rc;

    /* Ids rise in the journal but for tasks of which only the end is left. */
    if (ev->id <= c->replayed && ids_find(c, ev->id) != 0)
        return GANGER_EEXIST;
    rc = task_admit(c, ev->spec, ev->id, &slot);
    if (rc < 0)
        return rc;
    if (ev->id > c->replayed)
        c->replayed = ev->id;
    held_add(c, slot);
    *ev->ret_slot = slot;
    return 0;
}

static void replay_attempt(struct core *c, uint32_t slot, const struct core_attempts *a)
{
    struct task *t = task_at(c, slot);

    t->attempts = (uint16_t)a->attempts;
    t->crashes = a->crashes;
    t->when = a->due_us;
    t->marks = (uint8_t)((t->marks & ~MARK_WALL) | MARK_BACKOFF);
    if (t->extra != 0) {
        struct extra *h = extra_of(c, t);

        h->count = a->cause_count < GANGER_CAUSES_MAX ? a->cause_count : GANGER_CAUSES_MAX;
        for (unsigned i = 0; i < h->count; i++)
            h->causes[i] = a->causes[i];
    }
}

static void replay_end(struct core *c, uint32_t slot, const struct event *ev)
{
    struct task *t = task_at(c, slot);

    t->end = (uint8_t)ev->state;
    t->code = (uint8_t)-ev->code;
    t->attempts = (uint16_t)ev->number2; /* the last one has no fact of its own */
    effect_add(c, EFFECT_CALL_DONE)->slot = slot;
    task_move(c, slot, ev->state);
    kept_enter(c, slot, ev->time_us);
    t->result_bytes = (uint32_t)ev->number;
}

static void replay_forget(struct core *c, uint32_t slot)
{
    struct effect *e = effect_add(c, EFFECT_FORGET);

    e->slot = slot;
    e->id = task_at(c, slot)->id;
    e->own = state_is_end(task_at(c, slot)->state);
    if (e->own)
        kept_leave(c, slot);
    task_move(c, slot, TASK_FREE);
    task_free(c, slot);
}

/* A fact about a task that is not known any more is stale: its segment only was not reused yet. */
int replay_event(struct core *c, const struct event *ev)
{
    uint32_t slot;

    GANGER_ASSERT(!c->started);
    if (ev->type == EVENT_REPLAY_TASK)
        return replay_task(c, ev);
    slot = ids_find(c, ev->id);
    if (slot == 0)
        return GANGER_ENOTASK;
    if (state_is_end(task_at(c, slot)->state) && ev->type != EVENT_REPLAY_FORGET)
        return GANGER_ESTATE;
    if (ev->type == EVENT_REPLAY_ATTEMPT)
        replay_attempt(c, slot, ev->attempts);
    else if (ev->type == EVENT_REPLAY_CANCEL)
        task_at(c, slot)->marks |= MARK_CANCEL;
    else if (ev->type == EVENT_REPLAY_END)
        replay_end(c, slot, ev);
    else
        replay_forget(c, slot);
    return 0;
}
