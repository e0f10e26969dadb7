#include "core/move.h"

/* Slot of hand number SEQ, which must be unfinished and not taken back. */
static uint32_t slot_of(const struct child *k, uint32_t seq)
{
    return k->ring[seq % GANGER_HAND_MAX];
}

uint32_t core_hand_slot(const struct core *c, uint32_t child, uint32_t gen, uint32_t seq)
{
    const struct child *k;

    if (child_find(c, child, gen) == 0)
        return 0;
    k = child_at(c, child);
    return seq >= k->done && seq < k->limit ? slot_of(k, seq) : 0;
}

uint32_t hand_of(const struct core *c, const struct task *t, uint32_t slot)
{
    const struct child *k = child_at(c, t->child);
    uint32_t seq = k->done;

    while (slot_of(k, seq) != slot)
        seq++;
    return seq;
}

uint64_t hand_fence(const struct core *c, const struct task *t, uint32_t slot)
{
    if (!state_in_hand(t->state))
        return 0;
    return child_at(c, t->child)->fences[hand_of(c, t, slot) % GANGER_HAND_MAX];
}

uint32_t pool_depth(const struct pool *p)
{
    uint64_t depth;

    if (p->run_avg_ns == 0) /* not measured yet */
        return 1;
    depth = CORE_HAND_AHEAD_US * UINT64_C(1000) / p->run_avg_ns;
    return depth < 1 ? 1 : depth > GANGER_HAND_MAX ? GANGER_HAND_MAX : (uint32_t)depth;
}

/*
 * Look at the child by then, if something is behind the first in its hand. Results do not put it
 * off, since they are many: child_deadline() sees how long the first has run, and comes again.
 */
static void stall_deadline(struct core *c, uint32_t child, uint64_t since)
{
    const struct child *k = child_at(c, child);

    if (k->heap_pos == 0 && k->state == CHILD_READY && k->limit - k->done > 1)
        heap_set(&c->heap, DUE_CHILD, child, since + CORE_HAND_STALL_US);
}

void hand_head_runs(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);

    if (k->done != k->limit && task_at(c, slot_of(k, k->done))->state == TASK_HANDED)
        task_move(c, slot_of(k, k->done), TASK_RUNNING);
}

static void hand_tell(struct core *c, uint32_t child, const struct child *k, uint32_t seq,
    const struct task *t, uint64_t limit_us)
{
    struct effect *e = effect_add(c, EFFECT_HAND);

    e->child = child;
    e->gen = k->gen;
    e->seq = seq;
    e->slot = slot_of(k, seq);
    e->id = t->id;
    e->fence = k->fences[seq % GANGER_HAND_MAX];
    e->attempt = t->attempts;
    e->flags = t->flags;
    e->limit_us = limit_us;
}

void hand_give(struct core *c, uint32_t child, uint32_t slot)
{
    struct child *k = child_at(c, child);
    struct task *t = task_at(c, slot);
    const struct policy *y = policy_of(c, t);
    uint32_t seq = k->handed++;

    GANGER_ASSERT(k->limit == seq && seq - k->done < GANGER_HAND_MAX);
    k->limit = k->handed;
    k->ring[seq % GANGER_HAND_MAX] = slot;
    k->fences[seq % GANGER_HAND_MAX] = id_make(c->cfg.epoch, c->next_fence++);
    t->attempts++;
    if (seq == k->done) {
        k->last_us = c->now;
        task_move_of(c, slot, t, y, TASK_RUNNING);
    } else {
        task_move_of(c, slot, t, y, TASK_HANDED);
    }
    t->child = child;
    if (y->need_count > 0)
        k->exclusive = true;
    hand_tell(c, child, k, seq, t, y->limit_us);
    stall_deadline(c, child, k->last_us);
}

void hand_take_back(struct core *c, uint32_t child, uint32_t keep)
{
    struct effect *e = effect_add(c, EFFECT_TAKE_BACK);

    /* A hand in the same step would follow the take-back and stand behind what it takes away. */
    child_at(c, child)->taking++;
    child_unlist(c, child);
    e->child = child;
    e->gen = child_at(c, child)->gen;
    e->seq = keep;
}

/* A hand that was not begun: as if it had never been given. */
static void give_back(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);

    t->attempts--;
    c->totals.taken_back++;
    if ((t->marks & MARK_CANCEL) != 0) {
        task_end(c, slot, TASK_CANCELLED, GANGER_ECANCELLED, true);
        return;
    }
    t->marks = (uint8_t)(t->marks & ~(MARK_LIMIT | MARK_KILLED));
    task_move(c, slot, TASK_READY);
    if (pool_of(c, t)->broken)
        pool_dirty(c, lane_of(c, t)->pool);
}

