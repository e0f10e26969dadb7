#include "engine/internal.h"

#include <stdlib.h>
#include <syslog.h>

#define FORGET_AHEAD 4 /* effects; a durable task has two */

static void run_ended(struct engine *e, const struct effect *f, struct body *outcome)
{
    struct msg_end end = { .req = f->req,
        .id = f->id,
        .end = (uint32_t)(f->state - TASK_DONE) + END_DONE,
        .code = f->code,
        .attempts = f->attempt };

    if (outcome != NULL)
        end.outcome = (struct slice){ outcome->data, outcome->len };
    e->cfg.net.ended(e->cfg.net.ctx, f->session, &end, outcome);
}

static void run_gone(struct engine *e, const struct effect *f)
{
    run_ended(e, f, e->result);
    entry_drop(e, f->slot);
}

static void run_hand(struct engine *e, const struct effect *f)
{
    struct body *call = entry_body(e, f->slot);
    struct msg_hand h;

    h.seq = f->seq;
    h.id = f->id;
    h.fence = f->fence;
    h.attempt = f->attempt;
    h.flags = f->flags;
    h.limit_ms = f->limit_us == 0 ? 0 : f->limit_us / 1000;
    h.call = (struct slice){ call->data, call->len };
    e->cfg.pool.hand(e->cfg.pool.ctx, f->child, f->gen, &h, call);
}

static void run_take_back(struct engine *e, const struct effect *f)
{
    uint32_t begun = e->cfg.pool.take_back(e->cfg.pool.ctx, f->child, f->gen, f->seq);

    (void)step(e, &(struct event){ .type = EVENT_CHILD_TAKEN,
                      .child = f->child,
                      .gen = f->gen,
                      .seq = begun,
                      .number = f->seq });
}

static void run_reply(struct engine *e, const struct effect *f, const char *text)
{
    struct msg_reply r = { .req = f->req, .code = f->code };

    if (f->code != 0) {
        r.text.data = (const uint8_t *)text;
        r.text.len = __builtin_strlen(text);
    }
    e->cfg.net.reply(e->cfg.net.ctx, f->session, &r);
}

static void run_progress(struct engine *e, const struct effect *f)
{
    struct msg_progress p = *e->progress;

    p.req = f->req;
    p.id = f->id;
    e->cfg.net.progress(e->cfg.net.ctx, f->session, &p);
}

/* What concerns sessions. */
static void run_session(struct engine *e, const struct effect *f)
{
    const struct engine_net_ops *net = &e->cfg.net;

    switch (f->type) {
    case EFFECT_ACCEPTED:
        net->accepted(net->ctx, f->session, f->req, f->id);
        return;
    case EFFECT_UNKNOWN:
        net->refused(net->ctx, f->session, f->req, GANGER_EUNKNOWN,
            "the journal could not confirm this task; it may still run");
        return;
    case EFFECT_CANCEL:
        run_reply(e, f, "the task has ended already");
        return;
    case EFFECT_ROOM:
        run_reply(e, f, error_text(f->code));
        return;
    default:
        run_progress(e, f);
        return;
    }
}

/* What concerns agents and children. */
static void run_pool(struct engine *e, const struct effect *f)
{
    const struct engine_pool_ops *pool = &e->cfg.pool;

    switch (f->type) {
    case EFFECT_TAKE_BACK:
        run_take_back(e, f);
        return;
    case EFFECT_STOP:
        pool->stop(pool->ctx, f->child, f->gen, f->seq);
        return;
    case EFFECT_KILL:
        pool->kill(pool->ctx, f->child, f->gen);
        return;
    case EFFECT_RETIRE:
        pool->retire(pool->ctx, f->child, f->gen);
        return;
    case EFFECT_SPAWN:
        pool->spawn(pool->ctx, f->index, f->child, f->gen);
        return;
    case EFFECT_AGENT_START:
        pool->agent_start(pool->ctx, f->index);
        return;
    default:
        report(e, LOG_ERR, "pool-broken", "pool=%s reason=%s", core_pool_name(e->core, f->index),
            e->pools[f->index].reason == NULL ? "?" : e->pools[f->index].reason);
        return;
    }
}

/*
 * F forgets a task, and many more are forgotten in the same step. What the next ones have was last
 * touched a retention ago: it is on its way to the cache while F is carried out.
 */
static void forget_ahead(struct engine *e, const struct effect *f, const struct effect *end)
{
    if (end - f > 2 * FORGET_AHEAD && f[2 * FORGET_AHEAD].type == EFFECT_FORGET)
        entry_fetch(e, f[2 * FORGET_AHEAD].slot);
    if (end - f > FORGET_AHEAD && f[FORGET_AHEAD].type == EFFECT_FORGET)
        entry_fetch_body(e, f[FORGET_AHEAD].slot);
}

/* What not every task has. */
static void run(struct engine *e, const struct effect *f)
{
    switch (f->type) {
    case EFFECT_ENDED:
        run_ended(e, f, entry_body(e, f->slot));
        return;
    case EFFECT_OUTCOME:
        outcome_keep(e, f);
        return;
    case EFFECT_KEPT:
        kept_add(e, f->slot, f->id);
        return;
    case EFFECT_FORGET:
        if (f->own)
            kept_remove(e, f->slot, f->id);
        entry_drop(e, f->slot);
        return;
    case EFFECT_CALL_DONE:
        fact_ended(e, f->slot);
        return;
    case EFFECT_ACCEPTED:
    case EFFECT_UNKNOWN:
    case EFFECT_CANCEL:
    case EFFECT_ROOM:
    case EFFECT_PROGRESS:
        run_session(e, f);
        return;
    default:
        run_pool(e, f);
        return;
    }
}

void effects_run(struct engine *e)
{
    size_t count;
    const struct effect *f = core_effects(e->core, &count);

    for (const struct effect *end = f + count; f != end; f++) {
        if (f->type == EFFECT_HAND)
            run_hand(e, f);
        else if (f->type == EFFECT_GONE)
            run_gone(e, f);
        else if (f->type == EFFECT_APPEND)
            fact_append(e, f->slot, f->id, (enum fact)f->fact);
        else
            run(e, f);
        if (f->type == EFFECT_FORGET)
            forget_ahead(e, f, end);
    }
}
