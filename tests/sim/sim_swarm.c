#include "tests/sim/sim.h"

#include <string.h>

static const char *const names[PROFILES] = { "mixed", "fast", "needs", "deaths", "crash",
    "nested" };

const char *profile_name(enum profile p)
{
    return names[p];
}

int profile_find(const char *name)
{
    for (int i = 0; i < PROFILES; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return -1;
}

/* Each feature by itself: what hides when all is on at once shows when some are off. */
static void mixed(struct sim *s, struct swarm *w)
{
    bool *first = &w->durable, *last = &w->sem_low;

    for (bool *b = first; b <= last; b++)
        *b = sim_chance(s, 50);
    w->waits = sim_chance(s, 90);
    w->cancels = sim_chance(s, 80);
    w->tasks = 4 + sim_below(s, sim_chance(s, 70) ? 60 : 200);
    w->time = sim_below(s, 4);
    w->turn = 20 + sim_below(s, 81);
    w->children = 1 + sim_below(s, 4);
}

static void fast(struct sim *s, struct swarm *w)
{
    w->coalesce = true;
    w->limits = sim_chance(s, 60);
    w->needs = sim_chance(s, 30);
    w->garbage = sim_chance(s, 20);
    w->slow_init = false;
    w->early_deaths = w->delays = w->agent_down = false;
    w->tasks = 60 + sim_below(s, 200);
    w->time = 0;
    w->turn = 30 + sim_below(s, 70);
    w->children = 1 + sim_below(s, 3);
}

static void needs(struct sim *s, struct swarm *w)
{
    w->needs = true;
    w->deaths = sim_chance(s, 30);
    w->early_deaths = w->agent_down = w->drain = false;
    w->tasks = 20 + sim_below(s, 120);
    w->time = 1 + sim_below(s, 2);
    w->children = 2 + sim_below(s, 3);
}

static void deaths(struct sim *s, struct swarm *w)
{
    w->deaths = w->retries = w->linger = true;
    w->silent = sim_chance(s, 60);
    w->early_deaths = sim_chance(s, 60);
    w->limits = sim_chance(s, 60);
    w->tasks = 10 + sim_below(s, 60);
    w->time = 2 + sim_below(s, 2);
}

static void crash(struct sim *s, struct swarm *w)
{
    w->crash = w->durable = true;
    w->volatile_too = sim_chance(s, 30);
    w->store_fails = sim_chance(s, 50);
    w->retries = sim_chance(s, 70);
    w->cancels = true;
    w->tasks = 10 + sim_below(s, 90);
}

/* A wide one is blocked by tasks that wait for others. */
static void nested(struct sim *s, struct swarm *w)
{
    needs(s, w);
    w->nested = true;
    w->durable = sim_chance(s, 30);
    w->sem_low = w->pause = w->drain = w->resize = false;
    w->limits = w->expiry = w->cancels = w->crash = w->wall = w->deaths = sim_chance(s, 20);
    w->retries = w->delays = w->rooms = w->stale = w->garbage = w->store_fails = sim_chance(s, 20);
    w->slow_init = w->sessions = false;
    w->tasks = 8 + sim_below(s, 40);
    w->children = 2 + sim_below(s, 4);
}

void swarm_choose(struct sim *s, int profile)
{
    struct swarm *w = &s->swarm;

    s->profile = profile >= 0 ? (enum profile)profile : (enum profile)(s->seed % PROFILES);
    mixed(s, w);
    if (s->profile == PROFILE_FAST)
        fast(s, w);
    else if (s->profile == PROFILE_NEEDS)
        needs(s, w);
    else if (s->profile == PROFILE_DEATHS)
        deaths(s, w);
    else if (s->profile == PROFILE_CRASH)
        crash(s, w);
    else if (s->profile == PROFILE_NESTED)
        nested(s, w);
    if (!w->durable)
        w->volatile_too = true;
}
