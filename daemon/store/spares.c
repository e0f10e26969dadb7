#include "store/spares.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "proto/assert.h"

#define FILL_BYTES  (512u * 1024) /* of zeros in one step */
#define ZEROS_BYTES (128u * 1024)
#define ZEROS_IOV   (FILL_BYTES / ZEROS_BYTES)

static uint8_t zeros[ZEROS_BYTES]; /* never written */

void spares_init(struct spares *s, const struct journal_io *io, int dir, uint64_t segment_bytes)
{
    *s = (struct spares){ .io = io, .dir = dir, .segment_bytes = segment_bytes, .fd = -1 };
}

static void fill_stop(struct spares *s)
{
    if (s->fd >= 0)
        (void)s->io->close(s->io->ctx, s->fd);
    s->fd = -1;
    s->filled = NULL;
}

/* Leave nothing of the new file. */
static void new_drop(struct spares *s)
{
    char name[SEGMENT_NAME_BYTES];

    segment_name(s->id, true, name);
    fill_stop(s);
    (void)s->io->unlink(s->io->ctx, s->dir, name);
}

static bool new_is_under_way(const struct spares *s)
{
    return s->fd >= 0 && s->filled == NULL;
}

static int new_open(struct spares *s)
{
    char name[SEGMENT_NAME_BYTES];
    int fd;

    fill_stop(s);
    if (s->next_id > SEGMENT_ID_MAX)
        return -ENOSPC;
    segment_name(s->next_id, true, name);
    fd = s->io->open(s->io->ctx, s->dir, name, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0)
        return fd;
    s->fd = fd;
    s->id = s->next_id++;
    s->offset = 0;
    return 0;
}

/* Write and sync the next zeros. */
static int fill_step(struct spares *s)
{
    struct iovec iov[ZEROS_IOV];
    uint64_t left = s->segment_bytes - s->offset;
    uint64_t step = left < FILL_BYTES ? left : FILL_BYTES;
    uint64_t sum = 0;
    int n = 0, rc;

    for (; sum < step; n++) {
        size_t bytes = step - sum < ZEROS_BYTES ? (size_t)(step - sum) : ZEROS_BYTES;

        iov[n] = (struct iovec){ .iov_base = zeros, .iov_len = bytes };
        sum += bytes;
    }
    rc = io_write_all(s->io, s->fd, iov, n, s->offset);
    if (rc < 0)
        return rc;
    s->offset += step;
    return s->io->sync(s->io->ctx, s->fd);
}

/* Its blocks are on disk or reserved: give the new file its name and make it a spare. */
static int new_finish(struct spares *s, bool raw)
{
    char from[SEGMENT_NAME_BYTES], to[SEGMENT_NAME_BYTES];
    struct segment *segment = calloc(1, sizeof *segment);
    int rc;

    if (segment == NULL)
        return -ENOMEM;
    segment_name(s->id, true, from);
    segment_name(s->id, false, to);
    rc = s->io->rename(s->io->ctx, s->dir, from, to);
    if (rc == 0) {
        rc = s->io->sync_dir(s->io->ctx, s->dir);
        if (rc < 0)
            (void)s->io->unlink(s->io->ctx, s->dir, to);
    }
    if (rc < 0) {
        free(segment);
        return rc;
    }
    fill_stop(s);
    segment->id = s->id;
    segment->bytes = s->segment_bytes;
    spares_give(s, segment, raw);
    return 1;
}

/* Reserve the blocks of the new file. 1, or 0 if this file system does not do that. */
static int new_reserve(struct spares *s)
{
    int rc = s->io->reserve(s->io->ctx, s->fd, s->segment_bytes);

    if (rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EINVAL) {
        s->no_reserve = true;
        return 0;
    }
    if (rc == 0)
        rc = s->io->sync(s->io->ctx, s->fd);
    return rc < 0 ? rc : new_finish(s, true);
}

static int new_step(struct spares *s)
{
    int rc;

    if (!s->no_reserve)
        return new_reserve(s);
    rc = fill_step(s);
    return rc == 0 && s->offset == s->segment_bytes ? new_finish(s, false) : rc;
}

int spares_make(struct spares *s)
{
    int rc = 0;

    if (!new_is_under_way(s))
        rc = new_open(s);
    if (rc < 0)
        return rc;
    rc = new_step(s);
    if (rc < 0)
        new_drop(s);
    return rc;
}

bool spares_want_zeros(const struct spares *s)
{
    return s->raw > 0 && !new_is_under_way(s);
}

static int fill_open(struct spares *s)
{
    struct segment *segment = s->list.first;
    char name[SEGMENT_NAME_BYTES];
    int fd;

    while (!segment->raw)
        segment = segment->next;
    segment_name(segment->id, false, name);
    fd = s->io->open(s->io->ctx, s->dir, name, O_WRONLY);
    s->filled = segment;
    s->offset = 0;
    if (fd < 0)
        return fd;
    s->fd = fd;
    return 0;
}

int spares_fill(struct spares *s)
{
    struct segment *segment;
    int rc = 0;

    GANGER_ASSERT(spares_want_zeros(s));
    if (s->fd < 0)
        rc = fill_open(s);
    segment = s->filled;
    if (rc == 0)
        rc = fill_step(s);
    if (rc == 0 && s->offset < s->segment_bytes)
        return 0;
    fill_stop(s);
    segment_list_remove(&s->list, segment);
    s->raw--;
    if (rc == 0)
        spares_give(s, segment, false);
    else
        spares_remove_file(s, segment);
    return rc;
}

struct segment *spares_take(struct spares *s)
{
    struct segment *segment = segment_list_shift(&s->list);

    if (segment == NULL)
        return NULL;
    if (segment == s->filled)
        fill_stop(s);
    s->raw -= segment->raw;
    segment->raw = false;
    return segment;
}

void spares_give(struct spares *s, struct segment *segment, bool raw)
{
    segment->generation = 0;
    segment->end = 0;
    segment->found = false;
    segment->raw = raw;
    s->raw += raw;
    if (raw)
        segment_list_append(&s->list, segment);
    else
        segment_list_prepend(&s->list, segment);
}

void spares_remove_file(const struct spares *s, struct segment *segment)
{
    char name[SEGMENT_NAME_BYTES];

    segment_name(segment->id, false, name);
    (void)s->io->unlink(s->io->ctx, s->dir, name);
    free(segment);
}

void spares_done(struct spares *s)
{
    if (new_is_under_way(s))
        new_drop(s);
    fill_stop(s);
    segment_list_free(&s->list);
}
