/* The configuration's pools and semaphores, as engine and pool are told of them. */
#include "gangerd.h"
#include "proto/err.h"

#include <stdio.h>

/* First wait after a worker died before its first task; doubles. */
#define EARLY_BACKOFF_MS 100u
/* A child ends itself when its initializer takes too long, and says so; this is for one that
 * cannot. */
#define INIT_MARGIN_MS 5000u

static const char *kind_of(const struct conf_pool *p)
{
    if (p->kind == CONF_POOL_MODULE)
        return "module";
    return p->kind == CONF_POOL_EXTERNAL ? "external" : "command";
}

static struct task_options defaults_of(const struct conf_pool *p)
{
    return (struct task_options){ .priority = p->priority,
        .attempts = p->max_attempts,
        .jitter_percent = p->jitter_percent,
        .crash_budget = p->crash_budget,
        .limit_ms = p->time_limit_ms,
        .kill_grace_ms = p->kill_grace_ms,
        .backoff_ms = p->backoff_ms,
        .backoff_max_ms = p->backoff_max_ms,
        .retention_ms = p->retention_ms };
}

static int define_pool(struct gangerd *d, const struct conf_pool *p)
{
    struct engine_pool_config config = { .name = p->name,
        .kind = kind_of(p),
        .external = p->kind == CONF_POOL_EXTERNAL,
        .processes = p->processes,
        .backlog = p->backlog_tasks,
        .backlog_bytes = p->backlog_bytes,
        .max_tasks_per_child = p->max_tasks_per_child,
        .early_deaths = p->early_deaths,
        .init_timeout_ms = p->init_timeout_ms + INIT_MARGIN_MS,
        .early_backoff_ms = EARLY_BACKOFF_MS,
        .defaults = defaults_of(p),
        .durable = p->durable };
    uint32_t index;
    int rc = engine_pool_define(d->engine, &config, &index);

    return rc < 0 ? rc : pool_define(d->pool, index, p);
}

int define_all(struct gangerd *d, const struct conf *conf, char *err, size_t err_bytes)
{
    int rc = 0;

    for (size_t i = 0; i < conf->semaphore_count && rc == 0; i++) {
        rc = engine_semaphore_define(
            d->engine, conf->semaphores[i].name, conf->semaphores[i].permits);
        if (rc < 0)
            (void)snprintf(
                err, err_bytes, "semaphore %s: %s", conf->semaphores[i].name, error_text(rc));
    }
    for (size_t i = 0; i < conf->pool_count && rc == 0; i++) {
        rc = define_pool(d, &conf->pools[i]);
        if (rc < 0)
            (void)snprintf(err, err_bytes, "pool %s: %s", conf->pools[i].name, error_text(rc));
    }
    return rc;
}
