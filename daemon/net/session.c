#include "conf/log.h"
#include "net/internal.h"
#include "proto/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads of one session in one go, while each fills the shared buffer. */
#define READ_ROUNDS 4

static void on_poll(uv_poll_t *poll, int status, int events);

static bool session_reads(const struct session *s)
{
    return (s->state == SESSION_HELLO || s->state == SESSION_OPEN) && !s->paused && !s->doomed;
}

/* Watch for what can be used now. */
static void session_watch(struct session *s)
{
    int events = (session_reads(s) ? UV_READABLE : 0) | (s->blocked ? UV_WRITABLE : 0);

    if (s->state == SESSION_CLOSED || events == s->events)
        return;
    s->events = events;
    if (events == 0)
        (void)uv_poll_stop(&s->poll);
    else if (uv_poll_start(&s->poll, events, on_poll) < 0)
        session_close(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct session *s = handle->data;
    struct net *net = s->net;

    free(s);
    net_handle_closed(net);
}

static void dirty_remove(struct session *s)
{
    struct net *net = s->net;
    struct session **at = &net->dirty_first;

    if (!s->dirty)
        return;
    while (*at != s)
        at = &(*at)->dirty_next;
    *at = s->dirty_next;
    if (net->dirty_last == &s->dirty_next)
        net->dirty_last = at;
    s->dirty = false;
}

/* The engine hears of the end once, if it knew of the beginning. */
static void session_part(struct session *s, enum session_state next)
{
    bool known = s->state == SESSION_OPEN;

    s->state = next;
    if (known && s->net->engine != NULL) {
        s->net->verbs = true;
        engine_session_gone(s->net->engine, s->id);
    }
}

void session_close(struct session *s)
{
    if (s->state == SESSION_CLOSED)
        return;
    session_part(s, SESSION_CLOSED);
    net_untime(s->net, s);
    dirty_remove(s);
    net_leave(s->net, s);
    inbox_done(&s->in);
    outbox_done(&s->out);
    (void)uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, on_closed);
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
}

void session_fail(struct session *s, int code, const char *text)
{
    if (s->state == SESSION_CLOSED || s->state == SESSION_PARTING)
        return;
    log_event(LOG_NOTICE, "session-failed", "pid=%d uid=%u error=%s text=%s", (int)s->peer.pid,
        s->peer.uid, error_name(code), text);
    session_part(s, SESSION_PARTING);
    inbox_done(&s->in);
    msg_write_error(outbox_frame(&s->out), code, text);
    session_dirty(s);
    net_time(s->net, s);
    session_watch(s);
}

void session_dirty(struct session *s)
{
    struct net *net = s->net;

    if (outbox_unsent(&s->out) > NET_OUT_HARD(net->limits.session_out_bytes))
        s->doomed = true;
    if (s->dirty)
        return;
    s->dirty = true;
    s->dirty_next = NULL;
    *net->dirty_last = s;
    net->dirty_last = &s->dirty_next;
}

static int session_frame(void *ctx, const uint8_t *body, size_t body_bytes)
{
    struct session *s = ctx;
    char text[256] = "";
    int rc;

    s->net->verbs = true;
    if (s->state == SESSION_HELLO) {
        rc = hello_run(s, body, body_bytes, text, sizeof text);
        if (rc == 0)
            return INBOX_PAUSE; /* what follows has other bounds, or another owner */
    } else {
        rc = handler_run(s, body, body_bytes, text, sizeof text);
    }
    if (rc == 0 && s->state == SESSION_OPEN) {
        s->paused = s->doomed || outbox_unsent(&s->out) > s->net->limits.session_out_bytes;
        return s->paused ? INBOX_PAUSE : INBOX_GO;
    }
    if (rc == GANGER_ECONN)
        session_close(s);
    else if (rc < 0)
        session_fail(s, rc, text);
    return GANGER_ECONN;
}

/* The peer is an agent: it and all that it sent belong to another folder now. */
static void session_hand_over(struct session *s)
{
    struct net *net = s->net;
    struct net_agent agent = { s->fd, s->peer,
        { (const uint8_t *)net->agent_pool, net->agent_pool_len }, s->in.data, s->in.len };
    char text[256] = "";
    int rc;

    (void)uv_poll_stop(&s->poll);
    s->events = 0;
    rc = net->config.on_agent(net->config.agent_ctx, &agent, text, sizeof text);
    if (rc < 0) {
        session_fail(s, rc, text);
        return;
    }
    s->fd = -1;
    session_close(s);
}

