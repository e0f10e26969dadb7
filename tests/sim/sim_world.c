#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

/* splitmix64 (Steele, Lea, Flood 2014); the core's own jitter has another stream. */
uint64_t sim_random(struct sim *s)
{
    uint64_t z = (s->rng += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t sim_below(struct sim *s, uint32_t below)
{
    return (uint32_t)(sim_random(s) % below);
}

bool sim_chance(struct sim *s, uint32_t percent)
{
    return sim_below(s, 100) < percent;
}

int sim_step(struct sim *s, struct event *ev)
{
    const struct effect *effects;
    size_t count;
    int rc;

    SIM_CHECK(s, !s->in_effects);
    s->steps++;
    s->coverage->steps++;
    s->coverage->events[ev->type]++;
    s->event = ev;
    sim_trace(s, "event %d", ev->type);
    model_before(s, ev);
    rc = core_step(s->core, s->now, ev);
    effects = core_effects(s->core, &count);
    s->in_effects = true; /* they last until the next step */
    for (size_t i = 0; i < count; i++) {
        s->coverage->effects[effects[i].type]++;
        model_effect(s, &effects[i]);
    }
    s->in_effects = false;
    model_after(s, ev, rc);
    if (s->options->check_every != 0 && s->steps % s->options->check_every == 0)
        core_check(s->core);
    link_taken_now(s);
    return rc;
}

int sim_step_simple(struct sim *s, enum event_type type, uint32_t index, uint64_t number)
{
    struct event ev = { .type = type, .index = index, .number = number };

    return sim_step(s, &ev);
}

void sim_turn(struct sim *s)
{
    (void)sim_step_simple(s, EVENT_TURN, 0, 0);
}

static void pool_define(struct sim *s, uint32_t pool)
{
    struct mpool *p = &s->pools[pool];
    struct event ev = { .type = EVENT_POOL_DEFINE, .index = pool, .settings = &p->settings };

    p->defined = true;
    SIM_CHECK(s, sim_step(s, &ev) == 0);
}

void sim_pools_define(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_POOLS; i++)
        pool_define(s, i);
    for (uint32_t i = 0; i < SIM_SEMS; i++)
        SIM_CHECK(s, sim_step_simple(s, EVENT_SEM_SET, i, s->sem_wanted[i]) == 0);
}

static void names_add(struct sim *s)
{
    char name[] = "pool0";
    uint32_t index;

    for (uint32_t i = 0; i < SIM_POOLS; i++) {
        name[4] = (char)('0' + i);
        SIM_CHECK(s, core_pool_add(s->core, name, 5, &index) == 0 && index == i);
        s->pools[i].paused = s->pools[i].broken = false;
        memset(s->pools[i].turns, 0, sizeof s->pools[i].turns);
        s->pools[i].agent_up = s->pools[i].agent_asked = s->pools[i].defined = false;
    }
    for (uint32_t i = 0; i < SIM_SEMS; i++) {
        name[4] = (char)('0' + i);
        SIM_CHECK(s, core_sem_add(s->core, name, 5, &index) == 0 && index == i);
        s->sem_granted[i] = s->sem_limit[i] = 0;
    }
    SIM_CHECK(s, core_pool_find(s->core, "pool1", 5) == 1);
    SIM_CHECK(s, core_pool_find(s->core, "pool9", 5) == UINT32_MAX);
}

/* A new core that knows the names and nothing else. */
void sim_core_start(struct sim *s, bool unclean)
{
    core_free(s->core);
    s->config.epoch = ++s->epoch;
    s->config.seed = sim_random(s);
    s->core = core_new(&s->config);
    SIM_CHECK(s, s->core != NULL);
    s->started = s->grace = s->drain = false;
    s->taken_count = 0;
    memset(s->sessions, 0, sizeof s->sessions);
    s->wait_count = 0;
    sim_trace(s, "core of epoch %u%s", s->epoch, unclean ? ", unclean" : "");
    names_add(s);
}

static void settings_choose(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_POOLS; i++) {
        struct core_pool_settings *p = &s->pools[i].settings;

        *p = (struct core_pool_settings){ .processes = 1 + sim_below(s, s->swarm.children),
            .early_deaths = 2 + sim_below(s, 3),
            .backlog = sim_chance(s, 50) ? 5 + sim_below(s, 60) : 100000,
            .backlog_bytes = sim_chance(s, 30) ? 500 + sim_below(s, 5000) : 100000000,
            .init_timeout_us = 50000 + sim_below(s, 2000000),
            .early_backoff_us = 1000 + sim_below(s, 100000),
            .external = sim_chance(s, 20) };
        if (sim_chance(s, 40))
            p->max_tasks_per_child = 1 + sim_below(s, 12);
    }
    for (uint32_t i = 0; i < SIM_SEMS; i++)
        s->sem_wanted[i] = 1 + sim_below(s, 4);
}

static void seed_begin(struct sim *s)
{
    s->config = (struct core_config){ .tasks_max = SIM_TASKS,
        .grace_us = 200000 + sim_below(s, 3000000),
        .orphan_retention_us = sim_below(s, 3) == 0 ? 0 : 100000 + sim_below(s, 5000000) };
    s->now = 1 + sim_below(s, 1000000);
    settings_choose(s);
    sim_core_start(s, false);
    if (sim_chance(s, 50))
        sim_pools_define(s);
    s->started = true;
    SIM_CHECK(s, sim_step_simple(s, EVENT_START, 0, 0) == 0);
    if (!s->pools[0].defined)
        sim_pools_define(s);
}

static void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        abort();
    return memory;
}

void sim_seed(const struct options *options, struct coverage *coverage, uint64_t seed)
{
    struct sim *s = zeroed(1, sizeof *s);

    s->options = options;
    s->coverage = coverage;
    s->seed = seed;
    s->rng = seed * UINT64_C(0xd1342543de82ef95) + 1;
    s->procs = zeroed(SIM_PROCS, sizeof *s->procs);
    s->records = zeroed(SIM_RECORDS, sizeof *s->records);
    s->promises = zeroed(SIM_PROMISES, sizeof *s->promises);
    moves_watch(coverage);
    swarm_choose(s, options->profile);
    seed_begin(s);
    while (s->steps < options->steps)
        chance_act(s);
    chance_calm(s);
    coverage->seeds++;
    core_free(s->core);
    free(s->procs);
    free(s->records);
    free(s->promises);
    free(s);
}
