/*
 * Connections of clients: the Unix socket they come in by, their sessions, and the engine's
 * answers to them.
 *
 * A session is one connection. The kernel says who the peer is; its first frame has to be a hello,
 * in time and short. Then each message goes to one short handler, which calls the engine; the
 * engine's answers gather in the session's outbox until net_flush() at the end of the loop turn
 * writes them, one sendmsg(2) a session. A session whose peer does not read its answers is not
 * read until half of them are gone, and is ended when far more gather nevertheless.
 *
 * Sessions are watched by uv_poll_t and read and written directly: one buffer serves all reads,
 * and what a turn gathered goes out with its large bodies in place, which uv_stream_t would copy
 * or allocate a request for.
 *
 * net knows the engine's header, not pool/: an agent that comes by itself is handed over
 * through on_agent. Loop thread only.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "conf/conf.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct net; /* owned by main */

/* Who is at the other end, as the kernel says. */
struct net_peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/* An agent that has said hello on a client socket. Borrowed for the call. */
struct net_agent {
    int fd;
    struct net_peer peer;
    struct slice pool;
    const uint8_t *bytes; /* what came behind its hello */
    size_t byte_count;
};

struct net_config {
    uv_loop_t *loop;
    const struct conf_limits *limits; /* copied */
    /* Something has come in: called before the first engine verb of a callback. */
    void (*turn)(void *ctx);
    void *turn_ctx;
    /*
     * Take the agent over with its descriptor and return 0; or return a code and write why into
     * TEXT, which the agent then gets as an error.
     */
    int (*on_agent)(void *ctx, const struct net_agent *agent, char *text, size_t text_bytes);
    void *agent_ctx;
};

/* Make a net without a socket. GANGER_ENOMEM; GANGER_EIO: no descriptor or watcher to be had. */
int net_open(const struct net_config *config, struct net **ret_net);

/* What the engine is to call; usable at once. */
void net_ops(struct net *net, struct engine_net_ops *ret_ops);

/*
 * Listen on SOCKET for sessions of ENGINE (borrowed until net_close()). A parent directory that
 * is missing is made; a socket file that nobody listens on is replaced. FD not -1: listen on this
 * socket instead, which is bound already; it is owned from here on, and its file is left alone at
 * the end. On failure ERR gets the text.
 * GANGER_EBUSY: somebody listens there. GANGER_EEXIST: something else has that name.
 * GANGER_EACCES, GANGER_EIO: it cannot be made.
 */
int net_listen(struct net *net, struct engine *engine, const struct conf_socket *socket, int fd,
    char *err, size_t err_bytes);

/* Bounds of new and present sessions from now on. */
void net_limits(struct net *net, const struct conf_limits *limits);

/* Write what has gathered. True when the engine was called, so that it needs another turn. */
bool net_flush(struct net *net);

/* How many connections there are, those without a hello included. */
uint32_t net_sessions(const struct net *net);

/* True when all answers are sent that can be sent. */
bool net_idle(const struct net *net);

/* Take no more connections and remove the socket file. */
void net_stop_listening(struct net *net);

/*
 * End all sessions without a word to the engine. The memory is freed once the loop has run the
 * close callbacks. Accepts NULL.
 */
void net_close(struct net *net);

#endif
