/*
 * A net with its socket in a directory of its own, in front of an engine that only does what a
 * test tells it. For one source file of a test program.
 */
#ifndef SUPPORT_NET_WORLD_H
#define SUPPORT_NET_WORLD_H

#include "tests/support/peer.h"

#include "net/internal.h"
#include "net/net.h"

#include <stdio.h>
#include <uv.h>

/* ---- an engine ---- */

struct engine {
    struct engine_net_ops ops;
    uint64_t submits, requests, opened, gone;
    session_id last;
    bool echo;      /* a submit is accepted and ends at once with its payload */
    uint32_t reply; /* bytes of the value of each reply */
    uint64_t next_id;
};

uint32_t engine_epoch(const struct engine *e)
{
    (void)e;
    return 7;
}

void engine_session_open(struct engine *e, session_id session, uint32_t uid)
{
    assert_int_equal(uid, getuid());
    e->last = session;
    e->opened++;
}

void engine_session_gone(struct engine *e, session_id session)
{
    assert_true(session != 0);
    e->gone++;
}

static inline void end_send(
    struct engine *e, session_id session, uint64_t req, uint64_t id, struct body *outcome)
{
    struct msg_end end = { .req = req, .id = id, .end = END_DONE, .attempts = 1 };

    if (outcome != NULL)
        end.outcome = (struct slice){ outcome->data, outcome->len };
    e->ops.ended(e->ops.ctx, session, &end, outcome);
}

void engine_submit(struct engine *e, session_id session, const struct msg_submit *m)
{
    struct body *outcome;

    e->submits++;
    if (!e->echo)
        return;
    outcome = body_new(m->payload.data, (uint32_t)m->payload.len);
    e->next_id++;
    e->ops.accepted(e->ops.ctx, session, m->req, e->next_id);
    end_send(e, session, m->req, e->next_id, outcome);
    body_unref(outcome);
}

void engine_request(struct engine *e, session_id session, const struct msg_request *m)
{
    struct out value = { 0 };
    uint8_t *bytes = calloc(1, e->reply + 1);
    struct msg_reply reply = { .req = m->req };

    write_bin(&value, bytes, e->reply);
    reply.value = (struct slice){ value.data, value.len };
    e->requests++;
    e->ops.reply(e->ops.ctx, session, &reply);
    out_done(&value);
    free(bytes);
}

/* ---- the world of one test ---- */

struct world {
    uv_loop_t loop;
    struct net *net;
    struct engine engine;
    struct conf_limits limits;
    struct conf_socket socket;
    char dir[64], path[100];
    uint64_t turns;
    int agent_code; /* of on_agent */
    int agent_fd;
    char agent_pool[GANGER_NAME_MAX + 1];
    uint8_t agent_bytes[64];
    size_t agent_byte_count;
};

static inline void pump(void *ctx)
{
    struct world *w = ctx;

    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    if (w->net != NULL)
        (void)net_flush(w->net);
}

static inline void on_turn(void *ctx)
{
    ((struct world *)ctx)->turns++;
}

static inline int on_agent(void *ctx, const struct net_agent *agent, char *text, size_t text_bytes)
{
    struct world *w = ctx;

    (void)snprintf(text, text_bytes, "told to refuse");
    if (w->agent_code < 0)
        return w->agent_code;
    w->agent_fd = agent->fd;
    memcpy(w->agent_pool, agent->pool.data, agent->pool.len);
    w->agent_pool[agent->pool.len] = '\0';
    assert_true(agent->byte_count <= sizeof w->agent_bytes);
    if (agent->byte_count > 0)
        memcpy(w->agent_bytes, agent->bytes, agent->byte_count);
    w->agent_byte_count = agent->byte_count;
    return 0;
}

static inline int listen_again(struct world *w, char *err, size_t err_bytes)
{
    struct net_config config = { .loop = &w->loop,
        .limits = &w->limits,
        .turn = on_turn,
        .turn_ctx = w,
        .on_agent = on_agent,
        .agent_ctx = w };
    int rc;

    assert_int_equal(net_open(&config, &w->net), 0);
    net_ops(w->net, &w->engine.ops);
    rc = net_listen(w->net, &w->engine, &w->socket, -1, err, err_bytes);
    return rc;
}

static inline int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    log_level_set(LOG_ERR);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/ganger-test-net-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->path, sizeof w->path, "%s/run/s", w->dir);
    w->socket = (struct conf_socket){ w->path, 0600, CONF_GROUP_NONE };
    w->limits = (struct conf_limits){
        .sessions_max = 4096, .session_out_bytes = 64 * 1024, .handshake_ms = 5000
    };
    w->agent_fd = -1;
    assert_int_equal(uv_loop_init(&w->loop), 0);
    *state = w;
    return 0;
}

static inline void listen_now(struct world *w)
{
    char err[256] = "";

    if (listen_again(w, err, sizeof err) < 0)
        fail_msg("%s", err);
}

static inline void net_end(struct world *w)
{
    net_close(w->net);
    w->net = NULL;
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    char run[80];

    if (w->net != NULL)
        net_end(w);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    if (w->agent_fd >= 0)
        (void)close(w->agent_fd);
    (void)unlink(w->path);
    (void)snprintf(run, sizeof run, "%s/run", w->dir);
    (void)rmdir(run);
    assert_int_equal(rmdir(w->dir), 0);
    free(w);
    return 0;
}

static inline struct peer peer_of(struct world *w)
{
    return (struct peer){ .fd = peer_connect(w->path), .pump = pump, .ctx = w };
}

/* A peer that has shaken hands. */
static inline struct peer client_of(struct world *w)
{
    struct peer p = peer_of(w);
    struct out o = { 0 };
    struct msg_hello hello;
    struct msg m;

    peer_hello(&o, GANGER_PROTOCOL_VERSION, ROLE_CLIENT, "test");
    assert_true(peer_put(&p, &o));
    assert_int_equal(peer_next(&p, &m), 1);
    assert_int_equal(m.type, MSG_HELLO);
    assert_int_equal(msg_read_hello(&m, &hello), 0);
    assert_int_equal(hello.role, ROLE_DAEMON);
    assert_int_equal(hello.epoch, 7);
    assert_int_equal(hello.frame_max, GANGER_FRAME_MAX);
    return p;
}

static inline void request_add(struct out *o, uint64_t req)
{
    struct msg_request m = { .req = req, .verb = VERB_PING };

    msg_write_request(o, &m);
}

static inline void request_served(struct peer *p)
{
    struct out o = { 0 };
    struct msg_reply reply;
    struct msg m;

    request_add(&o, 99);
    assert_true(peer_put(p, &o));
    assert_int_equal(peer_next(p, &m), 1);
    assert_int_equal(m.type, MSG_REPLY);
    assert_int_equal(msg_read_reply(&m, &reply), 0);
    assert_int_equal(reply.req, 99);
}

static inline void submits_add(
    struct out *o, uint32_t count, const void *payload, size_t payload_bytes)
{
    struct batch b;

    batch_begin(&b, o, MSG_SUBMIT);
    for (uint32_t i = 0; i < count; i++) {
        struct msg_submit m = { .req = i + 1,
            .flags = TASK_WAIT,
            .pool = { (const uint8_t *)"p", 1 },
            .function = { (const uint8_t *)"f", 1 },
            .payload = { payload, payload_bytes } };

        msg_add_submit(&b, o, &m);
    }
    batch_end(&b, o);
}

#endif
