#include "conf/log_line.h"

#include "proto/assert.h"

#include <stdio.h>
#include <string.h>

#define LINE_TAIL 5u /* room kept for " ...\n" */
#define KEY_MAX   64u

/* A field while it is gathered: its key once '=' was seen, and its value before quoting. */
struct field {
    size_t key_bytes;
    size_t bytes;
    bool keyed;
    bool cut;
    char key[KEY_MAX];
    char value[LOG_VALUE_MAX];
};

struct arguments {
    va_list list;
};

/* One conversion of a format. */
struct conversion {
    char length[3]; /* "", "hh", "h", "l", "ll", "z", "j", "t" */
    char type;
    int precision; /* -1: not given */
};

static size_t line_room(const struct log_line *line)
{
    return LOG_LINE_MAX - LINE_TAIL - line->bytes;
}

static bool line_put(struct log_line *line, const char *text, size_t bytes)
{
    if (bytes > line_room(line)) {
        line->full = true;
        return false;
    }
    memcpy(line->text + line->bytes, text, bytes);
    line->bytes += bytes;
    return true;
}

void log_line_raw(struct log_line *line, const char *text)
{
    (void)line_put(line, text, strlen(text));
}

void log_line_end(struct log_line *line)
{
    if (line->full) {
        memcpy(line->text + line->bytes, " ...", 4);
        line->bytes += 4;
    }
    line->text[line->bytes++] = '\n';
}

/*
 * Separators and directional overrides, which could make a line look like several or like
 * something else on a terminal: U+0080..9F, U+2028..202E, U+2066..2069.
 */
static bool code_deceives(uint32_t code)
{
    return (code >= 0x80 && code <= 0x9F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* Bytes of the harmless multi-byte UTF-8 sequence at S, 0 if there is none. */
static size_t utf8_harmless(const unsigned char *s, size_t left)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    uint32_t code;

    if (s[0] < 0xC2 || s[0] > 0xF4 || left < n)
        return 0;
    code = s[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0u) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3Fu);
    }
    if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    return code_deceives(code) ? 0 : n;
}

/*
 * Write the first unit of S (LEFT > 0 bytes) as it stands between quotes to OUT (8 bytes).
 * Returns the bytes written and how many bytes of S they stand for.
 */
static size_t unit_escape(const unsigned char *s, size_t left, char *out, size_t *ret_used)
{
    static const char from[] = "\n\r\t\"\\";
    static const char to[] = "nrt\"\\";
    const char *known = s[0] != 0 ? strchr(from, s[0]) : NULL;
    size_t n;

    *ret_used = 1;
    if (known != NULL) {
        out[0] = '\\';
        out[1] = to[known - from];
        return 2;
    }
    if (s[0] >= 0x20 && s[0] < 0x7F) {
        out[0] = (char)s[0];
        return 1;
    }
    n = utf8_harmless(s, left);
    if (n != 0) {
        memcpy(out, s, n);
        *ret_used = n;
        return n;
    }
    return (size_t)snprintf(out, 8, "\\x%02x", s[0]);
}

