/*
 * A coordinator played by the test: a real agent as its child process, real sockets, real
 * children. Every wait is bounded; whatever is not as expected fails the running test.
 */
#ifndef WORKER_FAKE_H
#define WORKER_FAKE_H

#include "tests/support/test_main.h"

#include "proto/err.h"
#include "proto/msg.h"
#include "proto/page.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Longest wait for anything. */
#define FAKE_LIMIT_MS 20000

/* Reads messages of one socket. */
struct reader {
    int fd;
    uint8_t *data;
    size_t at, bytes, cap;
    struct msg m;
    uint32_t left; /* items of a batch of results not yet read */
    int fds[4];
    size_t fd_count;
};

struct fake {
    pid_t agent;
    struct reader link;
    char dir[64];    /* a private directory, removed at the end */
    char errors[96]; /* the agent's standard error, a file in it */
};

struct fake_child {
    struct fake *fake;
    uint32_t child, gen;
    pid_t pid;
    struct page *page;
    uint32_t next; /* number of the next hand */
    struct reader link;
};

/* How a child's or a task's end was reported; copies. */
struct fake_exit {
    struct msg_exited m;
    char text[GANGER_TEXT_MAX + 1], tail[GANGER_STDERR_TAIL + 1];
};
struct fake_result {
    struct msg_result m;
    struct msg_detail d; /* if it failed */
    char text[GANGER_TEXT_MAX + 1];
};

/* cmocka set-up and tear-down: *state is a struct fake with a directory and no agent yet. */
int fake_setup(void **state);
int fake_teardown(void **state);

/* Start the agent with `--pool test --link-fd 3` and ARGS (ends with NULL); exchange hellos. */
void fake_start(struct fake *f, const char *const *args);
/* The same, with the test module and hello, load and all expected to succeed. */
void fake_start_module(struct fake *f);
/* Start only: nothing is said yet. EXTRA_FD (or -1) becomes descriptor 7 of the agent. */
void fake_launch(struct fake *f, const char *const *args, int extra_fd);
void fake_hello(struct fake *f, uint32_t version);
/* Expect the agent's report of its functions. */
void fake_expect_loaded(struct fake *f);
/* Expect a report of code CODE whose text contains PART. */
void fake_expect_refusal(struct fake *f, int code, const char *part);

/* The next message of a socket; its type must be TYPE. */
struct msg *reader_expect(struct reader *r, enum msg_type type);
/* The type of the next message, 0 at the end of the stream. */
uint32_t reader_next(struct reader *r);
void reader_done(struct reader *r);

/* Fork a child and wait until it is ready; or only until it is started. */
void fake_spawn(struct fake *f, struct fake_child *c, uint32_t child, uint32_t gen);
void fake_spawn_started(struct fake *f, struct fake_child *c, uint32_t child, uint32_t gen);
void fake_signal(struct fake *f, uint32_t child, uint32_t gen, int signal);
/* Wait for the report of that child's end. */
void fake_expect_exit(struct fake_child *c, struct fake_exit *ret);
/* Wait until it is reported that nothing is left of it (at once with its end, or later). */
void fake_expect_empty(struct fake_child *c, const struct fake_exit *e);
/* Close the link of a child, and unmap its page. */
void fake_child_close(struct fake_child *c);
/* Close the link; wait for a good end. */
void fake_retire(struct fake_child *c);
/* Close the agent's link, and wait for its end; returns its wait status. */
int fake_stop(struct fake *f);

/* Hand one task: grants it, sends it, returns its number. */
uint32_t fake_hand(struct fake_child *c, const char *function, const struct out *payload);
/* Add a hand to a batch under construction (not granted). */
uint32_t fake_hand_add(struct fake_child *c, struct batch *b, struct out *o, const char *function,
    const struct out *payload, uint32_t flags);
void fake_send(int fd, struct out *o);
/* The next result on a child's link. */
void fake_result(struct fake_child *c, struct fake_result *ret);
/* Hand and wait for the result. */
void fake_call(
    struct fake_child *c, const char *function, const struct out *payload, struct fake_result *ret);

/* Expect the outcome to be this integer, this text. */
void assert_outcome_int(const struct fake_result *r, int64_t expected);
void assert_outcome_text(const struct fake_result *r, const char *expected);
/* Expect a failure of this code whose text contains PART. */
void assert_failed(const struct fake_result *r, int code, const char *part);
void assert_contains(const char *text, const char *part);

/* Payloads: one value each; freed by out_done(). */
struct out pay_nil(void);
struct out pay_int(int64_t v);
struct out pay_text(const char *text);
struct out pay_ints(int64_t a, int64_t b);

/* A FIFO in the test's directory. */
void fifo_make(struct fake *f, const char *name, char *path, size_t path_bytes);
/* Open for writing: returns once the other side reads. */
int fifo_open(const char *path);
/* Wait until the process is gone, or dead and not reaped. */
void wait_gone(pid_t pid);
/* The first number in a file, which is waited for. */
long file_number(const char *path);
/* The contents of a file, NUL-terminated; the caller frees it. */
char *file_text(const char *path);

#endif
