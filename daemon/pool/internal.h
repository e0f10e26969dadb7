/* What the files of pool/ share: agents and children. Private to pool/. */
#ifndef POOL_INTERNAL_H
#define POOL_INTERNAL_H

#include "pool/child_table.h"
#include "pool/pool.h"
#include "pool/watch.h"
#include "proto/page.h"
#include "wire/descriptors.h"
#include "wire/inbox.h"
#include "wire/outbox.h"

#define AGENT_TEXT_MAX 512u
/* An agent that lets so much gather does not read its link. */
#define AGENT_OUT_MAX (1024u * 1024)
/* How long an agent has to exit after its link has ended, before it is killed. */
#define AGENT_LEAVE_MS 1000u
#define AGENT_STOP_MS  5000u
#define POOL_TICK_MS   50u

enum agent_state {
    AGENT_NONE,     /* no process */
    AGENT_STARTING, /* has not said that its module is loaded */
    AGENT_UP,
    AGENT_LEAVING /* the link is gone; the process may still be there */
};

/* One pool and its agent. */
struct agent {
    struct pool *pool;
    uint32_t index;
    bool external;
    bool wanted;  /* to be started */
    bool greeted; /* has said hello */
    bool reaped;  /* the process is no more; its link may have last words */
    bool dirty;
    enum agent_state state;
    char *name;
    char **argv; /* of the next start; NULL: external */
    uint64_t init_timeout_ms;
    pid_t pid;            /* of the process that we started, 0 = none */
    uint64_t deadline_ms; /* STARTING, LEAVING: then it is killed */
    int code;             /* why it goes, 0 = not known */
    char text[AGENT_TEXT_MAX];
    struct watch *watch; /* of the link; NULL: none */
    struct inbox in;
    struct outbox out;
    struct descriptors descriptors;
    struct agent *dirty_next;
};

enum child_state {
    CHILD_ASKED,   /* the agent was asked for it */
    CHILD_RUNNING, /* it was forked */
    CHILD_EXITED   /* its end was reported; processes of its group may be left */
};

/* How a child ended, while its link is still to be read. */
struct child_end {
    struct msg_worker_end end; /* stderr_tail is in tail */
    uint8_t tail[GANGER_STDERR_TAIL];
    char text[GANGER_TEXT_MAX + 1];
    bool group_empty;
};

struct child {
    uint32_t slot, gen;
    struct child *next; /* in the table */
    struct agent *agent;
    enum child_state state;
    pid_t pid;
    bool orphan; /* its agent is gone: it is ours to reap */
    bool ready;
    bool held; /* not read: the engine has no room for a result */
    bool retiring, shut;
    bool killed;
    bool dirty;
    bool garbage;      /* to be reported and killed: see text */
    bool garbage_told; /* the engine knows */
    bool blocked;      /* the link takes no more */
    int events;
    struct watch *watch; /* of the link; NULL: none or ended */
    struct page *page;   /* mapped from CHILD_RUNNING on */
    uint32_t handed;     /* number of the next hand */
    uint32_t granted;    /* the page's limit, unless a take-back has lowered it */
    uint32_t next_result;
    /* Numbers that were taken back and not yet all returned: from..to, `returned` of them. */
    uint32_t taken_from, taken_to, returned;
    struct inbox in;
    struct outbox out;
    struct child_end *end; /* exited, not yet reported */
    char *text;            /* what is wrong: of the initializer, or of what it sent */
    struct child *dirty_next;
};

struct pool {
    uv_loop_t *loop;
    struct pool_config config;
    char *worker, *lock_path;
    struct engine *engine; /* NULL: nobody to report to */
    struct agent **agents; /* by the engine's index; entries may be NULL */
    uint32_t agent_count;
    struct child_table children;
    struct agent *dirty_agents;
    struct child *dirty_first, **dirty_last;
    uint8_t *shared;       /* INBOX_SHARED_BYTES for the links of children */
    uint8_t *agent_shared; /* and of agents, which are read around them */
    struct outbox_spares spares;
    uv_signal_t sigchld;
    uv_timer_t timer;
    unsigned handles;
    bool stopping, closing;
    bool sweeping; /* an agent has died: look for what it left */
    bool verbs;    /* the engine was called */
};

