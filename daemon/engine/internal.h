/*
 * engine_local: the engine of one coordinator. It turns what net and pool say into events of the
 * core and carries out the core's effects; it owns the bytes that the core only counts.
 *
 *   local.c     open, close, turn; one step at a time
 *   effects.c   effects -> net, pool, store
 *   entry.c     what is kept for a task
 *   submit.c    a submit from its message to an event
 *   session.c   who submits
 *   request.c   the verbs
 *   render.c    what status, why, pools, semaphores and stats look like
 *   facts.c     durable facts: append, room, synced
 *   semaphores.c limits that were set by hand
 *   record.c    facts <-> bytes of the journal
 *   replay.c    journal -> core
 *   kept.c      how much of that may be kept; row.c: a row of ids
 *   outcome.c   what is kept of how a task ended
 *   children.c  what agents and children report
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include "core/core.h"
#include "engine/engine.h"
#include "engine/row.h"
#include "proto/assert.h"
#include "store/store.h"

/* Kinds of records in the journal. Never renumber. */
enum record_kind {
    RECORD_EPOCH = 1,
    RECORD_TASK,
    RECORD_ATTEMPT,
    RECORD_CANCEL,
    RECORD_END,
    RECORD_FORGET,
    RECORD_SEM,
    RECORD_SEAL
};

/* Turns with hardly anything but records, before the loop may wait for the disk itself. */
#define ALONE_TURNS       16u
#define ALONE_DOUBLED_MAX 8u /* so often doubled at most, since it was thought in vain */
#define ALONE_LONG        4u /* times as many: then it was not in vain */

/* Journal room that a durable task holds for what must never be refused later. */
#define ROOM_END     512u
#define ROOM_ATTEMPT 256u
#define ROOM_CANCEL  32u
#define ROOM_RECORDS 4u /* end, attempt, cancel, forget; beside the task's own */

/* The journal's side of a durable task, and its bytes; small, for there may be millions. */
struct durable {
    struct body *body;
    uint64_t birth, attempt_birth; /* of live records, 0 if none; birth: of the task or its end */
    uint32_t bytes;                /* of that record; before it is appended: set aside for it */
    uint16_t attempt_bytes;
    uint8_t stuck_fact; /* enum fact */
    bool has_end : 1;   /* birth is that of the end */
    bool room_end : 1, room_attempt : 1, room_cancel : 1, room_forget : 1; /* still set aside */
    bool stuck : 1;      /* its next fact waits for room */
    bool stuck_told : 1; /* ... and the operator knows */
    uint32_t cancels;    /* live records of cancels, which are empty */
    uint32_t child, gen; /* whose link is not read meanwhile, 0 if none */
    uint32_t stuck_next; /* slot */
};

/* A fact whose sync is awaited. */
struct pending {
    uint64_t birth, id; /* slot 0: a semaphore was set, id is the session that asked */
    uint64_t req;
    uint32_t slot;
    enum fact fact;
};

/* Ended tasks whose outcome is kept, the first to end first; some may be forgotten meanwhile. */
struct kept {
    struct row swept, rest; /* ids; `rest` comes behind */
    bool sweeps;            /* a round is under way */
    uint64_t live;          /* outcomes that are kept */
    uint64_t bytes;         /* of these */
};

/* A submit between its admission and its first effect. */
struct admission {
    uint32_t slot;
    struct body *call;
    struct durable *durable;
};

/* What the submit before asked for: most ask for the same again. */
struct last_spec {
    struct core_spec spec; /* spec.same 0: there is none */
    session_id session;
    uint32_t flags; /* as they came */
};

struct engine_pool {
    struct engine_pool_config cfg; /* name and kind are copies */
    char *name, *kind, *reason;    /* reason: last text of why it does not work, or NULL */
    size_t name_bytes;
    struct core_spec base; /* what a task asks for that says nothing itself */
};

struct engine_child {
    uint32_t gen;
    uint64_t pid;
    struct msg_worker_end end; /* stderr_tail points into tail */
    uint8_t *tail;
    char *text;
    bool exited;
};

