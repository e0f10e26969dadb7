#include "net/internal.h"
#include "proto/err.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void hello_answer(struct session *s)
{
    static const char name[] = "gangerd " GANGER_VERSION;
    struct msg_hello m = { .version = GANGER_PROTOCOL_VERSION,
        .role = ROLE_DAEMON,
        .name = { (const uint8_t *)name, sizeof name - 1 },
        .frame_max = GANGER_FRAME_MAX,
        .payload_max = GANGER_PAYLOAD_MAX,
        .name_max = GANGER_NAME_MAX,
        .batch_max = GANGER_BATCH_MAX,
        .needs_max = GANGER_NEEDS_MAX,
        .epoch = engine_epoch(s->net->engine),
        .pid = (uint64_t)getpid() };

    msg_write_hello(outbox_frame(&s->out), &m);
    session_dirty(s);
}

static int client_begin(struct session *s)
{
    net_untime(s->net, s);
    s->state = SESSION_OPEN;
    hello_answer(s);
    engine_session_open(s->net->engine, s->id, s->peer.uid);
    return 0;
}

static int agent_begin(struct session *s, struct slice pool)
{
    struct net *net = s->net;

    net_untime(net, s);
    memcpy(net->agent_pool, pool.data, pool.len);
    net->agent_pool_len = pool.len;
    s->state = SESSION_AGENT;
    return 0;
}

int hello_run(
    struct session *s, const uint8_t *body, size_t body_bytes, char *text, size_t text_bytes)
{
    struct msg_hello hello;
    struct msg m;
    int rc = msg_open(body, body_bytes, &m);

    if (rc < 0 || m.type != MSG_HELLO) {
        (void)snprintf(text, text_bytes, "the first message has to be a hello");
        return GANGER_EPROTO;
    }
    rc = msg_read_hello(&m, &hello);
    if (rc < 0) {
        (void)snprintf(text, text_bytes, "malformed hello");
        return GANGER_EPROTO;
    }
    if (hello.version != GANGER_PROTOCOL_VERSION) {
        (void)snprintf(text, text_bytes,
            "protocol version %u is not supported; this is gangerd %s,"
            " which speaks version %u",
            hello.version, GANGER_VERSION, GANGER_PROTOCOL_VERSION);
        return GANGER_EVERSION;
    }
    if (hello.role == ROLE_CLIENT)
        return client_begin(s);
    if (hello.role == ROLE_AGENT)
        return agent_begin(s, hello.name);
    (void)snprintf(text, text_bytes, "role %u does not come in by this socket", hello.role);
    return GANGER_EPROTO;
}
