#include "value.h"

#include "ganger/err.h"

#include <string.h>

struct reader reader_make(const void *data, size_t len)
{
    return (struct reader){ data, data == NULL ? data : (const uint8_t *)data + len };
}

static size_t left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

/* A big-endian number of BYTES bytes. */
static int number_take(struct reader *r, size_t bytes, uint64_t *ret_number)
{
    uint64_t n = 0;

    if (left(r) < bytes)
        return GANGER_EDECODE;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | *r->at++;
    *ret_number = n;
    return 0;
}

static int bytes_take(struct reader *r, enum value_type type, uint64_t len, struct value *v)
{
    if (left(r) < len)
        return GANGER_EDECODE;
    v->type = type;
    v->data = (const char *)r->at;
    v->len = (size_t)len;
    r->at += len;
    return 0;
}

/* Each element takes a byte at least, so a count beyond what is left is a lie. */
static int count_take(struct reader *r, enum value_type type, uint64_t count, struct value *v)
{
    uint64_t least = type == VALUE_MAP ? count * 2 : count;

    if (least > left(r))
        return GANGER_EDECODE;
    v->type = type;
    v->count = (uint32_t)count;
    return 0;
}

static void int_set(struct value *v, int64_t i)
{
    v->type = i < 0 ? VALUE_INT : VALUE_UINT;
    if (i < 0)
        v->i = i;
    else
        v->u = (uint64_t)i;
}

static int float_take(struct reader *r, size_t bytes, struct value *v)
{
    uint64_t bits = 0;
    int rc = number_take(r, bytes, &bits);

    if (rc < 0)
        return rc;
    v->type = VALUE_FLOAT;
    v->single = bytes == 4;
    if (v->single) {
        uint32_t low = (uint32_t)bits;
        float f;

        memcpy(&f, &low, sizeof f);
        v->d = (double)f;
    } else {
        memcpy(&v->d, &bits, sizeof bits);
    }
    return 0;
}

static int signed_take(struct reader *r, size_t bytes, struct value *v)
{
    unsigned shift = (unsigned)(64 - 8 * bytes);
    uint64_t n = 0;
    int rc = number_take(r, bytes, &n);

    if (rc < 0)
        return rc;
    int_set(v, (int64_t)(n << shift) >> shift);
    return 0;
}

static int ext_take(struct reader *r, uint64_t len, struct value *v)
{
    uint64_t kind = 0;
    int rc = number_take(r, 1, &kind);

    if (rc < 0)
        return rc;
    v->ext = (int8_t)kind;
    return bytes_take(r, VALUE_EXT, len, v);
}

/* Heads 0xc0 to 0xdf, in which the first byte names the form. */
static int form_take(struct reader *r, uint8_t head, struct value *v)
{
    /* Bytes of the number after the head, by head - 0xc0. */
    static const uint8_t sizes[32] = { 0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8,
        0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4 };
    size_t size = sizes[head - 0xc0];
    uint64_t n = 0;
    int rc;

    if (head == 0xc0)
        return 0;
    if (head == 0xc1)
        return GANGER_EDECODE;
    if (head <= 0xc3) {
        v->type = VALUE_BOOL;
        v->flag = head == 0xc3;
        return 0;
    }
    if (head == 0xca || head == 0xcb)
        return float_take(r, size, v);
    if (head >= 0xd0 && head <= 0xd3)
        return signed_take(r, size, v);
    if (head >= 0xd4 && head <= 0xd8)
        return ext_take(r, UINT64_C(1) << (head - 0xd4), v);
    rc = number_take(r, size, &n);
    if (rc < 0)
        return rc;
    if (head <= 0xc6)
        return bytes_take(r, VALUE_BIN, n, v);
    if (head <= 0xc9)
        return ext_take(r, n, v);
    if (head <= 0xcf) {
        v->type = VALUE_UINT;
        v->u = n;
        return 0;
    }
    if (head <= 0xdb)
        return bytes_take(r, VALUE_STR, n, v);
    return count_take(r, head <= 0xdd ? VALUE_ARRAY : VALUE_MAP, n, v);
}

int value_read(struct reader *r, struct value *ret_value)
{
    struct value v = { .type = VALUE_NIL };
    uint8_t head;
    int rc = 0;

    if (left(r) == 0)
        return GANGER_EDECODE;
    head = *r->at++;
    if (head <= 0x7f || head >= 0xe0)
        int_set(&v, (int8_t)head);
    else if (head <= 0x8f)
        rc = count_take(r, VALUE_MAP, head & 0x0f, &v);
    else if (head <= 0x9f)
        rc = count_take(r, VALUE_ARRAY, head & 0x0f, &v);
    else if (head <= 0xbf)
        rc = bytes_take(r, VALUE_STR, head & 0x1f, &v);
    else
        rc = form_take(r, head, &v);
    if (rc == 0)
        *ret_value = v;
    return rc;
}

int value_skip_within(struct reader *r, unsigned depth)
{
    struct value v;
    int rc = value_read(r, &v);
    uint64_t inner;

    if (rc < 0)
        return rc;
    if (v.type != VALUE_ARRAY && v.type != VALUE_MAP)
        return 0;
    if (depth == VALUE_DEPTH_MAX)
        return GANGER_EDECODE;
    inner = v.type == VALUE_MAP ? (uint64_t)v.count * 2 : v.count;
    for (; inner > 0 && rc == 0; inner--)
        rc = value_skip_within(r, depth + 1);
    return rc;
}

int value_skip(struct reader *r)
{
    return value_skip_within(r, 0);
}

bool value_is_one(const void *data, size_t len)
{
    struct reader r = reader_make(data, len);

    return value_skip(&r) == 0 && r.at == r.end;
}

bool value_is_text(const struct value *v, const char *text)
{
    return v->type == VALUE_STR && v->len == strlen(text) && memcmp(v->data, text, v->len) == 0;
}

bool value_find(struct reader r, const char *key, struct reader *ret_at)
{
    struct value map, name;

    if (value_read(&r, &map) < 0 || map.type != VALUE_MAP)
        return false;
    for (uint32_t i = 0; i < map.count; i++) {
        struct reader at = r;

        if (value_read(&at, &name) == 0 && value_is_text(&name, key)) {
            *ret_at = at;
            return true;
        }
        /* The key, then its value. */
        if (value_skip(&r) < 0)
            return false;
        if (value_skip(&r) < 0)
            return false;
    }
    return false;
}

bool value_get(struct reader r, const char *key, struct value *ret_value)
{
    struct reader at;

    return value_find(r, key, &at) && value_read(&at, ret_value) == 0;
}

size_t utf8_char(const char *data, size_t len)
{
    const uint8_t *b = (const uint8_t *)data;
    /* The second byte's range keeps out overlong forms, surrogates and what is over U+10FFFF. */
    uint8_t low = 0x80, high = 0xbf;
    size_t need;

    if (len == 0)
        return 0;
    if (b[0] < 0x80)
        return 1;
    if (b[0] < 0xc2 || b[0] > 0xf4)
        return 0;
    need = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    if (b[0] == 0xe0)
        low = 0xa0;
    else if (b[0] == 0xed)
        high = 0x9f;
    else if (b[0] == 0xf0)
        low = 0x90;
    else if (b[0] == 0xf4)
        high = 0x8f;
    if (len < need || b[1] < low || b[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    }
    return need;
}

bool utf8_is_valid(const char *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = utf8_char(data + i, len - i);

        if (n == 0)
            return false;
        i += n;
    }
    return true;
}
