/*
 * ganger-bench SOCKET PID DIR [--quick] [--json FILE]: measures the floor and Ganger beside it,
 * five times each in turn, and prints medians. tests/bench/run starts a private gangerd for it.
 */
#include "tests/bench/bench.h"

#include "ganger/ganger.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPEATS 5

struct figure {
    const char *key, *what, *unit;
    const char *floor; /* key of the figure it is put beside, or NULL */
    int inverse;       /* a rate: more is better */
    double value[REPEATS];
    int count;
};

static struct figure figures[] = {
    { "relay_us", "floor: relay through a third process, one at a time", "us", NULL, 0, { 0 }, 0 },
    { "round_trip_us", "round trip of one no-op task", "us", "relay_us", 0, { 0 }, 0 },
    { "relay_1cpu_us", "floor: the relay, all on one CPU", "us", NULL, 0, { 0 }, 0 },
    { "relay_rate", "floor: batched relay, 1,000 in flight", "1/s", NULL, 1, { 0 }, 0 },
    { "cycle_1000", "full cycle, 1,000 in flight", "1/s", "relay_rate", 1, { 0 }, 0 },
    { "cycle_100", "full cycle, 100 in flight", "1/s", NULL, 1, { 0 }, 0 },
    { "map_items", "chunked map, items", "1/s", NULL, 1, { 0 }, 0 },
    { "sync_us", "floor: overwrite and fdatasync", "us", NULL, 0, { 0 }, 0 },
    { "durable_1_us", "durable submit, 1 in flight", "us", "sync_us", 0, { 0 }, 0 },
    { "durable_100", "durable submit, 100 in flight", "1/s", NULL, 1, { 0 }, 0 },
    { "bytes_per_task", "memory per waiting task, 64-byte payload", "bytes", NULL, 0, { 0 }, 0 },
};

#define FIGURES (sizeof figures / sizeof figures[0])

double bench_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void bench_fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "ganger-bench: %s: %s\n", what, why);
    exit(1);
}

static struct figure *figure_of(const char *key)
{
    for (size_t i = 0; i < FIGURES; i++) {
        if (strcmp(figures[i].key, key) == 0)
            return &figures[i];
    }
    bench_fail(key, "no such figure");
}

static void note(const char *key, double value)
{
    struct figure *f = figure_of(key);

    f->value[f->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median_of(const struct figure *f)
{
    double v[REPEATS];

    memcpy(v, f->value, sizeof v);
    qsort(v, (size_t)f->count, sizeof *v, by_value);
    return f->count == 0 ? 0 : v[f->count / 2];
}

static double extreme_of(const struct figure *f, int most)
{
    double v = f->value[0];

    for (int i = 1; i < f->count; i++) {
        if (most ? f->value[i] > v : f->value[i] < v)
            v = f->value[i];
    }
    return v;
}

static void print_table(void)
{
    (void)printf("%-52s %12s %12s %12s %9s\n", "", "median", "min", "max", "of floor");
    for (size_t i = 0; i < FIGURES; i++) {
        const struct figure *f = &figures[i];

        if (f->count == 0)
            continue;
        (void)printf("%-46s %-5s %12.1f %12.1f %12.1f", f->what, f->unit, median_of(f),
            extreme_of(f, 0), extreme_of(f, 1));
        if (f->floor != NULL)
            (void)printf(" %9.2f", median_of(f) / median_of(figure_of(f->floor)));
        (void)printf("\n");
    }
}

static void write_json(const char *path)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        bench_fail(path, "cannot be written");
    (void)fprintf(f, "{\"figures\": {");
    for (size_t i = 0; i < FIGURES; i++) {
        if (figures[i].count > 0)
            (void)fprintf(
                f, "%s\"%s\": %.3f", i == 0 ? "" : ", ", figures[i].key, median_of(&figures[i]));
    }
    (void)fprintf(f, "}}\n");
    (void)fclose(f);
}

/* Run the relay with all its processes on one CPU. */
static double relay_on_one_cpu(unsigned rounds)
{
    cpu_set_t all, one;
    double us;

    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (sched_getaffinity(0, sizeof all, &all) < 0 || sched_setaffinity(0, sizeof one, &one) < 0)
        return 0;
    us = floor_relay_us(rounds);
    (void)sched_setaffinity(0, sizeof all, &all);
    return us;
}

static void measure(struct ganger *g, unsigned pid, const char *dir, unsigned scale)
{
    note("relay_us", floor_relay_us(400 * scale));
    note("round_trip_us", ganger_round_trip_us(g, 400 * scale));
    note("relay_1cpu_us", relay_on_one_cpu(400 * scale));
    note("relay_rate", floor_relay_rate(1000, 200000 * scale));
    note("cycle_1000", ganger_cycle_rate(g, 1000, 40000 * scale));
    note("cycle_100", ganger_cycle_rate(g, 100, 20000 * scale));
    note("map_items", ganger_map_rate(g, 100000 * scale));
    note("sync_us", floor_sync_us(dir, 100 * scale));
    note("durable_1_us", ganger_durable_us(g, 100 * scale));
    note("durable_100", ganger_durable_rate(g, 100, 4000 * scale));
    note("bytes_per_task", ganger_bytes_per_task(g, pid, 20000 * scale));
}

int main(int argc, char **argv)
{
    struct ganger *g;
    const char *json = NULL;
    unsigned scale = 10;
    int rc;

    if (argc < 4)
        bench_fail("usage", "ganger-bench SOCKET PID DIR [--quick] [--json FILE]");
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            scale = 1;
        else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
            json = argv[++i];
        else
            bench_fail(argv[i], "unknown option");
    }
    rc = ganger_open(argv[1], &g);
    if (rc < 0)
        bench_fail(argv[1], ganger_strerror(rc));
    for (int i = 0; i < REPEATS; i++)
        measure(g, (unsigned)strtoul(argv[2], NULL, 10), argv[3], scale);
    ganger_close(g);
    print_table();
    if (json != NULL)
        write_json(json);
    return 0;
}
