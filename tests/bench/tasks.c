/* Ganger's own figures, through the public library only. */
#include "tests/bench/bench.h"

#include "ganger/ganger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL      "bench"
#define POOL_IDLE "idle" /* a pool that has no workers */
#define FUNCTION  "noop"

static unsigned char payload[BENCH_PAYLOAD] = { 0xc4, BENCH_PAYLOAD - 2 }; /* msgpack bin 8 */

static struct ganger_call call_to(const char *pool)
{
    return (struct ganger_call){
        .pool = pool, .function = FUNCTION, .payload = payload, .payload_bytes = sizeof payload
    };
}

static void check(struct ganger *g, int rc, const char *what)
{
    if (rc < 0)
        bench_fail(what, ganger_last_error(g));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

double ganger_round_trip_us(struct ganger *g, unsigned rounds)
{
    struct ganger_call call = call_to(POOL);
    struct ganger_options options;
    double *took = calloc(rounds, sizeof *took), result;

    if (took == NULL)
        bench_fail("memory", "out of it");
    ganger_options_init(&options);
    options.flags = GANGER_QUIET;
    for (unsigned i = 0; i < rounds; i++) {
        double begin = bench_now();

        check(g, ganger_apply(g, &call, &options, NULL, NULL), "apply");
        took[i] = (bench_now() - begin) * 1e6;
    }
    qsort(took, rounds, sizeof *took, by_value);
    result = took[rounds / 2];
    free(took);
    return result;
}

/* Keep IN_FLIGHT tasks under way until TASKS have ended. */
static double keep_in_flight(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, unsigned in_flight, unsigned tasks)
{
    struct ganger_future **f = calloc(in_flight, sizeof(struct ganger_future *));
    unsigned sent = 0, ended = 0;
    double begin = bench_now();

    if (f == NULL)
        bench_fail("memory", "out of it");
    while (sent < in_flight && sent < tasks) {
        check(g, ganger_submit(g, call, options, &f[sent]), "submit");
        sent++;
    }
    while (ended < tasks) {
        unsigned i = ended % in_flight;

        check(g, ganger_future_wait(f[i], GANGER_FOREVER), "wait");
        check(g, ganger_future_successful(f[i]), "task");
        ganger_future_free(f[i]);
        ended++;
        if (sent < tasks) {
            check(g, ganger_submit(g, call, options, &f[i]), "submit");
            sent++;
        }
    }
    free(f);
    return tasks / (bench_now() - begin);
}

double ganger_cycle_rate(struct ganger *g, unsigned in_flight, unsigned tasks)
{
    struct ganger_call call = call_to(POOL);
    struct ganger_options options;

    ganger_options_init(&options);
    options.flags = GANGER_QUIET;
    return keep_in_flight(g, &call, &options, in_flight, tasks);
}

double ganger_map_rate(struct ganger *g, unsigned items)
{
    struct ganger_bytes *in = calloc(items, sizeof *in);
    struct ganger_map *map = NULL;
    double begin;

    if (in == NULL)
        bench_fail("memory", "out of it");
    for (unsigned i = 0; i < items; i++)
        in[i] = (struct ganger_bytes){ payload, 16 };
    payload[1] = 14;
    begin = bench_now();
    check(g, ganger_map(g, POOL, FUNCTION, in, items, GANGER_CHUNK_DEFAULT, NULL, &map), "map");
    begin = bench_now() - begin;
    payload[1] = BENCH_PAYLOAD - 2;
    ganger_map_free(map);
    free(in);
    return items / begin;
}

static struct ganger_options durable_options(void)
{
    struct ganger_options options;

    ganger_options_init(&options);
    options.durable = GANGER_DURABLE_YES;
    options.given = GANGER_OPT_RETENTION_MS;
    options.retention_ms = 1;
    options.flags = GANGER_DETACHED;
    return options;
}

double ganger_durable_us(struct ganger *g, unsigned rounds)
{
    struct ganger_call call = call_to(POOL_IDLE);
    struct ganger_options options = durable_options();
    double *took = calloc(rounds, sizeof *took), result;
    uint64_t id;

    if (took == NULL)
        bench_fail("memory", "out of it");
    for (unsigned i = 0; i < rounds; i++) {
        double begin = bench_now();

        check(g, ganger_submit_detached(g, &call, &options, GANGER_FOREVER, &id), "durable submit");
        took[i] = (bench_now() - begin) * 1e6;
    }
    qsort(took, rounds, sizeof *took, by_value);
    result = took[rounds / 2];
    free(took);
    return result;
}

double ganger_durable_rate(struct ganger *g, unsigned in_flight, unsigned tasks)
{
    struct ganger_call call = call_to(POOL_IDLE);
    struct ganger_options options = durable_options();

    return keep_in_flight(g, &call, &options, in_flight, tasks);
}

/* Proportional set size of a process, bytes. */
static double pss_bytes(unsigned pid)
{
    char path[64], line[256];
    double kib = -1;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%u/smaps_rollup", pid);
    f = fopen(path, "r");
    if (f == NULL)
        bench_fail(path, "cannot be read");
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "Pss:", 4) == 0)
            kib = strtod(line + 4, NULL);
    }
    (void)fclose(f);
    return kib * 1024;
}

double ganger_bytes_per_task(struct ganger *g, unsigned pid, unsigned tasks)
{
    struct ganger_call call = call_to(POOL_IDLE);
    struct ganger_options options;
    double before = pss_bytes(pid);

    ganger_options_init(&options);
    options.flags = GANGER_DETACHED;
    (void)keep_in_flight(g, &call, &options, 1000, tasks);
    return (pss_bytes(pid) - before) / tasks;
}
