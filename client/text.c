/* Texts of errors, the clock, and the checks that every public call begins with. */
#include "handle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int fail(struct ganger *g, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(g->error, sizeof g->error, format, args);
    va_end(args);
    return code;
}

int fail_plain(struct ganger *g, int code)
{
    return fail(g, code, "%s", ganger_strerror(code));
}

int64_t clock_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t deadline_after(int64_t now, int64_t ms)
{
    if (ms <= 0)
        return now;
    return ms >= NEVER - now ? NEVER : now + ms;
}

int handle_check(struct ganger *g)
{
    if (*g->alive == 0)
        return fail(g, GANGER_ESTATE, "the handle belongs to the process that forked this one");
    return 0;
}

int handle_check_block(struct ganger *g)
{
    int rc = handle_check(g);

    if (rc == 0 && g->inside)
        return fail(g, GANGER_ESTATE, "a blocking call inside a callback");
    return rc;
}

int64_t name_check(struct ganger *g, const char *what, const char *name, bool may_be_empty)
{
    size_t len = name == NULL ? 0 : strnlen(name, GANGER_NAME_MAX + 1);

    if (len == 0 && !may_be_empty)
        return fail(g, GANGER_EINVAL, "%s: no name is given", what);
    if (len > GANGER_NAME_MAX || len > g->server.name_max)
        return fail(g, GANGER_ETOOBIG, "%s: a name of more than %u bytes", what,
            g->server.name_max < GANGER_NAME_MAX ? g->server.name_max : GANGER_NAME_MAX);
    return (int64_t)len;
}

const char *ganger_strerror(int code)
{
    return error_text(code);
}

const char *ganger_error_name(int code)
{
    switch (code) {
    case GANGER_OK:
        return "GANGER_OK";
#define CASE(name, number, text)                                                                   \
    case -(number):                                                                                \
        return "GANGER_" #name;
        GANGER_ERRORS(CASE)
#undef CASE
    default:
        return "?";
    }
}

const char *ganger_last_error(const struct ganger *g)
{
    return g->error;
}

void ganger_free(void *p)
{
    free(p);
}
