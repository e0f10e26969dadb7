#include "engine/cells.h"

#include "proto/assert.h"
#include "proto/pages.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define CHUNK_BYTES (2048u * 1024) /* a large page, which is taken and given back as a whole */
#define SPARES_MAX  4u
#define SPARE_BYTES (512u * 1024) /* one that was used further is none */
#define CLASSES     40u

#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>
#define POISON(p, bytes)   __asan_poison_memory_region(p, bytes)
#define UNPOISON(p, bytes) __asan_unpoison_memory_region(p, bytes)
#else
#define POISON(p, bytes)   ((void)(p), (void)(bytes))
#define UNPOISON(p, bytes) ((void)(p), (void)(bytes))
#endif

struct cell {
    struct cell *next;
};

/* Stands at the beginning of its memory, which is aligned to its size. */
struct chunk {
    struct cell *free;   /* given back */
    uint32_t used, live; /* bytes from the start that were ever given out; cells */
    uint32_t cell_bytes, class;
    struct chunk *next, *prev; /* of those of its class that have room; spares by next */
};
#define HEAD_BYTES ((sizeof(struct chunk) + 63) / 64 * 64)

static struct chunk *rooms[CLASSES]; /* chunks with room */
static uint32_t counts[CLASSES];     /* all chunks */
static struct chunk *spares;         /* empty, of no class */
static uint32_t spare_count;

/* Steps of 8 bytes to 128, 16 to 256, 32 to 512, 64 to 1,024. */
static inline unsigned class_of(size_t bytes, uint32_t *ret_cell_bytes)
{
    unsigned shift = 3, first = 0;
    size_t from = 0;

    if (bytes > 128) {
        shift = bytes <= 256 ? 4 : bytes <= 512 ? 5 : 6;
        first = 16 + (shift - 4) * 8;
        from = (size_t)128 << (shift - 4);
    }
    bytes = (bytes - from + ((size_t)1 << shift) - 1) >> shift;
    *ret_cell_bytes = (uint32_t)(from + (bytes << shift));
    return first + (unsigned)bytes - 1;
}

static void room_enter(struct chunk **room, struct chunk *k)
{
    k->prev = NULL;
    k->next = *room;
    if (*room != NULL)
        (*room)->prev = k;
    *room = k;
}

static void room_leave(struct chunk **room, struct chunk *k)
{
    if (k->prev == NULL)
        *room = k->next;
    else
        k->prev->next = k->next;
    if (k->next != NULL)
        k->next->prev = k->prev;
}

/* The first chunk of a class may never be filled: it is in small pages. */
static struct chunk *chunk_map(bool first)
{
    struct chunk *k = first ? pages_new_aligned(CHUNK_BYTES) : pages_more(CHUNK_BYTES);

    if (k != NULL)
        POISON((char *)k + HEAD_BYTES, CHUNK_BYTES - HEAD_BYTES);
    return k;
}

static struct chunk *chunk_new(unsigned class, uint32_t cell_bytes)
{
    struct chunk *k = spares;

    if (k != NULL) {
        spares = k->next;
        spare_count--;
    } else {
        k = chunk_map(counts[class] == 0);
        if (k == NULL)
            return NULL;
    }
    counts[class]++;
    *k = (struct chunk){ .used = HEAD_BYTES, .cell_bytes = cell_bytes, .class = class };
    return k;
}

static void chunk_free(struct chunk *k)
{
    if (spare_count == SPARES_MAX || k->used > SPARE_BYTES) {
        UNPOISON(k, CHUNK_BYTES);
        pages_less(k, CHUNK_BYTES);
        return;
    }
    k->next = spares;
    spares = k;
    spare_count++;
}

static bool chunk_full(const struct chunk *k)
{
    return k->free == NULL && k->used + k->cell_bytes > CHUNK_BYTES;
}

static void *cell_take(struct chunk **room, size_t bytes)
{
    struct chunk *k = *room;
    struct cell *p = k->free;

    if (p != NULL) {
        UNPOISON(p, bytes < sizeof *p ? sizeof *p : bytes);
        k->free = p->next;
        __builtin_prefetch(k->free, 1); /* the next one to be taken, given back long ago, maybe */
    } else {
        p = (struct cell *)(void *)((char *)k + k->used);
        UNPOISON(p, bytes);
        k->used += k->cell_bytes;
    }
    k->live++;
    if (chunk_full(k))
        room_leave(room, k);
    return p;
}

void *cells_new(size_t bytes)
{
    struct chunk *k;
    uint32_t cell_bytes;
    unsigned class;

    if (bytes > CELLS_MAX)
        return malloc(bytes);
    GANGER_ASSERT(bytes > 0);
    class = class_of(bytes, &cell_bytes);
    if (rooms[class] == NULL) {
        k = chunk_new(class, cell_bytes);
        if (k == NULL)
            return NULL;
        room_enter(&rooms[class], k);
    }
    return cell_take(&rooms[class], bytes);
}

void cells_free(void *p, size_t bytes)
{
    struct chunk *k = (struct chunk *)((uintptr_t)p & ~(uintptr_t)(CHUNK_BYTES - 1));
    struct cell *cell = p;

    if (bytes > CELLS_MAX || p == NULL) {
        free(p);
        return;
    }
    GANGER_ASSERT(k->cell_bytes >= bytes && k->live > 0);
    if (chunk_full(k))
        room_enter(&rooms[k->class], k);
    UNPOISON(p, sizeof *cell);
    cell->next = k->free;
    k->free = cell;
    POISON(p, k->cell_bytes);
    if (--k->live > 0)
        return;
    room_leave(&rooms[k->class], k);
    counts[k->class]--;
    chunk_free(k);
}
