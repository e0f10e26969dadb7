#include "engine/internal.h"

#include <stdlib.h>

/* One more birth than BIRTHS counts fits. Those of records that were replaced are dropped first. */
static int births_reserve(struct engine *e)
{
    uint32_t kept = 0, cap = e->sem_birth_cap == 0 ? 64 : 2 * e->sem_birth_cap;
    struct sem_birth *births;

    if (e->sem_birth_count < e->sem_birth_cap)
        return 0;
    for (uint32_t i = 0; i < e->sem_birth_count; i++) {
        if (e->sems[e->sem_births[i].sem].birth == e->sem_births[i].birth)
            e->sem_births[kept++] = e->sem_births[i];
    }
    e->sem_birth_count = kept;
    if (kept < e->sem_birth_cap / 2)
        return 0;
    births = realloc(e->sem_births, cap * sizeof *births);
    if (births == NULL)
        return GANGER_ENOMEM;
    e->sem_births = births;
    e->sem_birth_cap = cap;
    return 0;
}

int semaphore_admit(struct engine *e, struct slice name, uint32_t *ret_sem)
{
    int rc = core_sem_add(e->core, (const char *)name.data, name.len, ret_sem);

    if (rc == 0)
        rc = sems_reserve(e, *ret_sem);
    return rc < 0 ? rc : births_reserve(e);
}

void semaphore_recorded(struct engine *e, uint32_t sem, uint64_t birth, uint32_t bytes)
{
    struct engine_sem *s = &e->sems[sem];

    if (s->birth != 0)
        store_dead(e->store, s->bytes);
    *s = (struct engine_sem){ .by_hand = true, .birth = birth, .bytes = bytes };
    e->sem_births[e->sem_birth_count++] = (struct sem_birth){ birth, sem };
}

bool semaphore_live(const struct engine *e, uint64_t birth)
{
    uint32_t from = 0, to = e->sem_birth_count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (e->sem_births[middle].birth < birth)
            from = middle + 1;
        else
            to = middle;
    }
    return from < e->sem_birth_count && e->sem_births[from].birth == birth &&
           e->sems[e->sem_births[from].sem].birth == birth;
}

/* Room for scratch comes first: what is refused makes no semaphore. */
int fact_semaphore(struct engine *e, struct slice name, uint32_t permits, session_id session,
    uint64_t req, uint32_t *ret_sem)
{
    uint64_t birth;
    uint32_t bytes;
    int rc;

    e->scratch.len = 0;
    write_array(&e->scratch, 2);
    write_str(&e->scratch, (const char *)name.data, name.len);
    write_uint(&e->scratch, permits);
    rc = e->scratch.failed != 0 ? e->scratch.failed : store_reserve(e->store, e->scratch.len, 1);
    if (rc < 0)
        return rc;
    rc = semaphore_admit(e, name, ret_sem);
    if (rc < 0) {
        store_unreserve(e->store, e->scratch.len, 1);
        return rc;
    }
    birth = record_append(e, RECORD_SEM, 0, NULL, e->scratch.len, &bytes);
    semaphore_recorded(e, *ret_sem, birth, bytes);
    pending_add(e, birth, 0, session, req, FACT_SUBMIT);
    return 0;
}

void request_stored(struct engine *e, const struct pending *p)
{
    struct msg_reply r = { .req = p->req };

    if (p->id != 0)
        e->cfg.net.reply(e->cfg.net.ctx, p->id, &r);
}
