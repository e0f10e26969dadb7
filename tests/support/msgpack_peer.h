/*
 * What msgpack-c makes of the same bytes: the other side of the differential tests.
 * A header of static functions.
 */
#ifndef SUPPORT_MSGPACK_PEER_H
#define SUPPORT_MSGPACK_PEER_H

#include "proto/limits.h"
#include "proto/pack.h"

#include <msgpack.h>

#include <string.h>

/* msgpack-c keeps open containers on a stack of this size (MSGPACK_EMBED_STACK_SIZE). */
#define PEER_DEPTH 32u

/*
 * True when DATA could make msgpack-c reserve gigabytes before it sees that the items are not
 * there: when it may hold the head of an array 32 or a map 32. Such bytes are compared only if we
 * accept them.
 */
static inline bool peer_is_hungry(const uint8_t *data, size_t len)
{
    return len != 0 && (memchr(data, 0xdd, len) != NULL || memchr(data, 0xdf, len) != NULL);
}

/* True when DATA is exactly one value for msgpack-c. */
static inline bool peer_valid(const uint8_t *data, size_t len)
{
    msgpack_unpacked u;
    size_t at = 0;
    bool valid;

    msgpack_unpacked_init(&u);
    valid = len != 0 &&
            msgpack_unpack_next(&u, (const char *)data, len, &at) == MSGPACK_UNPACK_SUCCESS &&
            at == len;
    msgpack_unpacked_destroy(&u);
    return valid;
}

/* How deep the arrays and maps of a valid value are inside one another. */
static inline unsigned peer_depth(struct cursor *c)
{
    unsigned tag = c->at == c->end ? 0 : *c->at;
    bool map = (tag & 0xf0u) == 0x80 || tag == 0xde || tag == 0xdf;
    uint64_t inside;
    unsigned deepest = 0;

    if (!map && (tag & 0xf0u) != 0x90 && tag != 0xdc && tag != 0xdd) {
        read_skip(c);
        return 0;
    }
    inside = map ? UINT64_C(2) * read_map(c, UINT32_MAX) : read_array(c, UINT32_MAX);
    for (uint64_t i = 0; i < inside; i++) {
        unsigned depth = peer_depth(c);

        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

/* True when both say the same about DATA, as far as msgpack-c can say. */
static inline bool peer_agrees(const uint8_t *data, size_t len)
{
    struct cursor c = cursor_make(data, len);
    bool ours = value_valid(data, len);

    if (!ours && peer_is_hungry(data, len))
        return true;
    /* What is too deep for us is so for msgpack-c too, but not the other way round. */
    if (ours && peer_depth(&c) >= PEER_DEPTH)
        return true;
    return ours == peer_valid(data, len);
}

#endif
