/* Submitting tasks. */
#include "handle.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t nil = 0xc0;

static int payload_check(struct ganger *g, struct slice payload)
{
    if (payload.len > g->server.payload_max || payload.len > GANGER_PAYLOAD_MAX)
        return fail(g, GANGER_ETOOBIG, "a payload of %zu bytes; the daemon takes %u", payload.len,
            g->server.payload_max);
    if (!value_valid(payload.data, payload.len))
        return fail(g, GANGER_EDECODE, "the payload is not exactly one msgpack value");
    return 0;
}

int submit_slot(struct ganger_future *f, struct msg_submit *m, struct slot_call *call)
{
    struct ganger *g = f->g;

    m->req = f->req;
    if (call != NULL) {
        f->call = call;
        f->flags |= SLOT_WAIT_ROOM;
        if (room_busy(g, m->pool))
            return room_hold(f);
    }
    return output_submit(g, m);
}

struct space {
    struct ganger *g;
    size_t bytes;
};

static bool space_found(void *arg)
{
    const struct space *space = arg;
    const struct ganger *g = space->g;
    size_t used = output_bytes(g);

    /* A payload larger than the bound goes when nothing else waits. */
    return used == 0 || used + space->bytes <= g->output_max || g->state == LINK_DEAD;
}

/* Wait, or do not, until BYTES more fit under the bound of the output. */
static int space_await(struct ganger *g, size_t bytes)
{
    struct space space = { g, bytes };
    int rc;

    if (space_found(&space))
        return 0;
    if (g->inside || g->nonblocking) {
        link_write(g);
        return space_found(&space) ? 0
                                   : fail(g, GANGER_EAGAIN, "%zu bytes wait to be written already",
                                         output_bytes(g));
    }
    rc = wait_for(g, space_found, &space, GANGER_FOREVER);
    if (rc == 0 && g->state == LINK_DEAD)
        return fail_plain(g, g->dead_code);
    return rc;
}

/* Names and payload of CALL into M. */
static int call_convert(struct ganger *g, const struct ganger_call *call, struct msg_submit *ret_m)
{
    int64_t pool = name_check(g, "pool", call->pool, false);
    int64_t function = name_check(g, "function", call->function, true);

    if (pool < 0 || function < 0)
        return (int)(pool < 0 ? pool : function);
    ret_m->pool = (struct slice){ (const uint8_t *)call->pool, (size_t)pool };
    ret_m->function = (struct slice){ (const uint8_t *)call->function, (size_t)function };
    ret_m->payload = (struct slice){ call->payload, call->payload_bytes };
    if (call->payload_bytes == 0)
        ret_m->payload = (struct slice){ &nil, 1 };
    return payload_check(g, ret_m->payload);
}

/* A copy of M to be submitted again if the pool is full. */
static int call_keep(struct ganger *g, const struct msg_submit *m, struct slot_call **ret_call)
{
    struct call_head *head = call_head_new(m);
    struct slot_call *call = head == NULL ? NULL : call_new(head, m->flags, m->payload.len);

    call_head_unref(head);
    if (call == NULL)
        return fail_plain(g, GANGER_ENOMEM);
    memcpy(call->payload, m->payload.data, m->payload.len);
    *ret_call = call;
    return 0;
}

static uint16_t slot_flags(const struct ganger_options *options)
{
    uint32_t flags = options == NULL ? 0 : options->flags;

    if (flags & GANGER_DETACHED)
        return SLOT_DETACHED;
    return flags & GANGER_QUIET ? SLOT_QUIET : 0;
}

/* Submit what the handle's scratch message holds; its options and flags are set. */
static int submit_scratch(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, struct ganger_future **ret_future)
{
    struct msg_submit *m = &g->scratch;
    struct slot_call *kept = NULL;
    struct ganger_future *f;
    int rc = call_convert(g, call, m);

    if (rc < 0)
        return rc;
    if (options != NULL && (options->flags & GANGER_WAIT_ROOM)) {
        rc = call_keep(g, m, &kept);
        if (rc < 0)
            return rc;
    }
    f = slot_new(g, SLOT_TASK);
    if (f == NULL) {
        call_free(kept);
        return fail_plain(g, GANGER_ENOMEM);
    }
    f->flags = slot_flags(options);
    rc = submit_slot(f, m, kept);
    if (rc < 0) {
        slot_free(f);
        return rc;
    }
    if (g->writable && pieces_unsent(&g->out) >= FLUSH_BYTES)
        link_write(g);
    *ret_future = f;
    return 0;
}

