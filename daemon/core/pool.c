#include "core/internal.h"

#include <stdlib.h>
#include <string.h>

#define EARLY_BACKOFF_MAX_US 10000000u

void pool_dirty(struct core *c, uint32_t pool)
{
    struct pool *p = c->pools[pool];

    if (p->dirty)
        return;
    p->dirty = true;
    p->dirty_next = c->dirty_pools;
    c->dirty_pools = pool + 1;
}

void pool_wake_at(struct core *c, const struct pool *p, uint64_t when)
{
    if (heap_when(&c->heap, p->heap_pos) > when)
        heap_set(&c->heap, DUE_POOL, p->index, when);
}

bool pool_runnable(const struct core *c, const struct pool *p)
{
    return p->defined && !p->paused && !p->broken && !c->drain && p->ready > 0;
}

static int child_slot_new(struct core *c, struct pool *p, uint32_t pool)
{
    uint32_t slot;
    struct child *k;
    uint32_t *ring;
    uint64_t *fences;

    if (objects_reserve(c, 1) < 0)
        return GANGER_ENOMEM;
    ring = calloc(GANGER_HAND_MAX, sizeof *ring);
    fences = calloc(GANGER_HAND_MAX, sizeof *fences);
    slot = ring == NULL || fences == NULL ? 0 : slab_take(&c->children);
    if (slot == 0) {
        free(ring);
        free(fences);
        return GANGER_ENOMEM;
    }
    k = child_at(c, slot);
    k->pool = pool;
    k->ring = ring;
    k->fences = fences;
    p->children[p->child_count++] = slot;
    return 0;
}

/* Room for twice the target, so that every child can have a warm replacement. */
int pool_children_reserve(struct core *c, struct pool *p)
{
    uint32_t want = p->set.processes * 2 + 1, pool = p->index;

    if (want > p->child_cap) {
        uint32_t *children = realloc(p->children, want * sizeof *children);

        if (children == NULL)
            return GANGER_ENOMEM;
        p->children = children;
        p->child_cap = want;
    }
    while (p->child_count < want) {
        if (child_slot_new(c, p, pool) < 0)
            return GANGER_ENOMEM;
    }
    return 0;
}

static int pool_set_processes(struct core *c, struct pool *p, uint32_t processes)
{
    uint32_t old = p->set.processes;
    int rc;

    p->set.processes = processes;
    rc = pool_children_reserve(c, p);
    if (rc < 0)
        p->set.processes = old;
    return rc;
}

int pool_settings_event(struct core *c, const struct event *ev)
{
    struct pool *p = c->pools[ev->index];
    int rc = pool_set_processes(c, p, ev->settings->processes);

    if (rc < 0)
        return rc;
    p->set = *ev->settings;
    p->defined = true;
    room_check(c, p, 0);
    /* Some may have had already what they may have now: dispatch must not find them listed. */
    for (uint32_t i = 0; i < p->child_count; i++)
        child_retire_if_spent(c, p->children[i]);
    /* Its agent is asked for in the next turn, when the caller has told others of the pool. */
    pool_wake_at(c, p, c->now);
    pool_dirty(c, ev->index);
    return 0;
}

int pool_resize(struct core *c, const struct event *ev)
{
    struct pool *p = c->pools[ev->index];
    int rc;

    if (ev->number > GANGER_PROCESSES_MAX)
        return GANGER_ERANGE;
    rc = pool_set_processes(c, p, (uint32_t)ev->number);
    if (rc == 0) {
        pool_balance(c, p);
        pool_dirty(c, ev->index);
    }
    return rc;
}

void pool_pause(struct core *c, const struct event *ev, bool on)
{
    struct pool *p = c->pools[ev->index];

    p->paused = on;
    if (on)
        return;
    p->broken = false;
    p->early = 0;
    p->spawn_at = 0;
    pool_balance(c, p);
    pool_dirty(c, ev->index);
}

/* Children that serve or will serve: counted anew, so that no counter can drift. */
static void count_children(
    const struct core *c, const struct pool *p, uint32_t *ret_alive, uint32_t *ret_ready)
{
    *ret_alive = *ret_ready = 0;
    for (uint32_t i = 0; i < p->child_count; i++) {
        const struct child *k = child_at(c, p->children[i]);

        if (k->retiring)
            continue;
        *ret_alive += k->state == CHILD_FORKING || k->state == CHILD_READY;
        *ret_ready += k->state == CHILD_READY;
    }
}

/* More than the target: those without work leave first. */
static void mark_surplus(struct core *c, struct pool *p, uint32_t surplus)
{
    for (int busy_too = 0; busy_too < 2; busy_too++) {
        for (uint32_t i = 0; i < p->child_count && surplus > 0; i++) {
            struct child *k = child_at(c, p->children[i]);

            if (k->state != CHILD_READY || k->retiring || (k->handed != k->done && busy_too == 0))
                continue;
            k->retiring = true;
            p->ready--;
            child_unlist(c, p->children[i]);
            surplus--;
        }
    }
}

