#include "tests/sim/sim.h"

#include <string.h>

struct mwait *wait_add(
    struct sim *s, enum wait_kind kind, uint64_t session, uint64_t req, uint64_t id)
{
    struct mwait *w;

    SIM_CHECK(s, s->wait_count < SIM_WAITS);
    w = &s->waits[s->wait_count++];
    *w = (struct mwait){
        .used = true, .kind = kind, .session = session, .req = req, .id = id, .order = s->order++
    };
    return w;
}

struct mwait *wait_find(
    struct sim *s, enum wait_kind kind, uint64_t session, uint64_t req, uint64_t id)
{
    for (uint32_t i = 0; i < s->wait_count; i++) {
        struct mwait *w = &s->waits[i];

        if (w->used && w->kind == kind && w->session == session && w->req == req &&
            (w->id == id || w->id == 0))
            return w;
    }
    return NULL;
}

void waits_compact(struct sim *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->wait_count; i++) {
        if (s->waits[i].used)
            s->waits[n++] = s->waits[i];
    }
    s->wait_count = n;
}

void session_waits_drop(struct sim *s, uint64_t session)
{
    for (uint32_t i = 0; i < s->wait_count; i++) {
        if (s->waits[i].session == session)
            s->waits[i].used = false;
    }
    waits_compact(s);
}

static uint64_t session_any(struct sim *s)
{
    uint32_t first = sim_below(s, SIM_SESSIONS);

    for (uint32_t i = 0; i < SIM_SESSIONS; i++) {
        if (s->sessions[(first + i) % SIM_SESSIONS] != 0)
            return s->sessions[(first + i) % SIM_SESSIONS];
    }
    client_open(s);
    return session_any(s);
}

void client_open(struct sim *s)
{
    uint32_t i = sim_below(s, SIM_SESSIONS);
    struct event ev = { .type = EVENT_SESSION_OPEN };

    if (s->sessions[i] != 0)
        return;
    s->sessions[i] = ev.session = (uint64_t)++s->session_gen << 32 | (i * 40 + 1);
    SIM_CHECK(s, sim_step(s, &ev) == 0);
}

void client_gone(struct sim *s)
{
    uint32_t i = sim_below(s, SIM_SESSIONS);
    struct event ev = { .type = EVENT_SESSION_GONE, .session = s->sessions[i] };

    if (s->sessions[i] == 0)
        return;
    sim_trace(s, "session %llx is gone", (unsigned long long)ev.session);
    session_waits_drop(s, ev.session);
    s->sessions[i] = 0;
    SIM_CHECK(s, sim_step(s, &ev) == 0);
}

static void spec_times(struct sim *s, struct core_spec *spec)
{
    const struct swarm *w = &s->swarm;
    static const uint32_t scales[] = { 3000, 100000, 1000000, 4000000 };
    uint32_t scale = scales[w->time];

    if (w->delays && sim_chance(s, 30)) {
        spec->due_us = s->now + sim_below(s, scale);
        spec->due_wall = w->wall && sim_chance(s, 50);
    }
    if (w->expiry && sim_chance(s, 30))
        spec->expiry_us = s->now + 1 + sim_below(s, scale * 2);
    if (w->limits && sim_chance(s, 40))
        spec->limit_us = 1 + sim_below(s, scale * 2);
    spec->kill_grace_us = sim_chance(s, 30) ? 0 : sim_below(s, scale);
    if (w->retries && sim_chance(s, 60)) {
        spec->attempts_max = (uint16_t)(1 + sim_below(s, 5));
        spec->crash_budget = (uint8_t)sim_below(s, 4);
        spec->backoff_us = sim_below(s, scale);
        spec->backoff_max_us = spec->backoff_us * (1 + sim_below(s, 5));
        spec->jitter_percent = (uint8_t)(sim_chance(s, 50) ? sim_below(s, 101) : 0);
    }
    if (sim_chance(s, 40))
        spec->retention_us = sim_below(s, scale * 2);
}

static void spec_needs(struct sim *s, struct core_spec *spec)
{
    uint32_t count = 1 + sim_below(s, SIM_SEMS), first = sim_below(s, SIM_SEMS);

    if (sim_chance(s, 60))
        count = 1 + count % 2;
    for (uint32_t i = 0; i < count; i++) {
        spec->needs[i].sem = (first + i) % SIM_SEMS;
        spec->needs[i].permits = 1 + (sim_chance(s, 30) ? sim_below(s, 3) : 0);
    }
    spec->need_count = (uint8_t)count;
}

