/*
 * What the engine keeps for a task stands in the word that the core has for it: the address of its
 * body, or of its durable facts, which then hold the body. The last bit tells which.
 */
#include "engine/internal.h"

#include "engine/cells.h"

#include <string.h>

#define IS_DURABLE 1u

struct durable *entry_durable(const struct engine *e, uint32_t slot)
{
    uintptr_t word = *core_slot_word(e->core, slot);

    return (word & IS_DURABLE) == 0 ? NULL : (struct durable *)(word - IS_DURABLE);
}

struct body *entry_body(const struct engine *e, uint32_t slot)
{
    uintptr_t word = *core_slot_word(e->core, slot);

    return (word & IS_DURABLE) == 0 ? (struct body *)word
                                    : ((struct durable *)(word - IS_DURABLE))->body;
}

void entry_fetch(const struct engine *e, uint32_t slot)
{
    __builtin_prefetch((void *)(*core_slot_word(e->core, slot) & ~(uintptr_t)IS_DURABLE), 1);
}

void entry_fetch_body(const struct engine *e, uint32_t slot)
{
    const struct durable *d = entry_durable(e, slot);

    if (d != NULL)
        __builtin_prefetch(d->body, 1);
}

void entry_body_set(struct engine *e, uint32_t slot, struct body *body)
{
    struct durable *d = entry_durable(e, slot);

    body_unref(entry_body(e, slot));
    if (d == NULL)
        *core_slot_word(e->core, slot) = (uintptr_t)body;
    else
        d->body = body;
}

void entry_begin(struct engine *e, const struct admission *a)
{
    struct durable *d = a->durable;

    if (d == NULL) {
        *core_slot_word(e->core, a->slot) = (uintptr_t)a->call;
        return;
    }
    d->body = a->call;
    *core_slot_word(e->core, a->slot) = (uintptr_t)d | IS_DURABLE;
}

void entry_drop(struct engine *e, uint32_t slot)
{
    uintptr_t *word = core_slot_word(e->core, slot);
    struct durable *d;

    if ((*word & IS_DURABLE) == 0) {
        body_unref((struct body *)*word);
        *word = 0;
        return;
    }
    d = (struct durable *)(*word - IS_DURABLE);
    body_unref(d->body);
    d->body = NULL;
    durable_end(e, slot);
    durable_free(d);
    *word = 0;
}

void entries_done(struct engine *e)
{
    struct core_task_info t;

    for (uint32_t slot = 1; slot < core_slot_limit(e->core); slot++) {
        if (core_slot_info(e->core, slot, &t) < 0)
            continue;
        body_unref(entry_body(e, slot));
        durable_free(entry_durable(e, slot));
    }
}

struct durable *durable_new(void)
{
    struct durable *d = cells_new(sizeof *d);

    if (d != NULL)
        memset(d, 0, sizeof *d);
    return d;
}

void durable_free(struct durable *d)
{
    cells_free(d, sizeof *d);
}
