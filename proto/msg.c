#include "proto/msg.h"

#include "proto/msg_wire.h"

struct slice text_cut(struct slice text, size_t max)
{
    size_t len = text.len < max ? text.len : max;

    /* Continuation bytes are 10xxxxxx; at most three belong to the character that is cut. */
    if (len < text.len) {
        for (int i = 0; i < 3 && len > 0 && (text.data[len] & 0xc0u) == 0x80; i++)
            len--;
    }
    return (struct slice){ text.data, len };
}

struct slice text_of(const char *text)
{
    if (text == NULL)
        return (struct slice){ NULL, 0 };
    return (struct slice){ (const uint8_t *)text, strlen(text) };
}

size_t msg_begin(struct out *o, enum msg_type type, uint32_t fields)
{
    size_t mark = frame_begin(o);

    write_array(o, fields + 1);
    write_uint(o, type);
    return mark;
}

void write_text(struct out *o, struct slice text)
{
    struct slice cut = text_cut(text, GANGER_TEXT_MAX);

    write_str(o, cut.data, cut.len);
}

void write_code(struct out *o, int code)
{
    GANGER_ASSERT(code <= 0 && code >= -(int)GANGER_CODE_MAX);
    write_int(o, code);
}

int read_code(struct cursor *c)
{
    int64_t code = read_int(c);

    if (code > 0 || code < -(int64_t)GANGER_CODE_MAX) {
        cursor_fail(c, GANGER_EPROTO);
        return 0;
    }
    return (int)code;
}

void skip_fields(struct cursor *c, uint32_t fields, uint32_t known)
{
    if (fields < known)
        cursor_fail(c, GANGER_EPROTO);
    for (uint32_t i = known; i < fields && c->error == 0; i++)
        read_skip(c);
}

int msg_end_of(struct msg *m, uint32_t known)
{
    skip_fields(&m->body, m->fields, known);
    if (m->body.at != m->body.end)
        cursor_fail(&m->body, GANGER_EPROTO);
    return m->body.error;
}

static bool type_is_batch(uint32_t type)
{
    return type == MSG_SUBMIT || type == MSG_ACCEPTED || type == MSG_END || type == MSG_HAND ||
           type == MSG_RESULT;
}

int msg_open(const uint8_t *data, size_t len, struct msg *ret_msg)
{
    struct msg m = { 0, 0, 0, cursor_make(data, len) };
    uint32_t fields = read_array(&m.body, UINT32_MAX);

    m.type = take_u32(&m.body, UINT32_MAX);
    if (m.body.error != 0)
        return m.body.error;
    m.fields = fields - 1;
    if (type_is_batch(m.type)) {
        if (m.fields == 0)
            return GANGER_EPROTO;
        m.count = read_array(&m.body, GANGER_BATCH_MAX);
        if (m.body.error != 0)
            return m.body.error;
    }
    *ret_msg = m;
    return 0;
}

int msg_close(struct msg *m)
{
    return msg_end_of(m, 1);
}

/*
 * The number of items is written at the end, so it has two bytes of its own (array 16) even when
 * a shorter form would do.
 */
void batch_begin(struct batch *b, struct out *o, enum msg_type type)
{
    uint8_t *p;

    b->mark = frame_begin(o);
    b->count = 0;
    p = out_room(o, 5);
    if (p == NULL)
        return;
    p[0] = 0x92;
    p[1] = (uint8_t)type;
    p[2] = 0xdc;
    p[3] = 0;
    p[4] = 0;
    o->len += 5;
    b->count_at = o->len - 2;
}

void batch_end(struct batch *b, struct out *o)
{
    if (b->count == 0) {
        o->len = b->mark;
        return;
    }
    if (o->failed == 0) {
        o->data[b->count_at] = (uint8_t)(b->count >> 8);
        o->data[b->count_at + 1] = (uint8_t)b->count;
    }
    frame_end(o, b->mark);
}

void batch_split(struct batch *b, struct out *o)
{
    enum msg_type type;

    if (b->count == 0 || o->failed != 0)
        return;
    type = (enum msg_type)o->data[b->mark + FRAME_HEAD_BYTES + 1];
    batch_end(b, o);
    batch_begin(b, o, type);
}
