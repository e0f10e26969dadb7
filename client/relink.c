/* What a broken link means for each slot, and how a new link takes up where the old one ended. */
#include "handle.h"

#include "proto/assert.h"

static void mark_submits(struct ganger *g, struct msg *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        struct ganger_future *f;

        if (msg_read_submit(m, &g->scratch) < 0)
            return;
        f = slot_find(g, g->scratch.req);
        if (f != NULL)
            f->flags |= SLOT_UNSENT;
    }
}

static void mark_request(struct ganger *g, struct msg *m)
{
    struct msg_request request;
    struct ganger_future *f;

    if (msg_read_request(m, &request) < 0)
        return;
    f = slot_find(g, request.req);
    if (f != NULL)
        f->flags |= SLOT_UNSENT;
}

static void mark_frames(struct ganger *g, const struct out *o)
{
    size_t at = 0;

    while (at < o->len) {
        const uint8_t *body = NULL;
        size_t len = 0;
        int64_t n = frame_next(o->data + at, o->len - at, GANGER_FRAME_MAX, &body, &len, NULL);
        struct msg m;

        GANGER_ASSERT(n > 0);
        if (msg_open(body, len, &m) == 0) {
            if (m.type == MSG_SUBMIT)
                mark_submits(g, &m);
            else
                mark_request(g, &m);
        }
        at += (size_t)n;
    }
}

/* Mark the slots whose frames wait in the output, and no others. Reads our own encoding. */
static void mark_unsent(struct ganger *g)
{
    uint32_t req = 0;
    struct ganger_future *f;

    while ((f = slot_next(g, &req)) != NULL)
        f->flags &= (uint16_t)~SLOT_UNSENT;
    output_close_batch(g);
    for (const struct piece *p = g->out.first; p != NULL; p = p->next)
        mark_frames(g, &p->out);
    mark_frames(g, &g->out.last);
}

/* The last word on a zombie cannot come any more. */
static void zombie_free(struct ganger_future *f)
{
    struct ganger_future *r = f->hook_arg;

    if (f->flags & SLOT_UNWAITED) {
        r->hook_arg = NULL;
        if ((r->flags & SLOT_UNSENT) == 0)
            slot_free(r);
    }
    slot_free(f);
}

/* Mark what the break ends; free what nobody waits for. */
static void broken_mark(struct ganger *g)
{
    uint32_t req = 0;
    struct ganger_future *f;

    while ((f = slot_next(g, &req)) != NULL) {
        if (f->flags & SLOT_UNSENT)
            continue;
        if (f->flags & SLOT_ZOMBIE)
            zombie_free(f);
        else if (f->kind == SLOT_TASK && f->phase == PHASE_SENT)
            f->flags |= SLOT_LOST;
    }
}

/*
 * End what is marked. Callbacks run in between and may submit, attach and free; a slot that they
 * take bears no mark.
 */
static void end_marked(struct ganger *g, int code, const char *text)
{
    uint32_t req = 0;
    struct ganger_future *f;

    while ((f = slot_next(g, &req)) != NULL) {
        if ((f->flags & SLOT_LOST) == 0 || f->phase == PHASE_READY || f->phase == PHASE_ENDED)
            continue;
        f->flags &= (uint16_t)~SLOT_LOST;
        if (f->phase == PHASE_HELD)
            room_drop(f);
        slot_finish_text(f, code, text);
    }
}

void relink_broken(struct ganger *g)
{
    /* A frame that was sent in part was not read: it goes out whole on the next link. */
    g->out.written = 0;
    mark_unsent(g);
    broken_mark(g);
    end_marked(g, GANGER_EUNKNOWN,
        "the connection broke before the daemon had confirmed the task; it may or may not run");
}

void relink_restore(struct ganger *g)
{
    uint32_t req = 0;
    struct ganger_future *f;

    if (output_renew_act(g) < 0)
        goto failed;
    mark_unsent(g);
    while ((f = slot_next(g, &req)) != NULL) {
        bool waits = f->kind == SLOT_REQUEST ? f->phase == PHASE_SENT
                                             : f->kind == SLOT_ATTACH || f->phase == PHASE_ACCEPTED;
        bool unsent = (f->flags & SLOT_UNSENT) != 0;

        f->flags &= (uint16_t)~SLOT_UNSENT;
        if (unsent || !waits || f->phase == PHASE_READY || f->phase == PHASE_ENDED ||
            (f->flags & SLOT_ZOMBIE) != 0)
            continue;
        if (f->kind != SLOT_REQUEST)
            f->flags |= SLOT_REATTACHED;
        if (request_resend(f) < 0)
            goto failed;
    }
    return;
failed:
    link_fail(g, GANGER_ECONN, "no memory to take up the waits again");
}

void relink_dead(struct ganger *g)
{
    uint32_t req = 0;
    struct ganger_future *f;
    char text[TEXT_BYTES];

    output_close_batch(g);
    pieces_done(&g->out);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = g->error[i];
    while ((f = slot_next(g, &req)) != NULL) {
        f->flags &= (uint16_t)~SLOT_UNSENT;
        if (f->flags & SLOT_ZOMBIE)
            zombie_free(f);
        else
            f->flags |= SLOT_LOST;
    }
    end_marked(g, g->dead_code, text);
    /* What a callback says of its own failures must not hide why the link is dead. */
    (void)fail(g, g->dead_code, "%s", text);
}
