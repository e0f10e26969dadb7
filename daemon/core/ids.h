/*
 * Task id -> slot. Chained through the tasks themselves; grows by moving a few buckets at each
 * insertion, so that no single submit pays for all.
 */
#ifndef CORE_IDS_H
#define CORE_IDS_H

#include <stdint.h>

struct core;

struct id_index {
    uint32_t *buckets, *old; /* old: being emptied from `moved` up, or NULL */
    uint32_t size, old_size, moved, count;
};

/* Make room for one more; 0 or GANGER_ENOMEM. */
int ids_reserve(struct core *c);
void ids_add(struct core *c, uint32_t slot);
void ids_remove(struct core *c, uint32_t slot);
/* Slot of the task with this id, 0 if unknown. */
uint32_t ids_find(const struct core *c, uint64_t id);
void ids_done(struct core *c);

#endif
