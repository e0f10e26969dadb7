/* Requests: what is sent with a verb and answered by a reply, and the slots that wait for it. */
#include "answer.h"
#include "handle.h"

#include <stdlib.h>
#include <string.h>

static int request_write(struct ganger_future *f)
{
    struct msg_request *m = &f->extra->request;

    m->req = f->req;
    m->name = (struct slice){ (const uint8_t *)f->extra->name, m->name.len };
    return output_request(f->g, m);
}

int request_resend(struct ganger_future *f)
{
    struct msg_request wait = { .req = f->req, .verb = VERB_WAIT, .id = f->id };

    return f->kind == SLOT_REQUEST ? request_write(f) : output_request(f->g, &wait);
}

int request_send(struct ganger *g, const struct msg_request *m, struct ganger_future **ret_f)
{
    struct ganger_future *f;
    int rc;

    if (g->state == LINK_DEAD)
        return fail_plain(g, g->dead_code);
    f = slot_new(g, SLOT_REQUEST);
    if (f == NULL)
        return fail_plain(g, GANGER_ENOMEM);
    if (slot_extra(f) == NULL) {
        slot_free(f);
        return fail_plain(g, GANGER_ENOMEM);
    }
    f->extra->request = *m;
    if (m->name.len != 0)
        memcpy(f->extra->name, m->name.data, m->name.len);
    rc = request_write(f);
    if (rc < 0) {
        slot_free(f);
        return rc;
    }
    *ret_f = f;
    return 0;
}

static void cancel_answered(struct ganger_future *r)
{
    /* Whatever the answer is, the end of the task tells what became of it. */
    slot_free(r);
}

int request_cancel(struct ganger_future *f)
{
    struct msg_request m = { .verb = VERB_CANCEL, .id = f->id };
    struct ganger_future *r;
    int rc = request_send(f->g, &m, &r);

    if (rc < 0)
        return rc;
    r->hook = cancel_answered;
    return 0;
}

static void unwait_answered(struct ganger_future *r)
{
    struct ganger_future *f = r->hook_arg;

    if (f != NULL)
        slot_free(f);
    slot_free(r);
}

int request_unwait(struct ganger_future *f)
{
    struct msg_request m = { .verb = VERB_UNWAIT, .id = f->id, .number = f->req };
    struct ganger_future *r;
    int rc = request_send(f->g, &m, &r);

    if (rc < 0)
        return rc;
    r->hook = unwait_answered;
    r->hook_arg = f;
    f->hook_arg = r;
    f->flags |= SLOT_UNWAITED;
    return 0;
}

int ganger_request(struct ganger *g, enum ganger_verb verb, uint64_t id, const char *name,
    uint64_t number, uint64_t number2, struct ganger_future **ret_future)
{
    struct msg_request m = { .verb = (uint32_t)verb, .id = id, .number = number };
    int64_t len;
    int rc = handle_check(g);

    if (rc < 0)
        return rc;
    /* WAIT and UNWAIT have answers of their own kind: ganger_attach(), ganger_future_free(). */
    if (m.verb == 0 || m.verb >= VERB_COUNT || m.verb == VERB_WAIT || m.verb == VERB_UNWAIT)
        return fail(g, GANGER_EINVAL, "unknown request %u", m.verb);
    len = name_check(g, verb_name(m.verb), name, true);
    if (len < 0)
        return (int)len;
    m.name = (struct slice){ (const uint8_t *)name, (size_t)len };
    m.number2 = number2;
    return request_send(g, &m, ret_future);
}

static int ask(struct ganger *g, const struct msg_request *m, int64_t timeout_ms,
    struct ganger_future **ret_f, struct ganger_bytes *ret_value)
{
    struct ganger_future *f;
    int rc = handle_check_block(g);

    if (rc < 0)
        return rc;
    rc = ganger_request(
        g, (enum ganger_verb)m->verb, m->id, (const char *)m->name.data, m->number, m->number2, &f);
    if (rc < 0)
        return rc;
    f->flags |= SLOT_HIDDEN;
    rc = ganger_future_result(f, timeout_ms, ret_value);
    if (rc < 0) {
        ganger_future_free(f);
        return rc;
    }
    *ret_f = f;
    return 0;
}

static struct msg_request request_of(
    enum ganger_verb verb, uint64_t id, const char *name, uint64_t number)
{
    /* The name's length is taken where it is checked. */
    return (struct msg_request){
        .verb = (uint32_t)verb, .id = id, .name = { (const uint8_t *)name, 0 }, .number = number
    };
}

/* A request whose reply has no value that is of use. */
static int ask_plain(struct ganger *g, enum ganger_verb verb, uint64_t id, const char *name,
    uint64_t number, int64_t timeout_ms)
{
    struct msg_request m = request_of(verb, id, name, number);
    struct ganger_bytes value;
    struct ganger_future *f;
    int rc = ask(g, &m, timeout_ms, &f, &value);

    if (rc == 0)
        ganger_future_free(f);
    return rc;
}

