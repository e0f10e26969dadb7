#include "core/internal.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_AGAIN_US 10000u

static uint32_t session_index(uint64_t handle)
{
    return (uint32_t)handle;
}

bool session_known(const struct core *c, uint64_t handle)
{
    uint32_t i = session_index(handle);

    return handle != 0 && i < c->session_cap && c->sessions[i].handle == handle;
}

int session_opened(struct core *c, uint64_t handle)
{
    uint32_t i = session_index(handle), cap = c->session_cap == 0 ? 64 : c->session_cap;
    struct session *sessions;

    if (i >= c->session_cap) {
        while (cap <= i)
            cap *= 2;
        sessions = realloc(c->sessions, cap * sizeof *sessions);
        if (sessions == NULL)
            return GANGER_ENOMEM;
        memset(sessions + c->session_cap, 0, (cap - c->session_cap) * sizeof *sessions);
        c->sessions = sessions;
        c->session_cap = cap;
    }
    GANGER_ASSERT(c->sessions[i].handle == 0);
    c->sessions[i] = (struct session){ .handle = handle };
    return 0;
}

/* The list that an owner keeps: a task's waiters or a pool's waiters for room. */
static uint32_t *owner_list(struct core *c, const struct waiter *w)
{
    if (w->kind == WAITER_ROOM)
        return &c->pools[w->owner]->room_head;
    return &task_at(c, w->owner)->waiters;
}

/* The last of LIST, so that the first to wait is told first; false when it is full. */
static bool list_last(const struct core *c, uint32_t list, uint32_t *ret_last)
{
    uint32_t last = 0, n = 0;

    for (uint32_t at = list; at != 0; at = waiter_at(c, at)->next, n++)
        last = at;
    *ret_last = last;
    return n < GANGER_WAITERS_MAX;
}

/* A waiter of OWNER, whose list is LIST. */
static int waiter_new(struct core *c, enum waiter_kind kind, uint32_t owner, uint32_t *list,
    uint64_t session, uint64_t req, uint32_t *ret_waiter)
{
    struct session *s;
    uint32_t cell, last = 0;

    if (!session_known(c, session))
        return GANGER_ESTALE;
    if (*list != 0 && !list_last(c, *list, &last))
        return GANGER_EFULL;
    cell = slab_take_raw(&c->waiters, sizeof(struct waiter));
    if (cell == 0)
        return GANGER_ENOMEM;
    s = &c->sessions[session_index(session)];
    *waiter_at(c, cell) = (struct waiter){ .req = req,
        .session = session_index(session),
        .owner = owner,
        .prev = last,
        .session_next = s->waiters,
        .kind = (uint8_t)kind };
    if (last == 0)
        *list = cell;
    else
        waiter_at(c, last)->next = cell;
    if (s->waiters != 0)
        waiter_at(c, s->waiters)->session_prev = cell;
    s->waiters = cell;
    c->waits_more |= s->acts_fence != 0;
    *ret_waiter = cell;
    return 0;
}

/* Of its session's list, and its memory. */
static void waiter_leave(struct core *c, const struct waiter *w, uint32_t cell)
{
    if (w->session_prev == 0)
        c->sessions[w->session].waiters = w->session_next;
    else
        waiter_at(c, w->session_prev)->session_next = w->session_next;
    if (w->session_next != 0)
        waiter_at(c, w->session_next)->session_prev = w->session_prev;
    slab_give_sized(&c->waiters, cell, sizeof(struct waiter));
}

static void waiter_free(struct core *c, uint32_t cell)
{
    const struct waiter *w = waiter_at(c, cell);

    if (w->prev == 0)
        *owner_list(c, w) = w->next;
    else
        waiter_at(c, w->prev)->next = w->next;
    if (w->next != 0)
        waiter_at(c, w->next)->prev = w->prev;
    waiter_leave(c, w, cell);
}

static void acting_end(struct core *c, struct session *s)
{
    if (s->acts_fence == 0)
        return;
    if (s->acts_prev == 0)
        c->acting = s->acts_next;
    else
        c->sessions[s->acts_prev - 1].acts_next = s->acts_next;
    if (s->acts_next != 0)
        c->sessions[s->acts_next - 1].acts_prev = s->acts_prev;
    s->acts_fence = 0;
    s->acts_task = s->acts_next = s->acts_prev = 0;
}

