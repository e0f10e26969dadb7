/*
 * A worker child, from the fork to its end.
 *
 * The link (descriptor 3) brings hands and takes results. Each hand is begun through the shared
 * page, so what the coordinator takes back is never run. Results are gathered and leave together:
 * when the input is used up, when a task ran long, or when enough time or bytes have come together.
 * Before they leave, what the tasks left running is killed.
 *
 * No task can hold back the result of one before it: when a task turns out to be long, the
 * signal of a timer sends what is gathered. The handler may touch the buffer only while the
 * function runs (`lent`), when the rest of the runtime does not.
 */
#ifndef CLIENT_WORKER_CHILD_H
#define CLIENT_WORKER_CHILD_H

#include "client/worker_command.h"
#include "client/worker_function.h"
#include "client/worker_task.h"
#include "proto/page.h"

#include <signal.h>
#include <sys/types.h>
#include <time.h>

/* The descriptors of a child; those above are closed. */
enum child_fd { CHILD_LINK = 3, CHILD_LOCK = 4 };

/* How far a child has come, in memory that the agent reads when it died early. */
enum child_stage { STAGE_CONFINE, STAGE_INIT, STAGE_READY };

struct child_note {
    _Atomic uint32_t stage;
};

struct child {
    const struct ganger_worker_config *config;
    const struct ganger_module *module; /* NULL in a command pool */
    struct function_table *functions;
    struct child_note *note;
    struct page *page;
    pid_t pid;
    /* Input: bytes of hands, of which IN_AT are used. */
    uint8_t *in;
    size_t in_cap, in_bytes, in_at;
    /* Output: a batch of results under construction while BATCH_OPEN. */
    struct out out;
    struct batch batch;
    bool batch_open;
    uint32_t returned; /* hands found taken back and not yet reported */
    uint64_t mark_us;  /* when the results in OUT began to gather */
    uint64_t task_us;  /* when the task before ended, or the last one behind which time was read */
    const struct function_entry *short_of; /* whose tasks are so short that few are timed */
    unsigned unread;                       /* how many were not, since TASK_US */
    timer_t timer;
    struct out scratch; /* details and outcomes of chunks */
    struct command command;
    struct ganger_task task;
    /* Shared with signal handlers on the same thread. */
    volatile sig_atomic_t lent;      /* the function runs: a handler may send OUT */
    volatile bool timer_armed;       /* it will ring */
    volatile sig_atomic_t cancelled; /* the running task is asked to stop */
    volatile uint64_t running;       /* number of the running hand + 1, 0 = none */
};

/* What a fork gives to its child; the descriptors become the child's. */
struct child_start {
    const struct ganger_worker_config *config;
    const struct ganger_module *module;
    struct function_table *functions;
    struct child_note *note;
    pid_t agent;
    int link, page, errors, lock; /* lock: -1 = none */
};

/* Be a child: confine, initialize, report readiness, serve until the link ends. */
_Noreturn void child_run(const struct child_start *start);

/* ---- worker_serve.c ---- */

/* Serve hands until the coordinator closes the link (returns) or breaks the protocol (exits). */
void child_serve(struct child *c);

/*
 * Send all that is gathered, after the descendants of the tasks are gone. Exits the process when
 * the link is broken or descendants cannot be killed.
 */
void child_flush(struct child *c);

/* ---- worker_run_task.c ---- */

/* Run the task of a hand that was begun and add its result to the gathered ones. */
void child_run_hand(struct child *c, const struct msg_hand *hand);

/* End the batch of results under construction, if there is one. Safe in a signal handler. */
void child_close_batch(struct child *c);

/* ---- worker_signal.c ---- */

/* The child of this process; NULL in the agent. */
extern struct child *child_self;

/* Take the signals of a child, and make its timer. Returns 0 or GANGER_EIO. */
int child_signals_init(struct child *c);

/* Begin to handle the ends of this process by itself: send what is gathered before it dies. */
void child_guard_ends(void);

/* Let the timer ring once in US microseconds; 0 stops it. */
void child_timer_set(struct child *c, uint64_t us);

/* Stop the timer that lend_begin() set, if it has not rung: no call is to be interrupted by it. */
void child_timer_rest(struct child *c);

/* Write all BYTES to the link. Returns 0 or GANGER_ECONN. Safe in a signal handler. */
int child_send(const void *data, size_t bytes);

/*
 * True in a process that a task forked from the worker child: it must never speak as one. Raw
 * clone() is not noticed.
 */
bool child_is_descendant(void);

uint64_t child_now_us(void); /* monotonic clock, microseconds */

#endif
