#include "client/worker_command.h"

#include "client/worker_exec.h"
#include "client/worker_sweep.h"
#include "client/worker_task.h"
#include "proto/id.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define STDOUT_DEFAULT (1024u * 1024)
/* Room for the rest of a failure's detail beside the output. */
#define STDOUT_MAX     (GANGER_PAYLOAD_MAX - 64u * 1024)
#define ARGS_MAX       65536u
#define CHUNK_BYTES    (64u * 1024)
#define OUT_KEEP_BYTES (1024u * 1024)
#define OWN_VARIABLES  3u

/* One run: the pipes' ends that are ours, -1 when closed. */
struct run {
    struct command *c;
    struct ganger_task *task;
    struct slice input; /* what is left to feed */
    int in, out, errors, pidfd;
    pid_t pid;
    bool too_big;
};

static bool is_own_variable(const char *entry)
{
    return strncmp(entry, "GANGER_TASK_ID=", 15) == 0 ||
           strncmp(entry, "GANGER_ATTEMPT=", 15) == 0 || strncmp(entry, "GANGER_FENCE=", 13) == 0;
}

int command_init(struct command *c, const struct ganger_worker_config *config)
{
    size_t count = 0, at = OWN_VARIABLES;

    while (environ != NULL && environ[count] != NULL)
        count++;
    c->envp = calloc(count + OWN_VARIABLES + 1, sizeof c->envp[0]);
    if (c->envp == NULL)
        return GANGER_ENOMEM;
    c->envp[0] = c->id_text;
    c->envp[1] = c->attempt_text;
    c->envp[2] = c->fence_text;
    for (size_t i = 0; i < count; i++) {
        if (!is_own_variable(environ[i]))
            c->envp[at++] = environ[i];
    }
    c->fixed = config->command_any ? NULL : config->command;
    while (c->fixed != NULL && c->fixed[c->fixed_count] != NULL)
        c->fixed_count++;
    c->stdout_max = config->stdout_max == 0 ? STDOUT_DEFAULT : config->stdout_max;
    if (c->stdout_max > STDOUT_MAX)
        c->stdout_max = STDOUT_MAX;
    return 0;
}

void command_stop(const struct command *c)
{
    if (c->pid > 0)
        (void)kill(-c->pid, SIGTERM);
}

/* A string or a binary. */
static struct slice read_bytes(struct cursor *c)
{
    struct cursor as_str = *c;
    struct slice s = read_str(&as_str, GANGER_PAYLOAD_MAX);

    if (as_str.error != 0)
        return read_bin(c, GANGER_PAYLOAD_MAX);
    *c = as_str;
    return s;
}

static int bad_payload(struct ganger_task *task, const char *what)
{
    task_fail(task, GANGER_EDECODE,
        "the payload of a command is [[argument, ...], input or nil]: %s", what);
    return GANGER_EDECODE;
}

/* Copy COUNT arguments at CURSOR into NUL-terminated strings after the fixed ones. */
static int args_copy(struct command *c, struct cursor *at, uint32_t count, struct ganger_task *task)
{
    char *to;

    c->argv = calloc(c->fixed_count + count + 1, sizeof c->argv[0]);
    c->arg_bytes = malloc(task->args.len + count + 1);
    if (c->argv == NULL || c->arg_bytes == NULL) {
        task_fail(task, GANGER_ENOMEM, "no memory for %u arguments", count);
        return GANGER_ENOMEM;
    }
    for (size_t i = 0; i < c->fixed_count; i++)
        c->argv[i] = c->fixed[i];
    to = c->arg_bytes;
    for (uint32_t i = 0; i < count; i++) {
        struct slice s = read_bytes(at);

        if (at->error != 0)
            return bad_payload(task, "an argument is no string");
        if (memchr(s.data, '\0', s.len) != NULL)
            return bad_payload(task, "an argument contains a zero byte");
        memcpy(to, s.data, s.len);
        to[s.len] = '\0';
        c->argv[c->fixed_count + i] = to;
        to += s.len + 1;
    }
    return 0;
}

static int payload_read(struct command *c, struct ganger_task *task, struct slice *ret_input)
{
    struct cursor at = cursor_make(task->args.data, task->args.len);
    uint32_t fields = read_array(&at, 2);
    uint32_t count = read_array(&at, ARGS_MAX);
    int rc;

    *ret_input = (struct slice){ NULL, 0 };
    if (at.error != 0 || fields == 0)
        return bad_payload(task, "it is not such an array, or has over 65536 arguments");
    if (c->fixed_count + count == 0)
        return bad_payload(task, "the first argument must name the program");
    rc = args_copy(c, &at, count, task);
    if (rc < 0)
        return rc;
    if (fields == 2 && !read_nil(&at))
        *ret_input = read_bytes(&at);
    return at.error == 0 ? 0 : bad_payload(task, "the input is no binary");
}

