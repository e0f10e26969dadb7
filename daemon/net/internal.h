/* What the files of net/ share: the net and its sessions. Private to net/. */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include "net/listener.h"
#include "net/net.h"
#include "wire/inbox.h"
#include "wire/outbox.h"

/*
 * A session that is not read can still be sent ends of tasks it waits for. It is ended when more
 * than so many times its bound, and a frame or two, have gathered.
 */
#define NET_OUT_TIMES       8u
#define NET_OUT_HARD(bound) ((size_t)NET_OUT_TIMES * (bound) + 2 * (size_t)GANGER_FRAME_MAX)

enum session_state {
    SESSION_HELLO,   /* has not said hello */
    SESSION_AGENT,   /* has said hello as an agent, to be handed over */
    SESSION_OPEN,    /* known to the engine */
    SESSION_PARTING, /* gets an error, then ends */
    SESSION_CLOSED   /* waits for its close callback */
};

struct session {
    uv_poll_t poll;
    struct net *net;
    session_id id;
    int fd;
    int events; /* that are watched */
    enum session_state state;
    bool dirty;   /* in the list of those that have something to write */
    bool blocked; /* the socket takes no more */
    bool paused;  /* not read: too much is unsent */
    bool doomed;  /* to be ended at the end of the turn */
    bool timed;   /* in the list of deadlines */
    struct net_peer peer;
    struct inbox in;
    struct outbox out;
    struct session *dirty_next;
    struct session *timed_prev, *timed_next;
    uint64_t deadline_ms; /* of the loop's clock, while timed */
};

struct session_slot {
    struct session *session; /* NULL: free */
    uint32_t gen;
    uint32_t next_free;
};

struct net {
    uv_loop_t *loop;
    struct net_config config;
    struct conf_limits limits;
    struct engine *engine;
    struct listener *listener; /* NULL: none */
    struct session_slot *slots;
    uint32_t slot_count, free_slot; /* free_slot: UINT32_MAX = none */
    uint32_t session_count;
    uint32_t handles; /* of sessions and the timer that are not closed */
    bool closing;
    bool verbs; /* the engine was called since net_flush() began */
    struct session *dirty_first, **dirty_last;
    struct session *timed_first, *timed_last;
    uv_timer_t timer;
    struct outbox_spares spares;
    char agent_pool[GANGER_NAME_MAX]; /* of the hello that is being handed over */
    size_t agent_pool_len;
    uint8_t *shared; /* INBOX_SHARED_BYTES for reading */
};

/* ---- net.c ---- */
/* The session of that name that is open, or NULL. */
struct session *net_find(const struct net *net, session_id id);
/* Give SESSION a name; GANGER_ENOMEM. Take it away. */
int net_enter(struct net *net, struct session *session);
void net_leave(struct net *net, struct session *session);
/* Put SESSION into, or out of, the list of those that end unless something happens in time. */
void net_time(struct net *net, struct session *session);
void net_untime(struct net *net, struct session *session);
/* A handle of NET has been closed: frees the net with the last one. */
void net_handle_closed(struct net *net);

/* ---- session.c ---- */
/* Begin a session on FD, which is owned from here on also on failure. */
int session_open(struct net *net, int fd);
/* Something was put into the outbox. */
void session_dirty(struct session *session);
/* Write what has gathered. */
void session_flush(struct session *session);
/* Tell the peer what is wrong, and end. */
void session_fail(struct session *session, int code, const char *text);
/* End at once. */
void session_close(struct session *session);

/* ---- handlers.c ---- */
/*
 * Handle one message of an open session. 0, or a code with what is wrong and where in TEXT.
 * GANGER_ECONN: the peer takes its leave.
 */
int handler_run(
    struct session *session, const uint8_t *body, size_t body_bytes, char *text, size_t text_bytes);

/* ---- hello.c ---- */
/* Handle the first message; as handler_run(). */
int hello_run(
    struct session *session, const uint8_t *body, size_t body_bytes, char *text, size_t text_bytes);

/* ---- answers.c ---- */
void answers_ops(struct net *net, struct engine_net_ops *ret_ops);

#endif
