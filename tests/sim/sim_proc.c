#include "tests/sim/sim.h"

#include <string.h>

#define PROCS_ROOM 32u /* more than are spawned between two looks */

/* Nobody will say or hear a word of it any more. */
static bool proc_over(const struct sim *s, const struct proc *p)
{
    if (p->alive || p->group || p->told_step == s->steps)
        return false;
    return p->old || (p->exit_told && p->group_told) || proc_written_off(s, p);
}

/* May another one take its place? Not while its session is open. */
static bool proc_free(const struct sim *s, const struct proc *p)
{
    return p->session == 0 && (!p->used || proc_over(s, p));
}

void procs_room(struct sim *s)
{
    uint32_t room = 0;

    for (uint32_t i = 0; i < SIM_PROCS; i++)
        room += proc_free(s, &s->procs[i]);
    if (room < PROCS_ROOM)
        nested_dead_leave(s);
}

static bool has_task(const struct sim *s, uint32_t proc)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        if (s->tasks[i].used && s->tasks[i].in_hand && s->tasks[i].proc == proc)
            return true;
    }
    return false;
}

/* In the midst of a step: nothing may be asked of the core, not even to close a session. */
static struct proc *proc_new(struct sim *s)
{
    struct proc *p = NULL;

    for (uint32_t i = 0; i < SIM_PROCS && p == NULL; i++) {
        if (!s->procs[i].used && s->procs[i].session == 0)
            p = &s->procs[i];
    }
    for (uint32_t i = 0; i < SIM_PROCS && p == NULL; i++) {
        /* What it has in hand may go elsewhere in this very step, which is seen after it. */
        if (proc_free(s, &s->procs[i]) && !has_task(s, i))
            p = &s->procs[i];
    }
    SIM_CHECK(s, p != NULL);
    memset(p, 0, sizeof *p);
    return p;
}

struct proc *proc_find(struct sim *s, uint32_t child, uint32_t gen)
{
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        struct proc *p = &s->procs[i];

        if (p->used && !p->old && p->child == child && p->gen == gen)
            return p;
    }
    return NULL;
}

void proc_spawn(struct sim *s, const struct effect *e)
{
    struct proc *p;

    SIM_CHECK(s, s->pools[e->index].agent_up && !s->drain);
    SIM_CHECK(s, proc_find(s, e->child, e->gen) == NULL);
    p = proc_new(s);
    p->used = p->alive = p->group = true;
    p->child = e->child;
    p->gen = e->gen;
    p->pool = e->index;
    p->born_us = s->now;
    p->close_us = SIM_NEVER;
    p->unkillable = s->swarm.silent && sim_chance(s, 8);
    sim_trace(s, "spawn %u.%u of pool %u", p->child, p->gen, p->pool);
}

/* The core knows that it ends; from now on its time to learn the rest runs. */
void proc_close(struct sim *s, struct proc *p)
{
    if (p->close_us == SIM_NEVER)
        p->close_us = s->now;
}

bool proc_written_off(const struct sim *s, const struct proc *p)
{
    return p->close_us != SIM_NEVER && s->now >= p->close_us + CORE_END_WAIT_US;
}

uint32_t proc_freeze(struct proc *p)
{
    if (p->limit > p->begun)
        p->limit = p->begun;
    p->command_count = 0;
    p->granted = p->given;
    return p->begun;
}

bool proc_may_run(const struct proc *p, uint64_t id)
{
    if (!p->used || !p->group)
        return false;
    for (uint32_t seq = p->unsent; seq < p->granted; seq++) {
        const struct hand *h = &p->hands[seq % SIM_HANDS];

        if (h->id != id || h->finished || h->dropped)
            continue;
        if (h->begun || (p->alive && (seq < p->limit || seq >= p->given)))
            return true;
    }
    return false;
}

static void command_put(struct sim *s, struct proc *p, enum command_kind kind, uint32_t seq)
{
    SIM_CHECK(s, p->command_count < SIM_COMMANDS);
    p->commands[(p->command_head + p->command_count++) % SIM_COMMANDS] =
        (struct command){ .kind = kind, .seq = seq };
}

/* Granting a number grants all below it: none of those may be one that was taken back. */
static void grant(struct sim *s, struct proc *p, uint32_t seq)
{
    for (uint32_t n = p->limit; n < seq; n++)
        SIM_CHECK(s, p->hands[n % SIM_HANDS].dropped);
    p->given = p->limit = seq + 1;
}

