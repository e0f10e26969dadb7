/*
 * What a child writes to its standard output and error: the agent keeps the last bytes for the
 * report of its death, and passes lines on to its own standard error as "POOL/PID: LINE".
 *
 * Bounded in all ways: one read a turn, one line in memory, a rate for the lines passed on (what
 * is over it is counted and said), and a write only when it cannot block.
 */
#ifndef CLIENT_WORKER_OUTPUT_H
#define CLIENT_WORKER_OUTPUT_H

#include "client/worker_tail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OUTPUT_LINE_MAX 1024u

struct kid_output {
    int fd;   /* our end of the pipe, non-blocking; -1 = closed */
    int poll; /* the epoll that watches it */
    const char *pool;
    pid_t pid;
    struct tail tail;
    char line[OUTPUT_LINE_MAX];
    size_t line_bytes;
    uint64_t refilled_ms;
    size_t allowance; /* bytes that may still be passed on */
    uint64_t dropped; /* bytes that were not, and are not yet told about */
};

/* Take over FD, which the epoll POLL watches; the first lines are allowed at once. */
void kid_output_init(
    struct kid_output *o, int fd, int poll, const char *pool, pid_t pid, uint64_t now_ms);

/* Read once. Returns the number of bytes, 0 when there is nothing now or for ever (then closed). */
size_t kid_output_read(struct kid_output *o, uint64_t now_ms);

/* The process is dead: read what is left (bounded), pass on the rest of a line, close. */
void kid_output_close(struct kid_output *o, uint64_t now_ms);

#endif