/* ---- pool.c ---- */
void pool_turn(struct pool *pool);
/* Keep the tick going while there is something that has a deadline. */
void pool_tick_need(struct pool *pool);
void pool_handle_closed(struct pool *pool);
struct agent *pool_agent(const struct pool *pool, uint32_t index);

/* ---- agent.c ---- */
/* Start the process. Failures are reported to the engine. */
void agent_start(struct agent *agent);
/* Take FD as the link, behind which BYTES have come. GANGER_ENOMEM, GANGER_EIO: FD is not taken. */
int agent_link(struct agent *agent, int fd, const uint8_t *bytes, size_t byte_count);
/* The link's use is over: CODE and TEXT say why (0: what its end says). NOW: kill it at once. */
void agent_leave(struct agent *agent, int code, const char *text, bool now);
/* The process was reaped. */
void agent_reaped(struct agent *agent, int status);
/* Something for it is in its outbox. */
void agent_dirty(struct agent *agent);
void agent_flush(struct agent *agent);
/* Look at the deadline. */
void agent_tick(struct agent *agent, uint64_t now_ms);
void agent_free(struct agent *agent);

/* ---- agent_words.c ---- */
/* Handle a message of the agent; an inbox_reader. */
int agent_word(void *ctx, const uint8_t *body, size_t body_bytes);
void agent_hello(struct agent *agent);

/* ---- spawn.c ---- */
/* The words of the agent's command line for CONF, to be freed by argv_free(). GANGER_ENOMEM. */
int argv_make(const struct conf_pool *conf, const char *worker, char ***ret_argv);
void argv_free(char **argv);
/* Run it; *ret_link is our end. GANGER_EIO with ERR: it cannot be run. */
int spawn_agent(const struct pool *pool, char *const *argv, pid_t *ret_pid, int *ret_link,
    char *err, size_t err_bytes);

/* ---- child.c ---- */
/* A child that is asked for; GANGER_ENOMEM. */
int child_new(struct agent *agent, uint32_t slot, uint32_t gen, struct child **ret_child);
/* It runs: takes LINK and PAGE, also on failure. GANGER_EPROTO: they are not what they should be.
 */
int child_started(struct child *child, pid_t pid, int link, int page);
/* It has exited; reported once its link is read to the end. Slices are copied. */
void child_exited(
    struct child *child, const struct msg_worker_end *end, bool group_empty, struct slice text);
void child_group_empty(struct child *child);
/* Report what waits, write what has gathered. */
void child_flush(struct child *child);
void child_dirty(struct child *child);
/* What it sent cannot be: to be reported and killed. */
void child_garbage(struct child *child, const char *text);
void child_free(struct child *child);

/* ---- child_words.c ---- */
/* Handle a message of the child; an inbox_reader. */
int child_word(void *ctx, const uint8_t *body, size_t body_bytes);

/* ---- hands.c ---- */
void hands_add(struct child *child, const struct msg_hand *h, struct body *call);
/* Let the child begin what it was handed. */
void hands_grant(struct child *child);
uint32_t hands_take_back(struct child *child, uint32_t keep);
/* Is SEQ the number of the hand that ends next? It has then ended. */
bool hands_ended(struct child *child, uint32_t seq);
/* Is SEQ the number of a hand that the child may be running? */
bool hands_outstanding(const struct child *child, uint32_t seq);
/* It says that it dropped COUNT of those taken back. False: it cannot have. */
bool hands_returned(struct child *child, uint32_t count);

/* ---- orphans.c ---- */
/* Kill what agents that are gone have left to us. Returns how many processes there are still. */
unsigned orphans_kill(const struct pool *pool);

/* ---- reap.c ---- */
/* Reap every child process that has ended. */
void reap_all(struct pool *pool);
/* Agents are gone: report the children that nobody else reports any more. */
void reap_sweep(struct pool *pool);

/* ---- ops.c ---- */
void ops_fill(struct pool *pool, struct engine_pool_ops *ret_ops);

#endif
