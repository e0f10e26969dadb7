#include "engine/internal.h"

#include <stdlib.h>
#include <syslog.h>

#define STUCK_TRIES 64u /* that fail, in one turn */

int room_for_task(struct engine *e, size_t task_bytes)
{
    return store_reserve(
        e->store, task_bytes + ROOM_END + ROOM_ATTEMPT + ROOM_CANCEL, 1 + ROOM_RECORDS);
}

void room_give_back(struct engine *e, size_t task_bytes)
{
    store_unreserve(e->store, task_bytes + ROOM_END + ROOM_ATTEMPT + ROOM_CANCEL, 1 + ROOM_RECORDS);
}

void facts_notify(void *ctx)
{
    const struct engine *e = ctx;

    if (e->cfg.notify != NULL)
        e->cfg.notify(e->cfg.notify_ctx);
}

void facts_stand_in(void *ctx)
{
    const struct engine *e = ctx;

    e->cfg.stand_in(e->cfg.notify_ctx);
}

/* The fact that is waited for after N others. */
static struct pending *pending_at(const struct engine *e, uint32_t n)
{
    return &e->pending[(e->pending_head + n) & (e->pending_cap - 1)];
}

static void pending_grow(struct engine *e)
{
    uint32_t cap = e->pending_cap == 0 ? 1024 : e->pending_cap * 2;
    struct pending *ring = malloc(cap * sizeof *ring);

    GANGER_ASSERT(ring != NULL); /* bounded by the journal room that was set aside */
    for (uint32_t i = 0; i < e->pending_count; i++)
        ring[i] = *pending_at(e, i);
    free(e->pending);
    e->pending = ring;
    e->pending_head = 0;
    e->pending_cap = cap;
}

void pending_add(
    struct engine *e, uint64_t birth, uint32_t slot, uint64_t id, uint64_t req, enum fact fact)
{
    struct pending *p;

    if (e->pending_count == e->pending_cap)
        pending_grow(e);
    /* Field by field: a copy of what was just written would wait until all before it is stored. */
    p = pending_at(e, e->pending_count++);
    p->birth = birth;
    p->id = id;
    p->req = req;
    p->slot = slot;
    p->fact = fact;
}

uint64_t record_append(struct engine *e, enum record_kind kind, uint64_t key,
    const struct body *body, size_t room, uint32_t *ret_bytes)
{
    struct iovec iov[2] = { { e->scratch.data, e->scratch.len }, { NULL, 0 } };
    size_t bytes = e->scratch.len;
    uint64_t birth;

    if (body != NULL) {
        iov[1] = (struct iovec){ (void *)(uintptr_t)body->data, body->len };
        bytes += body->len;
    }
    GANGER_ASSERT(bytes <= room);
    e->recorded++;
    birth = store_append(e->store, (uint8_t)kind, key, iov, 2);
    if (room > bytes)
        store_unreserve(e->store, room - bytes, 0);
    *ret_bytes = (uint32_t)bytes;
    return birth;
}

static bool append_task(struct engine *e, uint32_t slot, uint64_t id, uint64_t *ret_birth)
{
    struct durable *d = entry_durable(e, slot);

    record_task(e, slot, &e->scratch);
    d->birth = record_append(e, RECORD_TASK, id, d->body, d->bytes, &d->bytes);
    *ret_birth = d->birth;
    return true;
}

static bool append_attempt(struct engine *e, uint32_t slot, uint64_t id, uint64_t *ret_birth)
{
    struct durable *d = entry_durable(e, slot);
    uint32_t old = d->attempt_birth == 0 ? UINT32_MAX : d->attempt_bytes, bytes;

    if (!d->room_attempt && store_reserve(e->store, ROOM_ATTEMPT, 1) < 0)
        return false;
    record_attempt(e, slot, &e->scratch);
    d->attempt_birth = record_append(e, RECORD_ATTEMPT, id, NULL, ROOM_ATTEMPT, &bytes);
    d->attempt_bytes = (uint16_t)bytes;
    if (old != UINT32_MAX)
        store_dead(e->store, old);
    d->room_attempt = store_reserve(e->store, ROOM_ATTEMPT, 1) == 0;
    *ret_birth = d->attempt_birth;
    return true;
}

