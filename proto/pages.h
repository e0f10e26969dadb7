/*
 * Whole pages of memory straight from the kernel, for what grows and shrinks by much: they come
 * zeroed, take no memory until they are touched, grow without a copy and go back when given back,
 * whatever else was allocated between.
 */
#ifndef PROTO_PAGES_H
#define PROTO_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#define PAGES_BYTES 4096u /* sizes are multiples of this */

/* Somebody who writes to memory on another thread, before it is needed. Neither call may wait. */
struct pages_helper {
    void *ctx;
    /* Have the BYTES at P written to soon, by pages_touch(); or not, if there is too much to do. */
    void (*ahead)(void *ctx, void *p, size_t bytes);
    /* P is given back. True: it is being written to, and goes by pages_unmap() when that is over.
     */
    bool (*drop)(void *ctx, void *p, size_t bytes);
};

/* From now on HELPER (copied; NULL: nobody) is asked. LOOP THREAD, like all that has none named. */
void pages_helper_set(const struct pages_helper *helper);

/*
 * The BYTES at P, of pages_new(), which nobody has written to, will be needed soon. The first write
 * to a page is a fault, and in a virtual machine that is lent its memory piece by piece a slow one:
 * 10 us for 4 KiB and 5 ms for a large page were measured.
 */
void pages_ahead(void *p, size_t bytes);

/* For a helper, ANY THREAD: make the BYTES at P as if written to; give them back. */
void pages_touch(void *p, size_t bytes);
void pages_unmap(void *p, size_t bytes);

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
