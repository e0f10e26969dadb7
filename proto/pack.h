/*
 * The strict msgpack encoder and decoder of our fixed heads.
 *
 * Encoding uses the shortest form. Decoding accepts every form that msgpack allows for the type
 * asked for (a peer need not write the shortest), nothing else: no float for an integer, no
 * negative number for an unsigned one. A cursor's error is sticky: after the first failure every
 * read returns 0/NULL and the error stays, so a decoder checks once, at the end.
 */
#ifndef PROTO_PACK_H
#define PROTO_PACK_H

#include "proto/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const uint8_t *data; /* borrowed from the bytes that were decoded */
    size_t len;
};

struct cursor {
    const uint8_t *at, *end;
    int error; /* 0, GANGER_EPROTO or GANGER_ETOOBIG */
};

static inline struct cursor cursor_make(const void *data, size_t len)
{
    const uint8_t *p = (const uint8_t *)data;
    return (struct cursor){ p, len == 0 ? p : p + len, 0 };
}

uint64_t read_uint(struct cursor *c, uint64_t max); /* over MAX: GANGER_EPROTO */
int64_t read_int(struct cursor *c);
bool read_bool(struct cursor *c);
struct slice read_str(struct cursor *c, size_t max_bytes); /* longer: GANGER_ETOOBIG */
struct slice read_bin(struct cursor *c, size_t max_bytes);
/* The number of items; over the bound: GANGER_ETOOBIG, more than bytes are left: GANGER_EPROTO. */
uint32_t read_array(struct cursor *c, uint32_t max_items);
uint32_t read_map(struct cursor *c, uint32_t max_pairs);
bool read_nil(struct cursor *c); /* true (and consumed) if nil is next */
/*
 * Step over one value of any type; iterative. Arrays and maps inside one another, empty ones
 * counted, may be GANGER_VALUE_DEPTH deep; deeper is GANGER_EPROTO.
 */
void read_skip(struct cursor *c);
/* As read_skip(), and gives its raw bytes. */
struct slice read_raw(struct cursor *c);

void write_uint(struct out *o, uint64_t v);
void write_int(struct out *o, int64_t v);
void write_bool(struct out *o, bool v);
void write_nil(struct out *o);
void write_str(struct out *o, const void *data, size_t len);
void write_bin(struct out *o, const void *data, size_t len);
void write_array(struct out *o, uint32_t items);
void write_map(struct out *o, uint32_t pairs);
void write_raw(struct out *o, const void *data, size_t len); /* already encoded bytes */

/* True when DATA is exactly one well-formed msgpack value (nesting bounded). */
bool value_valid(const void *data, size_t len);

#endif
