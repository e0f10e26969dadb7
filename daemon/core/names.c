#include "core/internal.h"

#include <stdlib.h>
#include <string.h>

/* Pools and semaphores are never removed, so a table of indices with linear probing is enough. */
struct table {
    uint32_t **buckets;
    uint32_t *size;
    uint32_t count;
    const char *(*name)(const struct core *c, uint32_t index);
};

static struct table pool_table(struct core *c)
{
    return (struct table){ &c->pool_buckets, &c->pool_bucket_count, c->pool_count, core_pool_name };
}

static struct table sem_table(struct core *c)
{
    return (struct table){ &c->sem_buckets, &c->sem_bucket_count, c->sem_count, core_sem_name };
}

/* FNV-1a. */
static uint32_t hash_of(const char *name, size_t len)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    return h;
}

static uint32_t find(const struct core *c, const uint32_t *buckets, uint32_t size,
    const char *(*name_of)(const struct core *, uint32_t), const char *name, size_t len)
{
    if (size == 0)
        return UINT32_MAX;
    for (uint32_t at = hash_of(name, len);; at++) {
        uint32_t index = buckets[at & (size - 1)];
        const char *other;

        if (index == 0)
            return UINT32_MAX;
        other = name_of(c, index - 1);
        if (strlen(other) == len && memcmp(other, name, len) == 0)
            return index - 1;
    }
}

uint32_t core_pool_find(const struct core *c, const char *name, size_t name_len)
{
    return find(c, c->pool_buckets, c->pool_bucket_count, core_pool_name, name, name_len);
}

uint32_t core_sem_find(const struct core *c, const char *name, size_t name_len)
{
    return find(c, c->sem_buckets, c->sem_bucket_count, core_sem_name, name, name_len);
}

static void enter(uint32_t *buckets, uint32_t size, const char *name, uint32_t index)
{
    uint32_t at = hash_of(name, strlen(name));

    while (buckets[at & (size - 1)] != 0)
        at++;
    buckets[at & (size - 1)] = index + 1;
}

/* Keep the table at most half full, with room for one more. */
static int table_reserve(const struct core *c, const struct table *t)
{
    uint32_t size = *t->size == 0 ? 64 : *t->size * 2;
    uint32_t *buckets;

    if ((t->count + 1) * 2 <= *t->size)
        return 0;
    buckets = calloc(size, sizeof *buckets);
    if (buckets == NULL)
        return GANGER_ENOMEM;
    for (uint32_t i = 0; i < t->count; i++)
        enter(buckets, size, t->name(c, i), i);
    free(*t->buckets);
    *t->buckets = buckets;
    *t->size = size;
    return 0;
}

static struct pool *pool_new(const char *name, size_t len)
{
    struct pool *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    p->name = strndup(name, len);
    if (p->name == NULL) {
        free(p);
        return NULL;
    }
    p->set.backlog = p->set.backlog_bytes = UINT64_MAX; /* what was accepted once stays */
    return p;
}

static int pools_reserve(struct core *c)
{
    uint32_t cap = c->pool_cap == 0 ? 16 : c->pool_cap * 2;
    struct pool **pools;

    if (c->pool_count < c->pool_cap)
        return 0;
    pools = realloc(c->pools, cap * sizeof(struct pool *));
    if (pools == NULL)
        return GANGER_ENOMEM;
    c->pools = pools;
    c->pool_cap = cap;
    return 0;
}

int core_pool_add(struct core *c, const char *name, size_t name_len, uint32_t *ret_index)
{
    uint32_t index = core_pool_find(c, name, name_len);
    struct table t = pool_table(c);
    struct pool *p;

    if (index != UINT32_MAX) {
        *ret_index = index;
        return 0;
    }
    if (c->pool_count >= GANGER_POOLS_MAX)
        return GANGER_EFULL;
    if (pools_reserve(c) < 0 || objects_reserve(c, 1) < 0 || table_reserve(c, &t) < 0)
        return GANGER_ENOMEM;
    p = pool_new(name, name_len);
    if (p == NULL)
        return GANGER_ENOMEM;
    index = c->pool_count++;
    p->index = index;
    c->pools[index] = p;
    enter(c->pool_buckets, c->pool_bucket_count, p->name, index);
    *ret_index = index;
    return 0;
}

static int sems_reserve(struct core *c)
{
    uint32_t cap = c->sem_cap == 0 ? 16 : c->sem_cap * 2;
    struct sem *sems;

    if (c->sem_count < c->sem_cap)
        return 0;
    sems = realloc(c->sems, cap * sizeof *sems);
    if (sems == NULL)
        return GANGER_ENOMEM;
    c->sems = sems;
    c->sem_cap = cap;
    return 0;
}

int core_sem_add(struct core *c, const char *name, size_t name_len, uint32_t *ret_index)
{
    uint32_t index = core_sem_find(c, name, name_len);
    struct table t = sem_table(c);
    char *copy;

    if (index != UINT32_MAX) {
        *ret_index = index;
        return 0;
    }
    if (c->sem_count >= GANGER_SEMS_MAX)
        return GANGER_EFULL;
    if (sems_reserve(c) < 0 || objects_reserve(c, 1) < 0 || table_reserve(c, &t) < 0)
        return GANGER_ENOMEM;
    copy = strndup(name, name_len);
    if (copy == NULL)
        return GANGER_ENOMEM;
    index = c->sem_count++;
    c->sems[index] = (struct sem){ .name = copy, .least = UINT32_MAX };
    enter(c->sem_buckets, c->sem_bucket_count, copy, index);
    *ret_index = index;
    return 0;
}

const char *core_pool_name(const struct core *c, uint32_t pool)
{
    return c->pools[pool]->name;
}

const char *core_sem_name(const struct core *c, uint32_t sem)
{
    return c->sems[sem].name;
}
