#include "core/internal.h"

#define LIST_IDLE    1
#define LIST_PARTIAL 2
/* A child is replaced long before the 32-bit numbers of its hands could come round. */
#define HANDS_MAX 0x70000000u

uint32_t child_find(const struct core *c, uint32_t child, uint32_t gen)
{
    if (child == 0 || child >= c->children.used)
        return 0;
    if (child_at(c, child)->gen != gen || child_at(c, child)->state == CHILD_FREE)
        return 0;
    return child;
}

static uint32_t *list_of(struct core *c, const struct child *k, uint8_t list)
{
    struct pool *p = c->pools[k->pool];

    return list == LIST_IDLE ? &p->idle : &p->partial;
}

void child_unlist(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);

    if (k->listed == 0)
        return;
    if (k->prev == 0)
        *list_of(c, k, k->listed) = k->next;
    else
        child_at(c, k->prev)->next = k->next;
    if (k->next != 0)
        child_at(c, k->next)->prev = k->prev;
    k->next = k->prev = 0;
    k->listed = 0;
}

/* The list that it belongs to as it is, 0 if it takes no hands. */
static uint8_t list_for(const struct child *k)
{
    if (k->state != CHILD_READY || k->retiring || k->limit != k->handed || k->exclusive ||
        k->taking > 0 || k->frozen || k->handed - k->done >= GANGER_HAND_MAX)
        return 0;
    return k->handed == k->done ? LIST_IDLE : LIST_PARTIAL;
}

/* The child that was busy last comes first: it is awake and its cache is warm. */
void child_list(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);
    uint8_t list = list_for(k);
    uint32_t *head;

    if (list != 0)
        pool_dirty(c, k->pool);
    if (k->listed == list && (list == 0 || *list_of(c, k, list) == child))
        return;
    child_unlist(c, child);
    if (list == 0)
        return;
    k->listed = list;
    head = list_of(c, k, list);
    k->next = *head;
    if (*head != 0)
        child_at(c, *head)->prev = child;
    *head = child;
}

static uint32_t free_slot(const struct core *c, const struct pool *p)
{
    for (uint32_t i = 0; i < p->child_count; i++) {
        if (child_at(c, p->children[i])->state == CHILD_FREE)
            return p->children[i];
    }
    return 0;
}

void child_spawn(struct core *c, struct pool *p)
{
    uint32_t child = free_slot(c, p);
    struct child *k;
    struct effect *e;

    if (child == 0) /* the dying still hold all slots; their end calls pool_balance() again */
        return;
    k = child_at(c, child);
    k->gen++;
    k->state = CHILD_FORKING;
    k->retiring = k->was_ready = k->killed = k->exclusive = k->frozen = false;
    k->handed = k->limit = k->done = k->returned = k->taking = 0;
    k->ran_us = 0;
    k->batch_us = 0;
    k->batch_count = 0;
    k->cause = (struct core_cause){ 0 };
    heap_set(&c->heap, DUE_CHILD, child, c->now + p->set.init_timeout_us);
    e = effect_add(c, EFFECT_SPAWN);
    e->index = k->pool;
    e->child = child;
    e->gen = k->gen;
}

void child_retire_if_idle(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);
    struct pool *p = c->pools[k->pool];
    struct effect *e;

    if (k->state != CHILD_READY || !k->retiring || k->handed != k->done)
        return;
    /* Its replacement is warm before it leaves, unless those who leave take all the places. */
    if (p->ready < p->set.processes && !p->broken && !c->drain && free_slot(c, p) != 0)
        return;
    k->state = CHILD_CLOSING;
    heap_set(&c->heap, DUE_CHILD, child, c->now + CORE_END_WAIT_US);
    e = effect_add(c, EFFECT_RETIRE);
    e->child = child;
    e->gen = k->gen;
}

