/* Against tasks that wait: in a queue, or for their time. */
#include "curves.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The workers of "stock" begin when the pool is resumed. */
static const char yaml_stock[] = "limits:\n"
                                 "  tasks: 100000000\n"
                                 "pools:\n"
                                 "  work:\n"
                                 "    module: %s\n"
                                 "    processes: 2\n"
                                 "  stock:\n"
                                 "    module: %s\n"
                                 "    processes: 2\n"
                                 "    backlog: 100000000\n"
                                 "    backlog_bytes: 100GiB\n";

static struct host *stock_start(struct ganger **ret_g)
{
    char yaml[2048];
    struct host *host;

    (void)snprintf(yaml, sizeof yaml, yaml_stock, settings.module, settings.module);
    host = host_start(yaml);
    *ret_g = host_open(host);
    host_wait_ready(*ret_g, "work", 2);
    host_wait_ready(*ret_g, "stock", 2);
    return host;
}

static struct ganger_options options_detached(void)
{
    struct ganger_options options;

    ganger_options_init(&options);
    options.flags = GANGER_DETACHED;
    options.given = GANGER_OPT_RETENTION_MS;
    options.retention_ms = 1;
    return options;
}

/* Submit TASKS more; how fast they are accepted is put down. */
static void stock_fill(const struct host *host, const struct ganger_options *options,
    uint64_t tasks, struct point *ret_point)
{
    struct ganger_call call = call_of("stock", FUNCTION_NOOP);

    if (tasks == 0)
        return;
    point_run(ret_point, &(struct loop_plan){ .host = host,
                             .clients = 1,
                             .in_flight = 1000,
                             .calls = &call,
                             .call_count = 1,
                             .options = options,
                             .tasks = tasks });
}

struct levels {
    size_t count;
    uint64_t x[8];
    struct point submit[8], beside[8], alone[8];
};

/* In another pool, while X tasks wait in this one. */
static void level_beside(const struct host *host, struct levels *l, size_t i)
{
    struct ganger_call call = call_of("work", FUNCTION_NOOP);
    struct loop_plan plan = {
        .host = host, .clients = 1, .calls = &call, .call_count = 1, .seconds = point_seconds()
    };

    l->submit[i].x = l->beside[i].x = l->alone[i].x = (double)l->x[i];
    for (unsigned round = 0; round < point_repeats(); round++) {
        plan.in_flight = 1000;
        point_run(&l->beside[i], &plan);
        point_run_alone(&l->alone[i], &plan);
    }
}

static void levels_print(const struct levels *l, const char *x_name)
{
    series_begin("submit", x_name);
    for (size_t i = 0; i < l->count; i++) {
        if (l->submit[i].count > 0)
            point_print(&l->submit[i]);
    }
    series_end();
    series_begin("another pool, 1,000 in flight", x_name);
    for (size_t i = 0; i < l->count; i++)
        point_print(&l->beside[i]);
    series_end();
    series_begin("another pool, 1 in flight, one CPU", x_name);
    for (size_t i = 0; i < l->count; i++)
        point_print(&l->alone[i]);
    series_end();
}

static void tenth_of_second(void)
{
    struct timespec t = { 0, 100000000 };

    (void)nanosleep(&t, NULL);
}

/* Let all that waits run: the rate against what is left, a line for each halving or so. */
static void stock_drain(struct ganger *g)
{
    uint64_t left = host_pool_number(g, "stock", "tasks"), next = left - left / 4;
    uint64_t at_ns = clock_ns(), at_left = left;

    (void)fputs("# drain\n# waiting\ttasks/s\n", settings.out);
    curve_check(g, ganger_pool_resume(g, "stock", 10000), "resume");
    while (left > 0) {
        uint64_t now;

        tenth_of_second();
        left = host_pool_number(g, "stock", "tasks");
        now = clock_ns();
        if (left > next && left > 0)
            continue;
        (void)fprintf(settings.out, "%llu\t%.0f\n", (unsigned long long)at_left,
            (double)(at_left - left) * 1e9 / (double)(now - at_ns));
        at_left = left;
        at_ns = now;
        next = left - left / 3;
    }
    series_end();
}

void curve_backlog(void)
{
    static const uint64_t x[] = { 0, 1000, 10000, 100000, 1000000, 3000000, 10000000 };
    struct levels *l = curve_alloc(1, sizeof *l);
    struct ganger_options options = options_detached();
    struct ganger *g;
    struct host *host = stock_start(&g);

    curve_check(g, ganger_pool_pause(g, "stock", 10000), "pause");
    l->count = settings.quick ? 5 : COUNT(x);
    memcpy(l->x, x, l->count * sizeof x[0]);
    for (size_t i = 0; i < l->count; i++) {
        stock_fill(host, &options, i == 0 ? 0 : x[i] - x[i - 1], &l->submit[i]);
        level_beside(host, l, i);
    }
    levels_print(l, "waiting_tasks");
    stock_drain(g);
    ganger_close(g);
    host_stop(host);
    free(l);
}

static uint64_t wall_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* X tasks that are all due at the same moment: how fast they are run from then on. */
static void due_together(struct host *host, struct ganger *g, uint64_t tasks)
{
    struct ganger_options options = options_detached();
    uint64_t due_ms = wall_ms() + 500 + tasks / 200, now;
    struct point unused = { 0 };

    options.given |= GANGER_OPT_RUN_AT_MS;
    options.run_at_ms = due_ms;
    stock_fill(host, &options, tasks, &unused);
    now = wall_ms();
    if (now >= due_ms)
        curve_fail("delayed", "submitting took too long");
    for (; wall_ms() < due_ms;)
        tenth_of_second();
    while (host_pool_number(g, "stock", "tasks") > 0)
        tenth_of_second();
    (void)fprintf(settings.out, "%llu\t%.0f\n", (unsigned long long)tasks,
        (double)tasks * 1e3 / (double)(wall_ms() - due_ms));
}

void curve_delayed(void)
{
    static const uint64_t x[] = { 0, 1000, 10000, 100000, 300000, 1000000 };
    struct levels *l = curve_alloc(1, sizeof *l);
    struct ganger_options options = options_detached();
    struct ganger *g;
    struct host *host = stock_start(&g);

    l->count = settings.quick ? 4 : COUNT(x);
    memcpy(l->x, x, l->count * sizeof x[0]);
    options.given |= GANGER_OPT_DELAY_MS;
    options.delay_ms = 3600000;
    for (size_t i = 0; i < l->count; i++) {
        stock_fill(host, &options, i == 0 ? 0 : x[i] - x[i - 1], &l->submit[i]);
        level_beside(host, l, i);
    }
    levels_print(l, "delayed_tasks");
    ganger_close(g);
    host_stop(host);
    host = stock_start(&g);
    (void)fputs("# due together\n# tasks\ttasks/s\n", settings.out);
    for (size_t i = 3; i < l->count; i++)
        due_together(host, g, x[i]);
    series_end();
    ganger_close(g);
    host_stop(host);
    free(l);
}
