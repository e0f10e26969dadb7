/*
 * Ganger's worker runtime: what a module of functions exports, what a function may call, and
 * how a program of your own becomes a worker.
 *
 * A MODULE is a shared object that defines `const struct ganger_module ganger_module`. The stock
 * agent, ganger-worker, loads it once and forks the pool's children from itself; a program can
 * do the same without a shared object by calling ganger_worker_run().
 *
 *     static int add(struct ganger_task *task)
 *     {
 *         size_t bytes;
 *         const void *args = ganger_task_args(task, &bytes);
 *         ...
 *         return ganger_task_return(task, result, result_bytes);
 *     }
 *     static const struct ganger_function functions[] = { { "add", add }, { NULL, NULL } };
 *     GANGER_MODULE_EXPORT const struct ganger_module ganger_module = {
 *         GANGER_MODULE_ABI, "arithmetic", functions, NULL, NULL, NULL
 *     };
 *
 * Arguments and results are msgpack values; the runtime checks that each is exactly one.
 *
 * What a function can rely on, and must know:
 * - It runs in a process of its own, one task at a time. The process has no descriptors but 0
 *   (/dev/null), 1 and 2 (both go to the pool's log; the last bytes are kept for the report of
 *   its death), and those of the runtime. Its environment, working directory, limits and process
 *   group are the pool's.
 * - Whatever processes a task leaves behind are killed before its result is sent, also those
 *   that made a session or a group of their own. This holds for processes that the
 *   initializer started as well: none outlives the first task.
 * - Results of short tasks are gathered and sent together. When a task runs long, a signal of
 *   the runtime sends what was gathered before it; so be ready for EINTR from blocking calls.
 * - A task that is asked to stop gets SIGTERM, which interrupts blocking calls with EINTR and makes
 *   ganger_task_cancelled() true. Do not replace the handlers of SIGTERM and SIGRTMAX - 1.
 * - A child may start threads, but only the thread that runs the function may call ganger_task_...
 *   and ganger_progress(). The agent itself must stay single-threaded, because it forks: a module
 *   whose constructor or preload starts a thread is refused, with the name of the thread.
 */
#ifndef GANGER_WORKER_H
#define GANGER_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include "ganger/err.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef GANGER_PUBLIC
#if defined(__GNUC__)
#define GANGER_PUBLIC __attribute__((visibility("default")))
#else
#define GANGER_PUBLIC
#endif
#endif

#if defined(__GNUC__)
#define GANGER_WORKER_PRINTF(format_at, first_at)                                                  \
    __attribute__((format(printf, format_at, first_at)))
#else
#define GANGER_WORKER_PRINTF(format_at, first_at)
#endif

#ifdef __cplusplus
#define GANGER_MODULE_EXPORT extern "C" GANGER_PUBLIC
#else
#define GANGER_MODULE_EXPORT GANGER_PUBLIC
#endif

/* Layout of struct ganger_module; a module of another one is refused with a clear error. */
#define GANGER_MODULE_ABI 1u

/* One task while its function runs. Owned by the runtime; invalid once the function returned. */
struct ganger_task;

/*
 * A function of a pool. RUN returns 0 for success; then the result is what it gave to
 * ganger_task_return(), or nil. Any other value fails the task: with what ganger_task_fail() was
 * told, else with GANGER_EFAILED and the number in the text.
 */
struct ganger_function {
    const char *name; /* 1..128 bytes */
    int (*run)(struct ganger_task *task);
};

/*
 * What a module exports as `ganger_module`. Everything must live as long as the process.
 * Initializers return 0, or anything else to refuse; they then write a reason into ERR (at most
 * ERR_BYTES with its NUL). ARGS are the pool's initializer arguments, one msgpack value, or empty.
 */
struct ganger_module {
    uint32_t abi;                            /* GANGER_MODULE_ABI */
    const char *name;                        /* for texts */
    const struct ganger_function *functions; /* ends with { NULL, NULL } */
    /* Once in the agent, before any child is forked: read what all children can share. Or NULL. */
    int (*preload)(const void *args, size_t args_bytes, char *err, size_t err_bytes);
    /* In each child before its first task. Or NULL. */
    int (*init)(const void *args, size_t args_bytes, char *err, size_t err_bytes);
    /* In each child that retires in good order (not in one that dies). Or NULL. */
    void (*fini)(void);
};

/* ---- what a function may call, only while it runs and only on the thread that runs it ---- */

/* The task's arguments, one well-formed msgpack value. Borrowed until the function returns. */
GANGER_PUBLIC const void *ganger_task_args(const struct ganger_task *task, size_t *ret_bytes);

/* The name by which the function was called. NUL-terminated, borrowed as the arguments are. */
GANGER_PUBLIC const char *ganger_task_function(const struct ganger_task *task);

/* The task's id; the same in each attempt. */
GANGER_PUBLIC uint64_t ganger_task_id(const struct ganger_task *task);

/* Which attempt this is: 1, 2, ... */
GANGER_PUBLIC uint32_t ganger_task_attempt(const struct ganger_task *task);

/* The attempt's fencing number: rises with each attempt of any task, never repeats. */
GANGER_PUBLIC uint64_t ganger_task_fence(const struct ganger_task *task);

/* The attempt's time limit in milliseconds, 0 for none. The coordinator enforces it. */
GANGER_PUBLIC uint64_t ganger_task_limit_ms(const struct ganger_task *task);

