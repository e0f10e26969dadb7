/*
 * What the files of the core share: the objects and who moves them.
 *
 *   task.c      admission; the table of legal moves
 *   move.h      task_move_of(), the only writer of task->state; counters
 *   lane.c      ready tasks: FIFO per pool, priority and submitting identity, turns between lanes
 *   policy.c    what tasks have in common, interned, so that a waiting task stays small
 *   waiter.c    sessions and what they wait for
 *   pool.c      pools: how many children, early deaths, BROKEN
 *   child.c     children: spawn to exit
 *   hand.c      hands: give, take back, results, soft stop
 *   settle.c    how attempts and tasks end, retry, forget; the store's answers
 *   semaphore.c permits, blocked tasks, reservations
 *   line.c      who waits at a semaphore, by pool
 *   yield.c     whom a reservation lets pass: the wait-for graph
 *   pick.c      the one place that takes a task to a child
 *   cancel.c    cancel of waiting and of running tasks
 *   replay.c    durable facts back into tasks; the grace
 *   deadline.c  what a deadline does
 *   why.c, info.c  looking
 */
#ifndef CORE_INTERNAL_H
#define CORE_INTERNAL_H

#include "core/core.h"
#include "core/heap.h"
#include "core/ids.h"
#include "core/slab.h"
#include "proto/assert.h"

enum deadline_kind { DUE_TASK, DUE_CHILD, DUE_POOL, DUE_SEM, DUE_CORE, DUE_KEPT };

/* Bits of task->marks. */
enum task_mark {
    MARK_CANCEL = 1,        /* cancel wanted */
    MARK_LIMIT = 2,         /* over its time limit */
    MARK_KILLED = 4,        /* the hard kill was asked for */
    MARK_HELD = 8,          /* DELAYED until the grace is over; in core->held */
    MARK_WALL = 16,         /* due follows the wall clock */
    MARK_RETRY = 32,        /* SETTLING goes back to DELAYED, not to an end */
    MARK_PERMITS = 64,      /* its permits are taken */
    MARK_BACKOFF = 128,     /* DELAYED because of a retry */
    MARK_KEPT = MARK_RETRY, /* ended: stands in the row of its policy */
};

/*
 * One line of the cache, for there may be millions. What only some states need shares its place;
 * what only some tasks need is in `extra`.
 */
struct task {
    uint64_t id;
    union {
        uint64_t when; /* STORING, DELAYED: due; RUNNING, STOPPING: since; ended: forget at */
        struct {
            uint32_t parked;    /* BLOCKED: at this semaphore + 1; READY: woken there */
            uint32_t oldest_ms; /* BLOCKED, READY: since when it is the oldest; 0: never was */
        };
    };
    union {
        struct {
            uint32_t next, prev; /* READY: lane; BLOCKED: semaphore's list; held: that list */
        };
        struct {
            union {
                uint32_t child;     /* HANDED, RUNNING, STOPPING */
                uint32_t kept_next; /* ended, in the row of its policy */
            };
            uint32_t result_bytes; /* SETTLING to an end, ended */
        };
    };
    uintptr_t word; /* of those who own the core */
    uint32_t heap_pos, index_next;
    uint32_t policy, extra;
    union {
        uint32_t waiters;
        uint32_t kept_prev; /* ended, in the row of its policy: nobody waits for it any more */
    };
    uint32_t call_bytes;
    uint16_t attempts;
    uint8_t state, flags, marks, crashes;
    uint8_t end;  /* SETTLING: state to go to */
    uint8_t code; /* -(GANGER_E...) of the end */
};
_Static_assert(sizeof(struct task) == 64, "a task is one line of the cache");

/* Of a task that may be tried again, its past; of one that can expire, when. */
struct extra {
    uint64_t expiry; /* CORE_NEVER if it cannot */
    uint8_t count;
    struct core_cause causes[GANGER_CAUSES_MAX];
};

