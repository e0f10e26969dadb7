#include "core/internal.h"

#include <stdlib.h>
#include <string.h>

static void check_heap(const struct core *c)
{
    const struct heap *h = &c->heap;

    for (uint32_t i = 1; i <= h->count; i++) {
        const struct heap_entry *e = &h->entries[i];

        GANGER_ASSERT(*h->position(h->ctx, e->kind, e->index) == i);
        if (i > 1)
            GANGER_ASSERT(h->entries[(i - 2) / 4 + 1].when <= e->when);
    }
}

static void check_hand(const struct core *c, uint32_t slot, const struct task *t)
{
    const struct child *k = child_at(c, t->child);
    uint32_t found = 0;

    GANGER_ASSERT(k->state != CHILD_FREE);
    for (uint32_t seq = k->done; seq != k->limit; seq++)
        found += k->ring[seq % GANGER_HAND_MAX] == slot;
    GANGER_ASSERT(found == 1);
    GANGER_ASSERT(lane_of(c, t)->pool == k->pool);
}

/* It has a place in the heap, or stands in the row of its policy, whose first has one. */
static void check_ended(const struct core *c, uint32_t slot, const struct task *t)
{
    const struct policy *y = policy_of(c, t);

    if ((t->marks & MARK_KEPT) == 0) {
        GANGER_ASSERT(t->waiters == 0 && t->heap_pos != 0);
        return;
    }
    GANGER_ASSERT(t->heap_pos == 0 && y->heap_pos != 0);
    if (t->kept_prev == 0)
        GANGER_ASSERT(y->kept_head == slot && heap_when(&c->heap, y->heap_pos) == t->when);
    if (t->kept_next == 0) {
        GANGER_ASSERT(y->kept_tail == slot);
        return;
    }
    GANGER_ASSERT(task_at(c, t->kept_next)->kept_prev == slot);
    GANGER_ASSERT(task_at(c, t->kept_next)->when >= t->when);
}

/* Permits are held in a hand and nowhere else; an ended task has no waiters. */
static void check_task(const struct core *c, uint32_t slot)
{
    const struct task *t = task_at(c, slot);
    bool in_hand = state_in_hand(t->state);

    GANGER_ASSERT(ids_find(c, t->id) == slot);
    GANGER_ASSERT(((t->marks & MARK_PERMITS) != 0) == (in_hand && task_has_needs(c, t)));
    GANGER_ASSERT(t->state != TASK_BLOCKED || t->parked != 0);
    if (in_hand)
        check_hand(c, slot, t);
    if (state_is_end(t->state))
        check_ended(c, slot, t);
    if (t->state == TASK_DELAYED && (t->marks & MARK_HELD) == 0)
        GANGER_ASSERT(t->heap_pos != 0);
    GANGER_ASSERT(t->attempts <= policy_of(c, t)->attempts_max || t->attempts <= 1);
}

static void check_counts(const struct core *c)
{
    uint64_t live = 0;

    for (uint32_t slot = 1; slot < c->tasks.used; slot++) {
        const struct task *t = task_known(c, slot);

        if (t == NULL)
            continue;
        live++;
        check_task(c, slot);
    }
    GANGER_ASSERT(live + c->grave_count == c->tasks.live);
}

static void check_pool_counts(const struct core *c, uint32_t pool)
{
    const struct pool *p = c->pools[pool];
    uint64_t count[TASK_STATES] = { 0 }, tasks = 0, bytes = 0, fleeting = 0, woken = 0;

    for (uint32_t slot = 1; slot < c->tasks.used; slot++) {
        const struct task *t = task_known(c, slot);

        if (t == NULL || lane_of(c, t)->pool != pool)
            continue;
        count[t->state]++;
        fleeting += t->state == TASK_READY && (t->flags & CORE_TASK_DURABLE) == 0;
        woken += t->state == TASK_READY && t->parked != 0;
        if (t->state <= TASK_HANDED) {
            tasks++;
            bytes += t->call_bytes;
        }
    }
    GANGER_ASSERT(memcmp(count, p->count, sizeof count) == 0);
    GANGER_ASSERT(tasks == p->tasks && bytes == p->bytes && fleeting == p->fleeting);
    GANGER_ASSERT(woken == p->woken);
}

