/* Futures as the user sees them. */
#include "handle.h"

#include "proto/id.h"

#include <string.h>

uint64_t ganger_future_id(const struct ganger_future *f)
{
    return f->id;
}

struct ganger *ganger_future_handle(const struct ganger_future *f)
{
    return f->g;
}

void ganger_future_set_user(struct ganger_future *f, void *user)
{
    f->user = user;
}

void *ganger_future_user(const struct ganger_future *f)
{
    return f->user;
}

static bool future_done(void *arg)
{
    const struct ganger_future *f = arg;

    return f->phase == PHASE_READY;
}

static bool future_named(void *arg)
{
    const struct ganger_future *f = arg;

    return f->id != 0 || f->phase == PHASE_READY;
}

/* A dead link ends every future, so that with 0 or its code the future itself has the answer. */
static int future_until(struct ganger_future *f, bool (*done)(void *arg), int64_t timeout_ms)
{
    int rc;

    if (done(f))
        return 0;
    rc = wait_for(f->g, done, f, timeout_ms);
    return done(f) ? 0 : rc;
}

int ganger_future_wait(struct ganger_future *f, int64_t timeout_ms)
{
    return future_until(f, future_done, timeout_ms);
}

int ganger_future_wait_id(struct ganger_future *f, int64_t timeout_ms, uint64_t *ret_id)
{
    int rc;

    if (f->id == 0 && (f->flags & SLOT_QUIET) != 0 && f->phase != PHASE_READY)
        return fail(f->g, GANGER_ESTATE, "a quiet task has no id before its end");
    rc = future_until(f, future_named, timeout_ms);
    if (rc < 0)
        return rc;
    if (f->id == 0)
        return f->code != 0 ? f->code : fail(f->g, GANGER_ESTATE, "no task, so no id");
    *ret_id = f->id;
    return 0;
}

struct any {
    struct ganger_future *const *futures;
    size_t count, index;
};

static bool any_done(void *arg)
{
    struct any *any = arg;

    for (size_t i = 0; i < any->count; i++) {
        if (any->futures[i]->phase == PHASE_READY) {
            any->index = i;
            return true;
        }
    }
    return false;
}

int ganger_wait_any(
    struct ganger_future *const *futures, size_t count, int64_t timeout_ms, size_t *ret_index)
{
    struct any any = { futures, count, 0 };
    int rc = 0;

    if (count == 0)
        return GANGER_EINVAL;
    if (!any_done(&any))
        rc = wait_for(futures[0]->g, any_done, &any, timeout_ms);
    if (rc < 0 && !any_done(&any))
        return rc;
    *ret_index = any.index;
    return 0;
}

/* Whether a future that would be given is still to end. */
static bool next_pending(const struct ganger *g)
{
    uint32_t req = 0;
    const struct ganger_future *f;

    while ((f = slot_next(g, &req)) != NULL) {
        if (f->phase != PHASE_READY && slot_counted(f))
            return true;
    }
    return false;
}

static bool next_done(void *arg)
{
    const struct ganger *g = arg;

    return g->ready.first != 0 || !next_pending(g);
}

int ganger_wait_next(struct ganger *g, int64_t timeout_ms, struct ganger_future **ret_future)
{
    struct ganger_future *f;
    int rc = 0;

    if (!next_done(g))
        rc = wait_for(g, next_done, g, timeout_ms);
    if (rc < 0 && g->ready.first == 0)
        return rc;
    if (g->ready.first == 0)
        return fail(g, GANGER_ENOTASK, "no task is waited for");
    f = slot_find(g, g->ready.first);
    list_remove(g, &g->ready, f);
    f->flags &= (uint16_t)~SLOT_LISTED;
    *ret_future = f;
    return 0;
}

int ganger_future_ready(const struct ganger_future *f)
{
    return f->phase == PHASE_READY;
}

int ganger_future_successful(const struct ganger_future *f)
{
    if (f->phase != PHASE_READY)
        return fail(f->g, GANGER_ESTATE, "the task has not ended");
    return f->code == 0;
}

int ganger_future_result(
    struct ganger_future *f, int64_t timeout_ms, struct ganger_bytes *ret_result)
{
    const struct ganger_failure *failure;
    int rc = future_until(f, future_done, timeout_ms);

    if (rc < 0)
        return rc;
    if (f->code != 0) {
        failure = failure_of(f);
        return fail(f->g, f->code, "%s", failure != NULL ? failure->text : error_text(f->code));
    }
    *ret_result = (struct ganger_bytes){ f->data, f->len };
    return 0;
}

int ganger_future_error(struct ganger_future *f, struct ganger_failure *ret_error)
{
    const struct ganger_failure *failure;

    if (f->phase != PHASE_READY)
        return fail(f->g, GANGER_ESTATE, "the task has not ended");
    failure = failure_of(f);
    if (failure == NULL)
        return fail_plain(f->g, GANGER_ENOMEM);
    *ret_error = *failure;
    return 0;
}

void ganger_future_progress(const struct ganger_future *f, struct ganger_progress *ret_progress)
{
    static const struct ganger_progress none = { 0, 0, 0, "" };

    *ret_progress = f->extra != NULL && f->extra->progress.count != 0 ? f->extra->progress : none;
}

int ganger_future_cancel(struct ganger_future *f)
{
    int rc = handle_check(f->g);

    if (rc < 0)
        return rc;
    if (f->phase == PHASE_READY || f->phase == PHASE_ENDED)
        return 0;
    if (f->kind == SLOT_REQUEST)
        return fail(f->g, GANGER_ESTATE, "a request cannot be cancelled");
    if (f->phase == PHASE_HELD) {
        room_drop(f);
        f->end = GANGER_END_CANCELLED;
        slot_finish_text(f, GANGER_ECANCELLED, "cancelled while it waited for room");
        return 0;
    }
    if (f->phase == PHASE_ACCEPTED || f->kind == SLOT_ATTACH)
        return request_cancel(f);
    if (f->flags & SLOT_QUIET)
        return fail(f->g, GANGER_ESTATE, "a quiet task has no id to cancel it by");
    f->flags |= SLOT_CANCEL;
    return 0;
}

void ganger_future_free(struct ganger_future *f)
{
    if (f != NULL && *f->g->alive != 0)
        slot_release(f);
}

int ganger_attach(struct ganger *g, uint64_t id, struct ganger_future **ret_future)
{
    struct ganger_future *f;
    int rc = handle_check(g);

    if (rc < 0)
        return rc;
    if (g->state == LINK_DEAD)
        return fail_plain(g, g->dead_code);
    if (id == 0)
        return fail(g, GANGER_EINVAL, "0 is no task id");
    f = slot_new(g, SLOT_ATTACH);
    if (f == NULL)
        return fail_plain(g, GANGER_ENOMEM);
    f->id = id;
    rc = request_resend(f);
    if (rc < 0) {
        slot_free(f);
        return rc;
    }
    *ret_future = f;
    return 0;
}

size_t ganger_id_format(uint64_t id, char *buf)
{
    _Static_assert(GANGER_ID_TEXT == GANGER_ID_TEXT_MAX, "the public size is the printer's");

    return id_format(id, buf);
}

int ganger_id_parse(const char *text, uint64_t *ret_id)
{
    return text == NULL ? GANGER_EINVAL : id_parse(text, ret_id);
}
