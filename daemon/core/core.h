/*
 * The pure core: tasks, pools, children, semaphores and waiters as one deterministic state machine.
 *
 * core_step(core, now, event) moves the state and fills the effects array. There is no clock, no
 * I/O, no logging and no decision that depends on hash order: the same events give the same
 * effects. Memory is allocated only by events that admit something (SUBMIT, WAIT, CANCEL,
 * definitions, session opened, replay), which may fail with GANGER_ENOMEM or GANGER_EFULL and then
 * change nothing; no other event fails for want of memory.
 *
 * Names: a task is known by its id (for ever) and its slot (while the core knows it; reused after
 * EFFECT_FORGET). Pools and semaphores by an index, children by slot and generation, sessions by a
 * 64-bit handle whose low half is a small index. Times are microseconds of one monotonic clock.
 *
 * Order of a turn: any number of events, then EVENT_TURN, which alone hands out work and runs
 * deadlines. Effects must be carried out in order. Single thread.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "proto/err.h"
#include "proto/id.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;

#define CORE_NEVER UINT64_MAX
/* Two take-backs are apart, and a hand is taken back when its child made no progress for so long.
 */
#define CORE_HAND_STALL_US 2000u
/* A pool hands ahead what its measured run time lets it do in this time. */
#define CORE_HAND_AHEAD_US 1000u
/* A child is woken for at least so much, if there is that much. */
#define CORE_HAND_LEAST_US 25u
/* But for no more tasks than that, however quick they seem. */
#define CORE_HAND_LEAST_MAX (GANGER_HAND_MAX / 4)
/* An attempt whose end cannot be learned within this time ends as GANGER_ELOST. */
#define CORE_END_WAIT_US 5000000u
/* The oldest blocked task reserves its semaphores after so many overtakings or so long. */
#define CORE_RESERVE_OVERTAKEN 64u
#define CORE_RESERVE_US        1000000u
/* A reservation that lacks nothing but a child keeps others back for so long at a time. */
#define CORE_RESERVE_BUSY_US 100000u

struct core_config {
    uint32_t epoch;               /* 1..GANGER_EPOCH_MAX */
    uint32_t tasks_max;           /* tasks known at once, ended and retained ones included */
    uint64_t seed;                /* of the jitter */
    uint64_t grace_us;            /* after an unclean start */
    uint64_t orphan_retention_us; /* of a result that nobody waited for and whose retention is 0 */
};

/* Task states; the table of legal moves is in task.c. */
enum task_state {
    TASK_FREE,
    TASK_STORING,  /* submit appended, not yet durable */
    TASK_DELAYED,  /* due later, or held until the old generation is known to be gone */
    TASK_READY,    /* in its lane */
    TASK_BLOCKED,  /* parked at a semaphore that lacks permits */
    TASK_HANDED,   /* in a child's hand behind another task */
    TASK_STARTING, /* at-most-once, start not yet durable */
    TASK_RUNNING,  /* first in its child's hand */
    TASK_STOPPING, /* told to stop, or its child is dying; permits still held */
    TASK_SETTLING, /* attempt or task ended, not yet durable */
    TASK_DONE,
    TASK_FAILED,
    TASK_CANCELLED,
    TASK_DEAD,
    TASK_STATES
};

const char *core_task_state_name(enum task_state s);
/* The states that may follow, as bits; for tests. */
uint32_t core_task_moves(enum task_state s);

/* The core's own flags of a task have the values of enum task_flag in proto/msg.h. */
#define CORE_TASK_DURABLE 1u
#define CORE_TASK_WAIT    2u
#define CORE_TASK_QUIET   4u

struct core_need {
    uint32_t sem;
    uint32_t permits;
};

/* What a task asks for; plain data. */
struct core_spec {
    uint32_t same; /* specs with the same number differ in call_bytes only; 0: not known */
    uint32_t pool, uid, flags, call_bytes;
    uint8_t priority; /* 0 is the most urgent */
    uint8_t jitter_percent;
    uint8_t crash_budget; /* worker deaths until DEAD; 0 counts as 1 */
    uint8_t need_count;
    uint16_t attempts_max; /* 1 = no retry */
    bool due_wall;         /* due_us follows the wall clock when it jumps */
    uint64_t due_us;       /* not before; 0 = at once */
    uint64_t expiry_us;    /* not started by then = expired; 0 = never */
    uint64_t limit_us;     /* 0 = none */
    uint64_t kill_grace_us, backoff_us, backoff_max_us, retention_us;
    struct core_need needs[GANGER_NEEDS_MAX];
};

struct core_cause {
    uint8_t code; /* -(GANGER_E...) */
    uint8_t signal, exit_code;
};

