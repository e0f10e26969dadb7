/* Walking over msgpack values whose type does not matter, without recursion. */
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/pack.h"
#include "proto/wire.h"

/* What follows the tag byte of a value. */
struct shape {
    uint8_t length_bytes; /* of the number that follows the tag */
    uint8_t fixed;        /* bytes after it, or items, that are there in any case */
    uint8_t counts;       /* what the number counts: */
};
enum { COUNTS_BYTES = 0, COUNTS_ITEMS = 1, COUNTS_PAIRS = 2, COUNTS_INVALID = 3 };

/* Tags 0xc0 to 0xdf; all others carry their number in themselves. */
static const struct shape shapes[32] = {
    [0x00] = { 0, 0, COUNTS_BYTES },   /* nil */
    [0x01] = { 0, 0, COUNTS_INVALID }, /* never used */
    [0x02] = { 0, 0, COUNTS_BYTES },   /* false */
    [0x03] = { 0, 0, COUNTS_BYTES },   /* true */
    [0x04] = { 1, 0, COUNTS_BYTES },   /* bin 8, 16, 32 */
    [0x05] = { 2, 0, COUNTS_BYTES },
    [0x06] = { 4, 0, COUNTS_BYTES },
    [0x07] = { 1, 1, COUNTS_BYTES }, /* ext 8, 16, 32: and a type byte */
    [0x08] = { 2, 1, COUNTS_BYTES },
    [0x09] = { 4, 1, COUNTS_BYTES },
    [0x0a] = { 0, 4, COUNTS_BYTES }, /* float 32, 64 */
    [0x0b] = { 0, 8, COUNTS_BYTES },
    [0x0c] = { 0, 1, COUNTS_BYTES }, /* uint 8, 16, 32, 64 */
    [0x0d] = { 0, 2, COUNTS_BYTES },
    [0x0e] = { 0, 4, COUNTS_BYTES },
    [0x0f] = { 0, 8, COUNTS_BYTES },
    [0x10] = { 0, 1, COUNTS_BYTES }, /* int 8, 16, 32, 64 */
    [0x11] = { 0, 2, COUNTS_BYTES },
    [0x12] = { 0, 4, COUNTS_BYTES },
    [0x13] = { 0, 8, COUNTS_BYTES },
    [0x14] = { 0, 2, COUNTS_BYTES }, /* fixext 1, 2, 4, 8, 16: and a type byte */
    [0x15] = { 0, 3, COUNTS_BYTES },
    [0x16] = { 0, 5, COUNTS_BYTES },
    [0x17] = { 0, 9, COUNTS_BYTES },
    [0x18] = { 0, 17, COUNTS_BYTES },
    [0x19] = { 1, 0, COUNTS_BYTES }, /* str 8, 16, 32 */
    [0x1a] = { 2, 0, COUNTS_BYTES },
    [0x1b] = { 4, 0, COUNTS_BYTES },
    [0x1c] = { 2, 0, COUNTS_ITEMS }, /* array 16, 32 */
    [0x1d] = { 4, 0, COUNTS_ITEMS },
    [0x1e] = { 2, 0, COUNTS_PAIRS }, /* map 16, 32 */
    [0x1f] = { 4, 0, COUNTS_PAIRS },
};

static uint64_t shape_number(struct cursor *c, const struct shape *shape)
{
    uint64_t n = shape->fixed;
    uint64_t counted = 0;

    if (cursor_left(c) < shape->length_bytes) {
        cursor_fail(c, GANGER_EPROTO);
        return 0;
    }
    for (unsigned i = 0; i < shape->length_bytes; i++)
        counted = (counted << 8) | *c->at++;
    return n + counted;
}

/*
 * Step over the head of one value and over its bytes. Returns how many values are inside it;
 * *RET_CONTAINER says whether it is an array or a map at all.
 */
static uint64_t skip_head(struct cursor *c, bool *ret_container)
{
    unsigned tag;
    uint64_t number;
    unsigned counts = COUNTS_BYTES;

    *ret_container = false;
    if (c->at == c->end) {
        cursor_fail(c, GANGER_EPROTO);
        return 0;
    }
    tag = *c->at++;
    if (tag < 0x80 || tag >= 0xe0)
        return 0;
    if (tag < 0xa0) {
        counts = tag < 0x90 ? COUNTS_PAIRS : COUNTS_ITEMS;
        number = tag & 0x0fu;
    } else if (tag < 0xc0) {
        number = tag & 0x1fu;
    } else {
        counts = shapes[tag - 0xc0].counts;
        number = shape_number(c, &shapes[tag - 0xc0]);
    }
    if (counts == COUNTS_PAIRS)
        number *= 2;
    /* Each value inside takes at least a byte, so this bounds both bytes and values. */
    if (counts == COUNTS_INVALID || number > cursor_left(c)) {
        cursor_fail(c, GANGER_EPROTO);
        return 0;
    }
    if (counts == COUNTS_BYTES) {
        c->at += number;
        return 0;
    }
    *ret_container = true;
    return number;
}

void read_skip(struct cursor *c)
{
    uint64_t left[GANGER_VALUE_DEPTH]; /* values still to come in each open container */
    unsigned depth = 0;

    for (;;) {
        bool container;
        uint64_t inside = skip_head(c, &container);

        if (c->error != 0)
            return;
        if (container && depth == GANGER_VALUE_DEPTH) {
            cursor_fail(c, GANGER_EPROTO);
            return;
        }
        if (inside != 0) {
            left[depth++] = inside;
            continue;
        }
        while (depth > 0 && --left[depth - 1] == 0)
            depth--;
        if (depth == 0)
            return;
    }
}

struct slice read_raw(struct cursor *c)
{
    const uint8_t *start = c->at;

    read_skip(c);
    if (c->error != 0)
        return (struct slice){ NULL, 0 };
    return (struct slice){ start, (size_t)(c->at - start) };
}

bool value_valid(const void *data, size_t len)
{
    struct cursor c = cursor_make(data, len);

    read_skip(&c);
    return c.error == 0 && c.at == c.end;
}