static bool append_cancel(struct engine *e, uint32_t slot, uint64_t id, uint64_t *ret_birth)
{
    struct durable *d = entry_durable(e, slot);
    uint32_t bytes;

    if (!d->room_cancel && store_reserve(e->store, ROOM_CANCEL, 1) < 0)
        return false;
    d->room_cancel = false;
    e->scratch.len = 0;
    *ret_birth = record_append(e, RECORD_CANCEL, id, NULL, ROOM_CANCEL, &bytes);
    d->cancels++;
    return true;
}

/* What was stuck is not needed any more: a cancel whose task has ended meanwhile. */
static void unstick(struct engine *e, uint32_t slot)
{
    struct durable *d = entry_durable(e, slot);
    uint32_t *at = &e->stuck, before = 0;

    while (*at != slot) {
        before = *at;
        at = &entry_durable(e, before)->stuck_next;
    }
    *at = d->stuck_next;
    if (e->stuck_last == slot)
        e->stuck_last = before;
    d->stuck = false;
}

static bool append_end(struct engine *e, uint32_t slot, uint64_t id, uint64_t *ret_birth)
{
    struct durable *d = entry_durable(e, slot);
    size_t bytes, room = d->room_end ? ROOM_END : 0;
    uint32_t appended;

    record_end(e, slot, &e->scratch);
    bytes = e->scratch.len + (d->body == NULL ? 0 : d->body->len);
    if (bytes > room || !d->room_end) {
        size_t more = bytes > room ? bytes - room : 0;

        if (store_reserve(e->store, more, d->room_end ? 0 : 1) < 0)
            return false;
        room += more;
    }
    d->room_end = false;
    *ret_birth = record_append(e, RECORD_END, id, d->body, room, &appended);
    if (d->stuck)
        unstick(e, slot);
    /* From now on, not when this is durable: a copy of the task behind its end could outlive it. */
    fact_ended(e, slot);
    fact_end_is(d, *ret_birth, appended);
    return true;
}

static void append_forget(struct engine *e, uint32_t slot, uint64_t id)
{
    struct durable *d = entry_durable(e, slot);
    uint64_t birth;
    uint32_t bytes;

    /* One that was not asked for needs no record: the end says when it is forgotten. */
    if (!e->dropping || (!d->room_forget && store_reserve(e->store, 0, 1) < 0))
        return;
    d->room_forget = false;
    e->scratch.len = 0;
    birth = record_append(e, RECORD_FORGET, id, NULL, 0, &bytes);
    /* It stands behind all else of its task, so it is needed only as long as it stands there. */
    store_dead(e->store, bytes);
    pending_add(e, birth, 0, e->drop_session, e->drop_req, FACT_FORGET);
    e->drop_pending = true;
}

static bool try_append(
    struct engine *e, uint32_t slot, uint64_t id, enum fact fact, uint64_t *ret_birth)
{
    switch (fact) {
    case FACT_SUBMIT:
        return append_task(e, slot, id, ret_birth);
    case FACT_ATTEMPT:
        return append_attempt(e, slot, id, ret_birth);
    case FACT_CANCEL:
        return append_cancel(e, slot, id, ret_birth);
    default:
        return append_end(e, slot, id, ret_birth);
    }
}

/* No room for a fact: its task stays SETTLING, and its child is not read meanwhile. */
static void stick(struct engine *e, uint32_t slot, uint64_t id, enum fact fact)
{
    struct durable *d = entry_durable(e, slot);

    d->stuck_fact = (uint8_t)fact; /* only an end can follow a cancel, and it says more */
    if (!d->stuck) {
        d->stuck = true;
        d->stuck_next = 0;
        if (e->stuck == 0)
            e->stuck = slot;
        else
            entry_durable(e, e->stuck_last)->stuck_next = slot;
        e->stuck_last = slot;
    }
    if (!d->stuck_told) { /* it is tried again each turn */
        d->stuck_told = true;
        report(e, LOG_WARNING, "journal-no-room", "task=%llx", (unsigned long long)id);
    }
    if (d->child == 0 && e->result_child != 0) {
        d->child = e->result_child;
        d->gen = e->result_gen;
        e->cfg.pool.read(e->cfg.pool.ctx, d->child, d->gen, false);
    }
}

void fact_append(struct engine *e, uint32_t slot, uint64_t id, enum fact fact)
{
    uint64_t birth;

    if (fact == FACT_FORGET)
        append_forget(e, slot, id);
    else if (try_append(e, slot, id, fact, &birth))
        pending_add(e, birth, slot, id, 0, fact);
    else
        stick(e, slot, id, fact);
}

