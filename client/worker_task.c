#include "client/worker_task.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The last code of proto/err.h; what is below is no code of ours. */
#define CODE_LAST GANGER_EFOREIGN
/* A larger buffer is given back before the next task. */
#define VALUE_KEEP_BYTES (1024u * 1024)

static const uint8_t nil_value[] = { 0xc0 };

void task_clear(struct ganger_task *t)
{
    if (t->value.cap > VALUE_KEEP_BYTES)
        out_done(&t->value);
    t->value.len = 0;
    t->value.failed = 0;
    t->code = 0;
    t->text_bytes = 0;
    t->backtrace_bytes = 0;
    t->has_end = false;
}

__attribute__((format(printf, 3, 0))) static void fail_va(
    struct ganger_task *t, int code, const char *format, va_list args)
{
    int length = vsnprintf(t->text, sizeof t->text, format, args);

    t->code = code;
    t->text_bytes = length < 0 ? 0 : (size_t)length;
    if (t->text_bytes >= sizeof t->text)
        t->text_bytes = sizeof t->text - 1;
}

void task_fail(struct ganger_task *t, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_va(t, code, format, args);
    va_end(args);
}

struct slice task_value(const struct ganger_task *t)
{
    if (t->value.len == 0)
        return (struct slice){ nil_value, sizeof nil_value };
    return (struct slice){ t->value.data, t->value.len };
}

void task_write_detail(const struct ganger_task *t, struct out *o)
{
    struct msg_detail d;

    memset(&d, 0, sizeof d);
    d.code = t->code;
    d.text = (struct slice){ (const uint8_t *)t->text, t->text_bytes };
    d.backtrace = (struct slice){ (const uint8_t *)t->backtrace, t->backtrace_bytes };
    d.value = (struct slice){ t->value.data, t->value.len };
    d.has_worker_end = t->has_end;
    if (t->has_end)
        d.worker_end = t->end;
    msg_write_detail(o, &d);
}

const void *ganger_task_args(const struct ganger_task *task, size_t *ret_bytes)
{
    *ret_bytes = task->args.len;
    return task->args.data;
}

const char *ganger_task_function(const struct ganger_task *task)
{
    return task->function;
}

uint64_t ganger_task_id(const struct ganger_task *task)
{
    return task->id;
}

uint32_t ganger_task_attempt(const struct ganger_task *task)
{
    return task->attempt;
}

uint64_t ganger_task_fence(const struct ganger_task *task)
{
    return task->fence;
}

uint64_t ganger_task_limit_ms(const struct ganger_task *task)
{
    return task->limit_ms;
}

int ganger_task_return(struct ganger_task *task, const void *value, size_t bytes)
{
    task->value.len = 0;
    if (bytes > GANGER_PAYLOAD_MAX)
        return ganger_task_fail(task, GANGER_ETOOBIG, "the result has %zu bytes, %u are allowed",
            bytes, GANGER_PAYLOAD_MAX);
    if (bytes == 0 || !value_valid(value, bytes))
        return ganger_task_fail(task, GANGER_EENCODE,
            "the result of %zu bytes is not exactly one msgpack value", bytes);
    write_raw(&task->value, value, bytes);
    if (task->value.failed != 0) {
        task->value.failed = 0;
        return ganger_task_fail(task, GANGER_ENOMEM, "no memory for a result of %zu bytes", bytes);
    }
    return 0;
}

int ganger_task_fail(struct ganger_task *task, int code, const char *format, ...)
{
    va_list args;

    if (code >= 0 || code < CODE_LAST)
        code = GANGER_EFAILED;
    va_start(args, format);
    fail_va(task, code, format, args);
    va_end(args);
    return code;
}

void ganger_task_backtrace(struct ganger_task *task, const char *text)
{
    size_t bytes = strnlen(text, sizeof task->backtrace);

    memcpy(task->backtrace, text, bytes);
    task->backtrace_bytes = bytes;
}
