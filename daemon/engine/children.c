#include "engine/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

static int children_reserve(struct engine *e, uint32_t child)
{
    uint32_t cap = e->child_cap == 0 ? 64 : e->child_cap;
    struct engine_child *children;

    if (child < e->child_cap)
        return 0;
    while (cap <= child)
        cap *= 2;
    children = realloc(e->children, cap * sizeof *children);
    if (children == NULL)
        return GANGER_ENOMEM;
    memset(children + e->child_cap, 0, (cap - e->child_cap) * sizeof *children);
    e->children = children;
    e->child_cap = cap;
    return 0;
}

/* Why the pool's workers do not come up, for refusals, `why` and the log. */
static void keep_reason(struct engine *e, uint32_t pool, const char *text)
{
    char *copy;

    if (pool >= e->pool_cap || text == NULL || text[0] == '\0')
        return;
    copy = strdup(text);
    if (copy == NULL)
        return;
    free(e->pools[pool].reason);
    e->pools[pool].reason = copy;
}

void engine_agent_up(struct engine *e, uint32_t pool)
{
    (void)step(e, &(struct event){ .type = EVENT_AGENT_UP, .index = pool });
}

void engine_agent_down(struct engine *e, uint32_t pool, int code, const char *text)
{
    keep_reason(e, pool, text);
    (void)step(e, &(struct event){ .type = EVENT_AGENT_DOWN, .index = pool, .code = code });
}

void engine_child_started(struct engine *e, uint32_t child, uint32_t gen, uint64_t pid)
{
    struct engine_child *k;

    if (children_reserve(e, child) < 0)
        return;
    k = &e->children[child];
    free(k->tail);
    free(k->text);
    *k = (struct engine_child){ .gen = gen, .pid = pid };
}

void engine_child_ready(struct engine *e, uint32_t child, uint32_t gen)
{
    (void)step(e, &(struct event){ .type = EVENT_CHILD_READY, .child = child, .gen = gen });
}

/* Codes travel as the negative GANGER_E numbers; whatever else a worker says is its own error. */
static int legal_code(int code)
{
    return code == 0 ? 0 : code < 0 && code >= -UINT8_MAX ? code : GANGER_EFAILED;
}

/* Memory of a result that was passed on is kept for the next one up to this size. */
#define SPARE_BYTES_MAX 1024u

static int result_take(struct engine *e, struct slice outcome)
{
    e->result = NULL;
    if (outcome.len == 0)
        return 0;
    e->result = body_again(e->result_spare, outcome.data, (uint32_t)outcome.len);
    e->result_spare = NULL;
    return e->result == NULL ? GANGER_ENOMEM : 0;
}

static void result_drop(struct engine *e)
{
    if (e->result != NULL && e->result->refs == 1 && e->result->len <= SPARE_BYTES_MAX)
        e->result_spare = e->result;
    else
        body_unref(e->result);
    e->result = NULL;
}

void engine_child_result(struct engine *e, uint32_t child, uint32_t gen, const struct msg_result *r,
    uint64_t ran_us, bool more)
{
    struct event *ev = &e->result_event;

    e->heard++;
    ev->child = child;
    ev->gen = gen;
    ev->seq = r->seq;
    ev->code = legal_code(r->code);
    ev->flag = more;
    ev->number = r->outcome.len;
    ev->time_us = ran_us;
    if (result_take(e, r->outcome) < 0)
        ev->code = GANGER_ENOMEM; /* the end is told although its value could not be kept */
    e->result_child = child;
    e->result_gen = gen;
    (void)step(e, ev);
    e->result_child = 0;
    result_drop(e);
}

void engine_child_progress(
    struct engine *e, uint32_t child, uint32_t gen, const struct msg_progress *p)
{
    e->progress = p;
    (void)step(e, &(struct event){ .type = EVENT_PROGRESS, .child = child, .gen = gen });
    e->progress = NULL;
}

