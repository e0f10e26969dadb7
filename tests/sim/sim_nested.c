/*
 * Tasks that wait for other tasks: a process that runs one is a client as well, with a session of
 * its own, and says for which attempt it waits.
 *
 * Callers must not deadlock by themselves, or nothing could be asserted of the end: a task of one
 * pool waits only for tasks of later pools, and what both hold is ordered in the same way.
 */
#include "tests/sim/sim.h"

#define SESSION_INDEX 400u /* of the first process; those before are of clients */

/* A task that waits holds semaphores up to the level of its pool; what it waits for, later ones. */
static uint32_t sem_level(uint32_t sem)
{
    return sem == 0 ? 0 : sem - 1;
}

static const struct hand *running_hand(const struct proc *p)
{
    return &p->hands[(p->running - 1) % SIM_HANDS];
}

static bool may_wait(const struct mtask *t)
{
    for (unsigned i = 0; i < t->spec.need_count; i++) {
        if (sem_level(t->spec.needs[i].sem) > t->spec.pool)
            return false;
    }
    return t->spec.pool + 1 < SIM_POOLS;
}

static bool may_be_awaited(const struct mtask *t, const struct mtask *by)
{
    for (unsigned i = 0; i < t->spec.need_count; i++) {
        if (sem_level(t->spec.needs[i].sem) <= by->spec.pool)
            return false;
    }
    return t->spec.pool > by->spec.pool;
}

bool nested_waits(const struct sim *s, const struct proc *p)
{
    if (p->session == 0)
        return false;
    for (uint32_t i = 0; i < s->wait_count; i++) {
        if (s->waits[i].used && s->waits[i].kind == WAIT_END && s->waits[i].session == p->session)
            return true;
    }
    return false;
}

/* Does it wait for something on behalf of the task T, which it runs? */
static bool acts_for(const struct proc *p, const struct mtask *t)
{
    return p->session != 0 && t->in_hand && p->said_id == t->id && p->said_fence == t->fence;
}

static bool waits_for(const struct sim *s, const struct proc *p, const struct mtask *t)
{
    for (uint32_t i = 0; i < s->wait_count; i++) {
        const struct mwait *w = &s->waits[i];

        if (w->used && w->kind == WAIT_END && w->session == p->session && w->id == t->id)
            return true;
    }
    return false;
}

bool nested_awaited(struct sim *s, const struct mtask *t)
{
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        const struct proc *p = &s->procs[i];
        const struct mtask *by = p->used && p->session != 0 ? model_find(s, p->said_id) : NULL;

        if (by != NULL && acts_for(p, by) && waits_for(s, p, t))
            return true;
    }
    return false;
}

/* Does A hold permits that R lacks? */
static bool holds_up(const struct sim *s, const struct mtask *a, const struct mtask *r)
{
    for (unsigned i = 0; i < r->spec.need_count; i++) {
        uint32_t sem = r->spec.needs[i].sem;

        if (s->sem_granted[sem] + r->spec.needs[i].permits <= s->sem_limit[sem])
            continue;
        for (unsigned n = 0; n < a->spec.need_count; n++) {
            if (a->in_hand && a->spec.needs[n].sem == sem)
                return true;
        }
    }
    return false;
}

/* Ends, since who waits is in an earlier pool. */
bool nested_holds_up(struct sim *s, const struct mtask *t, const struct mtask *r)
{
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        const struct proc *p = &s->procs[i];
        const struct mtask *by = p->used && p->session != 0 ? model_find(s, p->said_id) : NULL;

        if (by != NULL && acts_for(p, by) && by->spec.pool < t->spec.pool && waits_for(s, p, t) &&
            (holds_up(s, by, r) || nested_holds_up(s, by, r)))
            return true;
    }
    return false;
}

static void session_open(struct sim *s, struct proc *p)
{
    struct event ev = { .type = EVENT_SESSION_OPEN };
    uint64_t index = SESSION_INDEX + (uint64_t)(p - s->procs);

    p->session = ev.session = (uint64_t)++s->session_gen << 32 | index;
    p->said_id = p->said_fence = 0;
    SIM_CHECK(s, sim_step(s, &ev) == 0);
}

