/*
 * An engine with a net and a pool that only take notes: what tests of the engine drive it with.
 * Header only; one static instance of everything for each test program.
 */
#ifndef SUPPORT_ENGINE_BENCH_H
#define SUPPORT_ENGINE_BENCH_H

#include "engine/engine.h"
#include "proto/err.h"
#include "proto/id.h"
#include "tests/support/test_main.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SESSION  ((session_id)((UINT64_C(1) << 32) | 1))
#define NOTES    4096
#define SEEN_MAX 512u

enum note_type {
    NOTE_ACCEPTED,
    NOTE_REFUSED,
    NOTE_ENDED,
    NOTE_PROGRESS,
    NOTE_REPLY,
    NOTE_AGENT_START,
    NOTE_SPAWN,
    NOTE_HAND,
    NOTE_TAKE_BACK,
    NOTE_STOP,
    NOTE_KILL,
    NOTE_RETIRE,
    NOTE_READ
};

struct note {
    enum note_type type;
    uint64_t req, id;
    int code;
    uint32_t child, gen, seq, end, flags, attempts;
    bool on;
    size_t bytes;           /* of the outcome, value or call */
    uint8_t seen[SEEN_MAX]; /* its beginning */
    char text[256];
};

struct bench {
    struct engine *engine;
    struct note notes[NOTES];
    unsigned count;
    uint32_t begun; /* what take_back answers */
    uint64_t now_us, wall_ms;
    atomic_int news;
    char dir[64];
    struct store_config store;
    bool on_disk;
    uint64_t tasks_max; /* 0: many */
    char err[512];
    uint64_t results_max; /* 0: no bound */
};

static struct bench bench;

static struct note *note_add(enum note_type type)
{
    struct note *n = &bench.notes[bench.count];

    assert_true(bench.count < NOTES);
    bench.count++;
    memset(n, 0, sizeof *n);
    n->type = type;
    return n;
}

static void note_bytes(struct note *n, const void *data, size_t len)
{
    n->bytes = len;
    if (len > 0)
        memcpy(n->seen, data, len < SEEN_MAX ? len : SEEN_MAX);
}

static void on_accepted(void *ctx, session_id s, uint64_t req, uint64_t id)
{
    struct note *n = note_add(NOTE_ACCEPTED);

    (void)ctx;
    (void)s;
    n->req = req;
    n->id = id;
}

static void on_refused(void *ctx, session_id s, uint64_t req, int code, const char *text)
{
    struct note *n = note_add(NOTE_REFUSED);

    (void)ctx;
    (void)s;
    n->req = req;
    n->code = code;
    (void)snprintf(n->text, sizeof n->text, "%s", text);
}

static void on_ended(void *ctx, session_id s, const struct msg_end *end, struct body *outcome)
{
    struct note *n = note_add(NOTE_ENDED);

    (void)ctx;
    (void)s;
    n->req = end->req;
    n->id = end->id;
    n->code = end->code;
    n->end = end->end;
    n->attempts = end->attempts;
    if (outcome != NULL)
        note_bytes(n, outcome->data, outcome->len);
}

static void on_progress(void *ctx, session_id s, const struct msg_progress *p)
{
    struct note *n = note_add(NOTE_PROGRESS);

    (void)ctx;
    (void)s;
    n->req = p->req;
    n->id = p->id;
    n->seq = (uint32_t)p->done;
}

static void on_reply(void *ctx, session_id s, const struct msg_reply *r)
{
    struct note *n = note_add(NOTE_REPLY);

    (void)ctx;
    (void)s;
    n->req = r->req;
    n->code = r->code;
    note_bytes(n, r->value.data, r->value.len);
    (void)snprintf(n->text, sizeof n->text, "%.*s", (int)r->text.len,
        r->text.len > 0 ? (const char *)r->text.data : "");
}

static struct note *child_note(enum note_type type, uint32_t child, uint32_t gen)
{
    struct note *n = note_add(type);

