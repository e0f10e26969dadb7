/*
 * The seam above the core: what "a queue engine" means to connections.
 *
 * net/ (clients) and pool/ (agents and children) talk to this header only; neither knows the
 * core, the store or the other. Every verb is asynchronous: answers come through the ops below,
 * possibly before the call returns, at the latest after a sync. engine_local is the engine of one
 * coordinator; a shared one can stand behind the same header.
 *
 * A loop turn: handlers call the verbs for each message they read; at its end main calls
 * engine_turn(), which hands out work and flushes the store; then net and pool write, one writev
 * a connection. `now_us` is the monotonic clock; the engine reads no clock.
 *
 * Loop thread only.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/body.h"
#include "proto/msg.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine; /* owned by main */

/* A session as net names it: slot in the low half, generation in the high half. Never 0. */
typedef uint64_t session_id;

/* ---- what the engine asks of net ---- */
struct engine_net_ops {
    void *ctx;
    /* SESSION may be stale: net drops the word. TEXT and slices are borrowed for the call. */
    void (*accepted)(void *ctx, session_id session, uint64_t req, uint64_t id);
    void (*refused)(void *ctx, session_id session, uint64_t req, int code, const char *text);
    /* OUTCOME, whose bytes END names too, is borrowed; body_ref() it to keep it. NULL: empty. */
    void (*ended)(void *ctx, session_id session, const struct msg_end *end, struct body *outcome);
    void (*progress)(void *ctx, session_id session, const struct msg_progress *p);
    void (*reply)(void *ctx, session_id session, const struct msg_reply *r);
};

/* ---- what the engine asks of pool ---- */
/*
 * Children are named by slot and generation over all pools. The core decides when each is forked,
 * retired and killed; pool only does it and reports. Pools are named by their index
 * (engine_pool_*).
 */
struct engine_pool_ops {
    void *ctx;
    /* Start the agent of POOL (not called for external pools); report engine_agent_up/_down. */
    void (*agent_start)(void *ctx, uint32_t pool);
    /* Ask POOL's agent to fork a child for this slot; report engine_child_* . */
    void (*spawn)(void *ctx, uint32_t pool, uint32_t child, uint32_t gen);
    /* Queue a hand to the child (written at the end of the turn), granting up to and with SEQ. H
     * has the bytes of CALL; its function and payload are not set. */
    void (*hand)(
        void *ctx, uint32_t child, uint32_t gen, const struct msg_hand *h, struct body *call);
    /*
     * Take back every hand numbered KEEP or more that is not begun; KEEP is a number already
     * handed. Returns `begun` at that instant, bounds-checked against what was handed. The engine
     * also calls it, with KEEP 0, from within engine_child_link_closed, _exited and _garbage, so
     * the page stays mapped until the child's end was reported.
     */
    uint32_t (*take_back)(void *ctx, uint32_t child, uint32_t gen, uint32_t keep);
    /* Soft stop of hand SEQ (page cancel word, then SIGTERM by the agent). */
    void (*stop)(void *ctx, uint32_t child, uint32_t gen, uint32_t seq);
    /* SIGKILL to the child and its group, by the agent. */
    void (*kill)(void *ctx, uint32_t child, uint32_t gen);
    /* Shut our end of the link: an idle child exits by itself. */
    void (*retire)(void *ctx, uint32_t child, uint32_t gen);
    /* Whether to read the child's link (back-pressure while a large result waits for room). */
    void (*read)(void *ctx, uint32_t child, uint32_t gen, bool on);
};

/* How many permits, children and tasks a pool has; from the configuration. Strings are borrowed. */
struct engine_pool_config {
    const char *name;
    const char *kind; /* "module", "command" or "external": for texts */
    bool external;    /* its agent comes by itself */
    uint32_t processes;
    uint64_t backlog, backlog_bytes;
    uint32_t max_tasks_per_child; /* 0 = unlimited */
    uint32_t early_deaths;        /* deaths before the first task until BROKEN */
    uint64_t init_timeout_ms;
    uint64_t early_backoff_ms;    /* first wait after an early death; doubles */
    struct task_options defaults; /* of its tasks; every field but needs is read */
    bool durable;                 /* default of its tasks */
};

struct engine_config {
    uint64_t tasks_max;           /* tasks known at once */
    uint64_t results_max;         /* bytes of outcomes that are kept */
    uint64_t grace_ms;            /* after an unclean start */
    uint64_t orphan_retention_ms; /* of an undelivered result whose own retention is 0 */
    uint64_t seed;                /* of the jitter */
    struct engine_net_ops net;
    struct engine_pool_ops pool;
    const struct store_config *journal; /* NULL: memory store */
    void (*notify)(void *ctx);          /* sync thread: arrange engine_store_ready() on the loop */
    /*
     * Sync thread: engine_sync() takes long; be the loop until it has returned. NULL: nothing is
     * left to engine_sync().
     */
    void (*stand_in)(void *ctx);
    void *notify_ctx; /* of both */
    /* Something that an operator wants to read; LEVEL as syslog. Main decides what is logged. */
    void (*event)(void *ctx, int level, const char *name, const char *text);
    void *event_ctx;
};

