#include "tests/bench/relay.h"

#include "tests/bench/sample.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUFFER (256u * 1024)
#define CHAINS 5u /* of one rate */

/* The client's end, and the processes behind it. */
struct chain {
    int client;
    pid_t relay, echo; /* 0: there is none */
};

/* Two connected sockets. */
static void link_make(enum relay_kind kind, int ends[2])
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof addr;
    int door, one = 1;

    if (kind == RELAY_UNIX) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
            sample_fail("socketpair", strerror(errno));
        return;
    }
    door = socket(AF_INET, SOCK_STREAM, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (door < 0 || ends[0] < 0 || bind(door, (struct sockaddr *)&addr, sizeof addr) < 0 ||
        getsockname(door, (struct sockaddr *)&addr, &len) < 0 || listen(door, 1) < 0 ||
        connect(ends[0], (struct sockaddr *)&addr, sizeof addr) < 0)
        sample_fail("TCP loopback", strerror(errno));
    ends[1] = accept(door, NULL, NULL);
    if (ends[1] < 0 || setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
        sample_fail("TCP loopback", strerror(errno));
    (void)close(door);
}

static bool write_all(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);

        if (n <= 0)
            return false;
        data += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* The next whole messages of a stream; a cut one waits in the buffer for its rest. */
struct stream {
    uint8_t data[BUFFER];
    size_t len;
    uint32_t next; /* number of the next message */
};

static void number_set(uint8_t *message, uint32_t number)
{
    memcpy(message, &number, sizeof number);
}

/* One read; checks the numbers. Returns the bytes of whole messages, at the start of DATA; 0: end.
 */
static size_t stream_read(struct stream *s, int fd)
{
    size_t whole;

    do {
        ssize_t n = read(fd, s->data + s->len, sizeof s->data - s->len);

        if (n <= 0)
            return 0;
        s->len += (size_t)n;
        whole = s->len / RELAY_MESSAGE * RELAY_MESSAGE;
    } while (whole == 0);
    for (size_t at = 0; at < whole; at += RELAY_MESSAGE) {
        uint32_t number;

        memcpy(&number, s->data + at, sizeof number);
        if (number != s->next++)
            sample_fail("relay", "a message got lost");
    }
    return whole;
}

static void stream_drop(struct stream *s, size_t bytes)
{
    s->len -= bytes;
    if (s->len > 0)
        memmove(s->data, s->data + bytes, s->len);
}

/* The far end: gives back what it gets, after it has counted it. */
static _Noreturn void echo_run(int fd)
{
    static struct stream s;
    size_t bytes;

    while ((bytes = stream_read(&s, fd)) > 0) {
        if (!write_all(fd, s.data, bytes))
            break;
        stream_drop(&s, bytes);
    }
    _exit(0);
}

/* One message at a time: the blocking relay knows whose turn it is. */
static _Noreturn void relay_run_single(int client, int echo)
{
    uint8_t m[RELAY_MESSAGE];

    while (read(client, m, sizeof m) == (ssize_t)sizeof m) {
        if (!write_all(echo, m, sizeof m) || read(echo, m, sizeof m) != (ssize_t)sizeof m ||
            !write_all(client, m, sizeof m))
            break;
    }
    _exit(0);
}

/* Both directions in one process; what one read gives goes out in one write. */
static _Noreturn void relay_run_batched(int client, int echo)
{
    static uint8_t buffer[BUFFER];
    struct pollfd fds[2] = { { client, POLLIN, 0 }, { echo, POLLIN, 0 } };

    while (poll(fds, 2, -1) > 0) {
        for (int i = 0; i < 2; i++) {
            ssize_t n;

            if (fds[i].revents == 0)
                continue;
            n = read(fds[i].fd, buffer, sizeof buffer);
            if (n <= 0 || !write_all(fds[1 - i].fd, buffer, (size_t)n))
                _exit(0);
        }
    }
    _exit(1);
}

static pid_t child_fork(void)
{
    pid_t pid = fork();

    if (pid < 0)
        sample_fail("fork", strerror(errno));
    return pid;
}

static void chain_start(struct chain *c, enum relay_kind kind, bool batched)
{
    int front[2], back[2];

    link_make(kind, front);
    link_make(kind, back);
    c->echo = child_fork();
    if (c->echo == 0) {
        (void)close(front[0]);
        (void)close(front[1]);
        (void)close(back[0]);
        echo_run(back[1]);
    }
    c->relay = child_fork();
    if (c->relay == 0) {
        (void)close(front[0]);
        (void)close(back[1]);
        if (batched)
            relay_run_batched(front[1], back[0]);
        relay_run_single(front[1], back[0]);
    }
    c->client = front[0];
    (void)close(front[1]);
    (void)close(back[0]);
    (void)close(back[1]);
}

/* Only the two ends. */
static void chain_start_pair(struct chain *c)
{
    int ends[2];

    link_make(RELAY_UNIX, ends);
    c->relay = 0;
    c->echo = child_fork();
    if (c->echo == 0) {
        (void)close(ends[0]);
        echo_run(ends[1]);
    }
    c->client = ends[0];
    (void)close(ends[1]);
}

static void child_end(pid_t pid)
{
    int status;

    if (pid > 0 && (waitpid(pid, &status, 0) != pid || status != 0))
        sample_fail("relay", "a process of it failed");
}

/* Each process ends when the one before it does. */
static void chain_stop(struct chain *c)
{
    (void)close(c->client);
    child_end(c->relay);
    child_end(c->echo);
}

static double chain_round_trip_us(const struct chain *c, unsigned rounds)
{
    uint8_t m[RELAY_MESSAGE] = { 0 };
    double *took = sample_array(rounds, sizeof *took), median;

    for (unsigned i = 0; i < rounds; i++) {
        double begin = sample_now();

        number_set(m, i);
        if (write(c->client, m, sizeof m) != (ssize_t)sizeof m ||
            read(c->client, m, sizeof m) != (ssize_t)sizeof m)
            sample_fail("relay", "broken");
        took[i] = (sample_now() - begin) * 1e6;
    }
    median = sample_quantile(took, rounds, 0.5);
    free(took);
    return median;
}

double relay_round_trip_us(enum relay_kind kind, unsigned rounds)
{
    struct chain c;
    double us;

    chain_start(&c, kind, false);
    us = chain_round_trip_us(&c, rounds);
    chain_stop(&c);
    return us;
}

double relay_ping_us(unsigned rounds)
{
    struct chain c;
    double us;

    chain_start_pair(&c);
    us = chain_round_trip_us(&c, rounds);
    chain_stop(&c);
    return us;
}

static double chain_rate(const struct chain *c, unsigned in_flight, unsigned messages)
{
    static struct stream in;
    uint8_t *out = sample_array(in_flight, RELAY_MESSAGE);
    unsigned sent = 0, got = 0;
    double begin = sample_now();

    in.len = 0;
    in.next = 0;
    while (got < messages) {
        unsigned room = in_flight - (sent - got);
        size_t bytes;

        if (room > messages - sent)
            room = messages - sent;
        for (unsigned i = 0; i < room; i++)
            number_set(out + (size_t)i * RELAY_MESSAGE, sent + i);
        if (!write_all(c->client, out, (size_t)room * RELAY_MESSAGE))
            sample_fail("relay", "broken");
        sent += room;
        bytes = stream_read(&in, c->client);
        if (bytes == 0)
            sample_fail("relay", "broken");
        stream_drop(&in, bytes);
        got += (unsigned)(bytes / RELAY_MESSAGE);
    }
    begin = sample_now() - begin;
    free(out);
    return messages / begin;
}

double relay_rate(unsigned in_flight, unsigned messages)
{
    double rates[CHAINS];

    for (unsigned i = 0; i < CHAINS; i++) {
        struct chain c;

        chain_start(&c, RELAY_UNIX, true);
        rates[i] = chain_rate(&c, in_flight, messages / CHAINS);
        chain_stop(&c);
    }
    return sample_quantile(rates, CHAINS, 0.5);
}
