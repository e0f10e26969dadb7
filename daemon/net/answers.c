/* The engine's answers, as it calls for them: into the outbox of the session, if it still is. */
#include "net/internal.h"
#include "proto/err.h"

#include <string.h>

#define ACCEPTED_BYTES 24u

static void answer_accepted(void *ctx, session_id session, uint64_t req, uint64_t id)
{
    struct session *s = net_find(ctx, session);
    struct msg_accepted m = { .req = req, .id = id };
    struct out *out;

    if (s == NULL)
        return;
    out = outbox_batch(&s->out, MSG_ACCEPTED, ACCEPTED_BYTES);
    msg_add_accepted(&s->out.batch, out, &m);
    session_dirty(s);
}

static void answer_refused(void *ctx, session_id session, uint64_t req, int code, const char *text)
{
    struct session *s = net_find(ctx, session);
    struct msg_accepted m = { .req = req, .code = code };
    struct out *out;

    if (s == NULL)
        return;
    if (text != NULL)
        m.text = (struct slice){ (const uint8_t *)text, strlen(text) };
    out = outbox_batch(&s->out, MSG_ACCEPTED, ACCEPTED_BYTES + m.text.len);
    msg_add_accepted(&s->out.batch, out, &m);
    session_dirty(s);
}

static void answer_ended(
    void *ctx, session_id session, const struct msg_end *end, struct body *outcome)
{
    struct session *s = net_find(ctx, session);

    if (s == NULL)
        return;
    outbox_add_end(&s->out, end, outcome);
    session_dirty(s);
}

/* Progress is news of the moment: a peer that does not keep up misses some. */
static void answer_progress(void *ctx, session_id session, const struct msg_progress *p)
{
    struct session *s = net_find(ctx, session);

    if (s == NULL || outbox_unsent(&s->out) > s->net->limits.session_out_bytes)
        return;
    msg_write_progress(outbox_frame(&s->out), p);
    session_dirty(s);
}

static void answer_reply(void *ctx, session_id session, const struct msg_reply *r)
{
    struct session *s = net_find(ctx, session);

    if (s == NULL)
        return;
    msg_write_reply(outbox_frame(&s->out), r);
    session_dirty(s);
}

void answers_ops(struct net *net, struct engine_net_ops *ret_ops)
{
    *ret_ops = (struct engine_net_ops){ .ctx = net,
        .accepted = answer_accepted,
        .refused = answer_refused,
        .ended = answer_ended,
        .progress = answer_progress,
        .reply = answer_reply };
}