/*
 * Non-zero once this task has been asked to stop (cancelled, or over its time limit). The function
 * should then return soon; it is killed after the grace. Whatever it returns, the attempt ends as
 * cancelled or with the time limit's error. Cheap: reads a flag.
 */
GANGER_PUBLIC int ganger_task_cancelled(const struct ganger_task *task);

/*
 * Give the result: exactly one msgpack value, copied. A later call replaces it. Returns 0, or
 * fails the task and returns GANGER_EENCODE (not one well-formed value), GANGER_ETOOBIG (over
 * the bound of 16 MiB) or GANGER_ENOMEM; so a function may `return ganger_task_return(...)`.
 * When the function then fails, the value stays with the failure as what it gave nevertheless.
 */
GANGER_PUBLIC int ganger_task_return(struct ganger_task *task, const void *value, size_t bytes);

/*
 * Fail the task. CODE is a GANGER_E... number (negative); any other counts as GANGER_EFAILED. The
 * text is cut at 4096 bytes. Returns the code, so a function may `return ganger_task_fail(...)`.
 * The task fails even if the function then returns 0.
 */
GANGER_PUBLIC int ganger_task_fail(struct ganger_task *task, int code, const char *format, ...)
    GANGER_WORKER_PRINTF(3, 4);

/* Add a backtrace (UTF-8 text, cut at 4096 bytes) to the task's failure. */
GANGER_PUBLIC void ganger_task_backtrace(struct ganger_task *task, const char *text);

/*
 * Report progress: DONE of TOTAL (0 = unknown), TEXT or NULL. At most one report in 50 ms is
 * sent, but always the first of a task and the one with DONE equal to TOTAL. Results gathered
 * before are sent with it.
 */
GANGER_PUBLIC void ganger_progress(
    struct ganger_task *task, uint64_t done, uint64_t total, const char *text);

/* ---- being a worker ---- */

/* A resource limit of each child, soft and hard. */
struct ganger_worker_rlimit {
    int resource;   /* RLIMIT_... of <sys/resource.h> */
    uint64_t value; /* UINT64_MAX = unlimited */
};

/*
 * How ganger_worker_run() is to work. Set it up with ganger_worker_config_init(), then at least
 * POOL and one of MODULE, LOAD, COMMAND, COMMAND_ANY. Nothing in it is copied: it must stay as it
 * is until ganger_worker_run() returns.
 */
struct ganger_worker_config {
    size_t config_bytes; /* set by ganger_worker_config_init() */
    const char *pool;    /* name of the pool */
    /* The way to the coordinator: an open stream socket, or (when link_fd is -1) a path. */
    int link_fd;
    const char *socket;
    /* Kept open by the agent and all children, not by commands; -1 for none. */
    int lock_fd;
    /* The functions: a table, or a call that loads it (once, after the hello). */
    const struct ganger_module *module;
    int (*load)(
        void *load_arg, const struct ganger_module **ret_module, char *err, size_t err_bytes);
    void *load_arg;
    /* A command pool: program and fixed arguments, ends with NULL; each task adds its own. */
    const char *const *command;
    int command_any;   /* or: each task names its program as its first argument */
    size_t stdout_max; /* bytes of standard output that make a result; 0 = 1 MiB */
    /* Arguments of preload and init: one msgpack value, or empty. */
    const void *init_args;
    size_t init_bytes;
    uint32_t init_timeout_ms; /* a child whose init takes longer ends; 0 = none */
    /* Confinement of the children. */
    const char *directory; /* NULL = as it is */
    const struct ganger_worker_rlimit *rlimits;
    size_t rlimit_count;
    const char *const *env; /* NAME=VALUE, ends with NULL; set in the agent too */
    int nice;               /* added to the niceness */
};

/* Fill in the defaults: no way, no functions, no confinement. */
static inline void ganger_worker_config_init(struct ganger_worker_config *config)
{
    unsigned char *at = (unsigned char *)config;
    size_t i;

    for (i = 0; i < sizeof *config; i++)
        at[i] = 0;
    config->config_bytes = sizeof *config;
    config->link_fd = -1;
    config->lock_fd = -1;
}

/*
 * Be the agent of one pool: say hello to the coordinator, load the functions, fork children as the
 * coordinator asks for them (it decides how many), report their ends. Returns when the
 * coordinator closes the link, or on SIGTERM: by then all children are dead.
 *
 * Call it from a process with one thread. It blocks; while it runs it owns SIGCHLD, SIGTERM,
 * SIGINT, SIGHUP, SIGPIPE and every child of the process, and makes it a child subreaper. In the
 * children it never returns: they end with exit().
 *
 * Returns 0 after an orderly stop, else a negative GANGER_E... code with the reason in ERR (cut at
 * ERR_BYTES with its NUL): GANGER_EINVAL bad configuration, GANGER_ECONN no daemon,
 * GANGER_EVERSION, GANGER_EACCES refused by the daemon, GANGER_EPROTO, GANGER_ENOMEM, GANGER_EIO. A
 * module that cannot be loaded is no error here: the coordinator is told and decides.
 */
GANGER_PUBLIC int ganger_worker_run(
    const struct ganger_worker_config *config, char *err, size_t err_bytes);

#ifdef __cplusplus
}
#endif

#endif
