/*
 * Work for gangerd through its public library, as a program of its users would put it. Payloads
 * have 64 bytes. An error ends the program.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdint.h>

#define LOAD_PAYLOAD 64u /* bytes, the msgpack head included */

struct ganger;

/* What is promised of a task. */
enum load_kind { LOAD_PLAIN, LOAD_DURABLE };

/* Median of submitting one task and waiting for its result, one at a time; microseconds. */
double load_round_trip_us(struct ganger *g, const char *pool, unsigned rounds);

/* Tasks a second, each submitted and its result taken by itself, IN_FLIGHT of them under way. */
double load_cycle_rate(
    struct ganger *g, const char *pool, unsigned in_flight, unsigned tasks, enum load_kind kind);

/* The same for commands without arguments. */
double load_command_rate(struct ganger *g, const char *pool, unsigned in_flight, unsigned tasks);

/* Tasks a second that the daemon has accepted, IN_FLIGHT not yet; nobody waits for their ends. */
double load_submit_rate(
    struct ganger *g, const char *pool, unsigned in_flight, unsigned tasks, enum load_kind kind);

/* Median of submitting one durable task until it is accepted; microseconds. */
double load_durable_us(struct ganger *g, const char *pool, unsigned rounds);

/* Hand out nothing of a pool; or hand out again. */
void load_pause(struct ganger *g, const char *pool);
void load_resume(struct ganger *g, const char *pool);

/* Resume a pool and return the seconds until none of its tasks waits; BACKLOG is that of its
 * configuration. */
double load_drain_s(struct ganger *g, const char *pool, uint64_t backlog);

/* Items a second of a map with the default chunk; of one with an item a task, as results come. */
double load_map_rate(struct ganger *g, const char *pool, unsigned items);
double load_imap_rate(struct ganger *g, const char *pool, unsigned items);

#endif
