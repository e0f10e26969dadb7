#include "tests/support/tasks.h"

#include "proto/pack.h"
#include "tests/support/test_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALUES 64

struct scene scene_open(const char *yaml)
{
    struct scene s = { .d = daemon_run(yaml) };

    s.g = daemon_open(s.d);
    return s;
}

void scene_reopen(struct scene *s)
{
    ganger_close(s->g);
    s->g = daemon_open(s->d);
}

void scene_close(struct scene *s)
{
    ganger_close(s->g);
    daemon_free(s->d);
}

/* ---- values ---- */

static void value_write(struct out *o, char letter, va_list *args)
{
    const char *text;
    const void *data;

    switch (letter) {
    case 'i':
        write_int(o, va_arg(*args, int64_t));
        break;
    case 's':
        text = va_arg(*args, const char *);
        write_str(o, text, strlen(text));
        break;
    case 'b':
        data = va_arg(*args, const void *);
        write_bin(o, data, va_arg(*args, size_t));
        break;
    case 'n':
        write_nil(o);
        break;
    default:
        fail_msg("no value is made by %c", letter);
    }
}

struct ganger_bytes value_of(const char *format, ...)
{
    static struct out values[VALUES];
    static unsigned next;
    struct out *o = &values[next++ % VALUES];
    va_list args;

    out_done(o);
    va_start(args, format);
    for (; *format != '\0'; format++) {
        if (*format == 'a')
            write_array(o, (uint32_t)(*++format - '0'));
        else
            value_write(o, *format, &args);
    }
    va_end(args);
    return (struct ganger_bytes){ o->data, o->len };
}

static struct cursor cursor_of(struct ganger_bytes value)
{
    return cursor_make(value.data, value.len);
}

int64_t value_int(struct ganger_bytes value)
{
    struct cursor c = cursor_of(value);
    int64_t number = read_int(&c);

    assert_int_equal(c.error, 0);
    return number;
}

int64_t value_int_at(struct ganger_bytes value, unsigned index)
{
    struct cursor c = cursor_of(value);
    int64_t number;

    assert_true(read_array(&c, UINT32_MAX) > index);
    while (index-- > 0)
        read_skip(&c);
    number = read_int(&c);
    assert_int_equal(c.error, 0);
    return number;
}

struct ganger_bytes value_raw(struct ganger_bytes value)
{
    struct cursor c = cursor_of(value);
    struct slice s = read_str(&c, SIZE_MAX);

    if (c.error != 0) {
        c = cursor_of(value);
        s = read_bin(&c, SIZE_MAX);
    }
    assert_int_equal(c.error, 0);
    return (struct ganger_bytes){ s.data, s.len };
}

