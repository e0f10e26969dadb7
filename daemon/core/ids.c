#include "core/internal.h"

#include <stdlib.h>

#define INDEX_FIRST 1024u
#define INDEX_STEP  8u /* old buckets emptied at each insertion */

/* Fibonacci hashing (Knuth, TAOCP 6.4): consecutive ids spread over the whole table. */
static uint32_t bucket_of(uint64_t id, uint32_t size)
{
    return (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (size - 1);
}

static void link_into(struct core *c, uint32_t *buckets, uint32_t size, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    uint32_t b = bucket_of(t->id, size);

    t->index_next = buckets[b];
    buckets[b] = slot;
}

static void move_some(struct core *c, uint32_t most)
{
    struct id_index *x = &c->ids;

    while (x->old != NULL && most-- > 0) {
        uint32_t slot = x->old[x->moved];

        while (slot != 0) {
            uint32_t next = task_at(c, slot)->index_next;

            link_into(c, x->buckets, x->size, slot);
            slot = next;
        }
        x->old[x->moved] = 0;
        if (++x->moved == x->old_size) {
            free(x->old);
            x->old = NULL;
        }
    }
}

int ids_reserve(struct core *c)
{
    struct id_index *x = &c->ids;
    uint32_t size = x->size == 0 ? INDEX_FIRST : x->size * 2;
    uint32_t *buckets;

    if (x->count < x->size)
        return 0;
    move_some(c, UINT32_MAX); /* long done: STEP is larger than what the growth leaves over */
    buckets = calloc(size, sizeof *buckets);
    if (buckets == NULL)
        return GANGER_ENOMEM;
    x->old = x->buckets;
    x->old_size = x->size;
    x->moved = 0;
    x->buckets = buckets;
    x->size = size;
    return 0;
}

void ids_add(struct core *c, uint32_t slot)
{
    struct id_index *x = &c->ids;

    move_some(c, INDEX_STEP);
    link_into(c, x->buckets, x->size, slot);
    x->count++;
}

/* The link that names SLOT's task, or a task with ID. */
static uint32_t *find_link(const struct core *c, uint32_t *buckets, uint32_t size, uint64_t id)
{
    uint32_t *link = &buckets[bucket_of(id, size)];

    while (*link != 0 && task_at(c, *link)->id != id)
        link = &task_at(c, *link)->index_next;
    return link;
}

static uint32_t *lookup(const struct core *c, uint64_t id)
{
    const struct id_index *x = &c->ids;
    uint32_t *link;

    if (x->buckets == NULL)
        return NULL;
    link = find_link(c, x->buckets, x->size, id);
    if (*link == 0 && x->old != NULL)
        link = find_link(c, x->old, x->old_size, id);
    return *link == 0 ? NULL : link;
}

void ids_remove(struct core *c, uint32_t slot)
{
    uint32_t *link = lookup(c, task_at(c, slot)->id);

    GANGER_ASSERT(link != NULL && *link == slot);
    *link = task_at(c, slot)->index_next;
    c->ids.count--;
}

uint32_t ids_find(const struct core *c, uint64_t id)
{
    const uint32_t *link = lookup(c, id);

    return link == NULL ? 0 : *link;
}

void ids_done(struct core *c)
{
    free(c->ids.buckets);
    free(c->ids.old);
    c->ids = (struct id_index){ 0 };
}