int session_acts(struct core *c, const struct event *ev)
{
    uint32_t i = session_index(ev->session), slot;
    struct session *s;

    if (!session_known(c, ev->session))
        return GANGER_ESTALE;
    s = &c->sessions[i];
    acting_end(c, s);
    if (ev->id == 0 && ev->number == 0)
        return 0;
    slot = ids_find(c, ev->id);
    if (slot == 0 || !attempt_lives(c, slot, ev->number))
        return GANGER_ESTALE;
    s->acts_fence = ev->number;
    s->acts_task = slot;
    s->acts_next = c->acting;
    if (c->acting != 0)
        c->sessions[c->acting - 1].acts_prev = i + 1;
    c->acting = i + 1;
    c->waits_more = true;
    return 0;
}

void session_left(struct core *c, uint64_t handle)
{
    struct session *s;

    if (!session_known(c, handle))
        return;
    s = &c->sessions[session_index(handle)];
    while (s->waiters != 0)
        waiter_free(c, s->waiters);
    acting_end(c, s);
    s->handle = 0;
}

int waiter_add(struct core *c, uint32_t slot, uint64_t session, uint64_t req, enum waiter_kind kind)
{
    uint32_t cell;

    return waiter_new(c, kind, slot, &task_at(c, slot)->waiters, session, req, &cell);
}

int waiter_remove(struct core *c, uint32_t slot, uint64_t session, uint64_t req)
{
    uint32_t at = task_at(c, slot)->waiters;

    for (; at != 0; at = waiter_at(c, at)->next) {
        const struct waiter *w = waiter_at(c, at);

        if (w->kind == WAITER_END && w->req == req && c->sessions[w->session].handle == session) {
            waiter_free(c, at);
            return 0;
        }
    }
    return GANGER_ENOTASK;
}

static struct effect *tell(
    struct core *c, enum effect_type type, const struct waiter *w, uint32_t slot, int code)
{
    struct effect *e = effect_add(c, type);

    e->session = c->sessions[w->session].handle;
    e->req = w->req;
    e->slot = slot;
    e->id = task_at(c, slot)->id;
    e->code = code;
    return e;
}

/* The effect says it all: its task may be gone when it is carried out. */
static void end_described(const struct task *t, struct effect *e)
{
    e->state = t->end;
    e->code = -(int)t->code;
    e->attempt = t->attempts;
}

void waiters_accepted(struct core *c, uint32_t slot, bool unknown)
{
    uint32_t next;

    for (uint32_t at = task_at(c, slot)->waiters; at != 0; at = next) {
        struct waiter *w = waiter_at(c, at);

        next = w->next;
        if (!w->accept)
            continue;
        (void)tell(c, unknown ? EFFECT_UNKNOWN : EFFECT_ACCEPTED, w, slot, 0);
        w->accept = false;
        if (w->kind == WAITER_ACCEPT)
            waiter_free(c, at);
    }
}

uint32_t waiters_ended(struct core *c, uint32_t slot)
{
    uint32_t told = 0, next;

    for (uint32_t at = task_at(c, slot)->waiters; at != 0; at = next) {
        const struct waiter *w = waiter_at(c, at);

        next = w->next;
        if (w->kind == WAITER_END) {
            end_described(task_at(c, slot), tell(c, EFFECT_ENDED, w, slot, 0));
            told++;
        }
        waiter_free(c, at);
    }
    return told;
}

bool waiters_gone(struct core *c, struct task *t, uint32_t slot)
{
    const struct waiter *w;
    struct effect *e;

    if (t->waiters == 0)
        return false;
    w = waiter_at(c, t->waiters);
    if (w->next != 0 || w->kind != WAITER_END)
        return false;
    e = effect_add(c, EFFECT_GONE);
    e->session = c->sessions[w->session].handle;
    e->req = w->req;
    e->slot = slot;
    e->id = t->id;
    end_described(t, e);
    waiter_leave(c, w, t->waiters);
    t->waiters = 0;
    return true;
}

