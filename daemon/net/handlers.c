#include "conf/log.h"
#include "net/internal.h"
#include "proto/err.h"

#include <stdio.h>

struct complaint {
    char *text;
    size_t bytes;
};

static int on_submit(struct session *s, struct msg *m, struct complaint c)
{
    struct engine *engine = s->net->engine;
    struct msg_submit submit;
    int rc;

    for (uint32_t i = 0; i < m->count; i++) {
        rc = msg_read_submit(m, &submit);
        if (rc < 0) {
            (void)snprintf(
                c.text, c.bytes, "malformed task %u of %u in a submit message", i + 1, m->count);
            return rc;
        }
        engine_submit(engine, s->id, &submit);
    }
    rc = msg_close(m);
    if (rc < 0)
        (void)snprintf(c.text, c.bytes, "a submit message goes on behind its %u tasks", m->count);
    return rc;
}

static int on_request(struct session *s, struct msg *m, struct complaint c)
{
    struct msg_request request;
    int rc = msg_read_request(m, &request);

    if (rc < 0) {
        (void)snprintf(c.text, c.bytes, "malformed request message");
        return rc;
    }
    engine_request(s->net->engine, s->id, &request);
    return 0;
}

/* The peer says what it does not like about us, and goes. */
static int on_error(struct session *s, struct msg *m, struct complaint c)
{
    struct msg_error error;
    int rc = msg_read_error(m, &error);

    if (rc < 0) {
        (void)snprintf(c.text, c.bytes, "malformed error message");
        return rc;
    }
    log_event(LOG_NOTICE, "session-error", "pid=%d uid=%u error=%s text=%.*s", (int)s->peer.pid,
        s->peer.uid, error_name(error.code), (int)error.text.len, (const char *)error.text.data);
    return GANGER_ECONN;
}

static const struct handler {
    uint32_t type;
    int (*run)(struct session *s, struct msg *m, struct complaint c);
} handlers[] = {
    { MSG_SUBMIT, on_submit },
    { MSG_REQUEST, on_request },
    { MSG_ERROR, on_error },
};

int handler_run(
    struct session *s, const uint8_t *body, size_t body_bytes, char *text, size_t text_bytes)
{
    struct complaint c = { text, text_bytes };
    struct msg m;
    int rc = msg_open(body, body_bytes, &m);

    if (rc < 0) {
        (void)snprintf(text, text_bytes, "a frame of %zu bytes is not a message", body_bytes);
        return rc;
    }
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (handlers[i].type == m.type)
            return handlers[i].run(s, &m, c);
    }
    (void)snprintf(text, text_bytes, "message type %u (%s) is not one that a client sends", m.type,
        msg_type_name(m.type));
    return GANGER_EPROTO;
}
