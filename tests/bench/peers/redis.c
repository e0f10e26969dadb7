/*
 * Redis lists as a queue of work. The client pushes each task by a command of its own and reads
 * each answer; workers take many at a time and push their results in one command; the client takes
 * what there is. Lists promise less than a queue: what a dead worker had taken is lost.
 */
#include "tests/bench/peers/peer.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET         "redis.sock"
#define SOCKET_DURABLE "redis-durable.sock"
#define TASKS          "peers:tasks"
#define RESULTS        "peers:results"
#define TAKE_RESULTS   "1000" /* results the client takes at a time */
#define TAKE_DRAIN     "1000"
#define TAKE_MAX       1000u
/* Tasks a worker takes at a time: more starve the other worker when few are on their way. */
#define TAKE          128u
#define TAKE_OF_FEW   32u
#define FEW_IN_FLIGHT 200u
#define LINKS_MAX     4u
/* A server reads 16 KiB of a connection before it syncs, about 160 tasks: more take several. */
#define LINK_FULL 200u

static redisContext *redis_open(const struct peer_run *run, const char *name)
{
    char path[108];
    redisContext *c;

    peer_path(run, name, path, sizeof path);
    c = redisConnectUnix(path);
    if (c == NULL || c->err != 0)
        peer_fail(path, c == NULL ? "out of memory" : c->errstr);
    return c;
}

/* The next reply; what was appended is written before. The caller frees it. */
static redisReply *reply_next(redisContext *c)
{
    void *reply = NULL;
    redisReply *r;

    if (redisGetReply(c, &reply) != REDIS_OK)
        peer_fail("redis", c->errstr);
    r = reply;
    if (r->type == REDIS_REPLY_ERROR)
        peer_fail("redis", r->str);
    return r;
}

static void reply_skip(redisContext *c)
{
    freeReplyObject(reply_next(c));
}

static void lists_clear(redisContext *c)
{
    if (redisAppendCommand(c, "DEL " TASKS " " RESULTS) != REDIS_OK)
        peer_fail("redis", c->errstr);
    reply_skip(c);
}

static void flush(redisContext *c)
{
    int done = 0;

    while (!done) {
        if (redisBufferWrite(c, &done) != REDIS_OK)
            peer_fail("redis", c->errstr);
    }
}

/* The command that pushes one task, made once. */
struct push {
    char *text;
    size_t bytes;
};

static struct push push_make(void)
{
    static const char payload[PEER_PAYLOAD];
    struct push push = { NULL, 0 };
    int n = redisFormatCommand(&push.text, "RPUSH " TASKS " %b", payload, sizeof payload);

    if (n < 0)
        peer_fail("redis", "cannot format a command");
    push.bytes = (size_t)n;
    return push;
}

static void push_append(redisContext *c, const struct push *push, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (redisAppendFormattedCommand(c, push->text, push->bytes) != REDIS_OK)
            peer_fail("redis", c->errstr);
    }
}

/* The client of a full cycle. */
struct cycle {
    redisContext *link;
    struct push push;
    unsigned unanswered; /* pushes */
};

static void cycle_send(void *peer, unsigned count)
{
    struct cycle *cycle = peer;

    push_append(cycle->link, &cycle->push, count);
    cycle->unanswered += count;
}

static unsigned cycle_receive(void *peer)
{
    struct cycle *cycle = peer;
    redisReply *r;
    unsigned count;

    if (redisAppendCommand(cycle->link, "BLMPOP 0 1 " RESULTS " LEFT COUNT " TAKE_RESULTS) !=
        REDIS_OK)
        peer_fail("redis", cycle->link->errstr);
    for (; cycle->unanswered > 0; cycle->unanswered--)
        reply_skip(cycle->link);
    r = reply_next(cycle->link);
    count = (unsigned)r->element[1]->elements;
    freeReplyObject(r);
    return count;
}

static void cycle_once(void *peer)
{
    cycle_send(peer, 1);
    (void)cycle_receive(peer);
}

/* Push the result of each task in TAKEN, in one command. */
static void results_append(redisContext *c, const redisReply *taken)
{
    static const char *words[TAKE_MAX + 2] = { "RPUSH", RESULTS };
    static size_t sizes[TAKE_MAX + 2] = { sizeof "RPUSH" - 1, sizeof RESULTS - 1 };

    for (size_t i = 0; i < taken->elements; i++) {
        words[i + 2] = taken->element[i]->str;
        sizes[i + 2] = PEER_RESULT;
    }
    if (redisAppendCommandArgv(c, (int)taken->elements + 2, words, sizes) != REDIS_OK)
        peer_fail("redis", c->errstr);
}

static void work(const struct peer_run *run)
{
    redisContext *c = redis_open(run, SOCKET);
    unsigned take = run->in_flight > FEW_IN_FLIGHT ? TAKE : TAKE_OF_FEW;

    for (int unanswered = 0;; unanswered = 1) {
        redisReply *r;

        if (redisAppendCommand(c, "BLMPOP 0 1 " TASKS " LEFT COUNT %u", take) != REDIS_OK)
            peer_fail("redis", c->errstr);
        if (unanswered)
            reply_skip(c);
        r = reply_next(c);
        results_append(c, r->element[1]);
        freeReplyObject(r);
    }
}

static void cycle_open(struct cycle *cycle, const struct peer_run *run)
{
    *cycle = (struct cycle){ .link = redis_open(run, SOCKET), .push = push_make() };
    lists_clear(cycle->link);
}

