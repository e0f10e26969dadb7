/*
 * Memory for the small things that a task keeps, of which there may be millions: cells of a few
 * sizes without heads of their own, in chunks that go back to the kernel when they are empty.
 * Loop thread only; one for the process, as malloc() is.
 */
#ifndef ENGINE_CELLS_H
#define ENGINE_CELLS_H

#include <stddef.h>

#define CELLS_MAX 1024u /* bytes; larger things are from malloc() */

/* BYTES of memory that is not cleared, aligned to 8, or NULL when there is none. */
void *cells_new(size_t bytes);

/* Give it back; BYTES as it was asked for. Accepts NULL. */
void cells_free(void *p, size_t bytes);

#endif
