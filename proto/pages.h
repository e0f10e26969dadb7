/*
 * Whole pages of memory straight from the kernel, for what grows and shrinks by much: they come
 * zeroed, take no memory until they are touched, grow without a copy and go back when given back,
 * whatever else was allocated between.
 */
#ifndef PROTO_PAGES_H
#define PROTO_PAGES_H

#include <stddef.h>

#define PAGES_BYTES 4096u         /* sizes are multiples of this */
#define PAGES_PIECE (256u * 1024) /* what most of it comes and goes in */

/*
 * Somebody who has memory ready: TAKE gives PAGES_PIECE bytes of zeroes at an address that is a
 * multiple of that, as pages_free() takes them back, or NULL when it has none. It must not wait.
 */
struct pages_source {
    void *(*take)(void *ctx);
    void *ctx;
};

/* Ask SOURCE (copied; NULL: nobody) for each piece before the kernel is. */
void pages_source_set(const struct pages_source *source);

/* For a source: a piece that has its memory already, or NULL; give back one that nobody took. ANY
 * THREAD. */
void *pages_piece(void);
void pages_piece_free(void *p);

/* BYTES of zeroes, or NULL when there is no memory. */
void *pages_new(size_t bytes);

/* The same at an address that is a multiple of BYTES, a power of two. */
void *pages_new_aligned(size_t bytes);

/*
 * Make P (NULL: nothing yet) BYTES long instead of OLD_BYTES; what is new is zeroes. Returns its
 * address, which may be another one, or NULL when there is no memory: then P stays as it is.
 */
void *pages_grow(void *p, size_t old_bytes, size_t bytes);

/* Give the memory of P back and keep the addresses: it reads as zeroes from now on. */
void pages_clear(void *p, size_t bytes);

/* Give it back, addresses and all. Accepts NULL. */
void pages_free(void *p, size_t bytes);

#endif