struct engine_sem {
    bool by_hand;   /* set at run time: the configuration does not change it */
    uint64_t birth; /* of its live record, 0 if none */
    uint32_t bytes;
};

/* Births of the records of semaphores, rising; those of records that were replaced among them. */
struct sem_birth {
    uint64_t birth;
    uint32_t sem;
};

struct engine {
    struct engine_config cfg;
    struct core *core;
    struct store *store;
    uint32_t epoch;
    bool unclean, sealed;
    bool dropping;     /* the forget under way was asked for, by this session (0: none) */
    bool drop_pending; /* and is answered when it is durable */
    uint64_t drop_session, drop_req;
    bool busy; /* within a step: further events queue up */
    uint64_t now_us, wall_ms;
    int64_t wall_offset_us; /* wall clock minus monotonic clock when last looked */
    struct engine_pool *pools;
    uint32_t pool_cap;
    struct engine_sem *sems;
    uint32_t sem_cap;
    struct sem_birth *sem_births;
    uint32_t sem_birth_count, sem_birth_cap;
    struct engine_child *children;
    uint32_t child_cap;
    struct pending *pending; /* ring; its size is a power of two */
    uint32_t pending_head, pending_count, pending_cap;
    uint32_t stuck; /* first task whose fact waits for room */
    uint32_t stuck_last;
    uint32_t last_pool; /* of the submit before */
    struct last_spec last;
    uint32_t specs; /* numbers given to specs */
    uint64_t epoch_birth;
    uint32_t epoch_bytes;
    uint32_t heard, recorded;    /* in this turn: submits, requests, results; and records */
    uint32_t alone;              /* turns at a row with hardly anything but records */
    uint32_t alone_doubled;      /* how often ALONE_TURNS is */
    bool sync_left;              /* a batch is left to engine_sync() */
    struct admission *admission; /* of the event of this step, or NULL */
    struct body *result;         /* outcome that came with the event of this step */
    struct body *result_spare;   /* memory for the next one; NULL: none is kept */
    struct event submit_event, result_event; /* those that are many, filled in but for their task */
    const struct msg_progress *progress;
    uint32_t result_child, result_gen;
    struct event *queue;
    uint32_t queue_len, queue_cap;
    struct out scratch;
    uint64_t sessions;
    uint32_t *uids; /* of sessions, by the low half of their handle */
    uint32_t uid_cap;
    struct kept kept;
};

