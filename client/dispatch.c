/* What the daemon says: one short handler for each message. */
#include "handle.h"

#include <stdlib.h>
#include <string.h>

static void call_drop(struct ganger_future *f)
{
    if (f->call != NULL) {
        call_free(f->call);
        f->call = NULL;
    }
}

static void handle_refused(struct ganger_future *f, const struct msg_accepted *m)
{
    if (m->code == GANGER_EFULL && (f->flags & (SLOT_WAIT_ROOM | SLOT_ZOMBIE)) == SLOT_WAIT_ROOM &&
        (f->call != NULL || chunk_recall(f) == 0) && room_hold(f) == 0)
        return;
    slot_keep_text(f, m->text.data, m->text.len);
    slot_finish(f, m->code);
}

static void id_known(struct ganger_future *f, uint64_t id)
{
    f->id = id;
    f->phase = PHASE_ACCEPTED;
    if (f->flags & SLOT_CANCEL) {
        f->flags &= (uint16_t)~SLOT_CANCEL;
        (void)request_cancel(f);
    }
    if (f->flags & SLOT_ZOMBIE)
        (void)request_unwait(f);
}

static void handle_accepted(struct ganger *g, const struct msg_accepted *m)
{
    struct ganger_future *f = slot_find(g, m->req);

    if (f == NULL || f->kind != SLOT_TASK || f->phase != PHASE_SENT)
        return;
    if (m->code != 0) {
        handle_refused(f, m);
        return;
    }
    call_drop(f);
    if (f->flags & SLOT_DETACHED) {
        f->id = m->id;
        slot_finish(f, 0);
        return;
    }
    id_known(f, m->id);
}

static void handle_end(struct ganger *g, const struct msg_end *m)
{
    struct ganger_future *f = slot_find(g, m->req);
    int code = m->code;

    if (f == NULL || f->kind == SLOT_REQUEST ||
        (f->phase != PHASE_SENT && f->phase != PHASE_ACCEPTED))
        return;
    if (m->end == END_DONE)
        code = 0;
    else if (code == 0)
        code = GANGER_EFAILED;
    call_drop(f);
    f->id = m->id;
    f->end = (uint8_t)m->end;
    f->attempts = m->attempts;
    if ((f->flags & SLOT_ZOMBIE) == 0)
        slot_keep(f, m->outcome.data, m->outcome.len);
    slot_finish(f, code);
}

static void handle_progress(struct ganger *g, const struct msg_progress *m)
{
    struct ganger_future *f = slot_find(g, m->req);
    char *text;

    if (f == NULL || f->kind == SLOT_REQUEST || (f->flags & SLOT_ZOMBIE) != 0 ||
        (f->phase != PHASE_SENT && f->phase != PHASE_ACCEPTED) || slot_extra(f) == NULL)
        return;
    if (f->phase == PHASE_SENT && m->id != 0)
        id_known(f, m->id);
    text = malloc(m->text.len + 1);
    if (text == NULL)
        return;
    if (m->text.len != 0)
        memcpy(text, m->text.data, m->text.len);
    text[m->text.len] = '\0';
    free(f->extra->progress_text);
    f->extra->progress_text = text;
    f->extra->progress.count++;
    f->extra->progress.done = m->done;
    f->extra->progress.total = m->total;
    f->extra->progress.text = text;
}

/* A reply to the WAIT of a task: there is nothing to wait for. */
static void handle_wait_refused(struct ganger_future *f, const struct msg_reply *m)
{
    if (m->code == 0 || f->phase == PHASE_READY || f->phase == PHASE_ENDED)
        return;
    if (m->code == GANGER_ENOTASK && (f->flags & SLOT_REATTACHED) != 0) {
        slot_finish_text(
            f, GANGER_ELOST, "the connection broke, and the daemon no longer knows the task");
        return;
    }
    slot_keep_text(f, m->text.data, m->text.len);
    slot_finish(f, m->code);
}

static void handle_reply(struct ganger *g, const struct msg_reply *m)
{
    struct ganger_future *f = slot_find(g, m->req);

    if (f == NULL)
        return;
    if (f->kind != SLOT_REQUEST) {
        handle_wait_refused(f, m);
        return;
    }
    if (f->phase != PHASE_SENT)
        return;
    if (m->code != 0)
        slot_keep_text(f, m->text.data, m->text.len);
    else
        slot_keep(f, m->value.data, m->value.len);
    slot_finish(f, m->code);
}

static int dispatch_accepted(struct ganger *g, struct msg *m)
{
    struct msg_accepted item;

    for (uint32_t i = 0; i < m->count; i++) {
        int rc = msg_read_accepted(m, &item);

        if (rc < 0)
            return rc;
        handle_accepted(g, &item);
    }
    return msg_close(m);
}

static int dispatch_end(struct ganger *g, struct msg *m)
{
    struct msg_end item;

    for (uint32_t i = 0; i < m->count; i++) {
        int rc = msg_read_end(m, &item);

        if (rc < 0)
            return rc;
        handle_end(g, &item);
    }
    return msg_close(m);
}

static int dispatch_progress(struct ganger *g, struct msg *m)
{
    struct msg_progress progress;
    int rc = msg_read_progress(m, &progress);

    if (rc == 0)
        handle_progress(g, &progress);
    return rc;
}

static int dispatch_reply(struct ganger *g, struct msg *m)
{
    struct msg_reply reply;
    int rc = msg_read_reply(m, &reply);

    if (rc == 0)
        handle_reply(g, &reply);
    return rc;
}

static int dispatch_hello(struct ganger *g, struct msg *m)
{
    struct msg_hello hello;
    int rc = msg_read_hello(m, &hello);

    if (rc == 0)
        link_hello(g, &hello);
    return rc;
}

static int dispatch_error(struct ganger *g, struct msg *m)
{
    struct msg_error error;
    int rc = msg_read_error(m, &error);

    if (rc < 0)
        return rc;
    if (error.text.len == 0)
        link_fail(g, error.code < 0 ? error.code : GANGER_EPROTO,
            "the daemon ended the connection: %s", error_text(error.code));
    else
        link_fail(g, error.code < 0 ? error.code : GANGER_EPROTO,
            "the daemon ended the connection: %.*s", (int)error.text.len,
            (const char *)error.text.data);
    return 0;
}

int dispatch_frame(struct ganger *g, const uint8_t *body, size_t len)
{
    struct msg m;
    int rc = msg_open(body, len, &m);

    if (rc < 0)
        return rc;
    if (m.type == MSG_ERROR)
        return dispatch_error(g, &m);
    if (g->state == LINK_HELLO)
        return m.type == MSG_HELLO ? dispatch_hello(g, &m) : GANGER_EPROTO;
    g->heard = true;
    switch (m.type) {
    case MSG_ACCEPTED:
        return dispatch_accepted(g, &m);
    case MSG_END:
        return dispatch_end(g, &m);
    case MSG_PROGRESS:
        return dispatch_progress(g, &m);
    case MSG_REPLY:
        return dispatch_reply(g, &m);
    default:
        return GANGER_EPROTO;
    }
}
