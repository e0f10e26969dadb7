#include "conf/conf.h"

#include "conf/schema.h"
#include "proto/assert.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const int rlimit_resources[CONF_RLIMITS] = {
    [CONF_RLIMIT_AS] = RLIMIT_AS,
    [CONF_RLIMIT_CORE] = RLIMIT_CORE,
    [CONF_RLIMIT_CPU] = RLIMIT_CPU,
    [CONF_RLIMIT_DATA] = RLIMIT_DATA,
    [CONF_RLIMIT_FSIZE] = RLIMIT_FSIZE,
    [CONF_RLIMIT_MEMLOCK] = RLIMIT_MEMLOCK,
    [CONF_RLIMIT_NOFILE] = RLIMIT_NOFILE,
    [CONF_RLIMIT_NPROC] = RLIMIT_NPROC,
    [CONF_RLIMIT_STACK] = RLIMIT_STACK,
};

int conf_rlimit_resource(enum conf_rlimit_kind kind)
{
    GANGER_ASSERT(kind < CONF_RLIMITS);
    return rlimit_resources[kind];
}

const char *conf_rlimit_name(enum conf_rlimit_kind kind)
{
    GANGER_ASSERT(kind < CONF_RLIMITS);
    return conf_table_rlimits.keys[kind].name;
}

void conf_free(struct conf *conf)
{
    if (conf == NULL)
        return;
    table_done(&conf_table_socket, &conf->socket);
    table_done(&conf_table_journal, &conf->journal);
    for (size_t i = 0; i < conf->semaphore_count; i++)
        free(conf->semaphores[i].name);
    free(conf->semaphores);
    for (size_t i = 0; i < conf->pool_count; i++) {
        table_done(&conf_table_pool, &conf->pools[i]);
        free(conf->pools[i].name);
    }
    free(conf->pools);
    free(conf);
}

void conf_errors_done(struct conf_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        free(errors->text[i]);
    memset(errors, 0, sizeof *errors);
}

const struct conf_pool *conf_pool_find(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->pool_count; i++) {
        if (strcmp(conf->pools[i].name, name) == 0)
            return &conf->pools[i];
    }
    return NULL;
}

const struct conf_semaphore *conf_semaphore_find(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->semaphore_count; i++) {
        if (strcmp(conf->semaphores[i].name, name) == 0)
            return &conf->semaphores[i];
    }
    return NULL;
}
