/*
 * The memory store on a backing: what is left of it when it is closed.
 *
 * For tests, which play the part of the disk: they open the store again on the same backing,
 * hold syncs back, and let them fail. The daemon uses store_memory_open().
 */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store/store.h"

struct store_backing; /* owned by the caller; outlives each store that is opened on it */

/* Make an empty backing. GANGER_ENOMEM. */
int store_backing_new(struct store_backing **ret_backing);

/* Free B with the records in it. Accepts NULL. */
void store_backing_free(struct store_backing *b);

/* While HOLD, no sync completes. The caller polls the store after taking the hold away. */
void store_backing_hold(struct store_backing *b, bool hold);

/*
 * While CODE (a negative GANGER_E...) is not 0, each sync fails: the store tells its owner once
 * and goes on when CODE is 0 again and it is polled.
 */
void store_backing_fail(struct store_backing *b, int code);

/*
 * Open a memory store with the records of B. Records that were not synced when the last store
 * on B was closed are gone. GANGER_ENOMEM.
 */
int store_memory_open_on(
    const struct store_config *config, struct store_backing *b, struct store **ret_store);

#endif
