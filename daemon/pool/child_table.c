#include "pool/child_table.h"

#include "pool/internal.h"
#include "proto/assert.h"
#include "proto/err.h"

#include <stdlib.h>

#define BUCKETS_FIRST 64u

/* Slots are small numbers in use side by side, so their low bits spread well. */
static struct child **bucket_of(const struct child_table *t, uint32_t slot)
{
    return &t->buckets[slot & (t->bucket_count - 1)];
}

struct child *child_table_find(const struct child_table *t, uint32_t slot, uint32_t gen)
{
    struct child *c;

    if (t->bucket_count == 0)
        return NULL;
    for (c = *bucket_of(t, slot); c != NULL; c = c->next) {
        if (c->slot == slot && c->gen == gen)
            return c;
    }
    return NULL;
}

static int table_grow(struct child_table *t)
{
    struct child_table bigger = { .count = t->count };

    bigger.bucket_count = t->bucket_count == 0 ? BUCKETS_FIRST : 2 * t->bucket_count;
    bigger.buckets = calloc(bigger.bucket_count, sizeof(struct child *));
    if (bigger.buckets == NULL)
        return GANGER_ENOMEM;
    for (uint32_t i = 0; i < t->bucket_count; i++) {
        while (t->buckets[i] != NULL) {
            struct child *c = t->buckets[i];
            struct child **to = bucket_of(&bigger, c->slot);

            t->buckets[i] = c->next;
            c->next = *to;
            *to = c;
        }
    }
    free(t->buckets);
    *t = bigger;
    return 0;
}

int child_table_add(struct child_table *t, struct child *child)
{
    struct child **bucket;

    if (t->count >= t->bucket_count && (t->walks == 0 || t->bucket_count == 0) && table_grow(t) < 0)
        return GANGER_ENOMEM;
    bucket = bucket_of(t, child->slot);
    child->next = *bucket;
    *bucket = child;
    t->count++;
    return 0;
}

void child_table_remove(struct child_table *t, struct child *child)
{
    struct child **at = bucket_of(t, child->slot);

    while (*at != child) {
        GANGER_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = child->next;
    t->count--;
}

void child_table_each(
    struct child_table *t, void (*each)(void *ctx, struct child *child), void *ctx)
{
    t->walks++;
    for (uint32_t i = 0; i < t->bucket_count; i++) {
        struct child *c = t->buckets[i];

        while (c != NULL) {
            struct child *next = c->next;

            each(ctx, c);
            c = next;
        }
    }
    t->walks--;
}

void child_table_done(struct child_table *t)
{
    free(t->buckets);
    *t = (struct child_table){ 0 };
}
