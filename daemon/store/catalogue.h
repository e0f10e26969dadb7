/*
 * The catalogue: the segment files of a directory and their headers. Private to this folder.
 */
#ifndef STORE_CATALOGUE_H
#define STORE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/fault.h"
#include "store/io.h"
#include "store/segment.h"

struct catalogue_file {
    char name[SEGMENT_NAME_BYTES];
    uint32_t id;
    uint64_t bytes;
    enum segment_state state;
    struct segment_header header; /* if SEGMENT_SOUND */
    bool needed;                  /* for the caller: part of the log */
};

struct catalogue {
    struct catalogue_file *files;
    size_t count, capacity;
    uint32_t next_id; /* higher than any */
};

/*
 * Fill C (all zero) from the directory DIR; removes segments that were never finished. Files of
 * other names are left alone. GANGER_ECORRUPT: a segment is too short for a header.
 * GANGER_EIO, GANGER_EACCES, GANGER_ENOMEM. The caller frees C in each case.
 */
int catalogue_read(struct catalogue *c, const struct journal_io *io, int dir, const char *dir_name,
    const struct fault *fault);

void catalogue_done(struct catalogue *c);

/*
 * Open the directory NAME, made if missing (0700), and lock it against other processes. The
 * lock is held as long as LOCK is open. GANGER_EBUSY, GANGER_EACCES, GANGER_EIO.
 */
int directory_open(const char *name, int *ret_dir, int *ret_lock, const struct fault *fault);

#endif
