/*
 * The scan: what is valid in one segment, and what its damage means. Private to this folder.
 */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "store/index.h"
#include "store/reader.h"

/* What the records of a segment tell. */
struct scan {
    uint64_t end;        /* behind the last valid record */
    uint64_t oldest;     /* highest oldest generation that a batch states, 0 if none */
    uint64_t last_birth; /* highest birth seen or said to be durable */
    bool stopped;        /* a record at END is not valid; false if the limit was reached */
};

/*
 * Read the records of the segment that R is open on, of GENERATION, up to LIMIT. They are added
 * to INDEX unless that is NULL. 0, a negative GANGER_E... code; then ERROR is an errno or 0.
 */
int scan_records(struct reader *r, uint64_t generation, uint64_t limit, uint32_t seed,
    struct index *index, struct scan *ret_scan, int *ret_error);

/*
 * Look for a sound batch record from offset FROM on, at any multiple of 8, of exactly
 * GENERATION or (with ABOVE) of a higher one. Batches are written one at a time, so such a
 * batch proves that whatever stands before it in the log had been durable. 1 if there is one,
 * 0 if not, or a negative errno.
 */
int scan_proof(struct reader *r, uint64_t from, uint64_t generation, bool above, uint32_t seed);

/*
 * Could anything from FROM on, at any multiple of 8, be the head of a record of GENERATION? If
 * not, the segment can be written on from FROM. 1, 0 or a negative errno.
 */
int scan_remains(struct reader *r, uint64_t from, uint64_t generation);

/* Is everything from FROM to the end of the file zero? 1, 0 or a negative errno. */
int scan_is_zero(struct reader *r, uint64_t from);

#endif