static void start_agent(struct core *c, struct pool *p)
{
    if (p->agent_asked || p->set.external || c->drain)
        return;
    if (c->now < p->spawn_at) {
        pool_wake_at(c, p, p->spawn_at);
        return;
    }
    p->agent_asked = true;
    effect_add(c, EFFECT_AGENT_START)->index = p->index;
}

static void spawn_missing(struct core *c, struct pool *p, uint32_t alive)
{
    if (alive >= p->set.processes || c->drain)
        return;
    if (c->now < p->spawn_at) {
        pool_wake_at(c, p, p->spawn_at);
        return;
    }
    for (; alive < p->set.processes; alive++)
        child_spawn(c, p);
}

void pool_balance(struct core *c, struct pool *p)
{
    uint32_t alive, ready;

    if (!p->defined || p->broken || !c->started)
        return;
    if (!p->agent_up) {
        start_agent(c, p);
        return;
    }
    count_children(c, p, &alive, &ready);
    if (alive > p->set.processes)
        mark_surplus(c, p, alive - p->set.processes);
    spawn_missing(c, p, alive);
    for (uint32_t i = 0; i < p->child_count; i++)
        child_retire_if_idle(c, p->children[i]);
}

void pool_fail_later(struct core *c, struct pool *p)
{
    p->failing = true;
    pool_dirty(c, p->index);
}

/* Fail what is not durable of one list of waiting tasks; false when there were too many effects. */
static bool fail_list(struct core *c, const struct pool *p, uint32_t head)
{
    uint32_t next;

    for (uint32_t slot = head; slot != 0; slot = next) {
        const struct task *t = task_at(c, slot);

        next = t->next;
        if (pool_of(c, t) != p || (t->flags & CORE_TASK_DURABLE) != 0)
            continue;
        if (effects_crowded(c))
            return false;
        task_end(c, slot, TASK_FAILED, GANGER_EBROKEN, true);
    }
    return true;
}

static bool fail_ready(struct core *c, const struct pool *p)
{
    for (unsigned i = 0; i <= GANGER_PRIORITY_MAX; i++) {
        uint32_t lane = p->levels[i] == NULL ? 0 : p->levels[i]->lanes;

        for (; lane != 0; lane = lane_at(c, lane)->sibling) {
            if (!fail_list(c, p, lane_at(c, lane)->head))
                return false;
        }
    }
    return true;
}

/* What is durable stays in its place; what is not fails with the reason. */
void pool_fail_waiting(struct core *c, struct pool *p)
{
    bool all = true;

    if (p->fleeting > 0)
        all = fail_ready(c, p);
    if (!p->failing && all)
        return;
    p->failing = false;
    for (uint32_t i = 0; i < c->sem_count && all && p->count[TASK_BLOCKED] > 0; i++)
        all = fail_list(c, p, line_head(c, &c->sems[i], p->index));
    if (!all) {
        pool_fail_later(c, p);
        c->more = true;
    }
}

void pool_early_death(struct core *c, struct pool *p)
{
    uint64_t wait = p->set.early_backoff_us;

    p->early++;
    for (uint32_t i = 1; i < p->early && wait < EARLY_BACKOFF_MAX_US; i++)
        wait *= 2;
    p->spawn_at = c->now + (wait < EARLY_BACKOFF_MAX_US ? wait : EARLY_BACKOFF_MAX_US);
    if (p->early < p->set.early_deaths || p->broken)
        return;
    p->broken = true;
    effect_add(c, EFFECT_POOL_BROKEN)->index = p->index;
    room_check(c, p, GANGER_EBROKEN);
    pool_fail_later(c, p);
}

/* The agent's children that were never forked end with it; the others' ends are reported apart. */
static void agent_lost(struct core *c, struct pool *p)
{
    for (uint32_t i = 0; i < p->child_count; i++) {
        struct child *k = child_at(c, p->children[i]);

        if (k->state == CHILD_FORKING) {
            k->state = CHILD_FREE;
            heap_set(&c->heap, DUE_CHILD, p->children[i], CORE_NEVER);
        }
    }
}

void pool_agent_event(struct core *c, const struct event *ev, bool up)
{
    struct pool *p = c->pools[ev->index];

    p->agent_up = up;
    if (!up) {
        p->agent_asked = false;
        agent_lost(c, p);
        if (!p->set.external && ev->code != 0)
            pool_early_death(c, p);
    }
    pool_balance(c, p);
}

void pool_deadline(struct core *c, uint32_t pool)
{
    heap_set(&c->heap, DUE_POOL, pool, CORE_NEVER);
    pool_balance(c, c->pools[pool]);
    room_check(c, c->pools[pool], 0);
}
