/* A client process of the chaos. */
#include "proto/pack.h"
#include "tests/chaos/chaos.h"

#include "ganger/ganger.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IN_FLIGHT 60

struct slot {
    struct ganger_future *future; /* NULL: free */
    uint64_t key;
    enum kind kind;
    bool told; /* its id is in the log */
};

struct client {
    const struct client_config *config;
    struct dice dice;
    struct ganger *g;
    int log;
    uint32_t next;
    int64_t quiet_until_ms; /* a daemon that stops takes nothing: no use in asking on and on */
    struct slot slots[IN_FLIGHT];
};

uint64_t dice_next(struct dice *dice)
{
    uint64_t x = dice->state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    dice->state = x;
    return x * 0x2545f4914f6cdd1dull;
}

uint32_t dice_below(struct dice *dice, uint32_t bound)
{
    return (uint32_t)((dice_next(dice) >> 33) % bound);
}

/* ---- submitting ---- */

static enum kind kind_roll(struct dice *dice)
{
    uint32_t n = dice_below(dice, 1000);

    if (n < 40)
        return KIND_FLAKY;
    if (n < 48)
        return KIND_CRASH;
    if (n < 100)
        return KIND_BUDGET;
    if (n < 104)
        return KIND_HANG;
    if (n < 114)
        return KIND_FORK;
    return n < 214 ? KIND_COMMAND : KIND_PLAIN;
}

static void options_set(struct ganger_options *o, enum kind kind)
{
    ganger_options_init(o);
    o->durable = GANGER_DURABLE_YES;
    o->flags = GANGER_WAIT_ROOM;
    o->given = GANGER_OPT_MAX_ATTEMPTS | GANGER_OPT_CRASH_BUDGET | GANGER_OPT_BACKOFF_MS |
               GANGER_OPT_BACKOFF_MAX_MS | GANGER_OPT_RETENTION_MS;
    o->max_attempts = kind == KIND_HANG ? CHAOS_HANG_ATTEMPTS : 1000;
    o->crash_budget = kind == KIND_CRASH || kind == KIND_BUDGET ? CHAOS_BUDGET : 255;
    o->backoff_ms = 5;
    o->backoff_max_ms = 50;
    o->retention_ms = 3600 * 1000;
    if (kind == KIND_HANG) {
        o->given |= GANGER_OPT_LIMIT_MS | GANGER_OPT_KILL_GRACE_MS;
        o->limit_ms = 100;
        o->kill_grace_ms = 50;
    }
}

static void args_write(struct client *c, struct slot *s, uint32_t permits, struct out *o)
{
    char key[32];
    uint32_t ms = dice_below(&c->dice, s->kind == KIND_BUDGET ? 200 : 12);

    if (s->kind == KIND_COMMAND) {
        (void)snprintf(key, sizeof key, "%" PRIu64, s->key);
        write_array(o, 2);
        write_array(o, 1);
        write_str(o, key, strlen(key));
        write_nil(o);
        return;
    }
    write_array(o, 4);
    write_uint(o, s->key);
    write_uint(o, ms);
    write_uint(o, s->kind);
    write_uint(o, permits);
}

static void slot_submit(struct client *c, struct slot *s)
{
    static const struct ganger_need needs[] = { { "one", 1 }, { "three", 1 } };
    struct ganger_options options;
    struct ganger_call call = { .pool = "cmd" };
    struct out args = { 0 };
    uint32_t roll;

    s->key = (uint64_t)c->config->number << 32 | c->next++;
    s->kind = kind_roll(&c->dice);
    s->told = false;
    options_set(&options, s->kind);
    roll = dice_below(&c->dice, 10);
    if (s->kind != KIND_COMMAND) {
        call.pool = roll < 6 ? "left" : "right";
        call.function = "work";
    }
    if (s->kind != KIND_COMMAND && roll >= 8) {
        options.needs = &needs[roll - 8];
        options.need_count = 1;
    }
    args_write(c, s, options.need_count == 0 ? 0 : roll == 8 ? 1 : 3, &args);
    call.payload = args.data;
    call.payload_bytes = args.len;
    if (ganger_submit(c->g, &call, &options, &s->future) < 0)
        s->future = NULL;
    else if (dice_below(&c->dice, 40) == 0) {
        (void)dprintf(c->log, "C %" PRIu64 "\n", s->key);
        (void)ganger_future_cancel(s->future);
    }
    out_done(&args);
}