static void take_back(struct sim *s, struct proc *p, uint32_t keep)
{
    uint32_t limit = p->begun > keep ? p->begun : keep;

    if (limit < p->limit)
        p->limit = limit;
    if (s->swarm.remote) {
        link_put(s, p, (struct word){ .kind = WORD_TAKEN, .seq = p->begun, .number = keep });
        return;
    }
    SIM_CHECK(s, s->taken_count < SIM_PROCS);
    s->taken[s->taken_count].child = p->child;
    s->taken[s->taken_count].gen = p->gen;
    s->taken[s->taken_count].keep = keep;
    s->taken[s->taken_count++].begun = p->begun;
}

void proc_hand(struct sim *s, const struct effect *e)
{
    struct proc *p = proc_find(s, e->child, e->gen);

    SIM_CHECK(s, p != NULL && e->seq == p->granted && p->ready);
    SIM_CHECK(s, e->seq - p->unsent < SIM_HANDS);
    p->hands[e->seq % SIM_HANDS] = (struct hand){ .id = e->id, .fence = e->fence, .seq = e->seq };
    p->granted = e->seq + 1;
    if (p->progress_us == 0 || p->unsent == e->seq)
        p->progress_us = s->now;
    s->coverage->hands++;
    s->coverage->ahead += p->unsent < e->seq;
    if (s->swarm.remote)
        command_put(s, p, COMMAND_HAND, e->seq);
    else
        grant(s, p, e->seq);
}

void proc_take_back(struct sim *s, const struct effect *e)
{
    struct proc *p = proc_find(s, e->child, e->gen);

    SIM_CHECK(s, p != NULL && e->seq < p->granted);
    p->taking++;
    sim_trace(s, "take back %u.%u from %u (begun %u)", p->child, p->gen, e->seq, p->begun);
    if (s->swarm.remote)
        command_put(s, p, COMMAND_TAKE_BACK, e->seq);
    else
        take_back(s, p, e->seq);
}

void proc_stop(struct sim *s, const struct effect *e)
{
    struct proc *p = proc_find(s, e->child, e->gen);

    SIM_CHECK(s, p != NULL);
    sim_trace(s, "stop %u.%u #%u", p->child, p->gen, e->seq);
    if (s->swarm.remote)
        command_put(s, p, COMMAND_STOP, e->seq);
    else
        p->stop_seq = e->seq + 1;
}

void link_command(struct sim *s, struct proc *p)
{
    struct command c;

    if (p->command_count == 0)
        return;
    c = p->commands[p->command_head];
    p->command_head = (p->command_head + 1) % SIM_COMMANDS;
    p->command_count--;
    if (c.kind == COMMAND_HAND)
        grant(s, p, c.seq);
    else if (c.kind == COMMAND_TAKE_BACK)
        take_back(s, p, c.seq);
    else
        p->stop_seq = c.seq + 1;
}

void proc_kill(struct sim *s, const struct effect *e)
{
    struct proc *p = proc_find(s, e->child, e->gen);

    SIM_CHECK(s, p != NULL);
    sim_trace(s, "kill %u.%u (begun %u limit %u)", p->child, p->gen, p->begun, p->limit);
    p->kill_asked = true;
    proc_close(s, p);
    if (!p->alive && !p->unkillable)
        p->group = false;
}

void proc_retire(struct sim *s, const struct effect *e)
{
    struct proc *p = proc_find(s, e->child, e->gen);

    SIM_CHECK(s, p != NULL && p->ready && p->unsent == p->granted);
    p->retire_asked = true;
    proc_close(s, p);
}

void proc_die(struct sim *s, struct proc *p)
{
    const struct swarm *w = &s->swarm;

    if (!p->alive)
        return;
    p->alive = false;
    if (p->cause.code == 0)
        p->cause = (struct core_cause){ .code = -GANGER_EDIED, .signal = p->kill_asked ? 9 : 11 };
    p->group = w->linger && !s->calm && !p->kill_asked && sim_chance(s, 40);
    p->exit_due = true;
    if (w->silent && !s->calm) {
        p->exit_silent = sim_chance(s, 25);
        p->link_silent = sim_chance(s, 25) && (!p->exit_silent || p->kill_asked);
    }
    if (!p->link_silent && (!p->group || sim_chance(s, 70)))
        link_put(s, p, (struct word){ .kind = WORD_EOF });
    else if (p->exit_silent && !p->kill_asked)
        link_put(s, p, (struct word){ .kind = WORD_EOF });
    sim_trace(s, "%u.%u dies (begun %u, running %u)", p->child, p->gen, p->begun, p->running);
}

