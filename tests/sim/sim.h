/*
 * The simulation of the pure core under virtual time.
 *
 * A world made of one random seed plays everything that the core talks to: the store (sim_store.c),
 * agents and children (sim_proc.c, sim_link.c), sessions (sim_client.c; of children: sim_nested.c),
 * the operator and the accidents (sim_chance.c). A naive model (sim_model.c, sim_attempt.c,
 * sim_rules.c) says after each step whether what the core told them is lawful. The model knows the
 * truth, for example which process is executing which task at this instant, and not how the core
 * arrives at its decisions.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "core/core.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SIM_POOLS    3u
#define SIM_SEMS     4u
#define SIM_PERMITS  3u   /* most that a task needs of one semaphore */
#define SIM_TASKS    320u /* tasks that the model can know at once */
#define SIM_PROCS    96u
#define SIM_WAITS    1024u
#define SIM_SESSIONS 6u
#define SIM_HANDS    1024u /* window of hands of one process */
#define SIM_LINK     2048u /* words under way on one link */
#define SIM_COMMANDS 256u
#define SIM_RECORDS  60000u
#define SIM_PROMISES 8192u
#define SIM_NEVER    UINT64_MAX

/* What a seed does; on or off per seed, so that rare things meet each other. */
struct swarm {
    bool durable, volatile_too, needs, delays, wall, expiry, limits, retries, waits;
    bool deaths, silent, linger, slow_init, early_deaths, coalesce, remote, stale, garbage;
    bool store_fails, crash, drain, pause, resize, agent_down, cancels, rooms, sessions, nested;
    bool sem_low;
    uint32_t tasks;    /* live ones at most */
    uint32_t time;     /* scale of the passing time, 0..3 */
    uint32_t turn;     /* of 100 events, how many end a turn */
    uint32_t children; /* most of a pool */
};

enum profile {
    PROFILE_MIXED,
    PROFILE_FAST,
    PROFILE_NEEDS,
    PROFILE_DEATHS,
    PROFILE_CRASH,
    PROFILE_NESTED,
    PROFILES
};

struct options {
    uint64_t seed_first, seed_last;
    uint32_t steps, jobs, check_every;
    int profile; /* -1: by the seed */
    bool trace, coverage;
};

/* What all seeds of a run did together; lives in shared memory. */
struct coverage {
    uint64_t moves[TASK_STATES][TASK_STATES];
    uint64_t events[EVENT_TYPES], effects[EFFECT_TYPES], why[WHY_DRAINING + 1];
    uint64_t steps, seeds, hands, ahead, crashes, retries;
};

/* ---- one process of a worker ---- */
struct hand {
    uint64_t id, fence;
    uint32_t seq;
    bool begun, finished, dropped;
    int code;
};

enum word_kind { WORD_READY, WORD_RESULT, WORD_RETURNED, WORD_PROGRESS, WORD_TAKEN, WORD_EOF };

struct word {
    enum word_kind kind;
    uint32_t seq, number;
    int code;
};

enum command_kind { COMMAND_HAND, COMMAND_TAKE_BACK, COMMAND_STOP };

struct command { /* under way to a remote agent */
    enum command_kind kind;
    uint32_t seq;
};