/* ---- ends ---- */

uint64_t chaos_fence(enum kind kind, const struct ganger_bytes *result)
{
    struct cursor c = cursor_make(result->data, result->len);

    if (kind == KIND_COMMAND)
        return 0;
    (void)read_array(&c, 2);
    (void)read_uint(&c, UINT64_MAX);
    return read_uint(&c, UINT64_MAX);
}

static void slot_ended(struct client *c, struct slot *s)
{
    struct ganger_failure e;
    struct ganger_bytes result = { NULL, 0 };
    int rc = ganger_future_result(s->future, 0, &result);
    uint64_t id = ganger_future_id(s->future), fence = 0;

    if (ganger_future_error(s->future, &e) < 0)
        return;
    if (rc == 0)
        fence = chaos_fence(s->kind, &result);
    if (rc == GANGER_EDRAIN)
        c->quiet_until_ms = test_now_ms() + 20;
    if (e.end == GANGER_END_NONE && rc == GANGER_ECONN)
        (void)dprintf(c->log, "L %" PRIu64 "\n", s->key);
    else if (id == 0 || (e.end == GANGER_END_NONE && rc != 0))
        (void)dprintf(c->log, "U %" PRIu64 " %d\n", s->key, rc);
    else
        (void)dprintf(c->log, "R %" PRIu64 " %" PRIu64 " %d %d %u %u %" PRIu64 "\n", s->key, id,
            rc == 0 ? GANGER_END_DONE : (int)e.end, rc, rc == 0 ? 0 : e.attempts,
            rc == 0 ? 0 : e.cause_count, fence);
    ganger_future_free(s->future);
    s->future = NULL;
}

static void slot_look(struct client *c, struct slot *s)
{
    uint64_t id;

    if (s->future == NULL)
        return;
    id = ganger_future_id(s->future);
    if (id != 0 && !s->told) {
        (void)dprintf(c->log, "A %" PRIu64 " %" PRIu64 " %d\n", s->key, id, (int)s->kind);
        s->told = true;
    }
    if (ganger_future_ready(s->future))
        slot_ended(c, s);
}

static unsigned round_run(struct client *c, bool submitting)
{
    struct ganger_future *waiting[IN_FLIGHT];
    unsigned count = 0;
    size_t index;

    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        struct slot *s = &c->slots[i];

        slot_look(c, s);
        if (s->future == NULL && submitting && test_now_ms() >= c->quiet_until_ms)
            slot_submit(c, s);
        if (s->future != NULL)
            waiting[count++] = s->future;
    }
    if (count > 0)
        (void)ganger_wait_any(waiting, count, 10, &index);
    else if (submitting)
        (void)ganger_flush(c->g, 10);
    return count;
}

int client_run(const struct client_config *config)
{
    static struct client c;
    unsigned left = 0;
    int64_t end_ms = config->until_ms + config->settle_ms;

    c.config = config;
    c.dice.state = config->seed * 0x9e3779b97f4a7c15ull + config->number + 1;
    c.log = open(config->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (c.log < 0)
        return 1;
    /* A client that begins while the daemon is dead has nothing yet that reconnects for it. */
    while (ganger_open_async(config->socket, &c.g) < 0) {
        if (test_now_ms() >= end_ms)
            return 1;
        (void)poll(NULL, 0, 10);
    }
    (void)ganger_set_reconnect_ms(c.g, config->settle_ms);
    while (test_now_ms() < config->until_ms)
        (void)round_run(&c, true);
    do {
        left = round_run(&c, false);
    } while (left > 0 && test_now_ms() < end_ms);
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        struct slot *s = &c.slots[i];

        if (s->future != NULL)
            (void)dprintf(
                c.log, "T %" PRIu64 " %" PRIu64 "\n", s->key, ganger_future_id(s->future));
    }
    ganger_close(c.g);
    return left == 0 ? 0 : 1;
}
