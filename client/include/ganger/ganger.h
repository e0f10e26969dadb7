/*
 * libganger, the client side: hand tasks to gangerd and get their results back.
 *
 *     struct ganger *g;
 *     struct ganger_future *f;
 *     struct ganger_bytes result;
 *     struct ganger_call call = { "words", "count", payload, payload_bytes };
 *
 *     if (ganger_open(NULL, &g) == 0 && ganger_submit(g, &call, NULL, &f) == 0 &&
 *         ganger_future_result(f, GANGER_FOREVER, &result) == 0)
 *         use(result.data, result.len);
 *     ganger_close(g);
 *
 * Values. Arguments and results are msgpack: each is exactly one encoded value, given as bytes, so
 * any msgpack library can make and read them. An empty argument (length 0) is sent as nil.
 *
 * Errors. A function that can fail returns 0 or a negative GANGER_E... code (<ganger/err.h>);
 * ganger_strerror() names it, ganger_last_error() adds the place. Outputs are named ret_... and
 * stay untouched on failure unless a comment says otherwise. Every call on a handle (or on a future
 * or map of it) may also return GANGER_ESTATE when it is made in a forked child of the process that
 * opened the handle; only ganger_close() is allowed there, and it disturbs nobody.
 *
 * Time. Durations are milliseconds. A timeout below 0 counts as 0 (look, do not wait);
 * GANGER_FOREVER waits without bound.
 *
 * Threads. A handle with its futures and maps is for one thread at a time; different handles are
 * independent. The library starts no thread, touches no signal and writes no log. Only
 * ganger_interrupt() may be called from a signal handler or another thread.
 *
 * Blocking calls and callbacks. A blocking call on a handle does all that ganger_process() does, so
 * a callback can run inside any of them. Inside a callback a blocking call on the same handle
 * returns GANGER_ESTATE; submitting, looking at results and freeing futures is allowed.
 */
#ifndef GANGER_GANGER_H
#define GANGER_GANGER_H

#include <stddef.h>
#include <stdint.h>

#include "ganger/err.h"

#ifndef GANGER_PUBLIC
#if defined(__GNUC__)
#define GANGER_PUBLIC __attribute__((visibility("default")))
#else
#define GANGER_PUBLIC
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define GANGER_FOREVER INT64_MAX

struct ganger;        /* a connection to gangerd, with what waits on it */
struct ganger_future; /* what will become of one task or request; owned by its handle */
struct ganger_map;    /* one function over many items; owned by its handle (ganger/map.h) */

/* Bytes that somebody else owns. */
struct ganger_bytes {
    const void *data;
    size_t len;
};

/* ---- errors ---- */

/* Text and name ("GANGER_EFULL") of a code; "unknown error" and "?" if there is none. Static. */
GANGER_PUBLIC const char *ganger_strerror(int code);
GANGER_PUBLIC const char *ganger_error_name(int code);

/*
 * What went wrong in the latest call on G that failed, with the place, e.g. "connect
 * /run/ganger/ganger.sock: Connection refused". Valid until the next call on G; never NULL.
 */
GANGER_PUBLIC const char *ganger_last_error(const struct ganger *g);

/* ---- connection ---- */

/*
 * Connect to the daemon at ADDRESS ("unix:PATH", or a path that contains a '/') and shake hands,
 * for at most 5 seconds. NULL: $GANGER_SOCKET if set, else $RUNTIME_DIRECTORY/ganger.sock if set,
 * else /run/ganger/ganger.sock for root, else $XDG_RUNTIME_DIR/ganger/ganger.sock if set, else
 * /tmp/ganger-UID/ganger.sock. The caller owns *ret_g and ends it by ganger_close().
 * GANGER_ECONN: nobody listens there; GANGER_EACCES: the socket's mode forbids; GANGER_EVERSION:
 * the daemon refuses our protocol; GANGER_EPROTO: it is not a Ganger daemon; GANGER_ETIMEDOUT: it
 * did not answer; GANGER_EINVAL: bad address; GANGER_ENOMEM; GANGER_EIO (no descriptor left, ...).
 */
