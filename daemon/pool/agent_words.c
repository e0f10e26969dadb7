/* What an agent says on its link. */
#include "conf/log.h"
#include "pool/internal.h"
#include "proto/err.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void agent_hello(struct agent *a)
{
    static const char name[] = "gangerd " GANGER_VERSION;
    const struct engine *engine = a->pool->engine;
    struct msg_hello m = { .version = GANGER_PROTOCOL_VERSION,
        .role = ROLE_DAEMON,
        .name = { (const uint8_t *)name, sizeof name - 1 },
        .frame_max = GANGER_FRAME_MAX,
        .payload_max = GANGER_PAYLOAD_MAX,
        .name_max = GANGER_NAME_MAX,
        .batch_max = GANGER_BATCH_MAX,
        .needs_max = GANGER_NEEDS_MAX,
        .epoch = engine == NULL ? 0 : engine_epoch(engine),
        .pid = (uint64_t)getpid() };

    msg_write_hello(outbox_frame(&a->out), &m);
    agent_dirty(a);
}

static int refuse(struct agent *a, int code, const char *text)
{
    log_event(LOG_WARNING, "agent-garbage", "pool=%s pid=%d text=%s", a->name, (int)a->pid, text);
    agent_leave(a, code, text, true);
    return GANGER_ECONN;
}

static int on_hello(struct agent *a, struct msg *m)
{
    struct msg_hello hello;

    if (msg_read_hello(m, &hello) < 0 || a->greeted)
        return refuse(a, GANGER_EPROTO, "malformed or second hello");
    if (hello.version != GANGER_PROTOCOL_VERSION)
        return refuse(a, GANGER_EVERSION, "the agent speaks another version of the protocol");
    if (hello.role != ROLE_AGENT || hello.name.len != strlen(a->name) ||
        memcmp(hello.name.data, a->name, hello.name.len) != 0)
        return refuse(a, GANGER_EPROTO, "the hello is not that of this pool's agent");
    a->greeted = true;
    return INBOX_GO;
}

/* The text of a message as a C string. */
static void text_copy(struct slice text, char *buf, size_t bytes)
{
    (void)snprintf(
        buf, bytes, "%.*s", (int)text.len, text.data == NULL ? "" : (const char *)text.data);
}

static int on_agent(struct agent *a, struct msg *m)
{
    struct pool *pool = a->pool;
    struct msg_agent word;

    if (msg_read_agent(m, &word) < 0 || (word.code == 0 && a->state != AGENT_STARTING))
        return refuse(a, GANGER_EPROTO, "malformed or second word of a start");
    if (word.code != 0) {
        /* It goes by itself now; its exit is awaited so that nothing of it is left. */
        char text[AGENT_TEXT_MAX];

        text_copy(word.text, text, sizeof text);
        agent_leave(a, word.code, text, false);
        return GANGER_ECONN;
    }
    a->state = AGENT_UP;
    if (pool->engine != NULL)
        engine_agent_up(pool->engine, a->index);
    return INBOX_GO;
}

static int on_error(struct agent *a, struct msg *m)
{
    char text[AGENT_TEXT_MAX];
    struct msg_error error;

    if (msg_read_error(m, &error) < 0)
        return refuse(a, GANGER_EPROTO, "malformed error");
    text_copy(error.text, text, sizeof text);
    agent_leave(a, error.code == 0 ? GANGER_EAGENT : error.code, text, false);
    return GANGER_ECONN;
}

/* The child of that name, if it is this agent's. */
static struct child *child_of(const struct agent *a, uint32_t slot, uint32_t gen)
{
    struct child *c = child_table_find(&a->pool->children, slot, gen);

    return c != NULL && c->agent == a && !c->orphan ? c : NULL;
}

static int on_started(struct agent *a, struct msg *m)
{
    struct pool *pool = a->pool;
    struct msg_started started;
    struct child *c;
    int link, page;

    if (msg_read_started(m, &started) < 0 || started.pid == 0 || started.pid > INT32_MAX)
        return refuse(a, GANGER_EPROTO, "malformed word of a child's start");
    link = descriptors_take(&a->descriptors);
    page = descriptors_take(&a->descriptors);
    c = child_of(a, started.child, started.gen);
    if (link < 0 || page < 0 || c == NULL || c->state != CHILD_ASKED) {
        if (link >= 0)
            (void)close(link);
        if (page >= 0)
            (void)close(page);
        return refuse(a, GANGER_EPROTO,
            "start of a child that was not asked for, or without its "
            "descriptors");
    }
    if (child_started(c, (pid_t)started.pid, link, page) < 0)
        return refuse(a, GANGER_EPROTO, "a child's descriptors are not a link and a sealed page");
    if (pool->engine != NULL)
        engine_child_started(pool->engine, c->slot, c->gen, started.pid);
    return INBOX_GO;
}

static int on_exited(struct agent *a, struct msg *m)
{
    struct msg_exited exited;
    struct child *c;

    if (msg_read_exited(m, &exited) < 0)
        return refuse(a, GANGER_EPROTO, "malformed word of a child's end");
    c = child_of(a, exited.child, exited.gen);
    if (c == NULL)
        log_event(
            LOG_DEBUG, "child-stale", "pool=%s child=%u gen=%u", a->name, exited.child, exited.gen);
    else
        child_exited(c, &exited.end, exited.group_empty, exited.text);
    return INBOX_GO;
}

static int on_empty(struct agent *a, struct msg *m)
{
    struct msg_child word;
    struct child *c;

    if (msg_read_child(m, &word) < 0)
        return refuse(a, GANGER_EPROTO, "malformed word of an empty group");
    c = child_of(a, word.child, word.gen);
    if (c != NULL)
        child_group_empty(c);
    return INBOX_GO;
}

static const struct word {
    uint32_t type;
    bool early; /* may come before the hello */
    int (*run)(struct agent *a, struct msg *m);
} words[] = {
    { MSG_STARTED, false, on_started },
    { MSG_EXITED, false, on_exited },
    { MSG_EMPTY, false, on_empty },
    { MSG_AGENT, false, on_agent },
    { MSG_ERROR, true, on_error },
    { MSG_HELLO, true, on_hello },
};

int agent_word(void *ctx, const uint8_t *body, size_t body_bytes)
{
    struct agent *a = ctx;
    struct msg m;

    a->pool->verbs = true;
    if (msg_open(body, body_bytes, &m) < 0)
        return refuse(a, GANGER_EPROTO, "its link carries bytes that are no message");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].type == m.type && (a->greeted || words[i].early))
            return words[i].run(a, &m);
    }
    return refuse(a, GANGER_EPROTO, "a message that an agent has no business to send");
}
