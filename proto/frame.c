#include "proto/frame.h"

#include "proto/assert.h"
#include "proto/err.h"

#include <stdlib.h>
#include <string.h>

#define OUT_FIRST_BYTES 4096u
/* An emptied buffer that a burst has made larger than this is given back. */
#define OUT_KEEP_BYTES (16u * 1024 * 1024)

int64_t frame_next(const uint8_t *data, size_t data_bytes, size_t max_bytes,
    const uint8_t **ret_body, size_t *ret_body_bytes, size_t *ret_need)
{
    size_t body;

    if (ret_need != NULL)
        *ret_need = 0;
    if (data_bytes < FRAME_HEAD_BYTES)
        return 0;
    body = ((size_t)data[0] << 24) | ((size_t)data[1] << 16) | ((size_t)data[2] << 8) | data[3];
    if (body == 0)
        return GANGER_EPROTO;
    if (body > max_bytes)
        return GANGER_ETOOBIG;
    if (ret_need != NULL)
        *ret_need = FRAME_HEAD_BYTES + body;
    if (data_bytes - FRAME_HEAD_BYTES < body)
        return 0;
    *ret_body = data + FRAME_HEAD_BYTES;
    *ret_body_bytes = body;
    return (int64_t)(FRAME_HEAD_BYTES + body);
}

/* Move what is unsent to the start of the memory. */
static void out_compact(struct out *o)
{
    uint8_t *start;

    GANGER_ASSERT(o->data != NULL);
    start = o->data - o->sent;
    memmove(start, o->data, o->len);
    o->data = start;
    o->cap += o->sent;
    o->sent = 0;
}

static uint8_t *out_grow(struct out *o, size_t bytes)
{
    size_t cap;
    uint8_t *data;

    cap = o->cap == 0 ? OUT_FIRST_BYTES : o->cap;
    /* It moves all the same, so it makes room enough not to move again before as much was sent. */
    if (o->sent != 0) {
        out_compact(o);
        cap = 2 * o->cap;
    }
    if (bytes > SIZE_MAX / 4 || o->len > SIZE_MAX / 4) {
        o->failed = GANGER_ENOMEM;
        return NULL;
    }
    while (cap < o->len + bytes)
        cap *= 2;
    if (cap == o->cap)
        return o->data + o->len;
    data = realloc(o->data, cap);
    if (data == NULL) {
        o->failed = GANGER_ENOMEM;
        return NULL;
    }
    o->data = data;
    o->cap = cap;
    return data + o->len;
}

uint8_t *out_room(struct out *o, size_t bytes)
{
    if (o->failed != 0)
        return NULL;
    if (o->data != NULL && bytes <= o->cap - o->len)
        return o->data + o->len;
    /* Moving is worth it only when it moves less than was sent since the last time. */
    if (o->sent != 0 && o->len <= o->sent && bytes <= o->cap - o->len + o->sent) {
        out_compact(o);
        return o->data + o->len;
    }
    return out_grow(o, bytes);
}

void out_consume(struct out *o, size_t bytes)
{
    GANGER_ASSERT(bytes <= o->len);
    if (bytes == 0)
        return;
    o->data += bytes;
    o->sent += bytes;
    o->len -= bytes;
    o->cap -= bytes;
    if (o->len != 0)
        return;
    out_compact(o);
    if (o->cap > OUT_KEEP_BYTES) {
        free(o->data);
        o->data = NULL;
        o->cap = 0;
    }
}

void out_done(struct out *o)
{
    if (o->data != NULL)
        free(o->data - o->sent);
    *o = (struct out){ 0 };
}

size_t frame_begin(struct out *o)
{
    size_t mark = o->len;

    if (out_room(o, FRAME_HEAD_BYTES) != NULL)
        o->len += FRAME_HEAD_BYTES;
    return mark;
}

void frame_end(struct out *o, size_t mark)
{
    size_t body;

    if (o->failed != 0) {
        /* Half a frame would make the peer misread all that follows. */
        o->len = mark;
        return;
    }
    body = o->len - mark - FRAME_HEAD_BYTES;
    GANGER_ASSERT(body <= UINT32_MAX);
    o->data[mark] = (uint8_t)(body >> 24);
    o->data[mark + 1] = (uint8_t)(body >> 16);
    o->data[mark + 2] = (uint8_t)(body >> 8);
    o->data[mark + 3] = (uint8_t)body;
}