/* What many tasks have in common. */
struct policy {
    uint32_t refs, hash_next, hash;
    uint32_t lane;
    uint32_t kept_head, kept_tail; /* ended tasks whose outcome is kept, the next to go first */
    uint32_t heap_pos;             /* when the first of them goes */
    uint32_t put_off_next;         /* of the rows that go on in the next turn */
    struct lane *in;               /* that lane, and its pool: neither ever moves */
    struct pool *pool;
    uint8_t jitter_percent, crash_budget, need_count;
    uint16_t attempts_max;
    uint64_t limit_us, kill_grace_us, backoff_us, backoff_max_us, retention_us;
    struct core_need *needs; /* own allocation, NULL if none */
    uint32_t *lines;         /* in which it waits, one for each need; in the same allocation */
};

struct lane {
    struct level *level;
    uint32_t pool, uid, refs; /* refs: tasks of it that are not ended */
    uint32_t head, tail;      /* ready tasks */
    uint32_t next, prev;      /* ring of lanes that have ready tasks, within the level */
    uint32_t sibling;         /* next lane of the level */
    uint32_t parked;          /* the last of its tasks that was parked somewhere, or its slot */
    uint8_t priority;
};

struct level {
    uint32_t lanes;  /* all lanes, by sibling */
    uint32_t active; /* whose turn it is, 0 if none has a ready task */
};

enum child_state {
    CHILD_FREE,
    CHILD_FORKING, /* spawn asked, not ready yet */
    CHILD_READY,
    CHILD_CLOSING, /* killed or its link has ended; exit report awaited */
    CHILD_EXITED,  /* exit reported, its group not yet empty */
};

struct child {
    uint32_t pool, gen, heap_pos;
    uint32_t next, prev;   /* the pool's idle or partial list */
    uint8_t state, listed; /* listed: 0, LIST_IDLE or LIST_PARTIAL */
    bool retiring, was_ready, killed;
    bool exclusive; /* its one hand has needs or must not be joined */
    bool frozen;    /* the last in its hand is told to stop: nothing may come behind it */
    uint32_t handed, limit, done, returned; /* hand numbers; done = first unfinished */
    uint32_t taking;         /* take-backs asked for and not answered; no hands meanwhile */
    struct core_cause cause; /* CLOSING, EXITED: how the attempt in hand ends */
    uint64_t ran_us;         /* how long it has run tasks, as it said last */
    uint64_t batch_us;       /* time that the last results together took ... */
    uint32_t batch_count;    /* ... and how many they were */
    uint64_t last_us;        /* last progress seen */
    uint32_t *ring;          /* GANGER_HAND_MAX slots, by number */
    uint64_t *fences;        /* of these hands */
};

struct pool {
    char *name;
    uint32_t index;
    struct core_pool_settings set;
    bool defined, agent_up, agent_asked, paused, broken, dirty;
    bool failing; /* it broke just now: what is blocked and not durable is to fail */
    uint32_t heap_pos;
    uint32_t early;     /* early deaths in a row */
    uint64_t spawn_at;  /* not before */
    uint32_t ready;     /* children that are READY and not retiring */
    uint32_t *children; /* slots, child_count of child_cap */
    uint32_t child_count, child_cap;
    uint32_t idle, partial; /* lists of children that take hands */
    uint64_t bits[4];       /* levels with ready tasks */
    struct level *levels[GANGER_PRIORITY_MAX + 1];
    uint64_t count[TASK_STATES]; /* tasks by state */
    uint64_t tasks, bytes;       /* waiting, against the backlog */
    uint64_t fleeting;           /* READY and not durable */
    uint64_t woken;              /* READY and woken at a semaphore */
    bool passed_over;            /* somebody of it was not woken, for want of a child */
    uint64_t done_total, failed_total, deaths;
    uint64_t run_avg_ns; /* measured time a task */
    uint64_t rest_until; /* none of it reserves before, unless a child is idle */
    uint32_t room_head;  /* waiters for room */
    uint32_t dirty_next;
};

/* The blocked tasks of one pool at one semaphore, by id: those without a child are skipped at once.
 */
struct line {
    uint32_t pool, next; /* next: of all lines of the semaphore */
    uint32_t head, tail;
    uint32_t waits_next, waits_prev; /* of the semaphore's lines in which somebody waits */
    uint32_t at;                     /* who is looked at next, while they are woken */
};