struct proc {
    bool used, alive, group; /* group: something of its process group lives, perhaps its attempt */
    bool old;                /* of a coordinator that is gone */
    bool ready;              /* has said so */
    bool orphan;             /* its agent is gone */
    bool unkillable;
    uint32_t child, gen, pool;
    uint32_t granted;      /* hands that the core gave */
    uint32_t given;        /* of them arrived */
    uint32_t next;         /* next hand to look at */
    uint32_t begun, limit; /* the shared words */
    uint32_t unsent;       /* first hand whose result was not sent */
    uint32_t dropped;      /* not yet reported */
    uint32_t running;      /* hand number + 1, 0: none */
    uint32_t stop_seq;     /* asked to stop: number + 1 */
    bool kill_asked, retire_asked;
    bool eof_sent, eof_told, exit_due, exit_told, exit_silent, group_due, group_told, link_silent;
    bool garbage_told;
    uint64_t ran_us;   /* how long it says it has run tasks */
    uint64_t close_us; /* when the core first knew that it is ending; SIM_NEVER before */
    uint64_t born_us;
    uint64_t progress_us;         /* of its hand, as the core was told */
    uint64_t told_step;           /* in which its end was told: the model still looks at it then */
    uint64_t taken_us;            /* the last answer to a take-back */
    uint32_t taking;              /* take-backs that were not answered */
    uint64_t session;             /* of its own, 0: none */
    uint64_t said_id, said_fence; /* the attempt for which that waits, as the core was told */
    struct core_cause cause;
    struct hand hands[SIM_HANDS];
    struct word link[SIM_LINK];
    uint32_t link_head, link_count;
    struct command commands[SIM_COMMANDS];
    uint32_t command_head, command_count;
};

/* ---- the store ---- */
struct record {
    enum fact fact;
    uint64_t id;
    uint32_t slot;
    bool synced, told, failed;
    struct core_spec spec;
    struct core_attempts attempts;
    enum task_state state;
    int code;
    uint64_t bytes, forget_at;
};

/* ---- the model ---- */
enum expect { EXPECT_NOTHING, EXPECT_END, EXPECT_RETRY };

struct mtask {
    bool used, durable, submit_synced, cancel, cancel_synced, outcome, end_synced, ended;
    bool cancel_before; /* as it was before this step */
    bool accept_due;    /* somebody is to be told that it is accepted */
    bool past;          /* was handed, retried or replayed: its place in the order is its own */
    bool wall;
    uint64_t id;
    uint32_t slot;
    struct core_spec spec;
    uint64_t due, forget_at;
    uint32_t attempts, crashes; /* charged */
    /* in hand */
    bool in_hand, stop_told, has_result;
    uint32_t child, gen, seq, proc;
    uint64_t fence, hand_us, stop_us;
    int result_code;
    /* what must follow */
    enum expect expect;
    enum task_state end;
    int code;
    uint32_t told; /* waiters told in this step */
    enum task_state last;
    uint64_t oldest_us; /* since when it is the oldest blocked one around, SIM_NEVER: is not */
    uint32_t overtaken;
    uint64_t startable_us; /* since when nothing but a look lacks */
    uint64_t kept_by;      /* who keeps it back by a reservation and lacks a child, 0: nobody */
    uint64_t kept_us;      /* since when */
};

enum wait_kind { WAIT_END, WAIT_CANCEL, WAIT_ROOM, WAIT_ACCEPT };

struct mwait {
    bool used;
    enum wait_kind kind;
    uint64_t session, req, id;
    uint32_t pool;
    uint64_t tasks, bytes, order;
};

/* What a durable task was promised, over all coordinators. */
struct promise {
    uint64_t id;
    bool accepted, cancelled, shown, forgotten;
    enum task_state end;
    int code;
};

struct mpool {
    bool defined, paused, broken, agent_up, agent_asked;
    struct core_pool_settings settings;
    int turns[4][4][4]; /* priority, identity against identity: hands since both wait */
};

