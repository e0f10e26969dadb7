#include "client/worker_tail.h"

#include <string.h>

void tail_add(struct tail *t, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    size_t first;

    if (bytes > sizeof t->ring) {
        from += bytes - sizeof t->ring;
        bytes = sizeof t->ring;
    }
    first = sizeof t->ring - t->at;
    if (first > bytes)
        first = bytes;
    memcpy(t->ring + t->at, from, first);
    memcpy(t->ring, from + first, bytes - first);
    t->at = (t->at + bytes) % sizeof t->ring;
    t->bytes += bytes;
    if (t->bytes > sizeof t->ring)
        t->bytes = sizeof t->ring;
}

size_t tail_copy(const struct tail *t, uint8_t *out)
{
    size_t start = (t->at + sizeof t->ring - t->bytes) % sizeof t->ring;
    size_t first = sizeof t->ring - start;

    if (first > t->bytes)
        first = t->bytes;
    memcpy(out, t->ring + start, first);
    memcpy(out + first, t->ring, t->bytes - first);
    return t->bytes;
}
