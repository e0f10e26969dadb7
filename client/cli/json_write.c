#include "json.h"
#include "value.h"

#include "ganger/err.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int element_write(struct reader *r, struct buf *out, unsigned depth);

static void char_escape(char c, struct buf *out)
{
    static const char names[] = "\"\\bfnrt", chars[] = "\"\\\b\f\n\r\t";
    const char *at = c == '\0' ? NULL : strchr(chars, c);

    if (at != NULL) {
        buf_char(out, '\\');
        buf_char(out, names[at - chars]);
    } else {
        buf_format(out, "\\u%04x", (unsigned)(unsigned char)c);
    }
}

void json_string(const char *data, size_t len, struct buf *out)
{
    size_t from = 0, i = 0;

    buf_char(out, '"');
    while (i < len) {
        unsigned char c = (unsigned char)data[i];
        size_t n = utf8_char(data + i, len - i);

        if (n != 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            i += n;
            continue;
        }
        buf_add(out, data + from, i - from);
        if (n == 0)
            buf_text(out, "\xef\xbf\xbd");
        else
            char_escape(data[i], out);
        from = ++i;
    }
    buf_add(out, data + from, len - from);
    buf_char(out, '"');
}

void json_text(const char *text, struct buf *out)
{
    json_string(text, strlen(text), out);
}

static void base64_add(const char *data, size_t len, struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *b = (const uint8_t *)data;

    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)b[i] << 16;
        char four[4];

        if (have > 1)
            bits |= (uint32_t)b[i + 1] << 8;
        if (have > 2)
            bits |= b[i + 2];
        four[0] = digits[bits >> 18];
        four[1] = digits[bits >> 12 & 63];
        four[2] = '=';
        four[3] = '=';
        if (have > 1)
            four[2] = digits[bits >> 6 & 63];
        if (have > 2)
            four[3] = digits[bits & 63];
        buf_add(out, four, 4);
    }
}

void json_bytes(const char *data, size_t len, struct buf *out)
{
    if (utf8_is_valid(data, len)) {
        json_string(data, len, out);
        return;
    }
    buf_text(out, "{\"base64\":\"");
    base64_add(data, len, out);
    buf_text(out, "\"}");
}

/* The fewest digits that read back as the same number. */
static void float_write(const struct value *v, struct buf *out)
{
    bool tiny = v->single ? fabs(v->d) < (double)FLT_MIN : fabs(v->d) < DBL_MIN;
    /* Any number of six (fifteen) digits is safe, unless it is so small that it has fewer bits. */
    int digits = tiny ? 1 : v->single ? 6 : 15;
    char text[40];

    if (!isfinite(v->d)) {
        buf_text(out, "null");
        return;
    }
    for (; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v->d);
        if (v->single ? strtof(text, NULL) == (float)v->d : strtod(text, NULL) == v->d)
            break;
    }
    buf_text(out, text);
    if (strpbrk(text, ".e") == NULL)
        buf_text(out, ".0");
}

static void ext_write(const struct value *v, struct buf *out)
{
    buf_format(out, "{\"ext\":%d,\"base64\":\"", v->ext);
    base64_add(v->data, v->len, out);
    buf_text(out, "\"}");
}

/*
 * A key that is a container goes as "msgpack:BASE64": its JSON as a string would double with each
 * level of containers that are keys of keys.
 */
static int key_write(struct reader *r, struct buf *out, unsigned depth)
{
    const char *from = (const char *)r->at;
    struct reader at = *r;
    struct value v;
    int rc = value_read(&at, &v);

    if (rc == 0)
        rc = value_skip_within(r, depth);
    if (rc < 0)
        return rc;
    if (v.type == VALUE_STR || v.type == VALUE_BIN) {
        json_string(v.data, v.len, out);
        return 0;
    }
    buf_char(out, '"');
    if (v.type == VALUE_ARRAY || v.type == VALUE_MAP || v.type == VALUE_EXT) {
        buf_text(out, "msgpack:");
        base64_add(from, (size_t)((const char *)r->at - from), out);
    } else {
        at = reader_make(from, (size_t)((const char *)r->at - from));
        rc = element_write(&at, out, VALUE_DEPTH_MAX);
    }
    buf_char(out, '"');
    return rc;
}

static int container_write(
    struct reader *r, const struct value *head, struct buf *out, unsigned depth)
{
    bool map = head->type == VALUE_MAP;
    int rc = 0;

    if (depth == VALUE_DEPTH_MAX)
        return GANGER_EDECODE;
    buf_char(out, map ? '{' : '[');
    for (uint32_t i = 0; i < head->count && rc == 0; i++) {
        if (i > 0)
            buf_char(out, ',');
        if (map) {
            rc = key_write(r, out, depth + 1);
            buf_char(out, ':');
        }
        if (rc == 0)
            rc = element_write(r, out, depth + 1);
    }
    buf_char(out, map ? '}' : ']');
    return rc;
}

static int element_write(struct reader *r, struct buf *out, unsigned depth)
{
    struct value v;
    int rc = value_read(r, &v);

    if (rc < 0)
        return rc;
    switch (v.type) {
    case VALUE_NIL:
        buf_text(out, "null");
        return 0;
    case VALUE_BOOL:
        buf_text(out, v.flag ? "true" : "false");
        return 0;
    case VALUE_UINT:
        buf_format(out, "%llu", (unsigned long long)v.u);
        return 0;
    case VALUE_INT:
        buf_format(out, "%lld", (long long)v.i);
        return 0;
    case VALUE_FLOAT:
        float_write(&v, out);
        return 0;
    case VALUE_STR:
        json_string(v.data, v.len, out);
        return 0;
    case VALUE_BIN:
        json_bytes(v.data, v.len, out);
        return 0;
    case VALUE_EXT:
        ext_write(&v, out);
        return 0;
    case VALUE_ARRAY:
    case VALUE_MAP:
        break;
    }
    return container_write(r, &v, out, depth);
}

int json_write(const void *data, size_t len, struct buf *out)
{
    struct reader r = reader_make(data, len);
    int rc = element_write(&r, out, 0);

    if (rc < 0)
        return rc;
    if (out->failed)
        return GANGER_ENOMEM;
    return r.at == r.end ? 0 : GANGER_EDECODE;
}
