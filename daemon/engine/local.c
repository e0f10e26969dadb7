#include "engine/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define CLOCK_JUMP_US 1000000 /* a smaller drift is what clocks do */

void report(struct engine *e, int level, const char *name, const char *format, ...)
{
    char text[512];
    va_list ap;

    if (e->cfg.event == NULL)
        return;
    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    e->cfg.event(e->cfg.event_ctx, level, name, text);
}

/* An effect may lead pool to report at once; such events wait until this step's effects are done.
 */
static void enqueue(struct engine *e, const struct event *ev)
{
    if (e->queue_len == e->queue_cap) {
        uint32_t cap = e->queue_cap == 0 ? 64 : e->queue_cap * 2;
        struct event *queue = realloc(e->queue, cap * sizeof *queue);

        GANGER_ASSERT(queue != NULL); /* a few hundred bytes for each child at the most */
        e->queue = queue;
        e->queue_cap = cap;
    }
    e->queue[e->queue_len++] = *ev;
}

/* The bytes of a task are in place before the first effect asks for them. */
static void admit(struct engine *e)
{
    entry_begin(e, e->admission);
    e->admission = NULL;
}

static void queue_run(struct engine *e)
{
    for (uint32_t i = 0; i < e->queue_len; i++) {
        struct event next = e->queue[i];

        (void)core_step(e->core, e->now_us, &next);
        effects_run(e);
    }
    e->queue_len = 0;
}

int step(struct engine *e, const struct event *ev)
{
    int rc;

    if (e->busy) {
        enqueue(e, ev);
        return 0;
    }
    e->busy = true;
    rc = core_step(e->core, e->now_us, ev);
    if (e->admission != NULL && rc == 0)
        admit(e);
    effects_run(e);
    if (e->queue_len != 0)
        queue_run(e);
    e->busy = false;
    return rc;
}

/* Room for index INDEX in an array of cells that start zeroed. */
static int array_reserve(void **array, uint32_t *cap, uint32_t index, size_t cell_bytes)
{
    uint32_t want = *cap == 0 ? 64 : *cap;
    void *grown;

    if (index < *cap)
        return 0;
    while (want <= index)
        want *= 2;
    grown = realloc(*array, want * cell_bytes);
    if (grown == NULL)
        return GANGER_ENOMEM;
    memset((char *)grown + *cap * cell_bytes, 0, (want - *cap) * cell_bytes);
    *array = grown;
    *cap = want;
    return 0;
}

int pools_reserve(struct engine *e, uint32_t pool)
{
    return array_reserve((void **)&e->pools, &e->pool_cap, pool, sizeof *e->pools);
}

int sems_reserve(struct engine *e, uint32_t sem)
{
    return array_reserve((void **)&e->sems, &e->sem_cap, sem, sizeof *e->sems);
}

uint64_t wall_of(const struct engine *e, uint64_t us)
{
    int64_t ms = (int64_t)e->wall_ms + ((int64_t)us - (int64_t)e->now_us) / 1000;

    return ms > 0 ? (uint64_t)ms : 0;
}

uint64_t mono_of(const struct engine *e, uint64_t wall_ms)
{
    int64_t us = (int64_t)e->now_us + ((int64_t)wall_ms - (int64_t)e->wall_ms) * 1000;

    return us > 0 ? (uint64_t)us : 1;
}

static int store_open(struct engine *e, char *err, size_t err_bytes)
{
    struct store_config c = { 0 };

    if (e->cfg.journal != NULL)
        c = *e->cfg.journal;
    c.owner = (struct store_owner){ .ctx = e,
        .live = facts_live,
        .synced = facts_synced,
        .failed = facts_failed,
        .notify = facts_notify,
        .stand_in = e->cfg.stand_in == NULL ? NULL : facts_stand_in };
    if (e->cfg.journal == NULL)
        return store_memory_open(&c, &e->store);
    return journal_open(&c, &e->store, err, err_bytes);
}

/* The new epoch is durable before anything is admitted, so that no id or fence ever repeats. */
static int begin_epoch(struct engine *e, char *err, size_t err_bytes)
{
    struct iovec iov;
    int rc;

    e->scratch.len = 0;
    write_array(&e->scratch, 2);
    write_uint(&e->scratch, e->epoch);
    write_uint(&e->scratch, e->wall_ms);
    e->epoch_bytes = (uint32_t)e->scratch.len;
    iov = (struct iovec){ e->scratch.data, e->scratch.len };
    rc = store_reserve(e->store, e->scratch.len, 1);
    if (rc == 0) {
        e->epoch_birth = store_append(e->store, RECORD_EPOCH, 0, &iov, 1);
        rc = store_drain(e->store);
    }
    if (rc < 0)
        (void)snprintf(err, err_bytes, "the journal cannot take the new epoch: %s", error_text(rc));
    return rc;
}

