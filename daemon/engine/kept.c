/*
 * Kept results: how many bytes of outcomes wait for somebody to ask. Beyond the bound those that
 * ended first are forgotten before their time, so that results cannot fill the memory.
 */
#include "engine/internal.h"

#include <stdlib.h>

#define KEPT_STEP 1024u /* forgotten early in one turn */
#define PIECE_IDS 1022u

/* A row in pieces: to copy the ids of millions of tasks at once would be a long pause. */
struct kept_piece {
    struct kept_piece *next;
    uint32_t count;
    uint64_t ids[PIECE_IDS];
};

static uint64_t bytes_of(struct engine *e, uint32_t slot)
{
    const struct body *b = entry_body(e, slot);

    return b == NULL ? 0 : b->len;
}

static bool grow(struct kept *k)
{
    struct kept_piece *p = malloc(sizeof *p);

    if (p == NULL)
        return false;
    p->next = NULL;
    p->count = 0;
    if (k->last == NULL)
        k->first = p;
    else
        k->last->next = p;
    k->last = p;
    return true;
}

static uint64_t front(const struct kept *k)
{
    return k->first->ids[k->taken];
}

static uint64_t pop(struct kept *k)
{
    struct kept_piece *p = k->first;
    uint64_t id = front(k);

    if (++k->taken < p->count)
        return id;
    k->taken = 0;
    k->first = p->next;
    if (k->first == NULL)
        k->last = NULL;
    free(p);
    return id;
}

/* Those at the front that were forgotten meanwhile; a few at a time, since they may be many. */
static void trim(struct engine *e)
{
    for (unsigned n = 0;
         n < 2 && e->kept.first != NULL && core_task_slot(e->core, front(&e->kept)) == 0; n++)
        (void)pop(&e->kept);
}

void kept_add(struct engine *e, uint32_t slot, uint64_t id)
{
    struct kept *k = &e->kept;

    k->bytes += bytes_of(e, slot);
    trim(e);
    if ((k->last == NULL || k->last->count == PIECE_IDS) && !grow(k))
        return; /* it keeps its time, and only that */
    k->last->ids[k->last->count++] = id;
}

void kept_remove(struct engine *e, uint32_t slot)
{
    GANGER_ASSERT(e->kept.bytes >= bytes_of(e, slot));
    e->kept.bytes -= bytes_of(e, slot);
    trim(e);
}

void kept_bound(struct engine *e)
{
    for (unsigned n = 0;
         n < KEPT_STEP && e->kept.bytes > e->cfg.results_max && e->kept.first != NULL; n++) {
        uint64_t id = pop(&e->kept);

        e->dropping = true;
        (void)step(e, &(struct event){ .type = EVENT_DROP, .id = id });
        e->dropping = false;
    }
}

void kept_done(struct engine *e)
{
    while (e->kept.first != NULL)
        (void)pop(&e->kept);
}
