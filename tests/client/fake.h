/*
 * A daemon that does what a test tells it, at the other end of a client handle.
 *
 * Most tests are one thread: the client writes with ganger_flush() or ganger_process(), the fake
 * reads and answers, and the client's next call finds the answer there. For calls that block before
 * there is anything to answer, fake_serve() forks a daemon that answers by itself.
 */
#ifndef CLIENT_FAKE_H
#define CLIENT_FAKE_H

#include "tests/support/test_main.h"

#include "ganger/ganger.h"
#include "proto/msg.h"

#include <stdbool.h>
#include <sys/types.h>

#define FAKE_EPOCH 7u

struct fake {
    char dir[64], path[108];
    int listen_fd, fd;
    struct out out, in;
    size_t in_done; /* bytes of `in` that the present message and those before it take */
    struct msg msg;
    uint32_t left;    /* submits of the present message that are not taken */
    uint32_t frames;  /* messages taken on this connection */
    pid_t pid;        /* of fake_serve() */
    pid_t client_pid; /* of the client, 0: this process */
};

/* Setup and teardown of a test: *state is a listening fake. */
int fake_setup(void **state);
int fake_teardown(void **state);

/* Registers a test that has a listening fake. */
#define cmocka_unit_test_fake(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

/* Accept the client's connection and read its hello. */
void fake_accept(struct fake *fake);
void fake_send_hello(struct fake *fake, uint32_t epoch);
/* A client that is connected and has shaken hands. */
struct ganger *fake_client(struct fake *fake);
/* The client connects again: accept, shake hands, let the client write. */
void fake_reconnect(struct fake *fake, struct ganger *g, uint32_t epoch);
/* Close the connection, or the listener as well. */
void fake_drop(struct fake *fake);
void fake_stop_listening(struct fake *fake);

/* Take what the client has sent; each fails the test after five seconds. Slices hold until the next
 * take. */
struct msg_submit fake_take_submit(struct fake *fake);
struct msg_request fake_take_request(struct fake *fake, uint32_t verb);
/* True when nothing more of the client's has come. */
bool fake_quiet(struct fake *fake);

/* Say something at once. */
void fake_accepted(struct fake *fake, uint64_t req, uint64_t id);
void fake_refused(struct fake *fake, uint64_t req, int code, const char *text);
void fake_end(struct fake *fake, uint64_t req, uint64_t id, uint32_t end, int code,
    const void *outcome, size_t len);
void fake_done(struct fake *fake, uint64_t req, uint64_t id, const char *text); /* result: a str */
void fake_reply(struct fake *fake, uint64_t req, int code, const void *value, size_t len);
void fake_progress(struct fake *fake, uint64_t req, uint64_t id, uint64_t done, const char *text);
void fake_raw(struct fake *fake, const void *data, size_t len);
void fake_flush(struct fake *fake);

/* Fork a daemon that accepts every task and answers it with its own payload, chunks item by item;
 * POOLS with 4 processes, every other request with an empty map. The function "die" drops the
 * connection. */
void fake_serve(struct fake *fake);

/* "text" as one msgpack value in a static buffer (two alternate). */
struct ganger_bytes fake_str(const char *text);
/* True when BYTES are exactly that value. */
bool fake_is_str(struct ganger_bytes bytes, const char *text);
/* An id of FAKE_EPOCH. */
uint64_t fake_id(uint64_t counter);

/* Submit TEXT to pool "p", function "f". */
struct ganger_future *fake_submit(
    struct ganger *g, const char *text, const struct ganger_options *options);

#endif
