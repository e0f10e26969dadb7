#include "store/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "proto/assert.h"

#define PREPARE_BYTES (512u * 1024) /* of zeros in one step */
#define ZEROS_BYTES   (128u * 1024)
#define ZEROS_IOV     (PREPARE_BYTES / ZEROS_BYTES)

static uint8_t zeros[ZEROS_BYTES]; /* never written */

static int writer_failed(struct writer *w, const char *where, int rc)
{
    w->failed_at = where;
    return rc;
}

static void fresh_drop(struct writer *w)
{
    char name[SEGMENT_NAME_BYTES];

    segment_name(w->fresh.id, true, name);
    (void)w->io->close(w->io->ctx, w->fresh.fd);
    (void)w->io->unlink(w->io->ctx, w->dir, name);
    w->fresh.fd = -1;
}

static int fresh_open(struct writer *w)
{
    char name[SEGMENT_NAME_BYTES];
    int fd;

    if (w->next_id > SEGMENT_ID_MAX)
        return -ENOSPC;
    segment_name(w->next_id, true, name);
    fd = w->io->open(w->io->ctx, w->dir, name, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0)
        return fd;
    w->fresh = (struct writer_new){ .fd = fd, .id = w->next_id++ };
    return 0;
}

/* Write and sync the next zeros. */
static int fresh_fill(struct writer *w)
{
    struct iovec iov[ZEROS_IOV];
    uint64_t left = w->segment_bytes - w->fresh.offset;
    uint64_t step = left < PREPARE_BYTES ? left : PREPARE_BYTES;
    uint64_t sum = 0;
    int n = 0, rc;

    for (; sum < step; n++) {
        size_t bytes = step - sum < ZEROS_BYTES ? (size_t)(step - sum) : ZEROS_BYTES;

        iov[n] = (struct iovec){ .iov_base = zeros, .iov_len = bytes };
        sum += bytes;
    }
    rc = io_write_all(w->io, w->fresh.fd, iov, n, w->fresh.offset);
    if (rc < 0)
        return rc;
    w->fresh.offset += step;
    return w->io->sync(w->io->ctx, w->fresh.fd);
}

/* The zeros are on disk: give the file its name and make it a spare. */
static int fresh_finish(struct writer *w)
{
    char from[SEGMENT_NAME_BYTES], to[SEGMENT_NAME_BYTES];
    struct segment *segment = calloc(1, sizeof *segment);
    int rc;

    if (segment == NULL)
        return -ENOMEM;
    segment_name(w->fresh.id, true, from);
    segment_name(w->fresh.id, false, to);
    rc = w->io->rename(w->io->ctx, w->dir, from, to);
    if (rc == 0)
        rc = w->io->sync_dir(w->io->ctx, w->dir);
    if (rc < 0) {
        free(segment);
        return rc;
    }
    (void)w->io->close(w->io->ctx, w->fresh.fd);
    w->fresh.fd = -1;
    segment->id = w->fresh.id;
    segment->bytes = w->segment_bytes;
    segment_list_append(&w->spare, segment);
    return 0;
}

static bool writer_has_room(const struct writer *w)
{
    return w->used.bytes + w->spare.bytes + w->segment_bytes <= w->max_bytes;
}

bool writer_wants_spare(const struct writer *w)
{
    return w->spare.count < WRITER_SPARES && writer_has_room(w);
}

int writer_prepare(struct writer *w)
{
    int rc;

    if (w->fresh.fd < 0)
        return fresh_open(w);
    rc = fresh_fill(w);
    if (rc == 0 && w->fresh.offset == w->segment_bytes) {
        rc = fresh_finish(w);
        if (rc == 0)
            return 1;
    }
    if (rc < 0)
        fresh_drop(w);
    return rc;
}

/* Remove the file of SEGMENT, which is in no list, and free it. */
static void segment_drop(struct writer *w, struct segment *segment)
{
    char name[SEGMENT_NAME_BYTES];

    segment_name(segment->id, false, name);
    (void)w->io->unlink(w->io->ctx, w->dir, name);
    free(segment);
}

void writer_release(struct writer *w, uint64_t oldest)
{
    while (w->used.first != NULL && w->used.first->generation < oldest) {
        struct segment *segment = segment_list_shift(&w->used);

        if (segment->bad || segment->bytes != w->segment_bytes ||
            w->spare.count > w->used.count / 2 + WRITER_SPARES) {
            segment_drop(w, segment);
            continue;
        }
        segment->generation = 0;
        segment->end = 0;
        segment_list_append(&w->spare, segment);
    }
}

/* Take a spare segment, making one if there is none. */
static int spare_take(struct writer *w, struct segment **ret_segment)
{
    while (w->spare.first == NULL) {
        int rc;

        if (!writer_has_room(w))
            return -EDQUOT;
        rc = writer_prepare(w);
        if (rc < 0)
            return rc;
    }
    *ret_segment = segment_list_shift(&w->spare);
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
        segment_drop(w, segment);
        return writer_failed(w, "opening a segment", fd);
    }
    segment->generation = ++w->generation;
    segment->end = SEGMENT_HEADER_BYTES;
    rc = header_write(w, segment, fd, facts);
    if (rc < 0) {
        (void)w->io->close(w->io->ctx, fd);
        segment_drop(w, segment);
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
        segment_drop(w, segment);
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
    if (w->fresh.fd >= 0)
        fresh_drop(w);
    if (w->fd >= 0)
        (void)w->io->close(w->io->ctx, w->fd);
    w->fd = -1;
    segment_list_free(&w->used);
    segment_list_free(&w->spare);
}