int ganger_submit(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, struct ganger_future **ret_future)
{
    int rc = handle_check(g);

    if (rc < 0)
        return rc;
    rc = space_await(g, call->payload_bytes);
    if (rc < 0)
        return rc;
    if (g->state == LINK_DEAD)
        return fail_plain(g, g->dead_code);
    /* Only now: waiting runs callbacks, and those may submit through the same scratch message. */
    rc = options_convert(g, options, &g->scratch.options, &g->scratch.flags);
    if (rc < 0)
        return rc;
    return submit_scratch(g, call, options, ret_future);
}

int ganger_submit_many(struct ganger *g, const struct ganger_call *calls, size_t count,
    const struct ganger_options *options, struct ganger_future **ret_futures, size_t *ret_count)
{
    int rc = 0;

    *ret_count = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = ganger_submit(g, &calls[i], options, &ret_futures[i]);
        if (rc == 0)
            ++*ret_count;
    }
    return rc;
}

int ganger_submit_detached(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, int64_t timeout_ms, uint64_t *ret_id)
{
    struct ganger_options detached;
    struct ganger_bytes none;
    struct ganger_future *f;
    int rc = handle_check_block(g);

    if (rc < 0)
        return rc;
    ganger_options_init(&detached);
    if (options != NULL)
        detached = *options;
    detached.flags |= GANGER_DETACHED;
    rc = ganger_submit(g, call, &detached, &f);
    if (rc < 0)
        return rc;
    f->flags |= SLOT_HIDDEN;
    rc = ganger_future_result(f, timeout_ms, &none);
    if (rc == 0)
        *ret_id = f->id;
    ganger_future_free(f);
    return rc;
}

int ganger_apply(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, void **ret_result, size_t *ret_result_bytes)
{
    struct ganger_options quiet;
    struct ganger_bytes result;
    struct ganger_future *f;
    void *copy = NULL;
    int rc = handle_check_block(g);

    if (rc < 0)
        return rc;
    ganger_options_init(&quiet);
    if (options != NULL)
        quiet = *options;
    /* Nobody asks for the id, which only a durable task needs to be taken up again. */
    if (quiet.durable != GANGER_DURABLE_YES)
        quiet.flags |= GANGER_QUIET;
    if (quiet.flags & GANGER_DETACHED)
        return fail(g, GANGER_EINVAL, "a detached task has no result to wait for");
    rc = ganger_submit(g, call, &quiet, &f);
    if (rc < 0)
        return rc;
    f->flags |= SLOT_HIDDEN;
    rc = ganger_future_result(f, GANGER_FOREVER, &result);
    if (rc == 0 && ret_result != NULL) {
        copy = malloc(result.len + 1);
        if (copy == NULL)
            rc = fail_plain(g, GANGER_ENOMEM);
    }
    if (rc == 0 && ret_result != NULL) {
        if (result.len != 0)
            memcpy(copy, result.data, result.len);
        *ret_result = copy;
        *ret_result_bytes = result.len;
    }
    ganger_future_free(f);
    return rc;
}

int ganger_apply_async(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, ganger_result_fn on_result, ganger_error_fn on_error,
    void *user, struct ganger_future **ret_future)
{
    struct ganger_future *f;
    int rc = ganger_submit(g, call, options, &f);

    if (rc < 0)
        return rc;
    if (slot_extra(f) == NULL) {
        ganger_future_free(f);
        return fail_plain(g, GANGER_ENOMEM);
    }
    f->extra->on_result = on_result;
    f->extra->on_error = on_error;
    f->extra->callback_user = user;
    if (ret_future != NULL)
        *ret_future = f;
    else
        f->flags |= SLOT_AUTO_FREE;
    return 0;
}