struct sem {
    char *name;
    uint32_t limit, held;
    uint32_t lines, waits;  /* all; those in which somebody waits */
    uint32_t head, waiting; /* the oldest blocked task; how many */
    uint32_t least;         /* lower bound of what a waiting one wants */
    uint32_t overtaken;
    uint32_t reserved; /* task slot */
    uint32_t lapsed;   /* the oldest that reserved it and found no child; task slot */
    uint64_t lapse_us; /* when it lapses for want of a child, or who lapsed comes back; 0: never */
    uint64_t look_us;  /* when to look who waits */
    uint32_t heap_pos;
    bool dirty, passed_over; /* is on the list of that name */
    uint32_t dirty_next, passed_over_next;
};

enum waiter_kind { WAITER_END, WAITER_CANCEL, WAITER_ROOM, WAITER_ACCEPT };

struct waiter {
    uint64_t req, number, number2;
    uint32_t session;    /* index */
    uint32_t owner;      /* task slot or pool index */
    uint32_t next, prev; /* of the owner */
    uint32_t session_next, session_prev;
    uint8_t kind;
    bool accept; /* not told yet that the task is accepted */
};

struct session {
    uint64_t handle;     /* 0 = not open */
    uint64_t acts_fence; /* of the attempt that waits for what it waits for; 0 = none, maybe over */
    uint32_t acts_task;  /* its slot */
    uint32_t acts_next, acts_prev; /* of those that act, index + 1 */
    uint32_t waiters;
};

/* Attempts that are looked at to find whether a reservation yields; with more it does. */
#define YIELD_WALK 64u
/* Waiters of other attempts that are looked at on the way; more are taken to be no help. */
#define YIELD_LOOKS 512u

/* A reservation that does not yield to what this attempt waits for. */
struct yielded {
    uint32_t reserver, attempt; /* task slots */
};

struct core {
    struct core_config cfg;
    uint64_t now;
    uint64_t rng;
    uint64_t next_counter, next_fence;
    bool started, grace, drain;
    struct slab tasks, extras, policies, lanes, lines, children, waiters;
    struct id_index ids;
    uint32_t *policy_buckets; /* POLICY_BUCKETS heads */
    uint32_t policy_last;     /* of the submit before; it holds a reference */
    uint32_t policy_same;     /* the number of its spec */
    struct heap heap;
    uint32_t objects; /* that can have a deadline */
    struct pool **pools;
    uint32_t pool_count, pool_cap;
    struct sem *sems;
    uint32_t sem_count, sem_cap;
    uint32_t *sem_buckets, *pool_buckets; /* open addressing by name: index + 1 */
    uint32_t sem_bucket_count, pool_bucket_count;
    struct session *sessions;
    uint32_t session_cap;
    uint32_t acting;       /* sessions that act for an attempt: head, index + 1 */
    uint32_t reservations; /* semaphores that are reserved */
    bool waits_more; /* some task is waited for that was not: reservations may have to yield */
    uint32_t graves, grave_count; /* freed in this step */
    uint32_t held_head, held_tail;
    uint64_t replayed; /* highest id of a task that was replayed */
    uint32_t passed_over_sems;
    uint32_t dirty_pools, dirty_sems; /* heads, index + 1 */
    uint64_t looked;                  /* tasks looked at to wake some, for the tests */
    uint32_t grace_pos;               /* heap position of the grace's end */
    bool more;                        /* a turn stopped early: another one at once */
    uint32_t kept_entered;            /* outcomes that are kept, since the last turn */
    uint32_t kept_gone, kept_most;    /* forgotten in this turn, of so many at most */
    uint32_t rows_put_off;            /* policies whose rows go on in the next turn */
    struct core_stats totals;
    struct effect *effects;
    size_t effect_count, effect_cap;
};

/* Effects that there is room for from the start, and how many of those are left to one event. */
#ifndef EFFECTS_CAP
#define EFFECTS_CAP      32768u
#define EFFECTS_RESERVED 8192u
#endif

