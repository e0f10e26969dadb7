#include "core/internal.h"

#include <string.h>

/* The time that its state has, 0 if it has none. */
static uint64_t when_of(const struct task *t)
{
    return t->state == TASK_READY || t->state == TASK_BLOCKED ? 0 : t->when;
}

int core_slot_info(const struct core *c, uint32_t slot, struct core_task_info *ret)
{
    const struct task *t = task_known(c, slot);
    const struct lane *l;

    if (t == NULL)
        return GANGER_ENOTASK;
    l = lane_of(c, t);
    *ret = (struct core_task_info){ .id = t->id,
        .due_us = when_of(t),
        .expiry_us = expiry_of(c, t),
        .running_since_us = when_of(t),
        .slot = slot,
        .pool = l->pool,
        .uid = l->uid,
        .flags = t->flags,
        .attempts = t->attempts,
        .crashes = t->crashes,
        .call_bytes = t->call_bytes,
        .priority = l->priority,
        .state = t->state,
        .end = t->end,
        .code = -(int)t->code };
    if (state_in_hand(t->state)) {
        ret->child = t->child;
        ret->gen = child_at(c, t->child)->gen;
        ret->seq = hand_of(c, t, slot);
        ret->fence = hand_fence(c, t, slot);
    }
    if (t->state == TASK_SETTLING || state_is_end(t->state))
        ret->result_bytes = t->result_bytes;
    if (t->extra != 0) {
        ret->cause_count = extra_of(c, t)->count;
        memcpy(ret->causes, extra_of(c, t)->causes, sizeof ret->causes);
    }
    return 0;
}

int core_task_info(const struct core *c, uint64_t id, struct core_task_info *ret)
{
    return core_slot_info(c, ids_find(c, id), ret);
}

uint32_t core_task_slot(const struct core *c, uint64_t id)
{
    return ids_find(c, id);
}

void core_task_spec(const struct core *c, uint32_t slot, struct core_spec *ret)
{
    const struct task *t = task_at(c, slot);
    const struct policy *y = policy_of(c, t);
    const struct lane *l = lane_of(c, t);

    *ret = (struct core_spec){ .pool = l->pool,
        .uid = l->uid,
        .flags = t->flags,
        .call_bytes = t->call_bytes,
        .priority = l->priority,
        .jitter_percent = y->jitter_percent,
        .crash_budget = y->crash_budget,
        .need_count = y->need_count,
        .attempts_max = y->attempts_max,
        .due_wall = (t->marks & MARK_WALL) != 0,
        .due_us = when_of(t),
        .expiry_us = expiry_of(c, t) == CORE_NEVER ? 0 : expiry_of(c, t),
        .limit_us = y->limit_us,
        .kill_grace_us = y->kill_grace_us,
        .backoff_us = y->backoff_us,
        .backoff_max_us = y->backoff_max_us,
        .retention_us = y->retention_us };
    if (y->need_count > 0)
        memcpy(ret->needs, y->needs, y->need_count * sizeof *y->needs);
}

void core_task_attempts(const struct core *c, uint32_t slot, struct core_attempts *ret)
{
    const struct task *t = task_at(c, slot);

    *ret = (struct core_attempts){
        .attempts = t->attempts, .crashes = t->crashes, .due_us = when_of(t)
    };
    if (t->extra != 0) {
        ret->cause_count = extra_of(c, t)->count;
        memcpy(ret->causes, extra_of(c, t)->causes, sizeof ret->causes);
    }
}

uintptr_t *core_slot_word(struct core *c, uint32_t slot)
{
    return &task_at(c, slot)->word;
}

uint32_t core_slot_limit(const struct core *c)
{
    return c->tasks.used;
}

uint64_t core_task_retention_us(const struct core *c, uint32_t slot)
{
    return policy_of(c, task_at(c, slot))->retention_us;
}

