/*
 * Spare segments: files that are ready to become the current one.
 *
 * A spare is made by reserving its blocks: that takes a millisecond, and a full disk is noticed
 * then. But each block that is written for the first time costs the sync more: the file system
 * has to note that it holds data now. So when the disk is idle, zeros are written to the spares
 * that never were. A segment that comes back from the log is as good as that, and is used first.
 *
 * Measured (ext4, virtio): a sync of 6 KB 155 us into written blocks, 226 into reserved ones; 140
 * KB 252 and 346. To write 16 MiB of zeros in steps of half a MiB: 27 ms, in the way of all
 * batches.
 *
 * Private to this folder; sync thread, or the loop while the journal is opened.
 */
#ifndef STORE_SPARES_H
#define STORE_SPARES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/io.h"
#include "store/segment.h"

struct spares {
    const struct journal_io *io;
    int dir; /* borrowed */
    uint64_t segment_bytes;
    uint32_t next_id;         /* for the name of the next new file */
    struct segment_list list; /* those that are all written before those that are raw */
    uint64_t raw;             /* how many of them are */
    bool no_reserve;          /* this file system cannot: a new file is filled with zeros at once */

    /* What is being filled. */
    int fd;                 /* -1: nothing */
    struct segment *filled; /* in the list; NULL: a new file, which has no name yet ... */
    uint32_t id;            /* ... but this id */
    uint64_t offset;
};

/* Of the directory DIR, whose other files have ids below NEXT_ID. Allocates nothing. */
void spares_init(struct spares *s, const struct journal_io *io, int dir, uint64_t segment_bytes);

/* Close what is being filled, and free the list. The files stay, but for one without a name. */
void spares_done(struct spares *s);

/*
 * Take the making of a new spare one bounded step further. 1 when it became ready, 0 when more
 * steps are needed, or a negative errno; then nothing is left of it.
 */
int spares_make(struct spares *s);

/* Are there spares that have never been written? */
bool spares_want_zeros(const struct spares *s);

/*
 * Write the next zeros to one of those. 0, or a negative errno: then it is gone, for what the
 * kernel failed to write once it may call written the next time.
 */
int spares_fill(struct spares *s);

/* One of them, the caller's from now on, or NULL. */
struct segment *spares_take(struct spares *s);

/* SEGMENT, of the right size, is a spare from now on; RAW: it may never have been written. */
void spares_give(struct spares *s, struct segment *segment, bool raw);

/* Remove the file of SEGMENT, which is in no list, and free it. */
void spares_remove_file(const struct spares *s, struct segment *segment);

#endif
