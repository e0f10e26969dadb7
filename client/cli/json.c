#include "json.h"

#include "value.h"

#include "ganger/err.h"

#include <errno.h>
#include <math.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    const char *at, *end; /* *end is NUL */
    struct buf *out;
    struct buf scratch; /* the string being read */
    msgpack_packer pack;
};

static int value_parse(struct parser *p, unsigned depth);

static void space_skip(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' || *p->at == '\n'))
        p->at++;
}

static bool char_take(struct parser *p, char c)
{
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static int word_take(struct parser *p, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
        return GANGER_EDECODE;
    p->at += len;
    return 0;
}

static size_t digits_skip(struct parser *p)
{
    const char *from = p->at;

    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return (size_t)(p->at - from);
}

/* Step over a number; *ret_whole: it has neither fraction nor exponent. */
static int number_skip(struct parser *p, bool *ret_whole)
{
    bool whole = true;

    (void)char_take(p, '-');
    if (!char_take(p, '0') && digits_skip(p) == 0)
        return GANGER_EDECODE;
    if (char_take(p, '.')) {
        whole = false;
        if (digits_skip(p) == 0)
            return GANGER_EDECODE;
    }
    if (char_take(p, 'e') || char_take(p, 'E')) {
        whole = false;
        if (!char_take(p, '+'))
            (void)char_take(p, '-');
        if (digits_skip(p) == 0)
            return GANGER_EDECODE;
    }
    *ret_whole = whole;
    return 0;
}

static int number_parse(struct parser *p)
{
    const char *from = p->at;
    bool whole = false;
    double d;

    if (number_skip(p, &whole) < 0)
        return GANGER_EDECODE;
    errno = 0;
    if (whole && *from == '-') {
        long long i = strtoll(from, NULL, 10);

        if (errno != ERANGE)
            (void)msgpack_pack_int64(&p->pack, i);
    } else if (whole) {
        unsigned long long u = strtoull(from, NULL, 10);

        if (errno != ERANGE)
            (void)msgpack_pack_uint64(&p->pack, u);
    } else {
        d = strtod(from, NULL);
        /* ERANGE is also said of what is rounded to nearly zero: that is fine. */
        errno = isinf(d) ? ERANGE : 0;
        if (errno == 0)
            (void)msgpack_pack_double(&p->pack, d);
    }
    if (errno == 0)
        return 0;
    p->at = from;
    return GANGER_EDECODE;
}

static int hex4_take(struct parser *p, uint32_t *ret_unit)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++, p->at++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit;

        if (p->at == p->end || *p->at == '\0')
            return GANGER_EDECODE;
        digit = strchr(digits, *p->at | 0x20);
        /* The bit that makes capitals small also makes digits of control characters. */
        if (digit == NULL || (*p->at < '0'))
            return GANGER_EDECODE;
        unit = unit << 4 | (uint32_t)(digit - digits);
    }
    *ret_unit = unit;
    return 0;
}

