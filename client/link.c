/* The link to the daemon: connecting, the hello, reading, writing, breaking and trying again. */
#include "handle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READS_MAX 16 /* full reads in one turn, so that writing gets its turn too */

void link_fail(struct ganger *g, int code, const char *format, ...)
{
    va_list args;

    /* The first cause is the one that explains the others. */
    if (g->fail_code != 0)
        return;
    va_start(args, format);
    (void)vsnprintf(g->error, sizeof g->error, format, args);
    va_end(args);
    g->fail_code = code;
}

static int connect_error(struct ganger *g, int error)
{
    int code = GANGER_EIO;

    if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR)
        code = GANGER_ECONN;
    else if (error == EACCES || error == EPERM)
        code = GANGER_EACCES;
    return fail(g, code, "connect %s: %s", g->path, strerror(error));
}

static int socket_connect(struct ganger *g, int *ret_fd)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return fail(g, GANGER_EIO, "socket: %s", strerror(errno));
    memcpy(addr.sun_path, g->path, strlen(g->path) + 1);
    if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0) {
        int error = errno;

        (void)close(fd);
        /* EAGAIN: the daemon's queue of connections is full just now. */
        return error == EAGAIN ? GANGER_EAGAIN : connect_error(g, error);
    }
    *ret_fd = fd;
    return 0;
}

static int hello_send(struct ganger *g, int fd)
{
    struct msg_hello hello = { .version = GANGER_PROTOCOL_VERSION,
        .role = ROLE_CLIENT,
        .frame_max = GANGER_FRAME_MAX,
        .payload_max = GANGER_PAYLOAD_MAX,
        .name_max = GANGER_NAME_MAX,
        .batch_max = GANGER_BATCH_MAX,
        .needs_max = GANGER_NEEDS_MAX };
    struct out out = { 0 };
    ssize_t sent;

    hello.name.data = (const uint8_t *)program_invocation_short_name;
    hello.name.len = strnlen(program_invocation_short_name, GANGER_NAME_MAX);
    hello.pid = (uint64_t)getpid();
    msg_write_hello(&out, &hello);
    if (out.failed != 0)
        return fail_plain(g, GANGER_ENOMEM);
    /* A new socket has room for so little; if it has not, something else is wrong with it. */
    sent = send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    /* A daemon that is full refuses at once: its reason is there to be read, behind which it ends.
     */
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
        sent = (ssize_t)out.len;
    if (sent < 0 || (size_t)sent != out.len) {
        out_done(&out);
        return fail(g, GANGER_ECONN, "send the hello to %s: %s", g->path,
            sent < 0 ? strerror(errno) : "cut short");
    }
    out_done(&out);
    return 0;
}

/* Half of the wait for certain, the rest by the clock's low bits, so that clients spread. */
static void retry_later(struct ganger *g, int64_t now)
{
    struct timespec t;

    g->state = LINK_DOWN;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    g->retry_at = now + g->retry_wait / 2 + t.tv_nsec / 1000 % (g->retry_wait / 2 + 1);
    g->retry_wait = g->retry_wait * 2 < RETRY_MAX_MS ? g->retry_wait * 2 : RETRY_MAX_MS;
}

int link_start(struct ganger *g)
{
    int64_t now = clock_ms();
    int fd = -1;
    int rc = socket_connect(g, &fd);

    if (rc == GANGER_EAGAIN) {
        retry_later(g, now);
        return 0;
    }
    if (rc < 0)
        return rc;
    rc = hello_send(g, fd);
    if (rc < 0) {
        (void)close(fd);
        return rc;
    }
    g->fd = fd;
    g->in_len = 0;
    g->heard = false;
    g->state = LINK_HELLO;
    g->hello_by = now + GANGER_HANDSHAKE_MS;
    return 0;
}

void link_hello(struct ganger *g, const struct msg_hello *hello)
{
    if (hello->version != GANGER_PROTOCOL_VERSION) {
        link_fail(g, GANGER_EVERSION, "the daemon speaks version %u of the protocol, we %u",
            hello->version, (unsigned)GANGER_PROTOCOL_VERSION);
        return;
    }
    if (hello->role != ROLE_DAEMON || hello->batch_max == 0) {
        link_fail(g, GANGER_EPROTO, "%s: the peer is not a Ganger daemon", g->path);
        return;
    }
    memcpy(g->server_text, hello->name.data, hello->name.len);
    g->server_text[hello->name.len] = '\0';
    g->server = *hello;
    g->server.name = (struct slice){ NULL, 0 };
    g->state = LINK_UP;
    g->up_since = clock_ms();
    g->writable = true;
    if (g->opened)
        relink_restore(g);
    g->opened = true;
}