static void session_broken(struct session *s, int code)
{
    char text[128];

    if (code == GANGER_ETOOBIG && s->state == SESSION_HELLO)
        (void)snprintf(
            text, sizeof text, "no hello: its frame would be over %u bytes long", GANGER_HELLO_MAX);
    else if (code == GANGER_ETOOBIG)
        (void)snprintf(text, sizeof text, "frame is over %u bytes long", GANGER_FRAME_MAX);
    else if (code == GANGER_EPROTO)
        (void)snprintf(text, sizeof text, "frame is empty");
    else
        (void)snprintf(text, sizeof text, "%s", error_text(code));
    if (code == GANGER_ETOOBIG && s->state == SESSION_HELLO)
        code = GANGER_EPROTO;
    session_fail(s, code, text);
}

/* Handle all whole frames of SPAN, as far as the session may be read. */
static void session_input(struct session *s, struct inbox_span span)
{
    int rc = INBOX_PAUSE;

    while (rc == INBOX_PAUSE && span.len > 0) {
        size_t max = s->state == SESSION_HELLO ? GANGER_HELLO_MAX : GANGER_FRAME_MAX;

        rc = inbox_frames(&s->in, span, max, session_frame, s);
        if (s->state == SESSION_AGENT) {
            session_hand_over(s);
            return;
        }
        if (rc == INBOX_PAUSE && session_reads(s))
            span = inbox_kept(&s->in, s->net->shared);
        else
            break;
    }
    if (rc < 0 && s->state != SESSION_CLOSED)
        session_broken(s, rc);
}

static void session_read(struct session *s)
{
    for (int i = 0; i < READ_ROUNDS && session_reads(s); i++) {
        struct inbox_span span;
        size_t got;
        int rc = inbox_receive(&s->in, s->fd, s->net->shared, NULL, &span, &got);

        if (rc == GANGER_EAGAIN)
            return;
        if (rc < 0) {
            s->net->verbs = true;
            session_close(s);
            return;
        }
        session_input(s, span);
        if (got < INBOX_SHARED_BYTES / 2)
            return;
    }
}

/* Half of what was unsent is gone: go on with what came before the pause. */
static void session_resume(struct session *s)
{
    s->paused = false;
    if (s->in.len > 0)
        session_input(s, inbox_kept(&s->in, s->net->shared));
}

void session_flush(struct session *s)
{
    size_t bound = s->net->limits.session_out_bytes;
    int rc;

    if (s->state == SESSION_CLOSED)
        return;
    rc = outbox_write(&s->out, s->fd);
    if (s->doomed && rc == GANGER_EAGAIN && outbox_unsent(&s->out) > NET_OUT_HARD(bound)) {
        log_event(LOG_WARNING, "session-slow", "pid=%d uid=%u unsent=%zu", (int)s->peer.pid,
            s->peer.uid, outbox_unsent(&s->out));
        rc = GANGER_ECONN;
    }
    if ((rc < 0 && rc != GANGER_EAGAIN) || (rc == 0 && s->state == SESSION_PARTING)) {
        session_close(s);
        return;
    }
    s->doomed = false;
    s->blocked = rc == GANGER_EAGAIN;
    if (outbox_unsent(&s->out) > bound)
        s->paused = true;
    else if (s->paused && outbox_unsent(&s->out) <= bound / 2)
        session_resume(s);
    session_watch(s);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct session *s = poll->data;

    s->net->config.turn(s->net->config.turn_ctx);
    if (status < 0) {
        /* An error of the socket: the loop has stopped watching; reading tells what it is. */
        s->events = 0;
        events = UV_READABLE;
    }
    if ((events & UV_WRITABLE) != 0)
        session_flush(s);
    if ((events & UV_READABLE) != 0 && s->state != SESSION_CLOSED) {
        if (session_reads(s))
            session_read(s);
        else if (status < 0)
            session_close(s);
    }
    session_watch(s);
}

int session_open(struct net *net, int fd)
{
    struct session *s = calloc(1, sizeof *s);
    struct ucred cred;
    socklen_t cred_bytes = sizeof cred;

    if (s == NULL)
        goto close_fd;
    s->net = net;
    s->fd = fd;
    s->out.spares = &net->spares;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_bytes) < 0)
        goto free_session;
    s->peer = (struct net_peer){ cred.pid, cred.uid, cred.gid };
    if (net_enter(net, s) < 0)
        goto free_session;
    if (uv_poll_init(net->loop, &s->poll, fd) < 0)
        goto leave;
    s->poll.data = s;
    net->handles++;
    net_time(net, s);
    session_watch(s);
    return 0;

leave:
    net_leave(net, s);
free_session:
    free(s);
close_fd:
    (void)close(fd);
    return GANGER_ENOMEM;
}
