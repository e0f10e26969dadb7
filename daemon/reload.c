/* SIGHUP: what can change does, the rest is named; a file with errors changes nothing. */
#include "conf/log.h"
#include "gangerd.h"
#include "proto/err.h"

#include <stdlib.h>
#include <unistd.h>

static void errors_log(struct conf_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        log_event(LOG_ERR, "reload-refused", "error=%s", errors->text[i]);
    conf_errors_done(errors);
}

static void change_log(const struct conf_change *c)
{
    static const char *const applies[] = { [CONF_APPLY_NOW] = "now",
        [CONF_APPLY_AGENT] = "next-agent",
        [CONF_APPLY_RESTART] = "restart" };
    static const char *const verbs[] = {
        [CONF_CHANGED] = "changed", [CONF_ADDED] = "added", [CONF_REMOVED] = "removed"
    };
    char path[512];

    conf_change_path(c, path, sizeof path);
    log_event(c->apply == CONF_APPLY_RESTART ? LOG_WARNING : LOG_NOTICE, "reload-change",
        "key=%s what=%s applies=%s", path, verbs[c->verb], applies[c->apply]);
}

static void changes_log(const struct conf *old, const struct conf *new)
{
    struct conf_change *changes;
    size_t count;

    if (conf_diff(old, new, &changes, &count) < 0)
        return;
    for (size_t i = 0; i < count; i++)
        change_log(&changes[i]);
    log_event(LOG_NOTICE, "reloaded", "changes=%zu", count);
    free(changes);
}

static void apply(struct gangerd *d, struct conf *conf)
{
    char err[256];

    changes_log(d->conf, conf);
    if (conf->log.format != d->conf->log.format)
        log_open(STDERR_FILENO, conf->log.format);
    log_level_set(conf->log.level);
    net_limits(d->net, &conf->limits);
    engine_set_tasks_max(d->engine, conf->limits.tasks_max);
    engine_set_results_max(d->engine, conf->limits.results_bytes);
    if (define_all(d, conf, err, sizeof err) < 0)
        log_event(LOG_ERR, "reload-failed", "error=%s", err);
    conf_free(d->conf);
    d->conf = conf;
}

void reload(struct gangerd *d)
{
    struct conf_errors errors = { 0 };
    struct conf *conf;
    char err[256] = "";
    int rc;

    if (d->options.config == NULL) {
        log_event(LOG_WARNING, "reload-refused", "error=%s", "there is no configuration file");
        return;
    }
    status_reloading();
    rc = conf_load(d->options.config, &errors, &conf);
    if (rc == 0) {
        rc = options_apply(&d->options, conf, err, sizeof err);
        if (rc == 0)
            apply(d, conf);
        else
            conf_free(conf);
    }
    if (rc < 0 && errors.count == 0)
        log_event(LOG_ERR, "reload-refused", "error=%s", err[0] != '\0' ? err : error_text(rc));
    errors_log(&errors);
    status_ready(d);
}
