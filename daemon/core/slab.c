#include "core/slab.h"

#include "proto/assert.h"
#include "proto/pages.h"

#include <stdlib.h>
#include <string.h>

void slab_init(struct slab *s, uint32_t cell_bytes)
{
    memset(s, 0, sizeof *s);
    s->cell_bytes = cell_bytes;
    s->used = 1; /* cell 0 means "none" */
}

static size_t chunk_bytes(const struct slab *s)
{
    return ((size_t)s->cell_bytes * SLAB_CHUNK + PAGES_BYTES - 1) & ~(size_t)(PAGES_BYTES - 1);
}

void slab_done(struct slab *s)
{
    for (uint32_t i = 0; i < s->chunk_count; i++)
        pages_free(s->chunks[i].cells, chunk_bytes(s));
    free(s->chunks);
    slab_init(s, s->cell_bytes);
}

static void room_enter(struct slab *s, uint32_t chunk)
{
    s->chunks[chunk].prev = 0;
    s->chunks[chunk].next = s->room;
    if (s->room != 0)
        s->chunks[s->room - 1].prev = chunk + 1;
    s->room = chunk + 1;
}

static void room_leave(struct slab *s, uint32_t chunk)
{
    const struct slab_chunk *k = &s->chunks[chunk];

    if (k->prev == 0)
        s->room = k->next;
    else
        s->chunks[k->prev - 1].next = k->next;
    if (k->next != 0)
        s->chunks[k->next - 1].prev = k->prev;
}

static int table_grow(struct slab *s)
{
    uint32_t cap = s->chunk_cap == 0 ? 16 : s->chunk_cap * 2;
    struct slab_chunk *chunks = realloc(s->chunks, cap * sizeof *chunks);

    if (chunks == NULL)
        return -1;
    s->chunks = chunks;
    s->chunk_cap = cap;
    return 0;
}

/* A new chunk; the number of one that was given back is used again first. */
static int slab_grow(struct slab *s)
{
    uint32_t chunk = s->vacant == 0 ? s->chunk_count : s->vacant - 1;
    unsigned char *cells;

    if (chunk == s->chunk_cap && table_grow(s) < 0)
        return -1;
    /* The first chunk may never be filled; whoever needs a second one will need more. */
    cells = chunk == 0 ? pages_new(chunk_bytes(s)) : pages_more(chunk_bytes(s));
    if (cells == NULL)
        return -1;
    if (s->vacant != 0)
        s->vacant = s->chunks[chunk].next;
    else
        s->chunk_count++;
    s->chunks[chunk] = (struct slab_chunk){ .cells = cells, .used = chunk == 0 };
    s->empty++;
    room_enter(s, chunk);
    return 0;
}

uint32_t slab_take_slow(struct slab *s)
{
    struct slab_chunk *k;
    uint32_t chunk, cell;

    if (s->room == 0 && slab_grow(s) < 0)
        return 0;
    chunk = s->room - 1;
    k = &s->chunks[chunk];
    cell = k->free_head;
    if (cell != 0) {
        memcpy(&k->free_head, slab_at(s, cell), sizeof k->free_head);
    } else {
        cell = chunk * SLAB_CHUNK + k->used++; /* which no one has touched */
        if (cell >= s->used)
            s->used = cell + 1;
    }
    if (k->live++ == 0)
        s->empty--;
    if (k->free_head == 0 && k->used == SLAB_CHUNK)
        room_leave(s, chunk);
    s->live++;
    return cell;
}

uint32_t slab_take(struct slab *s)
{
    uint32_t cell = slab_take_slow(s);

    if (cell != 0)
        memset(slab_at(s, cell), 0, s->cell_bytes);
    return cell;
}

static void chunk_free(struct slab *s, uint32_t chunk)
{
    struct slab_chunk *k = &s->chunks[chunk];

    room_leave(s, chunk);
    pages_less(k->cells, chunk_bytes(s));
    *k = (struct slab_chunk){ .next = s->vacant };
    s->vacant = chunk + 1;
}

void slab_give(struct slab *s, uint32_t cell)
{
    uint32_t chunk = cell >> SLAB_CHUNK_BITS;
    struct slab_chunk *k = &s->chunks[chunk];

    GANGER_ASSERT(cell != 0 && cell < s->used && k->live > 0);
    if (k->free_head == 0 && k->used == SLAB_CHUNK)
        room_enter(s, chunk);
    memcpy(slab_at(s, cell), &k->free_head, sizeof k->free_head);
    k->free_head = cell;
    s->live--;
    if (--k->live > 0)
        return;
    if (s->empty > 0)
        chunk_free(s, chunk);
    else
        s->empty++;
}