/* One that waits for others holds an early semaphore; a wide one needs early and late ones. */
static void spec_nested(struct sim *s, struct core_spec *spec)
{
    spec->need_count = (uint8_t)(sim_chance(s, 40) ? 2 : 1);
    spec->needs[0] = (struct core_need){ sim_below(s, 2), 1 + sim_below(s, 2) };
    spec->needs[1] = (struct core_need){ 2 + sim_below(s, 2), 1 + sim_below(s, 3) };
    if (spec->need_count == 1)
        spec->pool = sim_below(s, 2);
    if (spec->need_count == 1 && spec->pool == 1 && sim_chance(s, 70))
        spec->needs[0].sem = 2;
}

void spec_choose(struct sim *s, struct core_spec *spec)
{
    static const uint8_t priorities[] = { 128, 10, 200 };
    const struct swarm *w = &s->swarm;

    *spec = (struct core_spec){ .pool = sim_below(s, SIM_POOLS),
        .uid = sim_below(s, 3),
        .call_bytes = sim_below(s, 200),
        .priority = priorities[sim_chance(s, 60) ? 0 : sim_below(s, 3)],
        .attempts_max = 1,
        .crash_budget = 1 };
    spec_times(s, spec);
    if (s->profile == PROFILE_NESTED && sim_chance(s, 80))
        spec_nested(s, spec);
    else if (w->needs && sim_chance(s, s->profile == PROFILE_NEEDS ? 85 : 40))
        spec_needs(s, spec);
    if (w->durable && (!w->volatile_too || sim_chance(s, 50)))
        spec->flags |= CORE_TASK_DURABLE;
    if (w->waits && sim_chance(s, 50))
        spec->flags |= CORE_TASK_WAIT;
    if (sim_chance(s, 10))
        spec->flags |= CORE_TASK_QUIET;
}

/* Some ask for the same as the one before them, and may say so by the number of what they ask. */
static void spec_again(struct sim *s, struct core_spec *spec)
{
    uint32_t call_bytes = spec->call_bytes;

    if (s->last_spec.same != 0 && sim_chance(s, 30)) {
        *spec = s->last_spec;
        spec->call_bytes = call_bytes;
    } else if (sim_chance(s, 60)) {
        spec->same = ++s->specs;
    }
    s->last_spec = *spec;
}

static void submit_waits(struct sim *s, const struct event *ev)
{
    if ((ev->spec->flags & CORE_TASK_WAIT) != 0)
        (void)wait_add(s, WAIT_END, ev->session, ev->req, 0);
    if ((ev->spec->flags & CORE_TASK_QUIET) == 0)
        (void)wait_add(s, WAIT_ACCEPT, ev->session, ev->req, 0);
}

static void waits_undo(struct sim *s, const struct event *ev)
{
    for (uint32_t i = 0; i < s->wait_count; i++) {
        if (s->waits[i].session == ev->session && s->waits[i].req == ev->req)
            s->waits[i].used = false;
    }
    waits_compact(s);
}

/* What the pool holds against its backlog, counted by hand. */
static void backlog(const struct sim *s, uint32_t pool, uint64_t *ret_tasks, uint64_t *ret_bytes)
{
    *ret_tasks = *ret_bytes = 0;
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *t = &s->tasks[i];

        if (t->used && t->spec.pool == pool && t->last >= TASK_STORING && t->last <= TASK_HANDED) {
            ++*ret_tasks;
            *ret_bytes += t->spec.call_bytes;
        }
    }
}

static void refusal_check(struct sim *s, const struct core_spec *spec, int rc, uint64_t tasks,
    uint64_t bytes, uint32_t known)
{
    const struct mpool *p = &s->pools[spec->pool];
    bool durable = (spec->flags & CORE_TASK_DURABLE) != 0;
    bool full = tasks >= p->settings.backlog ||
                bytes + spec->call_bytes > p->settings.backlog_bytes || known >= SIM_TASKS;
    int expected = s->drain                ? GANGER_EDRAIN
                   : p->broken && !durable ? GANGER_EBROKEN
                   : full                  ? GANGER_EFULL
                                           : 0;

    SIM_CHECK(s, rc == expected);
}

void client_submit_spec(struct sim *s, uint64_t session, const struct core_spec *spec)
{
    uint32_t slot = 0, known = 0;
    uint64_t tasks, bytes;
    struct event ev = { .type = EVENT_SUBMIT, .spec = spec, .ret_slot = &slot };
    int rc;

    for (uint32_t i = 0; i < s->task_count; i++)
        known += s->tasks[i].used;
    if (model_live(s) >= s->swarm.tasks || s->wait_count + 8 > SIM_WAITS || known >= SIM_TASKS)
        return;
    ev.session = session;
    ev.req = ++s->requests;
    backlog(s, spec->pool, &tasks, &bytes);
    submit_waits(s, &ev);
    rc = sim_step(s, &ev);
    refusal_check(s, spec, rc, tasks, bytes, known);
    if (rc < 0)
        waits_undo(s, &ev);
}

