#include "store/chunk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "proto/assert.h"
#include "store/bytes.h"

/* Make the buffer hold at least BYTES. */
static int chunk_reserve(struct chunk *c, size_t bytes)
{
    uint8_t *buf;

    if (c->capacity >= bytes)
        return 0;
    buf = realloc(c->buf, bytes);
    if (buf == NULL)
        return -ENOMEM;
    c->buf = buf;
    c->capacity = bytes;
    return 0;
}

/* Count the whole, sound records in the GOT bytes that were read. */
static size_t chunk_check(const struct chunk *c, size_t got, uint32_t seed)
{
    size_t at = 0;

    while (record_check(c->buf + at, got - at, (uint32_t)c->generation, seed))
        at += record_bytes(get_u32(c->buf + at + 4));
    return at;
}

/* Read up to WANT bytes, of LEFT that the segment still has, and check them. */
static int chunk_fill(struct chunk *c, const struct writer *w, int fd, size_t want, uint64_t left)
{
    ssize_t got;
    int rc = chunk_reserve(c, want);

    if (rc < 0)
        return rc;
    if (want > left)
        want = (size_t)left;
    got = io_read_all(w->io, fd, c->buf, want, c->offset);
    if (got < 0)
        return (int)got;
    c->bytes = chunk_check(c, (size_t)got, w->seed);
    c->last = c->bytes == left;
    return 0;
}

static int chunk_load(struct chunk *c, const struct writer *w, const struct segment *segment)
{
    char name[SEGMENT_NAME_BYTES];
    uint64_t left = segment->end - c->offset;
    int fd, rc;

    segment_name(segment->id, false, name);
    fd = w->io->open(w->io->ctx, w->dir, name, O_RDONLY);
    if (fd < 0)
        return fd;
    rc = chunk_fill(c, w, fd, c->want, left);
    if (rc == 0 && c->bytes == 0 && left > c->want &&
        record_plausible(c->buf, (uint32_t)c->generation))
        rc = chunk_fill(c, w, fd, record_bytes(get_u32(c->buf + 4)), left);
    if (rc == 0 && c->bytes == 0 && left > 0)
        rc = -EBADMSG;
    (void)w->io->close(w->io->ctx, fd);
    return rc;
}

void chunk_read(struct chunk *c, const struct writer *w)
{
    const struct segment *segment = w->used.first;

    while (segment != NULL && segment->generation < c->generation)
        segment = segment->next;
    c->bytes = 0;
    c->last = false;
    c->rc = 0;
    c->none = segment == NULL || segment == w->used.last;
    if (c->none)
        return;
    GANGER_ASSERT(c->offset <= segment->end);
    c->generation = segment->generation;
    c->rc = chunk_load(c, w, segment);
}

void chunk_done(struct chunk *c)
{
    free(c->buf);
    c->buf = NULL;
    c->capacity = 0;
}
