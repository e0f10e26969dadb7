#include "tests/sim/sim.h"

#include <string.h>

struct promise *promise_find(struct sim *s, uint64_t id)
{
    for (uint32_t i = 0; i < s->promise_count; i++) {
        if (s->promises[i].id == id)
            return &s->promises[i];
    }
    SIM_CHECK(s, s->promise_count < SIM_PROMISES);
    s->promises[s->promise_count] = (struct promise){ .id = id };
    return &s->promises[s->promise_count++];
}

/* As the engine does: what a record says is read at once, when the core asks for it. */
void store_append(struct sim *s, const struct effect *e)
{
    struct record *r;
    struct core_task_info info;
    uint64_t keep;

    SIM_CHECK(s, s->record_count < SIM_RECORDS);
    r = &s->records[s->record_count++];
    *r = (struct record){ .fact = e->fact, .id = e->id, .slot = e->slot };
    if (e->fact == FACT_FORGET)
        return;
    SIM_CHECK(s, core_slot_info(s->core, e->slot, &info) == 0 && info.id == e->id);
    if (e->fact == FACT_SUBMIT)
        core_task_spec(s->core, e->slot, &r->spec);
    else if (e->fact == FACT_ATTEMPT)
        core_task_attempts(s->core, e->slot, &r->attempts);
    if (e->fact != FACT_END)
        return;
    keep = core_task_retention_us(s->core, e->slot);
    r->state = info.state == TASK_SETTLING ? info.end : info.state;
    r->code = info.code;
    r->bytes = info.result_bytes;
    r->attempts.attempts = info.attempts;
    r->forget_at = s->now + (keep == 0 ? s->config.orphan_retention_us : keep);
}

bool store_quiet(const struct sim *s)
{
    return s->record_told == s->record_count;
}

static void durable_now(struct sim *s, const struct record *r)
{
    struct mtask *t = model_find(s, r->id);

    if (t == NULL)
        return;
    t->submit_synced |= r->fact == FACT_SUBMIT;
    t->cancel_synced |= r->fact == FACT_CANCEL;
    t->end_synced |= r->fact == FACT_END;
}

/* Make some more durable; say so, but for the last of them perhaps only later. */
void store_sync(struct sim *s, uint32_t most)
{
    s->store_failed = false;
    while (s->record_synced < s->record_count && most-- > 0) {
        struct record *r = &s->records[s->record_synced++];

        r->synced = true;
    }
    while (s->record_told < s->record_synced) {
        struct record *r = &s->records[s->record_told];
        struct event ev = { .type = EVENT_STORED, .slot = r->slot, .id = r->id, .fact = r->fact };

        if (!s->calm && sim_chance(s, 5))
            return;
        s->record_told++;
        durable_now(s, r);
        (void)sim_step(s, &ev);
    }
}

/* The sync failed: nothing of it can be confirmed now; later it is written anew. */
void store_fail(struct sim *s)
{
    uint32_t last = s->record_count;

    s->store_failed = true;
    for (uint32_t i = s->record_synced; i < last; i++) {
        struct record *r = &s->records[i];
        struct event ev = {
            .type = EVENT_STORE_FAILED, .slot = r->slot, .id = r->id, .fact = r->fact
        };

        if (r->failed)
            continue;
        r->failed = true;
        (void)sim_step(s, &ev);
    }
}

/* ---- replay ---- */

static void model_replay_submit(struct sim *s, const struct record *r, uint32_t slot)
{
    struct mtask *t = model_add(s);

    t->id = r->id;
    t->slot = slot;
    t->spec = r->spec;
    t->durable = t->submit_synced = t->past = true;
    t->due = r->spec.due_us;
    t->wall = r->spec.due_wall;
    t->last = TASK_DELAYED;
}

/* The model's own reading of a fact; it must not matter that others lie between. */
static void model_replay(struct sim *s, const struct record *r, uint32_t slot)
{
    struct mtask *t;

    if (r->fact == FACT_SUBMIT) {
        model_replay_submit(s, r, slot);
        return;
    }
    t = model_find(s, r->id);
    if (t == NULL)
        return;
    if (r->fact == FACT_ATTEMPT) {
        t->attempts = r->attempts.attempts;
        t->crashes = r->attempts.crashes;
        t->due = r->attempts.due_us;
        t->wall = false;
    } else if (r->fact == FACT_CANCEL) {
        t->cancel = t->cancel_synced = true;
    } else if (r->fact == FACT_END) {
        t->ended = t->outcome = t->end_synced = true;
        t->attempts = r->attempts.attempts;
        t->end = r->state;
        t->code = r->code;
        t->forget_at = r->forget_at;
        t->last = r->state;
    } else {
        t->used = false;
    }
}

