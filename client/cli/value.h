/*
 * Reading msgpack values in place: no tree, no allocation, whatever the bytes claim.
 */
#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nesting that is followed; deeper values are refused, as by the daemon. */
#define VALUE_DEPTH_MAX 64u

enum value_type {
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_UINT,  /* u */
    VALUE_INT,   /* i, below 0 */
    VALUE_FLOAT, /* d; SINGLE tells a 32 bit one */
    VALUE_STR,   /* data, len */
    VALUE_BIN,   /* data, len */
    VALUE_EXT,   /* ext, data, len */
    VALUE_ARRAY, /* count values follow */
    VALUE_MAP    /* count pairs follow */
};

struct value {
    enum value_type type;
    bool single, flag; /* flag: of a VALUE_BOOL */
    int8_t ext;
    uint32_t count;
    union {
        uint64_t u;
        int64_t i;
        double d;
    };
    const char *data;
    size_t len;
};

/* What is left to read. */
struct reader {
    const uint8_t *at, *end;
};

struct reader reader_make(const void *data, size_t len);

/* Read one value; of an array or map its head only. GANGER_EDECODE: malformed, cut off. */
int value_read(struct reader *r, struct value *ret_value);

/* Step over one whole value. GANGER_EDECODE; also for one nested too deeply. */
int value_skip(struct reader *r);

/* The same for one that is within DEPTH containers already. */
int value_skip_within(struct reader *r, unsigned depth);

/* True if the bytes are exactly one value. */
bool value_is_one(const void *data, size_t len);

/* True if V is the string TEXT. */
bool value_is_text(const struct value *v, const char *text);

/*
 * In the map at the start of R (R itself is not moved), find the value of the string KEY: true and
 * a reader at that value.
 */
bool value_find(struct reader r, const char *key, struct reader *ret_at);

/* As value_find(), and read its head; false also if that fails. */
bool value_get(struct reader r, const char *key, struct value *ret_value);

/* True if the bytes are well-formed UTF-8 (no overlong forms, no surrogates). */
bool utf8_is_valid(const char *data, size_t len);

/* Length (1..4) of the well-formed UTF-8 character at the start of DATA, 0 if there is none. */
size_t utf8_char(const char *data, size_t len);

#endif
