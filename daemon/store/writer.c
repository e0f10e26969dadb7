#include "store/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "proto/assert.h"

static int writer_failed(struct writer *w, const char *where, int rc)
{
    w->failed_at = where;
    return rc;
}

bool writer_has_room(const struct writer *w)
{
    return w->used.bytes + w->spares.list.bytes + w->segment_bytes <= w->max_bytes;
}

bool writer_wants_spare(const struct writer *w)
{
    return w->spares.list.count < WRITER_SPARES && writer_has_room(w);
}

void writer_release(struct writer *w, uint64_t oldest)
{
    while (w->used.first != NULL && w->used.first->generation < oldest) {
        struct segment *segment = segment_list_shift(&w->used);

        if (segment->bad || segment->bytes != w->segment_bytes)
            spares_remove_file(&w->spares, segment);
        else
            spares_give(&w->spares, segment, false);
    }
}

uint64_t writer_surplus(const struct writer *w)
{
    uint64_t enough = w->used.count / 2 + WRITER_SPARES + 1;

    return w->spares.list.count > enough ? w->spares.list.count - enough : 0;
}

void writer_trim(struct writer *w)
{
    struct segment *segment = spares_take(&w->spares);

    if (segment != NULL)
        spares_remove_file(&w->spares, segment);
}

/* Take a spare segment, making one if there is none. */
static int spare_take(struct writer *w, struct segment **ret_segment)
{
    struct segment *segment;

    while ((segment = spares_take(&w->spares)) == NULL) {
        int rc;

        if (!writer_has_room(w))
            return -EDQUOT;
        rc = spares_make(&w->spares);
        if (rc < 0)
            return rc;
    }
    *ret_segment = segment;
    return 0;
}

/* Write and sync the header of SEGMENT, through FD. */
static int header_write(
    struct writer *w, struct segment *segment, int fd, const struct writer_facts *facts)
{
    uint8_t block[SEGMENT_HEADER_BYTES];
    struct iovec iov = { .iov_base = block, .iov_len = sizeof block };
    struct segment_header header = { .generation = segment->generation,
        .bytes = segment->bytes,
        .first_birth = facts->synced + 1,
        .oldest = facts->oldest };
    int rc;

    for (size_t i = 0; i < sizeof header.journal; i++)
        header.journal[i] = w->journal[i];
    if (w->used.last != NULL) {
        header.pred_generation = w->used.last->generation;
        header.pred_end = w->used.last->end;
    }
    segment_header_put(block, &header);
    rc = io_write_all(w->io, fd, &iov, 1, 0);
    if (rc < 0)
        return rc;
    w->syncs++;
    return w->io->sync(w->io->ctx, fd);
}

/* Make a spare segment the current one. */
static int writer_switch(struct writer *w, const struct writer_facts *facts)
{
    struct segment *segment = NULL;
    char name[SEGMENT_NAME_BYTES];
    int fd, rc;

    rc = spare_take(w, &segment);
    if (rc < 0)
        return writer_failed(w, "making a segment", rc);
    segment_name(segment->id, false, name);
    fd = w->io->open(w->io->ctx, w->dir, name, O_WRONLY);
    if (fd < 0) {
        spares_remove_file(&w->spares, segment);
        return writer_failed(w, "opening a segment", fd);
    }
    segment->generation = ++w->generation;
    segment->end = SEGMENT_HEADER_BYTES;
    rc = header_write(w, segment, fd, facts);
    if (rc < 0) {
        (void)w->io->close(w->io->ctx, fd);
        spares_remove_file(&w->spares, segment);
        return writer_failed(w, "writing the header of a segment", rc);
    }
    if (w->fd >= 0)
        (void)w->io->close(w->io->ctx, w->fd);
    w->fd = fd;
    segment_list_append(&w->used, segment);
    return 0;
}

/*
 * A write or sync of the current segment failed: nothing goes there any more. An empty one is
 * removed, lest each try leave one behind. But not one that recovery found: that what stands before
 * it is void is said by its header alone, and births were given out on the strength of that. What
 * our own header voids is the batch that we try to write, the same as it stands there.
 */
static void writer_abandon(struct writer *w)
{
    struct segment *segment = w->used.last;

    (void)w->io->close(w->io->ctx, w->fd);
    w->fd = -1;
    segment->bad = true;
    if (segment->end == SEGMENT_HEADER_BYTES && !segment->found) {
        segment_list_remove(&w->used, segment);
        spares_remove_file(&w->spares, segment);
    }
}

static int part_write(struct writer *w, struct batch_part *part)
{
    struct segment *segment = w->used.last;
    int rc = io_write_all(w->io, w->fd, part->iov, part->iovcnt, segment->end);

    if (rc < 0)
        return writer_failed(w, "writing a batch", rc);
    w->syncs++;
    rc = w->io->sync(w->io->ctx, w->fd);
    if (rc < 0)
        return writer_failed(w, "syncing a batch", rc);
    segment->end += part->bytes;
    return 0;
}

int writer_write(struct writer *w, struct batch *b, struct batch_cursor *cursor,
    const struct writer_facts *facts)
{
    struct batch_part part;

    w->failed_at = NULL;
    while (!batch_is_written(b, cursor)) {
        struct record_batch record = {
            .first_birth = b->first_birth, .synced = facts->synced, .oldest = facts->oldest
        };
        int rc;

        if (w->fd < 0 || w->used.last->bytes - w->used.last->end < BATCH_PART_MIN) {
            rc = writer_switch(w, facts);
            if (rc < 0)
                return rc;
        }
        record.generation = w->used.last->generation;
        batch_cut(
            b, cursor, (size_t)(w->used.last->bytes - w->used.last->end), &record, w->seed, &part);
        rc = part_write(w, &part);
        if (rc < 0) {
            writer_abandon(w);
            return rc;
        }
        *cursor = part.after;
    }
    return 0;
}

void writer_done(struct writer *w)
{
    if (w->fd >= 0)
        (void)w->io->close(w->io->ctx, w->fd);
    w->fd = -1;
    segment_list_free(&w->used);
    spares_done(&w->spares);
}
