/* The messages on the link of a worker child. */
#include "proto/msg_wire.h"

#define HAND_FIELDS     8u
#define RESULT_FIELDS   3u
#define RETURNED_FIELDS 1u

void msg_add_hand(struct batch *b, struct out *o, const struct msg_hand *m)
{
    size_t call_bytes = m->call.len != 0 ? m->call.len
                                         : 2 * PUT_HEAD_MAX + m->function.len + m->payload.len;
    uint8_t *p = batch_room(b, o, 1 + 6 * PUT_UINT_MAX + call_bytes + PUT_SLACK);

    if (WIRE_UNLIKELY(p == NULL))
        return;
    p = put_byte(p, 0x90 | HAND_FIELDS);
    p = put_uint(p, m->seq);
    p = put_uint(p, m->id);
    p = put_uint(p, m->fence);
    p = put_uint(p, m->attempt);
    p = put_uint(p, m->flags);
    p = put_uint(p, m->limit_ms);
    if (WIRE_LIKELY(m->call.len != 0)) {
        p = put_bytes(p, m->call.data, m->call.len);
    } else {
        p = put_str(p, m->function.data, m->function.len);
        p = put_bin(p, m->payload.data, m->payload.len);
    }
    batch_added(b, o, p);
}

int msg_read_hand(struct msg *m, struct msg_hand *ret)
{
    struct cursor c = m->body;
    uint32_t fields = take_item(&c, HAND_FIELDS);

    ret->seq = take_u32(&c, UINT32_MAX);
    ret->id = take_uint(&c, UINT64_MAX);
    ret->fence = take_uint(&c, UINT64_MAX);
    ret->attempt = take_u32(&c, UINT32_MAX);
    ret->flags = take_u32(&c, UINT32_MAX);
    ret->limit_ms = take_uint(&c, GANGER_DURATION_MAX_MS);
    ret->function = take_str(&c, GANGER_NAME_MAX);
    ret->payload = take_bin(&c, GANGER_PAYLOAD_MAX);
    ret->call = (struct slice){ NULL, 0 };
    return take_item_end(m, c, fields, HAND_FIELDS);
}

void msg_add_result(struct batch *b, struct out *o, const struct msg_result *m)
{
    uint8_t *p = batch_room(b, o, 1 + 2 * PUT_UINT_MAX + PUT_HEAD_MAX + m->outcome.len + PUT_SLACK);

    if (WIRE_UNLIKELY(p == NULL))
        return;
    p = put_byte(p, 0x90 | RESULT_FIELDS);
    p = put_uint(p, m->seq);
    p = put_code(p, m->code);
    p = put_bin(p, m->outcome.data, m->outcome.len);
    batch_added(b, o, p);
}

int msg_read_result(struct msg *m, struct msg_result *ret)
{
    struct cursor c = m->body;
    uint32_t fields = take_item(&c, RESULT_FIELDS);

    ret->seq = take_u32(&c, UINT32_MAX);
    ret->code = take_code(&c);
    ret->outcome = take_bin(&c, GANGER_PAYLOAD_MAX);
    return take_item_end(m, c, fields, RESULT_FIELDS);
}

void msg_write_returned(struct out *o, uint32_t count)
{
    size_t mark = msg_begin(o, MSG_RETURNED, RETURNED_FIELDS);

    write_uint(o, count);
    frame_end(o, mark);
}

int msg_read_returned(struct msg *m, uint32_t *ret_count)
{
    *ret_count = take_u32(&m->body, GANGER_HAND_MAX);
    return msg_end_of(m, RETURNED_FIELDS);
}
