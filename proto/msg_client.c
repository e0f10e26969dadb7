/* The messages between a client and the coordinator. */
#include "proto/msg_wire.h"

#include <stddef.h>

#define SUBMIT_FIELDS   6u
#define ACCEPTED_FIELDS 2u
#define REFUSED_FIELDS  4u
#define END_FIELDS      6u
#define PROGRESS_FIELDS 5u
#define REQUEST_FIELDS  6u
#define REPLY_FIELDS    4u

/* Flags that a submit may carry; others are refused, like unknown options. */
#define TASK_FLAGS (TASK_DURABLE | TASK_WAIT | TASK_QUIET | TASK_CHUNK | TASK_NOT_DURABLE)

/* What the rest of a reply can take beside its value. */
#define REPLY_VALUE_MAX (GANGER_FRAME_MAX - GANGER_TEXT_MAX - 64)

uint8_t *msg_place_submit(struct batch *b, struct out *o, const struct msg_submit *m)
{
    size_t bytes = 1 + 2 * PUT_UINT_MAX + 3 * PUT_HEAD_MAX + 1 + m->pool.len + m->function.len +
                   m->payload.len + PUT_SLACK;
    uint8_t *p;

    if (WIRE_UNLIKELY(m->options.given != 0))
        bytes += options_bound(&m->options);
    p = batch_room(b, o, bytes);
    if (WIRE_UNLIKELY(p == NULL))
        return NULL;
    p = put_byte(p, 0x90 | SUBMIT_FIELDS);
    p = put_uint(p, m->req);
    p = put_uint(p, m->flags);
    p = put_str(p, m->pool.data, m->pool.len);
    p = WIRE_LIKELY(m->options.given == 0) ? put_byte(p, 0x80) : options_put(p, &m->options);
    p = put_str(p, m->function.data, m->function.len);
    p = put_bin_head(p, m->payload.len);
    batch_added(b, o, p + m->payload.len);
    return p;
}

void msg_add_submit(struct batch *b, struct out *o, const struct msg_submit *m)
{
    uint8_t *p = msg_place_submit(b, o, m);

    if (WIRE_LIKELY(p != NULL))
        (void)put_bytes(p, m->payload.data, m->payload.len);
}

static void take_options(struct cursor *c, struct task_options *ret)
{
    struct cursor copy;

    /* What is not given is not looked at. */
    ret->given = 0;
    ret->need_count = 0;
    if (WIRE_LIKELY(c->at != c->end && *c->at == 0x80)) {
        c->at++;
        return;
    }
    /* The needs are read up to need_count only, so they are not cleared. */
    memset(ret, 0, offsetof(struct task_options, needs));
    copy = *c;
    options_read(&copy, ret);
    *c = copy;
}

int msg_read_submit(struct msg *m, struct msg_submit *ret)
{
    struct cursor c = m->body;
    uint32_t fields = take_item(&c, SUBMIT_FIELDS);

    ret->req = take_uint(&c, UINT64_MAX);
    ret->flags = take_u32(&c, UINT32_MAX);
    ret->pool = take_str(&c, GANGER_NAME_MAX);
    take_options(&c, &ret->options);
    ret->call.data = c.at;
    ret->function = take_str(&c, GANGER_NAME_MAX);
    ret->payload = take_bin(&c, GANGER_PAYLOAD_MAX);
    ret->call.len = (size_t)(c.at - ret->call.data);
    if (WIRE_UNLIKELY(
            (ret->flags & ~(uint32_t)TASK_FLAGS) != 0 ||
            (ret->flags & (TASK_DURABLE | TASK_NOT_DURABLE)) == (TASK_DURABLE | TASK_NOT_DURABLE)))
        cursor_fail(&c, GANGER_EPROTO);
    return take_item_end(m, c, fields, SUBMIT_FIELDS);
}

static uint8_t *put_refusal(uint8_t *p, const struct msg_accepted *m, struct slice text)
{
    p = put_byte(p, 0x90 | REFUSED_FIELDS);
    p = put_uint(p, m->req);
    p = put_byte(p, 0);
    p = put_code(p, m->code);
    return put_str(p, text.data, text.len);
}

void msg_add_accepted(struct batch *b, struct out *o, const struct msg_accepted *m)
{
    size_t bytes = 1 + 3 * PUT_UINT_MAX + PUT_HEAD_MAX + PUT_SLACK;
    struct slice text = { NULL, 0 };
    uint8_t *p;

    GANGER_ASSERT((m->id != 0) != (m->code != 0));
    if (WIRE_UNLIKELY(m->code != 0))
        text = text_cut(m->text, GANGER_TEXT_MAX);
    p = batch_room(b, o, bytes + text.len);
    if (WIRE_UNLIKELY(p == NULL))
        return;
    if (WIRE_LIKELY(m->code == 0)) {
        p = put_byte(p, 0x90 | ACCEPTED_FIELDS);
        p = put_uint(p, m->req);
        p = put_uint(p, m->id);
    } else {
        p = put_refusal(p, m, text);
    }
    batch_added(b, o, p);
}

