/*
 * One task while its function runs: what the function was given and what it gave.
 *
 * One struct ganger_task serves all tasks of a child, one after another; its buffers are reused.
 */
#ifndef CLIENT_WORKER_TASK_H
#define CLIENT_WORKER_TASK_H

#include "client/include/ganger/worker.h"
#include "proto/err.h"
#include "proto/msg.h"

struct ganger_task {
    uint32_t seq, attempt;
    uint64_t id, fence, limit_ms;
    struct slice args;
    char function[GANGER_NAME_MAX + 1];
    /* What the function gave. */
    struct out value; /* empty: nil */
    int code;         /* 0 or why it failed */
    size_t text_bytes, backtrace_bytes;
    char text[GANGER_TEXT_MAX], backtrace[GANGER_TEXT_MAX];
    bool has_end; /* a command: how its process ended; the tail below is part of it */
    struct msg_worker_end end;
    uint8_t stderr_tail[GANGER_STDERR_TAIL];
    /* Progress. */
    bool reported;
    uint64_t reported_us;
};

/* Forget what the task before gave. */
void task_clear(struct ganger_task *t);

/* As ganger_task_fail(), for what is not the function's doing. */
void task_fail(struct ganger_task *t, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The outcome of a task that succeeded: its value. Borrowed until the next task. */
struct slice task_value(const struct ganger_task *t);

/* Write the detail of a task that failed as one msgpack value. */
void task_write_detail(const struct ganger_task *t, struct out *o);

#endif
