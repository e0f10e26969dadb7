/*
 * The short paths of the encoder and the decoder, inlined into the messages that pass by the
 * million. For proto/ and the journal's records; everybody else uses pack.h.
 *
 * put_xxx() store at P, where the caller has made room, and return the place after. put_uint() may
 * touch 9 bytes however few it uses, so a reservation ends with PUT_SLACK to spare.
 * take_xxx() handle the common forms and leave the rest to read_xxx(). They copy the cursor for the
 * long path, so that the compiler can keep the caller's own one in registers.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include "proto/pack.h"

#include <endian.h>
#include <string.h>

#define PUT_UINT_MAX 9u /* bytes of the longest integer */
#define PUT_HEAD_MAX 5u /* bytes of the longest head of a str, bin, array or map */
#define PUT_SLACK    8u

#define WIRE_LIKELY(x)   __builtin_expect(!!(x), 1)
#define WIRE_UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline uint8_t *put_byte(uint8_t *p, unsigned byte)
{
    *p = (uint8_t)byte;
    return p + 1;
}

static inline uint8_t *put_uint(uint8_t *p, uint64_t v)
{
    unsigned form, bytes;
    uint64_t be;

    if (v < 0x80)
        return put_byte(p, (unsigned)v);
    if (v > UINT32_MAX) { /* all ids and fences */
        be = htobe64(v);
        p[0] = 0xcf;
        memcpy(p + 1, &be, sizeof be);
        return p + 9;
    }
    form = (unsigned)(v > UINT8_MAX) + (unsigned)(v > UINT16_MAX);
    bytes = 1u << form;
    be = htobe64(v << (64 - 8 * bytes));
    p[0] = (uint8_t)(0xcc + form);
    memcpy(p + 1, &be, sizeof be);
    return p + 1 + bytes;
}

static inline uint8_t *put_int(uint8_t *p, int64_t v)
{
    unsigned form, bytes;
    uint64_t be;

    if (v >= 0)
        return put_uint(p, (uint64_t)v);
    if (v >= -32)
        return put_byte(p, (unsigned)(v & 0xff));
    form = (unsigned)(v < INT8_MIN) + (unsigned)(v < INT16_MIN) + (unsigned)(v < INT32_MIN);
    bytes = 1u << form;
    be = htobe64((uint64_t)v << (64 - 8 * bytes));
    p[0] = (uint8_t)(0xd0 + form);
    memcpy(p + 1, &be, sizeof be);
    return p + 1 + bytes;
}

static inline uint8_t *put_be16(uint8_t *p, unsigned tag, uint32_t n)
{
    p[0] = (uint8_t)tag;
    p[1] = (uint8_t)(n >> 8);
    p[2] = (uint8_t)n;
    return p + 3;
}

static inline uint8_t *put_be32(uint8_t *p, unsigned tag, uint32_t n)
{
    uint32_t be = htobe32(n);

    p[0] = (uint8_t)tag;
    memcpy(p + 1, &be, sizeof be);
    return p + 5;
}

static inline uint8_t *put_bytes(uint8_t *p, const void *data, size_t len)
{
    if (len != 0)
        memcpy(p, data, len);
    return p + len;
}

static inline uint8_t *put_str(uint8_t *p, const void *data, size_t len)
{
    if (WIRE_LIKELY(len < 32)) {
        p = put_byte(p, 0xa0u | (unsigned)len);
    } else if (len <= UINT8_MAX) {
        p = put_byte(put_byte(p, 0xd9), (unsigned)len);
    } else if (len <= UINT16_MAX) {
        p = put_be16(p, 0xda, (uint32_t)len);
    } else {
        p = put_be32(p, 0xdb, (uint32_t)len);
    }
    return put_bytes(p, data, len);
}

static inline uint8_t *put_bin_head(uint8_t *p, size_t len)
{
    if (WIRE_LIKELY(len <= UINT8_MAX))
        return put_byte(put_byte(p, 0xc4), (unsigned)len);
    return len <= UINT16_MAX ? put_be16(p, 0xc5, (uint32_t)len) : put_be32(p, 0xc6, (uint32_t)len);
}