static const char *text_keep(const void *data, size_t len)
{
    static char texts[8][8192];
    static unsigned next;
    char *text = texts[next++ % 8];

    if (len > sizeof texts[0] - 1)
        len = sizeof texts[0] - 1;
    if (len != 0)
        memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

const char *value_text(struct ganger_bytes value)
{
    struct ganger_bytes raw = value_raw(value);

    return text_keep(raw.data, raw.len);
}

/* ---- tasks ---- */

struct ganger_options options_new(void)
{
    struct ganger_options options;

    ganger_options_init(&options);
    return options;
}

struct ganger_future *task_submit(struct ganger *g, const char *pool, const char *function,
    struct ganger_bytes args, const struct ganger_options *options)
{
    struct ganger_call call = { pool, function, args.data, args.len };
    struct ganger_future *f;
    int rc = ganger_submit(g, &call, options, &f);

    if (rc == 0)
        rc = ganger_flush(g, DAEMON_WAIT_MS);
    if (rc < 0)
        fail_msg("submit: %s", ganger_last_error(g));
    return f;
}

uint64_t task_id(struct ganger_future *f)
{
    uint64_t id = 0;
    int rc = ganger_future_wait_id(f, DAEMON_WAIT_MS, &id);

    if (rc < 0)
        fail_msg("no id: %s", ganger_strerror(rc));
    return id;
}

struct ganger_bytes task_done(struct ganger_future *f)
{
    struct ganger_bytes result;
    struct ganger_failure failure;
    int rc = ganger_future_result(f, DAEMON_WAIT_MS, &result);

    if (rc < 0 && ganger_future_ready(f) && ganger_future_error(f, &failure) == 0)
        fail_msg("the task failed: %s: %s", ganger_error_name(rc), failure.text);
    if (rc < 0)
        fail_msg("the task does not end: %s", ganger_strerror(rc));
    return result;
}

struct ganger_failure task_failed(struct ganger_future *f, int code)
{
    struct ganger_failure failure;
    int rc = ganger_future_wait(f, DAEMON_WAIT_MS);

    if (rc < 0)
        fail_msg("the task does not end: %s", ganger_strerror(rc));
    assert_int_equal(ganger_future_error(f, &failure), 0);
    if (failure.code != code)
        fail_msg("%s instead of %s: %s", ganger_error_name(failure.code), ganger_error_name(code),
            failure.text);
    return failure;
}

struct ganger_bytes task_run(
    struct ganger *g, const char *pool, const char *function, struct ganger_bytes args)
{
    return task_done(task_submit(g, pool, function, args, NULL));
}

struct ganger_failure task_run_failed(struct ganger *g, const char *pool, const char *function,
    struct ganger_bytes args, const struct ganger_options *options, int code)
{
    return task_failed(task_submit(g, pool, function, args, options), code);
}

/* ---- answers ---- */

/* The raw value of KEY. */
static struct ganger_bytes ask(struct ganger *g, enum ganger_verb verb, uint64_t id,
    const char *name, const char *key, void **ret_answer)
{
    struct ganger_bytes found = { NULL, 0 };
    size_t bytes;
    struct cursor c;
    int rc = ganger_ask(g, verb, id, name, 0, DAEMON_WAIT_MS, ret_answer, &bytes);

    if (rc < 0)
        fail_msg("verb %d of %s: %s", (int)verb, name == NULL ? "" : name, ganger_last_error(g));
    c = cursor_make(*ret_answer, bytes);
    if (bytes > 0 && (*c.at & 0xf0) == 0x90)
        (void)read_array(&c, 15);
    for (uint32_t pairs = read_map(&c, UINT32_MAX); pairs > 0; pairs--) {
        struct slice k = read_str(&c, 1000), v = read_raw(&c);

        if (k.len == strlen(key) && memcmp(k.data, key, k.len) == 0)
            found = (struct ganger_bytes){ v.data, v.len };
    }
    if (c.error != 0 || found.data == NULL)
        fail_msg("the answer has no %s", key);
    return found;
}

int64_t ask_int(
    struct ganger *g, enum ganger_verb verb, uint64_t id, const char *name, const char *key)
{
    void *answer;
    int64_t number = value_int(ask(g, verb, id, name, key, &answer));

    ganger_free(answer);
    return number;
}

const char *ask_text(
    struct ganger *g, enum ganger_verb verb, uint64_t id, const char *name, const char *key)
{
    void *answer;
    const char *text = value_text(ask(g, verb, id, name, key, &answer));

    ganger_free(answer);
    return text;
}

bool ask_is(struct ganger *g, enum ganger_verb verb, uint64_t id, const char *name, const char *key,
    const char *value)
{
    return strcmp(ask_text(g, verb, id, name, key), value) == 0;
}

bool task_is(struct ganger *g, uint64_t id, const char *state)
{
    return ask_is(g, GANGER_STATUS, id, NULL, "state", state);
}

bool why_is(struct ganger *g, uint64_t id, const char *reason)
{
    return ask_is(g, GANGER_WHY, id, NULL, "reason", reason);
}

/* ---- gates ---- */

const char *gate_make(const struct daemon *d, const char *name)
{
    const char *path = daemon_path(d, name);

    assert_int_equal(mkfifo(path, 0600), 0);
    return path;
}

int gate_enter(const char *path)
{
    int64_t end_ms = test_now_ms() + DAEMON_WAIT_MS;
    unsigned round = 0;
    int fd;

    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
        if (errno != ENXIO || test_now_ms() > end_ms)
            fail_msg("nobody waits at %s: %s", path, strerror(errno));
        test_back_off(&round);
    }
    return fd;
}
