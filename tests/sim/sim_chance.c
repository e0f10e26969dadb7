#include "tests/sim/sim.h"

typedef void action(struct sim *s);

static void act_sync(struct sim *s)
{
    store_sync(s, 1 + sim_below(s, 20));
}

static void act_sem(struct sim *s)
{
    uint64_t limit = sim_below(s, s->swarm.sem_low ? 4 : 8);

    if (!s->swarm.sem_low && limit < 2)
        limit = 2;
    sim_trace(s, "semaphore to %llu", (unsigned long long)limit);
    SIM_CHECK(s, sim_step_simple(s, EVENT_SEM_SET, sim_below(s, SIM_SEMS), limit) == 0);
}

static void act_pause(struct sim *s)
{
    enum event_type type = sim_chance(s, 35) ? EVENT_POOL_PAUSE : EVENT_POOL_RESUME;
    uint32_t pool = sim_below(s, SIM_POOLS);

    sim_trace(s, "pool %u %s", pool, type == EVENT_POOL_PAUSE ? "pauses" : "resumes");
    (void)sim_step_simple(s, type, pool, 0);
}

static void act_resize(struct sim *s)
{
    uint32_t pool = sim_below(s, SIM_POOLS);
    struct core_pool_settings *p = &s->pools[pool].settings;
    struct event ev = { .type = EVENT_POOL_DEFINE, .index = pool, .settings = p };

    p->processes = sim_below(s, s->swarm.children + 1);
    sim_trace(s, "pool %u to %u processes", pool, p->processes);
    if (sim_chance(s, 70)) {
        SIM_CHECK(s, sim_step_simple(s, EVENT_POOL_RESIZE, pool, p->processes) == 0);
        return;
    }
    p->max_tasks_per_child = sim_chance(s, 50) ? 0 : 1 + sim_below(s, 12);
    SIM_CHECK(s, sim_step(s, &ev) == 0);
}

static void act_death(struct sim *s)
{
    struct proc *p = &s->procs[sim_below(s, SIM_PROCS)];

    for (uint32_t i = 0; i < SIM_PROCS && !(p->used && !p->old && p->alive); i++)
        p = &s->procs[(uint32_t)(p - s->procs + 1) % SIM_PROCS];
    if (p->used && !p->old && (p->ready || s->swarm.early_deaths))
        proc_die(s, p);
}

static void act_agent_down(struct sim *s)
{
    uint32_t pool = sim_below(s, SIM_POOLS);

    if (s->pools[pool].agent_up)
        agent_down(s, pool);
}

static void act_jump(struct sim *s)
{
    int64_t by = (int64_t)sim_below(s, 4000000) - 2000000;
    struct event ev = { .type = EVENT_CLOCK_JUMP, .jump_us = by };

    (void)sim_step(s, &ev);
}

static void act_drain(struct sim *s)
{
    if (!sim_chance(s, 10) || s->drain)
        return;
    sim_trace(s, "drain");
    (void)sim_step_simple(s, EVENT_DRAIN, 0, 0);
}

static void act_crash(struct sim *s)
{
    if (s->drain || sim_chance(s, 20))
        store_crash(s);
}

static bool old_ones_live(const struct sim *s)
{
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        if (s->procs[i].used && s->procs[i].old)
            return true;
    }
    return false;
}

static void act_grace(struct sim *s)
{
    if (!s->grace)
        return;
    procs_old_die(s);
    if (!old_ones_live(s) && sim_chance(s, 30)) {
        sim_trace(s, "grace over");
        (void)sim_step_simple(s, EVENT_GRACE_OVER, 0, 0);
    }
}

struct choice {
    uint32_t weight;
    action *act;
};

static uint32_t choices(const struct sim *s, struct choice *c)
{
    const struct swarm *w = &s->swarm;
    const struct choice all[] = { { 14, client_submit }, { 26, proc_act }, { 20, link_act },
        { 6, agent_act }, { 2, client_open },
        { s->record_told < s->record_count ? 9 : 0, act_sync },
        { w->cancels ? 3 : 0, client_cancel }, { w->waits ? 2 : 0, client_wait },
        { w->waits ? 1 : 0, client_unwait }, { 1, client_drop }, { w->rooms ? 2 : 0, client_room },
        { w->sessions ? 1 : 0, client_gone }, { w->nested ? 1 : 0, nested_dead_leave },
        { w->store_fails && w->durable ? 1 : 0, store_fail }, { w->needs ? 2 : 0, act_sem },
        { w->pause ? 1 : 0, act_pause }, { w->resize ? 1 : 0, act_resize },
        { w->deaths ? 2 : 0, act_death }, { w->agent_down ? 1 : 0, act_agent_down },
        { w->stale ? 2 : 0, link_noise }, { w->garbage ? 1 : 0, proc_garbage },
        { w->wall ? 1 : 0, act_jump }, { w->drain ? 1 : 0, act_drain },
        { w->crash || s->drain ? 1 : 0, act_crash }, { s->grace ? 3 : 0, act_grace } };
    uint32_t n = sizeof all / sizeof all[0];

    for (uint32_t i = 0; i < n; i++)
        c[i] = all[i];
    return n;
}