/*
 * Open: opens the store, replays it, makes a new epoch durable. NOW_US monotonic, WALL_MS wall
 * clock. On failure ERR gets the text. *ret_unclean: the last stop was unclean, so the grace runs.
 */
int engine_open(const struct engine_config *config, uint64_t now_us, uint64_t wall_ms,
    struct engine **ret_engine, char *err, size_t err_bytes);

/* Free all; what is not durable is lost. engine_drained() first for a clean stop. */
void engine_close(struct engine *e);

uint32_t engine_epoch(const struct engine *e);
bool engine_unclean(const struct engine *e);

/* Every call below takes the time once a turn from here. */
void engine_time(struct engine *e, uint64_t now_us, uint64_t wall_ms);

/* End of a turn: dispatch, deadlines, store flush. Returns the next deadline (us, monotonic) or
 * UINT64_MAX. */
uint64_t engine_turn(struct engine *e);

/* Has the last turn left a batch to engine_sync()? */
bool engine_sync_left(const struct engine *e);

/*
 * Make it durable: HERE, in the calling thread (nothing else of E may be used by it meanwhile, but
 * by the one that stands in); or have the sync thread do it. Then engine_store_ready().
 */
void engine_sync(struct engine *e, bool here);

/* The store has news (after notify, or engine_sync()). */
void engine_store_ready(struct engine *e);

/* Old agents and children are proved gone: end the grace now. */
void engine_grace_over(struct engine *e);

/* ---- configuration ---- */
/* The bound of tasks known at once, from now on. */
void engine_set_tasks_max(struct engine *e, uint32_t tasks_max);
/* Bytes of outcomes kept from now on; over it the oldest are forgotten before their time. */
void engine_set_results_max(struct engine *e, uint64_t bytes);
/* Define a pool or change it (reload). *ret_pool is its index, stable for the engine's life. */
int engine_pool_define(struct engine *e, const struct engine_pool_config *c, uint32_t *ret_pool);
/* A semaphore of the configuration; one that was set by hand (durable) keeps its value. */
int engine_semaphore_define(struct engine *e, const char *name, uint32_t permits);

/* ---- sessions (net) ---- */
void engine_session_open(struct engine *e, session_id session, uint32_t uid);
void engine_session_gone(struct engine *e, session_id session);
/* Answers: accepted (unless QUIET) or refused; later ended if WAIT. */
void engine_submit(struct engine *e, session_id session, const struct msg_submit *m);
/* Every verb of msg.h; answers by reply or ended. */
void engine_request(struct engine *e, session_id session, const struct msg_request *m);

/* ---- agents and children (pool) ---- */
/* The agent of POOL has loaded its module and can fork. */
void engine_agent_up(struct engine *e, uint32_t pool);
/* It is gone, or could not start: CODE and TEXT say why. Its children's ends are reported apart. */
void engine_agent_down(struct engine *e, uint32_t pool, int code, const char *text);
/* The child was forked. PID for status. */
void engine_child_started(struct engine *e, uint32_t child, uint32_t gen, uint64_t pid);
/* Its initializer has run. */
void engine_child_ready(struct engine *e, uint32_t child, uint32_t gen);
/*
 * A result; OUTCOME is copied. RAN_US: how long the child has run tasks in all, as it says; 0: it
 * does not. MORE: the next call is about the next result of this child.
 */
void engine_child_result(struct engine *e, uint32_t child, uint32_t gen, const struct msg_result *r,
    uint64_t ran_us, bool more);
void engine_child_progress(
    struct engine *e, uint32_t child, uint32_t gen, const struct msg_progress *p);
/* It has dropped COUNT hands that were taken back. */
void engine_child_returned(struct engine *e, uint32_t child, uint32_t gen, uint32_t count);
/* Its link has ended (read to its end first). */
void engine_child_link_closed(struct engine *e, uint32_t child, uint32_t gen);
/* It has exited; the link was read to its end before. END is copied. TEXT: why it never became
 * ready. */
void engine_child_exited(struct engine *e, uint32_t child, uint32_t gen,
    const struct msg_worker_end *end, bool group_empty, const char *text);
/* No process of its group is left. */
void engine_child_group_empty(struct engine *e, uint32_t child, uint32_t gen);
/* What it sent is not a legal message: it is killed. */
void engine_child_garbage(struct engine *e, uint32_t child, uint32_t gen, const char *text);

/* ---- stopping ---- */
/* Take no more submits (EDRAIN), hand nothing more out. */
void engine_drain(struct engine *e);
/* Nothing is running and all that was appended is durable. */
bool engine_drained(const struct engine *e);
/* Make a clean stop durable (so that the next start has no grace). After engine_drained(). */
void engine_seal(struct engine *e);

/* Counts for status lines and sd_notify. */
struct engine_stats {
    uint64_t tasks, waiting, running, submitted, done, failed, sessions;
};
void engine_stats(const struct engine *e, struct engine_stats *ret_stats);

#endif