static uint64_t check_lane(const struct core *c, uint32_t lane)
{
    const struct lane *l = lane_at(c, lane);
    uint64_t n = 0;
    uint32_t prev = 0;

    for (uint32_t at = l->head; at != 0; at = task_at(c, at)->next) {
        GANGER_ASSERT(task_at(c, at)->state == TASK_READY);
        GANGER_ASSERT(policy_of(c, task_at(c, at))->lane == lane);
        GANGER_ASSERT(task_at(c, at)->prev == prev);
        prev = at;
        n++;
    }
    GANGER_ASSERT(l->tail == prev);
    GANGER_ASSERT((l->next != 0) == (l->head != 0));
    return n;
}

static void check_pool(const struct core *c, uint32_t pool)
{
    const struct pool *p = c->pools[pool];
    uint64_t ready = 0;
    uint32_t children = 0;

    check_pool_counts(c, pool);
    for (unsigned i = 0; i <= GANGER_PRIORITY_MAX; i++) {
        const struct level *v = p->levels[i];
        bool bit = (p->bits[i >> 6] >> (i & 63) & 1) != 0;

        GANGER_ASSERT(bit == (v != NULL && v->active != 0));
        for (uint32_t lane = v == NULL ? 0 : v->lanes; lane != 0; lane = lane_at(c, lane)->sibling)
            ready += check_lane(c, lane);
    }
    GANGER_ASSERT(ready == p->count[TASK_READY]);
    for (uint32_t i = 0; i < p->child_count; i++) {
        const struct child *k = child_at(c, p->children[i]);

        children += k->state == CHILD_READY && !k->retiring;
        GANGER_ASSERT(k->done <= k->limit && k->limit <= k->handed);
        GANGER_ASSERT(k->handed - k->done <= GANGER_HAND_MAX);
        if (k->listed != 0)
            GANGER_ASSERT(k->state == CHILD_READY && !k->retiring && k->limit == k->handed);
    }
    GANGER_ASSERT(children == p->ready);
}

static void check_sem(const struct core *c, uint32_t sem)
{
    const struct sem *s = &c->sems[sem];
    uint64_t held = 0;

    for (uint32_t slot = 1; slot < c->tasks.used; slot++) {
        const struct task *t = task_known(c, slot);
        const struct policy *y;

        if (t == NULL || (t->marks & MARK_PERMITS) == 0)
            continue;
        y = policy_of(c, t);
        for (unsigned i = 0; i < y->need_count; i++)
            held += y->needs[i].sem == sem ? y->needs[i].permits : 0;
    }
    GANGER_ASSERT(held == s->held);
    GANGER_ASSERT(lines_check(c, sem) == s->waiting);
    if (s->reserved != 0) {
        uint8_t state = task_at(c, s->reserved)->state;

        GANGER_ASSERT(state == TASK_BLOCKED || state == TASK_READY);
    }
    if (s->lapsed != 0) {
        uint8_t state = task_at(c, s->lapsed)->state;

        GANGER_ASSERT(state == TASK_BLOCKED || state == TASK_READY);
    }
    if (s->head != 0)
        GANGER_ASSERT(s->heap_pos != 0 && heap_when(&c->heap, s->heap_pos) <= s->look_us);
    GANGER_ASSERT(s->lapse_us == 0 || s->reserved != 0 || s->lapsed != 0);
}

/* Who acts is in the list of those that do. */
static void check_sessions(const struct core *c)
{
    uint32_t acting = 0, last = 0;

    for (uint32_t i = 0; i < c->session_cap; i++) {
        GANGER_ASSERT(c->sessions[i].handle != 0 || c->sessions[i].acts_fence == 0);
        acting += c->sessions[i].acts_fence != 0;
    }
    for (uint32_t i = c->acting; i != 0; i = c->sessions[i - 1].acts_next) {
        GANGER_ASSERT(c->sessions[i - 1].acts_prev == last && c->sessions[i - 1].acts_fence != 0);
        GANGER_ASSERT(c->sessions[i - 1].acts_task < c->tasks.used && acting > 0);
        last = i;
        acting--;
    }
    GANGER_ASSERT(acting == 0);
}

void core_check(const struct core *c)
{
    uint32_t reservations = 0;

    check_heap(c);
    check_counts(c);
    for (uint32_t i = 0; i < c->pool_count; i++)
        check_pool(c, i);
    for (uint32_t i = 0; i < c->sem_count; i++) {
        check_sem(c, i);
        reservations += c->sems[i].reserved != 0;
    }
    GANGER_ASSERT(reservations == c->reservations);
    check_sessions(c);
}
