/*
 * A row of task ids: first in, first out, in pieces: to copy the ids of millions of tasks at
 * once would be a long pause. Loop thread only.
 */
#ifndef ENGINE_ROW_H
#define ENGINE_ROW_H

#include <stdbool.h>
#include <stdint.h>

/* All zeroes is an empty one. */
struct row {
    struct row_piece *first, *last;
    uint64_t count; /* ids */
};

/* ID becomes the last; false when there is no memory. */
bool row_push(struct row *r, uint64_t id);

/* The first, of which there must be one; and take it away. */
uint64_t row_front(const struct row *r);
uint64_t row_pop(struct row *r);

/* Take all away, and its memory. */
void row_clear(struct row *r);

#endif