static inline uint8_t *put_bin(uint8_t *p, const void *data, size_t len)
{
    return put_bytes(put_bin_head(p, len), data, len);
}

static inline uint8_t *put_array(uint8_t *p, uint32_t items)
{
    if (WIRE_LIKELY(items < 16))
        return put_byte(p, 0x90u | items);
    return items <= UINT16_MAX ? put_be16(p, 0xdc, items) : put_be32(p, 0xdd, items);
}

static inline uint8_t *put_map(uint8_t *p, uint32_t pairs)
{
    if (WIRE_LIKELY(pairs < 16))
        return put_byte(p, 0x80u | pairs);
    return pairs <= UINT16_MAX ? put_be16(p, 0xde, pairs) : put_be32(p, 0xdf, pairs);
}

/* Room as out_room() gives it; inline as long as there is some. */
static inline uint8_t *out_place(struct out *o, size_t bytes)
{
    if (WIRE_LIKELY(o->failed == 0 && o->cap - o->len > bytes))
        return o->data + o->len;
    return out_room(o, bytes);
}

static inline void out_advance(struct out *o, const uint8_t *end)
{
    o->len = (size_t)(end - o->data);
}

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* Note the first error and leave nothing to read, which makes it sticky. */
static inline void cursor_fail(struct cursor *c, int code)
{
    c->at = c->end;
    if (c->error == 0)
        c->error = code;
}

static inline uint64_t take_uint(struct cursor *c, uint64_t max)
{
    struct cursor copy;
    uint64_t v;

    if (WIRE_LIKELY(cursor_left(c) > 8)) {
        unsigned tag = *c->at;

        if (tag < 0x80 && tag <= max) {
            c->at++;
            return tag;
        }
        if ((tag & 0xfcu) == 0xcc) {
            unsigned bytes = 1u << (tag & 3u);

            memcpy(&v, c->at + 1, sizeof v);
            v = be64toh(v) >> (64 - 8 * bytes);
            if (WIRE_LIKELY(v <= max)) {
                c->at += 1 + bytes;
                return v;
            }
        }
    }
    copy = *c;
    v = read_uint(&copy, max);
    *c = copy;
    return v;
}

static inline uint32_t take_u32(struct cursor *c, uint32_t max)
{
    return (uint32_t)take_uint(c, max);
}

static inline struct slice take_str(struct cursor *c, size_t max_bytes)
{
    struct cursor copy;
    struct slice s;

    if (WIRE_LIKELY(c->at != c->end && (*c->at & 0xe0u) == 0xa0)) {
        s.len = *c->at & 0x1fu;
        if (WIRE_LIKELY(s.len < cursor_left(c) && s.len <= max_bytes)) {
            s.data = c->at + 1;
            c->at += 1 + s.len;
            return s;
        }
    }
    copy = *c;
    s = read_str(&copy, max_bytes);
    *c = copy;
    return s;
}

static inline struct slice take_bin(struct cursor *c, size_t max_bytes)
{
    struct cursor copy;
    struct slice s;

    if (WIRE_LIKELY(cursor_left(c) > 1 && *c->at == 0xc4)) {
        s.len = c->at[1];
        if (WIRE_LIKELY(s.len <= cursor_left(c) - 2 && s.len <= max_bytes)) {
            s.data = c->at + 2;
            c->at += 2 + s.len;
            return s;
        }
    }
    copy = *c;
    s = read_bin(&copy, max_bytes);
    *c = copy;
    return s;
}

static inline uint32_t take_array(struct cursor *c, uint32_t max_items)
{
    struct cursor copy;
    uint32_t items;

    if (WIRE_LIKELY(c->at != c->end && (*c->at & 0xf0u) == 0x90)) {
        items = *c->at & 0x0fu;
        if (WIRE_LIKELY(items < cursor_left(c) && items <= max_items)) {
            c->at++;
            return items;
        }
    }
    copy = *c;
    items = read_array(&copy, max_items);
    *c = copy;
    return items;
}

#endif
