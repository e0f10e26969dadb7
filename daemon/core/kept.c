/*
 * Ended tasks whose outcome is kept, each until a time of its own.
 *
 * Those that asked for the same keep theirs equally long, so they are forgotten in the order in
 * which they ended: they stand in a row of their policy, and only the first of the row has a place
 * in the heap. To enter and to leave a heap of a hundred thousand took a third of the time of a
 * turn that caught up with a stall. One that is out of order (the clock of a replayed end was
 * another, or its retention) has a place in the heap for itself. The heap has room for every task,
 * so the row takes that of its first.
 *
 * To forget is work that can wait: a task that was last touched a retention ago is in no cache any
 * more, and takes longer to be forgotten than it took to be run. What a stall has held up ends all
 * at once, and is due to be forgotten all at once a retention later: that would hold up what comes
 * then, which would end all at once, and so on, each time a little more. So it is done in small
 * parts, few when turns are long and many when they are short, and in larger ones only when it is
 * late, faster than others enter.
 */
#include "core/internal.h"

#ifndef FORGET_STEP
#define FORGET_STEP 64u /* in one turn, of all rows */
#endif
#ifndef FORGET_LATE_STEP
#define FORGET_LATE_STEP 256u /* more than entered, of a row whose first should have gone ... */
#endif
#define FORGET_LATE_US 250000u /* ... so long ago */

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
    c->kept_entered++;
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

void kept_turn_begin(struct core *c)
{
    c->kept_most = c->kept_entered + FORGET_LATE_STEP;
    c->kept_entered = c->kept_gone = 0;
}

/* How many may be forgotten in this turn, when the first of Y goes next. */
static uint32_t step_of(const struct core *c, const struct policy *y)
{
    return task_at(c, y->kept_head)->when + FORGET_LATE_US < c->now ? c->kept_most : FORGET_STEP;
}

/* The one behind the next one of Y is needed soon: bring it to the cache. */
static void fetch_second(const struct core *c, const struct policy *y)
{
    uint32_t second = y->kept_head == 0 ? 0 : task_at(c, y->kept_head)->kept_next;

    if (second != 0)
        __builtin_prefetch(task_at(c, second), 1);
}

/* Out of the heap until the turn is over, so that what is due behind it has its turn. */
static void row_put_off(struct core *c, uint32_t policy)
{
    heap_set(&c->heap, DUE_KEPT, policy, CORE_NEVER);
    policy_at(c, policy)->put_off_next = c->rows_put_off;
    c->rows_put_off = policy;
}

void kept_deadline(struct core *c, uint32_t policy)
{
    const struct policy *y = policy_at(c, policy);

    while (y->kept_head != 0 && task_at(c, y->kept_head)->when <= c->now && !effects_crowded(c)) {
        if (c->kept_gone >= step_of(c, y)) {
            row_put_off(c, policy);
            return;
        }
        c->kept_gone++;
        task_forget(c, y->kept_head);
        fetch_second(c, y);
    }
}

void kept_turn_end(struct core *c)
{
    while (c->rows_put_off != 0) {
        uint32_t policy = c->rows_put_off;

        c->rows_put_off = policy_at(c, policy)->put_off_next;
        row_deadline(c, policy);
        c->more = true;
    }
}
