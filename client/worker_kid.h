/*
 * The agent's children: forked on demand of the coordinator, reaped, reported.
 *
 * A kid is known by slot and generation. It lives until it is reaped, and stays listed until no
 * process of its group is left. Whatever is a child of the agent and no kid is an orphan that a
 * dead kid left (those of a living one go to it, a subreaper): killed and reaped.
 */
#ifndef CLIENT_WORKER_KID_H
#define CLIENT_WORKER_KID_H

#include "client/worker_child.h"
#include "client/worker_output.h"
#include "client/worker_uplink.h"

struct kid {
    struct kid *next;
    uint32_t child, gen;
    pid_t pid; /* 0 once it is reaped: never signalled again */
    pid_t group;
    struct child_note *note; /* shared with the kid */
    struct kid_output output;
};

struct agent {
    const struct ganger_worker_config *config;
    const struct ganger_module *module;
    struct function_table functions;
    bool loaded;
    bool stopping;
    int broken;        /* 0, or why the link is of no use any more */
    int signals, poll; /* signalfd, epoll */
    struct kid *kids;
    size_t alive;
    struct uplink *link;
};

/* Fork a kid for the slot and report it, or report why not. Returns in the agent only. */
void kid_spawn(struct agent *a, const struct msg_child *slot);

/* Pass a signal on, if that generation of the slot is alive. */
void kid_signal(struct agent *a, const struct msg_signal *m);

/* Reap whatever is dead, and report it. */
void kids_reap(struct agent *a);

/* Kill orphans, and report the groups that have become empty. True while some have not. */
bool kids_sweep(struct agent *a);

/* Kill every kid with its group. */
void kids_kill(struct agent *a);

/* Free what is listed; all must be dead. */
void kids_done(struct agent *a);

uint64_t agent_now_ms(void);

/*
 * Name the first thread but the main one in COMM. Returns true if there is one, i.e. forking is not
 * safe.
 */
bool agent_has_thread(char *comm, size_t comm_bytes);

#endif
