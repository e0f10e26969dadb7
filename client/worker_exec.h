/* Starting a program, as fast as posix_spawn() but with a process group and a bond of life. */
#ifndef CLIENT_WORKER_EXEC_H
#define CLIENT_WORKER_EXEC_H

#include <stddef.h>
#include <sys/types.h>

struct exec_plan {
    const char *path;        /* the program's file */
    const char *const *argv; /* ends with NULL */
    char *const *envp;
    int in, out, errors; /* become 0, 1 and 2; nothing else is inherited */
};

/*
 * Find PROGRAM: itself when it has a '/', else the first executable file of that name in $PATH.
 * Writes it to PATH. Returns 0 or the errno that says why there is none.
 */
int exec_find(const char *program, char *path, size_t path_bytes);

/*
 * Start the program in a new process group whose leader it is; it is killed when this process
 * dies. Call with all signals blocked. Returns 0, or the errno of what failed, execve() included.
 * *ret_pidfd becomes readable when it ends; the caller closes it and reaps *ret_pid.
 */
int exec_start(const struct exec_plan *plan, pid_t *ret_pid, int *ret_pidfd);

#endif
