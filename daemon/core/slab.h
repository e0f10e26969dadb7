/*
 * Slabs: fixed-size cells named by 32-bit numbers that never move. Cell 0 is never given out, so 0
 * means "none". Memory grows by chunks, only in slab_take(); a chunk that has become empty goes
 * back, but for one.
 */
#ifndef CORE_SLAB_H
#define CORE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/assert.h"

/*
 * So that the tasks of a chunk fill a large page. It comes and goes as a whole: to take a part out
 * of it costs more than it saved.
 */
#ifndef SLAB_CHUNK_BITS
#define SLAB_CHUNK_BITS 15u
#endif
#define SLAB_CHUNK (1u << SLAB_CHUNK_BITS)

struct slab_chunk {
    unsigned char *cells; /* NULL: it was given back */
    uint32_t used;        /* cells ever given out since it was made */
    uint32_t free_head;   /* first free cell among those; its first 4 bytes name the next */
    uint32_t live;
    uint32_t next, prev; /* list of chunks that have room; vacant ones by next. Number + 1 */
};

struct slab {
    struct slab_chunk *chunks;
    uint32_t chunk_count, chunk_cap;
    uint32_t cell_bytes;
    uint32_t used;   /* no cell that was ever given out has this number or a higher one */
    uint32_t room;   /* first chunk with room, + 1; 0 if none */
    uint32_t vacant; /* first chunk that was given back, + 1 */
    uint32_t empty;  /* chunks with room that have no live cell */
    uint32_t live;
};

/* CELL_BYTES at least 4. Allocates nothing. */
void slab_init(struct slab *s, uint32_t cell_bytes);
void slab_done(struct slab *s);
/* A zeroed cell, or 0 when there is no memory. */
uint32_t slab_take(struct slab *s);
void slab_give(struct slab *s, uint32_t cell);

/* slab_take_raw() in all cases. */
uint32_t slab_take_slow(struct slab *s);

/* Whether there is memory at CELL, which is below `used`: a live cell, or one that once was. */
static inline bool slab_has(const struct slab *s, uint32_t cell)
{
    return s->chunks[cell >> SLAB_CHUNK_BITS].cells != NULL;
}

static inline void *slab_at(const struct slab *s, uint32_t cell)
{
    return s->chunks[cell >> SLAB_CHUNK_BITS].cells +
           (size_t)(cell & (SLAB_CHUNK - 1)) * s->cell_bytes;
}

/* The same for whoever knows how large a cell is: no multiplication by what is in memory. */
static inline void *slab_at_sized(const struct slab *s, uint32_t cell, size_t cell_bytes)
{
    return s->chunks[cell >> SLAB_CHUNK_BITS].cells +
           (size_t)(cell & (SLAB_CHUNK - 1)) * cell_bytes;
}

/*
 * slab_take() for whoever writes all of the cell: it holds what was left in it. Like
 * slab_give_sized() inline for the case that most have: a chunk that is neither full nor empty,
 * before or after.
 */
static inline uint32_t slab_take_raw(struct slab *s, size_t cell_bytes)
{
    struct slab_chunk *k;
    uint32_t cell, next;

    if (s->room == 0)
        return slab_take_slow(s);
    k = &s->chunks[s->room - 1];
    cell = k->free_head;
    if (cell == 0 || k->live == 0)
        return slab_take_slow(s);
    memcpy(&next, slab_at_sized(s, cell, cell_bytes), sizeof next);
    if (next == 0)
        return slab_take_slow(s);
    /* It was given back long ago, maybe: whoever takes it finds it in the cache. */
    __builtin_prefetch(slab_at_sized(s, next, cell_bytes), 1);
    k->free_head = next;
    k->live++;
    s->live++;
    return cell;
}

/* slab_give() for whoever knows how large a cell is. */
static inline void slab_give_sized(struct slab *s, uint32_t cell, size_t cell_bytes)
{
    struct slab_chunk *k = &s->chunks[cell >> SLAB_CHUNK_BITS];

    if (k->free_head == 0 || k->live < 2) {
        slab_give(s, cell);
        return;
    }
    GANGER_ASSERT(cell != 0 && cell < s->used);
    memcpy(slab_at_sized(s, cell, cell_bytes), &k->free_head, sizeof k->free_head);
    k->free_head = cell;
    k->live--;
    s->live--;
}

#endif
