#include "core/slab.h"

#include "proto/assert.h"

#include <stdlib.h>
#include <string.h>

void slab_init(struct slab *s, uint32_t cell_bytes)
{
    memset(s, 0, sizeof *s);
    s->cell_bytes = cell_bytes;
    s->used = 1; /* cell 0 means "none" */
}

void slab_done(struct slab *s)
{
    for (uint32_t i = 0; i < s->chunk_count; i++)
        free(s->chunks[i]);
    free(s->chunks);
    slab_init(s, s->cell_bytes);
}

static int slab_grow(struct slab *s)
{
    unsigned char *chunk;

    if (s->chunk_count == s->chunk_cap) {
        uint32_t cap = s->chunk_cap == 0 ? 16 : s->chunk_cap * 2;
        unsigned char **chunks = realloc(s->chunks, cap * sizeof *chunks);

        if (chunks == NULL)
            return -1;
        s->chunks = chunks;
        s->chunk_cap = cap;
    }
    chunk = malloc((size_t)s->cell_bytes * SLAB_CHUNK);
    if (chunk == NULL)
        return -1;
    s->chunks[s->chunk_count++] = chunk;
    return 0;
}

uint32_t slab_take(struct slab *s)
{
    uint32_t cell = s->free_head;

    if (cell != 0) {
        memcpy(&s->free_head, slab_at(s, cell), sizeof s->free_head);
    } else {
        if ((s->used >> SLAB_CHUNK_BITS) >= s->chunk_count && slab_grow(s) < 0)
            return 0;
        cell = s->used++;
    }
    memset(slab_at(s, cell), 0, s->cell_bytes);
    s->live++;
    return cell;
}

void slab_give(struct slab *s, uint32_t cell)
{
    GANGER_ASSERT(cell != 0 && cell < s->used && s->live > 0);
    memcpy(slab_at(s, cell), &s->free_head, sizeof s->free_head);
    s->free_head = cell;
    s->live--;
}