/* In turn, the longest stuck first; where there is no room for some there is none for the rest. */
void facts_retry(struct engine *e)
{
    uint32_t last = e->stuck_last, slot = 0, failures = 0;

    while (e->stuck != 0 && slot != last && failures < STUCK_TRIES) {
        struct durable *d;
        struct core_task_info t;

        slot = e->stuck;
        d = entry_durable(e, slot);
        unstick(e, slot);
        (void)core_slot_info(e->core, slot, &t);
        fact_append(e, slot, t.id, d->stuck_fact);
        failures += d->stuck;
        d->stuck_told = d->stuck;
        if (d->stuck || d->child == 0)
            continue;
        e->cfg.pool.read(e->cfg.pool.ctx, d->child, d->gen, true);
        d->child = 0;
    }
}

void facts_synced(void *ctx, uint64_t last_birth)
{
    struct engine *e = ctx;

    while (e->pending_count > 0 && e->pending[e->pending_head].birth <= last_birth) {
        struct pending p = *pending_at(e, 0);

        e->pending_head = (e->pending_head + 1) & (e->pending_cap - 1);
        e->pending_count--;
        if (p.slot == 0)
            request_stored(e, &p);
        else
            (void)step(e, &(struct event){
                              .type = EVENT_STORED, .slot = p.slot, .id = p.id, .fact = p.fact });
    }
}

void facts_failed(void *ctx, uint64_t first, uint64_t last, int code, const char *text)
{
    struct engine *e = ctx;

    report(e, LOG_ERR, "journal-failed", "code=%s text=%s", error_name(code), text);
    for (uint32_t i = 0; i < e->pending_count; i++) {
        const struct pending *p = pending_at(e, i);

        if (p->slot != 0 && p->birth >= first && p->birth <= last)
            (void)step(
                e, &(struct event){
                       .type = EVENT_STORE_FAILED, .slot = p->slot, .id = p->id, .fact = p->fact });
    }
}

/*
 * From the moment that a task's end is appended nothing before it is needed: a copy made later
 * would stand behind the end in the log, outlive it there and bring the task back to life.
 */
bool facts_live(void *ctx, uint8_t kind, uint64_t key, uint64_t birth)
{
    struct engine *e = ctx;
    const struct durable *d;
    uint32_t slot;

    if (kind == RECORD_EPOCH)
        return birth == e->epoch_birth;
    if (kind == RECORD_SEM)
        return semaphore_live(e, birth);
    slot = core_task_slot(e->core, key);
    d = slot == 0 ? NULL : entry_durable(e, slot);
    if (d == NULL)
        return false;
    switch ((enum record_kind)kind) {
    case RECORD_TASK:
        return birth == d->birth && !d->has_end;
    case RECORD_ATTEMPT:
        return birth == d->attempt_birth && !d->has_end;
    case RECORD_CANCEL:
        return !d->has_end;
    case RECORD_END:
        return birth == d->birth && d->has_end;
    default:
        return false;
    }
}

/* The end is appended: nothing but it is needed of this task. */
void fact_ended(struct engine *e, uint32_t slot)
{
    struct durable *d = entry_durable(e, slot);

    if (d == NULL || d->has_end)
        return;
    if (d->birth != 0)
        store_dead(e->store, d->bytes);
    if (d->attempt_birth != 0)
        store_dead(e->store, d->attempt_bytes);
    d->birth = d->attempt_birth = 0;
    for (; d->cancels > 0; d->cancels--)
        store_dead(e->store, 0);
    if (d->room_attempt)
        store_unreserve(e->store, ROOM_ATTEMPT, 1);
    if (d->room_cancel)
        store_unreserve(e->store, ROOM_CANCEL, 1);
    d->room_attempt = d->room_cancel = false;
}

void fact_end_is(struct durable *d, uint64_t birth, uint32_t bytes)
{
    d->birth = birth;
    d->bytes = bytes;
    d->has_end = true;
}

void durable_end(struct engine *e, uint32_t slot)
{
    const struct durable *d = entry_durable(e, slot);

    GANGER_ASSERT(!d->stuck);
    fact_ended(e, slot);
    if (d->has_end)
        store_dead(e->store, d->bytes);
    if (d->room_end)
        store_unreserve(e->store, ROOM_END, 1);
    if (d->room_forget)
        store_unreserve(e->store, 0, 1);
}