GANGER_PUBLIC int ganger_open(const char *address, struct ganger **ret_g);

/*
 * As ganger_open(), but only begin: the handshake goes on in ganger_process() or the first blocking
 * call. Tasks can be submitted at once; they are sent after the handshake.
 */
GANGER_PUBLIC int ganger_open_async(const char *address, struct ganger **ret_g);

/*
 * Where ganger_open(NULL) connects: write the address into BUF of BUF_BYTES.
 * GANGER_ERANGE: BUF is too small.
 */
GANGER_PUBLIC int ganger_default_address(char *buf, size_t buf_bytes);

/*
 * Close the connection and free G with all of its futures and maps. Tasks go on in the daemon, but
 * what was submitted and not yet sent (ganger_flush()) is lost. Accepts NULL. Not inside a
 * callback.
 */
GANGER_PUBLIC void ganger_close(struct ganger *g);

struct ganger_server_info {
    uint64_t epoch; /* number of the daemon's start; changes when it was restarted */
    uint64_t pid;
    uint32_t protocol;                                               /* version of the protocol */
    uint32_t frame_max, payload_max, name_max, batch_max, needs_max; /* bounds, in bytes or items */
    const char *text; /* "gangerd VERSION"; valid until the next call that may reconnect */
};

/* What the daemon said in its hello. GANGER_ECONN while no handshake was ever completed. */
GANGER_PUBLIC int ganger_server_info(const struct ganger *g, struct ganger_server_info *ret_info);

/* 1 while the connection stands (handshake done), else 0. */
GANGER_PUBLIC int ganger_connected(const struct ganger *g);

/*
 * How long to try to connect again when the connection breaks (default 30000; 0: never). While it
 * tries, calls wait or are queued. Afterwards every call returns GANGER_ECONN, and every pending
 * future ends with it: close the handle and open another.
 *
 * After a reconnect the waits are taken up again by task id. A task that was sent but not yet
 * accepted ends with GANGER_EUNKNOWN (it may or may not run; it is never submitted twice); one that
 * was accepted but that the daemon no longer knows (not durable, and the daemon was restarted)
 * ends with GANGER_ELOST. Requests that were under way are sent again.
 */
GANGER_PUBLIC int ganger_set_reconnect_ms(struct ganger *g, int64_t ms);

/*
 * Bound of the bytes that wait to be written (default 4 MiB, at least 64 KiB). At the bound a
 * submit waits until there is room; with NONBLOCKING non-zero, and inside a callback, it returns
 * GANGER_EAGAIN instead.
 */
GANGER_PUBLIC int ganger_set_output_bytes(struct ganger *g, size_t bytes);
GANGER_PUBLIC int ganger_set_nonblocking(struct ganger *g, int nonblocking);

/*
 * Spin on the socket for up to MICROSECONDS (0..1000; default 0) before a blocking call sleeps:
 * lower latency for one CPU's time.
 */
GANGER_PUBLIC int ganger_set_spin_us(struct ganger *g, uint32_t microseconds);

/*
 * Make the blocking call that is running on G, or else the next one, return GANGER_EINTR.
 * Async-signal- safe, and safe from another thread while G is open. Signals alone do not end a
 * blocking call.
 */
GANGER_PUBLIC void ganger_interrupt(struct ganger *g);

/* ---- event loops ---- */

/*
 * The socket to watch, or -1 while there is none (waiting to reconnect). It changes with a
 * reconnect: ask again after each ganger_process().
 */
GANGER_PUBLIC int ganger_fd(const struct ganger *g);

/* The poll(2) events to watch for: POLLIN, and POLLOUT while output waits. */
GANGER_PUBLIC short ganger_events(const struct ganger *g);