int hand_taken(struct core *c, uint32_t child, const struct event *ev)
{
    struct child *k = child_at(c, child);
    uint32_t begun = ev->seq, stays;
    const struct task *t;

    if (k->taking == 0 || k->state != CHILD_READY)
        return GANGER_ESTALE;
    k->taking--;
    if (begun < k->done)
        begun = k->done;
    /* What was begun stays begun, whatever the child has written over its word since. */
    if (begun > k->limit || k->frozen)
        begun = k->limit;
    stays = begun > ev->number ? begun : (uint32_t)ev->number;
    while (k->limit > stays)
        give_back(c, slot_of(k, --k->limit));
    if (k->limit - k->done > 1) /* two take-backs are apart */
        heap_set(&c->heap, DUE_CHILD, child, c->now + CORE_HAND_STALL_US);
    if (begun != k->done && begun == k->limit) {
        t = task_at(c, slot_of(k, begun - 1));
        if ((t->marks & (MARK_CANCEL | MARK_LIMIT)) != 0 && t->state != TASK_STOPPING)
            task_stopping(c, slot_of(k, begun - 1));
    }
    child_list(c, child);
    return 0;
}

/*
 * How long the child has run since the results before this one: as it says, or if it says nothing,
 * all of the time that has passed. In that it may have waited for a processor, most of the time if
 * there are many children, and who took that for long tasks would hand them out one by one, which
 * makes the wait longer still.
 */
static uint64_t took_us(const struct core *c, struct child *k, uint64_t ran_us)
{
    uint64_t passed = c->now - k->last_us, ran = ran_us - k->ran_us;

    if (ran_us == 0)
        return passed;
    k->ran_us = ran_us;
    return ran < passed ? ran : passed;
}

/*
 * The measured time a task. Results that came together share the time since the ones before; how
 * many they are is known only when the next come. A long one counts at once, so that little is
 * handed behind it.
 */
static void measure(struct core *c, struct child *k, uint64_t ran_us)
{
    struct pool *p = c->pools[k->pool];
    uint64_t sample;

    if (c->now == k->last_us && k->batch_count > 0) {
        k->batch_count++;
        return;
    }
    if (k->batch_count > 0) {
        sample = k->batch_us * 1000 / k->batch_count + 1;
        if (sample > p->run_avg_ns)
            p->run_avg_ns = (p->run_avg_ns + sample) / 2 + 1;
        else
            p->run_avg_ns -= (p->run_avg_ns - sample) / 4;
    }
    k->batch_us = took_us(c, k, ran_us);
    k->batch_count = 1;
    if (p->run_avg_ns != 0 && k->batch_us * 1000 > p->run_avg_ns * GANGER_HAND_MAX * 2)
        p->run_avg_ns = k->batch_us * 1000 / GANGER_HAND_MAX;
}

void hand_told_check(struct core *c, uint32_t child)
{
    const struct child *k = child_at(c, child);
    struct task *t = task_at(c, slot_of(k, k->done));

    if (!k->frozen || k->limit - k->done != 1)
        t->marks = (uint8_t)(t->marks & ~MARK_LIMIT);
}

int hand_result(struct core *c, uint32_t child, const struct event *ev)
{
    struct child *k = child_at(c, child);
    uint32_t slot;

    if (ev->seq != k->done || k->done == k->limit || k->state == CHILD_EXITED)
        return GANGER_ESTALE;
    hand_told_check(c, child);
    slot = slot_of(k, k->done++);
    measure(c, k, ev->time_us);
    k->last_us = c->now;
    k->exclusive = false;
    if (k->done == k->limit)
        k->frozen = false;
    attempt_result(c, slot, ev->code, (uint32_t)ev->number);
    if (!ev->flag)
        hand_head_runs(c, child);
    return 0;
}

int hand_returned(struct core *c, uint32_t child, const struct event *ev)
{
    struct child *k = child_at(c, child);

    if (k->state != CHILD_READY || ev->number == 0)
        return GANGER_ESTALE;
    if (ev->number > k->handed - k->limit - k->returned || k->done != k->limit)
        return GANGER_EPROTO;
    k->returned += (uint32_t)ev->number;
    if (k->returned == k->handed - k->limit) {
        k->done = k->limit = k->handed;
        k->returned = 0;
        k->exclusive = false;
    }
    return 0;
}

void hand_refuse_rest(struct core *c, uint32_t child, uint32_t begun)
{
    struct child *k = child_at(c, child);

    if (begun < k->done)
        begun = k->done;
    if (begun > k->limit)
        begun = k->limit;
    while (k->limit > begun)
        give_back(c, slot_of(k, --k->limit));
}

void hand_refuse_finished(struct core *c, uint32_t child)
{
    struct child *k = child_at(c, child);

    /* Finished, but the results died with the process: they run again, uncharged. */
    while (k->done + 1 < k->limit) {
        uint32_t slot = slot_of(k, k->done++);

        give_back(c, slot);
    }
}
