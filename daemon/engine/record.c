#include "engine/internal.h"
#include "proto/wire.h"

#include <string.h>

/*
 * Records are a msgpack array (the head) and, for tasks and ends, raw bytes after it: the call
 * (function and payload as encoded) or the outcome. Times are wall clock, milliseconds, 0 = none.
 *
 * TASK:    [pool, uid, flags, priority, attempts, crash_budget, jitter, limit_us, kill_grace_us,
 *           backoff_us, backoff_max_us, retention_us, due_ms, due_is_wall, expiry_ms,
 *           [[semaphore, permits], ...]] call
 * ATTEMPT: [attempts, crashes, due_ms, [[code, signal, exit], ...]]
 * END:     [end, -code, attempts, forget_ms, pool, uid, priority] outcome
 *
 * An end stands alone: by the time it is read the records of its task may be gone.
 */
#define TASK_HEAD_MAX 160u                /* of a task's head, without names */
#define END_HEAD_MAX  64u                 /* of an end's head, without its name */
#define WALL_MAX_MS   (UINT64_C(1) << 50) /* far beyond any date, far below any overflow */
#define SPAN_MAX_US   (GANGER_DURATION_MAX_MS * 1000)
#define NEED_MAX      12u /* of a need, without its name */

size_t record_task_bytes(const struct engine *e, const struct core_spec *spec, size_t call_bytes)
{
    size_t bytes = TASK_HEAD_MAX + strlen(core_pool_name(e->core, spec->pool)) + call_bytes;

    for (unsigned i = 0; i < spec->need_count; i++)
        bytes += NEED_MAX + strlen(core_sem_name(e->core, spec->needs[i].sem));
    return bytes;
}

static void write_name(struct out *o, const char *name)
{
    write_str(o, name, strlen(name));
}

static uint8_t *put_name(uint8_t *p, const char *name)
{
    return put_str(p, name, strlen(name));
}

static uint8_t *put_bool(uint8_t *p, bool v)
{
    return put_byte(p, v ? 0xc3 : 0xc2);
}

static uint64_t due_ms(const struct engine *e, uint64_t due_us)
{
    return due_us <= e->now_us ? 0 : wall_of(e, due_us);
}

void record_task(struct engine *e, uint32_t slot, struct out *o)
{
    struct core_spec s;
    uint8_t *p;

    core_task_spec(e->core, slot, &s);
    o->len = 0;
    p = out_place(o, TASK_HEAD_MAX + GANGER_NAME_MAX + PUT_SLACK);
    if (p == NULL)
        return;
    p = put_array(p, 16);
    p = put_name(p, core_pool_name(e->core, s.pool));
    p = put_uint(p, s.uid);
    p = put_uint(p, s.flags);
    p = put_uint(p, s.priority);
    p = put_uint(p, s.attempts_max);
    p = put_uint(p, s.crash_budget);
    p = put_uint(p, s.jitter_percent);
    p = put_uint(p, s.limit_us);
    p = put_uint(p, s.kill_grace_us);
    p = put_uint(p, s.backoff_us);
    p = put_uint(p, s.backoff_max_us);
    p = put_uint(p, s.retention_us);
    p = put_uint(p, due_ms(e, s.due_us));
    p = put_bool(p, s.due_wall);
    p = put_uint(p, s.expiry_us == 0 ? 0 : wall_of(e, s.expiry_us));
    p = put_array(p, s.need_count);
    out_advance(o, p);
    for (unsigned i = 0; i < s.need_count; i++) {
        write_array(o, 2);
        write_name(o, core_sem_name(e->core, s.needs[i].sem));
        write_uint(o, s.needs[i].permits);
    }
}

static void read_needs(struct engine *e, struct cursor *c, struct core_spec *s)
{
    uint32_t n = read_array(c, GANGER_NEEDS_MAX);

    for (uint32_t i = 0; i < n && c->error == 0; i++) {
        struct slice name;

        if (read_array(c, 2) != 2)
            c->error = GANGER_EPROTO;
        name = read_str(c, GANGER_NAME_MAX);
        s->needs[i].permits = (uint32_t)read_uint(c, GANGER_PERMITS_MAX);
        if (c->error == 0 &&
            core_sem_add(e->core, (const char *)name.data, name.len, &s->needs[i].sem) < 0)
            c->error = GANGER_ENOMEM;
    }
    s->need_count = (uint8_t)n;
}

int record_read_task(
    struct engine *e, const struct store_record *r, struct core_spec *ret, struct slice *ret_call)
{
    struct cursor c = cursor_make(r->data, r->data_bytes);
    struct core_spec s = { 0 };
    struct slice pool;
    uint64_t due, expiry;

