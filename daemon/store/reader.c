#include "store/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "store/segment.h"

void reader_init(struct reader *r, const struct journal_io *io, int dir, size_t window)
{
    *r = (struct reader){ .io = io, .dir = dir, .fd = -1, .window = window };
}

int reader_open(struct reader *r, uint32_t id)
{
    char name[SEGMENT_NAME_BYTES];
    int fd;

    if (r->fd >= 0 && r->id == id)
        return 0;
    segment_name(id, false, name);
    fd = r->io->open(r->io->ctx, r->dir, name, O_RDONLY);
    if (fd < 0)
        return fd;
    if (r->fd >= 0)
        (void)r->io->close(r->io->ctx, r->fd);
    r->fd = fd;
    r->id = id;
    r->bytes = 0;
    return 0;
}

/* Read the window anew from OFFSET on, at least WANT bytes of it. */
static int reader_load(struct reader *r, uint64_t offset, size_t want)
{
    size_t bytes = want < r->window ? r->window : want;
    ssize_t got;

    if (r->capacity < bytes) {
        uint8_t *buf = realloc(r->buf, bytes);

        if (buf == NULL)
            return -ENOMEM;
        r->buf = buf;
        r->capacity = bytes;
    }
    r->bytes = 0;
    got = io_read_all(r->io, r->fd, r->buf, bytes, offset);
    if (got < 0)
        return (int)got;
    r->start = offset;
    r->bytes = (size_t)got;
    return 0;
}

ssize_t reader_at(struct reader *r, uint64_t offset, size_t want, const uint8_t **ret_data)
{
    if (offset < r->start || offset + want > r->start + r->bytes) {
        int rc = reader_load(r, offset, want);

        if (rc < 0)
            return rc;
    }
    *ret_data = r->buf + (offset - r->start);
    if (r->start + r->bytes - offset < want)
        return (ssize_t)(r->start + r->bytes - offset);
    return (ssize_t)want;
}

void reader_done(struct reader *r)
{
    if (r->fd >= 0)
        (void)r->io->close(r->io->ctx, r->fd);
    free(r->buf);
    r->fd = -1;
    r->buf = NULL;
}
