/*
 * The socket by which clients come in. It accepts until nobody waits, never spins when
 * descriptors run out, and removes its file at the end if that is still its own.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "conf/conf.h"

#include <stddef.h>
#include <uv.h>

struct listener; /* owned by the net until listener_close() */

/* A connection has come; FD is the callee's. */
typedef void (*listener_taker)(void *ctx, int fd);

/* See net_listen(). */
int listener_open(uv_loop_t *loop, const struct conf_socket *socket, int fd, listener_taker take,
    void *ctx, char *err, size_t err_bytes, struct listener **ret_listener);

/* Stop; the memory is freed by the close callbacks. Accepts NULL. */
void listener_close(struct listener *listener);

/* Tell the peer at FD why it is not served, and close. */
void listener_refuse(int fd, int code, const char *text);

#endif