/* Can the value stand without quotes? */
static bool value_plain(const struct field *f)
{
    for (size_t i = 0; i < f->bytes; i++) {
        unsigned char c = (unsigned char)f->value[i];

        if (c <= 0x20 || c >= 0x7F || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return f->bytes != 0 && !f->cut;
}

static void value_put(struct log_line *line, struct field *f)
{
    const unsigned char *s = (const unsigned char *)f->value;
    char unit[8];
    size_t used;

    if (value_plain(f) && f->bytes <= line_room(line)) {
        (void)line_put(line, f->value, f->bytes);
        return;
    }
    (void)line_put(line, "\"", 1);
    for (size_t i = 0; i < f->bytes; i += used) {
        size_t n = unit_escape(s + i, f->bytes - i, unit, &used);

        /* Room for what closes a cut value stays. */
        if (n + 4 > line_room(line)) {
            f->cut = true;
            break;
        }
        (void)line_put(line, unit, n);
    }
    if (f->cut)
        (void)line_put(line, "...", 3);
    (void)line_put(line, "\"", 1);
}

/* End the field that was gathered and start an empty one. */
static void field_flush(struct log_line *line, struct field *f)
{
    if (f->keyed || f->bytes != 0) {
        /* A field starts only if its key and an empty cut value fit: "..." in quotes. */
        if (f->key_bytes + 8 > line_room(line)) {
            line->full = true;
        } else {
            (void)line_put(line, " ", 1);
            (void)line_put(line, f->key, f->key_bytes);
            if (f->keyed)
                (void)line_put(line, "=", 1);
            value_put(line, f);
        }
    }
    f->key_bytes = 0;
    f->bytes = 0;
    f->keyed = false;
    f->cut = false;
}

static void field_put(struct field *f, const char *text, size_t bytes)
{
    size_t room = sizeof f->value - f->bytes;

    if (bytes > room) {
        bytes = room;
        f->cut = true;
    }
    memcpy(f->value + f->bytes, text, bytes);
    f->bytes += bytes;
}

/* What was gathered so far turns out to be the key. */
static void field_key(struct field *f)
{
    GANGER_ASSERT(f->bytes <= sizeof f->key);
    memcpy(f->key, f->value, f->bytes);
    f->key_bytes = f->bytes;
    f->bytes = 0;
    f->keyed = true;
}

/* The analyzer does not see that the list inside of the struct was set by va_copy(). */
/* NOLINTBEGIN(clang-analyzer-valist.Uninitialized) */
static intmax_t take_signed(struct arguments *args, const char *length)
{
    if (strcmp(length, "l") == 0)
        return va_arg(args->list, long);
    if (strcmp(length, "ll") == 0)
        return va_arg(args->list, long long);
    if (strcmp(length, "j") == 0)
        return va_arg(args->list, intmax_t);
    if (strcmp(length, "z") == 0)
        return va_arg(args->list, ssize_t);
    if (strcmp(length, "t") == 0)
        return va_arg(args->list, ptrdiff_t);
    return va_arg(args->list, int);
}

static uintmax_t take_unsigned(struct arguments *args, const char *length)
{
    if (strcmp(length, "l") == 0)
        return va_arg(args->list, unsigned long);
    if (strcmp(length, "ll") == 0)
        return va_arg(args->list, unsigned long long);
    if (strcmp(length, "j") == 0)
        return va_arg(args->list, uintmax_t);
    if (strcmp(length, "z") == 0 || strcmp(length, "t") == 0)
        return va_arg(args->list, size_t);
    return va_arg(args->list, unsigned);
}

static void put_string(struct field *f, const char *text, int precision)
{
    if (text == NULL)
        text = "(null)";
    /* One byte over the bound is enough to know that the value is cut. */
    field_put(
        f, text, strnlen(text, precision >= 0 ? (size_t)precision : (size_t)LOG_VALUE_MAX + 1));
}

static void put_unsigned(struct field *f, uintmax_t value, char type)
{
    char text[32];
    int n = type == 'x'   ? snprintf(text, sizeof text, "%jx", value)
            : type == 'X' ? snprintf(text, sizeof text, "%jX", value)
            : type == 'o' ? snprintf(text, sizeof text, "%jo", value)
                          : snprintf(text, sizeof text, "%ju", value);

    field_put(f, text, (size_t)n);
}

static void put_double(struct field *f, double value, const struct conversion *c)
{
    char text[400];
    int precision = c->precision >= 0 && c->precision < 60 ? c->precision : 6;
    int n = c->type == 'f'   ? snprintf(text, sizeof text, "%.*f", precision, value)
            : c->type == 'e' ? snprintf(text, sizeof text, "%.*e", precision, value)
                             : snprintf(text, sizeof text, "%.*g", precision, value);

    field_put(f, text, (size_t)n);
}

static void put_pointer(struct field *f, const void *value)
{
    char text[32];

    field_put(f, text, (size_t)snprintf(text, sizeof text, "%p", value));
}

static void put_signed(struct field *f, intmax_t value)
{
    char text[32];

    field_put(f, text, (size_t)snprintf(text, sizeof text, "%jd", value));
}

static void put_conversion(struct field *f, const struct conversion *c, struct arguments *args)
{
    char byte;

    switch (c->type) {
    case 'd':
    case 'i':
        put_signed(f, take_signed(args, c->length));
        return;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        put_unsigned(f, take_unsigned(args, c->length), c->type);
        return;
    case 's':
        put_string(f, va_arg(args->list, const char *), c->precision);
        return;
    case 'c':
        byte = (char)va_arg(args->list, int);
        field_put(f, &byte, 1);
        return;
    case 'f':
    case 'e':
    case 'g':
        put_double(f, va_arg(args->list, double), c);
        return;
    case 'p':
        put_pointer(f, va_arg(args->list, void *));
        return;
    case '%':
        field_put(f, "%", 1);
        return;
    default:
        /* The compiler has checked the format; what is left is ours to avoid (%n, %ls, %a, %m). */
        GANGER_ASSERT(c->type == 's');
    }
}

/* A number or '*' at *P; -1 if there is none. */
static int take_number(const char **p, struct arguments *args)
{
    int n = 0;

    if (**p == '*') {
        (*p)++;
        return va_arg(args->list, int);
    }
    if (**p < '0' || **p > '9')
        return -1;
    for (; **p >= '0' && **p <= '9'; (*p)++)
        n = n < 100000 ? n * 10 + (**p - '0') : n;
    return n;
}

/* NOLINTEND(clang-analyzer-valist.Uninitialized) */

/* Handle the conversion that starts at P ("%..."); returns what follows it. Widths and flags do
 * nothing: a value has no columns. */
static const char *format_convert(const char *p, struct field *f, struct arguments *args)
{
    struct conversion c = { .precision = -1 };
    size_t n = 0;

    p++;
    p += strspn(p, "-+ #0");
    (void)take_number(&p, args);
    if (*p == '.') {
        p++;
        c.precision = take_number(&p, args);
        if (c.precision < 0)
            c.precision = 0;
    }
    while (*p != '\0' && strchr("hlzjt", *p) != NULL && n + 1 < sizeof c.length)
        c.length[n++] = *p++;
    c.type = *p;
    put_conversion(f, &c, args);
    return p + 1;
}

void log_line_fields(struct log_line *line, const char *format, va_list list)
{
    struct arguments args;
    struct field f = { 0 };

    va_copy(args.list, list);
    for (const char *p = format; *p != '\0';) {
        if (*p == '%') {
            p = format_convert(p, &f, &args);
            continue;
        }
        if (*p == ' ')
            field_flush(line, &f);
        else if (*p == '=' && !f.keyed)
            field_key(&f);
        else
            field_put(&f, p, 1);
        p++;
    }
    field_flush(line, &f);
    va_end(args.list);
}
