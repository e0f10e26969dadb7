#include "core/internal.h"

/*
 * A share of what is ready for each child, so that one does not take all while others idle. But not
 * so little that to wake it takes longer than to run it: then those that are awake do it sooner.
 */
static uint32_t share_of(const struct pool *p)
{
    uint32_t depth = pool_depth(p);
    uint64_t ready = p->count[TASK_READY] + p->count[TASK_HANDED] + p->count[TASK_RUNNING];
    uint64_t share = (ready + p->ready - 1) / p->ready, least = 1;

    if (p->run_avg_ns != 0)
        least = CORE_HAND_LEAST_US * UINT64_C(1000) / p->run_avg_ns;
    if (least > CORE_HAND_LEAST_MAX)
        least = CORE_HAND_LEAST_MAX;
    if (share < least)
        share = least;
    return share < 1 ? 1 : share < depth ? (uint32_t)share : depth;
}

static uint32_t in_hand(const struct core *c, uint32_t child)
{
    return child_at(c, child)->handed - child_at(c, child)->done;
}

/* The child that takes the next task: an idle one, else one whose hand is at most half full. */
static uint32_t child_for(const struct core *c, const struct pool *p, uint32_t share)
{
    uint32_t child = p->idle;

    if (child != 0 || share < 2)
        return child;
    for (child = p->partial; child != 0; child = child_at(c, child)->next) {
        /* What came behind a task that runs long would be taken back at once. */
        if (in_hand(c, child) <= share / 2 &&
            c->now < child_at(c, child)->last_us + CORE_HAND_STALL_US)
            return child;
    }
    return 0;
}

static uint32_t hands_left(const struct pool *p, const struct child *k)
{
    uint32_t most = p->set.max_tasks_per_child;

    return most == 0 ? UINT32_MAX : most > k->handed ? most - k->handed : 0;
}

/* Take the pool's best task to CHILD; false when that task cannot go there now. */
static bool take(struct core *c, uint32_t child, uint32_t slot)
{
    const struct task *t = task_at(c, slot);
    const struct policy *y = policy_of(c, t);
    const struct lane *in = y->in;
    uint32_t lane = y->lane;

    /* So many deadlines are due that its own was put off to the next turn. */
    if (t->extra != 0 && expiry_of(c, t) <= c->now) {
        task_expire(c, slot);
        return true;
    }
    if (y->need_count > 0) {
        if (in_hand(c, child) > 0)
            return false;
        GANGER_ASSERT(!c->grace); /* an old holder may still be alive: task_ready() held it */
        if (!permits_take(c, slot))
            return true;
    }
    hand_give(c, child, slot);
    lane_turn(lane, in);
    return true;
}

/* Fill one child up to SHARE; false when the pool's best task cannot go to it. */
static bool fill(struct core *c, struct pool *p, uint32_t child, uint32_t share)
{
    struct child *k = child_at(c, child);
    uint32_t slot, before = k->handed;
    bool fits = true;

    while (fits && k->handed - k->done < share && (slot = lane_best(c, p)) != 0 && !k->exclusive &&
           hands_left(p, k) > 0 && !effects_crowded(c))
        fits = take(c, child, slot);
    /* It makes the pool dirty: with nothing handed out, dispatch() would come back for ever. */
    if (k->handed != before)
        child_handed(c, child);
    return fits;
}

static void pool_dispatch(struct core *c, struct pool *p)
{
    uint32_t child;

    if (p->broken) {
        pool_fail_waiting(c, p);
        return;
    }
    /* The last child may be spent on the way: then nobody is ready any more. */
    while (pool_runnable(c, p) && lane_best(c, p) != 0 && !effects_crowded(c)) {
        uint32_t share = share_of(p);

        child = child_for(c, p, share);
        if (child == 0 || !fill(c, p, child, share))
            return;
    }
    /* What was woken in their place is gone, and nothing else may tell them. */
    if (p->passed_over && p->idle != 0 && pool_runnable(c, p) && lane_best(c, p) == 0)
        sem_look_again(c, p);
}

void dispatch(struct core *c)
{
    uint32_t list;

    if (c->drain)
        return;
    do {
        sem_wake(c);
        list = c->dirty_pools;
        c->dirty_pools = 0;
        while (list != 0) {
            struct pool *p = c->pools[list - 1];

            list = p->dirty_next;
            p->dirty = false;
            pool_dispatch(c, p);
            if (effects_crowded(c)) {
                pool_dirty(c, p->index);
                c->more = true;
            }
        }
    } while ((c->dirty_sems != 0 || c->dirty_pools != 0) && !effects_crowded(c));
}
