/* Against the tasks in flight, their payload, and the number of worker children. */
#include "curves.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char yaml_work[] = "pools:\n"
                                "  work:\n"
                                "    module: %s\n"
                                "    processes: %u\n";

static struct host *work_start(unsigned processes)
{
    char yaml[1024];
    struct host *host;
    struct ganger *g;

    (void)snprintf(yaml, sizeof yaml, yaml_work, settings.module, processes);
    host = host_start(yaml);
    g = host_open(host);
    host_wait_ready(g, "work", processes);
    ganger_close(g);
    return host;
}

/* The whole curve is measured again and again, so that a bad moment of the machine hits one value
 * of a point and not all of them. */
void curve_inflight(void)
{
    static const uint32_t x[] = { 1, 3, 10, 30, 100, 300, 1000, 3000, 10000 };
    struct point points[COUNT(x)] = { 0 };
    struct ganger_call call = call_of("work", FUNCTION_NOOP);
    struct host *host = work_start(2);

    for (unsigned round = 0; round < point_repeats(); round++) {
        for (size_t i = 0; i < COUNT(x); i++) {
            points[i].x = x[i];
            point_run(&points[i], &(struct loop_plan){ .host = host,
                                      .clients = 1,
                                      .in_flight = x[i],
                                      .calls = &call,
                                      .call_count = 1,
                                      .seconds = point_seconds() });
        }
    }
    host_stop(host);
    series_begin("inflight", "tasks_in_flight");
    for (size_t i = 0; i < COUNT(x); i++)
        point_print(&points[i]);
    series_end();
}

void curve_payload(void)
{
    static const size_t x[] = { 1, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576 };
    struct point points[COUNT(x)] = { 0 };
    struct host *host = work_start(2);

    for (unsigned round = 0; round < point_repeats(); round++) {
        for (size_t i = 0; i < COUNT(x); i++) {
            struct ganger_call call = call_of("work", FUNCTION_NOOP);

            call.payload = payload_of(x[i]);
            call.payload_bytes = x[i];
            points[i].x = (double)x[i];
            point_run(&points[i], &(struct loop_plan){ .host = host,
                                      .clients = 1,
                                      .in_flight = 64,
                                      .calls = &call,
                                      .call_count = 1,
                                      .seconds = point_seconds() });
        }
    }
    host_stop(host);
    series_begin("payload", "payload_bytes");
    for (size_t i = 0; i < COUNT(x); i++)
        point_print(&points[i]);
    series_end();
}

static void workers_series(const char *series, const char *function, uint32_t in_flight)
{
    static const uint32_t x[] = { 1, 2, 4, 8, 16, 32, 64 };
    struct point points[COUNT(x)] = { 0 };
    struct ganger_call call = call_of("work", function);
    struct host *host = work_start(1);
    struct ganger *g = host_open(host);

    for (unsigned round = 0; round < point_repeats(); round++) {
        for (size_t i = 0; i < COUNT(x); i++) {
            curve_check(g, ganger_pool_resize(g, "work", x[i], 10000), "resize");
            host_wait_ready(g, "work", x[i]);
            points[i].x = x[i];
            point_run(&points[i], &(struct loop_plan){ .host = host,
                                      .clients = 1,
                                      .in_flight = in_flight,
                                      .calls = &call,
                                      .call_count = 1,
                                      .seconds = point_seconds() });
        }
    }
    ganger_close(g);
    host_stop(host);
    series_begin(series, "worker_children");
    for (size_t i = 0; i < COUNT(x); i++)
        point_print(&points[i]);
    series_end();
}

void curve_workers(void)
{
    workers_series("no-op", FUNCTION_NOOP, 1000);
    workers_series("sleep 1 ms", FUNCTION_NAP, 256);
}