enum event_type {
    EVENT_TURN, /* end of a loop turn: deadlines, dispatch */
    /* configuration */
    EVENT_POOL_DEFINE, /* pool: index as core_pool_add() gave it; new settings */
    EVENT_POOL_RESIZE, /* index, number */
    EVENT_POOL_PAUSE,
    EVENT_POOL_RESUME, /* index */
    EVENT_SEM_SET,     /* index, number: new limit */
    /* sessions and requests */
    EVENT_SESSION_OPEN,
    EVENT_SESSION_GONE, /* session */
    EVENT_SUBMIT,       /* session, req, spec -> *slot */
    EVENT_WAIT,         /* session, req, id */
    EVENT_UNWAIT,       /* session, id, number = the req waited with */
    EVENT_CANCEL,       /* session, req, id */
    EVENT_DROP,         /* id: forget an ended task now (ESTATE if it is not ended) */
    EVENT_ROOM,         /* session, req, index, number tasks, number2 bytes */
    EVENT_ACT,          /* session, id, number = fence: what it waits for is from now on waited for
                           by that attempt; 0, 0: by nobody */
    EVENT_PROGRESS,     /* child: passes it to the waiters of the running task */
    /* store */
    EVENT_STORED,       /* slot + id + fact: that append is durable */
    EVENT_STORE_FAILED, /* slot + id + fact: cannot be confirmed at present (STORED may follow) */
    /* agents and children */
    EVENT_AGENT_UP,
    EVENT_AGENT_DOWN,   /* index */
    EVENT_CHILD_READY,  /* child */
    EVENT_CHILD_RESULT, /* child, seq, code (0 or GANGER_E...), number = outcome bytes, time_us: how
                           long it has run tasks in all, as it says, or 0; flag: its next result
                           is the next event */
    EVENT_CHILD_RETURNED, /* child, number */
    EVENT_CHILD_TAKEN,    /* child, seq = begun, number = keep: answer to EFFECT_TAKE_BACK */
    EVENT_LINK_CLOSED,    /* child, seq = begun */
    EVENT_CHILD_EXITED,   /* child, seq = begun, cause, group_empty */
    EVENT_GROUP_EMPTY,    /* child */
    EVENT_CHILD_GARBAGE,  /* child, seq = begun: kill it */
    /* replay, before EVENT_START; facts in order of birth */
    EVENT_REPLAY_TASK,    /* id, spec; *slot */
    EVENT_REPLAY_ATTEMPT, /* id, attempt facts below */
    EVENT_REPLAY_CANCEL,  /* id */
    EVENT_REPLAY_END,     /* id, state, code, number = outcome bytes, number2 = attempts begun,
                             time = forget at */
    EVENT_REPLAY_FORGET,  /* id */
    EVENT_START,          /* flag: unclean */
    EVENT_GRACE_OVER,
    EVENT_DRAIN,
    EVENT_CLOCK_JUMP, /* jump_us: wall clock moved against the monotonic one by so much */
    EVENT_TYPES
};

/* Settings of a pool. */
struct core_pool_settings {
    uint32_t processes, max_tasks_per_child, early_deaths;
    uint64_t backlog, backlog_bytes;
    uint64_t init_timeout_us, early_backoff_us;
    bool external;
};

/* What is durable about attempts: replay of EVENT_REPLAY_ATTEMPT and core_task_attempts(). */
struct core_attempts {
    uint32_t attempts; /* begun so far */
    uint8_t crashes;
    uint8_t cause_count;
    struct core_cause causes[GANGER_CAUSES_MAX];
    uint64_t due_us; /* next start */
};

/* What is durable about an end. */
struct core_ended {
    uint32_t pool, uid, attempts;
    uint8_t priority;
    enum task_state end;
    int code;
    uint64_t retention_us;
};

enum fact { FACT_SUBMIT = 1, FACT_ATTEMPT, FACT_CANCEL, FACT_END, FACT_FORGET };

/* What an event does not speak of is not looked at; what never goes together shares its place. */
struct event {
    enum event_type type;
    union {
        uint32_t index; /* pool or semaphore */
        uint32_t slot;  /* STORED, STORE_FAILED */
    };
    uint32_t child, gen, seq;
    int code;
    union {
        enum fact fact;        /* STORED, STORE_FAILED */
        enum task_state state; /* REPLAY_END */
    };
    bool flag, group_empty;
    struct core_cause cause; /* EXITED: signal or exit code */
    uint64_t session, req, id;
    union {
        uint64_t number;
        int64_t jump_us;
    };
    uint64_t number2, time_us;
    union {
        const struct core_spec *spec;
        const struct core_pool_settings *settings;
        const struct core_attempts *attempts;
    };
    uint32_t *ret_slot;
};

