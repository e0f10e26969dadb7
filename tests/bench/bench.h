/*
 * The benchmark's parts: each measures one thing once and returns it; main takes medians.
 * Absolute figures are printed; only ratios within one run mean anything on a shared machine.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

struct ganger;

#define BENCH_PAYLOAD 64u /* bytes of a payload, the msgpack head included */

/* Monotonic seconds. */
double bench_now(void);
/* Print WHAT and the error, and exit with status 1. */
_Noreturn void bench_fail(const char *what, const char *why);

/* floor.c: what the machine itself does */
/* Median of the round trip of one 64-byte message through a third process, microseconds. */
double floor_relay_us(unsigned rounds);
/* Messages a second through a third process with IN_FLIGHT of them under way. */
double floor_relay_rate(unsigned in_flight, unsigned messages);
/* Median of an overwrite of one block written before, then fdatasync, in DIR; microseconds. */
double floor_sync_us(const char *dir, unsigned rounds);

/* tasks.c: Ganger through its public library */
double ganger_round_trip_us(struct ganger *g, unsigned rounds); /* median, one at a time */
double ganger_cycle_rate(struct ganger *g, unsigned in_flight, unsigned tasks); /* tasks/s */
double ganger_map_rate(struct ganger *g, unsigned items);                       /* items/s */
double ganger_durable_us(struct ganger *g, unsigned rounds); /* median, one in flight */
double ganger_durable_rate(struct ganger *g, unsigned in_flight, unsigned tasks); /* submits/s */
double ganger_bytes_per_task(struct ganger *g, unsigned pid, unsigned tasks);

#endif
