#include "proto/pack.h"

#include "proto/assert.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/wire.h"

/* The byte that says what follows; 0xc1, which msgpack never uses, when nothing is left. */
#define TAG_NONE 0xc1u

static unsigned read_tag(struct cursor *c)
{
    if (c->at == c->end) {
        cursor_fail(c, GANGER_EPROTO);
        return TAG_NONE;
    }
    return *c->at++;
}

static uint64_t read_be(struct cursor *c, unsigned bytes)
{
    uint64_t v = 0;

    if (cursor_left(c) < bytes) {
        cursor_fail(c, GANGER_EPROTO);
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        v = (v << 8) | *c->at++;
    return v;
}

/* A two's complement number of BYTES bytes. */
static int64_t read_be_signed(struct cursor *c, unsigned bytes)
{
    uint64_t v = read_be(c, bytes);
    uint64_t sign = UINT64_C(1) << (8 * bytes - 1);

    return (int64_t)((v ^ sign) - sign);
}

uint64_t read_uint(struct cursor *c, uint64_t max)
{
    unsigned tag = read_tag(c);
    uint64_t v;

    if (tag < 0x80) {
        v = tag;
    } else if (tag >= 0xcc && tag <= 0xcf) {
        v = read_be(c, 1u << (tag - 0xcc));
    } else if (tag >= 0xd0 && tag <= 0xd3) {
        int64_t wide = read_be_signed(c, 1u << (tag - 0xd0));

        if (wide < 0)
            cursor_fail(c, GANGER_EPROTO);
        v = (uint64_t)wide;
    } else {
        v = 0;
        cursor_fail(c, GANGER_EPROTO);
    }
    if (v > max)
        cursor_fail(c, GANGER_EPROTO);
    return c->error == 0 ? v : 0;
}

int64_t read_int(struct cursor *c)
{
    unsigned tag = read_tag(c);
    uint64_t v;

    if (tag < 0x80)
        return (int64_t)tag;
    if (tag >= 0xe0)
        return (int64_t)tag - 0x100;
    if (tag >= 0xd0 && tag <= 0xd3)
        return read_be_signed(c, 1u << (tag - 0xd0));
    if (tag < 0xcc || tag > 0xcf) {
        cursor_fail(c, GANGER_EPROTO);
        return 0;
    }
    v = read_be(c, 1u << (tag - 0xcc));
    if (v > INT64_MAX) {
        cursor_fail(c, GANGER_EPROTO);
        return 0;
    }
    return (int64_t)v;
}

bool read_bool(struct cursor *c)
{
    unsigned tag = read_tag(c);

    if (tag != 0xc2 && tag != 0xc3)
        cursor_fail(c, GANGER_EPROTO);
    return tag == 0xc3;
}

bool read_nil(struct cursor *c)
{
    if (c->at == c->end || *c->at != 0xc0)
        return false;
    c->at++;
    return true;
}

static struct slice read_bytes(struct cursor *c, uint64_t len, size_t max_bytes)
{
    struct slice s = { NULL, 0 };

    if (c->error != 0)
        return s;
    if (len > max_bytes) {
        cursor_fail(c, GANGER_ETOOBIG);
        return s;
    }
    if (len > cursor_left(c)) {
        cursor_fail(c, GANGER_EPROTO);
        return s;
    }
    s.data = c->at;
    s.len = (size_t)len;
    c->at += len;
    return s;
}

struct slice read_str(struct cursor *c, size_t max_bytes)
{
    unsigned tag = read_tag(c);

    if ((tag & 0xe0u) == 0xa0)
        return read_bytes(c, tag & 0x1fu, max_bytes);
    if (tag >= 0xd9 && tag <= 0xdb)
        return read_bytes(c, read_be(c, 1u << (tag - 0xd9)), max_bytes);
    cursor_fail(c, GANGER_EPROTO);
    return (struct slice){ NULL, 0 };
}

struct slice read_bin(struct cursor *c, size_t max_bytes)
{
    unsigned tag = read_tag(c);

    if (tag >= 0xc4 && tag <= 0xc6)
        return read_bytes(c, read_be(c, 1u << (tag - 0xc4)), max_bytes);
    cursor_fail(c, GANGER_EPROTO);
    return (struct slice){ NULL, 0 };
}

/* Check a number of items against the bound, and against the bytes left: each takes at least one.
 */
static uint32_t read_count(struct cursor *c, uint64_t count, uint32_t max, unsigned values_each)
{
    if (c->error != 0)
        return 0;
    if (count > max) {
        cursor_fail(c, GANGER_ETOOBIG);
        return 0;
    }
    if (count * values_each > cursor_left(c)) {
        cursor_fail(c, GANGER_EPROTO);
        return 0;
    }
    return (uint32_t)count;
}

uint32_t read_array(struct cursor *c, uint32_t max_items)
{
    unsigned tag = read_tag(c);

    if ((tag & 0xf0u) == 0x90)
        return read_count(c, tag & 0x0fu, max_items, 1);
    if (tag == 0xdc || tag == 0xdd)
        return read_count(c, read_be(c, tag == 0xdc ? 2 : 4), max_items, 1);
    cursor_fail(c, GANGER_EPROTO);
    return 0;
}

uint32_t read_map(struct cursor *c, uint32_t max_pairs)
{
    unsigned tag = read_tag(c);

    if ((tag & 0xf0u) == 0x80)
        return read_count(c, tag & 0x0fu, max_pairs, 2);
    if (tag == 0xde || tag == 0xdf)
        return read_count(c, read_be(c, tag == 0xde ? 2 : 4), max_pairs, 2);
    cursor_fail(c, GANGER_EPROTO);
    return 0;
}

void write_uint(struct out *o, uint64_t v)
{
    uint8_t *p = out_place(o, PUT_UINT_MAX);

    if (p != NULL)
        out_advance(o, put_uint(p, v));
}

void write_int(struct out *o, int64_t v)
{
    uint8_t *p = out_place(o, PUT_UINT_MAX);

    if (p != NULL)
        out_advance(o, put_int(p, v));
}

static void write_byte(struct out *o, unsigned byte)
{
    uint8_t *p = out_place(o, 1);

    if (p != NULL)
        out_advance(o, put_byte(p, byte));
}

void write_bool(struct out *o, bool v)
{
    write_byte(o, v ? 0xc3 : 0xc2);
}

void write_nil(struct out *o)
{
    write_byte(o, 0xc0);
}

void write_str(struct out *o, const void *data, size_t len)
{
    uint8_t *p;

    GANGER_ASSERT(len <= UINT32_MAX);
    p = out_place(o, PUT_HEAD_MAX + len);
    if (p != NULL)
        out_advance(o, put_str(p, data, len));
}

void write_bin(struct out *o, const void *data, size_t len)
{
    uint8_t *p;

    GANGER_ASSERT(len <= UINT32_MAX);
    p = out_place(o, PUT_HEAD_MAX + len);
    if (p != NULL)
        out_advance(o, put_bin(p, data, len));
}

void write_array(struct out *o, uint32_t items)
{
    uint8_t *p = out_place(o, PUT_HEAD_MAX);

    if (p != NULL)
        out_advance(o, put_array(p, items));
}

void write_map(struct out *o, uint32_t pairs)
{
    uint8_t *p = out_place(o, PUT_HEAD_MAX);

    if (p != NULL)
        out_advance(o, put_map(p, pairs));
}

void write_raw(struct out *o, const void *data, size_t len)
{
    uint8_t *p = out_place(o, len);

    if (p != NULL)
        out_advance(o, put_bytes(p, data, len));
}
