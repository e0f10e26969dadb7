/*
 * The reader: bytes of one file through a window that moves. Private to this folder.
 */
#ifndef STORE_READER_H
#define STORE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "store/io.h"

/* For reading on and on: what is read stays in the cache of the CPU until it is looked at. */
#define READER_WINDOW ((size_t)256 * 1024)

struct reader {
    const struct journal_io *io;
    int dir;       /* borrowed */
    int fd;        /* -1: no file */
    uint32_t id;   /* of the segment that is open */
    size_t window; /* bytes to read at a time */
    uint8_t *buf;
    size_t capacity;
    uint64_t start; /* what BUF holds */
    size_t bytes;
};

/* Make R read WINDOW bytes at a time. */
void reader_init(struct reader *r, const struct journal_io *io, int dir, size_t window);

/* Turn to segment ID. 0 or a negative errno. */
int reader_open(struct reader *r, uint32_t id);

/*
 * Point DATA to WANT bytes at OFFSET, borrowed until the next call. Returns how many there are
 * (fewer only at the end of the file), or a negative errno.
 */
ssize_t reader_at(struct reader *r, uint64_t offset, size_t want, const uint8_t **ret_data);

/* Close the file and free the window. */
void reader_done(struct reader *r);

#endif
