/*
 * What the engine asks for. It may ask from inside a verb that a link's reader called, so nothing
 * here calls it back or frees anything: that is left to the end of the turn.
 */
#include "pool/internal.h"

#include <signal.h>

static void op_agent_start(void *ctx, uint32_t index)
{
    struct pool *pool = ctx;
    struct agent *a = pool_agent(pool, index);

    if (a == NULL || a->external)
        return;
    a->wanted = true;
    agent_dirty(a);
}

static void op_spawn(void *ctx, uint32_t index, uint32_t slot, uint32_t gen)
{
    struct pool *pool = ctx;
    struct agent *a = pool_agent(pool, index);
    struct child *c;

    if (a == NULL || child_new(a, slot, gen, &c) < 0)
        return; /* the engine's time limit for a start sees to it */
    if (a->state == AGENT_UP) {
        msg_write_child(outbox_frame(&a->out), MSG_SPAWN, slot, gen);
        agent_dirty(a);
    } else {
        c->orphan = true;
        child_dirty(c);
    }
}

static void op_hand(
    void *ctx, uint32_t slot, uint32_t gen, const struct msg_hand *h, struct body *call)
{
    struct pool *pool = ctx;
    struct child *c = child_table_find(&pool->children, slot, gen);

    if (c != NULL)
        hands_add(c, h, call);
}

static uint32_t op_take_back(void *ctx, uint32_t slot, uint32_t gen, uint32_t keep)
{
    struct pool *pool = ctx;
    struct child *c = child_table_find(&pool->children, slot, gen);

    return c == NULL ? keep : hands_take_back(c, keep);
}

static void signal_ask(struct child *c, uint32_t number)
{
    struct agent *a = c->agent;
    struct msg_signal m = { c->slot, c->gen, number };

    if (c->orphan || a->watch == NULL)
        return;
    msg_write_signal(outbox_frame(&a->out), &m);
    agent_dirty(a);
}

static void op_stop(void *ctx, uint32_t slot, uint32_t gen, uint32_t seq)
{
    struct pool *pool = ctx;
    struct child *c = child_table_find(&pool->children, slot, gen);

    if (c == NULL || c->page == NULL)
        return;
    atomic_store_explicit(&c->page->cancel, seq + 1, memory_order_release);
    signal_ask(c, SIGTERM);
}

static void op_kill(void *ctx, uint32_t slot, uint32_t gen)
{
    struct pool *pool = ctx;
    struct child *c = child_table_find(&pool->children, slot, gen);

    if (c == NULL)
        return;
    c->killed = true;
    signal_ask(c, SIGKILL);
}

static void op_retire(void *ctx, uint32_t slot, uint32_t gen)
{
    struct pool *pool = ctx;
    struct child *c = child_table_find(&pool->children, slot, gen);

    if (c == NULL)
        return;
    c->retiring = true;
    child_dirty(c);
}

static void op_read(void *ctx, uint32_t slot, uint32_t gen, bool on)
{
    struct pool *pool = ctx;
    struct child *c = child_table_find(&pool->children, slot, gen);

    if (c == NULL || c->held == !on)
        return;
    c->held = !on;
    child_dirty(c);
}

void ops_fill(struct pool *pool, struct engine_pool_ops *ret_ops)
{
    *ret_ops = (struct engine_pool_ops){ .ctx = pool,
        .agent_start = op_agent_start,
        .spawn = op_spawn,
        .hand = op_hand,
        .take_back = op_take_back,
        .stop = op_stop,
        .kill = op_kill,
        .retire = op_retire,
        .read = op_read };
}
