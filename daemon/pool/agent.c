/* The agent of one pool: its process and its link. */
#include "conf/log.h"
#include "pool/internal.h"
#include "proto/err.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A read ends at each message that brings descriptors, so there are more of them than of bytes. */
#define READ_ROUNDS 16

void agent_dirty(struct agent *a)
{
    if (a->dirty)
        return;
    a->dirty = true;
    a->dirty_next = a->pool->dirty_agents;
    a->pool->dirty_agents = a;
}

static void link_close(struct agent *a)
{
    watch_close(a->watch);
    a->watch = NULL;
    inbox_done(&a->in);
    outbox_done(&a->out);
    descriptors_done(&a->descriptors);
}

/* What the agent leaves: children that nobody but us will hear of. */
static void child_orphan(void *ctx, struct child *c)
{
    static const struct msg_worker_end none;
    static const char text[] = "the agent was lost before it had started it";

    if (c->agent != ctx)
        return;
    c->orphan = true;
    if (c->state == CHILD_ASKED)
        child_exited(c, &none, true, (struct slice){ (const uint8_t *)text, sizeof text - 1 });
}

/* No process is left: tell the engine, and see to the children. */
static void agent_gone(struct agent *a)
{
    struct pool *pool = a->pool;
    bool greeted = a->greeted;

    link_close(a);
    a->state = AGENT_NONE;
    a->pid = 0;
    a->reaped = false;
    a->greeted = false;
    log_event(pool->stopping ? LOG_INFO : LOG_WARNING, "agent-gone", "pool=%s error=%s text=%s",
        a->name, error_name(a->code), a->text);
    pool->verbs = true;
    if (pool->engine != NULL && (greeted || !a->external))
        engine_agent_down(pool->engine, a->index, a->code, a->text);
    child_table_each(&pool->children, child_orphan, a);
    if (a->wanted)
        agent_dirty(a);
    pool->sweeping = true;
    pool_tick_need(pool);
}

void agent_leave(struct agent *a, int code, const char *text, bool now)
{
    if (a->state == AGENT_NONE)
        return;
    if (a->code == 0 && code != 0) {
        a->code = code;
        (void)snprintf(a->text, sizeof a->text, "%s", text);
    }
    link_close(a);
    if (a->pid == 0) {
        if (a->code == 0) {
            a->code = GANGER_EAGENT;
            (void)snprintf(a->text, sizeof a->text, "the agent has left");
        }
        agent_gone(a);
        return;
    }
    if (now && !a->reaped)
        (void)kill(a->pid, SIGKILL);
    if (a->state != AGENT_LEAVING)
        a->deadline_ms = uv_now(a->pool->loop) +
                         (a->pool->stopping ? AGENT_STOP_MS : AGENT_LEAVE_MS);
    a->state = AGENT_LEAVING;
    pool_tick_need(a->pool);
}

/* Read once. True: there may be more. */
static bool agent_read(struct agent *a)
{
    struct inbox_span span;
    size_t got;
    int rc = inbox_receive(
        &a->in, watch_fd(a->watch), a->pool->agent_shared, &a->descriptors, &span, &got);

    if (rc == GANGER_EAGAIN)
        return false;
    if (rc == 0)
        rc = inbox_frames(&a->in, span, GANGER_FRAME_MAX, agent_word, a);
    if (a->watch == NULL)
        return false;
    if (rc == GANGER_ECONN)
        agent_leave(a, 0, "", false);
    else if (rc < 0)
        agent_leave(a, rc, "its link carries what no agent sends", true);
    return rc >= 0;
}