enum effect_type {
    EFFECT_ACCEPTED, /* session, req, id */
    EFFECT_UNKNOWN,  /* session, req, id: the submit cannot be confirmed at present */
    EFFECT_ENDED,    /* session, req, id, slot, state, code, attempt: tell this waiter */
    EFFECT_GONE,     /* the same; what it returned came with the result of this step and is kept for
                        nobody else: OUTCOME, ENDED and FORGET in one, the way that most tasks go */
    EFFECT_CANCEL,   /* session, req, id, code: answer to EVENT_CANCEL */
    EFFECT_ROOM,     /* session, req, code */
    EFFECT_PROGRESS, /* session, req, id */
    EFFECT_APPEND,   /* slot, id, fact: make it durable, then EVENT_STORED */
    EFFECT_OUTCOME, /* slot, id, code, own, child, gen: the outcome to keep for this task. own: made
                       from the code alone; else it came with the result of this step or, if
                       child is not 0, with the exit report of that child */
    EFFECT_KEPT,    /* slot, id: the task has ended and its outcome is kept for its retention */
    EFFECT_FORGET,  /* slot, id, own (it was kept): drop everything; the slot is free after it */
    EFFECT_CALL_DONE, /* slot: a durable task has ended, its call's record is not needed any more */
    EFFECT_HAND,      /* child, gen, seq, slot, id, fence, attempt, flags, limit_us */
    EFFECT_TAKE_BACK, /* child, gen, seq = keep; answered by EVENT_CHILD_TAKEN */
    EFFECT_STOP,      /* child, gen, seq: soft stop of that hand */
    EFFECT_KILL,      /* child, gen */
    EFFECT_RETIRE,    /* child, gen */
    EFFECT_SPAWN,     /* index = pool, child, gen */
    EFFECT_AGENT_START, /* index = pool */
    EFFECT_POOL_BROKEN, /* index = pool: for the log */
    EFFECT_TYPES
};

/* As small as it can be, for each task has some; what never goes together shares its place. */
struct effect {
    enum effect_type type;
    union {
        int code;
        uint32_t flags; /* HAND */
    };
    union {
        uint32_t index; /* pool */
        uint32_t slot;
    };
    uint32_t child, gen, seq, attempt;
    uint8_t fact;  /* enum fact */
    uint8_t state; /* enum task_state */
    bool own;
    uint64_t id;
    union {
        uint64_t session;
        uint64_t fence; /* HAND */
    };
    union {
        uint64_t req;
        uint64_t limit_us; /* HAND */
    };
};

/* A new core, or NULL when there is no memory. */
struct core *core_new(const struct core_config *config);
void core_free(struct core *c);

/* The epoch that begins now, learned by the replay. Before EVENT_START. */
void core_set_epoch(struct core *c, uint32_t epoch);

/* About so many tasks are going to be replayed. Before the first; what is wrong costs only time. */
void core_expect(struct core *c, uint64_t tasks);

/* The bound of tasks from now on; those that are over it stay. */
void core_set_tasks_max(struct core *c, uint32_t tasks_max);

/*
 * One step. Returns 0 or an error for the events that can be refused, and then nothing changed:
 * SUBMIT (EFULL, EDRAIN, EBROKEN, ENOMEM), WAIT, UNWAIT, CANCEL, DROP (ENOTASK, ESTATE, EFULL,
 * ENOMEM), ROOM (ENOMEM), SESSION_OPEN, POOL_DEFINE, POOL_RESIZE, REPLAY_* (ENOMEM). Words from an
 * old generation are GANGER_ESTALE and change nothing; but an ACT for an attempt that is not under
 * way (any more), which is refused so too, leaves the session acting for nobody.
 */
int core_step(struct core *c, uint64_t now_us, const struct event *ev);

/* The effects of the last step; valid until the next one. */
const struct effect *core_effects(const struct core *c, size_t *ret_count);

/* When the core must next get EVENT_TURN at the latest; CORE_NEVER if it need not. */
uint64_t core_deadline(const struct core *c);

/* ---- names ---- */
/* Index of a pool or semaphore by name (NAME_LEN bytes); UINT32_MAX if unknown. */
uint32_t core_pool_find(const struct core *c, const char *name, size_t name_len);
uint32_t core_sem_find(const struct core *c, const char *name, size_t name_len);
/* Find or add. A pool that is only added (by replay) is not served until EVENT_POOL_DEFINE. */
int core_pool_add(struct core *c, const char *name, size_t name_len, uint32_t *ret_index);
/* A new semaphore has 0 permits until EVENT_SEM_SET. */
int core_sem_add(struct core *c, const char *name, size_t name_len, uint32_t *ret_index);
const char *core_pool_name(const struct core *c, uint32_t pool);
const char *core_sem_name(const struct core *c, uint32_t sem);

