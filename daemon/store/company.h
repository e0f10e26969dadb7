/*
 * Company: how long a batch waits for more records to share its sync.
 *
 * A batch is durable, and whoever waited for it may come back at once with more. To begin with what
 * has gathered beside it would part them for good: two halves that wait for each other, each synced
 * by itself. So the next batch waits until as many are there as these were together, half the time
 * of a sync at most. With many it is the other way round: to take and to answer them takes as long
 * as a sync, and two halves do that in turns; then a third of them is enough.
 *
 * Where tasks come by themselves, and not as answers are given, the wait is for nothing: then it is
 * left out twice as often each time. No clock of its own; under the syncer's mutex. Private to this
 * folder.
 */
#ifndef STORE_COMPANY_H
#define STORE_COMPANY_H

#include <stdbool.h>
#include <stdint.h>

/* So many records are company enough: what a longer wait would save is less than it costs. */
#define COMPANY_MANY 128u

struct company {
    uint64_t records;     /* that a batch waits to have ... */
    uint64_t until_ns;    /* ... until then; 0: it waits for none */
    uint64_t sync_ns;     /* how long a batch takes, smoothed */
    unsigned lonely;      /* waits to be left out now, and ... */
    unsigned lonely_next; /* ... when company fails to come the next time */
};

/* A batch that took TOOK_NS was synced at NOW; it and what stood by had RECORDS. */
void company_synced(struct company *c, uint64_t records, uint64_t took_ns, uint64_t now);

/* A batch of RECORDS is taken up. */
void company_taken(struct company *c, uint64_t records);

/* Is a batch of RECORDS to be written at NOW? */
static inline bool company_enough(const struct company *c, uint64_t records, uint64_t now)
{
    return records >= c->records || c->until_ns <= now;
}

#endif