static void replay_record(struct sim *s, struct record *r, bool skip)
{
    uint32_t slot = r->slot;
    struct event ev = { .id = r->id, .ret_slot = &slot };
    bool known = model_find(s, r->id) != NULL;
    int rc;

    switch (r->fact) {
    case FACT_SUBMIT:
        if (skip)
            return;
        ev.type = EVENT_REPLAY_TASK;
        ev.spec = &r->spec;
        break;
    case FACT_ATTEMPT:
        ev.type = EVENT_REPLAY_ATTEMPT;
        ev.attempts = &r->attempts;
        break;
    case FACT_CANCEL:
        ev.type = EVENT_REPLAY_CANCEL;
        break;
    case FACT_END:
        ev.type = EVENT_REPLAY_END;
        ev.state = r->state;
        ev.code = r->code;
        ev.number = r->bytes;
        ev.number2 = r->attempts.attempts;
        ev.time_us = r->forget_at;
        break;
    case FACT_FORGET:
        ev.type = EVENT_REPLAY_FORGET;
        break;
    }
    s->steps++;
    s->coverage->events[ev.type]++;
    rc = core_step(s->core, s->now, &ev);
    if (r->fact == FACT_SUBMIT)
        SIM_CHECK(s, rc == 0);
    else
        SIM_CHECK(s, rc == (known ? 0 : GANGER_ENOTASK));
    r->slot = slot;
    model_replay(s, r, slot);
}

static bool forgotten(const struct sim *s, uint64_t id)
{
    for (uint32_t i = s->record_count; i-- > 0;) {
        if (s->records[i].id == id && s->records[i].fact == FACT_FORGET)
            return true;
    }
    return false;
}

/*
 * Records of what is forgotten go, or all but the first one stay, or all but the end, as when their
 * segments are reused at different times.
 */
static void replay_all(struct sim *s)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < s->record_count; i++) {
        struct record *r = &s->records[i];
        bool gone = forgotten(s, r->id);
        uint64_t how = (r->id * 2654435761u >> 7) % 3;

        if (gone && (how == 0 || (how == 2 && r->fact == FACT_END)))
            continue;
        replay_record(s, r, gone && how == 1);
        if (!gone)
            s->records[kept++] = *r;
    }
    s->record_count = s->record_told = s->record_synced = kept;
    s->store_failed = false;
}

/* What was promised is known, or was told to be ended and forgotten. */
static void promises_check(struct sim *s)
{
    for (uint32_t i = 0; i < s->promise_count; i++) {
        struct promise *p = &s->promises[i];
        const struct mtask *t = model_find(s, p->id);

        if (p->accepted && !p->forgotten)
            SIM_CHECK(s, t != NULL);
        if (p->cancelled && !p->forgotten && t != NULL)
            SIM_CHECK_TASK(s, t, t->cancel || t->ended);
        if (p->shown && t != NULL)
            SIM_CHECK_TASK(s, t, t->ended && t->end == p->end && t->code == p->code);
    }
}

void store_crash(struct sim *s)
{
    bool clean = s->drain && !s->store_failed;
    uint32_t kept;

    for (uint32_t i = 0; i < s->task_count; i++)
        clean = clean && !(s->tasks[i].used && s->tasks[i].in_hand);
    if (clean) {
        store_sync(s, UINT32_MAX);
        clean = store_quiet(s);
    }
    kept = s->record_synced + sim_below(s, s->record_count - s->record_synced + 1);
    sim_trace(s, "coordinator %s: %u of %u records stay", clean ? "stops" : "crashes", kept,
        s->record_count);
    s->coverage->crashes++;
    s->record_count = kept;
    for (uint32_t i = 0; i < kept; i++)
        s->records[i].synced = true;
    s->task_count = 0;
    memset(s->tasks, 0, sizeof s->tasks);
    if (clean)
        procs_gone(s);
    procs_crash(s);
    s->now += sim_below(s, 300000);
    sim_core_start(s, !clean);
    replay_all(s);
    promises_check(s);
    s->grace = !clean;
    s->grace_end = s->now + s->config.grace_us;
    s->started = true;
    (void)sim_step(s, &(struct event){ .type = EVENT_START, .flag = !clean });
    rules_why(s);
    sim_pools_define(s);
}