    n->child = child;
    n->gen = gen;
    return n;
}

static void on_agent_start(void *ctx, uint32_t pool)
{
    (void)ctx;
    note_add(NOTE_AGENT_START)->seq = pool;
}

static void on_spawn(void *ctx, uint32_t pool, uint32_t child, uint32_t gen)
{
    (void)ctx;
    child_note(NOTE_SPAWN, child, gen)->seq = pool;
}

static void on_hand(
    void *ctx, uint32_t child, uint32_t gen, const struct msg_hand *h, struct body *call)
{
    struct note *n = child_note(NOTE_HAND, child, gen);

    (void)ctx;
    n->seq = h->seq;
    n->id = h->id;
    n->flags = h->flags;
    n->attempts = h->attempt;
    note_bytes(n, call->data, call->len);
}

static uint32_t on_take_back(void *ctx, uint32_t child, uint32_t gen, uint32_t keep)
{
    (void)ctx;
    child_note(NOTE_TAKE_BACK, child, gen)->seq = keep;
    return bench.begun;
}

static void on_stop(void *ctx, uint32_t child, uint32_t gen, uint32_t seq)
{
    (void)ctx;
    child_note(NOTE_STOP, child, gen)->seq = seq;
}

static void on_kill(void *ctx, uint32_t child, uint32_t gen)
{
    (void)ctx;
    (void)child_note(NOTE_KILL, child, gen);
}

static void on_retire(void *ctx, uint32_t child, uint32_t gen)
{
    (void)ctx;
    (void)child_note(NOTE_RETIRE, child, gen);
}

static void on_read(void *ctx, uint32_t child, uint32_t gen, bool on)
{
    (void)ctx;
    child_note(NOTE_READ, child, gen)->on = on;
}

static void on_news(void *ctx)
{
    (void)ctx;
    atomic_store(&bench.news, 1);
}

static int bench_open(void)
{
    struct engine_config c = { .tasks_max = bench.tasks_max == 0 ? 1000000 : bench.tasks_max,
        .results_max = bench.results_max == 0 ? UINT64_MAX : bench.results_max,
        .grace_ms = 5000,
        .orphan_retention_ms = 60000,
        .net = { NULL, on_accepted, on_refused, on_ended, on_progress, on_reply },
        .pool = { NULL, on_agent_start, on_spawn, on_hand, on_take_back, on_stop, on_kill,
            on_retire, on_read },
        .journal = bench.on_disk ? &bench.store : NULL,
        .notify = on_news };
    int rc;

    bench.now_us = 1000000;
    if (bench.wall_ms == 0)
        bench.wall_ms = 1700000000000;
    rc = engine_open(&c, bench.now_us, bench.wall_ms, &bench.engine, bench.err, sizeof bench.err);
    if (rc == 0)
        engine_session_open(bench.engine, SESSION, 1000);
    return rc;
}

/* A turn; and what the journal has to say, until it has nothing left to sync. */
static uint64_t bench_turn(uint64_t pass_us)
{
    bench.now_us += pass_us;
    bench.wall_ms += pass_us / 1000;
    engine_time(bench.engine, bench.now_us, bench.wall_ms);
    return engine_turn(bench.engine);
}

/* Turn until a note of TYPE is there (after FROM); the journal syncs in a thread of its own. */
__attribute__((unused)) static struct note *bench_await(enum note_type type, unsigned from)
{
    for (unsigned round = 0; round < 20000; round++) {
        for (unsigned i = from; i < bench.count; i++) {
            if (bench.notes[i].type == type)
                return &bench.notes[i];
        }
        (void)bench_turn(0);
        if (atomic_exchange(&bench.news, 0) != 0)
            engine_store_ready(bench.engine);
        else
            (void)poll(NULL, 0, 1); /* give the sync thread the processor */
    }
    fail_msg("no note of type %d came", (int)type);
    return NULL;
}

