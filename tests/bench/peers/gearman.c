/*
 * gearmand, by its binary protocol: libgearman's worker asks for one job at a time. Jobs that give
 * a result are foreground jobs; those that only wait are background jobs. A worker keeps several
 * requests for a job at the server, and sleeps when all were answered with none.
 */
#include "tests/bench/peers/peer.h"
#include "tests/bench/peers/wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT         "gearman.port"
#define PORT_DURABLE "gearman-durable.port"
#define TAKE_DRAIN   64u
#define HEAD         12u
#define HANDLE_MAX   128u
/* Jobs a worker asks for at a time: more starve the other worker when few are on their way. */
#define TAKE          200u
#define TAKE_OF_FEW   32u
#define FEW_IN_FLIGHT 200u

enum packet {
    CAN_DO = 1,
    PRE_SLEEP = 4,
    NOOP = 6,
    SUBMIT_JOB = 7,
    JOB_CREATED = 8,
    GRAB_JOB = 9,
    NO_JOB = 10,
    JOB_ASSIGN = 11,
    WORK_COMPLETE = 13,
    SUBMIT_JOB_BG = 18,
    ERROR = 19,
};

static char function[32]; /* ours alone, so that nothing of an earlier run is found */

static void put_head(struct wire *w, enum packet type, size_t bytes)
{
    uint32_t words[2] = { htonl((uint32_t)type), htonl((uint32_t)bytes) };

    wire_put(w, "\0REQ", 4);
    wire_put(w, words, sizeof words);
}

/* Take one packet that is there whole; RET_BODY is in the buffer of W until it is read again. */
static bool packet_take(struct wire *w, enum packet *ret_type, const char **ret_body)
{
    size_t room = w->in_end - w->in_begin;
    const char *head = w->in + w->in_begin;
    uint32_t words[2];

    if (room < HEAD)
        return false;
    memcpy(words, head + 4, sizeof words);
    if (memcmp(head, "\0RES", 4) != 0 || ntohl(words[0]) == ERROR)
        peer_fail("gearmand", "answers with an error");
    if (room - HEAD < ntohl(words[1]))
        return false;
    w->in_begin += HEAD + ntohl(words[1]);
    *ret_type = (enum packet)ntohl(words[0]);
    *ret_body = head + HEAD;
    return true;
}

static enum packet packet_next(struct wire *w, const char **ret_body)
{
    enum packet type;

    while (!packet_take(w, &type, ret_body))
        (void)wire_read(w, true);
    return type;
}

/* Submit COUNT jobs. UNIQUE: with a key, which a stored job must have. */
static void put_jobs(struct wire *w, enum packet type, unsigned count, bool unique)
{
    static const char payload[PEER_PAYLOAD];
    static unsigned keys;

    for (; count > 0; count--) {
        char text[64];
        int n = unique ? snprintf(text, sizeof text, "%s%c%x%c", function, 0, keys++, 0)
                       : snprintf(text, sizeof text, "%s%c%c", function, 0, 0);

        put_head(w, type, (size_t)n + sizeof payload);
        wire_put(w, text, (size_t)n);
        wire_put(w, payload, sizeof payload);
    }
}

/* Give the result of the job that BODY assigns; the handle is its first word. */
static void put_result(struct wire *w, const char *body)
{
    static const char result[PEER_RESULT];
    size_t handle = strnlen(body, HANDLE_MAX) + 1;

    put_head(w, WORK_COMPLETE, handle + sizeof result);
    wire_put(w, body, handle);
    wire_put(w, result, sizeof result);
}

static void worker_open(struct wire *w, const struct peer_run *run)
{
    wire_open_port(w, run, PORT);
    put_head(w, CAN_DO, strlen(function));
    wire_put(w, function, strlen(function));
}

/*
 * Ask for COUNT jobs and do those that come; how many did. SLEEP: be called by a NOOP if there is
 * none, without asking for that in a second round.
 */
static unsigned work_once(struct wire *w, unsigned count, bool sleep)
{
    unsigned done = 0;
    const char *body;

    for (unsigned i = 0; i < count; i++)
        put_head(w, GRAB_JOB, 0);
    if (sleep)
        put_head(w, PRE_SLEEP, 0);
    wire_flush(w);
    while (count > 0) {
        enum packet type = packet_next(w, &body);

        if (type == JOB_ASSIGN) {
            put_result(w, body);
            done++;
        }
        if (type == JOB_ASSIGN || type == NO_JOB)
            count--;
    }
    return done;
}