/* Milliseconds until ganger_process() must be called although nothing came; -1: no such time. */
GANGER_PUBLIC int64_t ganger_timeout_ms(const struct ganger *g);

/*
 * Read and handle what came, write what waits, keep the reconnect going, run callbacks. Never
 * waits. REVENTS: what poll(2) reported, or 0 (writes what waits and looks at the clock).
 * GANGER_ECONN: the connection is gone for good. Not inside a callback (GANGER_ESTATE).
 */
GANGER_PUBLIC int ganger_process(struct ganger *g, short revents);

/* Write what waits, waiting up to TIMEOUT_MS. 0 when all is written; GANGER_ETIMEDOUT, _EINTR,
 * _ECONN. */
GANGER_PUBLIC int ganger_flush(struct ganger *g, int64_t timeout_ms);

/* ---- tasks ---- */

/* Which options are given; the pool's defaults hold for the others. */
enum ganger_option {
    GANGER_OPT_PRIORITY = 1 << 1,
    GANGER_OPT_DELAY_MS = 1 << 2,
    GANGER_OPT_RUN_AT_MS = 1 << 3,
    GANGER_OPT_LIMIT_MS = 1 << 4,
    GANGER_OPT_KILL_GRACE_MS = 1 << 5,
    GANGER_OPT_EXPIRY_MS = 1 << 6,
    GANGER_OPT_MAX_ATTEMPTS = 1 << 7,
    GANGER_OPT_BACKOFF_MS = 1 << 8,
    GANGER_OPT_BACKOFF_MAX_MS = 1 << 9,
    GANGER_OPT_JITTER_PERCENT = 1 << 10,
    GANGER_OPT_CRASH_BUDGET = 1 << 11,
    GANGER_OPT_RETENTION_MS = 1 << 12
};

enum ganger_durable {
    GANGER_DURABLE_DEFAULT = 0, /* as the pool says */
    GANGER_DURABLE_YES = 1,     /* survives kill -9 of everything once acknowledged */
    GANGER_DURABLE_NO = 2
};

/* How the library treats a submit. */
enum ganger_submit_flag {
    /*
     * Ask for no acceptance message: cheaper, but the future has no id until its end (or progress),
     * so it can be neither cancelled nor taken up again after a broken connection.
     */
    GANGER_QUIET = 1,
    /* When the daemon refuses the task as FULL, wait for room and submit again, in the background.
     */
    GANGER_WAIT_ROOM = 2,
    /*
     * Do not wait for the end: the future is ready when the task is accepted (durable: synced), its
     * result is empty then, and its id can be used later. GANGER_QUIET is ignored.
     */
    GANGER_DETACHED = 4
};

/* Permits of a semaphore that a task takes before it starts and gives back when it ends. */
struct ganger_need {
    const char *name;
    uint32_t permits; /* at least 1 */
};

/* Options of a task. All zero = all defaults. A field counts only if its bit is in GIVEN. */
struct ganger_options {
    uint32_t given;          /* enum ganger_option, ored */
    uint32_t flags;          /* enum ganger_submit_flag, ored */
    uint32_t durable;        /* enum ganger_durable */
    uint32_t priority;       /* 0 (most urgent) .. 255 */
    uint32_t max_attempts;   /* 1..1000 */
    uint32_t jitter_percent; /* of the back-off, 0..100 */
    uint32_t crash_budget;   /* worker deaths until the task is set aside, 1..255 */
    uint64_t delay_ms;       /* from acceptance; not together with run_at_ms */
    uint64_t run_at_ms;      /* wall clock, milliseconds since 1970 */
    uint64_t limit_ms;       /* of the run time, each attempt; 0 = none */
    uint64_t kill_grace_ms;  /* from the soft signal to the kill */
    uint64_t expiry_ms;      /* from acceptance: not started by then = GANGER_EEXPIRED; 0 = never */
    uint64_t backoff_ms, backoff_max_ms; /* wait before the second attempt; upper bound of it */
    uint64_t retention_ms;               /* how long the daemon keeps the result for whoever asks */
    const struct ganger_need *needs;     /* borrowed for the call */
    size_t need_count;                   /* at most the daemon's needs_max */
    uint64_t reserved[8];                /* zero */
};

