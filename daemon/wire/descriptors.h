/*
 * Descriptors that came with the bytes of a stream (SCM_RIGHTS), oldest first, until the message
 * they belong to takes them. They are owned here until taken.
 */
#ifndef WIRE_DESCRIPTORS_H
#define WIRE_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define DESCRIPTORS_MAX 32u

/* Zero-initialise. */
struct descriptors {
    int fd[DESCRIPTORS_MAX];
    unsigned count;
};

/*
 * Receive once into INTO without waiting; all descriptors are close-on-exec. 0 with
 * *ret_received; GANGER_EAGAIN; GANGER_ECONN: end of the stream; GANGER_EPROTO: too many came.
 */
int descriptors_receive(struct descriptors *d, int fd, struct iovec into, size_t *ret_received);

/* Take the oldest one, which the caller then owns; -1: there is none. */
int descriptors_take(struct descriptors *d);

/* Close all. */
void descriptors_done(struct descriptors *d);

#endif
