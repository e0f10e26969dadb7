#include "core/internal.h"

#include <stdlib.h>

#define LANE_WALK 64u /* a returned task looks this far for its place, from either end */

uint32_t lane_find(struct core *c, uint32_t pool, uint8_t priority, uint32_t uid)
{
    struct level **level = &c->pools[pool]->levels[priority];
    uint32_t lane, unused = 0;
    struct lane *l;

    if (*level == NULL) {
        *level = calloc(1, sizeof **level);
        if (*level == NULL)
            return 0;
    }
    for (lane = (*level)->lanes; lane != 0; lane = l->sibling) {
        l = lane_at(c, lane);
        if (l->uid == uid)
            return lane;
        if (l->refs == 0)
            unused = lane;
    }
    if (unused != 0) { /* no task of that identity is left: the lane takes another name */
        lane_at(c, unused)->uid = uid;
        return unused;
    }
    lane = slab_take_raw(&c->lanes, sizeof(struct lane));
    if (lane == 0)
        return 0;
    l = lane_at(c, lane);
    *l = (struct lane){
        .level = *level, .pool = pool, .uid = uid, .priority = priority, .sibling = (*level)->lanes
    };
    (*level)->lanes = lane;
    return lane;
}

static void ring_enter(struct core *c, uint32_t lane)
{
    struct lane *l = lane_at(c, lane);
    struct level *v = l->level;

    if (v->active == 0) {
        l->next = l->prev = lane;
        v->active = lane;
        c->pools[l->pool]->bits[l->priority >> 6] |= UINT64_C(1) << (l->priority & 63);
        return;
    }
    l->next = v->active; /* just before the one whose turn it is: last in turn */
    l->prev = lane_at(c, v->active)->prev;
    lane_at(c, l->prev)->next = lane;
    lane_at(c, l->next)->prev = lane;
}

static void ring_leave(struct core *c, uint32_t lane)
{
    struct lane *l = lane_at(c, lane);
    struct level *v = l->level;

    if (l->next == lane) {
        v->active = 0;
        c->pools[l->pool]->bits[l->priority >> 6] &= ~(UINT64_C(1) << (l->priority & 63));
    } else {
        lane_at(c, l->prev)->next = l->next;
        lane_at(c, l->next)->prev = l->prev;
        if (v->active == lane)
            v->active = l->next;
    }
    l->next = l->prev = 0;
}

/* Link T, which is SLOT, after BEFORE (0: at the head). */
static void link_after(
    struct core *c, const struct policy *y, struct task *t, uint32_t slot, uint32_t before)
{
    struct lane *l = y->in;
    uint32_t next = before == 0 ? l->head : task_at(c, before)->next;

    t->prev = before;
    t->next = next;
    if (next == 0)
        l->tail = slot;
    else
        task_at(c, next)->prev = slot;
    if (before == 0)
        l->head = slot;
    else
        task_at(c, before)->next = slot;
    if (before == 0 && next == 0)
        ring_enter(c, y->lane);
}

void lane_push(struct core *c, const struct policy *y, uint32_t slot)
{
    struct lane *l = y->in;
    struct task *t = task_at(c, slot);

    if (l->tail == 0) {
        link_after(c, y, t, slot, 0);
        return;
    }
    t->prev = l->tail;
    t->next = 0;
    task_at(c, l->tail)->next = slot;
    l->tail = slot;
}

/*
 * Where SLOT's age belongs: near the head, where most that come back do, or near the tail, where
 * those do that are woken one after the other. Far from both it is put as near as was looked.
 */
void lane_insert(struct core *c, const struct policy *y, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    uint32_t head = y->in->head, tail = y->in->tail, before = 0;

    for (uint32_t steps = 0; steps < LANE_WALK; steps++) {
        if (tail == 0 || task_at(c, tail)->id < t->id) {
            link_after(c, y, t, slot, tail);
            return;
        }
        if (task_at(c, head)->id > t->id)
            break;
        before = head;
        head = task_at(c, head)->next;
        tail = task_at(c, tail)->prev;
    }
    link_after(c, y, t, slot, before);
}

void lane_remove(struct core *c, const struct policy *y, struct task *t)
{
    struct lane *l = y->in;

    if (t->parked != 0) {
        t->parked = 0;
        y->pool->woken--;
    }
    if (t->prev == 0)
        l->head = t->next;
    else
        task_at(c, t->prev)->next = t->next;
    if (t->next == 0)
        l->tail = t->prev;
    else
        task_at(c, t->next)->prev = t->prev;
    t->next = t->prev = 0;
    if (l->head == 0)
        ring_leave(c, y->lane);
}

uint32_t lane_best(const struct core *c, const struct pool *p)
{
    for (unsigned i = 0; i < 4; i++) {
        if (p->bits[i] != 0) {
            unsigned priority = i * 64 + (unsigned)__builtin_ctzll(p->bits[i]);

            return lane_at(c, p->levels[priority]->active)->head;
        }
    }
    return 0;
}

void lane_turn(uint32_t lane, const struct lane *l)
{
    if (l->head != 0 && l->level->active == lane)
        l->level->active = l->next;
}

uint64_t lane_ahead(const struct core *c, uint32_t slot, uint64_t most)
{
    uint64_t n = 0;

    for (uint32_t at = task_at(c, slot)->prev; at != 0 && n < most; at = task_at(c, at)->prev)
        n++;
    return n;
}