static inline struct task *task_at(const struct core *c, uint32_t slot)
{
    return slab_at_sized(&c->tasks, slot, sizeof(struct task));
}
/* The task in SLOT, any number; NULL if none is there. */
static inline struct task *task_known(const struct core *c, uint32_t slot)
{
    if (slot == 0 || slot >= c->tasks.used || !slab_has(&c->tasks, slot))
        return NULL;
    return task_at(c, slot)->state == TASK_FREE ? NULL : task_at(c, slot);
}
static inline struct policy *policy_at(const struct core *c, uint32_t policy)
{
    return slab_at_sized(&c->policies, policy, sizeof(struct policy));
}
static inline struct policy *policy_of(const struct core *c, const struct task *t)
{
    return policy_at(c, t->policy);
}
static inline struct lane *lane_at(const struct core *c, uint32_t lane)
{
    return slab_at_sized(&c->lanes, lane, sizeof(struct lane));
}
static inline struct lane *lane_of(const struct core *c, const struct task *t)
{
    return policy_of(c, t)->in;
}
static inline struct extra *extra_of(const struct core *c, const struct task *t)
{
    return t->extra == 0 ? NULL : slab_at(&c->extras, t->extra);
}
static inline uint64_t expiry_of(const struct core *c, const struct task *t)
{
    return t->extra == 0 ? CORE_NEVER : extra_of(c, t)->expiry;
}
static inline struct pool *pool_of(const struct core *c, const struct task *t)
{
    return policy_of(c, t)->pool;
}
static inline struct child *child_at(const struct core *c, uint32_t child)
{
    return slab_at_sized(&c->children, child, sizeof(struct child));
}
static inline bool state_in_hand(uint8_t s)
{
    return s == TASK_HANDED || s == TASK_RUNNING || s == TASK_STOPPING;
}
static inline bool state_is_end(uint8_t s)
{
    return s >= TASK_DONE;
}
static inline bool task_has_needs(const struct core *c, const struct task *t)
{
    return policy_of(c, t)->need_count > 0;
}
static inline struct waiter *waiter_at(const struct core *c, uint32_t w)
{
    return slab_at_sized(&c->waiters, w, sizeof(struct waiter));
}

/* core.c */
void effects_grow(struct core *c);
static inline struct effect *effect_add(struct core *c, enum effect_type type)
{
    struct effect *e;

    if (c->effect_count == c->effect_cap)
        effects_grow(c);
    e = &c->effects[c->effect_count++];
    *e = (struct effect){ .type = type };
    return e;
}
bool effects_crowded(const struct core *c);
static inline int objects_reserve(struct core *c, uint32_t more)
{
    return heap_reserve(
        &c->heap, c->tasks.live + c->children.live + c->pool_count + c->sem_count + 1 + more);
}
uint64_t core_random(struct core *c);

/* task.c */
int task_admit(struct core *c, const struct core_spec *spec, uint64_t id, uint32_t *ret_slot);
void task_move(struct core *c, uint32_t slot, enum task_state to);
/* Free it; its cells stay readable until the next step, for those who carry out the effects. */
void task_free(struct core *c, uint32_t slot);
void graves_clear(struct core *c);
void task_ready(
    struct core *c, uint32_t slot); /* to READY at its lane's tail, or DELAYED or held */
void task_append(struct core *c, uint32_t slot, enum fact fact);
int submit(struct core *c, const struct event *ev);

/* lane.c */
uint32_t lane_find(struct core *c, uint32_t pool, uint8_t priority, uint32_t uid);
void lane_push(struct core *c, const struct policy *y, uint32_t slot);   /* at its tail */
void lane_insert(struct core *c, const struct policy *y, uint32_t slot); /* where its age belongs */
void lane_remove(struct core *c, const struct policy *y, struct task *t);
uint32_t lane_best(
    const struct core *c, const struct pool *p);     /* task whose turn it is, 0 if none */
void lane_turn(uint32_t lane, const struct lane *l); /* the lane has had its turn */
uint64_t lane_ahead(const struct core *c, uint32_t slot, uint64_t most);

