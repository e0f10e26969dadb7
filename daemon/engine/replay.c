#include "engine/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_KEEP 256u /* bytes of a head that is compared with the next */

struct replay {
    struct engine *e;
    uint64_t records, last_birth;
    uint8_t last_kind;
    uint32_t epoch; /* highest seen */
    const char *what;
    uint8_t head[HEAD_KEEP]; /* of the last task's record, and what it says */
    size_t head_bytes;
    struct core_spec spec;
};

static int no_memory(struct replay *p)
{
    p->what = "out of memory";
    return GANGER_ENOMEM;
}

/*
 * Nearly every task asks for the same as the one before it. A head ends where its own bytes say,
 * so one that begins with the same bytes is the same.
 */
static int task_read(
    struct replay *p, const struct store_record *r, struct core_spec *ret, struct slice *ret_call)
{
    int rc;

    if (p->head_bytes > 0 && r->data_bytes >= p->head_bytes &&
        memcmp(r->data, p->head, p->head_bytes) == 0) {
        ret_call->data = (const uint8_t *)r->data + p->head_bytes;
        ret_call->len = r->data_bytes - p->head_bytes;
        *ret = p->spec;
        ret->call_bytes = (uint32_t)ret_call->len;
        return 0;
    }
    rc = record_read_task(p->e, r, ret, ret_call);
    if (rc < 0)
        return rc;
    p->head_bytes = r->data_bytes - ret_call->len;
    if (p->head_bytes > sizeof p->head)
        p->head_bytes = 0;
    memcpy(p->head, r->data, p->head_bytes);
    p->spec = *ret;
    return 0;
}

static int replay_task(struct replay *p, const struct store_record *r)
{
    struct engine *e = p->e;
    struct core_spec spec;
    struct slice call;
    struct body *body;
    struct durable *d;
    int rc = task_read(p, r, &spec, &call);

    if (rc < 0)
        return rc;
    body = body_new(call.data, (uint32_t)call.len);
    d = durable_new();
    if (body == NULL || d == NULL)
        goto no_room;
    d->birth = r->birth;
    d->bytes = (uint32_t)r->data_bytes;
    /* Should there be no room now, it is asked for when it is needed. */
    if (store_reserve(e->store, ROOM_END + ROOM_ATTEMPT + ROOM_CANCEL, ROOM_RECORDS) == 0)
        d->room_end = d->room_attempt = d->room_cancel = d->room_forget = true;
    e->admission = &(struct admission){ .call = body, .durable = d };
    rc = step(e, &(struct event){ .type = EVENT_REPLAY_TASK,
                     .id = r->key,
                     .spec = &spec,
                     .ret_slot = &e->admission->slot });
    if (rc == 0)
        return 0;
    e->admission = NULL;
    if (d->room_end)
        store_unreserve(e->store, ROOM_END + ROOM_ATTEMPT + ROOM_CANCEL, ROOM_RECORDS);
no_room:
    durable_free(d);
    body_unref(body);
    return rc == GANGER_EEXIST ? GANGER_ECORRUPT : no_memory(p);
}

static int replay_attempt(struct replay *p, const struct store_record *r)
{
    struct core_attempts a;
    struct core_task_info t;
    struct durable *d;
    int rc = record_read_attempt(p->e, r, &a);

    if (rc < 0)
        return rc;
    if (r->data_bytes > UINT16_MAX)
        return GANGER_ECORRUPT;
    rc = step(p->e, &(struct event){ .type = EVENT_REPLAY_ATTEMPT, .id = r->key, .attempts = &a });
    if (rc < 0 || core_task_info(p->e->core, r->key, &t) < 0) {
        store_dead(p->e->store, r->data_bytes);
        return 0;
    }
    d = entry_durable(p->e, t.slot);
    if (d->attempt_birth != 0)
        store_dead(p->e->store, d->attempt_bytes);
    d->attempt_birth = r->birth;
    d->attempt_bytes = (uint16_t)r->data_bytes;
    return 0;
}

/* A task of which only the end is left. */
static int replay_ended(struct replay *p, uint64_t id, const struct core_spec *spec)
{
    struct engine *e = p->e;
    struct durable *d = durable_new();
    struct body *call = body_new(NULL, 0);
    int rc = GANGER_ENOMEM;

    if (d == NULL || call == NULL)
        goto free_all;
    e->admission = &(struct admission){ .call = call, .durable = d };
    rc = step(e,
        &(struct event){
            .type = EVENT_REPLAY_TASK, .id = id, .spec = spec, .ret_slot = &e->admission->slot });
    if (rc == 0)
        return 0;
    e->admission = NULL;
free_all:
    body_unref(call);
    durable_free(d);
    return no_memory(p);
}

/* The end as this task's record, and its outcome in the place of the call. */
static int end_keep(struct replay *p, const struct store_record *r, struct slice outcome)
{
    struct engine *e = p->e;
    struct core_task_info t;
    struct durable *d;
    struct body *body = NULL;

    if (outcome.len > 0) {
        body = body_new(outcome.data, (uint32_t)outcome.len);
        if (body == NULL)
            return no_memory(p);
    }
    (void)core_task_info(e->core, r->key, &t);
    entry_body_set(e, t.slot, body);
    d = entry_durable(e, t.slot);
    fact_end_is(d, r->birth, (uint32_t)r->data_bytes);
    if (d->room_end)
        store_unreserve(e->store, ROOM_END, 1);
    d->room_end = false;
    return 0;
}