static void variables_write(struct command *c, const struct ganger_task *task)
{
    char id[GANGER_ID_TEXT_MAX];

    (void)id_format(task->id, id);
    (void)snprintf(c->id_text, sizeof c->id_text, "GANGER_TASK_ID=%s", id);
    (void)snprintf(c->attempt_text, sizeof c->attempt_text, "GANGER_ATTEMPT=%u", task->attempt);
    (void)snprintf(
        c->fence_text, sizeof c->fence_text, "GANGER_FENCE=%llu", (unsigned long long)task->fence);
}

static void end_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* A pipe of which our end does not block. */
static int pipe_make(int *ret_ours, int *ret_theirs, bool we_write)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    *ret_ours = ends[we_write];
    *ret_theirs = ends[!we_write];
    (void)fcntl(*ret_ours, F_SETFL, O_NONBLOCK);
    return 0;
}

/* Start it; returns 0 or an errno. On failure our ends are closed too. */
static int run_start(struct run *r, const char *path)
{
    struct exec_plan plan = { path, r->c->argv, r->c->envp, 0, -1, -1 };
    int in = -1, rc = 0;
    sigset_t all, old;

    if (r->input.len != 0)
        rc = pipe_make(&r->in, &in, true);
    if (rc == 0)
        rc = pipe_make(&r->out, &plan.out, false);
    if (rc == 0)
        rc = pipe_make(&r->errors, &plan.errors, false);
    if (in >= 0)
        plan.in = in;
    if (rc == 0) {
        /* The handler of SIGTERM must find either no process yet or the one to pass it on to. */
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, &old);
        rc = exec_start(&plan, &r->pid, &r->pidfd);
        if (rc == 0)
            r->c->pid = r->pid;
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
    }
    end_close(&in);
    end_close(&plan.out);
    end_close(&plan.errors);
    if (rc != 0) {
        end_close(&r->in);
        end_close(&r->out);
        end_close(&r->errors);
    }
    return rc;
}

static void run_feed(struct run *r)
{
    ssize_t n = write(r->in, r->input.data, r->input.len);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        r->input.data += n;
        r->input.len -= (size_t)n;
    }
    /* A program that does not read its input is no failure: it may know enough. */
    if (n <= 0 || r->input.len == 0)
        end_close(&r->in);
}

/* Over the bound: the program is killed and no more is read. */
static void run_too_big(struct run *r)
{
    r->too_big = true;
    /* Killed before it could die of writing to a closed pipe. */
    if (r->c->pid > 0)
        (void)kill(-r->c->pid, SIGKILL);
    end_close(&r->out);
}

static bool out_grow(struct command *c)
{
    size_t cap = c->out_cap == 0 ? CHUNK_BYTES : c->out_cap * 2;
    uint8_t *out;

    /* One byte more than allowed tells "just fits" from "too big". */
    if (cap > c->stdout_max + 1)
        cap = c->stdout_max + 1;
    out = realloc(c->out, cap);
    if (out == NULL)
        return false;
    c->out = out;
    c->out_cap = cap;
    return true;
}

/* Read once from standard output; false when there is no more for now or for ever. */
static bool run_take_out(struct run *r)
{
    struct command *c = r->c;
    ssize_t n;

    if (r->out < 0)
        return false;
    if (c->out_bytes == c->out_cap && !out_grow(c)) {
        run_too_big(r);
        return false;
    }
    n = read(r->out, c->out + c->out_bytes, c->out_cap - c->out_bytes);
    if (n > 0) {
        c->out_bytes += (size_t)n;
        if (c->out_bytes <= c->stdout_max)
            return true;
        run_too_big(r);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        end_close(&r->out);
    }
    return false;
}