/* policy.c */
/* The policy of SPEC, made if there is none, with one more reference; 0: no memory. */
uint32_t policy_find(struct core *c, const struct core_spec *spec);
void policy_drop(struct core *c, uint32_t policy);

/* waiter.c */
int session_opened(struct core *c, uint64_t handle);
void session_left(struct core *c, uint64_t handle);
bool session_known(const struct core *c, uint64_t handle);
int session_acts(struct core *c, const struct event *ev);
int waiter_add(
    struct core *c, uint32_t slot, uint64_t session, uint64_t req, enum waiter_kind kind);
int waiter_remove(struct core *c, uint32_t slot, uint64_t session, uint64_t req);
void waiters_accepted(struct core *c, uint32_t slot, bool unknown);
uint32_t waiters_ended(struct core *c, uint32_t slot); /* how many sessions were told */
/* If just one session waits for the end, it is told by EFFECT_GONE. */
bool waiters_gone(struct core *c, struct task *t, uint32_t slot);
void waiters_cancel_answer(struct core *c, uint32_t slot, int code);
void waiters_progress(struct core *c, uint32_t slot);
void waiters_drop(struct core *c, uint32_t slot);
int wait_event(struct core *c, const struct event *ev);
int room_event(struct core *c, const struct event *ev);
void room_check(struct core *c, struct pool *p, int code);

/* pool.c */
void pool_dirty(struct core *c, uint32_t pool);
/* Call pool_deadline() then, if not before. */
void pool_wake_at(struct core *c, const struct pool *p, uint64_t when);
int pool_settings_event(struct core *c, const struct event *ev);
int pool_resize(struct core *c, const struct event *ev);
void pool_pause(struct core *c, const struct event *ev, bool on);
void pool_agent_event(struct core *c, const struct event *ev, bool up);
void pool_balance(struct core *c, struct pool *p); /* spawn or retire towards the target */
void pool_early_death(struct core *c, struct pool *p);
bool pool_runnable(const struct core *c, const struct pool *p);
void pool_deadline(struct core *c, uint32_t pool);
int pool_children_reserve(struct core *c, struct pool *p);
void pool_fail_later(struct core *c, struct pool *p);
/* It is broken: what is ready and not durable fails with the reason, what is durable stays. */
void pool_fail_waiting(struct core *c, struct pool *p);

/* child.c */
int child_event(struct core *c, const struct event *ev);
int child_result(struct core *c, const struct event *ev);
void child_deadline(struct core *c, uint32_t child);
void child_spawn(struct core *c, struct pool *p);
void child_list(struct core *c, uint32_t child); /* put into the list that fits, or none */
void child_unlist(struct core *c, uint32_t child);
void child_kill(struct core *c, uint32_t child, uint32_t begun);
void child_handed(struct core *c, uint32_t child); /* after a hand was given */
void child_retire_if_idle(struct core *c, uint32_t child);
void child_retire_if_spent(struct core *c, uint32_t child);
uint32_t child_find(const struct core *c, uint32_t child, uint32_t gen); /* 0 if stale */

/* hand.c */
void hand_give(struct core *c, uint32_t child, uint32_t slot);
void hand_take_back(struct core *c, uint32_t child, uint32_t keep);
int hand_taken(struct core *c, uint32_t child, const struct event *ev);
int hand_result(struct core *c, uint32_t child, const struct event *ev);
int hand_returned(struct core *c, uint32_t child, const struct event *ev);
/* It ends: what it had not begun goes back. Its link has ended: what it had finished does too. */
void hand_refuse_rest(struct core *c, uint32_t child, uint32_t begun);
/* The first in its hand ends: it ends for its limit only if it was told to stop for it. */
void hand_told_check(struct core *c, uint32_t child);
void hand_refuse_finished(struct core *c, uint32_t child);
uint32_t hand_of(const struct core *c, const struct task *t, uint32_t slot);    /* its number */
uint64_t hand_fence(const struct core *c, const struct task *t, uint32_t slot); /* 0 if in none */
void hand_head_runs(struct core *c, uint32_t child);
uint32_t pool_depth(const struct pool *p);

