/*
 * Kept results: how many bytes of outcomes wait for somebody to ask. Beyond the bound those that
 * ended first are forgotten before their time, so that results cannot fill the memory.
 */
#include "engine/internal.h"

#include <stdlib.h>

#define KEPT_STEP 1024u /* forgotten early in one turn */

static uint64_t bytes_of(struct engine *e, uint32_t slot)
{
    const struct body *b = entry_body(e, slot);

    return b == NULL ? 0 : b->len;
}

static bool grow(struct kept *k)
{
    uint32_t cap = k->cap == 0 ? 1024 : k->cap * 2;
    uint64_t *ids = malloc(cap * sizeof *ids);

    if (ids == NULL)
        return false;
    for (uint32_t i = 0; i < k->count; i++)
        ids[i] = k->ids[(k->head + i) % k->cap];
    free(k->ids);
    k->ids = ids;
    k->head = 0;
    k->cap = cap;
    return true;
}

static uint64_t pop(struct kept *k)
{
    uint64_t id = k->ids[k->head];

    k->head = (k->head + 1) % k->cap;
    k->count--;
    return id;
}

/* Those at the front that were forgotten meanwhile. */
static void trim(struct engine *e)
{
    struct core_task_info t;

    while (e->kept.count > 0 &&
           core_task_info(e->core, e->kept.ids[e->kept.head], &t) == GANGER_ENOTASK)
        (void)pop(&e->kept);
}

void kept_add(struct engine *e, uint32_t slot, uint64_t id)
{
    struct kept *k = &e->kept;

    k->bytes += bytes_of(e, slot);
    trim(e);
    if (k->count == k->cap && !grow(k))
        return; /* it keeps its time, and only that */
    k->ids[(k->head + k->count++) % k->cap] = id;
}

void kept_remove(struct engine *e, uint32_t slot)
{
    GANGER_ASSERT(e->kept.bytes >= bytes_of(e, slot));
    e->kept.bytes -= bytes_of(e, slot);
}

void kept_bound(struct engine *e)
{
    for (unsigned n = 0; n < KEPT_STEP && e->kept.bytes > e->cfg.results_max && e->kept.count > 0;
         n++) {
        uint64_t id = pop(&e->kept);

        e->dropping = true;
        (void)step(e, &(struct event){ .type = EVENT_DROP, .id = id });
        e->dropping = false;
    }
}

void kept_done(struct engine *e)
{
    free(e->kept.ids);
}
