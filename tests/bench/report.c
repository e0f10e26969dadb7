#include "tests/bench/report.h"

#include "tests/bench/sample.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SERIES_MAX 128u
#define KEY_MAX    48u

struct text {
    const char *key, *what, *unit;
};

/* What each series is. Those of peers are named by the peer and the work. */
static const struct text texts[] = {
    { "relay_1cpu_us", "floor: blocking relay, Unix sockets, one CPU", "us" },
    { "round_trip_1cpu_us", "round trip of one task, one CPU", "us" },
    { "round_trip_empty_us", "round trip, nothing waits, one CPU", "us" },
    { "round_trip_backlog_us", "round trip, 1,000,000 wait elsewhere, one CPU", "us" },
    { "relay_us", "floor: blocking relay, Unix sockets", "us" },
    { "relay_tcp_us", "floor: blocking relay, TCP loopback", "us" },
    { "round_trip_us", "round trip of one task", "us" },
    { "relay_1000", "floor: batched relay, 1,000 in flight", "1/s" },
    { "cycle_1000", "full cycle, 1,000 in flight", "1/s" },
    { "relay_1000_1cpu", "floor: the same, one CPU", "1/s" },
    { "relay_100", "floor: batched relay, 100 in flight", "1/s" },
    { "relay_100_1cpu", "floor: the same, one CPU", "1/s" },
    { "cycle_100", "full cycle, 100 in flight", "1/s" },
    { "map", "map with the default chunk, items", "1/s" },
    { "imap", "map, one item a task, as results come", "1/s" },
    { "submit", "submit, accepted, 1,000 in flight", "1/s" },
    { "drain", "running a backlog", "1/s" },
    { "bytes_per_task", "memory per waiting task", "bytes" },
    { "sync_us", "floor: overwrite and fdatasync", "us" },
    { "ping_us", "floor: round trip without a third process", "us" },
    { "sync_ping_us", "floor: both together", "us" },
    { "durable_1_us", "durable submit, 1 in flight", "us" },
    { "group_1", "floor: groups of 1 record, overwritten, synced", "1/s" },
    { "group_16", "floor: groups of 16", "1/s" },
    { "group_100", "floor: groups of 100", "1/s" },
    { "group_256", "floor: groups of 256", "1/s" },
    { "group_4096", "floor: groups of 4,096", "1/s" },
    { "durable_100", "durable submit, 100 in flight", "1/s" },
    { "durable_1000", "durable submit, 1,000 in flight", "1/s" },
    { "durable_cycle", "durable full cycle, 1,000 in flight", "1/s" },
    { "spawn", "floor: posix_spawn of /bin/true and waitpid", "1/s" },
    { "command", "command task /bin/true, 8 in flight", "1/s" },
    { "reread_s", "floor: read and sum the journal", "s" },
    { "replay_s", "start of gangerd on it, until it answers", "s" },
    { "replay_bytes", "bytes of the journal", "bytes" },
    { "idle_cpu", "share of a CPU with idle sessions", "" },
    { "bytes_per_session", "memory per idle session", "bytes" },
};

/* A ratio of two series and its mark. */
struct figure {
    const char *key;
    const char *stage;
    const char *over, *under; /* one series over another; UNDER NULL: the series itself */
    double mark;
    bool at_most;
};

static const struct figure figures[] = {
    { "round_trip_over_floor_1cpu", "one_cpu", "round_trip_1cpu_us", "relay_1cpu_us", 1.2, true },
    { "full_cycle_over_redis", "cycle", "cycle_1000", "redis_cycle_1000", 3, false },
    { "full_cycle_over_relay", "cycle", "cycle_1000", "relay_1000", 0.18, false },
    { "full_cycle_100_over_redis", "cycle", "cycle_100", "redis_cycle_100", 2, false },
    { "map_over_python", "map", "map", "python_map", 5, false },
    { "imap_over_python", "map", "imap", "python_imap", 15, false },
    { "submit_over_redis", "backlog", "submit", "redis_submit", 1.2, false },
    { "drain_over_submit", "backlog", "drain", "submit", 1, false },
    { "durable_1_over_floor", "durable", "durable_1_us", "sync_ping_us", 1.15, true },
    { "durable_100_over_redis", "durable", "durable_100", "redis_durable_100", 2, false },
    { "durable_1000_over_redis", "durable", "durable_1000", "redis_durable_1000", 3, false },
    { "durable_cycle_over_redis", "durable", "durable_cycle", "redis_durable_1000", 2, false },
    { "bytes_per_task", "backlog", "bytes_per_task", NULL, 192, true },
    { "round_trip_backlog_ratio", "waiting", "round_trip_backlog_us", "round_trip_empty_us", 1.1,
        true },
    { "command_over_spawn", "command", "command", "spawn", 0.8, false },
    { "replay_over_read", "replay", "replay_s", "reread_s", 10, true },
    { "idle_cpu", "idle", "idle_cpu", NULL, 0.001, true },
    { "bytes_per_session", "idle", "bytes_per_session", NULL, 1024, true },
};

#define TEXTS   (sizeof texts / sizeof texts[0])
#define FIGURES (sizeof figures / sizeof figures[0])

struct series {
    char key[KEY_MAX], what[2 * KEY_MAX];
    const char *unit;
    struct sample sample;
};

static struct series all[SERIES_MAX]; /* in the order in which they came */
static size_t all_count, all_printed;

