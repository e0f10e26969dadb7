/* The ends of processes: agents, and children whose agent is gone. */
#include "pool/internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct reaped {
    pid_t pid;
    int status;
    struct rusage usage;
};

static uint64_t microseconds(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec;
}

static struct msg_worker_end end_of(const struct reaped *r)
{
    struct msg_worker_end end = { .pid = (uint64_t)r->pid,
        .user_us = microseconds(r->usage.ru_utime),
        .system_us = microseconds(r->usage.ru_stime),
        .maxrss_kib = (uint64_t)r->usage.ru_maxrss };

    if (WIFSIGNALED(r->status)) {
        end.signal = (uint32_t)WTERMSIG(r->status);
        end.core = WCOREDUMP(r->status) != 0;
    } else {
        end.exit_code = (uint32_t)WEXITSTATUS(r->status);
    }
    return end;
}

/* Its agent was killed before it could report the end, so it is for us to say. */
static void child_match(void *ctx, struct child *c)
{
    const struct reaped *r = ctx;
    struct msg_worker_end end;

    if (c->pid != r->pid || c->state != CHILD_RUNNING || c->agent->external)
        return;
    end = end_of(r);
    child_exited(c, &end, false, (struct slice){ NULL, 0 });
}

static void reap_one(struct pool *pool, struct reaped *r)
{
    for (uint32_t i = 0; i < pool->agent_count; i++) {
        struct agent *a = pool->agents[i];

        if (a != NULL && a->pid == r->pid) {
            agent_reaped(a, r->status);
            return;
        }
    }
    child_table_each(&pool->children, child_match, r);
}

void reap_all(struct pool *pool)
{
    struct reaped r;

    for (;;) {
        r.pid = wait4(-1, &r.status, WNOHANG, &r.usage);
        if (r.pid < 0 && errno == EINTR)
            continue;
        if (r.pid <= 0)
            return;
        reap_one(pool, &r);
    }
}

/*
 * Nothing that an agent left is there any more: whoever has not been reported has been reaped by
 * its agent, which died before it said so.
 */
static void child_settle(void *ctx, struct child *c)
{
    static const char text[] = "its agent was lost";
    struct msg_worker_end end = { .pid = (uint64_t)c->pid };

    (void)ctx;
    if (!c->orphan || c->agent->external)
        return;
    if (c->state == CHILD_EXITED || c->end != NULL)
        child_group_empty(c);
    else
        child_exited(c, &end, true, (struct slice){ (const uint8_t *)text, sizeof text - 1 });
}

/*
 * The agent of an external pool is not our child, nor are its children. That nobody holds the
 * other end of a child's link is all that shows its end; an engine that will not wait for that
 * kills it, which here can only mean to give it up.
 */
static void stranger_settle(void *ctx, struct child *c)
{
    static const char text[] = "its agent has left; how it ended is not known";
    struct msg_worker_end end = { .pid = (uint64_t)c->pid };

    (void)ctx;
    if (!c->orphan || !c->agent->external)
        return;
    if (c->state == CHILD_EXITED)
        child_group_empty(c);
    else if (c->end == NULL && (c->watch == NULL || c->killed))
        child_exited(c, &end, true, (struct slice){ (const uint8_t *)text, sizeof text - 1 });
}

static void stranger_count(void *ctx, struct child *c)
{
    if (c->orphan && c->agent->external)
        ++*(unsigned *)ctx;
}

void reap_sweep(struct pool *pool)
{
    unsigned strangers = 0;

    if (!pool->sweeping)
        return;
    child_table_each(&pool->children, stranger_settle, NULL);
    child_table_each(&pool->children, stranger_count, &strangers);
    if (orphans_kill(pool) > 0)
        return;
    child_table_each(&pool->children, child_settle, NULL);
    pool->sweeping = strangers > 0 && !pool->stopping;
}