/* ---- looking, without changing ---- */
struct core_task_info {
    uint64_t id, fence, due_us, expiry_us, running_since_us;
    uint32_t slot, pool, uid, flags, attempts, crashes, call_bytes, result_bytes, child, gen, seq;
    uint8_t priority;
    enum task_state state, end; /* end: the state that a SETTLING task goes to */
    int code;                   /* of an ended or settling task */
    uint8_t cause_count;
    struct core_cause causes[GANGER_CAUSES_MAX];
};
/* GANGER_ENOTASK if unknown. */
int core_task_info(const struct core *c, uint64_t id, struct core_task_info *ret);
int core_slot_info(const struct core *c, uint32_t slot, struct core_task_info *ret);
/* Where the task is; 0 if unknown. */
uint32_t core_task_slot(const struct core *c, uint64_t id);
/*
 * For the records: what was asked for; what happened so far. Good also for a task that was
 * forgotten in the last step.
 */
void core_task_spec(const struct core *c, uint32_t slot, struct core_spec *ret);
void core_task_attempts(const struct core *c, uint32_t slot, struct core_attempts *ret);
uint64_t core_task_retention_us(const struct core *c, uint32_t slot);
void core_task_ended(const struct core *c, uint32_t slot, struct core_ended *ret);
/* A word that the core keeps with a task and never looks at; 0 at first. Good as long as those. */
uintptr_t *core_slot_word(struct core *c, uint32_t slot);
/* Every slot is below. */
uint32_t core_slot_limit(const struct core *c);
/* The task in the hand of a child with this number, 0 if none (or a stale generation). */
uint32_t core_hand_slot(const struct core *c, uint32_t child, uint32_t gen, uint32_t seq);

enum why_reason {
    WHY_RUNNING,
    WHY_ENDED,
    WHY_STORING,
    WHY_SETTLING,
    WHY_DELAY,
    WHY_BACKOFF,
    WHY_GRACE,
    WHY_SEMAPHORE,
    WHY_RESERVED,
    WHY_HANDED,
    WHY_STOPPING,
    WHY_POOL_BROKEN,
    WHY_POOL_PAUSED,
    WHY_POOL_UNDEFINED,
    WHY_NO_WORKER,
    WHY_WORKERS_STARTING,
    WHY_QUEUE,
    WHY_DRAINING
};
#define CORE_WHY_HOLDERS 16
struct core_why {
    enum why_reason reason;
    struct core_task_info task;
    uint32_t sem, sem_limit, sem_held, sem_wanted; /* SEMAPHORE, RESERVED */
    uint64_t holders[CORE_WHY_HOLDERS]; /* ids of tasks that hold it (RESERVED: the reserver) */
    uint32_t holder_count;
    uint64_t due_us; /* DELAY, BACKOFF, GRACE */
    uint64_t ahead;  /* QUEUE...: tasks ahead; counted up to 10,000 */
    uint32_t workers_wanted, workers_ready, workers_busy;
};
/* The scheduler's own answer for a task. GANGER_ENOTASK. */
int core_why(const struct core *c, uint64_t id, struct core_why *ret);

enum pool_state { POOL_UNDEFINED, POOL_STARTING, POOL_OK, POOL_PAUSED, POOL_BROKEN };
struct core_pool_info {
    enum pool_state state;
    uint32_t target, children, ready, busy, early_deaths;
    uint64_t waiting, delayed, blocked, running, tasks,
        bytes; /* tasks, bytes: against the backlog */
    uint64_t done, failed, deaths, run_avg_us;
    uint32_t depth; /* of the hand-ahead at present */
    struct core_pool_settings settings;
};
void core_pool_info(const struct core *c, uint32_t pool, struct core_pool_info *ret);
uint32_t core_pool_count(const struct core *c);

struct core_sem_info {
    uint32_t limit, held, waiting;
    uint64_t reserved_by; /* id or 0 */
};
void core_sem_info(const struct core *c, uint32_t sem, struct core_sem_info *ret);
uint32_t core_sem_count(const struct core *c);

struct core_stats {
    uint64_t tasks, storing, delayed, ready, blocked, handed, running, stopping, settling, retained;
    uint64_t submitted, done, failed, cancelled, dead, retries, deaths, taken_back, stale;
};
void core_stats(const struct core *c, struct core_stats *ret);

/* Children of a pool for status: the N-th child slot of it; false when there is none. */
bool core_pool_child(const struct core *c, uint32_t pool, uint32_t nth, uint32_t *ret_child,
    uint32_t *ret_gen, bool *ret_ready, uint64_t *ret_task);

/* The pool of a living child, UINT32_MAX if stale; whether it has become ready once. */
uint32_t core_child_pool(const struct core *c, uint32_t child, uint32_t gen);
bool core_child_was_ready(const struct core *c, uint32_t child, uint32_t gen);

/* Check every invariant; aborts with the assertion that fails. For tests; takes O(everything). */
void core_check(const struct core *c);

#endif
