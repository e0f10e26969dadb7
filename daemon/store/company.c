#include "store/company.h"

/* No batch waits longer than this. */
#define HOLD_MAX_NS UINT64_C(1000000)

/* So many waits are left out at most when company fails to come. */
#define LONELY_MAX 31u

void company_synced(struct company *c, uint64_t records, uint64_t took_ns, uint64_t now)
{
    uint64_t hold;

    c->sync_ns = c->sync_ns == 0 ? took_ns : (3 * c->sync_ns + took_ns) / 4;
    hold = c->sync_ns / 2;
    c->records = records >= 2 * COMPANY_MANY ? records / 3 : records;
    c->until_ns = 0;
    if (c->lonely > 0)
        c->lonely--;
    else if (records > 1) /* one that comes alone has all its company */
        c->until_ns = now + (hold < HOLD_MAX_NS ? hold : HOLD_MAX_NS);
}

void company_taken(struct company *c, uint64_t records)
{
    if (c->until_ns == 0)
        return;
    c->until_ns = 0;
    if (records >= c->records)
        c->lonely_next = 0;
    else if (c->lonely_next < LONELY_MAX)
        c->lonely_next = 2 * c->lonely_next + 1;
    c->lonely = c->lonely_next;
}
