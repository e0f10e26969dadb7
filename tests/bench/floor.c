/* The floor: what a relay and a sync cost on this machine without us. */
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE      64u
#define RELAY_BUFFER (256u * 1024)
#define SYNC_BLOCK   4096u
#define SYNC_FILE    (4u * 1024 * 1024)

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n)
{
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

/* Copy from IN to OUT until the end; what one read gives goes out in one write. */
static void copy(int in, int out)
{
    static char buffer[RELAY_BUFFER];
    ssize_t n;

    while ((n = read(in, buffer, sizeof buffer)) > 0) {
        for (ssize_t done = 0, w; done < n; done += w) {
            w = write(out, buffer + done, (size_t)(n - done));
            if (w <= 0)
                _exit(1);
        }
    }
    _exit(0);
}

/* client -> relay -> echo -> relay -> client: four hops, as a task has. */
struct relay {
    int client;
    pid_t pids[3];
};

static pid_t fork_copy(int in, int out, const int *all, unsigned count)
{
    pid_t pid = fork();

    if (pid < 0)
        bench_fail("fork", strerror(errno));
    if (pid > 0)
        return pid;
    for (unsigned i = 0; i < count; i++) {
        if (all[i] != in && all[i] != out)
            (void)close(all[i]);
    }
    copy(in, out);
    _exit(0);
}

/*
 * The relay has two directions; one process blocks on one of them only, so the relay is the process
 * in the middle for both: it reads a message of the client, gives it to the echo, reads the
 * answer, gives it back. For batches it is two processes, one for each direction.
 */
static void relay_both_ways(int client, int echo)
{
    char m[MESSAGE];

    while (read(client, m, sizeof m) == (ssize_t)sizeof m) {
        if (write(echo, m, sizeof m) != (ssize_t)sizeof m ||
            read(echo, m, sizeof m) != (ssize_t)sizeof m ||
            write(client, m, sizeof m) != (ssize_t)sizeof m)
            _exit(1);
    }
    _exit(0);
}

static void relay_start(struct relay *r, int batched)
{
    int a[2], b[2], all[4];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, a) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, b) < 0)
        bench_fail("socketpair", strerror(errno));
    memcpy(all, a, sizeof a);
    memcpy(all + 2, b, sizeof b);
    r->client = a[0];
    r->pids[0] = fork_copy(b[1], b[1], all, 4);
    if (batched) {
        r->pids[1] = fork_copy(a[1], b[0], all, 4);
        r->pids[2] = fork_copy(b[0], a[1], all, 4);
    } else {
        r->pids[1] = fork();
        r->pids[2] = 0;
        if (r->pids[1] == 0) {
            (void)close(a[0]);
            (void)close(b[1]);
            relay_both_ways(a[1], b[0]);
        }
    }
    (void)close(a[1]);
    (void)close(b[0]);
    (void)close(b[1]);
}

static void relay_stop(struct relay *r)
{
    (void)close(r->client);
    for (int i = 0; i < 3; i++) {
        if (r->pids[i] <= 0)
            continue;
        (void)kill(r->pids[i], SIGKILL);
        (void)waitpid(r->pids[i], NULL, 0);
    }
}

double floor_relay_us(unsigned rounds)
{
    struct relay r;
    char m[MESSAGE] = { 0 };
    double *took = calloc(rounds, sizeof *took), result;

    if (took == NULL)
        bench_fail("memory", "out of it");
    relay_start(&r, 0);
    for (unsigned i = 0; i < rounds; i++) {
        double begin = bench_now();

        if (write(r.client, m, sizeof m) != (ssize_t)sizeof m ||
            read(r.client, m, sizeof m) != (ssize_t)sizeof m)
            bench_fail("relay", strerror(errno));
        took[i] = (bench_now() - begin) * 1e6;
    }
    relay_stop(&r);
    result = median(took, rounds);
    free(took);
    return result;
}

double floor_relay_rate(unsigned in_flight, unsigned messages)
{
    struct relay r;
    size_t bytes = (size_t)in_flight * MESSAGE, total = (size_t)messages * MESSAGE;
    size_t sent = 0, got = 0;
    char *buffer = calloc(1, bytes);
    double begin;

    if (buffer == NULL)
        bench_fail("memory", "out of it");
    relay_start(&r, 1);
    begin = bench_now();
    while (got < total) {
        ssize_t n;
        size_t room = bytes - (sent - got);

        if (room > total - sent)
            room = total - sent;
        if (room > 0) {
            n = write(r.client, buffer, room);
            if (n <= 0)
                bench_fail("relay", strerror(errno));
            sent += (size_t)n;
        }
        n = read(r.client, buffer, bytes);
        if (n <= 0)
            bench_fail("relay", strerror(errno));
        got += (size_t)n;
    }
    begin = bench_now() - begin;
    relay_stop(&r);
    free(buffer);
    return messages / begin;
}

double floor_sync_us(const char *dir, unsigned rounds)
{
    static char block[SYNC_BLOCK];
    char path[4096];
    double *took = calloc(rounds, sizeof *took), result;
    int fd;

    (void)snprintf(path, sizeof path, "%s/floor", dir);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || took == NULL)
        bench_fail(path, strerror(errno));
    for (size_t at = 0; at < SYNC_FILE; at += sizeof block) {
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            bench_fail(path, strerror(errno));
    }
    if (fsync(fd) < 0)
        bench_fail(path, strerror(errno));
    for (unsigned i = 0; i < rounds; i++) {
        double begin = bench_now();
        off_t at = (off_t)((size_t)i * 128 % (SYNC_FILE - 128));

        if (pwrite(fd, block, 128, at) != 128 || fdatasync(fd) < 0)
            bench_fail(path, strerror(errno));
        took[i] = (bench_now() - begin) * 1e6;
    }
    (void)close(fd);
    (void)unlink(path);
    result = median(took, rounds);
    free(took);
    return result;
}