/* Has it had all the tasks that it may have? Then its replacement starts now. */
void child_retire_if_spent(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);
    struct pool *p = c->pools[k->pool];
    uint32_t most = p->set.max_tasks_per_child == 0 ? HANDS_MAX : p->set.max_tasks_per_child;

    if (k->retiring || k->state != CHILD_READY || k->handed < most)
        return;
    k->retiring = true;
    child_unlist(c, child);
    p->ready--;
    pool_balance(c, p);
}

static void kill_child(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);
    struct effect *e = effect_add(c, EFFECT_KILL);

    k->killed = true;
    e->child = child;
    e->gen = k->gen;
}

static void not_ready_any_more(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);

    child_unlist(c, child);
    if (k->state == CHILD_READY && !k->retiring)
        c->pools[k->pool]->ready--;
}

/*
 * From now on only its end matters: what it had not begun goes back, the last that it began is
 * stopping. What it began before that one it has finished; those results may still be on the link.
 */
static void child_close(struct core *c, uint32_t child, uint32_t begun)
{
    struct child *k = child_at(c, child);
    uint32_t slot;

    if (k->state == CHILD_READY || k->state == CHILD_FORKING) {
        not_ready_any_more(c, child);
        k->state = CHILD_CLOSING;
        heap_set(&c->heap, DUE_CHILD, child, c->now + CORE_END_WAIT_US);
        hand_refuse_rest(c, child, begun); /* later words cannot make it less */
    }
    if (k->done == k->limit)
        return;
    slot = k->ring[(k->limit - 1) % GANGER_HAND_MAX];
    if (task_at(c, slot)->state != TASK_STOPPING)
        task_move(c, slot, TASK_STOPPING);
    heap_set(&c->heap, DUE_TASK, slot, CORE_NEVER); /* the child's own deadline bounds it */
}

void child_kill(struct core *c, uint32_t child, uint32_t begun)
{
    child_close(c, child, begun);
    kill_child(c, child);
}

/* All that can be known of it is known: its attempt ends and its slot is free. */
static void child_end(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);
    struct pool *p = c->pools[k->pool];
    bool early = !k->was_ready && k->cause.code != -GANGER_EAGENT && !k->retiring;

    heap_set(&c->heap, DUE_CHILD, child, CORE_NEVER);
    hand_refuse_finished(c, child);
    if (k->done != k->limit) {
        uint32_t slot = k->ring[k->done % GANGER_HAND_MAX];

        hand_told_check(c, child);
        k->done++;
        attempt_died(c, slot, k->cause);
    }
    k->state = CHILD_FREE;
    k->limit = k->handed = k->done = 0;
    if (early && !c->drain)
        pool_early_death(c, p);
    else if (k->was_ready && !k->retiring)
        p->deaths++;
    pool_balance(c, p);
}

static int link_closed(struct core *c, uint32_t child, const struct event *ev)
{
    struct child *k = child_at(c, child);
    bool retired = k->state == CHILD_CLOSING && k->retiring;

    if (k->state == CHILD_EXITED)
        return 0;
    child_close(c, child, ev->seq);
    hand_refuse_finished(c, child);
    if (k->cause.code == 0)
        k->cause.code = -GANGER_ELOST; /* until the exit report says better */
    if (!retired && !k->killed)
        kill_child(c, child);
    return 0;
}

static int exited(struct core *c, uint32_t child, const struct event *ev)
{
    struct child *k = child_at(c, child);

    if (k->state == CHILD_EXITED)
        return GANGER_ESTALE;
    child_close(c, child, ev->seq);
    hand_refuse_finished(c, child);
    k->state = CHILD_EXITED;
    k->cause = ev->cause;
    c->totals.deaths += !k->retiring;
    if (ev->group_empty)
        child_end(c, child);
    else
        heap_set(&c->heap, DUE_CHILD, child, c->now + CORE_END_WAIT_US);
    return 0;
}