static double measure_cycle(const struct peer_run *run)
{
    struct cycle cycle;
    struct peer_stream stream = { &cycle, cycle_send, cycle_receive };
    struct peer_workers workers;
    double rate;

    cycle_open(&cycle, run);
    peer_workers_start(&workers, PEER_WORKERS, work, run);
    rate = peer_stream_rate(&stream, run);
    peer_workers_stop(&workers);
    return rate;
}

static double measure_round_trip(const struct peer_run *run)
{
    struct cycle cycle;
    struct peer_workers workers;
    double us;

    cycle_open(&cycle, run);
    peer_workers_start(&workers, PEER_WORKERS, work, run);
    us = peer_median_us(run->seconds, cycle_once, &cycle);
    peer_workers_stop(&workers);
    return us;
}

/* A client that only pushes, over as many connections as serve it best. */
struct pusher {
    redisContext *links[LINKS_MAX];
    unsigned unanswered[LINKS_MAX];
    unsigned count;
    unsigned share; /* pushes under way on one connection at most */
    struct push push;
};

static void pusher_open(struct pusher *p, const struct peer_run *run, const char *name)
{
    *p = (struct pusher){ .push = push_make(), .count = 1 };
    if (strcmp(name, SOCKET_DURABLE) == 0 && run->in_flight > LINK_FULL)
        p->count = LINKS_MAX;
    p->share = run->in_flight / p->count;
    for (unsigned i = 0; i < p->count; i++)
        p->links[i] = redis_open(run, name);
    lists_clear(p->links[0]);
}

static void pusher_send(void *peer, unsigned count)
{
    struct pusher *p = peer;

    for (unsigned i = 0; i < p->count && count > 0; i++) {
        unsigned n = p->share - p->unanswered[i];

        if (n > count)
            n = count;
        if (n == 0)
            continue;
        push_append(p->links[i], &p->push, n);
        flush(p->links[i]);
        p->unanswered[i] += n;
        count -= n;
    }
}

/* Read once from connection I; how many pushes were answered. */
static unsigned pusher_read(struct pusher *p, unsigned i)
{
    redisContext *c = p->links[i];
    unsigned count = 0;
    void *reply;

    if (redisBufferRead(c) != REDIS_OK)
        peer_fail("redis", c->errstr);
    while (redisGetReplyFromReader(c, &reply) == REDIS_OK && reply != NULL) {
        if (((redisReply *)reply)->type != REDIS_REPLY_INTEGER)
            peer_fail("redis", "a push was refused");
        freeReplyObject(reply);
        count++;
    }
    p->unanswered[i] -= count;
    return count;
}

static unsigned pusher_receive(void *peer)
{
    struct pusher *p = peer;
    struct pollfd polled[LINKS_MAX];
    unsigned count = 0;

    while (count == 0) {
        for (unsigned i = 0; i < p->count; i++)
            polled[i] = (struct pollfd){ .fd = p->links[i]->fd, .events = POLLIN };
        if (p->count > 1 && poll(polled, p->count, -1) < 0)
            peer_fail("poll", strerror(errno));
        for (unsigned i = 0; i < p->count; i++) {
            if (p->count == 1 || polled[i].revents != 0)
                count += pusher_read(p, i);
        }
    }
    return count;
}

static void pusher_once(void *peer)
{
    pusher_send(peer, 1);
    (void)pusher_receive(peer);
}

static double push_rate(const struct peer_run *run, const char *name)
{
    struct pusher pusher;
    struct peer_stream stream = { &pusher, pusher_send, pusher_receive };
    double rate;

    pusher_open(&pusher, run, name);
    rate = peer_stream_rate(&stream, run);
    lists_clear(pusher.links[0]);
    return rate;
}

static double measure_submit(const struct peer_run *run)
{
    return push_rate(run, SOCKET);
}

static double measure_durable(const struct peer_run *run)
{
    return push_rate(run, SOCKET_DURABLE);
}

static double measure_durable_one(const struct peer_run *run)
{
    struct pusher pusher;
    double us;

    pusher_open(&pusher, run, SOCKET_DURABLE);
    us = peer_median_us(run->seconds, pusher_once, &pusher);
    lists_clear(pusher.links[0]);
    return us;
}

static unsigned drain(const struct peer_run *run)
{
    redisContext *c = redis_open(run, SOCKET);
    unsigned sum = 0, count;

    do {
        redisReply *r;

        if (redisAppendCommand(c, "LMPOP 1 " TASKS " LEFT COUNT " TAKE_DRAIN) != REDIS_OK)
            peer_fail("redis", c->errstr);
        r = reply_next(c);
        count = r->type == REDIS_REPLY_ARRAY ? (unsigned)r->element[1]->elements : 0;
        sum += count;
        freeReplyObject(r);
    } while (count > 0);
    return sum;
}

static double measure_drain(const struct peer_run *run)
{
    struct pusher pusher;
    struct peer_stream stream = { &pusher, pusher_send, pusher_receive };

    pusher_open(&pusher, run, SOCKET);
    (void)peer_stream_count(&stream, run->in_flight, run->backlog);
    return peer_drain_rate(drain, run);
}

int main(int argc, char **argv)
{
    static const struct peer_work works[] = {
        { "round_trip", measure_round_trip, 1, 0 },
        { "round_trip_1cpu", measure_round_trip, 1, 0 },
        { "cycle_100", measure_cycle, 100, 0 },
        { "cycle_1000", measure_cycle, 1000, 0 },
        { "submit", measure_submit, 1000, 0 },
        { "drain", measure_drain, 1000, 1000000 },
        { "durable_1", measure_durable_one, 1, 0 },
        { "durable_100", measure_durable, 100, 0 },
        { "durable_1000", measure_durable, 1000, 0 },
    };

    return peer_main(argc, argv, works, sizeof works / sizeof works[0]);
}
