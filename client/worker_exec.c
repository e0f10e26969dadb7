#include "client/worker_exec.h"

#include "client/worker_tsan.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
#define STACK_BYTES  (32u * 1024)
/* ThreadSanitizer's runtime does not survive that two processes use it in the same memory. */
#define SHARE_MEMORY (WORKER_TSAN ? 0 : CLONE_VM)

/* What the new process works from; in memory that both share in any case. */
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

#define UNINSTRUMENTED                                                                             \
    __attribute__((no_sanitize("address"), no_sanitize("undefined"), no_sanitize("thread")))

/*
 * The default action for SIGNAL, told to the kernel only: the library's function may keep books in
 * the memory that we share, and the parent's handlers are still its own.
 */
UNINSTRUMENTED static void action_default(int signal)
{
    /* The kernel's struct sigaction, at most this large, with SIG_DFL and no flags: all zero. */
    static const unsigned long all_zero[16];

    (void)syscall(SYS_rt_sigaction, signal, all_zero, NULL, (size_t)(_NSIG - 1) / 8);
}

/*
 * The new process, on its own stack but in our memory: system calls only. Not instrumented, since
 * sanitizers would take this stack for an overflow of the other.
 */
UNINSTRUMENTED static int exec_child(void *arg)
{
    struct exec_job *job = arg;
    const struct exec_plan *plan = job->plan;
    sigset_t none;

    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != job->parent)
        _exit(127);
    /* Handlers would run in our memory, and what is ignored would stay so in the program. */
    action_default(SIGTERM);
    action_default(SIGRTMAX - 1);
    action_default(SIGINT);
    action_default(SIGPIPE);
    if (dup2(plan->in, 0) >= 0 && dup2(plan->out, 1) >= 0 && dup2(plan->errors, 2) >= 0 &&
        close_range(3, ~0u, 0) == 0) {
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)execve(plan->path, exec_argv(plan->argv), plan->envp);
    }
    job->error = errno;
    _exit(127);
}

static struct exec_job *job_make(void)
{
    static struct exec_job *job;
    void *memory;

    if (job != NULL)
        return job;
    memory = mmap(NULL, sizeof *job, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED)
        job = memory;
    return job;
}

int exec_start(const struct exec_plan *plan, pid_t *ret_pid, int *ret_pidfd)
{
    static _Alignas(64) char stack[STACK_BYTES];
    struct exec_job *job = job_make();
    int pidfd = -1;
    pid_t pid;

    if (job == NULL)
        return ENOMEM;
    *job = (struct exec_job){ plan, getpid(), 0 };
    pid = clone(exec_child, stack + sizeof stack,
        SHARE_MEMORY | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, job, &pidfd);
    if (pid < 0)
        return errno;
    /* The call returned when the program was executed, or the new process has ended. */
    if (job->error != 0) {
        (void)waitpid(pid, NULL, 0);
        (void)close(pidfd);
        return job->error;
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}
