/*
 * How a task moves from a state to another: task_move_of() is the only code that writes its state.
 *
 * Inline, for whoever moves tasks by the million knows the state that they go to, and most of what
 * is asked here has an answer then. All others call task_move().
 */
#ifndef CORE_MOVE_H
#define CORE_MOVE_H

#include "core/internal.h"

#define TO_STATE(s) (1u << (s))
#define TO(s)       TO_STATE(TASK_##s)

struct state_row {
    const char *name;
    uint32_t to; /* bits of the states that may follow */
};
extern const struct state_row task_rows[TASK_STATES]; /* the legal moves; task.c */

/* States in which a task counts against its pool's backlog. */
#define WAITS (TO(STORING) | TO(DELAYED) | TO(READY) | TO(BLOCKED) | TO(HANDED))
/* States that a deadline may end. */
#define TIMED                                                                                      \
    (TO(DELAYED) | TO(READY) | TO(BLOCKED) | TO(RUNNING) | TO(DONE) | TO(FAILED) | TO(CANCELLED) | \
        TO(DEAD))
/* States whose tasks go back to where their age belongs: they had their turn, or were woken. */
#define TURNED (TO(HANDED) | TO(RUNNING) | TO(STOPPING) | TO(BLOCKED))

/* What is to be undone of its state and its needs, but for the lane that a ready one is in. */
void task_leave(
    struct core *c, uint32_t slot, struct task *t, const struct policy *y, enum task_state to);
/* Set the deadline that its state has. STOPPING and the ends set their own. */
void task_time(struct core *c, uint32_t slot, const struct task *t, const struct policy *y);

static inline void task_count(struct core *c, struct task *t, struct pool *p, enum task_state to)
{
    bool fleeting = (t->flags & CORE_TASK_DURABLE) == 0;
    bool did = (WAITS & TO_STATE(t->state)) != 0, does = (WAITS & TO_STATE(to)) != 0;

    p->count[t->state]--;
    p->count[to]++;
    if (t->state == TASK_READY)
        p->fleeting -= fleeting;
    if (to == TASK_READY)
        p->fleeting += fleeting;
    t->state = (uint8_t)to;
    if (did == does)
        return;
    if (does) {
        p->tasks++;
        p->bytes += t->call_bytes;
        return;
    }
    p->tasks--;
    p->bytes -= t->call_bytes;
    if (p->room_head != 0)
        room_check(c, p, 0);
}

/* Move T, which is SLOT and has the policy Y. */
static inline __attribute__((always_inline)) void task_move_of(
    struct core *c, uint32_t slot, struct task *t, const struct policy *y, enum task_state to)
{
    uint32_t from = TO_STATE(t->state);

    GANGER_ASSERT((task_rows[t->state].to & TO_STATE(to)) != 0);
    if (t->state == TASK_READY)
        lane_remove(c, y, t);
    if ((from & (TO(BLOCKED) | TO(DELAYED))) != 0 || y->need_count > 0)
        task_leave(c, slot, t, y, to);
    task_count(c, t, y->pool, to);
    if (to == TASK_RUNNING)
        t->when = c->now;
    if (to == TASK_READY) {
        t->when = 0; /* so that it is not parked */
        if ((TURNED & from) != 0)
            lane_insert(c, y, slot);
        else
            lane_push(c, y, slot);
        pool_dirty(c, y->pool->index);
    }
    if (t->heap_pos != 0 ||
        ((TIMED & TO_STATE(to)) != 0 && (t->extra != 0 || y->limit_us != 0 || to == TASK_DELAYED)))
        task_time(c, slot, t, y);
}

#endif
