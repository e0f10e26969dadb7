#include "tests/sim/sim.h"

void link_put(struct sim *s, struct proc *p, struct word w)
{
    if (p->old || p->garbage_told || p->link_silent)
        return;
    SIM_CHECK(s, p->link_count < SIM_LINK);
    p->link[(p->link_head + p->link_count++) % SIM_LINK] = w;
}

/* Must the core still take its words? */
static bool counts(const struct sim *s, const struct proc *p)
{
    return !p->exit_told && !p->eof_told && !p->orphan && !proc_written_off(s, p);
}

/* MORE: its next result is the next event. */
static void deliver_result(struct sim *s, struct proc *p, const struct word *w, bool more)
{
    struct event ev = { .type = EVENT_CHILD_RESULT,
        .child = p->child,
        .gen = p->gen,
        .seq = w->seq,
        .code = w->code,
        .flag = more,
        .number = sim_below(s, 100),
        .time_us = sim_below(s, 4) == 0 ? 0 : (p->ran_us += sim_below(s, 5000)) };
    struct mtask *t = NULL;
    int rc;

    for (uint32_t i = 0; i < s->task_count && t == NULL; i++) {
        struct mtask *x = &s->tasks[i];

        if (x->used && x->in_hand && x->child == p->child && x->gen == p->gen && x->seq == w->seq)
            t = x;
    }
    if (t != NULL) {
        t->has_result = true;
        t->result_code = w->code;
    }
    sim_trace(s, "result of %u.%u #%u: %d", p->child, p->gen, w->seq, w->code);
    p->progress_us = s->now;
    rc = sim_step(s, &ev);
    if (counts(s, p))
        SIM_CHECK_TASK(s, t, rc == 0);
    if (rc < 0 && t != NULL)
        t->has_result = false;
}

static void deliver_end(struct sim *s, struct proc *p)
{
    struct event ev = { .type = EVENT_LINK_CLOSED, .child = p->child, .gen = p->gen };
    bool counted = counts(s, p);

    ev.seq = proc_freeze(p);
    p->eof_told = true;
    proc_close(s, p);
    sim_trace(s, "link of %u.%u is closed, begun %u", p->child, p->gen, ev.seq);
    p->told_step = s->steps + 1;
    SIM_CHECK(s, sim_step(s, &ev) == 0 || !counted);
}

static void deliver(struct sim *s, struct proc *p, const struct word *w, bool more)
{
    struct event ev = { .child = p->child, .gen = p->gen, .seq = w->seq, .number = w->number };
    int rc;

    switch (w->kind) {
    case WORD_RESULT:
        deliver_result(s, p, w, more);
        return;
    case WORD_EOF:
        deliver_end(s, p);
        return;
    case WORD_READY:
        ev.type = EVENT_CHILD_READY;
        break;
    case WORD_RETURNED:
        ev.type = EVENT_CHILD_RETURNED;
        break;
    case WORD_PROGRESS:
        ev.type = EVENT_PROGRESS;
        break;
    case WORD_TAKEN:
        ev.type = EVENT_CHILD_TAKEN;
        p->taking--;
        p->taken_us = s->now;
        break;
    }
    sim_trace(s, "%u.%u says %d (%u, %u)", p->child, p->gen, w->kind, w->seq, w->number);
    rc = sim_step(s, &ev);
    SIM_CHECK(s, rc == 0 || rc == GANGER_ESTALE);
    if (counts(s, p) && p->close_us == SIM_NEVER)
        SIM_CHECK(s, rc == 0);
}

static bool result_follows(const struct sim *s, const struct proc *p)
{
    return p->link_count > 0 && p->link[p->link_head].kind == WORD_RESULT && counts(s, p);
}

void link_deliver(struct sim *s, struct proc *p, uint32_t most)
{
    while (p->link_count > 0 && most-- > 0) {
        struct word w = p->link[p->link_head];

        p->link_head = (p->link_head + 1) % SIM_LINK;
        p->link_count--;
        deliver(s, p, &w, most > 0 && result_follows(s, p));
    }
}

void link_act(struct sim *s)
{
    uint32_t first = sim_below(s, SIM_PROCS);

    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        struct proc *p = &s->procs[(first + i) % SIM_PROCS];

        if (!p->used || p->old || p->link_count == 0)
            continue;
        link_deliver(s, p, 1 + sim_below(s, s->swarm.coalesce ? 20 : 2));
        return;
    }
}

void link_taken_now(struct sim *s)
{
    if (s->answering)
        return;
    s->answering = true;
    for (uint32_t i = 0; i < s->taken_count; i++) {
        struct event ev = { .type = EVENT_CHILD_TAKEN,
            .child = s->taken[i].child,
            .gen = s->taken[i].gen,
            .seq = s->taken[i].begun,
            .number = s->taken[i].keep };
        int rc;

        proc_find(s, ev.child, ev.gen)->taken_us = s->now;
        proc_find(s, ev.child, ev.gen)->taking--;
        rc = sim_step(s, &ev);
        SIM_CHECK(s, rc == 0 || rc == GANGER_ESTALE);
    }
    s->taken_count = 0;
    s->answering = false;
}

