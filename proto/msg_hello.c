#include "proto/msg_wire.h"

#define HELLO_FIELDS 7u
#define LIMIT_FIELDS 5u
#define ERROR_FIELDS 2u

void msg_write_hello(struct out *o, const struct msg_hello *m)
{
    size_t mark = msg_begin(o, MSG_HELLO, HELLO_FIELDS);

    write_uint(o, m->version);
    write_uint(o, m->role);
    write_uint(o, m->features);
    write_str(o, m->name.data, m->name.len);
    write_array(o, LIMIT_FIELDS);
    write_uint(o, m->frame_max);
    write_uint(o, m->payload_max);
    write_uint(o, m->name_max);
    write_uint(o, m->batch_max);
    write_uint(o, m->needs_max);
    write_uint(o, m->epoch);
    write_uint(o, m->pid);
    frame_end(o, mark);
}

static void read_limits(struct cursor *c, struct msg_hello *ret)
{
    uint32_t fields = take_item(c, LIMIT_FIELDS);

    ret->frame_max = take_u32(c, UINT32_MAX);
    ret->payload_max = take_u32(c, UINT32_MAX);
    ret->name_max = take_u32(c, UINT32_MAX);
    ret->batch_max = take_u32(c, UINT32_MAX);
    ret->needs_max = take_u32(c, UINT32_MAX);
    skip_fields(c, fields, LIMIT_FIELDS);
}

int msg_read_hello(struct msg *m, struct msg_hello *ret)
{
    struct cursor *c = &m->body;

    *ret = (struct msg_hello){ 0 };
    ret->version = take_u32(c, UINT32_MAX);
    /* Another version may have other fields; whoever reads this must be able to say so. */
    if (ret->version != GANGER_PROTOCOL_VERSION)
        return msg_end_of(m, 1);
    ret->role = take_u32(c, ROLE_CHILD);
    if (ret->role == 0)
        cursor_fail(c, GANGER_EPROTO);
    ret->features = take_uint(c, UINT64_MAX);
    ret->name = take_str(c, GANGER_NAME_MAX);
    read_limits(c, ret);
    ret->epoch = take_uint(c, UINT64_MAX);
    ret->pid = take_uint(c, UINT64_MAX);
    return msg_end_of(m, HELLO_FIELDS);
}

/* The messages that are a code and a text. */
static void write_code_text(struct out *o, enum msg_type type, int code, const char *text)
{
    size_t mark = msg_begin(o, type, ERROR_FIELDS);

    write_code(o, code);
    write_text(o, text_of(text));
    frame_end(o, mark);
}

static int read_code_text(struct msg *m, int *ret_code, struct slice *ret_text)
{
    *ret_code = read_code(&m->body);
    *ret_text = take_str(&m->body, GANGER_TEXT_MAX);
    return msg_end_of(m, ERROR_FIELDS);
}

void msg_write_error(struct out *o, int code, const char *text)
{
    write_code_text(o, MSG_ERROR, code, text);
}

int msg_read_error(struct msg *m, struct msg_error *ret)
{
    return read_code_text(m, &ret->code, &ret->text);
}

void msg_write_ready(struct out *o, int code, const char *text)
{
    write_code_text(o, MSG_READY, code, text);
}

int msg_read_ready(struct msg *m, struct msg_ready *ret)
{
    return read_code_text(m, &ret->code, &ret->text);
}

void msg_write_agent(struct out *o, int code, const char *text)
{
    write_code_text(o, MSG_AGENT, code, text);
}

int msg_read_agent(struct msg *m, struct msg_agent *ret)
{
    return read_code_text(m, &ret->code, &ret->text);
}