/* settle.c */
void attempt_result(struct core *c, uint32_t slot, int code, uint32_t outcome_bytes);
void attempt_died(struct core *c, uint32_t slot, struct core_cause cause);
void task_end(struct core *c, uint32_t slot, enum task_state end, int code, bool own);
int store_event(struct core *c, const struct event *ev);
void task_forget(struct core *c, uint32_t slot);
int drop_event(struct core *c, const struct event *ev);

/* kept.c */
/* The outcome of a task that has ended is kept until FORGET_AT. */
void kept_enter(struct core *c, uint32_t slot, uint64_t forget_at);
/* It goes; does nothing for one that does not stand in a row. */
void kept_leave(struct core *c, uint32_t slot);
/* The time of the first in the row of POLICY has come; between the two others. */
void kept_turn_begin(struct core *c);
void kept_deadline(struct core *c, uint32_t policy);
void kept_turn_end(struct core *c);

/* semaphore.c */
bool permits_take(struct core *c, uint32_t slot); /* all or none; parks the task when it lacks */
void permits_release(struct core *c, uint32_t slot);
void sem_unpark(struct core *c, uint32_t slot);
void sem_forget_reserve(struct core *c, uint32_t slot);
void sem_dirty(struct core *c, uint32_t sem);
void sem_wake(struct core *c); /* all dirty ones */
/* P has a child left: look again at all that sem_wake() passed over. */
void sem_look_again(struct core *c, struct pool *p);
int sem_set(struct core *c, const struct event *ev);
void sem_deadline(struct core *c, uint32_t sem);
uint32_t sem_lacking(
    const struct core *c, const struct task *t, bool *ret_reserved); /* + 1, 0: none */

/* line.c */
/* The line of POOL at SEM, made if there is none; 0: no memory. */
uint32_t line_find(struct core *c, uint32_t sem, uint32_t pool);
uint32_t line_of(const struct core *c, const struct task *t, uint32_t sem); /* which it needs */
void line_enter(struct core *c, uint32_t slot, uint32_t sem); /* where its age belongs */
void line_leave(struct core *c, uint32_t slot, uint32_t sem);
uint32_t line_head(const struct core *c, const struct sem *s, uint32_t pool);
uint32_t lines_oldest(const struct core *c, const struct sem *s); /* who waits, 0: nobody */
/* Look at all that wait at S in order of age: the line of the next is where `at` is to move on. */
void lines_rewind(struct core *c, const struct sem *s);
struct line *lines_next(const struct core *c, const struct sem *s); /* NULL: no more */
uint32_t lines_check(const struct core *c, uint32_t sem);           /* how many wait */

/* yield.c */
/* Is this the fence of an attempt of the task that some worker may be busy with? */
bool attempt_lives(const struct core *c, uint32_t slot, uint64_t fence);
/*
 * Does the reservation of the task RESERVER let T pass, since it waits for T itself: some attempt
 * has what RESERVER lacks and waits, directly or through others, for T? LAST (may be NULL): the
 * last refusal of a row, in which nothing but tasks that wait changes.
 */
bool reservation_yields(
    const struct core *c, uint32_t reserver, const struct task *t, struct yielded *last);

/* pick.c, cancel.c, replay.c, deadline.c */
void dispatch(struct core *c);
int cancel_event(struct core *c, const struct event *ev);
void task_stop(struct core *c, uint32_t slot);
void task_stopping(struct core *c, uint32_t slot); /* confirmed begun: soft stop, then kill */
int replay_event(struct core *c, const struct event *ev);
void start_event(struct core *c, bool unclean);
void grace_over(struct core *c);
void held_add(struct core *c, uint32_t slot);
void held_remove(struct core *c, uint32_t slot);
void drain_event(struct core *c);
void held_release_some(struct core *c);
void clock_jump(struct core *c, int64_t jump_us);
void deadlines_run(struct core *c);
void task_deadline(struct core *c, uint32_t slot);
void task_expire(struct core *c, uint32_t slot);

#endif
