/*
 * Command tasks: the child runs a program for each task.
 *
 * The payload is [ [argument, ...], input ]: strings (or binaries) and the bytes for the program's
 * standard input, nil for none. In a pool with a fixed program the arguments follow the pool's
 * own ones; in a pool of any command the first one names the program. There is no shell.
 *
 * The program runs in a process group of its own, with the descriptors 0, 1 and 2 only. Its
 * standard output is the result, a binary. The task fails with GANGER_EEXIT when it ends with
 * another status than 0 or by a signal (both in the detail's worker end, with the tail of its
 * standard error), with GANGER_ETOOBIG when it writes more than allowed, with GANGER_ENOFUNC when
 * it cannot be executed.
 */
#ifndef CLIENT_WORKER_COMMAND_H
#define CLIENT_WORKER_COMMAND_H

#include "client/include/ganger/worker.h"
#include "client/worker_tail.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct command {
    const char *const *fixed; /* program and arguments of the pool, NULL: any command */
    size_t fixed_count;
    size_t stdout_max;
    char **envp; /* environment with three places for the task's own variables */
    char id_text[48], attempt_text[40], fence_text[48];
    /* Of the running task. */
    const char **argv;
    char *arg_bytes; /* copies of the task's arguments, NUL-terminated */
    uint8_t *out;
    size_t out_bytes, out_cap;
    struct tail errors;
    volatile pid_t pid; /* the running program and its group; 0 = none. Read by a handler */
};

/* Prepare the commands of a child. Returns 0 or GANGER_ENOMEM. */
int command_init(struct command *c, const struct ganger_worker_config *config);

/* Run one task's command. CANCELLED is the flag that the SIGTERM handler sets. */
void command_run(
    struct command *c, struct ganger_task *task, const volatile sig_atomic_t *cancelled);

/* In the SIGTERM handler: pass the signal on to the running command, if any. */
void command_stop(const struct command *c);

#endif