static int core_open(struct engine *e)
{
    struct core_config c = { .epoch = e->epoch,
        .tasks_max = (uint32_t)e->cfg.tasks_max,
        .seed = e->cfg.seed,
        .grace_us = e->cfg.grace_ms * 1000,
        .orphan_retention_us = e->cfg.orphan_retention_ms * 1000 };

    e->core = core_new(&c);
    return e->core == NULL ? GANGER_ENOMEM : 0;
}

int engine_open(const struct engine_config *config, uint64_t now_us, uint64_t wall_ms,
    struct engine **ret_engine, char *err, size_t err_bytes)
{
    struct engine *e = calloc(1, sizeof *e);
    int rc;

    if (e == NULL)
        return GANGER_ENOMEM;
    e->cfg = *config;
    e->now_us = now_us;
    e->wall_ms = wall_ms;
    e->wall_offset_us = (int64_t)wall_ms * 1000 - (int64_t)now_us;
    e->last_pool = UINT32_MAX;
    e->submit_event.type = EVENT_SUBMIT;
    e->result_event.type = EVENT_CHILD_RESULT;
    e->epoch = 1;
    rc = store_open(e, err, err_bytes);
    if (rc == 0)
        rc = core_open(e);
    if (rc == 0)
        rc = replay(e, err, err_bytes);
    if (rc == 0)
        rc = begin_epoch(e, err, err_bytes);
    if (rc < 0) {
        engine_close(e);
        return rc;
    }
    (void)step(e, &(struct event){ .type = EVENT_START, .flag = e->unclean });
    *ret_engine = e;
    return 0;
}

static void pool_done(struct engine_pool *p)
{
    free(p->name);
    free(p->kind);
    free(p->reason);
}

void engine_close(struct engine *e)
{
    if (e == NULL)
        return;
    if (e->core != NULL)
        entries_done(e);
    for (uint32_t i = 0; i < e->pool_cap; i++)
        pool_done(&e->pools[i]);
    for (uint32_t i = 0; i < e->child_cap; i++) {
        free(e->children[i].tail);
        free(e->children[i].text);
    }
    body_unref(e->result_spare);
    store_close(e->store);
    core_free(e->core);
    out_done(&e->scratch);
    free(e->uids);
    kept_done(e);
    free(e->pools);
    free(e->sems);
    free(e->sem_births);
    free(e->children);
    free(e->pending);
    free(e->queue);
    free(e);
}

uint32_t engine_epoch(const struct engine *e)
{
    return e->epoch;
}

bool engine_unclean(const struct engine *e)
{
    return e->unclean;
}

void engine_time(struct engine *e, uint64_t now_us, uint64_t wall_ms)
{
    int64_t offset = (int64_t)wall_ms * 1000 - (int64_t)now_us;
    int64_t jump = offset - e->wall_offset_us;

    if (now_us > e->now_us)
        e->now_us = now_us;
    e->wall_ms = wall_ms;
    if (jump > -CLOCK_JUMP_US && jump < CLOCK_JUMP_US)
        return;
    e->wall_offset_us = offset;
    report(e, LOG_NOTICE, "clock-jumped", "by_ms=%lld", (long long)(jump / 1000));
    (void)step(e, &(struct event){ .type = EVENT_CLOCK_JUMP, .jump_us = jump });
}

/*
 * Has nearly all that was heard for some turns led to records? (Who submits the next task may end
 * the wait for the one before with it.) Each time that somebody else comes after all, who may have
 * had to wait for the disk, it takes twice as many turns to think so again; half as many after a
 * long time.
 */
static bool turn_is_alone(struct engine *e)
{
    uint32_t turns = ALONE_TURNS << e->alone_doubled;

    if (e->heard > 2 * e->recorded) {
        if (e->alone >= turns && e->alone_doubled < ALONE_DOUBLED_MAX)
            e->alone_doubled++;
        e->alone = 0;
    } else if (e->recorded > 0) {
        e->alone++;
    }
    if (e->alone >= ALONE_LONG * turns) {
        e->alone_doubled -= e->alone_doubled > 0;
        e->alone = turns;
    }
    e->heard = 0;
    e->recorded = 0;
    return e->alone >= turns;
}