static void utf8_add(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_char(b, (char)c);
        return;
    }
    if (c < 0x800) {
        buf_char(b, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            buf_char(b, (char)(0xe0 | c >> 12));
        } else {
            buf_char(b, (char)(0xf0 | c >> 18));
            buf_char(b, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        buf_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    buf_char(b, (char)(0x80 | (c & 0x3f)));
}

/* After "\u": one UTF-16 unit or a pair of them. */
static int unicode_take(struct parser *p)
{
    uint32_t c = 0, low = 0;

    if (hex4_take(p, &c) < 0)
        return GANGER_EDECODE;
    if (c >= 0xd800 && c <= 0xdfff) {
        if (c > 0xdbff || !char_take(p, '\\') || !char_take(p, 'u') || hex4_take(p, &low) < 0 ||
            low < 0xdc00 || low > 0xdfff)
            return GANGER_EDECODE;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    utf8_add(&p->scratch, c);
    return 0;
}

static int escape_take(struct parser *p)
{
    static const char names[] = "\"\\/bfnrt", chars[] = "\"\\/\b\f\n\r\t";
    const char *name;

    if (p->at == p->end || *p->at == '\0')
        return GANGER_EDECODE;
    if (char_take(p, 'u'))
        return unicode_take(p);
    name = strchr(names, *p->at);
    if (name == NULL)
        return GANGER_EDECODE;
    p->at++;
    buf_char(&p->scratch, chars[name - names]);
    return 0;
}

static int string_parse(struct parser *p)
{
    if (!char_take(p, '"'))
        return GANGER_EDECODE;
    buf_clear(&p->scratch);
    while (!char_take(p, '"')) {
        size_t n = utf8_char(p->at, (size_t)(p->end - p->at));

        if (n == 0 || (unsigned char)*p->at < 0x20)
            return GANGER_EDECODE;
        if (char_take(p, '\\')) {
            if (escape_take(p) < 0)
                return GANGER_EDECODE;
            continue;
        }
        buf_add(&p->scratch, p->at, n);
        p->at += n;
    }
    (void)msgpack_pack_str(&p->pack, p->scratch.len);
    buf_add(p->out, p->scratch.data, p->scratch.len);
    return p->scratch.failed ? GANGER_ENOMEM : 0;
}

/* Turn the place holder at MARK into the head of a container of COUNT elements. */
static void head_fix(struct parser *p, size_t mark, uint64_t count, bool map)
{
    uint8_t bytes[4] = { (uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8),
        (uint8_t)count };
    uint8_t head = (uint8_t)((map ? 0x80 : 0x90) | count);

    if (count > 0xffff) {
        head = map ? 0xdf : 0xdd;
        buf_insert(p->out, mark + 1, bytes, 4);
    } else if (count > 15) {
        head = map ? 0xde : 0xdc;
        buf_insert(p->out, mark + 1, bytes + 2, 2);
    }
    if (!p->out->failed)
        p->out->data[mark] = (char)head;
}

static int element_parse(struct parser *p, unsigned depth, bool map)
{
    int rc;

    space_skip(p);
    if (map) {
        rc = string_parse(p);
        if (rc < 0)
            return rc;
        space_skip(p);
        if (!char_take(p, ':'))
            return GANGER_EDECODE;
        space_skip(p);
    }
    rc = value_parse(p, depth + 1);
    space_skip(p);
    return rc;
}

static int container_parse(struct parser *p, unsigned depth, bool map)
{
    size_t mark = p->out->len;
    uint64_t count = 0;
    char closing = map ? '}' : ']';
    int rc;

    if (depth == VALUE_DEPTH_MAX)
        return GANGER_EDECODE;
    p->at++;
    buf_char(p->out, 0);
    space_skip(p);
    if (char_take(p, closing)) {
        head_fix(p, mark, 0, map);
        return 0;
    }
    do {
        rc = element_parse(p, depth, map);
        if (rc < 0)
            return rc;
        count++;
    } while (char_take(p, ','));
    if (!char_take(p, closing) || count > UINT32_MAX)
        return GANGER_EDECODE;
    head_fix(p, mark, count, map);
    return 0;
}

static int value_parse(struct parser *p, unsigned depth)
{
    switch (p->at < p->end ? *p->at : '\0') {
    case '{':
        return container_parse(p, depth, true);
    case '[':
        return container_parse(p, depth, false);
    case '"':
        return string_parse(p);
    case 't':
        (void)msgpack_pack_true(&p->pack);
        return word_take(p, "true");
    case 'f':
        (void)msgpack_pack_false(&p->pack);
        return word_take(p, "false");
    case 'n':
        (void)msgpack_pack_nil(&p->pack);
        return word_take(p, "null");
    default:
        return number_parse(p);
    }
}

int json_read(const char *text, size_t len, struct buf *out, size_t *ret_at)
{
    struct parser p = { .at = text, .end = text + len, .out = out };
    size_t before = out->len;
    int rc;

    msgpack_packer_init(&p.pack, out, buf_pack_write);
    space_skip(&p);
    rc = value_parse(&p, 0);
    space_skip(&p);
    if (rc == 0 && p.at != p.end)
        rc = GANGER_EDECODE;
    if (out->failed)
        rc = GANGER_ENOMEM;
    buf_done(&p.scratch);
    if (rc < 0) {
        out->len = before;
        if (ret_at != NULL)
            *ret_at = (size_t)(p.at - text);
    }
    return rc;
}
