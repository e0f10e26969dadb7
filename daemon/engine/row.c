#include "engine/row.h"

#include "proto/assert.h"

#include <stdlib.h>

#define PIECE_IDS 1000u /* so that a piece is about two pages */

struct row_piece {
    struct row_piece *next;
    uint32_t from, to; /* ids that are there */
    uint64_t ids[PIECE_IDS];
};

static bool grow(struct row *r)
{
    struct row_piece *p = malloc(sizeof *p);

    if (p == NULL)
        return false;
    p->next = NULL;
    p->from = p->to = 0;
    if (r->last == NULL)
        r->first = p;
    else
        r->last->next = p;
    r->last = p;
    return true;
}

bool row_push(struct row *r, uint64_t id)
{
    if ((r->last == NULL || r->last->to == PIECE_IDS) && !grow(r))
        return false;
    r->last->ids[r->last->to++] = id;
    r->count++;
    return true;
}

uint64_t row_front(const struct row *r)
{
    GANGER_ASSERT(r->count > 0);
    return r->first->ids[r->first->from];
}

uint64_t row_pop(struct row *r)
{
    struct row_piece *p = r->first;
    uint64_t id = row_front(r);

    r->count--;
    if (++p->from < p->to)
        return id;
    if (p == r->last) { /* the next ones have room there */
        p->from = p->to = 0;
        return id;
    }
    r->first = p->next;
    free(p);
    return id;
}

void row_clear(struct row *r)
{
    while (r->count > 0)
        (void)row_pop(r);
    free(r->first);
    *r = (struct row){ 0 };
}
