/*
 * Task id -> slot. Chained through the tasks themselves; grows by moving a few buckets at each
 * insertion, so that no single submit pays for all.
 */
#ifndef CORE_INDEX_H
#define CORE_INDEX_H

#include <stdint.h>

struct core;

struct id_index {
    uint32_t *buckets, *old; /* old: being emptied from `moved` up, or NULL */
    uint32_t size, old_size, moved, count;
};

/* Make room for one more; 0 or GANGER_ENOMEM. */
int index_reserve(struct core *c);
void index_add(struct core *c, uint32_t slot);
void index_remove(struct core *c, uint32_t slot);
/* Slot of the task with this id, 0 if unknown. */
uint32_t index_find(const struct core *c, uint64_t id);
void index_done(struct core *c);

#endif
