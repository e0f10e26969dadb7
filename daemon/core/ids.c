#include "core/internal.h"

#include "proto/pages.h"

#define INDEX_FIRST 1024u  /* buckets that are always there; a page of them */
#define INDEX_SLACK 32768u /* buckets that keep their memory beyond those in use */
#define EXPECT_MAX  (1u << 28)
#define BLOCK       64u /* ids in a row whose buckets lie together */
#define SPLIT_AHEAD 8u  /* splits before which the memory for one is asked for */

/*
 * Fibonacci hashing (Knuth, TAOCP 6.4) of blocks of ids. Within a block the buckets are neighbours,
 * since tasks come and go in about the order of their ids.
 */
static uint32_t hash_of(uint64_t id)
{
    return (uint32_t)((id / BLOCK * UINT64_C(0x9e3779b97f4a7c15)) >> 32) ^ (uint32_t)(id % BLOCK);
}

static uint32_t bucket_of(const struct id_index *x, uint64_t id)
{
    uint32_t hash = hash_of(id), b = hash & (2 * x->base - 1);

    return b < x->size ? b : hash & (x->base - 1);
}

int ids_reserve(struct core *c)
{
    struct id_index *x = &c->ids;
    uint32_t cap = x->cap == 0 ? INDEX_FIRST : x->cap * 2;
    uint32_t *buckets;

    if (x->size < x->cap)
        return 0;
    buckets = pages_grow(x->buckets, x->cap * sizeof *buckets, cap * sizeof *buckets);
    if (buckets == NULL)
        return GANGER_ENOMEM;
    if (x->cap == 0)
        x->size = x->base = x->touched = INDEX_FIRST;
    x->buckets = buckets;
    x->cap = cap;
    return 0;
}

void ids_expect(struct core *c, uint32_t count)
{
    struct id_index *x = &c->ids;
    uint32_t base = INDEX_FIRST, *buckets;

    if (x->count > 0 || count <= x->size || count <= INDEX_FIRST || count > EXPECT_MAX)
        return;
    while (2 * base <= count)
        base *= 2;
    buckets = pages_grow(x->buckets, x->cap * sizeof *buckets, 2 * base * sizeof *buckets);
    if (buckets == NULL)
        return;
    *x = (struct id_index){ .buckets = buckets, .size = count, .cap = 2 * base, .base = base };
    x->touched = (count + INDEX_FIRST - 1) & ~(INDEX_FIRST - 1);
}

/* One bucket more: it takes what belongs to it from the one that had it. */
static void split(struct core *c)
{
    struct id_index *x = &c->ids;
    uint32_t added = x->size++, *link = &x->buckets[added - x->base], *last = &x->buckets[added];
    uint32_t mask = 2 * x->base - 1, slot;

    if (added == x->touched)
        x->touched += INDEX_FIRST;
    while ((slot = *link) != 0) {
        struct task *t = task_at(c, slot);

        if ((hash_of(t->id) & mask) != added) {
            link = &t->index_next;
            continue;
        }
        *link = t->index_next;
        t->index_next = 0;
        *last = slot;
        last = &t->index_next;
    }
    if (x->size == 2 * x->base)
        x->base = x->size;
    /* Buckets are split in turn, and their tasks were last touched long ago. */
    slot = x->buckets[x->size + SPLIT_AHEAD - x->base];
    if (slot != 0)
        __builtin_prefetch(task_at(c, slot));
}

/* One bucket less; the memory behind goes back in larger pieces. */
static void merge(struct core *c)
{
    struct id_index *x = &c->ids;
    uint32_t gone, keep, *link;

    if (x->size == x->base)
        x->base /= 2;
    gone = --x->size;
    link = &x->buckets[gone - x->base];
    while (*link != 0)
        link = &task_at(c, *link)->index_next;
    *link = x->buckets[gone];
    x->buckets[gone] = 0;
    if (x->touched - x->size < 2 * INDEX_SLACK)
        return;
    keep = (x->size + INDEX_SLACK) & ~(INDEX_FIRST - 1);
    pages_clear(&x->buckets[keep], (x->touched - keep) * sizeof *x->buckets);
    x->touched = keep;
}

void ids_add(struct core *c, uint32_t slot)
{
    struct id_index *x = &c->ids;
    struct task *t = task_at(c, slot);
    uint32_t *bucket = &x->buckets[bucket_of(x, t->id)];

    t->index_next = *bucket;
    *bucket = slot;
    if (++x->count > x->size)
        split(c);
}

void ids_remove(struct core *c, uint32_t slot)
{
    struct id_index *x = &c->ids;
    uint32_t *link = &x->buckets[bucket_of(x, task_at(c, slot)->id)];

    while (*link != slot) {
        GANGER_ASSERT(*link != 0);
        link = &task_at(c, *link)->index_next;
    }
    *link = task_at(c, slot)->index_next;
    x->count--;
    for (unsigned i = 0; i < 2 && x->size / 2 > x->count && x->size > INDEX_FIRST; i++)
        merge(c);
}

uint32_t ids_find(const struct core *c, uint64_t id)
{
    const struct id_index *x = &c->ids;
    uint32_t slot;

    if (x->buckets == NULL)
        return 0;
    slot = x->buckets[bucket_of(x, id)];
    while (slot != 0 && task_at(c, slot)->id != id)
        slot = task_at(c, slot)->index_next;
    return slot;
}

void ids_done(struct core *c)
{
    pages_free(c->ids.buckets, c->ids.cap * sizeof *c->ids.buckets);
    c->ids = (struct id_index){ 0 };
}
