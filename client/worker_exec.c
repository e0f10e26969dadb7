#include "client/worker_exec.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
#define STACK_BYTES  (32u * 1024)

/* What the new process, which shares our memory until it executes, works from. */
struct exec_job {
    const struct exec_plan *plan;
    pid_t parent;
    int error;
};

static int path_check(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return EACCES;
    return access(path, X_OK) < 0 ? errno : 0;
}

int exec_find(const char *program, char *path, size_t path_bytes)
{
    const char *at = getenv("PATH");
    int best = ENOENT;

    if (strchr(program, '/') != NULL) {
        int length = snprintf(path, path_bytes, "%s", program);

        return length < 0 || (size_t)length >= path_bytes ? ENAMETOOLONG : 0;
    }
    if (at == NULL || *at == '\0')
        at = PATH_DEFAULT;
    while (*at != '\0' && *program != '\0') {
        size_t bytes = strcspn(at, ":");
        int length = snprintf(
            path, path_bytes, "%.*s%s%s", (int)bytes, at, bytes == 0 ? "./" : "/", program);
        int rc = length < 0 || (size_t)length >= path_bytes ? ENAMETOOLONG : path_check(path);

        if (rc == 0)
            return 0;
        if (rc == EACCES)
            best = EACCES;
        at += bytes;
        at += *at == ':';
    }
    return best;
}

/* argv and envp of execve() are never written, their type is only older than const. */
static char *const *exec_argv(const char *const *argv)
{
    union {
        const char *const *from;
        char *const *to;
    } u = { argv };

    return u.to;
}

/*
 * The new process, on its own stack but in our memory: system calls only. Not instrumented, since
 * sanitizers would take this stack for an overflow of the other.
 */
__attribute__((no_sanitize("address"), no_sanitize("undefined"), no_sanitize("thread"))) static int
exec_child(void *arg)
{
    struct exec_job *job = arg;
    const struct exec_plan *plan = job->plan;
    sigset_t none;

    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != job->parent)
        _exit(127);
    /* Handlers would run in our memory, and what is ignored would stay so in the program. */
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGRTMAX - 1, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (dup2(plan->in, 0) >= 0 && dup2(plan->out, 1) >= 0 && dup2(plan->errors, 2) >= 0 &&
        close_range(3, ~0u, 0) == 0) {
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)execve(plan->path, exec_argv(plan->argv), plan->envp);
    }
    job->error = errno;
    _exit(127);
}

int exec_start(const struct exec_plan *plan, pid_t *ret_pid, int *ret_pidfd)
{
    static _Alignas(64) char stack[STACK_BYTES];
    struct exec_job job = { plan, getpid(), 0 };
    int pidfd = -1;
    pid_t pid;

    pid = clone(exec_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
        &job, &pidfd);
    if (pid < 0)
        return errno;
    /* The call returned when the program was executed, or the new process has ended. */
    if (job.error != 0) {
        (void)waitpid(pid, NULL, 0);
        (void)close(pidfd);
        return job.error;
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}
