/*
 * Whole pages of memory straight from the kernel, for what grows and shrinks by much: they come
 * zeroed, take no memory until they are touched, grow without a copy and go back when given back,
 * whatever else was allocated between.
 */
#ifndef PROTO_PAGES_H
#define PROTO_PAGES_H

#include <stddef.h>

#define PAGES_BYTES 4096u /* sizes are multiples of this */

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
