/*
 * Kept results: how many bytes of outcomes wait for somebody to ask. Beyond the bound those that
 * ended first are forgotten before their time, so that results cannot fill the memory.
 *
 * They stand in a row in the order in which they ended. Most are forgotten in that order and leave
 * it from its front. Those that go before others, since they were kept for a shorter time, leave
 * their ids behind: when these are more than half of the row it is swept, a few ids each time that
 * another one does so.
 */
#include "engine/internal.h"

#define KEPT_STEP   1024u /* forgotten early in one turn */
#define SWEEP_STEP  4u    /* ids that are looked at each time */
#define SWEEP_SLACK 4096u /* ids of forgotten tasks that are no reason to sweep */

static uint64_t bytes_of(struct engine *e, uint32_t slot)
{
    const struct body *b = entry_body(e, slot);

    return b == NULL ? 0 : b->len;
}

/* The row that begins with those that ended first. */
static struct row *front_of(struct kept *k)
{
    return k->swept.count > 0 ? &k->swept : &k->rest;
}

/* Whether to begin is asked of the whole row: between two rounds nothing stands in `swept`. */
static void sweep(struct engine *e)
{
    struct kept *k = &e->kept;

    if (!k->sweeps && k->rest.count <= 2 * k->live + SWEEP_SLACK)
        return;
    k->sweeps = true;
    for (unsigned n = 0; n < SWEEP_STEP && k->rest.count > 0; n++) {
        uint64_t id = row_front(&k->rest);

        if (core_task_slot(e->core, id) != 0 && !row_push(&k->swept, id))
            return; /* no memory: another time */
        (void)row_pop(&k->rest);
    }
    if (k->rest.count > 0)
        return;
    row_clear(&k->rest);
    k->rest = k->swept;
    k->swept = (struct row){ 0 };
    k->sweeps = false;
}

void kept_add(struct engine *e, uint32_t slot, uint64_t id)
{
    struct kept *k = &e->kept;

    k->bytes += bytes_of(e, slot);
    k->live++;
    (void)row_push(&k->rest, id); /* without memory for its id it keeps its time, and only that */
}

void kept_remove(struct engine *e, uint32_t slot, uint64_t id)
{
    struct kept *k = &e->kept;
    struct row *front = front_of(k);
    uint64_t bytes = bytes_of(e, slot);

    GANGER_ASSERT(k->bytes >= bytes && k->live > 0);
    k->bytes -= bytes;
    k->live--;
    if (front->count > 0 && row_front(front) == id)
        (void)row_pop(front);
    else
        sweep(e);
}

bool kept_bound(struct engine *e)
{
    for (unsigned n = 0; e->kept.bytes > e->cfg.results_max; n++) {
        struct row *front = front_of(&e->kept);

        if (front->count == 0 || n == KEPT_STEP)
            return front->count > 0;
        e->dropping = true;
        (void)step(e, &(struct event){ .type = EVENT_DROP, .id = row_pop(front) });
        e->dropping = false;
    }
    return false;
}

void kept_done(struct engine *e)
{
    row_clear(&e->kept.swept);
    row_clear(&e->kept.rest);
}