/* Read once from standard error: kept for the task, and passed on to the pool's log. */
static bool run_take_errors(struct run *r)
{
    uint8_t bytes[4096];
    ssize_t n;

    if (r->errors < 0)
        return false;
    n = read(r->errors, bytes, sizeof bytes);
    if (n > 0) {
        tail_add(&r->c->errors, bytes, (size_t)n);
        return write(2, bytes, (size_t)n) > 0 || errno == EINTR;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        end_close(&r->errors);
    return false;
}

/* Feed and read until the program itself has ended. */
static void run_watch(struct run *r)
{
    bool ended = false;

    if (r->in >= 0)
        run_feed(r);
    while (!ended) {
        struct pollfd fds[] = { { r->pidfd, POLLIN, 0 }, { r->out, POLLIN, 0 },
            { r->errors, POLLIN, 0 }, { r->in, POLLOUT, 0 } };

        if (poll(fds, 4, -1) < 0)
            continue;
        if (fds[1].revents != 0)
            (void)run_take_out(r);
        if (fds[2].revents != 0)
            (void)run_take_errors(r);
        if (fds[3].revents != 0)
            run_feed(r);
        ended = fds[0].revents != 0;
    }
}

/* Reap it, clear what it left, and read what is still in the pipes. */
static void run_finish(struct run *r, int *ret_status, struct rusage *ret_usage)
{
    pid_t pid = r->pid;

    /* While it is a zombie, the number of its group cannot be another's. */
    (void)kill(-pid, SIGKILL);
    r->c->pid = 0;
    while (wait4(pid, ret_status, 0, ret_usage) < 0 && errno == EINTR) {
    }
    if (!sweep_is_clean())
        (void)sweep_all(2000);
    while (run_take_out(r)) {
    }
    while (run_take_errors(r)) {
    }
    end_close(&r->in);
    end_close(&r->out);
    end_close(&r->errors);
    end_close(&r->pidfd);
}

static void end_fill(struct run *r, int status, const struct rusage *usage)
{
    struct ganger_task *task = r->task;
    struct msg_worker_end *e = &task->end;

    *e = (struct msg_worker_end){ .pid = (uint64_t)r->pid };
    if (WIFSIGNALED(status)) {
        e->signal = (uint32_t)WTERMSIG(status);
        e->core = WCOREDUMP(status) != 0;
    } else {
        e->exit_code = (uint32_t)WEXITSTATUS(status);
    }
    e->user_us = (uint64_t)usage->ru_utime.tv_sec * 1000000 + (uint64_t)usage->ru_utime.tv_usec;
    e->system_us = (uint64_t)usage->ru_stime.tv_sec * 1000000 + (uint64_t)usage->ru_stime.tv_usec;
    e->maxrss_kib = (uint64_t)usage->ru_maxrss;
    e->stderr_tail.data = task->stderr_tail;
    e->stderr_tail.len = tail_copy(&r->c->errors, task->stderr_tail);
    task->has_end = true;
}

static void run_outcome(struct run *r, int status, const struct rusage *usage)
{
    struct ganger_task *task = r->task;
    const char *program = r->c->argv[0];

    if (!r->too_big)
        write_bin(&task->value, r->c->out, r->c->out_bytes);
    if (r->too_big || status != 0)
        end_fill(r, status, usage);
    if (r->too_big)
        task_fail(task, GANGER_ETOOBIG, "%s wrote more than the %zu bytes allowed", program,
            r->c->stdout_max);
    else if (task->value.failed != 0)
        task_fail(task, GANGER_ENOMEM, "no memory for %zu bytes of output", r->c->out_bytes);
    else if (WIFSIGNALED(status))
        task_fail(task, GANGER_EEXIT, "%s was ended by signal %d (%s)", program, WTERMSIG(status),
            strsignal(WTERMSIG(status)));
    else if (status != 0)
        task_fail(task, GANGER_EEXIT, "%s ended with status %d", program, WEXITSTATUS(status));
}

static void command_clear(struct command *c)
{
    free(c->argv);
    free(c->arg_bytes);
    c->argv = NULL;
    c->arg_bytes = NULL;
    c->out_bytes = 0;
    if (c->out_cap > OUT_KEEP_BYTES) {
        free(c->out);
        c->out = NULL;
        c->out_cap = 0;
    }
    c->errors.bytes = 0;
}

/* What kind of failure an errno of the start is. */
static int start_code(int error)
{
    switch (error) {
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return GANGER_EIO;
    case E2BIG:
        return GANGER_ETOOBIG;
    default:
        return GANGER_ENOFUNC;
    }
}

void command_run(
    struct command *c, struct ganger_task *task, const volatile sig_atomic_t *cancelled)
{
    struct run r = { .c = c, .task = task, .in = -1, .out = -1, .errors = -1, .pidfd = -1 };
    struct rusage usage;
    char path[PATH_MAX];
    int status = 0, rc;

    command_clear(c);
    if (payload_read(c, task, &r.input) < 0)
        return;
    variables_write(c, task);
    rc = exec_find(c->argv[0], path, sizeof path);
    if (rc == 0)
        rc = run_start(&r, path);
    if (rc != 0) {
        task_fail(task, start_code(rc), "cannot execute \"%s\": %s", c->argv[0], strerror(rc));
        return;
    }
    if (*cancelled)
        command_stop(c);
    run_watch(&r);
    run_finish(&r, &status, &usage);
    run_outcome(&r, status, &usage);
}