void waiters_cancel_answer(struct core *c, uint32_t slot, int code)
{
    uint32_t next;

    for (uint32_t at = task_at(c, slot)->waiters; at != 0; at = next) {
        const struct waiter *w = waiter_at(c, at);

        next = w->next;
        if (w->kind == WAITER_CANCEL) {
            (void)tell(c, EFFECT_CANCEL, w, slot, code);
            waiter_free(c, at);
        }
    }
}

void waiters_progress(struct core *c, uint32_t slot)
{
    for (uint32_t at = task_at(c, slot)->waiters; at != 0; at = waiter_at(c, at)->next) {
        if (waiter_at(c, at)->kind == WAITER_END)
            (void)tell(c, EFFECT_PROGRESS, waiter_at(c, at), slot, 0);
    }
}

void waiters_drop(struct core *c, uint32_t slot)
{
    while (task_at(c, slot)->waiters != 0)
        waiter_free(c, task_at(c, slot)->waiters);
}

static int wait_begin(struct core *c, const struct event *ev, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    struct effect *e;

    if (!session_known(c, ev->session))
        return GANGER_ESTALE;
    if (!state_is_end(t->state))
        return waiter_add(c, slot, ev->session, ev->req, WAITER_END);
    e = effect_add(c, EFFECT_ENDED);
    e->session = ev->session;
    e->req = ev->req;
    e->slot = slot;
    e->id = t->id;
    end_described(t, e);
    return 0;
}

int wait_event(struct core *c, const struct event *ev)
{
    uint32_t slot = ids_find(c, ev->id);

    if (slot == 0)
        return GANGER_ENOTASK;
    if (ev->type == EVENT_WAIT)
        return wait_begin(c, ev, slot);
    return waiter_remove(c, slot, ev->session, ev->number);
}

static bool has_room(const struct pool *p, uint64_t tasks, uint64_t bytes)
{
    return p->tasks + tasks <= p->set.backlog && p->bytes + bytes <= p->set.backlog_bytes;
}

static void room_answer(struct core *c, uint64_t session, uint64_t req, int code)
{
    struct effect *e = effect_add(c, EFFECT_ROOM);

    e->session = session;
    e->req = req;
    e->code = code;
}

int room_event(struct core *c, const struct event *ev)
{
    struct pool *p = c->pools[ev->index];
    uint32_t cell;
    int rc;

    if (ev->number > p->set.backlog || ev->number2 > p->set.backlog_bytes)
        return GANGER_ERANGE;
    if (p->room_head == 0 && has_room(p, ev->number, ev->number2)) {
        room_answer(c, ev->session, ev->req, 0);
        return 0;
    }
    rc = waiter_new(c, WAITER_ROOM, ev->index, &p->room_head, ev->session, ev->req, &cell);
    if (rc < 0)
        return rc;
    waiter_at(c, cell)->number = ev->number;
    waiter_at(c, cell)->number2 = ev->number2;
    return 0;
}

/*
 * Arrival order: the first in line is told when its room is there, then the next. Who was told may
 * not come: what it left is offered to the next one a little later.
 */
void room_check(struct core *c, struct pool *p, int code)
{
    uint64_t tasks = 0, bytes = 0;

    while (p->room_head != 0) {
        const struct waiter *w = waiter_at(c, p->room_head);
        bool never = w->number > p->set.backlog || w->number2 > p->set.backlog_bytes;

        if (code == 0 && never) { /* the bound was lowered meanwhile */
            room_answer(c, c->sessions[w->session].handle, w->req, GANGER_ERANGE);
            waiter_free(c, p->room_head);
            continue;
        }
        if (code == 0 && !has_room(p, tasks + w->number, bytes + w->number2)) {
            if (has_room(p, w->number, w->number2))
                pool_wake_at(c, p, c->now + ROOM_AGAIN_US);
            return;
        }
        tasks += w->number;
        bytes += w->number2;
        room_answer(c, c->sessions[w->session].handle, w->req, code);
        waiter_free(c, p->room_head);
    }
}
