#include "tests/bench/peers/peer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS      0.8 /* of a measurement at scale 1 */
#define WARM_PART    0.1 /* of that, not counted */
#define SAMPLES_MAX  10000000u
#define EXIT_NO_WORK 3

double peer_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

_Noreturn void peer_fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "peers: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

void peer_path(const struct peer_run *run, const char *name, char *ret_path, size_t size)
{
    int n = snprintf(ret_path, size, "%s/%s", run->dir, name);

    if (n < 0 || (size_t)n >= size)
        peer_fail(name, "the path is too long");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double peer_median_us(double seconds, void (*once)(void *peer), void *peer)
{
    unsigned count = 0, room = 1u << 16;
    double *took = malloc(room * sizeof *took), start = peer_now(), result;

    while (took != NULL && count < SAMPLES_MAX) {
        double begin = peer_now(), end;

        if (begin - start > seconds && count > 0)
            break;
        once(peer);
        end = peer_now();
        if (begin - start < seconds * WARM_PART)
            continue;
        if (count == room) {
            room *= 2;
            took = reallocarray(took, room, sizeof *took);
            if (took == NULL)
                break;
        }
        took[count++] = (end - begin) * 1e6;
    }
    if (took == NULL)
        peer_fail("memory", "out of it");
    qsort(took, count, sizeof *took, by_value);
    result = took[count / 2];
    free(took);
    return result;
}

static unsigned take(const struct peer_stream *stream, unsigned *under_way)
{
    unsigned got = stream->receive(stream->peer);

    if (got == 0 || got > *under_way)
        peer_fail("stream", "more came back than was sent, or nothing");
    *under_way -= got;
    return got;
}

double peer_stream_rate(const struct peer_stream *stream, const struct peer_run *run)
{
    unsigned under_way = 0;
    uint64_t ended = 0, ended_warm = 0;
    double start = peer_now(), warm = 0, now;

    do {
        stream->send(stream->peer, run->in_flight - under_way);
        under_way = run->in_flight;
        ended += take(stream, &under_way);
        now = peer_now();
        if (ended_warm == 0 && now - start > run->seconds * WARM_PART) {
            ended_warm = ended;
            warm = now;
        }
    } while (now - start < run->seconds || ended == ended_warm);
    while (under_way > 0)
        (void)take(stream, &under_way);
    return (double)(ended - ended_warm) / (now - warm);
}

double peer_stream_count(const struct peer_stream *stream, unsigned in_flight, unsigned count)
{
    unsigned under_way = 0, left = count;
    double begin = peer_now();

    while (left > 0 || under_way > 0) {
        unsigned room = in_flight - under_way;

        if (room > left)
            room = left;
        if (room > 0)
            stream->send(stream->peer, room);
        left -= room;
        under_way += room;
        (void)take(stream, &under_way);
    }
    return count / (peer_now() - begin);
}

static pid_t fork_child(void)
{
    pid_t parent = getpid(), pid = fork();

    if (pid < 0)
        peer_fail("fork", strerror(errno));
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(EXIT_FAILURE);
    }
    return pid;
}

void peer_workers_start(struct peer_workers *workers, unsigned count,
    void (*body)(const struct peer_run *run), const struct peer_run *run)
{
    workers->count = count;
    for (unsigned i = 0; i < count; i++) {
        workers->pids[i] = fork_child();
        if (workers->pids[i] == 0) {
            body(run);
            _exit(EXIT_FAILURE);
        }
    }
}

void peer_workers_stop(struct peer_workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++) {
        (void)kill(workers->pids[i], SIGKILL);
        (void)waitpid(workers->pids[i], NULL, 0);
    }
    workers->count = 0;
}

double peer_drain_rate(unsigned (*body)(const struct peer_run *run), const struct peer_run *run)
{
    int ends[2];
    unsigned taken, sum = 0;
    pid_t pids[PEER_WORKERS];
    double begin = peer_now();

    if (pipe(ends) < 0)
        peer_fail("pipe", strerror(errno));
    for (unsigned i = 0; i < PEER_WORKERS; i++) {
        pids[i] = fork_child();
        if (pids[i] == 0) {
            taken = body(run);
            _exit(write(ends[1], &taken, sizeof taken) == (ssize_t)sizeof taken ? 0 : 1);
        }
    }
    (void)close(ends[1]);
    for (unsigned i = 0; i < PEER_WORKERS; i++) {
        if (read(ends[0], &taken, sizeof taken) != (ssize_t)sizeof taken)
            peer_fail("drain", "a worker ended early");
        sum += taken;
    }
    begin = peer_now() - begin;
    (void)close(ends[0]);
    for (unsigned i = 0; i < PEER_WORKERS; i++)
        (void)waitpid(pids[i], NULL, 0);
    if (sum != run->backlog)
        peer_fail("drain", "not as many were taken as waited");
    return sum / begin;
}

int peer_main(int argc, char **argv, const struct peer_work *works, size_t count)
{
    double scale = argc == 4 ? strtod(argv[3], NULL) : 1;
    struct peer_run run;

    if (argc < 3 || argc > 4 || !(scale > 0) || scale > 100) {
        (void)fprintf(stderr, "usage: %s DIR WORK [SCALE]\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(works[i].name, argv[2]) != 0)
            continue;
        run = (struct peer_run){ .dir = argv[1],
            .seconds = SECONDS * scale,
            .in_flight = works[i].in_flight,
            .backlog = (unsigned)(works[i].backlog * scale) };
        (void)printf("%.6g\n", works[i].measure(&run));
        return 0;
    }
    return EXIT_NO_WORK;
}
