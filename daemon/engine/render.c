#include "engine/internal.h"

#include <stdio.h>
#include <string.h>

static void put_text(struct out *o, const char *key, const char *text)
{
    write_str(o, key, strlen(key));
    write_str(o, text, strlen(text));
}

static void put_uint(struct out *o, const char *key, uint64_t v)
{
    write_str(o, key, strlen(key));
    write_uint(o, v);
}

static void put_id(struct out *o, const char *key, uint64_t id)
{
    char text[GANGER_ID_TEXT_MAX];

    (void)id_format(id, text);
    put_text(o, key, text);
}

static uint64_t until_ms(const struct engine *e, uint64_t us)
{
    return us == CORE_NEVER || us <= e->now_us ? 0 : (us - e->now_us) / 1000;
}

static uint64_t pid_of(const struct engine *e, uint32_t child, uint32_t gen)
{
    return child != 0 && child < e->child_cap && e->children[child].gen == gen
               ? e->children[child].pid
               : 0;
}

void render_status(struct engine *e, const struct core_task_info *t, struct out *o)
{
    write_map(o, 13);
    put_id(o, "id", t->id);
    put_text(o, "state", core_task_state_name(t->state));
    put_text(o, "pool", core_pool_name(e->core, t->pool));
    put_uint(o, "uid", t->uid);
    put_uint(o, "priority", t->priority);
    put_uint(o, "attempts", t->attempts);
    put_uint(o, "crashes", t->crashes);
    put_uint(o, "durable", (t->flags & CORE_TASK_DURABLE) != 0);
    put_uint(o, "payload_bytes", t->call_bytes);
    put_uint(o, "result_bytes", t->result_bytes);
    put_text(o, "error", t->code == 0 ? "" : error_name(t->code));
    put_uint(o, "pid", pid_of(e, t->child, t->gen));
    put_uint(o, "fence", t->fence);
}

static const char *const reasons[] = {
    [WHY_RUNNING] = "running",
    [WHY_ENDED] = "ended",
    [WHY_STORING] = "storing",
    [WHY_SETTLING] = "settling",
    [WHY_DELAY] = "delay",
    [WHY_BACKOFF] = "back-off",
    [WHY_GRACE] = "grace",
    [WHY_SEMAPHORE] = "semaphore",
    [WHY_RESERVED] = "reserved",
    [WHY_HANDED] = "handed",
    [WHY_STOPPING] = "stopping",
    [WHY_POOL_BROKEN] = "pool-broken",
    [WHY_POOL_PAUSED] = "pool-paused",
    [WHY_POOL_UNDEFINED] = "pool-undefined",
    [WHY_NO_WORKER] = "no-worker",
    [WHY_WORKERS_STARTING] = "workers-starting",
    [WHY_QUEUE] = "queue",
    [WHY_DRAINING] = "draining",
};

static void why_wait_text(
    const struct engine *e, const struct core_why *w, char *text, size_t bytes)
{
    unsigned long long ms = until_ms(e, w->due_us);

    switch (w->reason) {
    case WHY_DELAY:
        (void)snprintf(text, bytes, "delayed: due in %llu ms", ms);
        return;
    case WHY_BACKOFF:
        (void)snprintf(
            text, bytes, "attempt %u failed; the next is due in %llu ms", w->task.attempts, ms);
        return;
    case WHY_GRACE:
        (void)snprintf(text, bytes,
            "held until the workers of before the restart are known to be gone, at most %llu ms",
            ms);
        return;
    case WHY_SEMAPHORE:
        (void)snprintf(text, bytes, "semaphore %s lacks permits: wants %u, %u of %u are held",
            core_sem_name(e->core, w->sem), w->sem_wanted, w->sem_held, w->sem_limit);
        return;
    case WHY_RESERVED:
        (void)snprintf(text, bytes, "semaphore %s is reserved for an older task",
            core_sem_name(e->core, w->sem));
        return;
    default:
        (void)snprintf(text, bytes, "%llu ahead of it in its lane; %u workers, %u busy",
            (unsigned long long)w->ahead, w->workers_ready, w->workers_busy);
        return;
    }
}

