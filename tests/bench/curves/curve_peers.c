/* Against clients that work, sessions that idle, and pools. */
#include "curves.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define SESSIONS_EACH 2500u /* of one process: a connection may take several descriptors */
#define HOLDERS_MAX   16u
#define YAML_BYTES    (256u * 1024)

static const char yaml_work[] = "limits:\n"
                                "  sessions: 20000\n"
                                "pools:\n"
                                "  work:\n"
                                "    module: %s\n"
                                "    processes: 2\n";

static struct host *work_start(void)
{
    char yaml[1024];
    struct host *host;
    struct ganger *g;

    (void)snprintf(yaml, sizeof yaml, yaml_work, settings.module);
    host = host_start(yaml);
    g = host_open(host);
    host_wait_ready(g, "work", 2);
    ganger_close(g);
    return host;
}

static void clients_series(const struct host *host, const char *series, uint32_t in_flight)
{
    static const uint32_t x[] = { 1, 3, 10, 30, 100, 300, 1000 };
    struct point points[COUNT(x)] = { 0 };
    struct ganger_call call = call_of("work", FUNCTION_NOOP);

    for (unsigned round = 0; round < point_repeats(); round++) {
        for (size_t i = 0; i < COUNT(x); i++) {
            points[i].x = x[i];
            point_run(&points[i], &(struct loop_plan){ .host = host,
                                      .clients = x[i],
                                      .in_flight = in_flight == 0 ? x[i] : in_flight,
                                      .calls = &call,
                                      .call_count = 1,
                                      .seconds = point_seconds() });
        }
    }
    series_begin(series, "clients");
    for (size_t i = 0; i < COUNT(x); i++)
        point_print(&points[i]);
    series_end();
}

void curve_clients(void)
{
    struct host *host = work_start();

    clients_series(host, "1,000 in flight in all", 1000);
    clients_series(host, "1 in flight each", 0);
    host_stop(host);
}

struct holders {
    pid_t pids[HOLDERS_MAX];
    unsigned count;
};

/* Open COUNT sessions, say so, and hold them until killed. */
_Noreturn static void hold(const struct host *host, uint32_t count, int ready)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t i = 0; i < count; i++)
        (void)host_open(host);
    if (write(ready, "", 1) != 1)
        _exit(1);
    for (;;)
        (void)pause();
}

static void holder_add(struct holders *h, const struct host *host, uint32_t count)
{
    int ready[2];
    char byte;
    pid_t pid;

    if (h->count == HOLDERS_MAX || pipe(ready) < 0)
        curve_fail("sessions", "too many");
    (void)fflush(settings.out);
    pid = fork();
    if (pid < 0)
        curve_fail("fork", "failed");
    if (pid == 0)
        hold(host, count, ready[1]);
    (void)close(ready[1]);
    h->pids[h->count++] = pid;
    if (read(ready[0], &byte, 1) != 1)
        curve_fail("sessions", "they cannot be opened");
    (void)close(ready[0]);
}

static void holders_end(struct holders *h)
{
    for (unsigned i = 0; i < h->count; i++) {
        (void)kill(h->pids[i], SIGKILL);
        (void)waitpid(h->pids[i], NULL, 0);
    }
}

#define SESSIONS_POINTS 6u

static void points_print(
    const char *series, const char *x_name, const struct point *points, size_t count)
{
    series_begin(series, x_name);
    for (size_t i = 0; i < count; i++)
        point_print(&points[i]);
    series_end();
}

