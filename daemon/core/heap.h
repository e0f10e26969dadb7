/*
 * The deadline heap: one entry for each object that has a next deadline. An object keeps the
 * position of its entry (0 = none), so a deadline moves in O(log n). Room is reserved when objects
 * are admitted, so that setting a deadline never allocates.
 */
#ifndef CORE_HEAP_H
#define CORE_HEAP_H

#include <stdint.h>

struct heap_entry {
    uint64_t when;
    uint32_t kind, index; /* what the deadline is of */
};

struct heap {
    struct heap_entry *entries; /* 1-based, 4-ary */
    uint32_t count, cap;
    uint32_t touched; /* entries that may take memory */
    /* Where an entry's object keeps its position. */
    uint32_t *(*position)(void *ctx, uint32_t kind, uint32_t index);
    void *ctx;
};

/* Make sure that OBJECTS entries fit; 0 or GANGER_ENOMEM. */
int heap_reserve(struct heap *h, uint32_t objects);
void heap_done(struct heap *h);
/* Set, move or (WHEN = CORE_NEVER) remove the deadline of an object. */
void heap_set(struct heap *h, uint32_t kind, uint32_t index, uint64_t when);
/* The deadline of the entry at POS. */
uint64_t heap_when(const struct heap *h, uint32_t pos);

#endif
