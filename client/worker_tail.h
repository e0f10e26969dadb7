/* The last bytes of a stream, for reports of a death. */
#ifndef CLIENT_WORKER_TAIL_H
#define CLIENT_WORKER_TAIL_H

#include "proto/limits.h"

#include <stddef.h>
#include <stdint.h>

struct tail {
    uint8_t ring[GANGER_STDERR_TAIL];
    size_t at;    /* where the next byte goes */
    size_t bytes; /* how many there are */
};

/* Take BYTES more of the stream. Zero-initialise a tail first. */
void tail_add(struct tail *t, const void *data, size_t bytes);

/* Copy what is kept, oldest first, to OUT (GANGER_STDERR_TAIL bytes); returns how many bytes. */
size_t tail_copy(const struct tail *t, uint8_t *out);

#endif
