/*
 * The agent's side of its link to the coordinator: frames in, frames with descriptors out.
 *
 * Nothing blocks. What cannot be sent yet waits in order; while too much waits, uplink_read() is
 * not to be called, so the coordinator cannot make it grow.
 */
#ifndef CLIENT_WORKER_UPLINK_H
#define CLIENT_WORKER_UPLINK_H

#include "proto/msg.h"

#define UPLINK_IN_BYTES (64u * 1024)
#define UPLINK_OUT_MAX  (1024u * 1024) /* unsent bytes at which the link is no longer read */

struct uplink_item;

struct uplink {
    int fd;
    struct uplink_item *first, *last;
    size_t out_bytes;
    size_t in_bytes, in_at;
    uint8_t in[UPLINK_IN_BYTES];
};

void uplink_init(struct uplink *l, int fd);

/* Free what waits. Does not close the socket. */
void uplink_done(struct uplink *l);

/*
 * Send the frames in O, which is emptied, and with them COUNT (0..2) descriptors, which are closed
 * once they are sent. Returns 0 when it is sent or waits, GANGER_ECONN, GANGER_ENOMEM; the
 * descriptors are closed then, too.
 */
int uplink_send(struct uplink *l, struct out *o, const int *fds, size_t count);

/* Send what waits, as far as it goes now. Returns 0 or GANGER_ECONN. */
int uplink_flush(struct uplink *l);

/* Read what is there. Returns 1 when there was something, 0 when not, GANGER_ECONN at the end. */
int uplink_read(struct uplink *l);

/*
 * The next whole message that was read. Returns 1 and the message, which borrows from the link
 * until uplink_read(); 0 when there is none; GANGER_EPROTO or GANGER_ETOOBIG.
 */
int uplink_next(struct uplink *l, struct msg *ret_msg);

#endif
