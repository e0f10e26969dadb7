#include "core/heap.h"

#include "core/core.h"
#include "proto/assert.h"
#include "proto/pages.h"

#define HEAP_FIRST 256u  /* entries that are always there; a page of them */
#define HEAP_SLACK 8192u /* entries that keep their memory beyond those in use */

int heap_reserve(struct heap *h, uint32_t objects)
{
    uint32_t cap = h->cap < HEAP_FIRST ? HEAP_FIRST : h->cap;
    struct heap_entry *entries;

    if (objects + 1 <= h->cap)
        return 0;
    while (cap < objects + 1)
        cap *= 2;
    entries = pages_grow(h->entries, h->cap * sizeof *entries, cap * sizeof *entries);
    if (entries == NULL)
        return GANGER_ENOMEM;
    h->entries = entries;
    h->cap = cap;
    return 0;
}

void heap_done(struct heap *h)
{
    pages_free(h->entries, h->cap * sizeof *h->entries);
    h->entries = NULL;
    h->count = h->cap = h->touched = 0;
}

/* Equal deadlines keep an order of their own, so that the result never depends on heap layout. */
static int earlier(const struct heap_entry *a, const struct heap_entry *b)
{
    if (a->when != b->when)
        return a->when < b->when;
    if (a->kind != b->kind)
        return a->kind < b->kind;
    return a->index < b->index;
}

static void put(struct heap *h, uint32_t pos, struct heap_entry e)
{
    h->entries[pos] = e;
    *h->position(h->ctx, e.kind, e.index) = pos;
}

static uint32_t parent_of(uint32_t pos)
{
    return (pos - 2) / 4 + 1;
}

static void rise(struct heap *h, uint32_t pos)
{
    struct heap_entry e = h->entries[pos];

    while (pos > 1 && earlier(&e, &h->entries[parent_of(pos)])) {
        put(h, pos, h->entries[parent_of(pos)]);
        pos = parent_of(pos);
    }
    put(h, pos, e);
}

static uint32_t least_child(const struct heap *h, uint32_t pos)
{
    uint32_t first = (pos - 1) * 4 + 2, best = 0;

    for (uint32_t i = first; i < first + 4 && i <= h->count; i++) {
        if (best == 0 || earlier(&h->entries[i], &h->entries[best]))
            best = i;
    }
    return best;
}

static void sink(struct heap *h, uint32_t pos)
{
    struct heap_entry e = h->entries[pos];

    for (;;) {
        uint32_t child = least_child(h, pos);

        if (child == 0 || !earlier(&h->entries[child], &e))
            break;
        put(h, pos, h->entries[child]);
        pos = child;
    }
    put(h, pos, e);
}

/* The memory of entries that are long gone goes back. */
static void shrink(struct heap *h)
{
    uint32_t keep = (2 * h->count + HEAP_SLACK) & ~(HEAP_FIRST - 1);

    pages_clear(&h->entries[keep], (h->touched - keep) * sizeof *h->entries);
    h->touched = keep;
}

static void remove_at(struct heap *h, uint32_t pos)
{
    struct heap_entry last = h->entries[h->count--];

    if (h->touched / 4 > h->count + HEAP_SLACK)
        shrink(h);
    if (pos > h->count)
        return;
    put(h, pos, last);
    rise(h, pos);
    sink(h, *h->position(h->ctx, last.kind, last.index));
}

void heap_set(struct heap *h, uint32_t kind, uint32_t index, uint64_t when)
{
    uint32_t *position = h->position(h->ctx, kind, index);
    uint32_t pos = *position;

    if (when == CORE_NEVER) {
        if (pos == 0)
            return;
        *position = 0;
        remove_at(h, pos);
        return;
    }
    if (pos == 0) {
        pos = ++h->count;
        GANGER_ASSERT(pos < h->cap);
        while (pos >= h->touched)
            h->touched += HEAP_FIRST;
    }
    h->entries[pos] = (struct heap_entry){ when, kind, index };
    *position = pos;
    rise(h, pos);
    sink(h, *position);
}

uint64_t heap_when(const struct heap *h, uint32_t pos)
{
    return pos == 0 ? CORE_NEVER : h->entries[pos].when;
}
