/*
 * The other end of a connection in tests of net and pool: sends bytes and takes frames while the
 * loop under test runs in the same thread.
 */
#ifndef SUPPORT_PEER_H
#define SUPPORT_PEER_H

#include "tests/support/test_main.h"

#include "proto/err.h"
#include "proto/msg.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PEER_LIMIT_MS 10000u

struct peer {
    int fd;
    uint8_t *in;
    size_t len, cap, used;
    void (*pump)(void *ctx); /* runs the loop under test once, without waiting */
    void *ctx;
};

static inline uint64_t peer_now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static inline int peer_connect(const char *path)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(strlen(path) < sizeof name.sun_path);
    memcpy(name.sun_path, path, strlen(path) + 1);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

/* Send all, letting the loop read meanwhile. False when the other end has gone. */
static inline bool peer_send(struct peer *p, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    uint64_t until = peer_now_ms() + PEER_LIMIT_MS;

    while (bytes > 0) {
        ssize_t sent = send(p->fd, at, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent > 0) {
            at += sent;
            bytes -= (size_t)sent;
        }
        assert_true(peer_now_ms() < until);
        p->pump(p->ctx);
    }
    return true;
}

/* Send what O holds and empty it. */
static inline bool peer_put(struct peer *p, struct out *o)
{
    bool sent;

    assert_int_equal(o->failed, 0);
    sent = peer_send(p, o->data, o->len);
    out_done(o);
    return sent;
}

static inline void peer_grow(struct peer *p)
{
    if (p->used > 0) {
        memmove(p->in, p->in + p->used, p->len - p->used);
        p->len -= p->used;
        p->used = 0;
    }
    if (p->cap - p->len < 65536) {
        p->cap = p->cap * 2 + 131072;
        p->in = realloc(p->in, p->cap);
        assert_non_null(p->in);
    }
}

/*
 * The next frame, as opened message; borrowed until the next call. 1; or 0 at the end of the
 * stream. Fails the test when nothing comes in time.
 */
static inline int peer_next(struct peer *p, struct msg *ret_msg)
{
    uint64_t until = peer_now_ms() + PEER_LIMIT_MS;

    peer_grow(p);
    for (;;) {
        const uint8_t *body;
        size_t body_bytes;
        int64_t took = frame_next(
            p->in + p->used, p->len - p->used, GANGER_FRAME_MAX, &body, &body_bytes, NULL);
        ssize_t got;

        assert_true(took >= 0);
        if (took > 0) {
            p->used += (size_t)took;
            assert_int_equal(msg_open(body, body_bytes, ret_msg), 0);
            return 1;
        }
        p->pump(p->ctx);
        peer_grow(p);
        got = recv(p->fd, p->in + p->len, p->cap - p->len, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return 0;
        if (got > 0)
            p->len += (size_t)got;
        assert_true(peer_now_ms() < until);
    }
}

/* Expect an error with CODE and then the end. TEXT must be part of its text. */
static inline void peer_expect_error(struct peer *p, int code, const char *text)
{
    struct msg_error error;
    struct msg m;
    char got[GANGER_TEXT_MAX + 1];

    assert_int_equal(peer_next(p, &m), 1);
    assert_int_equal(m.type, MSG_ERROR);
    assert_int_equal(msg_read_error(&m, &error), 0);
    memcpy(got, error.text.data, error.text.len);
    got[error.text.len] = '\0';
    assert_int_equal(error.code, code);
    if (strstr(got, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, got);
    assert_int_equal(peer_next(p, &m), 0);
}

static inline void peer_hello(struct out *o, uint32_t version, uint32_t role, const char *name)
{
    struct msg_hello m = { .version = version,
        .role = role,
        .name = { (const uint8_t *)name, strlen(name) },
        .frame_max = GANGER_FRAME_MAX,
        .payload_max = GANGER_PAYLOAD_MAX,
        .name_max = GANGER_NAME_MAX,
        .batch_max = GANGER_BATCH_MAX,
        .needs_max = GANGER_NEEDS_MAX,
        .pid = (uint64_t)getpid() };

    msg_write_hello(o, &m);
}

static inline void peer_close(struct peer *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
    free(p->in);
    p->in = NULL;
    p->len = p->cap = p->used = 0;
}

#endif
