/* A module whose functions wait for other tasks, as clients of the daemon that runs them. */
#include "client/include/ganger/ganger.h"
#include "client/include/ganger/worker.h"
#include "proto/pack.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void text_copy(struct cursor *c, char *text, size_t bytes)
{
    struct slice s = read_str(c, bytes - 1);

    if (s.len != 0)
        memcpy(text, s.data, s.len);
    text[s.len] = '\0';
}

/* Wait until somebody has opened the FIFO and closed it again. */
static void gate_wait(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char byte;

    if (fd < 0)
        return;
    while (read(fd, &byte, 1) > 0) {
    }
    (void)close(fd);
}

static int ask(struct ganger_task *task, struct ganger *g, const char *pool, const char *function,
    const char *semaphore, struct slice args)
{
    struct ganger_call call = {
        .pool = pool, .function = function, .payload = args.data, .payload_bytes = args.len
    };
    struct ganger_need need = { semaphore, 1 };
    struct ganger_options options;
    size_t bytes;
    void *result;
    int rc;

    ganger_options_init(&options);
    options.needs = &need;
    options.need_count = semaphore[0] != '\0';
    rc = ganger_apply(g, &call, &options, &result, &bytes);
    if (rc < 0)
        return ganger_task_fail(task, rc, "%s", ganger_last_error(g));
    rc = ganger_task_return(task, result, bytes);
    ganger_free(result);
    return rc;
}

/* [gate or "", pool, function, semaphore or "", argument]: what that task returns. */
static int run_ask(struct ganger_task *task)
{
    static struct ganger *g; /* kept for the tasks that follow */
    char gate[256], pool[64], function[64], semaphore[64];
    size_t bytes;
    const void *args = ganger_task_args(task, &bytes);
    struct cursor c = cursor_make(args, bytes);

    (void)read_array(&c, 5);
    text_copy(&c, gate, sizeof gate);
    text_copy(&c, pool, sizeof pool);
    text_copy(&c, function, sizeof function);
    text_copy(&c, semaphore, sizeof semaphore);
    if (c.error != 0)
        return ganger_task_fail(task, GANGER_EINVAL, "wrong arguments");
    if (g == NULL && ganger_open(NULL, &g) < 0)
        return ganger_task_fail(task, GANGER_ECONN, "no connection");
    if (gate[0] != '\0')
        gate_wait(gate);
    return ask(task, g, pool, function, semaphore, read_raw(&c));
}

/* What is in its environment under that name. */
static int run_getenv(struct ganger_task *task)
{
    char name[64];
    size_t bytes;
    const void *args = ganger_task_args(task, &bytes);
    struct cursor c = cursor_make(args, bytes);
    struct out o = { 0 };
    const char *value;
    int rc;

    text_copy(&c, name, sizeof name);
    value = getenv(name);
    write_str(&o, value == NULL ? "" : value, value == NULL ? 0 : strlen(value));
    rc = ganger_task_return(task, o.data, o.len);
    out_done(&o);
    return rc;
}

static const struct ganger_function functions[] = { { "ask", run_ask }, { "getenv", run_getenv },
    { NULL, NULL } };

GANGER_MODULE_EXPORT const struct ganger_module ganger_module = { GANGER_MODULE_ABI, "nestmod",
    functions, NULL, NULL, NULL };