void agent_reaped(struct agent *a, int status)
{
    a->reaped = true;
    /* Its last words count: ends of children, or why it could not start. */
    while (a->watch != NULL && agent_read(a))
        continue;
    if (a->code == 0) {
        a->code = GANGER_EAGENT;
        if (WIFSIGNALED(status))
            (void)snprintf(a->text, sizeof a->text, "the agent was killed by signal %d (%s)",
                WTERMSIG(status), strsignal(WTERMSIG(status)));
        else
            (void)snprintf(
                a->text, sizeof a->text, "the agent exited with status %d", WEXITSTATUS(status));
    }
    agent_gone(a);
}

static void on_link(void *owner, int events)
{
    struct agent *a = owner;

    if ((events & UV_WRITABLE) != 0)
        agent_dirty(a);
    if ((events & UV_READABLE) == 0)
        return;
    for (int i = 0; i < READ_ROUNDS && a->watch != NULL && agent_read(a); i++)
        continue;
}

int agent_link(struct agent *a, int fd, const uint8_t *bytes, size_t byte_count)
{
    struct pool *pool = a->pool;
    struct inbox_span span = { bytes, byte_count };
    int rc = watch_open(pool, pool->loop, fd, on_link, a, &a->watch);

    if (rc < 0)
        return rc;
    a->state = AGENT_STARTING;
    a->code = 0;
    a->text[0] = '\0';
    a->deadline_ms = uv_now(pool->loop) + a->init_timeout_ms + GANGER_HANDSHAKE_MS;
    a->out.spares = &pool->spares;
    agent_hello(a);
    (void)watch_set(a->watch, UV_READABLE);
    pool_tick_need(pool);
    if (byte_count > 0 && inbox_frames(&a->in, span, GANGER_FRAME_MAX, agent_word, a) < 0)
        agent_leave(a, GANGER_EPROTO, "its link carries what no agent sends", true);
    return 0;
}

void agent_start(struct agent *a)
{
    struct pool *pool = a->pool;
    char err[AGENT_TEXT_MAX];
    pid_t pid = 0;
    int link = -1;
    int rc;

    a->wanted = false;
    rc = spawn_agent(pool, a->argv, &pid, &link, err, sizeof err);
    if (rc == 0) {
        a->pid = pid;
        rc = agent_link(a, link, NULL, 0);
        if (rc == 0) {
            log_event(LOG_INFO, "agent-started", "pool=%s pid=%d", a->name, (int)pid);
            return;
        }
        (void)close(link);
        (void)kill(pid, SIGKILL);
        a->state = AGENT_LEAVING;
        a->code = rc;
        (void)snprintf(a->text, sizeof a->text, "its link cannot be watched");
        return;
    }
    log_event(LOG_ERR, "agent-failed", "pool=%s text=%s", a->name, err);
    pool->verbs = true;
    if (pool->engine != NULL)
        engine_agent_down(pool->engine, a->index, rc, err);
}

void agent_flush(struct agent *a)
{
    int rc;

    if (a->watch == NULL)
        return;
    rc = outbox_write(&a->out, watch_fd(a->watch));
    if (rc == GANGER_EAGAIN && outbox_unsent(&a->out) > AGENT_OUT_MAX) {
        agent_leave(a, GANGER_EAGENT, "the agent does not read its link", true);
        return;
    }
    /* A link that is broken is read to its end, which tells the rest. */
    (void)watch_set(a->watch, UV_READABLE | (rc == GANGER_EAGAIN ? UV_WRITABLE : 0));
}

void agent_tick(struct agent *a, uint64_t now_ms)
{
    if (now_ms < a->deadline_ms)
        return;
    if (a->state == AGENT_STARTING)
        agent_leave(a, GANGER_ETIMEDOUT, "the agent did not load its pool in time", true);
    else if (a->state == AGENT_LEAVING && a->pid != 0)
        (void)kill(a->pid, SIGKILL);
}

void agent_free(struct agent *a)
{
    if (a == NULL)
        return;
    if (a->pid != 0 && !a->reaped)
        (void)kill(a->pid, SIGKILL);
    link_close(a);
    argv_free(a->argv);
    free(a->name);
    free(a);
}
