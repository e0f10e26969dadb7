/*
 * Task id -> slot. A hash chained through the tasks themselves that grows and shrinks by one
 * bucket at a time (linear hashing: W. Litwin, VLDB 1980), so that no submit pays for the others
 * and memory follows the number of tasks.
 */
#ifndef CORE_IDS_H
#define CORE_IDS_H

#include <stdint.h>

struct core;

struct id_index {
    uint32_t *buckets; /* `size` of them, room for `cap` */
    uint32_t size, cap;
    uint32_t base;    /* power of two; base <= size < 2 * base: those below size - base are split */
    uint32_t touched; /* buckets that may take memory */
    uint32_t count;   /* tasks */
};

/* Make room for one more; 0 or GANGER_ENOMEM. */
int ids_reserve(struct core *c);
/*
 * So many are about to come, into an empty index: no bucket has to be split for them. If they do
 * not come, two buckets go back with each task that is removed.
 */
void ids_expect(struct core *c, uint32_t count);
void ids_add(struct core *c, uint32_t slot);
void ids_remove(struct core *c, uint32_t slot);
/* Slot of the task with this id, 0 if unknown. */
uint32_t ids_find(const struct core *c, uint64_t id);
void ids_done(struct core *c);

#endif