/* Set all to the default. */
GANGER_PUBLIC void ganger_options_init(struct ganger_options *options);

/* What to run. All borrowed for the call. */
struct ganger_call {
    const char *pool;
    const char *function; /* NULL or "" in a command pool */
    const void *payload;  /* one msgpack value; command pool: [[arg, ...], stdin bin or nil] */
    size_t payload_bytes; /* 0 = nil */
};

/*
 * Submit one task. Does not wait for an answer: a refusal of the daemon (GANGER_EFULL, _ENOPOOL,
 * _ENOFUNC, _ENOSEM, _EDRAIN, ...) becomes the error of the future. It is written at the next
 * blocking call, ganger_process() or ganger_flush(), or when 64 KiB have gathered. OPTIONS may be
 * NULL. The future belongs to G; ganger_future_free() it when done with it. GANGER_EINVAL: a name
 * missing, an option out of range; GANGER_EDECODE: the payload is not one msgpack value;
 * GANGER_ETOOBIG: over a bound of the daemon; GANGER_EAGAIN: see ganger_set_output_bytes();
 * GANGER_EINTR, GANGER_ECONN, GANGER_ENOMEM. Nothing was submitted then.
 */
GANGER_PUBLIC int ganger_submit(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, struct ganger_future **ret_future);

/*
 * Submit COUNT tasks with the same OPTIONS, many in one message. RET_FUTURES has room for COUNT. On
 * an error the first *ret_count tasks were submitted and their futures set; *ret_count is always
 * set.
 */
GANGER_PUBLIC int ganger_submit_many(struct ganger *g, const struct ganger_call *calls,
    size_t count, const struct ganger_options *options, struct ganger_future **ret_futures,
    size_t *ret_count);

/*
 * Submit one task, wait up to TIMEOUT_MS until the daemon has accepted it (durable: synced), and do
 * not wait for its end. Also returns the daemon's refusal (GANGER_EFULL, ...). GANGER_EUNKNOWN: the
 * connection broke in between, the task may or may not exist; so too for GANGER_ETIMEDOUT,
 * GANGER_EINTR.
 */
GANGER_PUBLIC int ganger_submit_detached(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, int64_t timeout_ms, uint64_t *ret_id);

/*
 * Wait up to TIMEOUT_MS until POOL has room for TASKS more tasks of BYTES in all. Room is not
 * reserved. GANGER_ETIMEDOUT, GANGER_ENOPOOL, GANGER_ERANGE (more than the pool ever holds), ...
 */
GANGER_PUBLIC int ganger_wait_room(
    struct ganger *g, const char *pool, uint64_t tasks, uint64_t bytes, int64_t timeout_ms);

/* ---- futures ---- */

/* How a task ended. */
enum ganger_end {
    GANGER_END_NONE = 0, /* not ended, or refused, or its end is not known here */
    GANGER_END_DONE = 1,
    GANGER_END_FAILED = 2, /* its only attempt failed, it expired, or its pool is broken */
    GANGER_END_CANCELLED = 3,
    GANGER_END_DEAD = 4 /* its attempts, more than one, or its crash budget are spent */
};

/* How the worker process of a failed task ended. */
struct ganger_worker_end {
    uint64_t pid;
    uint32_t exit_code, signal; /* signal 0: it exited */
    int core;                   /* non-zero: dumped core */
    uint64_t user_us, system_us, maxrss_kib;
    struct ganger_bytes stderr_tail; /* its last output, may hold any bytes */
};

/* Why an attempt of the task failed. The numbers are those of a dead worker process, else 0. */
struct ganger_cause {
    int code;
    uint32_t signal, exit_code;
};

