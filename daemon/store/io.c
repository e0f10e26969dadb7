#include "store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int negative_errno(int rc)
{
    return rc < 0 ? -errno : rc;
}

static int real_open(void *ctx, int dir, const char *name, int flags)
{
    (void)ctx;
    return negative_errno(openat(dir, name, flags | O_CLOEXEC, 0600));
}

static int real_close(void *ctx, int fd)
{
    (void)ctx;
    return negative_errno(close(fd));
}

static ssize_t real_pread(void *ctx, int fd, void *buf, size_t bytes, uint64_t offset)
{
    ssize_t n = pread(fd, buf, bytes, (off_t)offset);

    (void)ctx;
    return n < 0 ? -errno : n;
}

static ssize_t real_pwritev(void *ctx, int fd, const struct iovec *iov, int iovcnt, uint64_t offset)
{
    ssize_t n = pwritev(fd, iov, iovcnt, (off_t)offset);

    (void)ctx;
    return n < 0 ? -errno : n;
}

static int real_reserve(void *ctx, int fd, uint64_t bytes)
{
    int rc;

    (void)ctx;
    do
        rc = negative_errno(fallocate(fd, 0, 0, (off_t)bytes));
    while (rc == -EINTR);
    return rc;
}

static int real_sync(void *ctx, int fd)
{
    (void)ctx;
    return negative_errno(fdatasync(fd));
}

static int real_sync_dir(void *ctx, int dir)
{
    (void)ctx;
    return negative_errno(fsync(dir));
}

static int real_rename(void *ctx, int dir, const char *from, const char *to)
{
    (void)ctx;
    return negative_errno(renameat(dir, from, dir, to));
}

static int real_unlink(void *ctx, int dir, const char *name)
{
    (void)ctx;
    return negative_errno(unlinkat(dir, name, 0));
}

const struct journal_io io_real = {
    .open = real_open,
    .close = real_close,
    .pread = real_pread,
    .pwritev = real_pwritev,
    .reserve = real_reserve,
    .sync = real_sync,
    .sync_dir = real_sync_dir,
    .rename = real_rename,
    .unlink = real_unlink,
    .backoff_min_ms = 100,
    .backoff_max_ms = 2000,
    .idle_ms = 200,
    .stand_in_ms = 2,
    .slow_us = 500,
    .trim_ms = 60000,
    .chunk_bytes = (size_t)256 * 1024,
};

/* Take the first N bytes off IOV; returns how many parts are used up. */
static int iov_skip(struct iovec *iov, int iovcnt, size_t n)
{
    int done = 0;

    while (done < iovcnt && n >= iov[done].iov_len)
        n -= iov[done++].iov_len;
    if (done < iovcnt) {
        iov[done].iov_base = (char *)iov[done].iov_base + n;
        iov[done].iov_len -= n;
    }
    return done;
}

int io_write_all(
    const struct journal_io *io, int fd, struct iovec *iov, int iovcnt, uint64_t offset)
{
    while (iovcnt > 0) {
        ssize_t n = io->pwritev(io->ctx, fd, iov, iovcnt, offset);
        int done;

        if (n == -EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? -EIO : (int)n;
        offset += (uint64_t)n;
        done = iov_skip(iov, iovcnt, (size_t)n);
        iov += done;
        iovcnt -= done;
    }
    return 0;
}

ssize_t io_read_all(const struct journal_io *io, int fd, void *buf, size_t bytes, uint64_t offset)
{
    size_t got = 0;

    while (got < bytes) {
        ssize_t n = io->pread(io->ctx, fd, (char *)buf + got, bytes - got, offset + got);

        if (n == -EINTR)
            continue;
        if (n < 0)
            return n;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}
