#include "tests/bench/stage.h"

#include "ganger/ganger.h"
#include "tests/bench/disk.h"
#include "tests/bench/load.h"
#include "tests/bench/machine.h"
#include "tests/bench/relay.h"
#include "tests/bench/report.h"
#include "tests/bench/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPEATS     5
#define TURN_ROUNDS 100u

/* Pools, as lines below "pools:". A backlog is a bound and no more: it makes nothing faster. */
#define POOL_WORK                                                                                  \
    "  work:\n    module: %s/benchmod.so\n    processes: 2\n    backlog: 2000000\n"                \
    "    backlog_bytes: 4GiB\n"
#define POOL_ALONE "  alone:\n    external: true\n    backlog: 2000000\n    backlog_bytes: 4GiB\n"
#define POOL_TRUE  "  true:\n    command: /bin/true\n    processes: 2\n"
#define WORK       "work"
#define ALONE      "alone" /* has no workers */
#define TRUE       "true"
#define BACKLOG    2000000u

static unsigned scaled(const struct bench *b, unsigned quick, unsigned full)
{
    return b->quick ? quick : full;
}

static void note_peer(const struct bench *b, const char *peer, const char *work)
{
    double value;

    if (peer_measure(&b->peers, peer, work, &value))
        report_note_peer(peer, work, value);
}

static void note_peers(const struct bench *b, const char *work)
{
    for (size_t i = 0; peer_names[i] != NULL; i++)
        note_peer(b, peer_names[i], work);
}

static void stage_one_cpu(const struct bench *b)
{
    unsigned rounds = scaled(b, 1000, 5000);
    struct server s;

    machine_one_cpu();
    (void)server_start(&s, &b->place, "one-cpu", POOL_WORK);
    (void)load_round_trip_us(s.g, WORK, rounds); /* warm */
    for (int i = 0; i < REPEATS; i++) {
        report_note("relay_1cpu_us", relay_round_trip_us(RELAY_UNIX, rounds));
        report_note("round_trip_1cpu_us", load_round_trip_us(s.g, WORK, rounds));
    }
    server_stop(&s);
    machine_all_cpus();
    for (int i = 0; i < REPEATS; i++)
        note_peers(b, "round_trip_1cpu");
}

static void stage_two_cpus(const struct bench *b)
{
    unsigned rounds = scaled(b, 1000, 5000);
    struct server s;

    (void)server_start(&s, &b->place, "two-cpus", POOL_WORK);
    (void)load_round_trip_us(s.g, WORK, rounds);
    for (int i = 0; i < REPEATS; i++) {
        report_note("relay_us", relay_round_trip_us(RELAY_UNIX, rounds));
        report_note("relay_tcp_us", relay_round_trip_us(RELAY_TCP, rounds));
        report_note("round_trip_us", load_round_trip_us(s.g, WORK, rounds));
        note_peers(b, "round_trip");
    }
    server_stop(&s);
}

/* Printed only: with one CPU to share, everybody always finds all that is in flight. */
static double relay_rate_one_cpu(unsigned in_flight, unsigned messages)
{
    double rate;

    machine_one_cpu();
    rate = relay_rate(in_flight, messages);
    machine_all_cpus();
    return rate;
}

static void stage_cycle(const struct bench *b)
{
    unsigned tasks = scaled(b, 100000, 1000000), fewer = scaled(b, 50000, 300000);
    struct server s;

    (void)server_start(&s, &b->place, "cycle", POOL_WORK);
    (void)load_cycle_rate(s.g, WORK, 1000, 20000, LOAD_PLAIN);
    for (int i = 0; i < REPEATS; i++) {
        report_note("relay_1000", relay_rate(1000, 4 * tasks));
        report_note("relay_1000_1cpu", relay_rate_one_cpu(1000, 4 * tasks));
        report_note("cycle_1000", load_cycle_rate(s.g, WORK, 1000, tasks, LOAD_PLAIN));
        note_peers(b, "cycle_1000");
        report_note("relay_100", relay_rate(100, 2 * fewer));
        report_note("relay_100_1cpu", relay_rate_one_cpu(100, 2 * fewer));
        report_note("cycle_100", load_cycle_rate(s.g, WORK, 100, fewer, LOAD_PLAIN));
        note_peers(b, "cycle_100");
    }
    server_stop(&s);
}

