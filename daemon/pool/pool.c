#include "pool/pool.h"

#include "pool/internal.h"
#include "proto/err.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

void pool_turn(struct pool *pool)
{
    pool->config.turn(pool->config.turn_ctx);
}

struct agent *pool_agent(const struct pool *pool, uint32_t index)
{
    return index < pool->agent_count ? pool->agents[index] : NULL;
}

static void on_sigchld(uv_signal_t *handle, int number)
{
    struct pool *pool = handle->data;

    (void)number;
    pool_turn(pool);
    reap_all(pool);
    reap_sweep(pool);
}

static void on_tick(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    bool need = pool->sweeping;

    pool_turn(pool);
    for (uint32_t i = 0; i < pool->agent_count; i++) {
        struct agent *a = pool->agents[i];

        if (a == NULL || (a->state != AGENT_STARTING && a->state != AGENT_LEAVING))
            continue;
        agent_tick(a, uv_now(pool->loop));
        need = true;
    }
    reap_sweep(pool);
    if (!need)
        (void)uv_timer_stop(timer);
}

void pool_tick_need(struct pool *pool)
{
    if (!pool->closing && !uv_is_active((uv_handle_t *)&pool->timer))
        (void)uv_timer_start(&pool->timer, on_tick, POOL_TICK_MS, POOL_TICK_MS);
}

static void pool_free(struct pool *pool)
{
    outbox_spares_done(&pool->spares);
    child_table_done(&pool->children);
    free(pool->agents);
    free(pool->worker);
    free(pool->lock_path);
    free(pool->shared);
    free(pool->agent_shared);
    free(pool);
}

int pool_open(const struct pool_config *config, struct pool **ret_pool)
{
    struct pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL)
        return GANGER_ENOMEM;
    pool->loop = config->loop;
    pool->config = *config;
    pool->dirty_last = &pool->dirty_first;
    pool->worker = strdup(config->worker);
    pool->shared = malloc(INBOX_SHARED_BYTES);
    pool->agent_shared = malloc(INBOX_SHARED_BYTES);
    if (pool->worker == NULL || pool->shared == NULL || pool->agent_shared == NULL) {
        pool_free(pool);
        return GANGER_ENOMEM;
    }
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
        pool_free(pool);
        return GANGER_EIO;
    }
    (void)uv_timer_init(pool->loop, &pool->timer);
    (void)uv_signal_init(pool->loop, &pool->sigchld);
    pool->timer.data = pool;
    pool->sigchld.data = pool;
    pool->handles = 2;
    (void)uv_signal_start(&pool->sigchld, on_sigchld, SIGCHLD);
    *ret_pool = pool;
    return 0;
}

void pool_ops(struct pool *pool, struct engine_pool_ops *ret_ops)
{
    ops_fill(pool, ret_ops);
}

int pool_start(struct pool *pool, struct engine *engine, const char *lock_path)
{
    if (lock_path != NULL) {
        pool->lock_path = strdup(lock_path);
        if (pool->lock_path == NULL)
            return GANGER_ENOMEM;
    }
    pool->engine = engine;
    return 0;
}

/* The entry of INDEX, made if it is new. */
static struct agent *agent_entry(struct pool *pool, uint32_t index, const char *name)
{
    struct agent *a;

    if (index >= pool->agent_count) {
        struct agent **grown = realloc(pool->agents, (index + 1) * sizeof(struct agent *));

        if (grown == NULL)
            return NULL;
        pool->agents = grown;
        while (pool->agent_count <= index)
            pool->agents[pool->agent_count++] = NULL;
    }
    a = pool->agents[index];
    if (a != NULL)
        return a;
    a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->pool = pool;
    a->index = index;
    a->name = strdup(name);
    if (a->name == NULL) {
        free(a);
        return NULL;
    }
    pool->agents[index] = a;
    return a;
}

int pool_define(struct pool *pool, uint32_t index, const struct conf_pool *conf)
{
    struct agent *a = agent_entry(pool, index, conf->name);
    char **argv = NULL;
    int rc;

    if (a == NULL)
        return GANGER_ENOMEM;
    if (conf->kind != CONF_POOL_EXTERNAL) {
        rc = argv_make(conf, pool->worker, &argv);
        if (rc < 0)
            return rc;
    }
    argv_free(a->argv);
    a->argv = argv;
    a->external = conf->kind == CONF_POOL_EXTERNAL;
    a->init_timeout_ms = conf->init_timeout_ms;
    return 0;
}

