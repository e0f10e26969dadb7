/*
 * The writer: puts batches into segments.
 *
 * Happy path of one batch:
 *   1. Is there no current segment, or is it full? Take a spare one, write its header (which
 *      seals the predecessor at its end) and sync.
 *   2. Cut off the part of the batch that fits, write it, sync; the segment's end moves on.
 *   3. Again, until the batch is written.
 *
 * When a write or sync fails, the segment is bad from then on: its end stays where the last
 * good sync left it, the next header states that end and thus voids what failed, and the batch
 * goes on, from its last durable record, in a fresh segment. A segment that failed before its
 * first batch is dropped altogether, and no generation is used twice.
 *
 * Private to this folder; sync thread, or the loop while the journal is opened.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/batch.h"
#include "store/io.h"
#include "store/segment.h"
#include "store/spares.h"

/* Spare segments that are kept ready. */
#define WRITER_SPARES 2u

struct writer {
    const struct journal_io *io;
    int dir; /* borrowed */
    uint64_t segment_bytes, max_bytes;
    uint8_t journal[16];
    uint32_t seed;
    struct segment_list used; /* by rising generation, the current one last */
    struct spares spares;
    int fd;              /* of the current segment, or -1 */
    uint64_t generation; /* the last one that was tried */
    uint64_t syncs;
    const char *failed_at; /* what failed, for the text; NULL if nothing did */
};

/* Facts that a batch carries beside its records. */
struct writer_facts {
    uint64_t synced; /* last birth known durable */
    uint64_t oldest; /* segments of lower generations are no longer needed */
};

/*
 * Write what CURSOR leaves of B, syncing each part; CURSOR follows what is durable. 0, or the
 * negative errno of what failed; then call again, later, with the same B and CURSOR.
 */
int writer_write(struct writer *w, struct batch *b, struct batch_cursor *cursor,
    const struct writer_facts *facts);

/* Make spares of the used segments below generation OLDEST. */
void writer_release(struct writer *w, uint64_t oldest);

/* Is there room for one more segment? */
bool writer_has_room(const struct writer *w);

/* Are there fewer spare segments than there should be, and room for one more? */
bool writer_wants_spare(const struct writer *w);

/*
 * How many more spare segments there are than the log is likely to need soon. A load that has made
 * it grow may come again, so they are not removed at once.
 */
uint64_t writer_surplus(const struct writer *w);

/* Remove one spare, if there is one. */
void writer_trim(struct writer *w);

/* Close the files and free the lists. */
void writer_done(struct writer *w);

#endif