void engine_child_returned(struct engine *e, uint32_t child, uint32_t gen, uint32_t count)
{
    int rc = step(
        e, &(struct event){
               .type = EVENT_CHILD_RETURNED, .child = child, .gen = gen, .number = count });

    if (rc == GANGER_EPROTO)
        engine_child_garbage(e, child, gen, "it returned hands that were not taken back");
}

static uint32_t begun_of(struct engine *e, uint32_t child, uint32_t gen)
{
    return e->cfg.pool.take_back(e->cfg.pool.ctx, child, gen, 0);
}

void engine_child_link_closed(struct engine *e, uint32_t child, uint32_t gen)
{
    (void)step(e, &(struct event){ .type = EVENT_LINK_CLOSED,
                      .child = child,
                      .gen = gen,
                      .seq = begun_of(e, child, gen) });
}

static void keep_end(struct engine *e, uint32_t child, uint32_t gen,
    const struct msg_worker_end *end, const char *text)
{
    struct engine_child *k;
    size_t n = end->stderr_tail.len < GANGER_STDERR_TAIL ? end->stderr_tail.len
                                                         : GANGER_STDERR_TAIL;

    if (children_reserve(e, child) < 0)
        return;
    k = &e->children[child];
    free(k->tail);
    free(k->text);
    *k = (struct engine_child){ .gen = gen, .pid = end->pid, .end = *end, .exited = true };
    k->tail = n == 0 ? NULL : malloc(n);
    if (k->tail != NULL)
        memcpy(k->tail, end->stderr_tail.data + (end->stderr_tail.len - n), n);
    k->end.stderr_tail = (struct slice){ k->tail, k->tail == NULL ? 0 : n };
    k->text = text == NULL ? NULL : strdup(text);
}

/* The pool of a child that has not become ready: its text, else how it ended. */
static void keep_early_reason(struct engine *e, uint32_t child, uint32_t gen,
    const struct msg_worker_end *end, const char *text)
{
    char reason[GANGER_TEXT_MAX + 128];
    uint32_t pool = core_child_pool(e->core, child, gen);

    if (pool == UINT32_MAX)
        return;
    if (text != NULL && text[0] != '\0')
        (void)snprintf(reason, sizeof reason, "%s", text);
    else
        (void)snprintf(reason, sizeof reason, "worker %llu died before its first task: %s %u%s%.*s",
            (unsigned long long)end->pid, end->signal != 0 ? "signal" : "exit status",
            end->signal != 0 ? end->signal : end->exit_code,
            end->stderr_tail.len > 0 ? "; last words: " : "",
            (int)(end->stderr_tail.len < 1024 ? end->stderr_tail.len : 1024),
            end->stderr_tail.len > 0 ? (const char *)end->stderr_tail.data : "");
    keep_reason(e, pool, reason);
}

void engine_child_exited(struct engine *e, uint32_t child, uint32_t gen,
    const struct msg_worker_end *end, bool group_empty, const char *text)
{
    struct event ev = { .type = EVENT_CHILD_EXITED,
        .child = child,
        .gen = gen,
        .group_empty = group_empty,
        .cause = { .code = -GANGER_EDIED,
            .signal = (uint8_t)end->signal,
            .exit_code = (uint8_t)end->exit_code } };

    keep_end(e, child, gen, end, text);
    if (!core_child_was_ready(e->core, child, gen))
        keep_early_reason(e, child, gen, end, text);
    ev.seq = begun_of(e, child, gen);
    (void)step(e, &ev);
}

void engine_child_group_empty(struct engine *e, uint32_t child, uint32_t gen)
{
    (void)step(e, &(struct event){ .type = EVENT_GROUP_EMPTY, .child = child, .gen = gen });
}

void engine_child_garbage(struct engine *e, uint32_t child, uint32_t gen, const char *text)
{
    report(e, LOG_ERR, "child-garbage", "child=%u text=%s", child, text);
    (void)step(e, &(struct event){ .type = EVENT_CHILD_GARBAGE,
                      .child = child,
                      .gen = gen,
                      .seq = begun_of(e, child, gen) });
}
