#include "bar.h"
#include "cli.h"
#include "json.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say_args(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void say_args(const char *format, va_list args)
{
    bar_hide();
    (void)fflush(stdout);
    (void)fputs("ganger: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_args(format, args);
    va_end(args);
}

static const char *reason_of(const struct cli *cli, int code)
{
    const char *text = cli->g == NULL ? "" : ganger_last_error(cli->g);

    return text[0] != '\0' ? text : ganger_strerror(code);
}

int say_failure(struct cli *cli, const char *what, int code)
{
    const char *hint = way_out(code), *why = reason_of(cli, code);

    say("%s: %s%s%s%s", what, why, hint == NULL ? "" : " (", hint == NULL ? "" : hint,
        hint == NULL ? "" : ")");
    if (cli->json) {
        struct ganger_failure failure = { .code = code, .text = why, .backtrace = "" };
        struct buf b = { 0 };

        buf_text(&b, "{\"error\":");
        failure_json(&failure, &b);
        buf_char(&b, '}');
        (void)print_line(cli, &b);
    }
    return own_status(cli, status_of(code, GANGER_END_NONE));
}

int say_usage(struct cli *cli, const char *format, ...)
{
    const char *name = cli->command == NULL ? "" : cli->command->name;
    va_list args;

    va_start(args, format);
    say_args(format, args);
    va_end(args);
    (void)fprintf(stderr, "Try `ganger %s%s--help`.\n", name, name[0] == '\0' ? "" : " ");
    return own_status(cli, STATUS_USAGE);
}

void print_bytes(struct cli *cli, const void *data, size_t len)
{
    if (cli->deaf != 0 || len == 0)
        return;
    if (fwrite(data, 1, len, stdout) != len)
        cli->deaf = errno;
}

void print_flush(struct cli *cli)
{
    if (cli->deaf == 0 && fflush(stdout) != 0)
        cli->deaf = errno;
}

int print_line(struct cli *cli, struct buf *b)
{
    bool failed;

    buf_char(b, '\n');
    failed = b->failed;
    if (!failed)
        print_bytes(cli, b->data, b->len);
    buf_done(b);
    if (!failed)
        return STATUS_DONE;
    say("out of memory");
    return own_status(cli, STATUS_TROUBLE);
}

int print_end(struct cli *cli, int status)
{
    /* SIGPIPE is ignored, so that tasks can be cancelled first; the status is as if it were not. */
    print_flush(cli);
    if (cli->deaf == 0)
        return status;
    if (cli->deaf == EPIPE)
        return STATUS_SIGNAL + SIGPIPE;
    say("standard output: %s", strerror(cli->deaf));
    return own_status(cli, STATUS_TROUBLE);
}