static void stage_map(const struct bench *b)
{
    unsigned items = scaled(b, 200000, 1000000), fewer = scaled(b, 50000, 500000);
    struct server s;

    (void)server_start(&s, &b->place, "map", POOL_WORK);
    (void)load_imap_rate(s.g, WORK, 20000);
    for (int i = 0; i < REPEATS; i++) {
        report_note("map", load_map_rate(s.g, WORK, items));
        note_peers(b, "map");
        report_note("imap", load_imap_rate(s.g, WORK, fewer));
        note_peers(b, "imap");
        note_peers(b, "queue");
    }
    server_stop(&s);
}

/* A daemon anew each time: memory that was used before would be used again, and hide what a task
 * needs. */
static void stage_backlog(const struct bench *b)
{
    unsigned tasks = scaled(b, 200000, 1000000);
    struct server s;

    for (int i = 0; i < REPEATS; i++) {
        double before;

        (void)server_start(&s, &b->place, "backlog", POOL_WORK);
        (void)load_cycle_rate(s.g, WORK, 1000, 10000, LOAD_PLAIN);
        load_pause(s.g, WORK);
        before = machine_pss_bytes(s.pid);
        report_note("submit", load_submit_rate(s.g, WORK, 1000, tasks, LOAD_PLAIN));
        report_note("bytes_per_task", (machine_pss_bytes(s.pid) - before) / tasks);
        note_peers(b, "submit");
        report_note("drain", tasks / load_drain_s(s.g, WORK, BACKLOG));
        note_peers(b, "drain");
        server_stop(&s);
    }
}

/* Two daemons that differ in nothing but what waits in them. */
static void stage_waiting(const struct bench *b)
{
    unsigned rounds = scaled(b, 1000, 5000);
    struct server empty, full;

    machine_one_cpu();
    (void)server_start(&empty, &b->place, "empty", POOL_WORK POOL_ALONE);
    (void)server_start(&full, &b->place, "full", POOL_WORK POOL_ALONE);
    (void)load_submit_rate(full.g, ALONE, 1000, scaled(b, 200000, 1000000), LOAD_PLAIN);
    (void)load_round_trip_us(empty.g, WORK, rounds);
    (void)load_round_trip_us(full.g, WORK, rounds);
    for (int i = 0; i < REPEATS; i++) {
        report_note("round_trip_empty_us", load_round_trip_us(empty.g, WORK, rounds));
        report_note("round_trip_backlog_us", load_round_trip_us(full.g, WORK, rounds));
    }
    server_stop(&empty);
    server_stop(&full);
    machine_all_cpus();
}

static void note_groups(struct disk *d, unsigned syncs)
{
    static const struct {
        const char *key;
        unsigned group;
    } groups[] = { { "group_1", 1 }, { "group_16", 16 }, { "group_100", 100 }, { "group_256", 256 },
        { "group_4096", 4096 } };

    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        report_note(groups[i].key, disk_group_rate(d, groups[i].group, syncs));
}

/* What was submitted runs outside of the measured time, so that no backlog grows. */
static double durable_rate(const struct server *s, unsigned in_flight, unsigned tasks)
{
    double rate;

    load_pause(s->g, WORK);
    rate = load_submit_rate(s->g, WORK, in_flight, tasks, LOAD_DURABLE);
    (void)load_drain_s(s->g, WORK, BACKLOG);
    return rate;
}

/*
 * Others use the disk as well, and its latency changes within a second: floor and Ganger take turns
 * of a few hundredths of it.
 */
static void note_durable_one(const struct server *s, struct disk *d, unsigned turns)
{
    enum { SYNC, PING, BOTH, OWN, KINDS };
    static const char *const keys[KINDS] = { "sync_us", "ping_us", "sync_ping_us", "durable_1_us" };
    struct sample took[KINDS] = { 0 };

    load_pause(s->g, WORK);
    for (unsigned i = 0; i < turns; i++) {
        double sync = disk_sync_us(d, TURN_ROUNDS), ping = relay_ping_us(TURN_ROUNDS);

        sample_add(&took[SYNC], sync);
        sample_add(&took[PING], ping);
        sample_add(&took[BOTH], sync + ping);
        sample_add(&took[OWN], load_durable_us(s->g, WORK, TURN_ROUNDS));
    }
    for (unsigned k = 0; k < KINDS; k++)
        report_note(keys[k], sample_median(&took[k]));
    (void)load_drain_s(s->g, WORK, BACKLOG);
}

