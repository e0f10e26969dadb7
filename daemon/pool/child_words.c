/* What a child says on its link. All of it is user code's word: checked, and refused when wrong. */
#include "pool/internal.h"
#include "proto/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nothing more is read of a child that is held or to be killed. */
static int verdict(const struct child *c)
{
    if (c->garbage)
        return GANGER_ECONN;
    return c->held ? INBOX_PAUSE : INBOX_GO;
}

static void on_ready(struct child *c, struct msg *m)
{
    struct engine *engine = c->agent->pool->engine;
    struct msg_ready ready;

    if (msg_read_ready(m, &ready) < 0 || c->ready || c->text != NULL) {
        child_garbage(c, "malformed or second ready message");
        return;
    }
    if (ready.code != 0) {
        /* It exits by itself; the report of that says why. */
        c->text = strndup((const char *)ready.text.data, ready.text.len);
        return;
    }
    c->ready = true;
    if (engine != NULL)
        engine_child_ready(engine, c->slot, c->gen);
}

static void on_result(struct child *c, struct msg *m)
{
    struct engine *engine = c->agent->pool->engine;
    struct msg_result r;
    char text[96];

    for (uint32_t i = 0; i < m->count && !c->garbage; i++) {
        if (msg_read_result(m, &r) < 0) {
            child_garbage(c, "malformed result");
            return;
        }
        if (!hands_ended(c, r.seq)) {
            (void)snprintf(text, sizeof text, "result of hand %u where %u of %u is next", r.seq,
                c->next_result, c->handed);
            child_garbage(c, text);
            return;
        }
        if (engine != NULL)
            engine_child_result(engine, c->slot, c->gen, &r, page_ran(c->page), i + 1 < m->count);
    }
    if (msg_close(m) < 0)
        child_garbage(c, "a result message goes on behind its results");
}

static void on_progress(struct child *c, struct msg *m)
{
    struct engine *engine = c->agent->pool->engine;
    struct msg_progress p;

    if (msg_read_progress(m, &p) < 0 || p.req > UINT32_MAX ||
        !hands_outstanding(c, (uint32_t)p.req)) {
        child_garbage(c, "malformed progress, or of a task that it does not run");
        return;
    }
    if (engine != NULL)
        engine_child_progress(engine, c->slot, c->gen, &p);
}

static void on_returned(struct child *c, struct msg *m)
{
    struct engine *engine = c->agent->pool->engine;
    uint32_t count;

    if (msg_read_returned(m, &count) < 0 || !hands_returned(c, count)) {
        child_garbage(c, "it returns tasks that were not taken back");
        return;
    }
    if (engine != NULL)
        engine_child_returned(engine, c->slot, c->gen, count);
}

static const struct word {
    uint32_t type;
    bool early; /* may come before MSG_READY */
    void (*run)(struct child *c, struct msg *m);
} words[] = {
    { MSG_RESULT, false, on_result },
    { MSG_PROGRESS, false, on_progress },
    { MSG_RETURNED, false, on_returned },
    { MSG_READY, true, on_ready },
};

int child_word(void *ctx, const uint8_t *body, size_t body_bytes)
{
    struct child *c = ctx;
    struct msg m;

    c->agent->pool->verbs = true;
    if (msg_open(body, body_bytes, &m) < 0) {
        child_garbage(c, "its link carries bytes that are no message");
        return GANGER_ECONN;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].type != m.type || !(c->ready || words[i].early))
            continue;
        words[i].run(c, &m);
        return verdict(c);
    }
    child_garbage(c, "a message that it has no business to send");
    return GANGER_ECONN;
}
