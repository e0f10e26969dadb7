#include "core/internal.h"

/*
 * A task in a child's hand is first frozen there: what is behind it is taken back, so that whatever
 * is sent to the child afterwards can hit this attempt only. The answer (hand_taken) tells whether
 * it was begun: if not, it is simply taken away; if so, it is told to stop.
 */
void task_stop(struct core *c, uint32_t slot)
{
    const struct task *t = task_at(c, slot);

    if (child_at(c, t->child)->state == CHILD_READY)
        hand_take_back(c, t->child, hand_of(c, t, slot));
}

void task_stopping(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    uint32_t seq = hand_of(c, t, slot);
    struct effect *e;

    child_at(c, t->child)->frozen = true;
    task_move(c, slot, TASK_STOPPING);
    heap_set(&c->heap, DUE_TASK, slot, c->now + policy_of(c, t)->kill_grace_us);
    e = effect_add(c, EFFECT_STOP);
    e->child = t->child;
    e->gen = child_at(c, t->child)->gen;
    e->seq = seq;
}

static void answer(struct core *c, const struct event *ev, int code)
{
    struct effect *e = effect_add(c, EFFECT_CANCEL);

    e->session = ev->session;
    e->req = ev->req;
    e->id = ev->id;
    e->code = code;
}

static int cancel_running(struct core *c, const struct event *ev, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    bool again;
    int rc;

    if ((t->flags & CORE_TASK_DURABLE) != 0) {
        rc = waiter_add(c, slot, ev->session, ev->req, WAITER_CANCEL);
        if (rc < 0)
            return rc;
        task_append(c, slot, FACT_CANCEL); /* again, if the first one is still being stored */
    } else {
        answer(c, ev, 0);
    }
    again = (t->marks & MARK_CANCEL) != 0;
    t->marks |= MARK_CANCEL;
    if (!again && t->state != TASK_STOPPING)
        task_stop(c, slot);
    return 0;
}

static int cancel_waiting(struct core *c, const struct event *ev, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    int rc = waiter_add(c, slot, ev->session, ev->req, WAITER_CANCEL);

    if (rc < 0)
        return rc;
    t->marks |= MARK_CANCEL;
    if (t->state != TASK_SETTLING) /* a retry being stored: it ends when that is done */
        task_end(c, slot, TASK_CANCELLED, GANGER_ECANCELLED, true);
    return 0;
}

int cancel_event(struct core *c, const struct event *ev)
{
    uint32_t slot = ids_find(c, ev->id);
    const struct task *t;

    if (slot == 0)
        return GANGER_ENOTASK;
    t = task_at(c, slot);
    switch ((enum task_state)t->state) {
    case TASK_STORING:
    case TASK_DELAYED:
    case TASK_READY:
    case TASK_BLOCKED:
        return cancel_waiting(c, ev, slot);
    case TASK_HANDED:
    case TASK_STARTING:
    case TASK_RUNNING:
    case TASK_STOPPING:
        return cancel_running(c, ev, slot);
    case TASK_SETTLING:
        return (t->marks & MARK_RETRY) != 0 ? cancel_waiting(c, ev, slot) : GANGER_ESTATE;
    default:
        return GANGER_ESTATE;
    }
}
