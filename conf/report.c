#include "conf/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "name:line:column: message" in new memory, NULL if there is none. */
__attribute__((format(printf, 3, 0))) static char *error_text(
    const struct report *r, struct mark mark, const char *format, va_list args)
{
    char *message = NULL;
    char *text = NULL;

    if (vasprintf(&message, format, args) < 0)
        return NULL;
    if (asprintf(&text, "%s:%u:%u: %s", r->name, mark.line, mark.column, message) < 0)
        text = NULL;
    free(message);
    return text;
}

void report_add(struct report *r, struct mark mark, const char *format, ...)
{
    va_list args;
    char *text;

    if (r->count == CONF_ERRORS_MAX) {
        r->dropped++;
        return;
    }
    va_start(args, format);
    text = error_text(r, mark, format, args);
    va_end(args);
    if (text == NULL) {
        r->no_memory = true;
        return;
    }
    r->kept[r->count].mark = mark;
    r->kept[r->count].text = text;
    r->count++;
}

static bool mark_before(struct mark a, struct mark b)
{
    return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* The first error, by place and then by the order of its finding, that was not given out yet. */
static char *report_take(struct report *r)
{
    size_t best = CONF_ERRORS_MAX;
    char *text;

    for (size_t i = 0; i < r->count; i++) {
        if (r->kept[i].text == NULL)
            continue;
        if (best == CONF_ERRORS_MAX || mark_before(r->kept[i].mark, r->kept[best].mark))
            best = i;
    }
    if (best == CONF_ERRORS_MAX)
        return NULL;
    text = r->kept[best].text;
    r->kept[best].text = NULL;
    return text;
}

void report_give(struct report *r, struct conf_errors *errors)
{
    char *text;

    if (errors != NULL) {
        errors->count = 0;
        errors->dropped = r->dropped;
    }
    while ((text = report_take(r)) != NULL) {
        if (errors != NULL)
            errors->text[errors->count++] = text;
        else
            free(text);
    }
    r->count = 0;
}

const char *report_quote(struct quoted *q, const char *text, size_t bytes)
{
    size_t n = 1;

    q->text[0] = '"';
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        /* Room for one escape, the dots, the closing quote and the end. A character of several
         * bytes is not cut: only its first byte is a place to stop at, while there is room. */
        if (n + 16 > sizeof q->text && ((c & 0xC0u) != 0x80 || n + 10 > sizeof q->text)) {
            memcpy(q->text + n, "...", 3);
            n += 3;
            break;
        }
        if (c < 0x20 || c == 0x7F)
            n += (size_t)snprintf(q->text + n, 5, "\\x%02x", c);
        else
            q->text[n++] = (char)c;
    }
    q->text[n++] = '"';
    q->text[n] = '\0';
    return q->text;
}
