/* Children by slot and generation: a chained hash table that does not own them. */
#ifndef POOL_CHILD_TABLE_H
#define POOL_CHILD_TABLE_H

#include <stdint.h>

struct child;

/* Zero-initialise. */
struct child_table {
    struct child **buckets;
    uint32_t bucket_count; /* a power of two, or 0 */
    uint32_t count;
    uint32_t walks; /* child_table_each() that go on: the buckets stay where they are */
};

struct child *child_table_find(const struct child_table *t, uint32_t slot, uint32_t gen);
/* GANGER_ENOMEM. */
int child_table_add(struct child_table *t, struct child *child);
void child_table_remove(struct child_table *t, struct child *child);
/* Call EACH for every child; it may add some, and remove and free the one it gets, no other. */
void child_table_each(
    struct child_table *t, void (*each)(void *ctx, struct child *child), void *ctx);
void child_table_done(struct child_table *t);

#endif