/* They only grow, so the rounds of a point follow one another. */
void curve_sessions(void)
{
    static const uint32_t x[SESSIONS_POINTS] = { 1, 10, 100, 1000, 3000, 10000 };
    struct point many[SESSIONS_POINTS] = { 0 }, alone[SESSIONS_POINTS] = { 0 };
    struct ganger_call call = call_of("work", FUNCTION_NOOP);
    struct host *host = work_start();
    struct holders holders = { .count = 0 };
    struct loop_plan plan = { .host = host,
        .clients = 1,
        .in_flight = 1000,
        .calls = &call,
        .call_count = 1,
        .seconds = point_seconds() };
    uint32_t open = 0;

    for (size_t i = 0; i < SESSIONS_POINTS; i++) {
        while (open < x[i]) {
            uint32_t more = x[i] - open < SESSIONS_EACH ? x[i] - open : SESSIONS_EACH;

            holder_add(&holders, host, more);
            open += more;
        }
        many[i].x = alone[i].x = x[i];
        for (unsigned round = 0; round < point_repeats(); round++) {
            point_run(&many[i], &plan);
            point_run_alone(&alone[i], &plan);
        }
    }
    points_print("1,000 in flight", "idle_sessions", many, SESSIONS_POINTS);
    points_print("1 in flight, one CPU", "idle_sessions", alone, SESSIONS_POINTS);
    holders_end(&holders);
    host_stop(host);
}

static struct host *pools_start(uint32_t pools, double *ret_seconds)
{
    char *yaml = curve_alloc(YAML_BYTES, 1);
    size_t at = (size_t)snprintf(yaml, YAML_BYTES, "pools:\n");
    uint64_t from = clock_ns();
    struct host *host;
    struct ganger *g;

    for (uint32_t i = 0; i < pools && at < YAML_BYTES; i++)
        at += (size_t)snprintf(yaml + at, YAML_BYTES - at, "  p%u: { module: %s, processes: 1 }\n",
            i, settings.module);
    if (at >= YAML_BYTES)
        curve_fail("pools", "the configuration is too long");
    host = host_start(yaml);
    free(yaml);
    g = host_open(host);
    host_wait_ready(g, NULL, pools);
    ganger_close(g);
    *ret_seconds = (double)(clock_ns() - from) / 1e9;
    return host;
}

static void pools_calls(struct ganger_call *calls, char (*names)[16], uint32_t pools)
{
    for (uint32_t i = 0; i < pools; i++) {
        (void)snprintf(names[i], sizeof names[i], "p%u", i);
        calls[i] = call_of(names[i], FUNCTION_NOOP);
    }
}

#define POOLS_POINTS 7u
#define POOLS_MOST   1000u

static void pools_measure(
    uint32_t pools, struct point *all, struct point *one, struct point *alone, double *ret_start)
{
    struct ganger_call *calls = curve_alloc(POOLS_MOST, sizeof *calls);
    char(*names)[16] = curve_alloc(POOLS_MOST, sizeof *names);
    struct host *host = pools_start(pools, ret_start);
    struct loop_plan plan = {
        .host = host, .clients = 1, .in_flight = 1000, .calls = calls, .seconds = point_seconds()
    };

    pools_calls(calls, names, pools);
    all->x = one->x = alone->x = pools;
    for (unsigned round = 0; round < point_repeats(); round++) {
        plan.in_flight = 1000;
        plan.call_count = pools;
        point_run(all, &plan);
        plan.call_count = 1;
        point_run(one, &plan);
        point_run_alone(alone, &plan);
    }
    host_stop(host);
    free(calls);
    free(names);
}

void curve_pools(void)
{
    static const uint32_t full[POOLS_POINTS] = { 1, 3, 10, 30, 100, 300, 1000 };
    static const uint32_t quick[] = { 1, 10, 100 };
    const uint32_t *x = settings.quick ? quick : full;
    size_t count = settings.quick ? COUNT(quick) : COUNT(full);
    struct point all[POOLS_POINTS] = { 0 }, one[POOLS_POINTS] = { 0 }, alone[POOLS_POINTS] = { 0 };
    double start[POOLS_POINTS];

    for (size_t i = 0; i < count; i++)
        pools_measure(x[i], &all[i], &one[i], &alone[i], &start[i]);
    points_print("all in turn, 1,000 in flight", "pools", all, count);
    points_print("one of them, 1,000 in flight", "pools", one, count);
    points_print("one of them, 1 in flight, one CPU", "pools", alone, count);
    (void)fputs("# start\n# pools\tseconds until all children are ready\n", settings.out);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(settings.out, "%u\t%.3f\n", x[i], start[i]);
    series_end();
}