void core_task_ended(const struct core *c, uint32_t slot, struct core_ended *ret)
{
    const struct task *t = task_at(c, slot);
    const struct policy *y = policy_of(c, t);
    const struct lane *l = lane_at(c, y->lane);

    ret->pool = l->pool;
    ret->uid = l->uid;
    ret->attempts = t->attempts;
    ret->priority = l->priority;
    ret->end = t->end;
    ret->code = -(int)t->code;
    ret->retention_us = y->retention_us;
}

static enum pool_state pool_state_of(const struct pool *p)
{
    if (!p->defined)
        return POOL_UNDEFINED;
    if (p->broken)
        return POOL_BROKEN;
    if (p->paused)
        return POOL_PAUSED;
    return p->ready > 0 ? POOL_OK : POOL_STARTING;
}

void core_pool_info(const struct core *c, uint32_t pool, struct core_pool_info *ret)
{
    const struct pool *p = c->pools[pool];

    *ret = (struct core_pool_info){ .state = pool_state_of(p),
        .target = p->set.processes,
        .ready = p->ready,
        .early_deaths = p->early,
        .waiting = p->count[TASK_READY],
        .delayed = p->count[TASK_DELAYED],
        .blocked = p->count[TASK_BLOCKED],
        .running = p->count[TASK_RUNNING] + p->count[TASK_STOPPING],
        .tasks = p->tasks,
        .bytes = p->bytes,
        .done = p->done_total,
        .failed = p->failed_total,
        .deaths = p->deaths,
        .run_avg_us = p->run_avg_ns / 1000,
        .depth = pool_depth(p),
        .settings = p->set };
    for (uint32_t i = 0; i < p->child_count; i++) {
        const struct child *k = child_at(c, p->children[i]);

        ret->children += k->state != CHILD_FREE;
        ret->busy += k->state == CHILD_READY && k->done != k->limit;
    }
}

uint32_t core_pool_count(const struct core *c)
{
    return c->pool_count;
}

bool core_pool_child(const struct core *c, uint32_t pool, uint32_t nth, uint32_t *ret_child,
    uint32_t *ret_gen, bool *ret_ready, uint64_t *ret_task)
{
    const struct pool *p = c->pools[pool];
    const struct child *k;

    if (nth >= p->child_count)
        return false;
    k = child_at(c, p->children[nth]);
    *ret_child = k->state == CHILD_FREE ? 0 : p->children[nth];
    *ret_gen = k->gen;
    *ret_ready = k->state == CHILD_READY;
    *ret_task = k->done == k->limit ? 0 : task_at(c, k->ring[k->done % GANGER_HAND_MAX])->id;
    return true;
}

static void states_count(const struct core *c, uint64_t *count)
{
    for (uint32_t i = 0; i < c->pool_count; i++) {
        for (unsigned state = 0; state < TASK_STATES; state++)
            count[state] += c->pools[i]->count[state];
    }
}

void core_stats(const struct core *c, struct core_stats *ret)
{
    uint64_t count[TASK_STATES] = { 0 };

    *ret = c->totals;
    ret->tasks = c->tasks.live - c->grave_count;
    states_count(c, count);
    ret->storing = count[TASK_STORING];
    ret->delayed = count[TASK_DELAYED];
    ret->ready = count[TASK_READY];
    ret->blocked = count[TASK_BLOCKED];
    ret->handed = count[TASK_HANDED];
    ret->running = count[TASK_RUNNING];
    ret->stopping = count[TASK_STOPPING];
    ret->settling = count[TASK_SETTLING];
    ret->retained = count[TASK_DONE] + count[TASK_FAILED] + count[TASK_CANCELLED] +
                    count[TASK_DEAD];
}

uint32_t core_child_pool(const struct core *c, uint32_t child, uint32_t gen)
{
    return child_find(c, child, gen) == 0 ? UINT32_MAX : child_at(c, child)->pool;
}

bool core_child_was_ready(const struct core *c, uint32_t child, uint32_t gen)
{
    return child_find(c, child, gen) != 0 && child_at(c, child)->was_ready;
}