static void flush(struct sim *s, struct proc *p)
{
    while (p->unsent < p->next) {
        const struct hand *h = &p->hands[p->unsent % SIM_HANDS];

        if (!h->finished && !h->dropped)
            break;
        if (h->finished)
            link_put(s, p, (struct word){ .kind = WORD_RESULT, .seq = h->seq, .code = h->code });
        p->unsent++;
    }
    if (p->dropped > 0 && p->running == 0) {
        link_put(s, p, (struct word){ .kind = WORD_RETURNED, .number = p->dropped });
        p->dropped = 0;
    }
}

static void finish(struct sim *s, struct proc *p)
{
    struct hand *h = &p->hands[(p->running - 1) % SIM_HANDS];
    bool stopped = p->stop_seq == p->running;

    h->finished = true;
    h->code = 0;
    if (!s->calm && sim_chance(s, stopped ? 60 : s->swarm.retries ? 35 : 8))
        h->code = stopped ? GANGER_ECANCELLED : GANGER_EFAILED;
    p->running = 0;
    if (!s->swarm.coalesce || sim_chance(s, 35))
        flush(s, p);
}

static void look_at_next(struct sim *s, struct proc *p)
{
    struct hand *h = &p->hands[p->next % SIM_HANDS];

    if (p->next >= p->limit) {
        h->dropped = true;
        p->dropped++;
        p->next++;
        return;
    }
    h->begun = true;
    p->next++;
    p->running = p->begun = p->next;
    sim_trace(s, "%u.%u begins #%u %llx", p->child, p->gen, h->seq, (unsigned long long)h->id);
}

static void start_up(struct sim *s, struct proc *p)
{
    if (s->swarm.early_deaths && !s->calm && sim_chance(s, 15)) {
        proc_die(s, p);
        return;
    }
    if (s->swarm.slow_init && !s->calm && sim_chance(s, 80))
        return;
    p->ready = true;
    link_put(s, p, (struct word){ .kind = WORD_READY });
}

void proc_do(struct sim *s, struct proc *p)
{
    if (!p->used || !p->alive)
        return;
    if (p->kill_asked) {
        if (!p->unkillable)
            proc_die(s, p);
        return;
    }
    link_command(s, p);
    if (!p->ready)
        start_up(s, p);
    else if (p->running != 0 && !s->calm && sim_chance(s, 5))
        link_put(s, p, (struct word){ .kind = WORD_PROGRESS });
    else if (p->running != 0 && nested_busy(s, p))
        return;
    else if (p->running != 0)
        finish(s, p);
    else if (p->next < p->given)
        look_at_next(s, p);
    else
        flush(s, p);
    if (p->retire_asked && p->alive && p->running == 0 && p->unsent == p->given) {
        p->cause = (struct core_cause){ .code = -GANGER_EDIED };
        proc_die(s, p);
    }
}

void proc_act(struct sim *s)
{
    struct proc *p = &s->procs[sim_below(s, SIM_PROCS)];

    for (uint32_t i = 0; i < SIM_PROCS && !(p->used && p->alive); i++)
        p = &s->procs[(uint32_t)(p - s->procs + 1) % SIM_PROCS];
    for (uint32_t n = 1 + sim_below(s, s->swarm.coalesce ? 12 : 2); n > 0; n--)
        proc_do(s, p);
}

/* All lose their coordinator; those that live go on with what they have in hand. */
void procs_crash(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        s->procs[i].old = true;
        s->procs[i].session = 0;
        s->procs[i].link_count = 0;
    }
}

static void gone(struct proc *p)
{
    p->used = p->alive = p->group = false;
}

void procs_old_die(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        if (s->procs[i].old && sim_chance(s, 30))
            gone(&s->procs[i]);
    }
}

void procs_old_gone(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        if (s->procs[i].old)
            gone(&s->procs[i]);
    }
}

void procs_gone(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_PROCS; i++)
        gone(&s->procs[i]);
}

void proc_garbage(struct sim *s)
{
    struct proc *p = &s->procs[sim_below(s, SIM_PROCS)];
    struct event ev = { .type = EVENT_CHILD_GARBAGE, .child = p->child, .gen = p->gen };

    if (!p->used || p->old || !p->alive || p->eof_told || s->swarm.remote || p->orphan)
        return;
    p->garbage_told = true; /* its link is not read any more */
    p->link_count = 0;
    ev.seq = proc_freeze(p);
    proc_close(s, p);
    sim_trace(s, "garbage from %u.%u", p->child, p->gen);
    SIM_CHECK(s, sim_step(s, &ev) == 0 || proc_written_off(s, p));
}
