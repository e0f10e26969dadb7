/*
 * Frames: a 4-byte big-endian length, then that many bytes, which are one msgpack array.
 *
 * frame_next() only looks; it copies nothing. A struct out is the growing buffer into which
 * messages are written; one write(2) takes many of them.
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD_BYTES 4u

/*
 * Look for a frame at the start of DATA. Returns the bytes that head and body take together
 * (*ret_body then points into DATA); 0 when more bytes are needed (*ret_need, if not NULL, is then
 * how many the whole frame takes, or 0 while even the head is incomplete); GANGER_ETOOBIG when
 * its length is over MAX_BYTES; GANGER_EPROTO for an empty frame.
 */
int64_t frame_next(const uint8_t *data, size_t data_bytes, size_t max_bytes,
    const uint8_t **ret_body, size_t *ret_body_bytes, size_t *ret_need);

/* A growing byte buffer. Zero-initialise; owns DATA. FAILED is sticky after an allocation failed.
 */
struct out {
    uint8_t *data;   /* the first byte that is not sent yet; freed by out_done() only */
    size_t len, cap; /* both counted from DATA */
    int failed;      /* 0 or GANGER_ENOMEM; writers do nothing while it is set */
    size_t sent;     /* consumed bytes that still lie before DATA */
};

/*
 * Make room for BYTES more; returns the place to write to or NULL (out->failed is then set).
 * LEN stays as it is: the writer adds what it wrote. The place holds until the next call.
 */
uint8_t *out_room(struct out *o, size_t bytes);

/*
 * Drop the first BYTES, at most LEN (they were sent). Not between frame_begin() and frame_end().
 * A large buffer that becomes empty is given back to the allocator.
 */
void out_consume(struct out *o, size_t bytes);

/* Free the buffer and leave it empty. */
void out_done(struct out *o);

/*
 * Begin a frame: returns the mark to give to frame_end(), which fills the length in. When the
 * buffer failed in between, frame_end() takes the unfinished frame away.
 */
size_t frame_begin(struct out *o);
void frame_end(struct out *o, size_t mark);

#endif
