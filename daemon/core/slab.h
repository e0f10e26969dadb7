/*
 * Slabs: fixed-size cells named by 32-bit numbers that never move. Cell 0 is never given out, so 0
 * means "none". Memory grows by chunks, only in slab_take().
 */
#ifndef CORE_SLAB_H
#define CORE_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_CHUNK_BITS 10u
#define SLAB_CHUNK      (1u << SLAB_CHUNK_BITS)

struct slab {
    unsigned char **chunks;
    uint32_t chunk_count, chunk_cap;
    uint32_t cell_bytes;
    uint32_t used;      /* highest cell ever given out, plus one */
    uint32_t free_head; /* first free cell; its first 4 bytes name the next */
    uint32_t live;
};

/* CELL_BYTES at least 4. Allocates nothing. */
void slab_init(struct slab *s, uint32_t cell_bytes);
void slab_done(struct slab *s);
/* A zeroed cell, or 0 when there is no memory. */
uint32_t slab_take(struct slab *s);
void slab_give(struct slab *s, uint32_t cell);

static inline void *slab_at(const struct slab *s, uint32_t cell)
{
    return s->chunks[cell >> SLAB_CHUNK_BITS] + (size_t)(cell & (SLAB_CHUNK - 1)) * s->cell_bytes;
}

/* The same for whoever knows how large a cell is: no multiplication by what is in memory. */
static inline void *slab_at_sized(const struct slab *s, uint32_t cell, size_t cell_bytes)
{
    return s->chunks[cell >> SLAB_CHUNK_BITS] + (size_t)(cell & (SLAB_CHUNK - 1)) * cell_bytes;
}

#endif
