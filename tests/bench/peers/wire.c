#include "tests/bench/peers/wire.h"

#include "tests/bench/peers/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_ROOM (64u * 1024)

static void connect_to(struct wire *w, int family, const void *address, socklen_t bytes)
{
    memset(w, 0, sizeof *w);
    w->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (w->fd < 0 || connect(w->fd, address, bytes) < 0)
        peer_fail("connect", strerror(errno));
}

void wire_open_unix(struct wire *w, const struct peer_run *run, const char *name)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    peer_path(run, name, a.sun_path, sizeof a.sun_path);
    connect_to(w, AF_UNIX, &a, sizeof a);
}

void wire_open_port(struct wire *w, const struct peer_run *run, const char *name)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char path[4096], text[16];
    int on = 1;
    FILE *f;

    peer_path(run, name, path, sizeof path);
    f = fopen(path, "re");
    if (f == NULL || fgets(text, sizeof text, f) == NULL)
        peer_fail(path, "cannot be read");
    (void)fclose(f);
    a.sin_port = htons((uint16_t)strtoul(text, NULL, 10));
    connect_to(w, AF_INET, &a, sizeof a);
    (void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void wire_close(struct wire *w)
{
    (void)close(w->fd);
    free(w->out);
    free(w->in);
}

static void grow(char **buffer, size_t *room, size_t needed)
{
    while (*room < needed)
        *room = *room == 0 ? READ_ROOM : *room * 2;
    *buffer = realloc(*buffer, *room);
    if (*buffer == NULL)
        peer_fail("memory", "out of it");
}

void wire_put(struct wire *w, const void *bytes, size_t count)
{
    if (w->out_room - w->out_bytes < count)
        grow(&w->out, &w->out_room, w->out_bytes + count);
    memcpy(w->out + w->out_bytes, bytes, count);
    w->out_bytes += count;
}

bool wire_read(struct wire *w, bool wait)
{
    ssize_t n;

    if (w->in_begin > 0) {
        memmove(w->in, w->in + w->in_begin, w->in_end - w->in_begin);
        w->in_end -= w->in_begin;
        w->in_begin = 0;
    }
    if (w->in_room - w->in_end < READ_ROOM / 2)
        grow(&w->in, &w->in_room, w->in_end + READ_ROOM);
    n = recv(w->fd, w->in + w->in_end, w->in_room - w->in_end, wait ? 0 : MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        peer_fail("receive", n < 0 ? strerror(errno) : "the peer closed the connection");
    w->in_end += (size_t)n;
    return true;
}

/*
 * A server that cannot write its answers may not read either: to write on without reading what
 * has come would be to wait for each other.
 */
void wire_flush(struct wire *w)
{
    size_t done = 0;

    while (done < w->out_bytes) {
        struct pollfd p = { .fd = w->fd, .events = POLLIN | POLLOUT };
        ssize_t n = send(w->fd, w->out + done, w->out_bytes - done, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0) {
            done += (size_t)n;
            continue;
        }
        if (errno != EAGAIN)
            peer_fail("send", strerror(errno));
        if (poll(&p, 1, -1) < 0)
            peer_fail("poll", strerror(errno));
        if ((p.revents & POLLIN) != 0)
            (void)wire_read(w, false);
    }
    w->out_bytes = 0;
}