static void why_text(const struct engine *e, const struct core_why *w, char *text, size_t bytes)
{
    const char *pool = core_pool_name(e->core, w->task.pool);
    const char *reason = w->task.pool < e->pool_cap ? e->pools[w->task.pool].reason : NULL;

    switch (w->reason) {
    case WHY_POOL_BROKEN:
        (void)snprintf(text, bytes, "pool %s is broken: %s", pool, reason == NULL ? "?" : reason);
        return;
    case WHY_POOL_PAUSED:
        (void)snprintf(text, bytes, "pool %s is paused", pool);
        return;
    case WHY_POOL_UNDEFINED:
        (void)snprintf(text, bytes, "pool %s is not in the configuration", pool);
        return;
    case WHY_NO_WORKER:
        if (w->workers_wanted == 0) {
            (void)snprintf(text, bytes, "pool %s has 0 processes; resize it", pool);
            return;
        }
        (void)snprintf(text, bytes, "pool %s has no worker%s%s", pool, reason == NULL ? "" : ": ",
            reason == NULL ? "" : reason);
        return;
    case WHY_WORKERS_STARTING:
        (void)snprintf(text, bytes, "the workers of pool %s are starting", pool);
        return;
    case WHY_DELAY:
    case WHY_BACKOFF:
    case WHY_GRACE:
    case WHY_SEMAPHORE:
    case WHY_RESERVED:
    case WHY_QUEUE:
        why_wait_text(e, w, text, bytes);
        return;
    default:
        (void)snprintf(text, bytes, "%s", reasons[w->reason]);
        return;
    }
}

void render_why(struct engine *e, const struct core_why *w, struct out *o)
{
    char text[GANGER_TEXT_MAX];
    bool sem = w->reason == WHY_SEMAPHORE || w->reason == WHY_RESERVED;

    why_text(e, w, text, sizeof text);
    write_map(o, 13);
    put_id(o, "id", w->task.id);
    put_text(o, "state", core_task_state_name(w->task.state));
    put_text(o, "reason", reasons[w->reason]);
    put_text(o, "text", text);
    put_text(o, "pool", core_pool_name(e->core, w->task.pool));
    put_uint(o, "due_in_ms", until_ms(e, w->due_us));
    put_uint(o, "ahead", w->ahead);
    put_uint(o, "workers", w->workers_ready);
    put_text(o, "semaphore", sem ? core_sem_name(e->core, w->sem) : "");
    put_uint(o, "limit", w->sem_limit);
    put_uint(o, "held", w->sem_held);
    put_uint(o, "wanted", w->sem_wanted);
    write_str(o, "holders", 7);
    write_array(o, w->holder_count);
    for (uint32_t i = 0; i < w->holder_count; i++) {
        char id[GANGER_ID_TEXT_MAX];

        write_str(o, id, id_format(w->holders[i], id));
    }
}

static const char *pool_state_name(enum pool_state s)
{
    static const char *const names[] = { [POOL_UNDEFINED] = "undefined",
        [POOL_STARTING] = "starting",
        [POOL_OK] = "ok",
        [POOL_PAUSED] = "paused",
        [POOL_BROKEN] = "broken" };

    return names[s];
}

static void render_pids(struct engine *e, uint32_t pool, struct out *o)
{
    uint32_t child, gen, count = 0;
    uint64_t task;
    bool ready;

    for (uint32_t i = 0; core_pool_child(e->core, pool, i, &child, &gen, &ready, &task); i++)
        count += pid_of(e, child, gen) != 0;
    write_str(o, "pids", 4);
    write_array(o, count);
    for (uint32_t i = 0; core_pool_child(e->core, pool, i, &child, &gen, &ready, &task); i++) {
        if (pid_of(e, child, gen) != 0)
            write_uint(o, pid_of(e, child, gen));
    }
}