static struct series *series_find(const char *key)
{
    for (size_t i = 0; i < all_count; i++) {
        if (strcmp(all[i].key, key) == 0)
            return &all[i];
    }
    return NULL;
}

static struct series *series_of(const char *key, const char *what, const char *unit)
{
    struct series *s = series_find(key);

    if (s != NULL)
        return s;
    if (all_count == SERIES_MAX)
        sample_fail(key, "too many series");
    s = &all[all_count++];
    (void)snprintf(s->key, sizeof s->key, "%s", key);
    (void)snprintf(s->what, sizeof s->what, "%s", what);
    s->unit = unit;
    return s;
}

void report_note(const char *key, double value)
{
    for (size_t i = 0; i < TEXTS; i++) {
        if (strcmp(texts[i].key, key) == 0) {
            sample_add(&series_of(key, texts[i].what, texts[i].unit)->sample, value);
            return;
        }
    }
    sample_fail(key, "no such series");
}

void report_note_peer(const char *peer, const char *work, double value)
{
    bool time = strncmp(work, "round_trip", 10) == 0 || strcmp(work, "durable_1") == 0;
    char key[KEY_MAX], what[2 * KEY_MAX];

    (void)snprintf(key, sizeof key, "%s_%s", peer, work);
    (void)snprintf(what, sizeof what, "peer: %s, %s", peer, work);
    sample_add(&series_of(key, what, time ? "us" : "1/s")->sample, value);
}

/* With as many digits behind the point as tell something. */
static void number_print(double v)
{
    (void)printf(" %13.*f", v >= 1000 ? 0 : v >= 10 ? 1 : v >= 0.1 ? 3 : 6, v);
}

void report_print_new(void)
{
    if (all_printed == 0)
        (void)printf("%-52s %13s %13s %13s\n", "", "median", "min", "max");
    for (; all_printed < all_count; all_printed++) {
        const struct series *s = &all[all_printed];

        (void)printf("%-46s %-5s", s->what, s->unit);
        number_print(sample_median(&s->sample));
        number_print(sample_min(&s->sample));
        number_print(sample_max(&s->sample));
        (void)printf("\n");
    }
    (void)fflush(stdout);
}

/*
 * The ratio of each repeat, for both were measured within moments and what slowed one down slowed
 * the other as well. False: one of the series was not measured.
 */
static bool figure_ratios(const struct figure *f, struct sample *ret_ratios)
{
    const struct series *over = series_find(f->over);
    const struct series *under = f->under == NULL ? NULL : series_find(f->under);
    struct sample ratios = { 0 };

    if (over == NULL || (f->under != NULL && under == NULL))
        return false;
    for (size_t i = 0; i < over->sample.count; i++) {
        if (under == NULL)
            sample_add(&ratios, over->sample.value[i]);
        else if (i < under->sample.count)
            sample_add(&ratios, over->sample.value[i] / under->sample.value[i]);
    }
    *ret_ratios = ratios;
    return true;
}

void report_print_figures(void)
{
    (void)printf("\n%-30s %12s %12s %12s\n", "figure", "median", "min", "max");
    for (size_t i = 0; i < FIGURES; i++) {
        const struct figure *f = &figures[i];
        struct sample ratios;
        double value;

        if (!figure_ratios(f, &ratios))
            continue;
        value = sample_median(&ratios);
        (void)printf("%-29s", f->key);
        number_print(value);
        number_print(sample_min(&ratios));
        number_print(sample_max(&ratios));
        (void)printf("   %s %g: %s\n", f->at_most ? "at most" : "at least", f->mark,
            (f->at_most ? value <= f->mark : value >= f->mark) ? "reached" : "MISSED");
    }
}

bool report_figure_is_of(const char *figure, const char *stage)
{
    for (size_t i = 0; i < FIGURES; i++) {
        if (strcmp(figures[i].key, figure) == 0)
            return strcmp(figures[i].stage, stage) == 0;
    }
    return false;
}

static void json_series(FILE *f, const struct series *s)
{
    (void)fprintf(f,
        "    \"%s\": {\"median\": %.9g, \"min\": %.9g, \"max\": %.9g, \"unit\": ", s->key,
        sample_median(&s->sample), sample_min(&s->sample), sample_max(&s->sample));
    (void)fprintf(f, "\"%s\", \"values\": [", s->unit);
    for (size_t i = 0; i < s->sample.count; i++)
        (void)fprintf(f, "%s%.9g", i == 0 ? "" : ", ", s->sample.value[i]);
    (void)fprintf(f, "]}");
}

static void json_figures(FILE *f)
{
    const char *comma = "";
    struct sample ratios;

    for (size_t i = 0; i < FIGURES; i++) {
        if (!figure_ratios(&figures[i], &ratios))
            continue;
        (void)fprintf(f, "%s\n    \"%s\": %.6g", comma, figures[i].key, sample_median(&ratios));
        comma = ",";
    }
}

void report_write_json(const char *path, bool quick)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        sample_fail(path, strerror(errno));
    (void)fprintf(f, "{\n  \"quick\": %s,\n  \"figures\": {", quick ? "true" : "false");
    json_figures(f);
    (void)fprintf(f, "\n  },\n  \"measured\": {");
    for (size_t i = 0; i < all_count; i++) {
        (void)fprintf(f, "%s\n", i == 0 ? "" : ",");
        json_series(f, &all[i]);
    }
    (void)fprintf(f, "\n  }\n}\n");
    if (fclose(f) != 0)
        sample_fail(path, strerror(errno));
}
