/*
 * Agents and their children: their links, their hands, their ends.
 *
 * gangerd starts one agent for each pool (an external pool's agent comes by itself) and keeps a
 * link to it, over which it asks for children and hears of their ends. Each child has a link of
 * its own, which came with the agent's word that it was started, and a shared page (proto/page.h).
 * What is handed to a child gathers in its outbox until pool_flush() writes it.
 *
 * When a child has ended, its link is read to the end before the engine hears of it: a result that
 * was sent counts. When an agent dies, its children die with it and come to gangerd, which is
 * a child subreaper: it kills what is left of their groups, reaps them and reports their ends.
 * The process must therefore have no children of its own beside the agents.
 *
 * Loop thread only. Knows the engine's header, not net/.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "conf/conf.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct pool; /* all pools; owned by main */

struct pool_config {
    uv_loop_t *loop;
    /* Something has come in: called before the first engine verb of a callback. */
    void (*turn)(void *ctx);
    void *turn_ctx;
    const char *worker; /* program of the agents; copied */
    uint64_t nofile;    /* soft limit of descriptors that agents get; 0: ours */
};

/* Make the process a subreaper and watch its children. GANGER_ENOMEM, GANGER_EIO. */
int pool_open(const struct pool_config *config, struct pool **ret_pool);

/* What the engine is to call; usable at once. */
void pool_ops(struct pool *pool, struct engine_pool_ops *ret_ops);

/*
 * Report to ENGINE (borrowed until pool_stop()) from now on. Each agent inherits a shared lock on
 * the file LOCK_PATH (NULL: none), which nobody else holds: it shows whether one is left.
 * It is copied. GANGER_ENOMEM.
 */
int pool_start(struct pool *pool, struct engine *engine, const char *lock_path);

/*
 * The pool that the engine calls INDEX; again after a reload, for the agent's next start. CONF is
 * copied as far as it is needed. GANGER_ENOMEM.
 */
int pool_define(struct pool *pool, uint32_t index, const struct conf_pool *conf);

/* An agent that came by itself. The bytes came behind its hello; borrowed for the call. */
struct pool_visitor {
    int fd;
    pid_t pid;
    uid_t uid;
    struct slice name; /* of the pool */
    const uint8_t *bytes;
    size_t byte_count;
};

/*
 * Let it serve its pool: 0, and its descriptor is the pool's. Or TEXT says why not:
 * GANGER_ENOPOOL; GANGER_EINVAL: not an external pool; GANGER_EBUSY: it has an agent;
 * GANGER_EACCES: neither root nor the daemon's own user; GANGER_ENOMEM.
 */
int pool_adopt_agent(
    struct pool *pool, const struct pool_visitor *visitor, char *text, size_t text_bytes);

/*
 * End of a turn: start what is to be started, write what has gathered. True when the engine was
 * called, so that it needs another turn.
 */
bool pool_flush(struct pool *pool);

/*
 * Say nothing to the engine any more and let all agents go: they kill their children and exit.
 * Those that do not within some seconds are killed.
 */
void pool_stop(struct pool *pool);

/* After pool_stop(): no agent is left, and nothing that came from one. */
bool pool_stopped(const struct pool *pool);

/* Free all; kills agents that are left. Memory is freed by the close callbacks. Accepts NULL. */
void pool_close(struct pool *pool);

#endif
