/*
 * Bytes of a stream socket as frames.
 *
 * A read goes into a buffer that all connections share; only the beginning of a frame whose rest
 * has not come is kept for a connection, in memory that grows with what came and not with what
 * was announced. A frame longer than the shared buffer is gathered in a buffer of its own.
 *
 * Loop thread only.
 */
#ifndef WIRE_INBOX_H
#define WIRE_INBOX_H

#include "wire/descriptors.h"

#include <stddef.h>
#include <stdint.h>

#define INBOX_SHARED_BYTES (256u * 1024)

/* Zero-initialise. */
struct inbox {
    uint8_t *data;
    size_t len, cap;
    size_t need; /* bytes of the frame at the start, 0 = not known */
};

/* The bytes at hand: in the shared buffer or in the inbox. */
struct inbox_span {
    const uint8_t *data;
    size_t len;
};

/* What a frame's reader tells: go on, or stop before the next one and keep that. */
enum inbox_verdict { INBOX_GO = 0, INBOX_PAUSE = 1 };
typedef int (*inbox_reader)(void *ctx, const uint8_t *body, size_t body_bytes);

/*
 * Receive once from FD without waiting, behind what is kept. SHARED is INBOX_SHARED_BYTES long.
 * DESCRIPTORS (NULL: none are taken) gets what came along. Returns 0 with *ret_span and
 * *ret_received; GANGER_EAGAIN: nothing there; GANGER_ECONN: the end of the stream; GANGER_ENOMEM;
 * GANGER_EPROTO: more descriptors than can be.
 */
int inbox_receive(struct inbox *in, int fd, uint8_t *shared, struct descriptors *descriptors,
    struct inbox_span *ret_span, size_t *ret_received);

/* What is kept, moved into SHARED if it fits there: to go on after a pause. */
struct inbox_span inbox_kept(struct inbox *in, uint8_t *shared);

/*
 * Give each whole frame of SPAN (at most MAX_BYTES long) to READ and keep the rest. Returns 0,
 * INBOX_PAUSE as READ said, a negative number from READ, GANGER_ETOOBIG or GANGER_EPROTO for a
 * bad length, or GANGER_ENOMEM.
 */
int inbox_frames(
    struct inbox *in, struct inbox_span span, size_t max_bytes, inbox_reader read, void *ctx);

/* Free what is kept. */
void inbox_done(struct inbox *in);

#endif
