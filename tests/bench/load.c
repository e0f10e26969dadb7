#include "tests/bench/load.h"

#include "ganger/ganger.h"
#include "tests/bench/sample.h"

#include <stdlib.h>

#define FUNCTION "noop" /* of noop.c */

static const unsigned char payload[LOAD_PAYLOAD] = { 0xc4, LOAD_PAYLOAD - 2 }; /* msgpack bin 8 */
static const unsigned char no_arguments[] = { 0x92, 0x90, 0xc0 };              /* [[], nil] */

static struct ganger_call call_of(const char *pool)
{
    return (struct ganger_call){
        .pool = pool, .function = FUNCTION, .payload = payload, .payload_bytes = sizeof payload
    };
}

static void check(struct ganger *g, int rc, const char *what)
{
    if (rc < 0)
        sample_fail(what, ganger_last_error(g));
}

double load_round_trip_us(struct ganger *g, const char *pool, unsigned rounds)
{
    struct ganger_call call = call_of(pool);
    double *took = sample_array(rounds, sizeof *took), median;

    for (unsigned i = 0; i < rounds; i++) {
        double begin = sample_now();

        check(g, ganger_apply(g, &call, NULL, NULL, NULL), "apply");
        took[i] = (sample_now() - begin) * 1e6;
    }
    median = sample_quantile(took, rounds, 0.5);
    free(took);
    return median;
}

/* Take one future that has ended, and free it. */
static void future_take(struct ganger *g)
{
    struct ganger_future *f;

    check(g, ganger_wait_next(g, GANGER_FOREVER, &f), "wait");
    if (ganger_future_successful(f) != 1) {
        struct ganger_failure failure;

        check(g, ganger_future_error(f, &failure), "error");
        sample_fail("task", failure.text);
    }
    ganger_future_free(f);
}

/* As soon as one has ended, the next is submitted; returns tasks a second. */
static double keep_in_flight(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, unsigned in_flight, unsigned tasks)
{
    unsigned sent = 0;
    double begin = sample_now();

    for (unsigned ended = 0; ended < tasks; ended++) {
        struct ganger_future *f;

        while (sent < tasks && sent < ended + in_flight) {
            check(g, ganger_submit(g, call, options, &f), "submit");
            sent++;
        }
        future_take(g);
    }
    return tasks / (sample_now() - begin);
}

static struct ganger_options options_of(uint32_t flags, enum load_kind kind)
{
    struct ganger_options options;

    ganger_options_init(&options);
    options.flags = flags;
    options.durable = kind == LOAD_PLAIN ? GANGER_DURABLE_DEFAULT : GANGER_DURABLE_YES;
    return options;
}

/* Who waits for a durable task wants its id, to find it again; for others nobody asks. */
double load_cycle_rate(
    struct ganger *g, const char *pool, unsigned in_flight, unsigned tasks, enum load_kind kind)
{
    struct ganger_call call = call_of(pool);
    struct ganger_options options = options_of(kind == LOAD_PLAIN ? GANGER_QUIET : 0, kind);

    return keep_in_flight(g, &call, &options, in_flight, tasks);
}

double load_command_rate(struct ganger *g, const char *pool, unsigned in_flight, unsigned tasks)
{
    struct ganger_call call = { pool, NULL, no_arguments, sizeof no_arguments };
    struct ganger_options options = options_of(GANGER_QUIET, LOAD_PLAIN);

    return keep_in_flight(g, &call, &options, in_flight, tasks);
}

double load_submit_rate(
    struct ganger *g, const char *pool, unsigned in_flight, unsigned tasks, enum load_kind kind)
{
    struct ganger_call call = call_of(pool);
    struct ganger_options options = options_of(GANGER_DETACHED, kind);

    return keep_in_flight(g, &call, &options, in_flight, tasks);
}

double load_durable_us(struct ganger *g, const char *pool, unsigned rounds)
{
    struct ganger_call call = call_of(pool);
    struct ganger_options options = options_of(GANGER_DETACHED, LOAD_DURABLE);
    double *took = sample_array(rounds, sizeof *took), median;
    uint64_t id;

    for (unsigned i = 0; i < rounds; i++) {
        double begin = sample_now();

        check(g, ganger_submit_detached(g, &call, &options, GANGER_FOREVER, &id), "durable submit");
        took[i] = (sample_now() - begin) * 1e6;
    }
    median = sample_quantile(took, rounds, 0.5);
    free(took);
    return median;
}

void load_pause(struct ganger *g, const char *pool)
{
    check(g, ganger_pool_pause(g, pool, GANGER_FOREVER), "pause");
}

void load_resume(struct ganger *g, const char *pool)
{
    check(g, ganger_pool_resume(g, pool, GANGER_FOREVER), "resume");
}

double load_drain_s(struct ganger *g, const char *pool, uint64_t backlog)
{
    double begin = sample_now();

    load_resume(g, pool);
    /* Room for as many as the pool ever holds is when it holds none. */
    check(g, ganger_wait_room(g, pool, backlog, 0, GANGER_FOREVER), "drain");
    return sample_now() - begin;
}

static struct ganger_bytes *items_of(unsigned items)
{
    struct ganger_bytes *in = sample_array(items, sizeof *in);

    for (unsigned i = 0; i < items; i++)
        in[i] = (struct ganger_bytes){ payload, sizeof payload };
    return in;
}

double load_map_rate(struct ganger *g, const char *pool, unsigned items)
{
    struct ganger_bytes *in = items_of(items);
    struct ganger_map *map = NULL;
    double begin = sample_now();

    check(g, ganger_map(g, pool, FUNCTION, in, items, GANGER_CHUNK_DEFAULT, NULL, &map), "map");
    begin = sample_now() - begin;
    ganger_map_free(map);
    free(in);
    return items / begin;
}

double load_imap_rate(struct ganger *g, const char *pool, unsigned items)
{
    struct ganger_bytes *in = items_of(items);
    struct ganger_map_spec spec;
    struct ganger_map *map;
    struct ganger_item item;
    unsigned ended = 0;
    double begin = sample_now();
    int rc;

    ganger_map_spec_init(&spec);
    spec.pool = pool;
    spec.function = FUNCTION;
    spec.items = in;
    spec.count = items;
    spec.chunk = 1;
    spec.flags = GANGER_MAP_ITERATE | GANGER_MAP_UNORDERED;
    check(g, ganger_map_start(g, &spec, &map), "map");
    while ((rc = ganger_map_next(map, GANGER_FOREVER, &item)) > 0)
        ended += item.code == 0;
    check(g, rc, "map");
    if (ended != items)
        sample_fail("map", "an item failed");
    begin = sample_now() - begin;
    ganger_map_free(map);
    free(in);
    return items / begin;
}
