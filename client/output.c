/* Frames for the daemon, and one open batch of submits. */
#include "acting.h"
#include "handle.h"

#include <string.h>

size_t output_bytes(const struct ganger *g)
{
    return pieces_unsent(&g->out) + g->held_bytes;
}

void output_close_batch(struct ganger *g)
{
    if (!g->batch_open)
        return;
    batch_end(&g->batch, &g->out.last);
    g->batch_open = false;
}

/* An allocation failed: nothing of the frame under way may stay. */
static int output_failed(struct ganger *g, size_t len)
{
    g->out.last.len = len;
    g->out.last.failed = 0;
    return fail_plain(g, GANGER_ENOMEM);
}

static int output_frame(struct ganger *g, const struct msg_request *m)
{
    size_t len;

    output_close_batch(g);
    pieces_turn(&g->out, 0);
    len = g->out.last.len;
    msg_write_request(&g->out.last, m);
    if (g->out.last.failed != 0)
        return output_failed(g, len);
    return 0;
}

/* Tell the daemon for whom we wait from now on; the answer, to the number of no slot, is dropped.
 */
static int output_act(struct ganger *g)
{
    uint64_t fence = acting_fence();
    struct msg_request m = { .verb = VERB_ACT, .number = fence };
    int rc;

    if (fence != 0)
        m.id = atomic_load_explicit(&acting.id, memory_order_relaxed);
    rc = output_frame(g, &m);
    if (rc == 0)
        g->acted = fence;
    return rc;
}

int output_renew_act(struct ganger *g)
{
    g->acted = 0;
    return acting_fence() == 0 ? 0 : output_act(g);
}

int output_place(struct ganger *g, const struct msg_submit *m, uint8_t **ret_place)
{
    size_t len;

    if (g->acted != acting_fence() && (m->flags & TASK_WAIT) != 0 && output_act(g) < 0)
        return GANGER_ENOMEM;
    if (g->batch_open && (g->batch.count >= g->server.batch_max ||
                             g->out.last.len - g->batch_from + m->payload.len > FLUSH_BYTES))
        output_close_batch(g);
    if (!g->batch_open) {
        pieces_turn(&g->out, m->payload.len);
        g->batch_from = g->out.last.len;
        batch_begin(&g->batch, &g->out.last, MSG_SUBMIT);
        if (g->out.last.failed != 0)
            return output_failed(g, g->batch_from);
        g->batch_open = true;
    }
    len = g->out.last.len;
    *ret_place = msg_place_submit(&g->batch, &g->out.last, m);
    if (*ret_place == NULL)
        return output_failed(g, len);
    return 0;
}

int output_submit(struct ganger *g, const struct msg_submit *m)
{
    uint8_t *place;
    int rc = output_place(g, m, &place);

    if (rc == 0)
        memcpy(place, m->payload.data, m->payload.len);
    return rc;
}

int output_request(struct ganger *g, const struct msg_request *m)
{
    if (m->verb == VERB_WAIT && g->acted != acting_fence() && output_act(g) < 0)
        return GANGER_ENOMEM;
    return output_frame(g, m);
}