static void stage_durable(const struct bench *b)
{
    unsigned turns = scaled(b, 5, 25), syncs = scaled(b, 50, 300);
    unsigned tasks = scaled(b, 50000, 250000), fewer = scaled(b, 20000, 100000);
    struct disk *d = disk_open(b->place.dir);
    struct server s;

    (void)server_start(&s, &b->place, "durable", POOL_WORK);
    (void)load_cycle_rate(s.g, WORK, 1000, 20000, LOAD_DURABLE);
    for (int i = 0; i < REPEATS; i++) {
        note_durable_one(&s, d, turns);
        note_peers(b, "durable_1");
        note_groups(d, syncs);
        report_note("durable_100", durable_rate(&s, 100, fewer));
        note_peers(b, "durable_100");
        report_note("durable_1000", durable_rate(&s, 1000, tasks));
        note_peers(b, "durable_1000");
        report_note("durable_cycle", load_cycle_rate(s.g, WORK, 1000, tasks, LOAD_DURABLE));
    }
    server_stop(&s);
    disk_close(d);
}

/*
 * Command tasks a second over processes a second that one bare loop spawns and reaps. The loop has
 * one process at a time, as the simplest program has; the pool has two children.
 */
static void stage_command(const struct bench *b)
{
    unsigned count = scaled(b, 100, 500);
    struct server s;

    (void)server_start(&s, &b->place, "command", POOL_TRUE);
    (void)load_command_rate(s.g, TRUE, 8, 20);
    for (int i = 0; i < REPEATS; i++) {
        report_note("spawn", machine_spawn_rate(count));
        report_note("command", load_command_rate(s.g, TRUE, 8, count));
    }
    server_stop(&s);
}

static void stage_replay(const struct bench *b)
{
    struct server s;
    char journal[600];

    (void)server_start(&s, &b->place, "replay", POOL_ALONE);
    (void)load_submit_rate(s.g, ALONE, 4000, scaled(b, 100000, 1000000), LOAD_DURABLE);
    (void)snprintf(journal, sizeof journal, "%s/journal", s.dir);
    for (int i = 0; i < REPEATS; i++) {
        double bytes;

        server_halt(&s);
        report_note("reread_s", disk_reread_s(journal, &bytes));
        report_note("replay_s", server_resume(&s));
        report_note("replay_bytes", bytes);
    }
    server_stop(&s);
}

static void sessions_open(const struct server *s, struct ganger **sessions, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int rc = ganger_open(s->socket, &sessions[i]);

        if (rc < 0)
            sample_fail("open a session", ganger_strerror(rc));
    }
}

/* A handle of the library has two descriptors. */
static unsigned sessions_possible(const struct bench *b)
{
    unsigned long descriptors = machine_raise_descriptors();
    unsigned wanted = scaled(b, 1000, 5000);

    return descriptors > 2 * (wanted + 50) ? wanted : (unsigned)descriptors / 2 - 50;
}

/* The time that idleness is watched for, five times in all. */
static double idle_share(const struct bench *b, pid_t pid)
{
    struct timespec wait = { b->quick ? 0 : 2, b->quick ? 400000000 : 0 };
    double begin = sample_now(), cpu = machine_cpu_s(pid);

    (void)nanosleep(&wait, NULL);
    return (machine_cpu_s(pid) - cpu) / (sample_now() - begin);
}

static void stage_idle(const struct bench *b)
{
    unsigned count = sessions_possible(b);
    struct ganger **sessions = sample_array(count, sizeof *sessions);
    struct server s;

    for (int i = 0; i < REPEATS; i++) {
        double before;

        (void)server_start(&s, &b->place, "idle", POOL_WORK);
        (void)load_cycle_rate(s.g, WORK, 1000, 10000, LOAD_PLAIN);
        before = machine_pss_bytes(s.pid);
        sessions_open(&s, sessions, count);
        report_note("bytes_per_session", (machine_pss_bytes(s.pid) - before) / count);
        report_note("idle_cpu", idle_share(b, s.pid));
        for (unsigned k = 0; k < count; k++)
            ganger_close(sessions[k]);
        server_stop(&s);
    }
    free(sessions);
}

const struct stage stages[] = {
    { "one_cpu", stage_one_cpu },
    { "two_cpus", stage_two_cpus },
    { "cycle", stage_cycle },
    { "map", stage_map },
    { "backlog", stage_backlog },
    { "waiting", stage_waiting },
    { "durable", stage_durable },
    { "command", stage_command },
    { "replay", stage_replay },
    { "idle", stage_idle },
    { NULL, NULL },
};