/* The code and text of a refusal; they are there exactly when the id is 0. */
static void read_refusal(struct cursor *c, uint32_t fields, struct msg_accepted *ret)
{
    if (fields < REFUSED_FIELDS) {
        cursor_fail(c, GANGER_EPROTO);
        return;
    }
    ret->code = read_code(c);
    ret->text = read_str(c, GANGER_TEXT_MAX);
    if (ret->code == 0)
        cursor_fail(c, GANGER_EPROTO);
}

int msg_read_accepted(struct msg *m, struct msg_accepted *ret)
{
    struct cursor c = m->body;
    struct cursor copy;
    uint32_t fields = take_item(&c, ACCEPTED_FIELDS);

    ret->req = take_uint(&c, UINT64_MAX);
    ret->id = take_uint(&c, UINT64_MAX);
    ret->code = 0;
    ret->text = (struct slice){ NULL, 0 };
    if (WIRE_LIKELY(ret->id != 0 || c.error != 0))
        return take_item_end(m, c, fields, ACCEPTED_FIELDS);
    copy = c;
    read_refusal(&copy, fields, ret);
    return take_item_end(m, copy, fields, REFUSED_FIELDS);
}

void msg_add_end(struct batch *b, struct out *o, const struct msg_end *m)
{
    uint8_t *p = batch_room(b, o, 1 + 5 * PUT_UINT_MAX + PUT_HEAD_MAX + m->outcome.len + PUT_SLACK);

    if (WIRE_UNLIKELY(p == NULL))
        return;
    p = put_byte(p, 0x90 | END_FIELDS);
    p = put_uint(p, m->req);
    p = put_uint(p, m->id);
    p = put_uint(p, m->end);
    p = put_code(p, m->code);
    p = put_uint(p, m->attempts);
    p = put_bin(p, m->outcome.data, m->outcome.len);
    batch_added(b, o, p);
}

int msg_read_end(struct msg *m, struct msg_end *ret)
{
    struct cursor c = m->body;
    uint32_t fields = take_item(&c, END_FIELDS);

    ret->req = take_uint(&c, UINT64_MAX);
    ret->id = take_uint(&c, UINT64_MAX);
    ret->end = take_u32(&c, END_DEAD);
    if (WIRE_UNLIKELY(ret->end < END_DONE))
        cursor_fail(&c, GANGER_EPROTO);
    ret->code = take_code(&c);
    ret->attempts = take_u32(&c, UINT32_MAX);
    ret->outcome = take_bin(&c, GANGER_PAYLOAD_MAX);
    return take_item_end(m, c, fields, END_FIELDS);
}

void msg_write_progress(struct out *o, const struct msg_progress *m)
{
    size_t mark = msg_begin(o, MSG_PROGRESS, PROGRESS_FIELDS);

    write_uint(o, m->req);
    write_uint(o, m->id);
    write_uint(o, m->done);
    write_uint(o, m->total);
    write_text(o, m->text);
    frame_end(o, mark);
}

int msg_read_progress(struct msg *m, struct msg_progress *ret)
{
    struct cursor *c = &m->body;

    ret->req = take_uint(c, UINT64_MAX);
    ret->id = take_uint(c, UINT64_MAX);
    ret->done = take_uint(c, UINT64_MAX);
    ret->total = take_uint(c, UINT64_MAX);
    ret->text = take_str(c, GANGER_TEXT_MAX);
    return msg_end_of(m, PROGRESS_FIELDS);
}

void msg_write_request(struct out *o, const struct msg_request *m)
{
    size_t mark = msg_begin(o, MSG_REQUEST, REQUEST_FIELDS);

    write_uint(o, m->req);
    write_uint(o, m->verb);
    write_uint(o, m->id);
    write_str(o, m->name.data, m->name.len);
    write_uint(o, m->number);
    write_uint(o, m->number2);
    frame_end(o, mark);
}

int msg_read_request(struct msg *m, struct msg_request *ret)
{
    struct cursor *c = &m->body;

    ret->req = take_uint(c, UINT64_MAX);
    ret->verb = take_u32(c, UINT32_MAX);
    ret->id = take_uint(c, UINT64_MAX);
    ret->name = take_str(c, GANGER_NAME_MAX);
    ret->number = take_uint(c, UINT64_MAX);
    ret->number2 = take_uint(c, UINT64_MAX);
    return msg_end_of(m, REQUEST_FIELDS);
}

void msg_write_reply(struct out *o, const struct msg_reply *m)
{
    bool fits = m->value.len <= REPLY_VALUE_MAX;
    size_t mark = msg_begin(o, MSG_REPLY, REPLY_FIELDS);

    /* An answer that fits in no frame must not end the connection. */
    write_uint(o, m->req);
    write_code(o, fits ? m->code : GANGER_ETOOBIG);
    write_text(o, fits ? m->text : text_of("the answer is too long for one frame"));
    if (fits && m->value.len != 0)
        write_raw(o, m->value.data, m->value.len);
    else
        write_nil(o);
    frame_end(o, mark);
}

int msg_read_reply(struct msg *m, struct msg_reply *ret)
{
    struct cursor *c = &m->body;

    ret->req = take_uint(c, UINT64_MAX);
    ret->code = read_code(c);
    ret->text = take_str(c, GANGER_TEXT_MAX);
    ret->value = (struct slice){ NULL, 0 };
    if (!read_nil(c))
        ret->value = read_raw(c);
    return msg_end_of(m, REPLY_FIELDS);
}
