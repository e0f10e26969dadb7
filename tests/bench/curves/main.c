/*
 * ganger-curves CURVE --bin DIR --module FILE --dir DIR [--quick]: measure one curve with a private
 * gangerd and print its table. tests/bench/curves/run calls it and draws.
 */
#include "curves.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

struct settings settings;

static const struct {
    const char *name;
    void (*run)(void);
} curves[] = {
    { "inflight", curve_inflight },
    { "payload", curve_payload },
    { "clients", curve_clients },
    { "workers", curve_workers },
    { "sessions", curve_sessions },
    { "backlog", curve_backlog },
    { "pools", curve_pools },
    { "semaphore", curve_semaphore },
    { "delayed", curve_delayed },
    { "offered", curve_offered },
    { "load", curve_load },
};

#define CURVES (sizeof curves / sizeof curves[0])

void curve_fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "ganger-curves: %s: %s\n", what, why);
    exit(1);
}

void curve_check(struct ganger *g, int rc, const char *what)
{
    const char *more = g == NULL ? "" : ganger_last_error(g);

    if (rc < 0)
        curve_fail(what, more[0] == '\0' ? ganger_strerror(rc) : more);
}

void *curve_alloc(size_t count, size_t bytes)
{
    void *p = calloc(count == 0 ? 1 : count, bytes);

    if (p == NULL)
        curve_fail("memory", "out of it");
    return p;
}

uint64_t clock_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void (*curve_find(const char *name))(void)
{
    for (size_t i = 0; i < CURVES; i++) {
        if (strcmp(curves[i].name, name) == 0)
            return curves[i].run;
    }
    curve_fail(name, "no such curve");
}

static void options_take(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            settings.quick = true;
        else if (i + 1 < argc && strcmp(argv[i], "--bin") == 0)
            settings.bin = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--module") == 0)
            settings.module = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--dir") == 0)
            settings.dir = argv[++i];
        else
            curve_fail(argv[i], "unknown option");
    }
}

/* Connections need descriptors, and a clock that is 50 us late would be in every latency. */
static void process_prepare(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    (void)prctl(PR_SET_TIMERSLACK, 1);
    (void)signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    void (*run)(void);

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < CURVES; i++)
            (void)puts(curves[i].name);
        return 0;
    }
    if (argc < 2)
        curve_fail("usage", "ganger-curves CURVE --bin DIR --module FILE --dir DIR [--quick]");
    run = curve_find(argv[1]);
    options_take(argc, argv);
    if (settings.bin == NULL || settings.module == NULL || settings.dir == NULL)
        curve_fail("usage", "--bin, --module and --dir are needed");
    settings.out = stdout;
    process_prepare();
    run();
    return fflush(stdout) == 0 ? 0 : 1;
}