#define GANGER_ERROR_CAUSES 8

/* All that is known of a failure. Pointers are valid until the future is freed. */
struct ganger_failure {
    int code; /* GANGER_E..., 0 = no error */
    enum ganger_end end;
    uint32_t attempts;     /* attempts that were begun */
    const char *text;      /* never NULL; UTF-8 from the function, or the code's own text */
    const char *backtrace; /* never NULL; "" if none */
    struct ganger_bytes
        value;      /* msgpack value that came along (a command's output); may be empty */
    int has_worker; /* non-zero: WORKER holds the end of a worker process */
    struct ganger_worker_end worker;
    /* Attempts that ended, the last one included, oldest first; the newest ones are kept. None if
     * only one attempt was allowed. */
    uint32_t cause_count;
    struct ganger_cause causes[GANGER_ERROR_CAUSES];
};

/* The task's id, or 0 while it is not known (not accepted yet, or GANGER_QUIET). */
GANGER_PUBLIC uint64_t ganger_future_id(const struct ganger_future *f);

/* Wait until the id is known, up to TIMEOUT_MS. Errors as ganger_future_result(), or why there is
 * none. */
GANGER_PUBLIC int ganger_future_wait_id(
    struct ganger_future *f, int64_t timeout_ms, uint64_t *ret_id);

/* The handle that the future belongs to. */
GANGER_PUBLIC struct ganger *ganger_future_handle(const struct ganger_future *f);

/* A pointer of the caller's, for its own use; NULL at first. */
GANGER_PUBLIC void ganger_future_set_user(struct ganger_future *f, void *user);
GANGER_PUBLIC void *ganger_future_user(const struct ganger_future *f);

/*
 * Wait until the task has ended, however, up to TIMEOUT_MS. 0: it has; GANGER_ETIMEDOUT: not
 * yet; GANGER_EINTR; GANGER_ESTATE inside a callback. Says nothing of success.
 */
GANGER_PUBLIC int ganger_future_wait(struct ganger_future *f, int64_t timeout_ms);

/* Wait until one of COUNT futures of the same handle has ended: *ret_index is the first such. As
 * above. */
GANGER_PUBLIC int ganger_wait_any(
    struct ganger_future *const *futures, size_t count, int64_t timeout_ms, size_t *ret_index);

/*
 * Wait for the next future of G that has ended and was not given by this call before (in order of
 * ending; those with callbacks and those of maps are left out). GANGER_ETIMEDOUT, GANGER_EINTR;
 * GANGER_ENOTASK: nothing is pending and nothing is left to give. The future still is to be freed.
 */
GANGER_PUBLIC int ganger_wait_next(
    struct ganger *g, int64_t timeout_ms, struct ganger_future **ret_future);

/* 1 when the task has ended (and its callback has returned), else 0. Looks at nothing new. */
GANGER_PUBLIC int ganger_future_ready(const struct ganger_future *f);

/* 1: ended well; 0: ended otherwise; GANGER_ESTATE: not ready. */
GANGER_PUBLIC int ganger_future_successful(const struct ganger_future *f);

/*
 * The result, waiting up to TIMEOUT_MS. *ret_result is valid until ganger_future_free().
 * GANGER_ETIMEDOUT: not ready in time, ask again later (ganger_future_ready() tells it from a
 * task's own error); GANGER_EINTR; GANGER_ESTATE; else the error with which the task ended.
 */
GANGER_PUBLIC int ganger_future_result(
    struct ganger_future *f, int64_t timeout_ms, struct ganger_bytes *ret_result);

/*
 * Everything about the error (code 0 if it ended well). GANGER_ESTATE: not ready; GANGER_ENOMEM.
 */
GANGER_PUBLIC int ganger_future_error(struct ganger_future *f, struct ganger_failure *ret_error);

