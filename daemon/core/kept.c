/*
 * Ended tasks whose outcome is kept, each until a time of its own.
 *
 * Those that asked for the same keep theirs equally long, so they are forgotten in the order in
 * which they ended: they stand in a row of their policy, and only the first of the row has a place
 * in the heap. To enter and to leave a heap of a hundred thousand took a third of the time of a
 * turn that caught up with a stall. One that is out of order (the clock of a replayed end was
 * another, or its retention) has a place in the heap for itself. The heap has room for every task,
 * so the row takes that of its first.
 */
#include "core/internal.h"

static void row_deadline(struct core *c, uint32_t policy)
{
    uint32_t head = policy_at(c, policy)->kept_head;

    heap_set(&c->heap, DUE_KEPT, policy, head == 0 ? CORE_NEVER : task_at(c, head)->when);
}

void kept_enter(struct core *c, uint32_t slot, uint64_t forget_at)
{
    struct task *t = task_at(c, slot);
    struct policy *y = policy_of(c, t);
    uint32_t last = y->kept_tail;

    GANGER_ASSERT(state_is_end(t->state) && t->waiters == 0 && (t->marks & MARK_KEPT) == 0);
    t->when = forget_at;
    if (last != 0 && task_at(c, last)->when > forget_at) {
        heap_set(&c->heap, DUE_TASK, slot, forget_at);
        return;
    }
    t->marks |= MARK_KEPT;
    t->kept_prev = last;
    t->kept_next = 0;
    y->kept_tail = slot;
    if (last != 0) {
        task_at(c, last)->kept_next = slot;
        return;
    }
    y->kept_head = slot;
    row_deadline(c, t->policy);
}

void kept_leave(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    struct policy *y = policy_of(c, t);
    uint32_t next = t->kept_next, prev = t->kept_prev;

    if ((t->marks & MARK_KEPT) == 0)
        return;
    t->marks = (uint8_t)(t->marks & ~MARK_KEPT);
    t->kept_prev = 0; /* so that nobody waits for it */
    if (next == 0)
        y->kept_tail = prev;
    else
        task_at(c, next)->kept_prev = prev;
    if (prev != 0) {
        task_at(c, prev)->kept_next = next;
        return;
    }
    y->kept_head = next;
    row_deadline(c, t->policy);
}

void kept_deadline(struct core *c, uint32_t policy)
{
    task_forget(c, policy_at(c, policy)->kept_head);
}