void client_submit(struct sim *s)
{
    struct core_spec spec;

    spec_choose(s, &spec);
    spec_again(s, &spec);
    client_submit_spec(s, session_any(s), &spec);
}

/* Any task that the model knows, or an id that nobody has. */
static uint64_t id_any(struct sim *s)
{
    uint32_t first = sim_below(s, s->task_count + 1);

    if (sim_chance(s, 3))
        return 7;
    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *t = &s->tasks[(first + i) % s->task_count];

        if (t->used)
            return t->id;
    }
    return 7;
}

void client_cancel(struct sim *s)
{
    struct event ev = { .type = EVENT_CANCEL, .session = session_any(s), .req = ++s->requests };
    struct mtask *t;
    int rc;

    ev.id = id_any(s);
    if (s->wait_count + 8 > SIM_WAITS)
        return;
    (void)wait_add(s, WAIT_CANCEL, ev.session, ev.req, ev.id);
    rc = sim_step(s, &ev);
    sim_trace(s, "cancel %llx: %d", (unsigned long long)ev.id, rc);
    if (rc == 0)
        return;
    waits_undo(s, &ev);
    t = model_find(s, ev.id);
    if (t == NULL)
        SIM_CHECK(s, rc == GANGER_ENOTASK);
    else
        SIM_CHECK_TASK(s, t, rc == GANGER_ESTATE && (t->ended || t->outcome));
}

void client_wait_id(struct sim *s, uint64_t session, uint64_t id)
{
    struct event ev = { .type = EVENT_WAIT, .session = session, .req = ++s->requests, .id = id };
    int rc;

    if (s->wait_count + 8 > SIM_WAITS)
        return;
    (void)wait_add(s, WAIT_END, ev.session, ev.req, ev.id);
    rc = sim_step(s, &ev);
    SIM_CHECK(s, rc == (model_find(s, ev.id) == NULL ? GANGER_ENOTASK : 0));
    if (rc < 0)
        waits_undo(s, &ev);
}

void client_wait(struct sim *s)
{
    client_wait_id(s, session_any(s), id_any(s));
}

void client_unwait(struct sim *s)
{
    uint32_t first;

    if (s->wait_count == 0)
        return;
    first = sim_below(s, s->wait_count);
    for (uint32_t i = 0; i < s->wait_count; i++) {
        struct mwait *w = &s->waits[(first + i) % s->wait_count];
        struct event ev = { .type = EVENT_UNWAIT };

        if (w->kind != WAIT_END || wait_find(s, WAIT_ACCEPT, w->session, w->req, w->id) != NULL)
            continue;
        ev.session = w->session;
        ev.id = w->id;
        ev.number = w->req;
        w->used = false;
        waits_compact(s);
        SIM_CHECK(s, sim_step(s, &ev) == 0);
        SIM_CHECK(s, sim_step(s, &ev) == GANGER_ENOTASK);
        return;
    }
}

void client_drop(struct sim *s)
{
    struct event ev = { .type = EVENT_DROP };
    const struct mtask *t;
    bool ended;
    int rc;

    ev.id = id_any(s);
    t = model_find(s, ev.id);
    ended = t != NULL && t->ended;
    rc = sim_step(s, &ev);
    SIM_CHECK(s, rc == (t == NULL ? GANGER_ENOTASK : ended ? 0 : GANGER_ESTATE));
}

void client_room(struct sim *s)
{
    struct event ev = { .type = EVENT_ROOM, .session = session_any(s), .req = ++s->requests };
    const struct core_pool_settings *p;
    struct mwait *w;
    int rc;

    if (s->wait_count + 8 > SIM_WAITS)
        return;
    ev.index = sim_below(s, SIM_POOLS);
    ev.number = 1 + sim_below(s, 12);
    ev.number2 = sim_below(s, 600);
    p = &s->pools[ev.index].settings;
    w = wait_add(s, WAIT_ROOM, ev.session, ev.req, 0);
    w->pool = ev.index;
    w->tasks = ev.number;
    w->bytes = ev.number2;
    rc = sim_step(s, &ev);
    if (ev.number > p->backlog || ev.number2 > p->backlog_bytes)
        SIM_CHECK(s, rc == GANGER_ERANGE);
    else
        SIM_CHECK(s, rc == 0);
    if (rc < 0)
        waits_undo(s, &ev);
}