struct sim {
    const struct options *options;
    struct coverage *coverage;
    struct core *core;
    struct swarm swarm;
    enum profile profile;
    uint64_t seed, rng, now, steps, requests, order;
    struct core_spec last_spec; /* of the submit before */
    uint32_t specs;             /* numbers that were given to some */
    uint32_t epoch;
    bool started, grace, drain, calm;
    uint64_t grace_end, last_fence, turn_us;
    struct core_config config;
    uint64_t sessions[SIM_SESSIONS];
    uint32_t session_gen;
    struct mpool pools[SIM_POOLS];
    uint32_t sem_limit[SIM_SEMS], sem_wanted[SIM_SEMS]; /* as the core was told; by the operator */
    uint32_t sem_granted[SIM_SEMS];                     /* by the model */
    struct proc *procs;
    struct mtask tasks[SIM_TASKS];
    uint32_t task_count; /* used ones lie below it */
    struct mwait waits[SIM_WAITS];
    uint32_t wait_count;
    struct record *records;
    uint32_t record_count, record_told; /* told: all before it are */
    uint32_t record_synced;
    bool store_failed;
    struct promise *promises;
    uint32_t promise_count;
    /* this step */
    const struct event *event;
    uint32_t effect_count;
    struct {
        uint32_t child, gen, keep, begun;
    } taken[SIM_PROCS]; /* answers to take-backs that are due at once */
    uint32_t taken_count;
    bool answering, in_effects; /* in_effects: they are being carried out */
    uint64_t handed[4096];      /* ids handed in this step, in order */
    uint32_t handed_count;
    bool was_ready[SIM_TASKS], was_plain[SIM_TASKS];
};

/* ---- sim_main.c ---- */
/* Print the seed and what is wrong, and end the process. */
_Noreturn void sim_fail(const struct sim *s, const char *file, int line, const char *expr);
_Noreturn void sim_fail_task(
    const struct sim *s, const char *file, int line, const char *expr, const struct mtask *t);