/*
 * A result whose time is over is forgotten at once: the journal holds what was forgotten long ago
 * until its segment is reused, and all of that together is far more than was ever known at once.
 */
static int replay_end(struct replay *p, const struct store_record *r)
{
    struct engine *e = p->e;
    struct core_spec spec;
    struct event ev;
    struct core_task_info t;
    struct slice outcome;
    int rc = record_read_end(e, r, &ev, &spec, &outcome);
    bool over = rc == 0 && ev.time_us <= e->now_us;
    bool known = core_task_info(e->core, r->key, &t) == 0;

    if (rc == 0 && !known && !over) {
        rc = replay_ended(p, r->key, &spec);
        known = rc == 0;
    }
    if (rc < 0)
        return rc;
    if (!known || step(e, &ev) < 0) {
        store_dead(e->store, r->data_bytes);
        return 0;
    }
    rc = end_keep(p, r, outcome);
    if (rc == 0 && core_task_info(e->core, r->key, &t) == 0)
        kept_add(e, t.slot, r->key);
    if (rc == 0 && over)
        (void)step(e, &(struct event){ .type = EVENT_REPLAY_FORGET, .id = r->key });
    return rc;
}

static int replay_semaphore(struct replay *p, const struct store_record *r)
{
    struct engine *e = p->e;
    struct cursor c = cursor_make(r->data, r->data_bytes);
    struct slice name;
    uint32_t sem, permits;

    if (read_array(&c, 2) != 2)
        return GANGER_ECORRUPT;
    name = read_str(&c, GANGER_NAME_MAX);
    permits = (uint32_t)read_uint(&c, GANGER_PERMITS_MAX);
    if (c.error != 0)
        return GANGER_ECORRUPT;
    if (semaphore_admit(e, name, &sem) < 0)
        return no_memory(p);
    semaphore_recorded(e, sem, r->birth, (uint32_t)r->data_bytes);
    return step(e, &(struct event){ .type = EVENT_SEM_SET, .index = sem, .number = permits });
}

static int replay_epoch(struct replay *p, const struct store_record *r)
{
    struct cursor c = cursor_make(r->data, r->data_bytes);
    uint32_t epoch;

    if (read_array(&c, 2) != 2)
        return GANGER_ECORRUPT;
    epoch = (uint32_t)read_uint(&c, GANGER_EPOCH_MAX);
    if (c.error != 0)
        return GANGER_ECORRUPT;
    store_dead(p->e->store, r->data_bytes);
    if (epoch > p->epoch)
        p->epoch = epoch;
    return 0;
}

/* Live until its task ends, like the records that it stands among. */
static int replay_cancel(struct replay *p, const struct store_record *r)
{
    struct engine *e = p->e;
    struct core_task_info t;

    if (step(e, &(struct event){ .type = EVENT_REPLAY_CANCEL, .id = r->key }) < 0 ||
        core_task_info(e->core, r->key, &t) < 0)
        store_dead(e->store, r->data_bytes);
    else
        entry_durable(e, t.slot)->cancels++;
    return 0;
}

static int replay_forget(struct replay *p, const struct store_record *r)
{
    store_dead(p->e->store, r->data_bytes);
    (void)step(p->e, &(struct event){ .type = EVENT_REPLAY_FORGET, .id = r->key });
    return 0;
}

static int visit(void *ctx, const struct store_record *r)
{
    struct replay *p = ctx;

    p->records++;
    p->last_kind = r->kind;
    p->last_birth = r->birth;
    switch ((enum record_kind)r->kind) {
    case RECORD_EPOCH:
        return replay_epoch(p, r);
    case RECORD_TASK:
        return replay_task(p, r);
    case RECORD_ATTEMPT:
        return replay_attempt(p, r);
    case RECORD_CANCEL:
        return replay_cancel(p, r);
    case RECORD_END:
        return replay_end(p, r);
    case RECORD_FORGET:
        return replay_forget(p, r);
    case RECORD_SEM:
        return replay_semaphore(p, r);
    case RECORD_SEAL:
        store_dead(p->e->store, r->data_bytes);
        return 0;
    }
    p->what = "a kind of record that this version does not know";
    return GANGER_EFOREIGN;
}

int replay(struct engine *e, char *err, size_t err_bytes)
{
    struct replay p = { .e = e };
    struct store_stats stats;
    int rc;

    store_stats(e->store, &stats);
    core_expect(e->core, stats.found_records);
    rc = store_replay(e->store, visit, &p);
    if (rc < 0 && err_bytes > 0 && (p.what != NULL || rc == GANGER_ECORRUPT))
        (void)snprintf(err, err_bytes, "journal record %llu of kind %u: %s",
            (unsigned long long)p.last_birth, p.last_kind,
            p.what == NULL ? "its content makes no sense" : p.what);
    if (rc < 0)
        return rc;
    if (p.epoch >= GANGER_EPOCH_MAX) {
        (void)snprintf(err, err_bytes, "the journal's epochs are used up; start a new one");
        return GANGER_ERANGE;
    }
    e->epoch = p.epoch + 1;
    e->unclean = p.records > 0 && p.last_kind != RECORD_SEAL;
    core_set_epoch(e->core, e->epoch);
    return 0;
}