/* Start the sync of what this turn has appended, or leave it to the loop. */
static void turn_flush(struct engine *e)
{
    if (turn_is_alone(e))
        e->sync_left = store_flush_alone(e->store);
    else
        store_flush(e->store);
}

uint64_t engine_turn(struct engine *e)
{
    bool more;

    (void)step(e, &(struct event){ .type = EVENT_TURN });
    if (e->stuck != 0)
        facts_retry(e);
    more = kept_bound(e);
    turn_flush(e);
    return more ? e->now_us : core_deadline(e->core);
}

bool engine_sync_left(const struct engine *e)
{
    return e->sync_left;
}

void engine_sync(struct engine *e, bool here)
{
    e->sync_left = false;
    store_sync(e->store, here);
}

void engine_store_ready(struct engine *e)
{
    store_poll(e->store);
}

void engine_grace_over(struct engine *e)
{
    (void)step(e, &(struct event){ .type = EVENT_GRACE_OVER });
}

void engine_set_results_max(struct engine *e, uint64_t bytes)
{
    e->cfg.results_max = bytes;
}

void engine_set_tasks_max(struct engine *e, uint32_t tasks_max)
{
    core_set_tasks_max(e->core, tasks_max);
}

static int pool_copy(struct engine_pool *p, const struct engine_pool_config *c)
{
    char *name = strdup(c->name), *kind = strdup(c->kind);

    if (name == NULL || kind == NULL) {
        free(name);
        free(kind);
        return GANGER_ENOMEM;
    }
    free(p->name);
    free(p->kind);
    p->cfg = *c;
    spec_base(&c->defaults, &p->base);
    p->cfg.name = p->name = name;
    p->name_bytes = strlen(name);
    p->cfg.kind = p->kind = kind;
    return 0;
}

int engine_pool_define(struct engine *e, const struct engine_pool_config *c, uint32_t *ret_pool)
{
    struct core_pool_settings s = { .processes = c->processes,
        .max_tasks_per_child = c->max_tasks_per_child,
        .early_deaths = c->early_deaths,
        .backlog = c->backlog,
        .backlog_bytes = c->backlog_bytes,
        .init_timeout_us = c->init_timeout_ms * 1000,
        .early_backoff_us = c->early_backoff_ms * 1000,
        .external = c->external };
    uint32_t pool;
    int rc = core_pool_add(e->core, c->name, strlen(c->name), &pool);

    if (rc == 0)
        rc = pools_reserve(e, pool);
    if (rc == 0)
        rc = pool_copy(&e->pools[pool], c);
    if (rc < 0)
        return rc;
    e->last.spec.same = 0; /* its defaults may be others now */
    *ret_pool = pool;      /* before the step: it may ask pool/ for the agent of this index */
    return step(e, &(struct event){ .type = EVENT_POOL_DEFINE, .index = pool, .settings = &s });
}

int engine_semaphore_define(struct engine *e, const char *name, uint32_t permits)
{
    uint32_t sem;
    int rc = core_sem_add(e->core, name, strlen(name), &sem);

    if (rc == 0)
        rc = sems_reserve(e, sem);
    if (rc < 0 || e->sems[sem].by_hand)
        return rc;
    return step(e, &(struct event){ .type = EVENT_SEM_SET, .index = sem, .number = permits });
}

void engine_drain(struct engine *e)
{
    (void)step(e, &(struct event){ .type = EVENT_DRAIN });
}

bool engine_drained(const struct engine *e)
{
    struct core_stats s;

    core_stats(e->core, &s);
    return s.handed + s.running + s.stopping + s.settling + s.storing == 0 && e->pending_count == 0;
}

void engine_seal(struct engine *e)
{
    struct iovec iov = { NULL, 0 };

    if (store_reserve(e->store, 0, 1) < 0)
        return; /* the next start takes the grace, nothing is lost */
    (void)store_append(e->store, RECORD_SEAL, 0, &iov, 0);
    e->sealed = store_drain(e->store) == 0;
}

void engine_stats(const struct engine *e, struct engine_stats *ret_stats)
{
    struct core_stats s;

    core_stats(e->core, &s);
    *ret_stats = (struct engine_stats){ .tasks = s.tasks,
        .waiting = s.storing + s.delayed + s.ready + s.blocked + s.handed,
        .running = s.running + s.stopping,
        .submitted = s.submitted,
        .done = s.done,
        .failed = s.failed + s.cancelled + s.dead,
        .sessions = e->sessions };
}