#define SIM_CHECK(s, cond) ((cond) ? (void)0 : sim_fail((s), __FILE__, __LINE__, #cond))
#define SIM_CHECK_TASK(s, t, cond)                                                                 \
    ((cond) ? (void)0 : sim_fail_task((s), __FILE__, __LINE__, #cond, (t)))
void sim_trace(const struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- sim_world.c ---- */
uint64_t sim_random(struct sim *s);
/* 0 .. below-1 */
uint32_t sim_below(struct sim *s, uint32_t below);
/* True PERCENT times of a hundred. */
bool sim_chance(struct sim *s, uint32_t percent);
/* One step of the core, its effects carried out, everything compared. Returns what the core said.
 */
int sim_step(struct sim *s, struct event *ev);
int sim_step_simple(struct sim *s, enum event_type type, uint32_t index, uint64_t number);
void sim_turn(struct sim *s);
void sim_core_start(struct sim *s, bool unclean);
void sim_pools_define(struct sim *s);
/* Run one seed from its beginning to its last check. */
void sim_seed(const struct options *options, struct coverage *coverage, uint64_t seed);

/* ---- sim_swarm.c ---- */
void swarm_choose(struct sim *s, int profile);
const char *profile_name(enum profile p);
int profile_find(const char *name);

/* ---- sim_chance.c ---- */
void chance_act(struct sim *s);
void chance_calm(struct sim *s);

/* ---- sim_client.c ---- */
void client_submit(struct sim *s);
void client_cancel(struct sim *s);
void client_wait(struct sim *s);
void client_unwait(struct sim *s);
void client_drop(struct sim *s);
void client_room(struct sim *s);
void client_open(struct sim *s);
void client_gone(struct sim *s);
struct mwait *wait_add(
    struct sim *s, enum wait_kind kind, uint64_t session, uint64_t req, uint64_t id);
struct mwait *wait_find(
    struct sim *s, enum wait_kind kind, uint64_t session, uint64_t req, uint64_t id);
void waits_compact(struct sim *s);
void spec_choose(struct sim *s, struct core_spec *spec);
void client_submit_spec(struct sim *s, uint64_t session, const struct core_spec *spec);
void client_wait_id(struct sim *s, uint64_t session, uint64_t id);
void session_waits_drop(struct sim *s, uint64_t session);

/* ---- sim_nested.c ---- */
/* A process that runs a task may do something as a client, or wait; false: it goes on. */
bool nested_busy(struct sim *s, struct proc *p);
bool nested_waits(const struct sim *s, const struct proc *p);
/* Its session, if any, is gone; those of all dead ones are. */
void nested_gone(struct sim *s, struct proc *p);
void nested_dead_leave(struct sim *s);
/* Does a running task wait for this one? One that, perhaps through others, holds up R? */
bool nested_awaited(struct sim *s, const struct mtask *t);
bool nested_holds_up(struct sim *s, const struct mtask *t, const struct mtask *r);

/* ---- sim_store.c ---- */
void store_append(struct sim *s, const struct effect *e);
void store_sync(struct sim *s, uint32_t most);
void store_fail(struct sim *s);
/* Lose what was not synced, perhaps not all of it; then a new core learns the rest. */
void store_crash(struct sim *s);
bool store_quiet(const struct sim *s);
struct promise *promise_find(struct sim *s, uint64_t id);

/* ---- sim_proc.c ---- */
/* Between two steps: the sessions of dead ones are closed when there is little room for new ones.
 */
void procs_room(struct sim *s);
void proc_spawn(struct sim *s, const struct effect *e);
struct proc *proc_find(struct sim *s, uint32_t child, uint32_t gen);
void proc_hand(struct sim *s, const struct effect *e);
/* One thing that a random process does by itself. */
void proc_act(struct sim *s);
void proc_do(struct sim *s, struct proc *p);
void proc_die(struct sim *s, struct proc *p);
void proc_stop(struct sim *s, const struct effect *e);
void proc_kill(struct sim *s, const struct effect *e);
void proc_retire(struct sim *s, const struct effect *e);
void proc_close(struct sim *s, struct proc *p);
/* As the engine does before it reports an end: nothing more can be begun. Returns `begun`. */
uint32_t proc_freeze(struct proc *p);
void proc_take_back(struct sim *s, const struct effect *e);
void procs_crash(struct sim *s);
/* Some of the old ones end; all of them; all there are. */
void procs_old_die(struct sim *s);
void procs_old_gone(struct sim *s);
void procs_gone(struct sim *s);
void proc_garbage(struct sim *s);
bool proc_written_off(const struct sim *s, const struct proc *p);
/* May this process, as things really are, be executing or still begin the task? */
bool proc_may_run(const struct proc *p, uint64_t id);

/* ---- sim_link.c ---- */
void link_put(struct sim *s, struct proc *p, struct word w);
void link_deliver(struct sim *s, struct proc *p, uint32_t most);
void link_act(struct sim *s);
void agent_report(struct sim *s, struct proc *p);
void agent_act(struct sim *s);
void agent_down(struct sim *s, uint32_t pool);
void agent_up(struct sim *s, uint32_t pool);
void link_noise(struct sim *s);
/* Answers to take-backs that the engine gives at once. */
void link_taken_now(struct sim *s);
void link_command(struct sim *s, struct proc *p);

/* ---- sim_model.c ---- */
struct mtask *model_find(struct sim *s, uint64_t id);
struct mtask *model_add(struct sim *s);
void model_before(struct sim *s, const struct event *ev);
void model_effect(struct sim *s, const struct effect *e);
void model_after(struct sim *s, const struct event *ev, int rc);
uint32_t model_live(const struct sim *s);

/* ---- sim_attempt.c ---- */
/* Why is the task no more in that hand? Charges the attempt and says what must follow. */
void attempt_leave(struct sim *s, struct mtask *t);
void attempt_hand(struct sim *s, const struct effect *e);
void attempt_kill(struct sim *s, const struct effect *e);
void attempt_stop(struct sim *s, const struct effect *e);
/* A retry was asked for, to start at DUE_US: is that lawful? */
void attempt_retry(struct sim *s, struct mtask *t, uint64_t due_us);
/* The task ends with this code: is that lawful? Fills in how it ends. */
void attempt_outcome(struct sim *s, struct mtask *t, int code);
void attempt_compare(struct sim *s, struct mtask *t, const struct core_task_info *info);

/* ---- sim_rules.c ---- */
void rules_turn(struct sim *s);
void rules_after(struct sim *s);
void rules_why(struct sim *s);

/* ---- sim_moves.c ---- */
void moves_watch(struct coverage *coverage);
/* Prints the legal moves that never occurred; how many of them could have. */
uint32_t moves_report(const struct coverage *coverage, FILE *out);

#endif
