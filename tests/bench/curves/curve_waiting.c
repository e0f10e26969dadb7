/* Against tasks that wait for a semaphore. */
#include "curves.h"

#include <stdlib.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char yaml_sems[] = "semaphores:\n"
                                "  few: 2\n"
                                "  many: 64\n"
                                "  one: 1\n"
                                "  gate: 1\n"
                                "pools:\n"
                                "  work: { module: %s, processes: 2 }\n"
                                "  left: { module: %s, processes: 1 }\n"
                                "  right: { module: %s, processes: 1 }\n";

static struct host *sems_start(void)
{
    char yaml[2048];
    struct host *host;
    struct ganger *g;

    (void)snprintf(yaml, sizeof yaml, yaml_sems, settings.module, settings.module, settings.module);
    host = host_start(yaml);
    g = host_open(host);
    host_wait_ready(g, NULL, 4);
    ganger_close(g);
    return host;
}

static void semaphore_series(const char *series, const struct ganger_call *calls,
    uint32_t call_count, const struct ganger_need *needs, size_t need_count)
{
    static const uint32_t x[] = { 1, 10, 100, 1000, 10000, 100000 };
    struct point points[COUNT(x)] = { 0 };
    struct ganger_options options = options_waiting();
    struct host *host = sems_start();

    options.needs = needs;
    options.need_count = need_count;
    for (unsigned round = 0; round < point_repeats(); round++) {
        for (size_t i = 0; i < COUNT(x); i++) {
            points[i].x = x[i];
            point_run(&points[i], &(struct loop_plan){ .host = host,
                                      .clients = 1,
                                      .in_flight = x[i],
                                      .calls = calls,
                                      .call_count = call_count,
                                      .options = &options,
                                      .seconds = point_seconds() });
            if (!points[i].results[points[i].count - 1].left)
                continue;
            /* Those that are left would be in the way of the next point. */
            host_stop(host);
            host = sems_start();
        }
    }
    host_stop(host);
    series_begin(series, "tasks_that_want_it");
    for (size_t i = 0; i < COUNT(x); i++)
        point_print(&points[i]);
    series_end();
}

/* Wait until the pool has COUNT blocked tasks. */
static void await_blocked(struct ganger *g, const char *pool, uint64_t count)
{
    struct timespec t = { 0, 2000000 };

    while (host_pool_number(g, pool, "blocked") != count)
        (void)nanosleep(&t, NULL);
}

/*
 * X tasks of one pool want a semaphore, and its only child is busy with something else; the tasks
 * of another pool take and give back the same semaphore all the time.
 */
static void busy_point(struct point *p, uint32_t blocked)
{
    static const struct ganger_need gate = { "gate", 1 };
    struct ganger_call left = call_of("left", FUNCTION_NOOP), hold = call_of("left", FUNCTION_HOLD);
    struct ganger_call right = call_of("right", FUNCTION_NOOP);
    struct ganger_options options = options_waiting();
    struct host *host = sems_start();
    struct ganger *g = host_open(host);
    struct loop_plan plan = { .host = host, .clients = 1, .call_count = 1 };
    struct loop_result unused;

    curve_check(g, ganger_sem_set(g, "gate", 0, 10000), "semaphore");
    options.needs = &gate;
    options.need_count = 1;
    options.flags = GANGER_DETACHED;
    plan.options = &options;
    plan.calls = &left;
    plan.tasks = blocked;
    plan.in_flight = blocked < 1000 ? blocked : 1000;
    loop_run(&plan, &unused);
    await_blocked(g, "left", blocked);
    options.need_count = 0;
    plan.calls = &hold;
    plan.tasks = plan.in_flight = 1;
    loop_run(&plan, &unused);
    while (host_pool_number(g, "left", "running") != 1)
        continue;
    curve_check(g, ganger_sem_set(g, "gate", 1, 10000), "semaphore");
    options.need_count = 1;
    options.flags = GANGER_QUIET;
    plan.calls = &right;
    plan.in_flight = 10;
    plan.tasks = 0;
    plan.seconds = point_seconds();
    point_run(p, &plan);
    ganger_close(g);
    host_stop(host);
}

static void busy_series(const char *series)
{
    static const uint32_t x[] = { 1, 10, 100, 1000, 10000, 100000 };
    struct point points[COUNT(x)] = { 0 };

    for (unsigned round = 0; round < point_repeats(); round++) {
        for (size_t i = 0; i < COUNT(x); i++) {
            points[i].x = x[i];
            busy_point(&points[i], x[i]);
        }
    }
    series_begin(series, "tasks_that_want_it");
    for (size_t i = 0; i < COUNT(x); i++)
        point_print(&points[i]);
    series_end();
}

void curve_semaphore(void)
{
    static const struct ganger_need few = { "few", 1 }, many = { "many", 1 }, one = { "one", 1 };
    static const struct ganger_need both[] = { { "few", 1 }, { "many", 1 } };
    struct ganger_call work = call_of("work", FUNCTION_NOOP);
    struct ganger_call sides[] = { call_of("left", FUNCTION_NOOP),
        call_of("right", FUNCTION_NOOP) };

    semaphore_series("2 permits, 2 children", &work, 1, &few, 1);
    semaphore_series("64 permits, 2 children", &work, 1, &many, 1);
    semaphore_series("1 permit, two pools of 1 child", sides, 2, &one, 1);
    semaphore_series("two semaphores each", &work, 1, both, 2);
    busy_series("they wait, others use it");
}