static int became_ready(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);
    struct pool *p = c->pools[k->pool];

    if (k->state != CHILD_FORKING)
        return GANGER_ESTALE;
    k->state = CHILD_READY;
    k->was_ready = true;
    k->last_us = c->now;
    p->early = 0;
    p->ready++;
    heap_set(&c->heap, DUE_CHILD, child, CORE_NEVER);
    child_list(c, child);
    pool_balance(c, p); /* a retiring one may wait for this */
    return 0;
}

static int garbage(struct core *c, uint32_t child, const struct event *ev)
{
    struct child *k = child_at(c, child);

    if (k->state == CHILD_READY || k->state == CHILD_FORKING)
        child_kill(c, child, ev->seq);
    return 0;
}

static int progress(struct core *c, uint32_t child)
{
    const struct child *k = child_at(c, child);

    if (k->done != k->limit)
        waiters_progress(c, k->ring[k->done % GANGER_HAND_MAX]);
    return 0;
}

static int stale(struct core *c)
{
    c->totals.stale++;
    return GANGER_ESTALE;
}

int child_result(struct core *c, const struct event *ev)
{
    uint32_t child = child_find(c, ev->child, ev->gen);
    int rc = child == 0 ? stale(c) : hand_result(c, child, ev);

    if (rc < 0 || ev->flag) /* of results that come together the last one counts for these */
        return rc;
    child_list(c, child);
    child_retire_if_idle(c, child);
    return 0;
}

static int returned(struct core *c, uint32_t child, const struct event *ev)
{
    int rc = hand_returned(c, child, ev);

    if (rc < 0)
        return rc;
    child_list(c, child);
    child_retire_if_idle(c, child);
    return 0;
}

int child_event(struct core *c, const struct event *ev)
{
    uint32_t child = child_find(c, ev->child, ev->gen);

    if (child == 0)
        return stale(c);
    switch (ev->type) {
    case EVENT_CHILD_READY:
        return became_ready(c, child);
    case EVENT_CHILD_RETURNED:
        return returned(c, child, ev);
    case EVENT_CHILD_TAKEN:
        return hand_taken(c, child, ev);
    case EVENT_LINK_CLOSED:
        return link_closed(c, child, ev);
    case EVENT_CHILD_EXITED:
        return exited(c, child, ev);
    case EVENT_GROUP_EMPTY:
        if (child_at(c, child)->state != CHILD_EXITED)
            return GANGER_ESTALE;
        child_end(c, child);
        return 0;
    case EVENT_CHILD_GARBAGE:
        return garbage(c, child, ev);
    default:
        return progress(c, child);
    }
}

/* A child after a hand was given to it. */
void child_handed(struct core *c, uint32_t child)
{
    child_list(c, child);
    child_retire_if_spent(c, child);
}

/* Is the first in its hand running for long? Then the others may go elsewhere. */
static void behind_deadline(struct core *c, uint32_t child)
{
    const struct child *k = child_at(c, child);
    bool behind = k->limit - k->done > 1, stalled = k->last_us + CORE_HAND_STALL_US <= c->now;

    heap_set(&c->heap, DUE_CHILD, child,
        behind && !stalled ? k->last_us + CORE_HAND_STALL_US : CORE_NEVER);
    if (behind && stalled)
        hand_take_back(c, child, k->done + 1);
}

void child_deadline(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);

    switch ((enum child_state)k->state) {
    case CHILD_READY:
        behind_deadline(c, child);
        return;
    case CHILD_FORKING:
        k->cause.code = -GANGER_ETIMEDOUT;
        child_kill(c, child, 0);
        return;
    default:
        break;
    }
    if (!k->killed) { /* asked to leave and did not */
        kill_child(c, child);
        heap_set(&c->heap, DUE_CHILD, child, c->now + CORE_END_WAIT_US);
        return;
    }
    if (k->cause.code == 0)
        k->cause.code = -GANGER_ELOST;
    child_end(c, child);
}