__attribute__((unused)) static struct note *bench_last(enum note_type type)
{
    for (unsigned i = bench.count; i > 0; i--) {
        if (bench.notes[i - 1].type == type)
            return &bench.notes[i - 1];
    }
    return NULL;
}

__attribute__((unused)) static int bench_setup_memory(void **state)
{
    (void)state;
    memset(&bench, 0, sizeof bench);
    return bench_open();
}

__attribute__((unused)) static int bench_setup_disk(void **state)
{
    (void)state;
    memset(&bench, 0, sizeof bench);
    (void)snprintf(bench.dir, sizeof bench.dir, "/tmp/ganger-engine.XXXXXX");
    if (mkdtemp(bench.dir) == NULL)
        return -1;
    bench.on_disk = true;
    bench.store = (struct store_config){ .dir = bench.dir, .segment_bytes = 65536 };
    return bench_open();
}

__attribute__((unused)) static int bench_teardown(void **state)
{
    char command[128];

    (void)state;
    engine_close(bench.engine);
    if (bench.dir[0] == '\0')
        return 0;
    (void)snprintf(command, sizeof command, "rm -rf %s", bench.dir);
    return system(command);
}

/* Close without a seal (as kill -9 would) or with one, and open again. */
__attribute__((unused)) static void bench_restart(bool clean)
{
    if (clean) {
        engine_drain(bench.engine);
        engine_seal(bench.engine);
    }
    engine_close(bench.engine);
    bench.engine = NULL;
    bench.count = 0;
    assert_int_equal(bench_open(), 0);
}

/* A pool named NAME with PROCESSES children that are ready. */
static uint32_t bench_pool(const char *name, uint32_t processes)
{
    struct engine_pool_config c = { .name = name,
        .kind = "module",
        .processes = processes,
        .backlog = 1000,
        .backlog_bytes = 1 << 24,
        .early_deaths = 3,
        .init_timeout_ms = 10000,
        .early_backoff_ms = 100,
        .defaults = { .priority = 128,
            .attempts = 1,
            .crash_budget = 3,
            .kill_grace_ms = 5000,
            .backoff_ms = 1000,
            .backoff_max_ms = 60000,
            .retention_ms = 3600000 } };
    unsigned from = bench.count;
    uint32_t pool;

    assert_int_equal(engine_pool_define(bench.engine, &c, &pool), 0);
    (void)bench_turn(0);
    engine_agent_up(bench.engine, pool);
    for (unsigned i = from; i < bench.count; i++) {
        if (bench.notes[i].type != NOTE_SPAWN)
            continue;
        engine_child_started(
            bench.engine, bench.notes[i].child, bench.notes[i].gen, 10000 + bench.notes[i].child);
        engine_child_ready(bench.engine, bench.notes[i].child, bench.notes[i].gen);
    }
    return pool;
}

static struct slice text_of(const char *s)
{
    return (struct slice){ (const uint8_t *)s, strlen(s) };
}

/* "\xa1f" "\xc4\x01\xc0": function f, payload nil. */
static struct msg_submit submit_to(const char *pool, uint64_t req, uint32_t flags)
{
    return (struct msg_submit){ .req = req,
        .flags = flags,
        .pool = text_of(pool),
        .function = text_of("f"),
        .call = { (const uint8_t *)"\xa1\x66\xc4\x01\xc0", 5 } };
}

__attribute__((unused)) static void ask(
    enum verb verb, uint64_t req, uint64_t id, const char *name, uint64_t number)
{
    struct msg_request m = {
        .req = req, .verb = verb, .id = id, .name = text_of(name), .number = number
    };

    engine_request(bench.engine, SESSION, &m);
}

__attribute__((unused)) static void finish(
    const struct note *hand, int code, const void *outcome, size_t len)
{
    struct msg_result r = { .seq = hand->seq, .code = code, .outcome = { outcome, len } };

    engine_child_result(bench.engine, hand->child, hand->gen, &r, 0, false);
}

#endif
