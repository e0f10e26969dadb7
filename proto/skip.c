/* Walking over msgpack values whose type does not matter, without recursion. */
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/pack.h"
#include "proto/wire.h"

/* Memory is asked for so far ahead; what lies behind the end is not touched by that. */
#define AHEAD_BYTES 1024u

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

/*
 * How many bytes a value takes in all, head included, when its tag alone says that and nothing is
 * inside it; 0 for all others, empty arrays and maps among them.
 */
#define TWICE(n)   n, n
#define FOUR(n)    TWICE(n), TWICE(n)
#define SIXTEEN(n) FOUR(n), FOUR(n), FOUR(n), FOUR(n)
static const uint8_t plain_bytes[256] = {
    /* 0x00: small numbers */
    SIXTEEN(1), SIXTEEN(1), SIXTEEN(1), SIXTEEN(1), SIXTEEN(1), SIXTEEN(1), SIXTEEN(1), SIXTEEN(1),
    /* 0x80: maps and arrays; 0xa0: short strings */
    SIXTEEN(0), SIXTEEN(0), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
    21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    /* 0xc0: nil, the unused one, booleans; 0xc4: bin and ext */
    1, 0, 1, 1, TWICE(0), FOUR(0),
    /* 0xca: float, uint, int, fixext */
    5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18,
    /* 0xd9: str, array, map; 0xe0: negative numbers */
    0, TWICE(0), FOUR(0), SIXTEEN(1), SIXTEEN(1)
};

/* Step over a value with a length of one byte at most. False: it is of another kind, or cut off. */
static inline bool skip_plain(struct cursor *c)
{
    size_t left = cursor_left(c);
    size_t bytes;

    if (WIRE_UNLIKELY(left < 2)) {
        if (left == 0 || plain_bytes[*c->at] != 1)
            return false;
        c->at++;
        return true;
    }
    bytes = plain_bytes[*c->at];
    if (bytes == 0 && (*c->at == 0xc4 || *c->at == 0xd9))
        bytes = 2 + (size_t)c->at[1];
    if (bytes == 0 || bytes > left)
        return false;
    c->at += bytes;
    return true;
}

/*
 * The long way, for containers. LEFT[] is how many values are still to come in each open container;
 * those of the innermost one are counted in INSIDE.
 */
static void skip_nested(struct cursor *c)
{
    uint64_t left[GANGER_VALUE_DEPTH];
    uint64_t inside = 1;
    unsigned depth = 0;

    for (;;) {
        uint64_t count;
        bool container;

        /* Each place follows from the one before, so memory must be asked for ahead of them. */
        while (inside != 0 && skip_plain(c)) {
            __builtin_prefetch((const void *)((uintptr_t)c->at + AHEAD_BYTES));
            inside--;
        }
        if (inside == 0) {
            if (depth == 0)
                return;
            inside = left[--depth];
            continue;
        }
        count = skip_head(c, &container);
        if (c->error == 0 && container && depth == GANGER_VALUE_DEPTH)
            cursor_fail(c, GANGER_EPROTO);
        if (c->error != 0)
            return;
        inside--;
        if (count != 0) {
            left[depth++] = inside;
            inside = count;
        }
    }
}

void read_skip(struct cursor *c)
{
    struct cursor copy;

    if (WIRE_LIKELY(skip_plain(c)))
        return;
    copy = *c;
    skip_nested(&copy);
    *c = copy;
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