struct ganger_progress {
    uint64_t count; /* reports so far; 0: none, and all else is zero */
    uint64_t done, total;
    const char *text; /* never NULL; valid until the next report is processed */
};

/* The latest progress report of the task. */
GANGER_PUBLIC void ganger_future_progress(
    const struct ganger_future *f, struct ganger_progress *ret_progress);

/*
 * Ask the daemon to cancel the task; does not wait. The future ends with GANGER_ECANCELLED whatever
 * the function still returns, or otherwise if the task had ended before the daemon told it to stop.
 * If the task is not accepted yet, it is cancelled as soon as it is. 0 if it has ended already.
 * GANGER_ESTATE: GANGER_QUIET, so it has no id; GANGER_ECONN, _ENOMEM.
 */
GANGER_PUBLIC int ganger_future_cancel(struct ganger_future *f);

/*
 * Free the future. If the task has not ended, it goes on; its end is no longer wanted. Inside its
 * own callback, the future is freed when that returns. Accepts NULL.
 */
GANGER_PUBLIC void ganger_future_free(struct ganger_future *f);

/* Wait for a task by its id: a future as if it had been submitted here. GANGER_ECONN,
 * GANGER_ENOMEM. */
GANGER_PUBLIC int ganger_attach(struct ganger *g, uint64_t id, struct ganger_future **ret_future);

/* Task ids as text, "EPOCH-COUNTER" in hexadecimal; BUF has GANGER_ID_TEXT bytes. GANGER_EINVAL. */
#define GANGER_ID_TEXT 20
GANGER_PUBLIC size_t ganger_id_format(uint64_t id, char *buf);
GANGER_PUBLIC int ganger_id_parse(const char *text, uint64_t *ret_id);

/* ---- apply ---- */

/*
 * Run one task and wait for its result, without bound. *ret_result: malloc'd, for ganger_free();
 * may be NULL if the result is not wanted. Returns the task's error if it fails;
 * ganger_last_error() has its text. When interrupted (GANGER_EINTR) the task goes on; use
 * ganger_submit() to be able to cancel it.
 */
GANGER_PUBLIC int ganger_apply(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, void **ret_result, size_t *ret_result_bytes);

/*
 * Called once, when the task has ended well or with an error, from ganger_process() or a blocking
 * call, before the future is ready. RESULT, ERROR: valid during the call. If it returns non-zero,
 * the future is not successful: its error has that code if negative, else GANGER_EFAILED.
 */
typedef int (*ganger_result_fn)(
    void *user, struct ganger_future *f, const struct ganger_bytes *result);
typedef int (*ganger_error_fn)(
    void *user, struct ganger_future *f, const struct ganger_failure *error);

/*
 * As ganger_submit(), and exactly one of the two callbacks (each may be NULL) is called at the end.
 * RET_FUTURE may be NULL: the future is then freed after the callback.
 */
GANGER_PUBLIC int ganger_apply_async(struct ganger *g, const struct ganger_call *call,
    const struct ganger_options *options, ganger_result_fn on_result, ganger_error_fn on_error,
    void *user, struct ganger_future **ret_future);

/* ---- requests ---- */

/* What can be asked of the daemon; the numbers are those of the protocol. */
enum ganger_verb {
    GANGER_PING = 1,
    GANGER_STATUS = 4,       /* id */
    GANGER_WHY = 5,          /* id */
    GANGER_CANCEL = 6,       /* id */
    GANGER_FORGET = 7,       /* id */
    GANGER_POOLS = 8,        /* name, "" = all */
    GANGER_POOL_RESIZE = 9,  /* name, number = processes */
    GANGER_POOL_RESUME = 10, /* name */
    GANGER_POOL_PAUSE = 11,  /* name */
    GANGER_SEM_SET = 12,     /* name, number = permits */
    GANGER_SEM_VALUE = 13,   /* name */
    GANGER_SEM_LIST = 14,
    GANGER_STATS = 15,
    GANGER_ROOM = 16, /* name = pool, number = tasks, number2 = bytes */
    GANGER_ACT = 17   /* id, number = fencing number; the library says it by itself in tasks */
};