static void report_exit(struct sim *s, struct proc *p)
{
    struct event ev = {
        .type = EVENT_CHILD_EXITED, .child = p->child, .gen = p->gen, .cause = p->cause
    };
    bool counted = !p->orphan && !proc_written_off(s, p);

    /* The link is read to its end first; whether the end itself was seen is up to chance. */
    while (p->link_count > 1)
        link_deliver(s, p, 1);
    if (p->link_count == 1 && (p->link[p->link_head].kind != WORD_EOF || sim_chance(s, 50)))
        link_deliver(s, p, 1);
    p->link_count = 0;
    ev.seq = proc_freeze(p);
    ev.group_empty = !p->group;
    p->exit_told = true;
    p->group_told = !p->group;
    proc_close(s, p);
    sim_trace(s, "%u.%u has exited, begun %u, group %d", p->child, p->gen, ev.seq, p->group);
    p->told_step = s->steps + 1;
    SIM_CHECK(s, sim_step(s, &ev) == 0 || !counted);
}

static void report_group(struct sim *s, struct proc *p)
{
    struct event ev = { .type = EVENT_GROUP_EMPTY, .child = p->child, .gen = p->gen };
    bool counted = !p->orphan && !proc_written_off(s, p);

    p->group_told = true;
    sim_trace(s, "group of %u.%u is empty", p->child, p->gen);
    p->told_step = s->steps + 1;
    SIM_CHECK(s, sim_step(s, &ev) == 0 || !counted);
}

void agent_report(struct sim *s, struct proc *p)
{
    if (!p->used || p->old || p->alive || p->exit_silent)
        return;
    if (p->exit_due && !p->exit_told) {
        report_exit(s, p);
        return;
    }
    if (p->exit_told && !p->group_told) {
        if (p->group && !p->unkillable && (s->calm || sim_chance(s, 50)))
            p->group = false;
        if (!p->group)
            report_group(s, p);
    }
}

void agent_act(struct sim *s)
{
    uint32_t first = sim_below(s, SIM_PROCS), pool = sim_below(s, SIM_POOLS);
    struct mpool *p = &s->pools[pool];

    if (!p->agent_up && (p->agent_asked || p->settings.external) && sim_chance(s, 60)) {
        if (s->swarm.early_deaths && sim_chance(s, 20))
            agent_down(s, pool);
        else
            agent_up(s, pool);
        return;
    }
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        struct proc *x = &s->procs[(first + i) % SIM_PROCS];

        if (x->used && !x->old && !x->alive && !x->exit_silent && !x->group_told) {
            agent_report(s, x);
            return;
        }
    }
}

void agent_up(struct sim *s, uint32_t pool)
{
    s->pools[pool].agent_up = true;
    s->pools[pool].agent_asked = false;
    sim_trace(s, "agent of pool %u is up", pool);
    SIM_CHECK(s, sim_step_simple(s, EVENT_AGENT_UP, pool, 0) == 0);
}

/* The children die with their agent; their ends are reported on behalf of it, or never. */
void agent_down(struct sim *s, uint32_t pool)
{
    struct event ev = { .type = EVENT_AGENT_DOWN, .index = pool, .code = GANGER_EAGENT };

    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        struct proc *p = &s->procs[i];

        if (!p->used || p->old || p->pool != pool)
            continue;
        p->orphan |= !p->exit_told; /* one that never became ready ends without a word */
        if (!p->alive)
            continue;
        p->cause = (struct core_cause){ .code = -GANGER_EAGENT };
        proc_die(s, p);
        p->group = false;
        if (p->link_count == 0 || p->link_silent)
            p->exit_silent = false;
    }
    s->pools[pool].agent_up = s->pools[pool].agent_asked = false;
    sim_trace(s, "agent of pool %u is down", pool);
    SIM_CHECK(s, sim_step(s, &ev) == 0);
}

/* Words that nobody may believe: old generations, wrong numbers, ends that were told already. */
void link_noise(struct sim *s)
{
    static const enum event_type types[] = { EVENT_CHILD_READY, EVENT_CHILD_RESULT,
        EVENT_CHILD_RETURNED, EVENT_CHILD_TAKEN, EVENT_LINK_CLOSED, EVENT_CHILD_EXITED,
        EVENT_GROUP_EMPTY, EVENT_CHILD_GARBAGE, EVENT_PROGRESS };
    const struct proc *p = &s->procs[sim_below(s, SIM_PROCS)];
    struct event ev = { .type = types[sim_below(s, sizeof types / sizeof types[0])] };
    uint32_t what = sim_below(s, 3);

    if (!p->used || p->old)
        return;
    ev.child = p->child;
    ev.gen = p->gen;
    if (what == 0) {
        ev.gen = p->gen - 1 - sim_below(s, 3);
    } else if (what == 1 && p->alive && p->ready) {
        ev.type = EVENT_CHILD_RESULT;
        ev.seq = p->granted + sim_below(s, 5);
    } else if (p->alive && p->ready && !s->swarm.remote) {
        ev.type = EVENT_CHILD_RETURNED;
        ev.number = 100000;
        SIM_CHECK(s, sim_step(s, &ev) < 0);
        return;
    } else {
        ev.child += 100000;
    }
    SIM_CHECK(s, sim_step(s, &ev) == GANGER_ESTALE);
}