/* Make room for a frame of NEED bytes, of which the start is there. */
static void input_grow(struct ganger *g, size_t need)
{
    uint8_t *in;

    if (need <= g->in_cap)
        return;
    in = realloc(g->in, need);
    if (in == NULL) {
        link_fail(g, GANGER_ENOMEM, "no memory for a message of %zu bytes", need);
        return;
    }
    g->in = in;
    g->in_cap = need;
}

void link_parse(struct ganger *g)
{
    size_t at = 0, need = 0;

    while (g->fail_code == 0) {
        size_t max = g->state == LINK_HELLO ? GANGER_TEXT_MAX + 64 : GANGER_FRAME_MAX;
        const uint8_t *body;
        size_t body_len;
        int64_t n = frame_next(g->in + at, g->in_len - at, max, &body, &body_len, &need);
        int rc;

        if (n == 0)
            break;
        rc = n < 0 ? (int)n : dispatch_frame(g, body, body_len);
        if (rc < 0) {
            link_fail(g, GANGER_EPROTO, "the daemon sent something malformed: %s", error_text(rc));
            break;
        }
        at += (size_t)n;
    }
    g->in_len -= at;
    if (at != 0 && g->in_len != 0)
        memmove(g->in, g->in + at, g->in_len);
    if (g->fail_code == 0)
        input_grow(g, need);
}

/* One recv(). True when there may be more. */
static bool read_some(struct ganger *g)
{
    size_t room = g->in_cap - g->in_len;
    ssize_t n = recv(g->fd, g->in + g->in_len, room, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    if (n <= 0) {
        link_fail(g, GANGER_ECONN, "%s: %s", g->path,
            n == 0 ? "the daemon closed the connection" : strerror(errno));
        return false;
    }
    g->in_len += (size_t)n;
    link_parse(g);
    return (size_t)n == room && g->fail_code == 0;
}

static void link_read(struct ganger *g)
{
    for (int i = 0; i < READS_MAX && g->fd >= 0 && g->fail_code == 0; i++) {
        if (!read_some(g))
            break;
    }
}

void link_write(struct ganger *g)
{
    const uint8_t *data;
    size_t bytes;

    if (g->state != LINK_UP || g->fail_code != 0)
        return;
    output_close_batch(g);
    while ((bytes = pieces_head(&g->out, &data)) != 0) {
        ssize_t n = send(g->fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g->writable = false;
            /* A broken link is taken down by the read that finds its end: words may be left. */
            break;
        }
        pieces_sent(&g->out, (size_t)n);
    }
    pieces_drop(&g->out);
}

/* Whether it makes sense to connect again after CODE. */
static bool code_is_final(const struct ganger *g, int code)
{
    return !g->opened || g->reconnect_ms == 0 || code == GANGER_EVERSION || code == GANGER_EACCES;
}

static void link_die(struct ganger *g, int code)
{
    g->state = LINK_DEAD;
    g->dead_code = code;
    relink_dead(g);
}

/* A link that has worked for a while, or brought something, earns a new time to reconnect. */
static void retry_begin(struct ganger *g, int64_t now)
{
    if (g->heard || now - g->up_since >= g->reconnect_ms || g->give_up_at == 0) {
        g->give_up_at = deadline_after(now, g->reconnect_ms);
        g->retry_wait = RETRY_FIRST_MS;
    }
    retry_later(g, now);
}

static void link_break(struct ganger *g)
{
    int code = g->fail_code;

    (void)close(g->fd);
    g->fd = -1;
    g->fail_code = 0;
    /* Before anything is ended: what callbacks submit must not go to a closed socket. */
    g->state = LINK_DOWN;
    g->retry_at = NEVER;
    relink_broken(g);
    if (code_is_final(g, code))
        link_die(
            g, g->opened && code != GANGER_EVERSION && code != GANGER_EACCES ? GANGER_ECONN : code);
    else
        retry_begin(g, clock_ms());
}

/* No link: is it time to try, or to give up? */
static void link_retry(struct ganger *g)
{
    int64_t now = clock_ms();
    int rc = 0;

    if (now >= g->retry_at) {
        rc = link_start(g);
        if (rc < 0)
            retry_later(g, now);
    }
    if (g->state == LINK_DOWN && now >= g->give_up_at)
        link_die(g, GANGER_ECONN);
}

int link_tend(struct ganger *g, bool read)
{
    if (g->state == LINK_DOWN)
        link_retry(g);
    if (read)
        link_read(g);
    if (g->state == LINK_HELLO && clock_ms() >= g->hello_by)
        link_fail(g, GANGER_ETIMEDOUT, "%s: no hello from the daemon", g->path);
    maps_feed(g);
    link_write(g);
    if (g->fail_code != 0)
        link_break(g);
    return g->state == LINK_DEAD ? g->dead_code : 0;
}
