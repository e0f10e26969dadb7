#include "core/internal.h"

#include <stdlib.h>
#include <string.h>

/* What a turn can do in parts stops well before the array is full. */
static int effects_reserve(struct core *c)
{
    c->effects = malloc(EFFECTS_CAP * sizeof *c->effects);
    if (c->effects == NULL)
        return GANGER_ENOMEM;
    c->effect_cap = EFFECTS_CAP;
    return 0;
}

/*
 * The rare event that makes more: the death of a child in whose hand many tasks were cancelled
 * each of which many waited for. Then the array stays as long as it was once.
 */
void effects_grow(struct core *c)
{
    size_t cap = c->effect_cap * 2;
    struct effect *effects = realloc(c->effects, cap * sizeof *effects);

    GANGER_ASSERT(effects != NULL);
    c->effects = effects;
    c->effect_cap = cap;
}

bool effects_crowded(const struct core *c)
{
    return c->effect_count + EFFECTS_RESERVED > EFFECTS_CAP;
}

/* splitmix64: small, deterministic, good enough for jitter (Steele, Lea, Flood 2014). */
uint64_t core_random(struct core *c)
{
    uint64_t z = (c->rng += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t *heap_position(void *ctx, uint32_t kind, uint32_t index)
{
    struct core *c = ctx;

    switch ((enum deadline_kind)kind) {
    case DUE_TASK:
        return &task_at(c, index)->heap_pos;
    case DUE_CHILD:
        return &child_at(c, index)->heap_pos;
    case DUE_POOL:
        return &c->pools[index]->heap_pos;
    case DUE_SEM:
        return &c->sems[index].heap_pos;
    case DUE_KEPT:
        return &policy_at(c, index)->heap_pos;
    case DUE_CORE:
        break;
    }
    return &c->grace_pos;
}

struct core *core_new(const struct core_config *config)
{
    struct core *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->cfg = *config;
    c->rng = config->seed;
    c->next_counter = 1;
    c->next_fence = 1;
    c->heap.position = heap_position;
    c->heap.ctx = c;
    slab_init(&c->tasks, sizeof(struct task));
    slab_init(&c->extras, sizeof(struct extra));
    slab_init(&c->policies, sizeof(struct policy));
    slab_init(&c->lanes, sizeof(struct lane));
    slab_init(&c->lines, sizeof(struct line));
    slab_init(&c->children, sizeof(struct child));
    slab_init(&c->waiters, sizeof(struct waiter));
    if (effects_reserve(c) < 0 || objects_reserve(c, 1) < 0) {
        core_free(c);
        return NULL;
    }
    return c;
}

void core_set_epoch(struct core *c, uint32_t epoch)
{
    GANGER_ASSERT(!c->started);
    c->cfg.epoch = epoch;
}

void core_expect(struct core *c, uint64_t tasks)
{
    uint64_t most = c->cfg.tasks_max < UINT32_MAX ? c->cfg.tasks_max : UINT32_MAX;

    GANGER_ASSERT(!c->started);
    ids_expect(c, (uint32_t)(tasks < most ? tasks : most));
}

void core_set_tasks_max(struct core *c, uint32_t tasks_max)
{
    c->cfg.tasks_max = tasks_max;
}

static void pool_free(struct pool *p)
{
    for (unsigned i = 0; i <= GANGER_PRIORITY_MAX; i++)
        free(p->levels[i]);
    free(p->children);
    free(p->name);
    free(p);
}

void core_free(struct core *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 1; i < c->policies.used; i++) {
        if (slab_has(&c->policies, i))
            free(((struct policy *)slab_at(&c->policies, i))->needs);
    }
    for (uint32_t i = 1; i < c->children.used; i++) {
        free(child_at(c, i)->ring);
        free(child_at(c, i)->fences);
    }
    for (uint32_t i = 0; i < c->pool_count; i++)
        pool_free(c->pools[i]);
    for (uint32_t i = 0; i < c->sem_count; i++)
        free(c->sems[i].name);
    slab_done(&c->tasks);
    slab_done(&c->extras);
    slab_done(&c->policies);
    slab_done(&c->lanes);
    slab_done(&c->lines);
    slab_done(&c->children);
    slab_done(&c->waiters);
    heap_done(&c->heap);
    ids_done(c);
    free(c->policy_buckets);
    free(c->pools);
    free(c->sems);
    free(c->sem_buckets);
    free(c->pool_buckets);
    free(c->sessions);
    free(c->effects);
    free(c);
}

/* A turn: what is due, then what can be handed out. */
static void turn(struct core *c)
{
    c->more = false;
    deadlines_run(c);
    held_release_some(c);
    dispatch(c);
}

/* Events about the whole, the pools and the semaphores. */
static int configuration_event(struct core *c, const struct event *ev)
{
    switch (ev->type) {
    case EVENT_POOL_DEFINE:
        return pool_settings_event(c, ev);
    case EVENT_POOL_RESIZE:
        return pool_resize(c, ev);
    case EVENT_POOL_PAUSE:
        pool_pause(c, ev, true);
        return 0;
    case EVENT_POOL_RESUME:
        pool_pause(c, ev, false);
        return 0;
    case EVENT_SEM_SET:
        return sem_set(c, ev);
    case EVENT_AGENT_UP:
        pool_agent_event(c, ev, true);
        return 0;
    case EVENT_AGENT_DOWN:
        pool_agent_event(c, ev, false);
        return 0;
    case EVENT_START:
        start_event(c, ev->flag);
        return 0;
    case EVENT_GRACE_OVER:
        grace_over(c);
        return 0;
    case EVENT_DRAIN:
        drain_event(c);
        return 0;
    default:
        clock_jump(c, ev->jump_us);
        return 0;
    }
}

/* Events that sessions cause. */
static int session_event(struct core *c, const struct event *ev)
{
    switch (ev->type) {
    case EVENT_SESSION_OPEN:
        return session_opened(c, ev->session);
    case EVENT_SESSION_GONE:
        session_left(c, ev->session);
        return 0;
    case EVENT_CANCEL:
        return cancel_event(c, ev);
    case EVENT_DROP:
        return drop_event(c, ev);
    case EVENT_ROOM:
        return room_event(c, ev);
    case EVENT_ACT:
        return session_acts(c, ev);
    default:
        return wait_event(c, ev);
    }
}

int core_step(struct core *c, uint64_t now_us, const struct event *ev)
{
    /* A clock that stands still or goes back must not undo a deadline. */
    if (now_us > c->now)
        c->now = now_us;
    c->effect_count = 0;
    if (c->graves != 0)
        graves_clear(c);
    switch (ev->type) {
    case EVENT_TURN:
        turn(c);
        return 0;
    case EVENT_SUBMIT:
        return submit(c, ev);
    case EVENT_CHILD_RESULT:
        return child_result(c, ev);
    case EVENT_SESSION_OPEN:
    case EVENT_SESSION_GONE:
    case EVENT_WAIT:
    case EVENT_UNWAIT:
    case EVENT_CANCEL:
    case EVENT_DROP:
    case EVENT_ROOM:
    case EVENT_ACT:
        return session_event(c, ev);
    case EVENT_STORED:
    case EVENT_STORE_FAILED:
        return store_event(c, ev);
    case EVENT_PROGRESS:
    case EVENT_CHILD_READY:
    case EVENT_CHILD_RETURNED:
    case EVENT_CHILD_TAKEN:
    case EVENT_LINK_CLOSED:
    case EVENT_CHILD_EXITED:
    case EVENT_GROUP_EMPTY:
    case EVENT_CHILD_GARBAGE:
        return child_event(c, ev);
    case EVENT_REPLAY_TASK:
    case EVENT_REPLAY_ATTEMPT:
    case EVENT_REPLAY_CANCEL:
    case EVENT_REPLAY_END:
    case EVENT_REPLAY_FORGET:
        return replay_event(c, ev);
    default:
        return configuration_event(c, ev);
    }
}

const struct effect *core_effects(const struct core *c, size_t *ret_count)
{
    *ret_count = c->effect_count;
    return c->effects;
}

uint64_t core_deadline(const struct core *c)
{
    if (c->more)
        return c->now;
    return c->heap.count == 0 ? CORE_NEVER : c->heap.entries[1].when;
}