int ganger_ask(struct ganger *g, enum ganger_verb verb, uint64_t id, const char *name,
    uint64_t number, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes)
{
    static const uint8_t nil = 0xc0;
    struct msg_request m = request_of(verb, id, name, number);
    struct ganger_bytes value;
    struct ganger_future *f;
    void *copy;
    int rc = ask(g, &m, timeout_ms, &f, &value);

    if (rc < 0)
        return rc;
    if (value.len == 0)
        value = (struct ganger_bytes){ &nil, 1 };
    copy = malloc(value.len);
    if (copy == NULL) {
        rc = fail_plain(g, GANGER_ENOMEM);
    } else {
        memcpy(copy, value.data, value.len);
        *ret_value = copy;
        *ret_value_bytes = value.len;
    }
    ganger_future_free(f);
    return rc;
}

int ganger_wait_room(
    struct ganger *g, const char *pool, uint64_t tasks, uint64_t bytes, int64_t timeout_ms)
{
    struct msg_request m = request_of(GANGER_ROOM, 0, pool, tasks);
    struct ganger_bytes value;
    struct ganger_future *f;
    int rc;

    m.number2 = bytes;
    rc = ask(g, &m, timeout_ms, &f, &value);
    if (rc == 0)
        ganger_future_free(f);
    return rc;
}

int ganger_ping(struct ganger *g, int64_t timeout_ms)
{
    return ask_plain(g, GANGER_PING, 0, NULL, 0, timeout_ms);
}

int ganger_status(
    struct ganger *g, uint64_t id, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes)
{
    return ganger_ask(g, GANGER_STATUS, id, NULL, 0, timeout_ms, ret_value, ret_value_bytes);
}

int ganger_why(
    struct ganger *g, uint64_t id, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes)
{
    return ganger_ask(g, GANGER_WHY, id, NULL, 0, timeout_ms, ret_value, ret_value_bytes);
}

int ganger_cancel(struct ganger *g, uint64_t id, int64_t timeout_ms)
{
    return ask_plain(g, GANGER_CANCEL, id, NULL, 0, timeout_ms);
}

int ganger_forget(struct ganger *g, uint64_t id, int64_t timeout_ms)
{
    return ask_plain(g, GANGER_FORGET, id, NULL, 0, timeout_ms);
}

int ganger_pools(struct ganger *g, const char *name, int64_t timeout_ms, void **ret_value,
    size_t *ret_value_bytes)
{
    return ganger_ask(g, GANGER_POOLS, 0, name, 0, timeout_ms, ret_value, ret_value_bytes);
}

int ganger_pool_processes(
    struct ganger *g, const char *name, int64_t timeout_ms, uint32_t *ret_processes)
{
    struct msg_request m = request_of(GANGER_POOLS, 0, name, 0);
    struct ganger_bytes value;
    struct ganger_future *f;
    int64_t rc = name_check(g, "pool", name, false);

    if (rc < 0)
        return (int)rc;
    rc = ask(g, &m, timeout_ms, &f, &value);
    if (rc < 0)
        return (int)rc;
    rc = pools_processes(value.data, value.len, ret_processes);
    ganger_future_free(f);
    return rc < 0 ? fail(g, (int)rc, "the daemon's answer names no number of processes") : 0;
}

int ganger_pool_resize(struct ganger *g, const char *name, uint32_t processes, int64_t timeout_ms)
{
    return ask_plain(g, GANGER_POOL_RESIZE, 0, name, processes, timeout_ms);
}

int ganger_pool_pause(struct ganger *g, const char *name, int64_t timeout_ms)
{
    return ask_plain(g, GANGER_POOL_PAUSE, 0, name, 0, timeout_ms);
}

int ganger_pool_resume(struct ganger *g, const char *name, int64_t timeout_ms)
{
    return ask_plain(g, GANGER_POOL_RESUME, 0, name, 0, timeout_ms);
}

int ganger_sem_set(struct ganger *g, const char *name, uint32_t permits, int64_t timeout_ms)
{
    return ask_plain(g, GANGER_SEM_SET, 0, name, permits, timeout_ms);
}

int ganger_sem_value(
    struct ganger *g, const char *name, int64_t timeout_ms, struct ganger_sem_value *ret_value)
{
    struct msg_request m = request_of(GANGER_SEM_VALUE, 0, name, 0);
    struct ganger_bytes value;
    struct ganger_future *f;
    int rc = ask(g, &m, timeout_ms, &f, &value);

    if (rc < 0)
        return rc;
    rc = sem_parse(value.data, value.len, ret_value);
    ganger_future_free(f);
    return rc < 0 ? fail(g, rc, "the daemon's answer is not that of a semaphore") : 0;
}

int ganger_sem_list(struct ganger *g, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes)
{
    return ganger_ask(g, GANGER_SEM_LIST, 0, NULL, 0, timeout_ms, ret_value, ret_value_bytes);
}

int ganger_stats(struct ganger *g, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes)
{
    return ganger_ask(g, GANGER_STATS, 0, NULL, 0, timeout_ms, ret_value, ret_value_bytes);
}
