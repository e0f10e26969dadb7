/*
 * A counted run of bytes: a task's call (function and payload as encoded) or its outcome. One copy
 * from the socket it came from to the sockets it goes to. Loop thread only.
 */
#ifndef ENGINE_BODY_H
#define ENGINE_BODY_H

#include <stdint.h>

struct body {
    uint32_t refs;
    uint32_t len;
    uint8_t data[];
};

/* A new body with one reference and room for LEN bytes (a copy of DATA unless NULL); NULL: no
 * memory. */
struct body *body_new(const void *data, uint32_t len);
/* B, to which the caller alone has a reference, with DATA instead if it is as long; else another,
 * and B (may be NULL) is dropped. NULL: no memory. */
struct body *body_again(struct body *b, const void *data, uint32_t len);
struct body *body_ref(struct body *b);
/* Drop one reference; the last one frees. Accepts NULL. */
void body_unref(struct body *b);

#endif