void nested_gone(struct sim *s, struct proc *p)
{
    struct event ev = { .type = EVENT_SESSION_GONE, .session = p->session };

    if (p->session == 0)
        return;
    session_waits_drop(s, p->session);
    p->session = p->said_id = p->said_fence = 0;
    SIM_CHECK(s, sim_step(s, &ev) == 0);
}

/* Say for whom it waits: for what it runs, now and then for nobody or with a fence that is over. */
static void say(struct sim *s, struct proc *p)
{
    struct event ev = { .type = EVENT_ACT, .session = p->session };
    const struct hand *h = running_hand(p);
    struct core_task_info info;
    int rc, expected = GANGER_ESTALE;

    ev.id = h->id;
    ev.number = h->fence;
    if (!s->calm && sim_chance(s, 5))
        ev.number -= 1 + sim_below(s, 3);
    else if (!s->calm && sim_chance(s, 5))
        ev.id = ev.number = 0;
    if (ev.id == 0 || (core_task_info(s->core, ev.id, &info) == 0 && info.fence == ev.number &&
                          (info.state == TASK_HANDED || info.state == TASK_RUNNING ||
                              info.state == TASK_STOPPING)))
        expected = 0;
    sim_trace(s, "%u.%u acts for %llx", p->child, p->gen, (unsigned long long)ev.id);
    rc = sim_step(s, &ev);
    SIM_CHECK(s, rc == expected);
    p->said_id = rc == 0 ? ev.id : 0;
    p->said_fence = rc == 0 ? ev.number : 0;
}

static bool has_said(const struct proc *p)
{
    return p->said_id == running_hand(p)->id && p->said_fence == running_hand(p)->fence;
}

static void submit(struct sim *s, const struct proc *p, const struct mtask *by)
{
    struct core_spec spec;

    spec_choose(s, &spec);
    spec.pool = by->spec.pool + 1 + sim_below(s, SIM_POOLS - 1 - by->spec.pool);
    spec.flags |= CORE_TASK_WAIT;
    spec.need_count = 0;
    if (s->swarm.needs && sim_chance(s, 70)) {
        spec.needs[0].sem = by->spec.pool + 2 + sim_below(s, SIM_SEMS - 2 - by->spec.pool);
        spec.needs[0].permits = 1 + sim_below(s, 2);
        spec.need_count = 1;
    }
    sim_trace(s, "%u.%u submits and waits", p->child, p->gen);
    client_submit_spec(s, p->session, &spec);
}

static void wait_for_one(struct sim *s, const struct proc *p, const struct mtask *by)
{
    uint32_t first = sim_below(s, s->task_count + 1);

    for (uint32_t i = 0; i < s->task_count; i++) {
        const struct mtask *t = &s->tasks[(first + i) % s->task_count];

        if (t->used && !t->ended && may_be_awaited(t, by)) {
            client_wait_id(s, p->session, t->id);
            return;
        }
    }
}

/* Some do not wait for the end. */
static bool gives_up(struct sim *s, struct proc *p)
{
    if (s->calm || !sim_chance(s, 3))
        return false;
    nested_gone(s, p);
    return true;
}

/* Its task turns out to need another one; most say for whom they wait, some do so later. */
static void begin(struct sim *s, struct proc *p, const struct mtask *by)
{
    if (p->session == 0)
        session_open(s, p);
    if (!has_said(p) && sim_chance(s, 80))
        say(s, p);
    if (sim_chance(s, 80))
        submit(s, p, by);
    else
        wait_for_one(s, p, by);
}

bool nested_busy(struct sim *s, struct proc *p)
{
    const struct mtask *by = model_find(s, running_hand(p)->id);
    bool stopped = p->stop_seq == p->running;

    if (p->old || by == NULL || stopped || !may_wait(by))
        return false;
    if (!nested_waits(s, p)) {
        if (s->calm || !s->swarm.nested || sim_chance(s, 40))
            return false;
        begin(s, p, by);
        return true;
    }
    if (gives_up(s, p))
        return false;
    if (!has_said(p) && (s->calm || sim_chance(s, 30)))
        say(s, p);
    else if (!s->calm && sim_chance(s, 5))
        begin(s, p, by);
    return true;
}

void nested_dead_leave(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        if (!s->procs[i].alive)
            nested_gone(s, &s->procs[i]);
    }
}
