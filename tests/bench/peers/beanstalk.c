/*
 * beanstalkd: tasks are put into one tube, results into another. Workers keep many reserves waiting
 * at the server, so that a task comes without being asked for; since a waiting reserve holds up all
 * that follows on its connection, puts have a connection of their own. With one task in flight one
 * connection and one write serve better.
 */
#include "tests/bench/peers/peer.h"
#include "tests/bench/peers/wire.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET         "beanstalk.sock"
#define SOCKET_DURABLE "beanstalk-durable.sock"
#define TASKS          'q'
#define RESULTS        'r'
#define TAKE           64u
#define TAKE_RESULTS   256u
#define TAKE_DRAIN     64u
#define DELETE_AT_ONCE 1000u
#define IDS_MAX        2000u

enum reply { REPLY_INSERTED, REPLY_RESERVED, REPLY_DELETED, REPLY_TIMED_OUT, REPLY_OTHER };

static int tubes; /* names our tubes, so that nothing of an earlier run is found in them */

static void say(struct wire *w, const char *text)
{
    wire_put(w, text, strlen(text));
}

static void say_number(struct wire *w, const char *before, uint64_t number)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%s%llu\r\n", before, (unsigned long long)number);

    wire_put(w, text, (size_t)n);
}

static void say_put(struct wire *w, unsigned bytes)
{
    static const char body[PEER_PAYLOAD];

    say_number(w, "put 1 0 600 ", bytes);
    wire_put(w, body, bytes);
    say(w, "\r\n");
}

/* Take one reply that is there whole; RET_ID is that of a job. False: none is. */
static bool reply_take(struct wire *w, enum reply *ret_reply, uint64_t *ret_id)
{
    static const char *const words[] = { "INSERTED ", "RESERVED ", "DELETED", "TIMED_OUT" };
    const char *line = w->in + w->in_begin, *end;
    size_t room = w->in_end - w->in_begin, bytes;
    int kind = 0;
    char *after;

    end = room == 0 ? NULL : memchr(line, '\n', room);
    if (end == NULL)
        return false;
    bytes = (size_t)(end - line) + 1;
    while (kind < REPLY_OTHER && strncmp(line, words[kind], strlen(words[kind])) != 0)
        kind++;
    if (kind == REPLY_INSERTED || kind == REPLY_RESERVED)
        *ret_id = strtoull(line + strlen(words[kind]), &after, 10);
    if (kind == REPLY_RESERVED)
        bytes += strtoul(after, NULL, 10) + 2;
    if (room < bytes)
        return false;
    w->in_begin += bytes;
    *ret_reply = (enum reply)kind;
    return true;
}

/* Wait for the next reply. */
static enum reply reply_next(struct wire *w, uint64_t *ret_id)
{
    enum reply reply;

    while (!reply_take(w, &reply, ret_id))
        (void)wire_read(w, true);
    return reply;
}

/* Connect; put into tube PUT and reserve from tube TAKE_FROM, 0 being neither. */
static void tubes_open(
    struct wire *w, const struct peer_run *run, const char *name, char put, char take_from)
{
    char text[96];
    uint64_t id;

    wire_open_unix(w, run, name);
    if (put != 0) {
        (void)snprintf(text, sizeof text, "use %c%d\r\n", put, tubes);
        say(w, text);
        wire_flush(w);
        (void)reply_next(w, &id);
    }
    if (take_from != 0) {
        (void)snprintf(text, sizeof text, "watch %c%d\r\nignore default\r\n", take_from, tubes);
        say(w, text);
        wire_flush(w);
        (void)reply_next(w, &id);
        (void)reply_next(w, &id);
    }
}

/* Where to put and where to reserve: one connection or two. */
struct ends {
    struct wire put, own;
    struct wire *take; /* own, or put if there is but one connection */
};

static void ends_open(struct ends *e, const struct peer_run *run, char put, char take)
{
    if (run->in_flight == 1) {
        tubes_open(&e->put, run, SOCKET, put, take);
        e->take = &e->put;
        return;
    }
    tubes_open(&e->put, run, SOCKET, put, 0);
    tubes_open(&e->own, run, SOCKET, 0, take);
    e->take = &e->own;
}

/* Throw away the answers to puts that have come. */
static void answers_skip(struct ends *e)
{
    enum reply reply;
    uint64_t id;

    if (e->take == &e->put)
        return;
    do {
        while (reply_take(&e->put, &reply, &id)) {
            if (reply != REPLY_INSERTED)
                peer_fail("beanstalkd", "a put was refused");
        }
    } while (wire_read(&e->put, false));
}

static void work(const struct peer_run *run)
{
    struct ends e;
    enum reply reply;
    uint64_t id;

    ends_open(&e, run, RESULTS, TASKS);
    for (unsigned i = 0; i < TAKE && i < run->in_flight; i++)
        say(e.take, "reserve\r\n");
    for (;;) {
        wire_flush(&e.put);
        wire_flush(e.take);
        answers_skip(&e);
        reply = reply_next(e.take, &id);
        do {
            if (reply != REPLY_RESERVED)
                continue;
            say_put(&e.put, PEER_RESULT);
            say_number(e.take, "delete ", id);
            say(e.take, "reserve\r\n");
        } while (reply_take(e.take, &reply, &id));
    }
}

