/*
 * What the programs that measure other queues have in common: one client process, two workers,
 * payloads of 64 bytes, a number of tasks kept in flight, one number printed.
 *
 * A fault of the peer or of the machine ends the program with status 1 and a sentence: a
 * measurement has nothing to save.
 */
#ifndef PEERS_PEER_H
#define PEERS_PEER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PEER_PAYLOAD 64u
#define PEER_RESULT  8u /* bytes of a result, which only says whose it is */
#define PEER_WORKERS 2u

/* What one measurement is given. */
struct peer_run {
    const char *dir;    /* of the sockets and ports */
    double seconds;     /* about how long to measure */
    unsigned in_flight; /* tasks on their way at most */
    unsigned backlog;   /* tasks that a drain finds waiting */
};

struct peer_work {
    const char *name;
    double (*measure)(const struct peer_run *run); /* the number that is printed */
    unsigned in_flight;
    unsigned backlog; /* tasks that wait for a drain at scale 1 */
};

/*
 * The main function of a program: PROGRAM DIR WORK [SCALE]. Returns the exit status: 3 when WORKS
 * has no such work, 2 when the arguments are wrong.
 */
int peer_main(int argc, char **argv, const struct peer_work *works, size_t count);

/* Monotonic seconds. */
double peer_now(void);
/* Print WHAT and WHY and exit with status 1. */
_Noreturn void peer_fail(const char *what, const char *why);
/* Write "DIR/NAME" to RET_PATH, which has SIZE bytes. */
void peer_path(const struct peer_run *run, const char *name, char *ret_path, size_t size);

/* Call ONCE again and again for about SECONDS; the median of how long it took, in microseconds. */
double peer_median_us(double seconds, void (*once)(void *peer), void *peer);

/* The client's side of a queue that is kept full. */
struct peer_stream {
    void *peer;                               /* given to both */
    void (*send)(void *peer, unsigned count); /* submit COUNT tasks */
    unsigned (*receive)(void *peer);          /* wait for at least one end; how many came */
};

/*
 * Keep run->in_flight tasks under way for about run->seconds; how many ended a second. The first
 * tenth of the time is not counted. Nothing is under way when it returns.
 */
double peer_stream_rate(const struct peer_stream *stream, const struct peer_run *run);
/* The same until COUNT tasks have ended, all of them counted. */
double peer_stream_count(const struct peer_stream *stream, unsigned in_flight, unsigned count);

struct peer_workers {
    pid_t pids[PEER_WORKERS];
    unsigned count;
};

/* Start COUNT (at most PEER_WORKERS) processes that call BODY, which never returns. They die with
 * us. */
void peer_workers_start(struct peer_workers *workers, unsigned count,
    void (*body)(const struct peer_run *run), const struct peer_run *run);
void peer_workers_stop(struct peer_workers *workers);

/*
 * Let PEER_WORKERS processes call BODY, which takes tasks until there are none and returns how many
 * it took; tasks a second. It is a failure when they did not take run->backlog together.
 */
double peer_drain_rate(unsigned (*body)(const struct peer_run *run), const struct peer_run *run);

#endif
