/* The initializer's argument: a YAML value as msgpack. */
#include "conf/schema.h"
#include "conf/units.h"
#include "proto/err.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *data;
    size_t count;
    size_t room;
    bool failed; /* no memory; what is written is lost */
};

static void put(struct bytes *b, const void *data, size_t count)
{
    if (b->failed)
        return;
    if (b->count + count > b->room) {
        size_t room = (b->count + count) * 2 + 64;
        uint8_t *larger = realloc(b->data, room);

        if (larger == NULL) {
            b->failed = true;
            return;
        }
        b->data = larger;
        b->room = room;
    }
    if (count != 0)
        memcpy(b->data + b->count, data, count);
    b->count += count;
}

/* Write TAG and the low BYTES (at most 8) of VALUE, big-endian. */
static void put_tag(struct bytes *b, unsigned tag, uint64_t value, unsigned bytes)
{
    uint8_t out[9] = { (uint8_t)tag };

    for (unsigned i = 0; i < bytes; i++)
        out[1 + i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    put(b, out, 1 + bytes);
}

static void put_uint(struct bytes *b, uint64_t v)
{
    if (v < 0x80)
        put_tag(b, (unsigned)v, 0, 0);
    else if (v <= 0xFF)
        put_tag(b, 0xCC, v, 1);
    else if (v <= 0xFFFF)
        put_tag(b, 0xCD, v, 2);
    else if (v <= 0xFFFFFFFF)
        put_tag(b, 0xCE, v, 4);
    else
        put_tag(b, 0xCF, v, 8);
}

static void put_negative(struct bytes *b, int64_t v)
{
    if (v >= -32)
        put_tag(b, (unsigned)(uint8_t)v, 0, 0);
    else if (v >= INT8_MIN)
        put_tag(b, 0xD0, (uint64_t)v, 1);
    else if (v >= INT16_MIN)
        put_tag(b, 0xD1, (uint64_t)v, 2);
    else if (v >= INT32_MIN)
        put_tag(b, 0xD2, (uint64_t)v, 4);
    else
        put_tag(b, 0xD3, (uint64_t)v, 8);
}

static void put_double(struct bytes *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    put_tag(b, 0xCB, bits, 8);
}

static void put_text(struct bytes *b, const char *text, size_t count)
{
    if (count < 32)
        put_tag(b, 0xA0u | (unsigned)count, 0, 0);
    else if (count <= 0xFF)
        put_tag(b, 0xD9, count, 1);
    else if (count <= 0xFFFF)
        put_tag(b, 0xDA, count, 2);
    else
        put_tag(b, 0xDB, count, 4);
    put(b, text, count);
}

/* The head of an array (SMALL 0x90, TAG16 0xDC) or map (0x80, 0xDE) of COUNT. */
static void put_head(struct bytes *b, unsigned small, unsigned tag16, size_t count)
{
    if (count < 16)
        put_tag(b, small | (unsigned)count, 0, 0);
    else if (count <= 0xFFFF)
        put_tag(b, tag16, count, 2);
    else
        put_tag(b, tag16 + 1, count, 4);
}

static bool is_word(const char *text, const char *lower, const char *title, const char *upper)
{
    return strcmp(text, lower) == 0 || strcmp(text, title) == 0 || strcmp(text, upper) == 0;
}

/* Digits of BASE, all of TEXT, at least one. */
static bool is_digits(const char *text, unsigned base)
{
    const char *digits = base == 16  ? "0123456789abcdefABCDEF"
                         : base == 8 ? "01234567"
                                     : "0123456789";

    return text[0] != '\0' && text[strspn(text, digits)] == '\0';
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *p)
{
    size_t whole;
    size_t part = 0;

    p += *p == '-' || *p == '+' ? 1 : 0;
    whole = strspn(p, "0123456789");
    p += whole;
    if (*p == '.') {
        part = strspn(p + 1, "0123456789");
        p += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+' ? 1 : 0;
        return is_digits(p, 10);
    }
    return *p == '\0';
}

static int refuse_integer(struct reader *r, const struct node *node)
{
    struct quoted q;

    reader_error(r, node, "%s does not fit into 64 bits; quote it to pass it as text",
        report_quote(&q, node->text, node->bytes));
    return GANGER_ECONF;
}

static int encode_integer(
    struct reader *r, const struct node *node, const char *digits, int base, struct bytes *b)
{
    bool negative = node->text[0] == '-';
    uint64_t v;

    errno = 0;
    v = strtoull(digits, NULL, base);
    if (errno == ERANGE || (negative && v > (uint64_t)INT64_MAX + 1))
        return refuse_integer(r, node);
    if (negative && v != 0)
        put_negative(b, (int64_t)(0 - v));
    else
        put_uint(b, v);
    return 0;
}

static int encode_plain(struct reader *r, const struct node *node, struct bytes *b)
{
    const char *text = node->text;
    const char *unsign = text + (text[0] == '-' || text[0] == '+' ? 1 : 0);

    if (node_is_null(node))
        put_tag(b, 0xC0, 0, 0);
    else if (is_word(text, "true", "True", "TRUE"))
        put_tag(b, 0xC3, 0, 0);
    else if (is_word(text, "false", "False", "FALSE"))
        put_tag(b, 0xC2, 0, 0);
    else if (is_digits(unsign, 10))
        return encode_integer(r, node, unsign, 10, b);
    else if (strncmp(text, "0o", 2) == 0 && is_digits(text + 2, 8))
        return encode_integer(r, node, text + 2, 8, b);
    else if (strncmp(text, "0x", 2) == 0 && is_digits(text + 2, 16))
        return encode_integer(r, node, text + 2, 16, b);
    else if (is_float(text))
        put_double(b, strtod(text, NULL));
    else if (is_word(unsign, ".inf", ".Inf", ".INF"))
        put_double(b, text[0] == '-' ? -HUGE_VAL : HUGE_VAL);
    else if (is_word(text, ".nan", ".NaN", ".NAN"))
        put_double(b, (double)NAN);
    else
        put_text(b, text, node->bytes);
    return 0;
}

/* The depth of the tree is bounded by the loader, so this recursion is. */
static int encode(struct reader *r, const struct node *node, struct bytes *b)
{
    bool map = node->kind == NODE_MAPPING;
    int rc;

    if (node->kind == NODE_SCALAR) {
        if (node->plain)
            return encode_plain(r, node, b);
        put_text(b, node->text, node->bytes);
        return 0;
    }
    put_head(b, map ? 0x80 : 0x90, map ? 0xDE : 0xDC, node->count);
    for (const struct node *n = node->first; n != NULL; n = n->next) {
        rc = encode(r, n, b);
        if (rc == 0 && map)
            rc = encode(r, n->value, b);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int init_encode(struct reader *r, const struct node *node, uint8_t **ret_data, size_t *ret_bytes)
{
    struct bytes b = { 0 };
    int rc = encode(r, node, &b);

    if (rc == 0 && b.failed) {
        reader_no_memory(r);
        rc = GANGER_ENOMEM;
    }
    if (rc < 0) {
        free(b.data);
        return rc;
    }
    *ret_data = b.data;
    *ret_bytes = b.count;
    return 0;
}