    if (read_array(&c, 16) != 16)
        return GANGER_ECORRUPT;
    pool = read_str(&c, GANGER_NAME_MAX);
    s.uid = (uint32_t)read_uint(&c, UINT32_MAX);
    s.flags = (uint32_t)read_uint(&c, UINT8_MAX);
    s.priority = (uint8_t)read_uint(&c, GANGER_PRIORITY_MAX);
    s.attempts_max = (uint16_t)read_uint(&c, GANGER_ATTEMPTS_MAX);
    s.crash_budget = (uint8_t)read_uint(&c, GANGER_CRASHES_MAX);
    s.jitter_percent = (uint8_t)read_uint(&c, 100);
    s.limit_us = read_uint(&c, SPAN_MAX_US);
    s.kill_grace_us = read_uint(&c, SPAN_MAX_US);
    s.backoff_us = read_uint(&c, SPAN_MAX_US);
    s.backoff_max_us = read_uint(&c, SPAN_MAX_US);
    s.retention_us = read_uint(&c, SPAN_MAX_US);
    due = read_uint(&c, WALL_MAX_MS);
    s.due_wall = read_bool(&c);
    expiry = read_uint(&c, WALL_MAX_MS);
    read_needs(e, &c, &s);
    if (c.error == 0)
        c.error = core_pool_add(e->core, (const char *)pool.data, pool.len, &s.pool);
    if (c.error != 0)
        return c.error == GANGER_ENOMEM ? GANGER_ENOMEM : GANGER_ECORRUPT;
    s.due_us = due == 0 ? 0 : mono_of(e, due);
    s.expiry_us = expiry == 0 ? 0 : mono_of(e, expiry);
    *ret_call = (struct slice){ c.at, (size_t)(c.end - c.at) };
    s.call_bytes = (uint32_t)ret_call->len;
    *ret = s;
    return 0;
}

void record_attempt(struct engine *e, uint32_t slot, struct out *o)
{
    struct core_attempts a;

    core_task_attempts(e->core, slot, &a);
    o->len = 0;
    write_array(o, 4);
    write_uint(o, a.attempts);
    write_uint(o, a.crashes);
    write_uint(o, due_ms(e, a.due_us));
    write_array(o, a.cause_count);
    for (unsigned i = 0; i < a.cause_count; i++) {
        write_array(o, 3);
        write_uint(o, a.causes[i].code);
        write_uint(o, a.causes[i].signal);
        write_uint(o, a.causes[i].exit_code);
    }
}

int record_read_attempt(struct engine *e, const struct store_record *r, struct core_attempts *ret)
{
    struct cursor c = cursor_make(r->data, r->data_bytes);
    struct core_attempts a = { 0 };
    uint64_t due;

    if (read_array(&c, 4) != 4)
        return GANGER_ECORRUPT;
    a.attempts = (uint32_t)read_uint(&c, GANGER_ATTEMPTS_MAX);
    a.crashes = (uint8_t)read_uint(&c, GANGER_CRASHES_MAX);
    due = read_uint(&c, WALL_MAX_MS);
    a.cause_count = (uint8_t)read_array(&c, GANGER_CAUSES_MAX);
    for (unsigned i = 0; i < a.cause_count && c.error == 0; i++) {
        if (read_array(&c, 3) != 3)
            return GANGER_ECORRUPT;
        a.causes[i].code = (uint8_t)read_uint(&c, UINT8_MAX);
        a.causes[i].signal = (uint8_t)read_uint(&c, UINT8_MAX);
        a.causes[i].exit_code = (uint8_t)read_uint(&c, UINT8_MAX);
    }
    if (c.error != 0)
        return GANGER_ECORRUPT;
    a.due_us = due == 0 ? 0 : mono_of(e, due);
    *ret = a;
    return 0;
}

void record_end(struct engine *e, uint32_t slot, struct out *o)
{
    struct core_ended t;
    uint64_t retention_ms;
    uint8_t *p;

    core_task_ended(e->core, slot, &t);
    retention_ms = t.retention_us == 0 ? e->cfg.orphan_retention_ms : t.retention_us / 1000;
    o->len = 0;
    p = out_place(o, END_HEAD_MAX + GANGER_NAME_MAX + PUT_SLACK);
    if (p == NULL)
        return;
    p = put_array(p, 7);
    p = put_uint(p, t.end);
    p = put_uint(p, (uint64_t)-t.code);
    p = put_uint(p, t.attempts);
    p = put_uint(p, e->wall_ms + retention_ms);
    p = put_name(p, core_pool_name(e->core, t.pool));
    p = put_uint(p, t.uid);
    p = put_uint(p, t.priority);
    out_advance(o, p);
}

int record_read_end(struct engine *e, const struct store_record *r, struct event *ret,
    struct core_spec *ret_spec, struct slice *ret_outcome)
{
    struct cursor c = cursor_make(r->data, r->data_bytes);
    struct core_spec s = { .flags = CORE_TASK_DURABLE, .attempts_max = 1, .crash_budget = 1 };
    uint64_t state, code, attempts, forget_ms;
    struct slice pool;

    if (read_array(&c, 7) != 7)
        return GANGER_ECORRUPT;
    state = read_uint(&c, TASK_DEAD);
    code = read_uint(&c, UINT8_MAX);
    attempts = read_uint(&c, GANGER_ATTEMPTS_MAX);
    forget_ms = read_uint(&c, WALL_MAX_MS);
    pool = read_str(&c, GANGER_NAME_MAX);
    s.uid = (uint32_t)read_uint(&c, UINT32_MAX);
    s.priority = (uint8_t)read_uint(&c, GANGER_PRIORITY_MAX);
    if (c.error != 0 || state < TASK_DONE)
        return GANGER_ECORRUPT;
    if (core_pool_add(e->core, (const char *)pool.data, pool.len, &s.pool) < 0)
        return GANGER_ENOMEM;
    *ret_spec = s;
    *ret_outcome = (struct slice){ c.at, (size_t)(c.end - c.at) };
    *ret = (struct event){ .type = EVENT_REPLAY_END,
        .id = r->key,
        .state = (enum task_state)state,
        .code = -(int)code,
        .number = ret_outcome->len,
        .number2 = attempts,
        .time_us = mono_of(e, forget_ms) };
    return 0;
}
