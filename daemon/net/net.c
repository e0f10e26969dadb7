#include "net/net.h"

#include "net/internal.h"
#include "proto/assert.h"
#include "proto/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOTS_FIRST 64u
#define NO_SLOT     UINT32_MAX

int net_open(const struct net_config *config, struct net **ret_net)
{
    struct net *net = calloc(1, sizeof *net);

    if (net == NULL)
        return GANGER_ENOMEM;
    net->loop = config->loop;
    net->config = *config;
    net->limits = *config->limits;
    net->config.limits = NULL;
    net->free_slot = NO_SLOT;
    net->dirty_last = &net->dirty_first;
    net->shared = malloc(INBOX_SHARED_BYTES);
    if (net->shared == NULL) {
        free(net);
        return GANGER_ENOMEM;
    }
    (void)uv_timer_init(net->loop, &net->timer);
    net->timer.data = net;
    net->handles = 1;
    *ret_net = net;
    return 0;
}

void net_ops(struct net *net, struct engine_net_ops *ret_ops)
{
    answers_ops(net, ret_ops);
}

static void connection_take(void *ctx, int fd)
{
    struct net *net = ctx;
    char text[96];

    if (net->session_count >= net->limits.sessions_max) {
        (void)snprintf(
            text, sizeof text, "too many connections: the limit is %u", net->limits.sessions_max);
        log_event(LOG_WARNING, "session-refused", "reason=%s", text);
        listener_refuse(fd, GANGER_EFULL, text);
        return;
    }
    if (session_open(net, fd) < 0)
        log_event(LOG_ERR, "session-refused", "reason=%s", "out of memory");
}

int net_listen(struct net *net, struct engine *engine, const struct conf_socket *socket, int fd,
    char *err, size_t err_bytes)
{
    net->engine = engine;
    return listener_open(
        net->loop, socket, fd, connection_take, net, err, err_bytes, &net->listener);
}

void net_limits(struct net *net, const struct conf_limits *limits)
{
    net->limits = *limits;
}

uint32_t net_sessions(const struct net *net)
{
    return net->session_count;
}

struct session *net_find(const struct net *net, session_id id)
{
    uint32_t slot = (uint32_t)id;
    struct session *s;

    if (slot >= net->slot_count)
        return NULL;
    s = net->slots[slot].session;
    return s != NULL && s->id == id && s->state == SESSION_OPEN ? s : NULL;
}

static int slots_grow(struct net *net)
{
    uint32_t count = net->slot_count == 0 ? SLOTS_FIRST : 2 * net->slot_count;
    struct session_slot *slots = realloc(net->slots, count * sizeof *slots);

    if (slots == NULL)
        return GANGER_ENOMEM;
    for (uint32_t i = count; i-- > net->slot_count;) {
        slots[i] = (struct session_slot){ NULL, 0, net->free_slot };
        net->free_slot = i;
    }
    net->slots = slots;
    net->slot_count = count;
    return 0;
}

int net_enter(struct net *net, struct session *session)
{
    struct session_slot *slot;
    uint32_t index;

    if (net->free_slot == NO_SLOT && slots_grow(net) < 0)
        return GANGER_ENOMEM;
    index = net->free_slot;
    slot = &net->slots[index];
    net->free_slot = slot->next_free;
    slot->session = session;
    slot->gen = slot->gen == UINT32_MAX ? 1 : slot->gen + 1;
    session->id = ((uint64_t)slot->gen << 32) | index;
    net->session_count++;
    return 0;
}

void net_leave(struct net *net, struct session *session)
{
    uint32_t index = (uint32_t)session->id;

    GANGER_ASSERT(net->slots[index].session == session);
    net->slots[index].session = NULL;
    net->slots[index].next_free = net->free_slot;
    net->free_slot = index;
    net->session_count--;
}

/* All times are of one length, so the list is in order. */
static void on_timer(uv_timer_t *timer)
{
    struct net *net = timer->data;
    uint64_t now = uv_now(net->loop);

    net->config.turn(net->config.turn_ctx);
    while (net->timed_first != NULL && net->timed_first->deadline_ms <= now) {
        struct session *s = net->timed_first;

        net_untime(net, s);
        if (s->state == SESSION_HELLO)
            session_fail(s, GANGER_ETIMEDOUT, "no hello came in time");
        else
            session_close(s);
    }
    if (net->timed_first != NULL)
        (void)uv_timer_start(timer, on_timer, net->timed_first->deadline_ms - now, 0);
}

void net_time(struct net *net, struct session *session)
{
    net_untime(net, session);
    session->timed = true;
    session->deadline_ms = uv_now(net->loop) + net->limits.handshake_ms;
    session->timed_next = NULL;
    session->timed_prev = net->timed_last;
    if (net->timed_last != NULL)
        net->timed_last->timed_next = session;
    else
        net->timed_first = session;
    net->timed_last = session;
    if (!uv_is_active((uv_handle_t *)&net->timer))
        (void)uv_timer_start(&net->timer, on_timer, net->limits.handshake_ms, 0);
}

void net_untime(struct net *net, struct session *session)
{
    if (!session->timed)
        return;
    session->timed = false;
    if (session->timed_prev != NULL)
        session->timed_prev->timed_next = session->timed_next;
    else
        net->timed_first = session->timed_next;
    if (session->timed_next != NULL)
        session->timed_next->timed_prev = session->timed_prev;
    else
        net->timed_last = session->timed_prev;
    session->timed_prev = NULL;
    session->timed_next = NULL;
}

bool net_flush(struct net *net)
{
    net->verbs = false;
    while (net->dirty_first != NULL) {
        struct session *s = net->dirty_first;

        net->dirty_first = s->dirty_next;
        if (net->dirty_first == NULL)
            net->dirty_last = &net->dirty_first;
        s->dirty_next = NULL;
        s->dirty = false;
        session_flush(s);
    }
    return net->verbs;
}

bool net_idle(const struct net *net)
{
    for (uint32_t i = 0; i < net->slot_count; i++) {
        const struct session *s = net->slots[i].session;

        if (s != NULL && outbox_unsent(&s->out) > 0)
            return false;
    }
    return true;
}

void net_stop_listening(struct net *net)
{
    listener_close(net->listener);
    net->listener = NULL;
}

void net_handle_closed(struct net *net)
{
    if (--net->handles > 0 || !net->closing)
        return;
    outbox_spares_done(&net->spares);
    free(net->slots);
    free(net->shared);
    free(net);
}

static void on_timer_closed(uv_handle_t *handle)
{
    net_handle_closed(handle->data);
}

void net_close(struct net *net)
{
    if (net == NULL)
        return;
    net->closing = true;
    net->engine = NULL;
    net_stop_listening(net);
    for (uint32_t i = 0; i < net->slot_count; i++) {
        if (net->slots[i].session != NULL)
            session_close(net->slots[i].session);
    }
    uv_close((uv_handle_t *)&net->timer, on_timer_closed);
}