/* Before the grace is over the old ones are gone: their lease was shorter. */
static void time_passes(struct sim *s)
{
    static const uint32_t usual[] = { 150, 4000, 60000, 400000 };
    static const uint32_t rare[] = { 6000, 400000, 3000000, 9000000 };
    uint32_t scale = usual[s->swarm.time];

    if (sim_chance(s, s->swarm.time == 0 ? 50 : 40))
        return;
    if (sim_below(s, 100) == 0)
        scale = rare[s->swarm.time];
    if (sim_below(s, 800) == 0)
        scale = 7000000;
    s->now += sim_below(s, scale);
    if (s->grace && s->now >= s->grace_end)
        procs_old_gone(s);
}

void chance_act(struct sim *s)
{
    struct choice c[32];
    uint32_t n = choices(s, c), sum = 0, at;

    procs_room(s);
    for (uint32_t i = 0; i < n; i++)
        sum += c[i].weight;
    at = sim_below(s, sum);
    for (uint32_t i = 0; i < n; i++) {
        if (at < c[i].weight) {
            c[i].act(s);
            break;
        }
        at -= c[i].weight;
    }
    time_passes(s);
    if (sim_chance(s, s->swarm.turn) || core_deadline(s->core) <= s->now)
        sim_turn(s);
    if (sim_chance(s, 10))
        rules_why(s);
}

/* ---- the end of a seed: no more accidents, all must come to its end ---- */

static void calm_operator(struct sim *s)
{
    s->calm = true;
    s->swarm.silent = s->swarm.linger = s->swarm.deaths = s->swarm.early_deaths = false;
    if (s->drain)
        store_crash(s);
    for (uint32_t i = 0; i < SIM_SEMS; i++)
        (void)sim_step_simple(s, EVENT_SEM_SET, i, s->swarm.nested ? SIM_PERMITS : 8);
    for (uint32_t i = 0; i < SIM_POOLS; i++) {
        s->pools[i].settings.processes = s->swarm.children;
        (void)sim_step_simple(s, EVENT_POOL_RESIZE, i, s->swarm.children);
        (void)sim_step_simple(s, EVENT_POOL_RESUME, i, 0);
    }
}

static bool has_to_do(const struct sim *s, const struct proc *p)
{
    if (p->command_count > 0)
        return true;
    if (p->running != 0)
        return !nested_waits(s, p); /* what is behind it waits too */
    return p->next < p->given;
}

/* All do what they have to do; true when somebody had something. */
static bool calm_round(struct sim *s)
{
    uint64_t before = s->steps;
    bool busy = false;

    store_sync(s, UINT32_MAX);
    nested_dead_leave(s);
    for (uint32_t i = 0; i < SIM_POOLS; i++) {
        if (!s->pools[i].agent_up && (s->pools[i].agent_asked || s->pools[i].settings.external))
            agent_up(s, i);
    }
    for (uint32_t i = 0; i < SIM_PROCS; i++) {
        struct proc *p = &s->procs[i];

        if (!p->used || p->old)
            continue;
        busy |= p->alive && !p->kill_asked && has_to_do(s, p);
        for (uint32_t n = 0; n < 4; n++)
            proc_do(s, p);
        link_deliver(s, p, UINT32_MAX);
        agent_report(s, p);
    }
    busy |= s->steps != before || s->record_told < s->record_count;
    sim_turn(s);
    return busy || s->effect_count > 0;
}

/* Some task that has not ended, to show what is stuck. */
static const struct mtask *stuck(const struct sim *s)
{
    for (uint32_t i = 0; i < s->task_count; i++) {
        if (s->tasks[i].used && !s->tasks[i].ended)
            return &s->tasks[i];
    }
    return NULL;
}

static void calm_rounds(struct sim *s, bool (*done)(const struct sim *s))
{
    uint64_t end = s->now + UINT64_C(3600) * 1000000;
    uint32_t rounds = 0;

    while (!done(s)) {
        uint64_t deadline;

        SIM_CHECK_TASK(s, stuck(s), s->now < end && rounds++ < 20000);
        if (calm_round(s)) {
            s->now += 20;
            continue;
        }
        for (uint32_t i = 0; i < SIM_POOLS; i++) {
            if (s->pools[i].broken)
                (void)sim_step_simple(s, EVENT_POOL_RESUME, i, 0);
        }
        sim_turn(s);
        if (s->effect_count > 0) /* what was resumed has work, and no deadline */
            continue;
        deadline = core_deadline(s->core);
        if (s->grace && deadline >= s->grace_end)
            procs_old_gone(s);
        SIM_CHECK_TASK(s, stuck(s), deadline != CORE_NEVER || done(s));
        if (deadline > s->now)
            s->now = deadline;
    }
}

static bool all_ended(const struct sim *s)
{
    return model_live(s) == 0 && store_quiet(s) && s->wait_count == 0;
}

static bool all_forgotten(const struct sim *s)
{
    struct core_stats stats;

    core_stats(s->core, &stats);
    return stats.tasks == 0;
}

void chance_calm(struct sim *s)
{
    struct core_sem_info info;

    sim_trace(s, "calm");
    calm_operator(s);
    calm_rounds(s, all_ended);
    for (uint32_t i = 0; i < SIM_SEMS; i++) {
        core_sem_info(s->core, i, &info);
        SIM_CHECK(s, info.held == 0 && info.waiting == 0 && info.reserved_by == 0);
    }
    for (uint32_t i = 0; i < s->promise_count; i++) {
        const struct promise *p = &s->promises[i];
        const struct mtask *t = model_find(s, p->id);

        if (p->accepted)
            SIM_CHECK(s, p->forgotten || (t != NULL && t->ended));
    }
    calm_rounds(s, all_forgotten);
}