static void render_pool(struct engine *e, uint32_t pool, struct out *o)
{
    const struct engine_pool *p = &e->pools[pool];
    struct core_pool_info i;

    core_pool_info(e->core, pool, &i);
    write_map(o, 21);
    put_text(o, "name", core_pool_name(e->core, pool));
    put_text(o, "kind", p->kind == NULL ? "" : p->kind);
    put_text(o, "state", pool_state_name(i.state));
    put_text(o, "reason", p->reason == NULL || i.state == POOL_OK ? "" : p->reason);
    put_uint(o, "processes", i.target);
    put_uint(o, "ready", i.ready);
    put_uint(o, "busy", i.busy);
    put_uint(o, "waiting", i.waiting);
    put_uint(o, "delayed", i.delayed);
    put_uint(o, "blocked", i.blocked);
    put_uint(o, "running", i.running);
    put_uint(o, "tasks", i.tasks);
    put_uint(o, "bytes", i.bytes);
    put_uint(o, "backlog", i.settings.backlog);
    put_uint(o, "backlog_bytes", i.settings.backlog_bytes);
    put_uint(o, "done", i.done);
    put_uint(o, "failed", i.failed);
    put_uint(o, "deaths", i.deaths);
    put_uint(o, "run_avg_us", i.run_avg_us);
    put_uint(o, "depth", i.depth);
    render_pids(e, pool, o);
}

void render_pools(struct engine *e, uint32_t only, struct out *o)
{
    uint32_t count = core_pool_count(e->core);

    if (only != UINT32_MAX) {
        write_array(o, 1);
        render_pool(e, only, o);
        return;
    }
    write_array(o, count);
    for (uint32_t i = 0; i < count; i++) {
        (void)pools_reserve(e, i);
        render_pool(e, i, o);
    }
}

void render_sem(struct engine *e, uint32_t sem, struct out *o)
{
    struct core_sem_info i;
    bool by_hand = sem < e->sem_cap && e->sems[sem].by_hand;

    core_sem_info(e->core, sem, &i);
    write_map(o, 6);
    put_text(o, "name", core_sem_name(e->core, sem));
    put_uint(o, "limit", i.limit);
    put_uint(o, "held", i.held);
    put_uint(o, "waiting", i.waiting);
    put_text(o, "source", by_hand ? "set" : "configuration");
    put_uint(o, "reserved", i.reserved_by != 0);
}

void render_sems(struct engine *e, struct out *o)
{
    uint32_t count = core_sem_count(e->core);

    write_array(o, count);
    for (uint32_t i = 0; i < count; i++)
        render_sem(e, i, o);
}

static void render_core_stats(struct engine *e, struct out *o)
{
    struct core_stats s;

    core_stats(e->core, &s);
    put_uint(o, "tasks", s.tasks);
    put_uint(o, "storing", s.storing);
    put_uint(o, "delayed", s.delayed);
    put_uint(o, "ready", s.ready);
    put_uint(o, "blocked", s.blocked);
    put_uint(o, "handed", s.handed);
    put_uint(o, "running", s.running);
    put_uint(o, "stopping", s.stopping);
    put_uint(o, "settling", s.settling);
    put_uint(o, "retained", s.retained);
    put_uint(o, "submitted", s.submitted);
    put_uint(o, "done", s.done);
    put_uint(o, "failed", s.failed);
    put_uint(o, "cancelled", s.cancelled);
    put_uint(o, "dead", s.dead);
    put_uint(o, "retries", s.retries);
    put_uint(o, "deaths", s.deaths);
    put_uint(o, "taken_back", s.taken_back);
    put_uint(o, "stale", s.stale);
}

void render_stats(struct engine *e, struct out *o)
{
    struct store_stats j;

    store_stats(e->store, &j);
    write_map(o, 19 + 13);
    render_core_stats(e, o);
    put_uint(o, "epoch", e->epoch);
    put_uint(o, "sessions", e->sessions);
    put_uint(o, "journal_records", j.appended_records);
    put_uint(o, "journal_bytes", j.appended_bytes);
    put_uint(o, "journal_syncs", j.syncs);
    put_uint(o, "journal_copied_bytes", j.copied_bytes);
    put_uint(o, "journal_segments", j.segments);
    put_uint(o, "journal_free_segments", j.free_segments);
    put_uint(o, "journal_live_bytes", j.live_bytes);
    put_uint(o, "journal_reserved_bytes", j.reserved_bytes);
    put_uint(o, "journal_disk_bytes", j.disk_bytes);
    put_uint(o, "journal_failures", j.failures);
    put_uint(o, "journal_synced", j.synced_birth);
}
