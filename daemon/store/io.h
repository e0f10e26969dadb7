/*
 * The journal's way to the file system: a handful of calls behind pointers.
 *
 * Tests put another table in place, which fails, writes short, or forgets what was not synced.
 * Each call returns 0 or a count, or a negative errno. Private to this folder.
 */
#ifndef STORE_IO_H
#define STORE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct journal_io {
    void *ctx;
    /* Open NAME in the directory DIR; FLAGS as for open(2), O_CLOEXEC is added. */
    int (*open)(void *ctx, int dir, const char *name, int flags);
    int (*close)(void *ctx, int fd);
    ssize_t (*pread)(void *ctx, int fd, void *buf, size_t bytes, uint64_t offset);
    ssize_t (*pwritev)(void *ctx, int fd, const struct iovec *iov, int iovcnt, uint64_t offset);
    /* Make the file FD BYTES long, with blocks for all of it, that read as zeros. */
    int (*reserve)(void *ctx, int fd, uint64_t bytes);
    int (*sync)(void *ctx, int fd);      /* data and size */
    int (*sync_dir)(void *ctx, int dir); /* names */
    int (*rename)(void *ctx, int dir, const char *from, const char *to);
    int (*unlink)(void *ctx, int dir, const char *name);
    /* First and longest wait between two tries on a failing disk. */
    unsigned backoff_min_ms, backoff_max_ms;
    unsigned idle_ms; /* without a batch: then there is time for what can wait */
    /* How long the loop's thread waits for its own sync before the other one stands in for it. */
    unsigned stand_in_ms;
    unsigned slow_us; /* for a disk that takes longer on average the loop does not wait itself */
    unsigned trim_ms; /* between two looks at whether there are more spares than needed */
    /* How much reclaim reads at a time, as long as batches are not larger. */
    size_t chunk_bytes;
};

/* The real calls. */
extern const struct journal_io io_real;

/*
 * Write all of IOV (IOVCNT parts, changed meanwhile) at OFFSET, however short the writes are.
 * Returns 0 or a negative errno.
 */
int io_write_all(
    const struct journal_io *io, int fd, struct iovec *iov, int iovcnt, uint64_t offset);

/*
 * Read up to BYTES at OFFSET. Returns how many were there (less than BYTES only at the end of
 * the file), or a negative errno.
 */
ssize_t io_read_all(const struct journal_io *io, int fd, void *buf, size_t bytes, uint64_t offset);

#endif