/* The client of a full cycle. */
struct cycle {
    struct ends ends;
    uint64_t ended[IDS_MAX]; /* results to be deleted */
    unsigned ended_count;
    unsigned reserves; /* waiting at the server */
    unsigned reserves_max;
};

/* Delete what came and ask for as much again. */
static void results_ask(struct cycle *c)
{
    for (unsigned i = 0; i < c->ended_count; i++)
        say_number(c->ends.take, "delete ", c->ended[i]);
    c->ended_count = 0;
    for (; c->reserves < c->reserves_max; c->reserves++)
        say(c->ends.take, "reserve\r\n");
    wire_flush(c->ends.take);
}

static void cycle_send(void *peer, unsigned count)
{
    struct cycle *c = peer;

    for (unsigned i = 0; i < count; i++)
        say_put(&c->ends.put, PEER_PAYLOAD);
    if (c->ends.take != &c->ends.put)
        wire_flush(&c->ends.put);
    results_ask(c);
}

static unsigned cycle_receive(void *peer)
{
    struct cycle *c = peer;
    unsigned count = 0;
    enum reply reply;
    uint64_t id;

    results_ask(c);
    answers_skip(&c->ends);
    do {
        while (count < IDS_MAX && reply_take(c->ends.take, &reply, &id)) {
            if (reply != REPLY_RESERVED)
                continue;
            c->ended[count++] = id;
            c->reserves--;
        }
    } while (count == 0 && wire_read(c->ends.take, true));
    c->ended_count = count;
    return count;
}

static void cycle_once(void *peer)
{
    cycle_send(peer, 1);
    (void)cycle_receive(peer);
}

static void cycle_open(struct cycle *c, const struct peer_run *run)
{
    memset(c, 0, sizeof *c);
    ends_open(&c->ends, run, TASKS, RESULTS);
    c->reserves_max = run->in_flight < TAKE_RESULTS ? run->in_flight : TAKE_RESULTS;
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

/* A client that only puts. */
struct putter {
    struct wire wire;
    uint64_t first, last; /* ids; nobody else puts meanwhile */
};

static void put_send(void *peer, unsigned count)
{
    struct putter *p = peer;

    for (unsigned i = 0; i < count; i++)
        say_put(&p->wire, PEER_PAYLOAD);
    wire_flush(&p->wire);
}

static unsigned put_receive(void *peer)
{
    struct putter *p = peer;
    unsigned count = 0;
    enum reply reply;

    do {
        while (reply_take(&p->wire, &reply, &p->last)) {
            if (reply != REPLY_INSERTED)
                peer_fail("beanstalkd", "a put was refused");
            if (p->first == 0)
                p->first = p->last;
            count++;
        }
    } while (count == 0 && wire_read(&p->wire, true));
    return count;
}

static void put_once(void *peer)
{
    put_send(peer, 1);
    (void)put_receive(peer);
}

/* Leave the server as it was found. */
static void put_undo(struct putter *p)
{
    uint64_t id = p->first, none;

    while (id <= p->last) {
        unsigned asked = 0;

        for (; asked < DELETE_AT_ONCE && id <= p->last; asked++)
            say_number(&p->wire, "delete ", id++);
        wire_flush(&p->wire);
        for (; asked > 0; asked--)
            (void)reply_next(&p->wire, &none);
    }
}

static double put_rate(const struct peer_run *run, const char *name)
{
    struct putter putter = { .first = 0 };
    struct peer_stream stream = { &putter, put_send, put_receive };
    double rate;

    tubes_open(&putter.wire, run, name, TASKS, 0);
    rate = peer_stream_rate(&stream, run);
    put_undo(&putter);
    return rate;
}

static double measure_submit(const struct peer_run *run)
{
    return put_rate(run, SOCKET);
}

static double measure_durable(const struct peer_run *run)
{
    return put_rate(run, SOCKET_DURABLE);
}

static double measure_durable_one(const struct peer_run *run)
{
    struct putter putter = { .first = 0 };
    double us;

    tubes_open(&putter.wire, run, SOCKET_DURABLE, TASKS, 0);
    us = peer_median_us(run->seconds, put_once, &putter);
    put_undo(&putter);
    return us;
}

static unsigned drain(const struct peer_run *run)
{
    struct wire w;
    unsigned sum = 0, asked, taken;
    uint64_t id;

    tubes_open(&w, run, SOCKET, 0, TASKS);
    do {
        for (asked = 0; asked < TAKE_DRAIN; asked++)
            say(&w, "reserve-with-timeout 0\r\n");
        wire_flush(&w);
        for (taken = 0; asked > 0;) {
            enum reply reply = reply_next(&w, &id);

            if (reply == REPLY_DELETED)
                continue;
            asked--;
            if (reply != REPLY_RESERVED)
                continue;
            say_number(&w, "delete ", id);
            taken++;
        }
        sum += taken;
    } while (taken > 0);
    return sum;
}

static double measure_drain(const struct peer_run *run)
{
    struct putter putter = { .first = 0 };
    struct peer_stream stream = { &putter, put_send, put_receive };

    tubes_open(&putter.wire, run, SOCKET, TASKS, 0);
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
        { "drain", measure_drain, 1000, 100000 },
        { "durable_1", measure_durable_one, 1, 0 },
        { "durable_100", measure_durable, 100, 0 },
        { "durable_1000", measure_durable, 1000, 0 },
    };

    tubes = (int)getpid();
    return peer_main(argc, argv, works, sizeof works / sizeof works[0]);
}