/* local.c */
int step(struct engine *e, const struct event *ev);
void report(struct engine *e, int level, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int pools_reserve(struct engine *e, uint32_t pool);
int sems_reserve(struct engine *e, uint32_t sem);
uint64_t wall_of(const struct engine *e, uint64_t us); /* monotonic us -> wall ms */
uint64_t mono_of(
    const struct engine *e, uint64_t wall_ms); /* wall ms -> monotonic us, at least 1 */

/* session.c */
uint32_t engine_session_uid(const struct engine *e, session_id session);

/* effects.c */
void effects_run(struct engine *e);

/* entry.c */
/* The call of a task; once its outcome is known, the outcome (may be NULL). */
struct body *entry_body(const struct engine *e, uint32_t slot);
/* What SLOT keeps is needed soon: bring it to the cache; and then its body, when that is there. */
void entry_fetch(const struct engine *e, uint32_t slot);
void entry_fetch_body(const struct engine *e, uint32_t slot);
/* Another BODY (may be NULL), whose reference is taken; the one before is dropped. */
void entry_body_set(struct engine *e, uint32_t slot, struct body *body);
/* NULL if it is not durable. */
struct durable *entry_durable(const struct engine *e, uint32_t slot);
void entry_begin(struct engine *e, const struct admission *a); /* takes call and durable */
void entry_drop(struct engine *e, uint32_t slot);
void entries_done(struct engine *e);
struct durable *durable_new(void); /* zeroed; NULL: no memory */
void durable_free(struct durable *d);

/* facts.c */
int room_for_task(struct engine *e, size_t task_bytes);
void room_give_back(struct engine *e, size_t task_bytes);
void fact_append(struct engine *e, uint32_t slot, uint64_t id, enum fact fact);
void facts_retry(struct engine *e);
void facts_synced(void *ctx, uint64_t last_birth);
void facts_failed(void *ctx, uint64_t first, uint64_t last, int code, const char *text);
bool facts_live(void *ctx, uint8_t kind, uint64_t key, uint64_t birth);
void fact_ended(struct engine *e, uint32_t slot); /* its call's records are dead */
/* After that: the record of its end. */
void fact_end_is(struct durable *d, uint64_t birth, uint32_t bytes);
/* Append scratch and then BODY (may be NULL) out of ROOM bytes; returns the birth. */
uint64_t record_append(struct engine *e, enum record_kind kind, uint64_t key,
    const struct body *body, size_t room, uint32_t *ret_bytes);
/* Await the sync of BIRTH, which is the latest; the rest as in struct pending. */
void pending_add(
    struct engine *e, uint64_t birth, uint32_t slot, uint64_t id, uint64_t req, enum fact fact);
void facts_notify(void *ctx);                      /* sync thread */
void facts_stand_in(void *ctx);                    /* sync thread */
void durable_end(struct engine *e, uint32_t slot); /* its records are dead */

/* semaphores.c */
/* Find or add NAME, with room for semaphore_recorded(). GANGER_EFULL, GANGER_ENOMEM. */
int semaphore_admit(struct engine *e, struct slice name, uint32_t *ret_sem);
/* BIRTH, the latest, is the record of SEM from now on. */
void semaphore_recorded(struct engine *e, uint32_t sem, uint64_t birth, uint32_t bytes);
bool semaphore_live(const struct engine *e, uint64_t birth);
/* Make a limit set by hand durable, and the semaphore if it is new; the reply to REQ goes out when
 * it is. */
int fact_semaphore(struct engine *e, struct slice name, uint32_t permits, session_id session,
    uint64_t req, uint32_t *ret_sem);
void request_stored(struct engine *e, const struct pending *p);

/* submit.c */
/* What a task asks for that says nothing itself: a pool's defaults; without needs. */
void spec_base(const struct task_options *d, struct core_spec *ret_base);

/* record.c */
void record_task(struct engine *e, uint32_t slot, struct out *o);
void record_attempt(struct engine *e, uint32_t slot, struct out *o);
void record_end(struct engine *e, uint32_t slot, struct out *o);
int record_read_task(
    struct engine *e, const struct store_record *r, struct core_spec *ret, struct slice *ret_call);
int record_read_attempt(struct engine *e, const struct store_record *r, struct core_attempts *ret);
/* RET_SPEC: what an end says of its task, for when the task's own record is gone. */
int record_read_end(struct engine *e, const struct store_record *r, struct event *ret,
    struct core_spec *ret_spec, struct slice *ret_outcome);
size_t record_task_bytes(const struct engine *e, const struct core_spec *spec, size_t call_bytes);

/* kept.c */
void kept_add(struct engine *e, uint32_t slot, uint64_t id);
void kept_remove(struct engine *e, uint32_t slot, uint64_t id);
bool kept_bound(struct engine *e); /* forget early what is over the bound; true: there is more */
void kept_done(struct engine *e);

/* replay.c */
int replay(struct engine *e, char *err, size_t err_bytes);

/* outcome.c */
void outcome_keep(struct engine *e, const struct effect *f);

/* render.c */
void render_status(struct engine *e, const struct core_task_info *t, struct out *o);
void render_why(struct engine *e, const struct core_why *w, struct out *o);
void render_pools(struct engine *e, uint32_t only, struct out *o); /* UINT32_MAX: all */
void render_sem(struct engine *e, uint32_t sem, struct out *o);
void render_sems(struct engine *e, struct out *o);
void render_stats(struct engine *e, struct out *o);

#endif