static void work(const struct peer_run *run)
{
    unsigned take = run->in_flight > FEW_IN_FLIGHT ? TAKE : TAKE_OF_FEW;
    struct wire w;
    const char *body;

    if (run->in_flight == 1)
        take = 1;
    worker_open(&w, run);
    for (;;) {
        if (work_once(&w, take, take == 1) > 0)
            continue;
        if (take > 1) {
            put_head(&w, PRE_SLEEP, 0);
            wire_flush(&w);
        }
        while (packet_next(&w, &body) != NOOP)
            continue;
    }
}

/* A client: of full cycles, or of submits alone. */
struct client {
    struct wire wire;
    enum packet submit;
    enum packet awaited; /* what says that a job is done with */
    bool unique;
};

static void client_open(struct client *c, const struct peer_run *run, enum packet submit)
{
    *c = (struct client){ .submit = submit,
        .awaited = submit == SUBMIT_JOB ? WORK_COMPLETE : JOB_CREATED };
    wire_open_port(&c->wire, run, PORT);
}

static void client_send(void *peer, unsigned count)
{
    struct client *c = peer;

    put_jobs(&c->wire, c->submit, count, c->unique);
    wire_flush(&c->wire);
}

static unsigned client_receive(void *peer)
{
    struct client *c = peer;
    unsigned count = 0;
    enum packet type;
    const char *body;

    do {
        while (packet_take(&c->wire, &type, &body))
            count += type == c->awaited;
    } while (count == 0 && wire_read(&c->wire, true));
    return count;
}

static void client_once(void *peer)
{
    client_send(peer, 1);
    (void)client_receive(peer);
}

static double measure_cycle(const struct peer_run *run)
{
    struct client client;
    struct peer_stream stream = { &client, client_send, client_receive };
    struct peer_workers workers;
    double rate;

    client_open(&client, run, SUBMIT_JOB);
    peer_workers_start(&workers, PEER_WORKERS, work, run);
    rate = peer_stream_rate(&stream, run);
    peer_workers_stop(&workers);
    return rate;
}

static double measure_round_trip(const struct peer_run *run)
{
    struct client client;
    struct peer_workers workers;
    double us;

    client_open(&client, run, SUBMIT_JOB);
    peer_workers_start(&workers, PEER_WORKERS, work, run);
    us = peer_median_us(run->seconds, client_once, &client);
    peer_workers_stop(&workers);
    return us;
}

static unsigned drain(const struct peer_run *run)
{
    struct wire w;
    unsigned sum = 0, done;

    worker_open(&w, run);
    do {
        done = work_once(&w, TAKE_DRAIN, false);
        sum += done;
    } while (done > 0);
    return sum;
}

static double measure_submit(const struct peer_run *run)
{
    struct client client;
    struct peer_stream stream = { &client, client_send, client_receive };
    double rate;

    client_open(&client, run, SUBMIT_JOB_BG);
    rate = peer_stream_rate(&stream, run);
    (void)drain(run);
    return rate;
}

static double measure_drain(const struct peer_run *run)
{
    struct client client;
    struct peer_stream stream = { &client, client_send, client_receive };

    client_open(&client, run, SUBMIT_JOB_BG);
    (void)peer_stream_count(&stream, run->in_flight, run->backlog);
    return peer_drain_rate(drain, run);
}

static void durable_open(struct client *c, const struct peer_run *run)
{
    *c = (struct client){ .submit = SUBMIT_JOB_BG, .awaited = JOB_CREATED, .unique = true };
    wire_open_port(&c->wire, run, PORT_DURABLE);
}

static double measure_durable(const struct peer_run *run)
{
    struct client client;
    struct peer_stream stream = { &client, client_send, client_receive };

    durable_open(&client, run);
    return peer_stream_rate(&stream, run);
}

static double measure_durable_one(const struct peer_run *run)
{
    struct client client;

    durable_open(&client, run);
    return peer_median_us(run->seconds, client_once, &client);
}

int main(int argc, char **argv)
{
    static const struct peer_work works[] = {
        { "round_trip", measure_round_trip, 1, 0 },
        { "round_trip_1cpu", measure_round_trip, 1, 0 },
        { "cycle_100", measure_cycle, 100, 0 },
        { "cycle_1000", measure_cycle, 1000, 0 },
        { "submit", measure_submit, 1000, 0 },
        { "drain", measure_drain, 1000, 200000 },
        { "durable_1", measure_durable_one, 1, 0 },
        { "durable_100", measure_durable, 100, 0 },
        { "durable_1000", measure_durable, 1000, 0 },
    };

    (void)snprintf(function, sizeof function, "q%d", (int)getpid());
    return peer_main(argc, argv, works, sizeof works / sizeof works[0]);
}
