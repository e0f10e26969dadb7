/* What waits to be written: whole frames, and one open batch of submits. */
#include "handle.h"

size_t output_bytes(const struct ganger *g)
{
    return g->out.len - g->written + g->held_bytes;
}

void output_close_batch(struct ganger *g)
{
    if (!g->batch_open)
        return;
    batch_end(&g->batch, &g->out);
    g->batch_open = false;
}

/* An allocation failed: nothing of the frame under way may stay. */
static int output_failed(struct ganger *g, size_t len)
{
    g->out.len = len;
    g->out.failed = 0;
    return fail_plain(g, GANGER_ENOMEM);
}

int output_submit(struct ganger *g, const struct msg_submit *m)
{
    size_t len;

    if (g->batch_open && (g->batch.count >= g->server.batch_max ||
                             g->out.len - g->batch_from + m->payload.len > FLUSH_BYTES))
        output_close_batch(g);
    if (!g->batch_open) {
        g->batch_from = g->out.len;
        batch_begin(&g->batch, &g->out, MSG_SUBMIT);
        if (g->out.failed != 0)
            return output_failed(g, g->batch_from);
        g->batch_open = true;
    }
    len = g->out.len;
    msg_add_submit(&g->batch, &g->out, m);
    if (g->out.failed != 0)
        return output_failed(g, len);
    return 0;
}

int output_request(struct ganger *g, const struct msg_request *m)
{
    size_t len;

    output_close_batch(g);
    len = g->out.len;
    msg_write_request(&g->out, m);
    if (g->out.failed != 0)
        return output_failed(g, len);
    return 0;
}
