/* Short words for tests with tasks: values, submits, ends, and answers of the daemon. */
#ifndef SUPPORT_TASKS_H
#define SUPPORT_TASKS_H

#include "ganger/ganger.h"
#include "tests/support/daemon.h"

#include <stdbool.h>
#include <stdint.h>

/* A daemon that runs, and a connection to it. */
struct scene {
    struct daemon *d;
    struct ganger *g;
};
struct scene scene_open(const char *yaml);
/* Another connection, after the daemon was started again. */
void scene_reopen(struct scene *s);
/* Ends both; see daemon_free(). */
void scene_close(struct scene *s);

/*
 * One encoded value, from a format: "i" int64_t, "s" const char *, "n" nil, "b" const void * and
 * size_t (a bin), "a2" an array of the two values that follow ("a0" to "a9"). Valid until the 64th
 * call after.
 */
struct ganger_bytes value_of(const char *format, ...);

/* What was returned, as a number or text; fails the test if it is no such value. */
int64_t value_int(struct ganger_bytes value);
int64_t value_int_at(struct ganger_bytes value, unsigned index);
const char *value_text(struct ganger_bytes value);
/* The text or bytes of a str or bin, with its length. */
struct ganger_bytes value_raw(struct ganger_bytes value);

/* Options with all defaults, to be filled in. */
struct ganger_options options_new(void);

/* Submit; the future is the caller's. */
struct ganger_future *task_submit(struct ganger *g, const char *pool, const char *function,
    struct ganger_bytes args, const struct ganger_options *options);
/* Its id, once it is accepted. */
uint64_t task_id(struct ganger_future *f);
/* Wait for its end, which must be good; frees nothing. */
struct ganger_bytes task_done(struct ganger_future *f);
/* Wait for its end, which must be bad, with CODE. */
struct ganger_failure task_failed(struct ganger_future *f, int code);
/* Submit and wait, as above; the future is freed with the handle. */
struct ganger_bytes task_run(
    struct ganger *g, const char *pool, const char *function, struct ganger_bytes args);
struct ganger_failure task_run_failed(struct ganger *g, const char *pool, const char *function,
    struct ganger_bytes args, const struct ganger_options *options, int code);

/* The answer of a request: the value of KEY in its map (or the first map of its array). */
int64_t ask_int(
    struct ganger *g, enum ganger_verb verb, uint64_t id, const char *name, const char *key);
const char *ask_text(
    struct ganger *g, enum ganger_verb verb, uint64_t id, const char *name, const char *key);
/* Whether text KEY of the answer is VALUE. */
bool ask_is(struct ganger *g, enum ganger_verb verb, uint64_t id, const char *name, const char *key,
    const char *value);
/* State of a task, "gone" if there is no such task. */
bool task_is(struct ganger *g, uint64_t id, const char *state);
bool why_is(struct ganger *g, uint64_t id, const char *reason);

/* A FIFO that function "wait" reads: it blocks until the gate is opened. */
const char *gate_make(const struct daemon *d, const char *name);
/* Wait until somebody reads it; returns the descriptor whose closing lets him go. */
int gate_enter(const char *path);

#endif
