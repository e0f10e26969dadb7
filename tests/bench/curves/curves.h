/*
 * How cost grows: a private gangerd, a driver that keeps tasks under way or sends them by a
 * schedule, and the curves that are measured with them. Everything goes through libganger.
 *
 * Whatever goes wrong ends the program with a message and status 1: half a curve is none.
 */
#ifndef CURVES_CURVES_H
#define CURVES_CURVES_H

#include "ganger/ganger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- main.c ---- */

struct settings {
    bool quick;         /* short times, fewer points */
    const char *bin;    /* directory of gangerd and ganger-worker */
    const char *module; /* the shared object with the functions */
    const char *dir;    /* an empty directory on a real disk, for journal, socket, log */
    FILE *out;          /* the table */
};

extern struct settings settings;

/* Print WHAT and WHY, and exit with status 1. */
_Noreturn void curve_fail(const char *what, const char *why);
/* The same with the handle's latest error when RC is negative, else nothing. G may be NULL. */
void curve_check(struct ganger *g, int rc, const char *what);
/* calloc() that does not fail. */
void *curve_alloc(size_t count, size_t bytes);
/* Nanoseconds of the monotonic clock. */
uint64_t clock_ns(void);

/* ---- host.c: a private gangerd ---- */

struct host;

/* Start gangerd with YAML as its configuration (socket, journal, log are added) and wait until it
 * answers. One at a time. */
struct host *host_start(const char *yaml);
/* Stop it at once, whatever it does, and wait for its end. Its files are removed. */
void host_stop(struct host *host);
/* A connection; the caller closes it. */
struct ganger *host_open(const struct host *host);
const char *host_socket(const struct host *host);
/*
 * Run the daemon, all that it has started, and this process on one CPU (ONE), or on all again. A
 * single round trip is a matter of where the scheduler puts things otherwise.
 */
void host_pin(const struct host *host, bool one);
/* Processor time that was used so far by what is not ours; only differences mean anything. */
double others_cpu_seconds(const struct host *host);
/* A number out of the pool's row (GANGER_POOLS), or of the daemon's counters (GANGER_STATS). */
uint64_t host_pool_number(struct ganger *g, const char *pool, const char *key);
uint64_t host_number(struct ganger *g, const char *key);
/* The sum of KEY over all pools. */
uint64_t host_pools_sum(struct ganger *g, const char *key);
/* Wait until the pool, or all pools together (NULL), have that many ready children. */
void host_wait_ready(struct ganger *g, const char *pool, uint64_t ready);

/* ---- histogram.c: latencies, in nanoseconds, to 1.6 % ---- */

#define HISTOGRAM_BUCKETS 3840u

struct histogram {
    uint64_t count, max_ns;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t ns);
/* The latency that the share Q (0..1) of all did not exceed, microseconds; 0 when there is none. */
double histogram_us(const struct histogram *h, double q);

/* ---- loop.c: a number of tasks always under way ---- */

struct loop_plan {
    const struct host *host;
    uint32_t clients;                /* connections, all served by one thread */
    uint32_t in_flight;              /* over all connections, at least one each */
    const struct ganger_call *calls; /* taken in turn */
    uint32_t call_count;
    const struct ganger_options *options; /* NULL: quiet, nothing else */
    double seconds;                       /* of measuring, after some time to warm up */
    uint64_t tasks;                       /* instead of a time: how many, all of them measured */
};

struct loop_result {
    double rate; /* tasks ended a second */
    double p50_us, p99_us, p999_us, max_us;
    bool left; /* tasks did not end within two seconds after the last one was submitted */
};

void loop_run(const struct loop_plan *plan, struct loop_result *ret);

/* ---- control.c: what the machine itself does meanwhile ---- */

struct control;

struct stall {
    uint64_t from_ns, to_ns; /* monotonic clock; nothing of ours ran, or no write was synced */
};

/*
 * Watch the machine in processes of their own: one for each CPU that wakes up each millisecond, at
 * real-time priority if that is allowed, and with DISK one that overwrites a block in the directory
 * of the journal and syncs it, 100 times a second. What comes later than 2 ms is a stall; a sync
 * that takes over 5 ms is one too.
 */
struct control *control_start(bool disk);
/* Ends it. The stalls are sorted and do not overlap. The caller frees them. */
size_t control_stop(struct control *control, struct stall **ret_stalls);
/* Whether the watchers have real-time priority. */
bool control_is_realtime(const struct control *control);
/* How much of the time from FROM_NS to TO_NS is in one of the stalls. */
uint64_t stalls_within(const struct stall *stalls, size_t count, uint64_t from_ns, uint64_t to_ns);

/* ---- schedule.c: tasks sent by the clock, however long they take ---- */

struct schedule_plan {
    const struct host *host;
    const struct ganger_call *call;
    const struct ganger_options *options;
    double rate; /* tasks a second */
    double seconds;
    bool disk; /* the control watches the disk too */
};

#define SCHEDULE_WINDOWS_MAX 4096u
#define SCHEDULE_WINDOW_NS   50000000u /* 50 ms */

struct schedule_result {
    double rate; /* tasks ended a second, from the first send to the last end */
    double p50_us, p99_us, p999_us, max_us;
    double own_max_us;     /* the longest, less the stalls of the machine within it */
    double control_max_us; /* longest stall that the control saw */
    uint64_t over_20ms, own_over_20ms;
    double others_cpus; /* that others kept busy meanwhile: they are in our way, and no stall */
    bool realtime;
    size_t windows; /* the longest of each 50 ms, by intended time of sending */
    double window_max_us[SCHEDULE_WINDOWS_MAX], window_control_us[SCHEDULE_WINDOWS_MAX];
};

/* Latency counts from when a task should have been sent, so that a stall is not hidden. */
void schedule_run(const struct schedule_plan *plan, struct schedule_result *ret);

/* ---- points.c: a point of a curve ---- */

#define FUNCTION_NOOP "noop"
#define FUNCTION_NAP  "nap"
#define FUNCTION_HOLD "hold"

/* Names the columns that point_print() prints; SERIES becomes a block of the table. */
void series_begin(const char *series, const char *x_name);
void series_end(void);

#define REPEATS_MAX 5u

/* What was measured at one X, several times. */
struct point {
    double x;
    unsigned count;
    struct loop_result results[REPEATS_MAX];
};

/* 3, or 1 when quick. */
unsigned point_repeats(void);
/* Measure once more. */
void point_run(struct point *p, const struct loop_plan *plan);
/* Measure one task at a time, with all processes on one CPU. */
void point_run_alone(struct point *p, const struct loop_plan *plan);
/* A line: x, median, least and most rate; medians of p50, p99, p99.9 and longest. */
void point_print(const struct point *p);
/* A msgpack value of BYTES bytes (at least 1); valid until the next call. */
const void *payload_of(size_t bytes);
/* A call of the function with a payload of 64 bytes, the head included. */
struct ganger_call call_of(const char *pool, const char *function);
/* Seconds that a point is measured. */
double point_seconds(void);
/* Nothing but to wait for the end; the result is not kept. */
struct ganger_options options_waiting(void);

/* ---- curve_*.c: each prints its table into settings.out ---- */

void curve_inflight(void);
void curve_payload(void);
void curve_clients(void);
void curve_workers(void);
void curve_sessions(void);
void curve_backlog(void);
void curve_pools(void);
void curve_semaphore(void);
void curve_delayed(void);
void curve_offered(void);
void curve_load(void);

#endif
