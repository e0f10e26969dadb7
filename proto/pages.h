/*
 * Whole pages of memory straight from the kernel, for what grows and shrinks by much: they come
 * zeroed, take no memory until they are touched, grow without a copy and go back when given back,
 * whatever else was allocated between.
 */
#ifndef PROTO_PAGES_H
#define PROTO_PAGES_H

#include <stddef.h>

#define PAGES_BYTES 4096u /* sizes are multiples of this */

/*
 * Somebody who has memory ready that was written to already, made on another thread: the first
 * write to a page is a fault, and in a virtual machine that is lent its memory piece by piece a
 * slow one (10 us for 4 KiB and 5 ms for a large page were measured). None of the calls may wait
 * for that.
 */
struct pages_helper {
    void *ctx;
    /* A piece of BYTES that is ready, or NULL; there will be need of another one soon. */
    void *(*take)(void *ctx, size_t bytes);
    /* There is no need of pieces of BYTES any more. */
    void (*enough)(void *ctx, size_t bytes);
};

/* From now on HELPER (copied; NULL: nobody) is asked. LOOP THREAD, like all that has none named. */
void pages_helper_set(const struct pages_helper *helper);

/*
 * For what grows piece by piece, from its second piece on: like pages_new(), but in large pages
 * where the kernel has them, ready if there is a helper, and aligned to BYTES if that is a large
 * page.
 */
void *pages_more(size_t bytes);

/* Give back a piece, of pages_more() or pages_new(), of what shrinks. */
void pages_less(void *p, size_t bytes);

/* For a helper, ANY THREAD: what pages_more() gives, written to; give back one that nobody took. */
void *pages_piece(size_t bytes);
void pages_piece_free(void *p, size_t bytes);

/* BYTES of zeroes, or NULL when there is no memory. */
void *pages_new(size_t bytes);

/* The same at an address that is a multiple of BYTES, a power of two. */
void *pages_new_aligned(size_t bytes);

/*
 * Make P (NULL: nothing yet; not after pages_huge()) BYTES long instead of OLD_BYTES; what is new
 * is zeroes. Returns its address, which may be another one, or NULL when there is no memory: then P
 * stays as it is.
 */
void *pages_grow(void *p, size_t old_bytes, size_t bytes);

/*
 * Let what is large in the BYTES at P, which may be of any origin, come in large pages where the
 * kernel has them, for it comes untouched and will be used: one fault then stands for hundreds.
 */
void pages_huge(void *p, size_t bytes);

/* Give the memory of P back and keep the addresses: it reads as zeroes from now on. */
void pages_clear(void *p, size_t bytes);

/* Give it back, addresses and all. Accepts NULL. */
void pages_free(void *p, size_t bytes);

#endif