static struct agent *agent_find(const struct pool *pool, struct slice name)
{
    for (uint32_t i = 0; i < pool->agent_count; i++) {
        struct agent *a = pool->agents[i];

        if (a != NULL && strlen(a->name) == name.len && memcmp(a->name, name.data, name.len) == 0)
            return a;
    }
    return NULL;
}

int pool_adopt_agent(
    struct pool *pool, const struct pool_visitor *visitor, char *text, size_t text_bytes)
{
    struct agent *a = agent_find(pool, visitor->name);
    const char *why = NULL;
    int rc = 0;

    if (visitor->uid != 0 && visitor->uid != geteuid()) {
        rc = GANGER_EACCES;
        why = "only root and the daemon's own user may serve a pool";
    } else if (a == NULL) {
        rc = GANGER_ENOPOOL;
        why = "no pool has that name";
    } else if (!a->external) {
        rc = GANGER_EINVAL;
        why = "the pool is not an external one: the daemon starts its agent itself";
    } else if (a->state != AGENT_NONE || pool->stopping) {
        rc = GANGER_EBUSY;
        why = "the pool has an agent";
    } else {
        a->greeted = true;
        rc = agent_link(a, visitor->fd, visitor->bytes, visitor->byte_count);
        if (rc < 0)
            a->greeted = false;
        why = "its connection cannot be watched";
    }
    if (rc < 0)
        (void)snprintf(text, text_bytes, "%s", why);
    return rc;
}

static void flush_agents(struct pool *pool)
{
    while (pool->dirty_agents != NULL) {
        struct agent *a = pool->dirty_agents;

        pool->dirty_agents = a->dirty_next;
        a->dirty = false;
        if (a->wanted && a->state == AGENT_NONE && !pool->stopping)
            agent_start(a);
        agent_flush(a);
    }
}

/* Asked for when its agent was not there. */
static void flush_stillborn(struct child *c)
{
    static const struct msg_worker_end none;
    static const char text[] = "the pool has no agent";

    child_exited(c, &none, true, (struct slice){ (const uint8_t *)text, sizeof text - 1 });
}

static void flush_children(struct pool *pool)
{
    while (pool->dirty_first != NULL) {
        struct child *c = pool->dirty_first;

        pool->dirty_first = c->dirty_next;
        if (pool->dirty_first == NULL)
            pool->dirty_last = &pool->dirty_first;
        c->dirty = false;
        if (c->state == CHILD_ASKED && c->orphan)
            flush_stillborn(c);
        else
            child_flush(c);
    }
}

bool pool_flush(struct pool *pool)
{
    pool->verbs = false;
    flush_children(pool);
    flush_agents(pool);
    return pool->verbs;
}

void pool_stop(struct pool *pool)
{
    pool->stopping = true;
    pool->engine = NULL;
    for (uint32_t i = 0; i < pool->agent_count; i++) {
        if (pool->agents[i] != NULL)
            agent_leave(pool->agents[i], GANGER_EDRAIN, "the daemon stops", false);
    }
    pool->sweeping = true;
    pool_tick_need(pool);
}

bool pool_stopped(const struct pool *pool)
{
    for (uint32_t i = 0; i < pool->agent_count; i++) {
        if (pool->agents[i] != NULL && pool->agents[i]->pid != 0)
            return false;
    }
    return !pool->sweeping;
}

void pool_handle_closed(struct pool *pool)
{
    if (--pool->handles == 0 && pool->closing)
        pool_free(pool);
}

static void on_closed(uv_handle_t *handle)
{
    pool_handle_closed(handle->data);
}

static void child_drop(void *ctx, struct child *c)
{
    (void)ctx;
    child_free(c);
}

void pool_close(struct pool *pool)
{
    if (pool == NULL)
        return;
    pool->closing = true;
    pool->engine = NULL;
    child_table_each(&pool->children, child_drop, NULL);
    for (uint32_t i = 0; i < pool->agent_count; i++)
        agent_free(pool->agents[i]);
    uv_close((uv_handle_t *)&pool->timer, on_closed);
    uv_close((uv_handle_t *)&pool->sigchld, on_closed);
}
