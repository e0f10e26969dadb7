/* The detail of an unsuccessful end, and how a worker process ended. */
#include "proto/msg_wire.h"

#define WORKER_END_FIELDS 8u
#define DETAIL_FIELDS     6u
#define CAUSE_FIELDS      3u

/* What all of a detail but its value can take. */
#define DETAIL_REST_MAX (2 * GANGER_TEXT_MAX + GANGER_STDERR_TAIL + 1024)

void worker_end_write(struct out *o, const struct msg_worker_end *w)
{
    struct slice tail = w->stderr_tail;

    if (tail.len > GANGER_STDERR_TAIL) {
        tail.data += tail.len - GANGER_STDERR_TAIL;
        tail.len = GANGER_STDERR_TAIL;
    }
    write_array(o, WORKER_END_FIELDS);
    write_uint(o, w->pid);
    write_uint(o, w->exit_code);
    write_uint(o, w->signal);
    write_bool(o, w->core);
    write_uint(o, w->user_us);
    write_uint(o, w->system_us);
    write_uint(o, w->maxrss_kib);
    write_bin(o, tail.data, tail.len);
}

void worker_end_read(struct cursor *c, struct msg_worker_end *ret)
{
    uint32_t fields = take_item(c, WORKER_END_FIELDS);

    ret->pid = take_uint(c, UINT64_MAX);
    ret->exit_code = take_u32(c, UINT32_MAX);
    ret->signal = take_u32(c, UINT32_MAX);
    ret->core = read_bool(c);
    ret->user_us = take_uint(c, UINT64_MAX);
    ret->system_us = take_uint(c, UINT64_MAX);
    ret->maxrss_kib = take_uint(c, UINT64_MAX);
    ret->stderr_tail = take_bin(c, GANGER_STDERR_TAIL);
    skip_fields(c, fields, WORKER_END_FIELDS);
}

static void causes_write(struct out *o, const struct msg_detail *d)
{
    GANGER_ASSERT(d->cause_count <= GANGER_CAUSES_MAX);
    write_array(o, d->cause_count);
    for (uint32_t i = 0; i < d->cause_count; i++) {
        write_array(o, CAUSE_FIELDS);
        write_code(o, d->causes[i].code);
        write_uint(o, d->causes[i].signal);
        write_uint(o, d->causes[i].exit_code);
    }
}

static void causes_read(struct cursor *c, struct msg_detail *ret)
{
    uint32_t count = read_array(c, GANGER_CAUSES_MAX);

    for (uint32_t i = 0; i < count && c->error == 0; i++) {
        uint32_t fields = take_item(c, CAUSE_FIELDS);

        ret->causes[i].code = read_code(c);
        ret->causes[i].signal = take_u32(c, UINT32_MAX);
        ret->causes[i].exit_code = take_u32(c, UINT32_MAX);
        skip_fields(c, fields, CAUSE_FIELDS);
    }
    ret->cause_count = c->error == 0 ? count : 0;
}

void msg_write_detail(struct out *o, const struct msg_detail *d)
{
    write_array(o, DETAIL_FIELDS);
    write_code(o, d->code);
    write_text(o, d->text);
    write_text(o, d->backtrace);
    if (d->value.len == 0 || d->value.len > GANGER_PAYLOAD_MAX - DETAIL_REST_MAX)
        write_nil(o);
    else
        write_raw(o, d->value.data, d->value.len);
    if (d->has_worker_end)
        worker_end_write(o, &d->worker_end);
    else
        write_nil(o);
    causes_write(o, d);
}

int msg_read_detail(const void *data, size_t len, struct msg_detail *ret)
{
    struct cursor c = cursor_make(data, len);
    uint32_t fields;

    *ret = (struct msg_detail){ 0 };
    if (len == 0)
        return 0;
    fields = take_item(&c, DETAIL_FIELDS);
    ret->code = read_code(&c);
    ret->text = take_str(&c, GANGER_TEXT_MAX);
    ret->backtrace = take_str(&c, GANGER_TEXT_MAX);
    if (!read_nil(&c))
        ret->value = read_raw(&c);
    ret->has_worker_end = !read_nil(&c);
    if (ret->has_worker_end)
        worker_end_read(&c, &ret->worker_end);
    causes_read(&c, ret);
    skip_fields(&c, fields, DETAIL_FIELDS);
    if (c.at != c.end)
        cursor_fail(&c, GANGER_EPROTO);
    return c.error;
}
