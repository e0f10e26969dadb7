#include "bar.h"
#include "cli.h"
#include "json.h"
#include "value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void value_print(struct cli *cli, const void *data, size_t len)
{
    struct reader r = reader_make(data, len);
    struct buf b = { 0 };
    struct value v;

    if (len == 0)
        return;
    if (value_read(&r, &v) == 0 && (v.type == VALUE_STR || v.type == VALUE_BIN)) {
        print_bytes(cli, v.data, v.len);
        /* A command's output mostly ends in a newline of its own. */
        if (v.len == 0 || v.data[v.len - 1] != '\n')
            print_bytes(cli, "\n", 1);
        return;
    }
    if (json_write(data, len, &b) < 0)
        say("the result is not well-formed msgpack");
    (void)print_line(cli, &b);
}

static void worker_json(const struct ganger_worker_end *w, struct buf *out)
{
    buf_format(out,
        ",\"worker\":{\"pid\":%" PRIu64
        ",\"exit\":%u,\"signal\":%u,\"core\":%s,\"user_us\":%" PRIu64 ",\"system_us\":%" PRIu64
        ",\"maxrss_kib\":%" PRIu64 ",\"stderr\":",
        w->pid, w->exit_code, w->signal, w->core != 0 ? "true" : "false", w->user_us, w->system_us,
        w->maxrss_kib);
    json_bytes(w->stderr_tail.data, w->stderr_tail.len, out);
    buf_char(out, '}');
}

void failure_json(const struct ganger_failure *failure, struct buf *out)
{
    buf_format(out, "{\"code\":%d,\"name\":\"%s\",\"text\":", failure->code,
        ganger_error_name(failure->code));
    json_text(failure->text, out);
    if (failure->backtrace[0] != '\0') {
        buf_text(out, ",\"backtrace\":");
        json_text(failure->backtrace, out);
    }
    if (failure->value.len != 0) {
        size_t before = out->len;

        buf_text(out, ",\"value\":");
        if (json_write(failure->value.data, failure->value.len, out) < 0)
            out->len = before;
    }
    if (failure->has_worker)
        worker_json(&failure->worker, out);
    if (failure->cause_count != 0)
        buf_text(out, ",\"causes\":[");
    for (uint32_t i = 0; i < failure->cause_count; i++) {
        const struct ganger_cause *cause = &failure->causes[i];

        buf_format(out, "%s{\"code\":%d,\"name\":\"%s\",\"signal\":%u,\"exit\":%u}",
            i == 0 ? "" : ",", cause->code, ganger_error_name(cause->code), cause->signal,
            cause->exit_code);
    }
    if (failure->cause_count != 0)
        buf_char(out, ']');
    buf_char(out, '}');
}

/* The tail as it is, ended by a newline. */
static void tail_print(const struct ganger_bytes *tail)
{
    const char *bytes = tail->data;

    if (tail->len == 0)
        return;
    bar_hide();
    (void)fflush(stdout);
    (void)fwrite(bytes, 1, tail->len, stderr);
    if (bytes[tail->len - 1] != '\n')
        (void)fputc('\n', stderr);
}

/* The code's text where the failure's own text does not say it. */
static const char *kind_of(const struct ganger_failure *failure)
{
    const char *kind = ganger_strerror(failure->code);

    if (failure->end != GANGER_END_FAILED && failure->end != GANGER_END_DEAD)
        return "";
    if (failure->code == GANGER_EEXIT || failure->code == GANGER_ENOFUNC ||
        strncmp(failure->text, kind, strlen(kind)) == 0)
        return "";
    return kind;
}

void failure_say(struct cli *cli, const char *what, const struct ganger_failure *failure)
{
    const char *hint = way_out(failure->code);
    const char *kind = kind_of(failure);

    if (failure->has_worker)
        tail_print(&failure->worker.stderr_tail);
    /* A command that said no by its status has said itself what there is to say. */
    if (failure->code == GANGER_EEXIT && failure->has_worker && failure->worker.signal == 0 &&
        (cli->command->groups & GROUP_EXEC) != 0)
        return;
    say("%s: %s%s%s%s%s%s", what, kind, kind[0] == '\0' ? "" : ": ", failure->text,
        hint == NULL ? "" : " (", hint == NULL ? "" : hint, hint == NULL ? "" : ")");
    if (failure->end == GANGER_END_DEAD && !cli->quiet)
        say("%s: set aside after %u attempts", what, failure->attempts);
    if (failure->backtrace[0] != '\0')
        (void)fprintf(stderr, "%s\n", failure->backtrace);
}

static const char *end_text(enum ganger_end end)
{
    switch (end) {
    case GANGER_END_DONE:
        return "done";
    case GANGER_END_FAILED:
        return "failed";
    case GANGER_END_CANCELLED:
        return "cancelled";
    case GANGER_END_DEAD:
        return "dead";
    case GANGER_END_NONE:
        break;
    }
    return "none";
}

static int outcome_json(struct cli *cli, struct ganger_future *f, const struct ganger_failure *e,
    const struct ganger_bytes *result)
{
    uint64_t id = ganger_future_id(f);
    char text[GANGER_ID_TEXT];
    struct buf b = { 0 };

    buf_char(&b, '{');
    if (id != 0) {
        (void)ganger_id_format(id, text);
        buf_format(&b, "\"id\":\"%s\",", text);
    }
    buf_format(&b, "\"end\":\"%s\"", end_text(e->end));
    if (e->attempts != 0)
        buf_format(&b, ",\"attempts\":%u", e->attempts);
    if (result != NULL) {
        buf_text(&b, ",\"result\":");
        if (result->len == 0 || json_write(result->data, result->len, &b) < 0)
            buf_text(&b, "null");
    }
    if (e->code != 0) {
        buf_text(&b, ",\"error\":");
        failure_json(e, &b);
    }
    buf_char(&b, '}');
    return print_line(cli, &b);
}

/* A command's output: the bytes alone. What is no string is no command's output. */
static void raw_print(struct cli *cli, const struct ganger_bytes *bytes)
{
    struct reader r = reader_make(bytes->data, bytes->len);
    struct value v;

    if (bytes->len == 0)
        return;
    if (value_read(&r, &v) == 0 && (v.type == VALUE_STR || v.type == VALUE_BIN))
        print_bytes(cli, v.data, v.len);
    else
        value_print(cli, bytes->data, bytes->len);
}

int outcome_report(
    struct cli *cli, const char *label, struct ganger_future *f, enum outcome_form form)
{
    struct ganger_bytes result = { NULL, 0 };
    struct ganger_failure failure;
    int rc = ganger_future_result(f, 0, &result);
    int error = ganger_future_error(f, &failure);

    if (error < 0)
        return say_failure(cli, label, error);
    if (rc < 0 && failure.code == 0)
        return say_failure(cli, label, rc);
    if (cli->json && outcome_json(cli, f, &failure, rc == 0 ? &result : NULL) != STATUS_DONE)
        return own_status(cli, STATUS_TROUBLE);
    if (rc == 0) {
        if (!cli->json && form == OUTCOME_TEXT)
            value_print(cli, result.data, result.len);
        else if (!cli->json && form == OUTCOME_RAW)
            raw_print(cli, &result);
        return STATUS_DONE;
    }
    if (!cli->json && form == OUTCOME_RAW)
        raw_print(cli, &failure.value);
    failure_say(cli, label, &failure);
    return status_of_failure(cli, &failure);
}