/*
 * Send a request without waiting: the future's result is the reply's value, its error the reply's
 * error. NAME may be NULL. Freeing the future early drops the reply. GANGER_EINVAL, GANGER_ECONN,
 * GANGER_ENOMEM.
 */
GANGER_PUBLIC int ganger_request(struct ganger *g, enum ganger_verb verb, uint64_t id,
    const char *name, uint64_t number, uint64_t number2, struct ganger_future **ret_future);

/*
 * The blocking forms wait up to TIMEOUT_MS (GANGER_ETIMEDOUT; the request may still be carried out)
 * and return the daemon's error if it refuses. *ret_value: the reply as one msgpack value,
 * malloc'd, for ganger_free().
 */
GANGER_PUBLIC int ganger_ask(struct ganger *g, enum ganger_verb verb, uint64_t id, const char *name,
    uint64_t number, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes);

GANGER_PUBLIC int ganger_ping(struct ganger *g, int64_t timeout_ms);

/* State of a task (a map); why it is not running (a map). GANGER_ENOTASK. */
GANGER_PUBLIC int ganger_status(
    struct ganger *g, uint64_t id, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes);
GANGER_PUBLIC int ganger_why(
    struct ganger *g, uint64_t id, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes);

/* Cancel a task: returns when it is decided (durable: stored); its end follows. GANGER_ENOTASK, ...
 */
GANGER_PUBLIC int ganger_cancel(struct ganger *g, uint64_t id, int64_t timeout_ms);

/* Drop the kept result of an ended task. GANGER_ENOTASK; GANGER_ESTATE: it has not ended. */
GANGER_PUBLIC int ganger_forget(struct ganger *g, uint64_t id, int64_t timeout_ms);

/* One pool (GANGER_ENOPOOL), or all if NAME is NULL or "": an array of maps. */
GANGER_PUBLIC int ganger_pools(struct ganger *g, const char *name, int64_t timeout_ms,
    void **ret_value, size_t *ret_value_bytes);

/* How many processes the pool is to have (its configured or resized number). */
GANGER_PUBLIC int ganger_pool_processes(
    struct ganger *g, const char *name, int64_t timeout_ms, uint32_t *ret_processes);

/* Change the number of processes; pause hands out nothing more; resume ends a pause or BROKEN. */
GANGER_PUBLIC int ganger_pool_resize(
    struct ganger *g, const char *name, uint32_t processes, int64_t timeout_ms);
GANGER_PUBLIC int ganger_pool_pause(struct ganger *g, const char *name, int64_t timeout_ms);
GANGER_PUBLIC int ganger_pool_resume(struct ganger *g, const char *name, int64_t timeout_ms);

/* Set the permits of a semaphore, 0..1000000; creates it when unknown; durable. GANGER_ERANGE. */
GANGER_PUBLIC int ganger_sem_set(
    struct ganger *g, const char *name, uint32_t permits, int64_t timeout_ms);

struct ganger_sem_value {
    uint64_t limit;   /* permits there are */
    uint64_t held;    /* by running tasks */
    uint64_t waiting; /* tasks that lack permits */
};
GANGER_PUBLIC int ganger_sem_value(
    struct ganger *g, const char *name, int64_t timeout_ms, struct ganger_sem_value *ret_value);

/* All semaphores, an array of maps; the daemon's counters, a map. */
GANGER_PUBLIC int ganger_sem_list(
    struct ganger *g, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes);
GANGER_PUBLIC int ganger_stats(
    struct ganger *g, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes);

/* Free what a function of this library has malloc'd for the caller. Accepts NULL. */
GANGER_PUBLIC void ganger_free(void *p);

#ifdef __cplusplus
}
#endif

#include "ganger/map.h"

#endif
