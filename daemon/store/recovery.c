#include "store/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/err.h"
#include "store/catalogue.h"
#include "store/crc32c.h"
#include "store/reader.h"
#include "store/scan.h"

#define WAY_OUT "restore the directory from a backup, or move it away to start empty"

struct recovery {
    struct writer *w;
    const char *dir;
    struct index *index;
    const struct fault *fault;
    struct catalogue files;
    struct catalogue_file *newest; /* in FILES; NULL if there is no sound header */
    struct catalogue_file **chain; /* newest first */
    size_t chain_length;
    uint64_t newest_end, oldest, last_birth;
    bool newest_clean; /* nothing stands behind newest_end */
    struct reader reader;
};

/* Word the failure to read FILE, with errno ERROR (0: the memory was short). */
static int read_failed(const struct recovery *r, const struct catalogue_file *file, int error)
{
    if (error == 0)
        return fault_set(
            r->fault, GANGER_ENOMEM, "%s: not enough memory to read the journal", r->dir);
    return fault_set(r->fault, fault_code(error), "%s/%s: cannot be read: %s", r->dir, file->name,
        strerror(error));
}

static int damaged_at(const struct recovery *r, const struct catalogue_file *file, uint64_t offset)
{
    return fault_set(r->fault, GANGER_ECORRUPT,
        "%s/%s: the record at offset %" PRIu64
        " is damaged, and it had been acknowledged; " WAY_OUT,
        r->dir, file->name, offset);
}

/* Refuse what is not ours; find the newest segment. */
static int find_newest(struct recovery *r)
{
    for (size_t i = 0; i < r->files.count; i++) {
        struct catalogue_file *f = &r->files.files[i];

        if (f->state == SEGMENT_FOREIGN)
            return fault_set(r->fault, GANGER_EFOREIGN,
                "%s/%s: not a segment of a Ganger journal; give the journal a directory of its own",
                r->dir, f->name);
        if (f->state == SEGMENT_NEWER)
            return fault_set(r->fault, GANGER_EFOREIGN,
                "%s/%s: written by a later version of Ganger; start that version again", r->dir,
                f->name);
        if (f->state == SEGMENT_SOUND &&
            (r->newest == NULL || f->header.generation > r->newest->header.generation))
            r->newest = f;
    }
    return 0;
}

/* All segments must be of one journal, and no two of one generation. */
static int check_family(const struct recovery *r)
{
    const struct catalogue_file *seen = NULL;

    for (size_t i = 0; i < r->files.count; i++) {
        const struct catalogue_file *f = &r->files.files[i];

        if (f->state != SEGMENT_SOUND)
            continue;
        if (memcmp(f->header.journal, r->newest->header.journal, sizeof f->header.journal) != 0)
            return fault_set(r->fault, GANGER_EFOREIGN,
                "%s/%s: belongs to another journal than %s; move the one away that was put there",
                r->dir, f->name, r->newest->name);
        if (f != r->newest && f->header.generation == r->newest->header.generation)
            seen = f;
    }
    if (seen != NULL)
        return fault_set(r->fault, GANGER_ECORRUPT,
            "%s/%s: is a copy of %s; move the one away that was put there", r->dir, seen->name,
            r->newest->name);
    return 0;
}

/* Make what was read of the newest segment durable before anybody builds on it. */
static int sync_newest(struct recovery *r)
{
    int rc = r->w->io->sync(r->w->io->ctx, r->reader.fd);

    if (rc < 0)
        return fault_set(r->fault, fault_code(-rc), "%s/%s: cannot be synced: %s", r->dir,
            r->newest->name, strerror(-rc));
    /*
     * After a failed sync the kernel may hold pages that it calls clean and that never reached
     * the disk. Dropping them makes us read what is really there.
     */
    (void)posix_fadvise(r->reader.fd, 0, 0, POSIX_FADV_DONTNEED);
    return 0;
}

static int read_newest(struct recovery *r)
{
    const struct catalogue_file *f = r->newest;
    struct scan scan;
    int error, rc = reader_open(&r->reader, f->id);

    if (rc < 0)
        return read_failed(r, f, -rc);
    if (f->bytes < f->header.bytes)
        return fault_set(r->fault, GANGER_ECORRUPT,
            "%s/%s: ends at %" PRIu64 " but was made with %" PRIu64 " bytes; " WAY_OUT, r->dir,
            f->name, f->bytes, f->header.bytes);
    rc = sync_newest(r);
    if (rc < 0)
        return rc;
    rc = scan_records(
        &r->reader, f->header.generation, f->header.bytes, r->w->seed, NULL, &scan, &error);
    if (rc < 0)
        return read_failed(r, f, error);
    rc = scan.stopped ? scan_proof(&r->reader, scan.end, f->header.generation, false, r->w->seed)
                      : 0;
    if (rc < 0)
        return read_failed(r, f, -rc);
    if (rc > 0)
        return damaged_at(r, f, scan.end);
    rc = scan_remains(&r->reader, scan.end, f->header.generation);
    if (rc < 0)
        return read_failed(r, f, -rc);
    r->newest_clean = rc == 0;
    r->newest_end = scan.end;
    r->oldest = scan.oldest > f->header.oldest ? scan.oldest : f->header.oldest;
    r->last_birth = scan.last_birth;
    return 0;
}

static struct catalogue_file *find_generation(const struct recovery *r, uint64_t generation)
{
    for (size_t i = 0; i < r->files.count; i++) {
        struct catalogue_file *f = &r->files.files[i];

        if (f->state == SEGMENT_SOUND && f->header.generation == generation)
            return f;
    }
    return NULL;
}

/* Collect the segments that the log still needs, newest first. */
static int walk_chain(struct recovery *r)
{
    struct catalogue_file *f = r->newest;

    r->chain = calloc(r->files.count, sizeof(struct catalogue_file *));
    if (r->chain == NULL)
        return read_failed(r, f, 0);
    for (;;) {
        uint64_t before = f->header.pred_generation;

        f->needed = true;
        r->chain[r->chain_length++] = f;
        if (before == 0 || before < r->oldest)
            return 0;
        f = before < f->header.generation ? find_generation(r, before) : NULL;
        if (f == NULL)
            return fault_set(r->fault, GANGER_ECORRUPT,
                "%s: the segment of generation %" PRIu64
                " is missing or its header is damaged (%s names it); " WAY_OUT,
                r->dir, before, r->chain[r->chain_length - 1]->name);
    }
}

/* Move segment I of the chain into the writer's list and index its records. */
static int adopt(struct recovery *r, size_t i)
{
    const struct catalogue_file *f = r->chain[i];
    uint64_t end = i == 0 ? r->newest_end : r->chain[i - 1]->header.pred_end;
    struct segment *segment;
    struct scan scan;
    int error, rc;

    if (f->bytes < end || end < SEGMENT_HEADER_BYTES)
        return damaged_at(r, f, f->bytes);
    rc = reader_open(&r->reader, f->id);
    if (rc < 0)
        return read_failed(r, f, -rc);
    if (index_add_segment(r->index, f->id, end) < 0)
        return read_failed(r, f, 0);
    rc = scan_records(&r->reader, f->header.generation, end, r->w->seed, r->index, &scan, &error);
    if (rc < 0)
        return read_failed(r, f, error);
    if (scan.end != end)
        return damaged_at(r, f, scan.end);
    if (scan.last_birth > r->last_birth)
        r->last_birth = scan.last_birth;
    segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return read_failed(r, f, 0);
    segment->id = f->id;
    segment->bytes = f->bytes;
    segment->generation = f->header.generation;
    segment->end = end;
    segment->found = true;
    segment_list_append(&r->w->used, segment);
    return 0;
}

/* A file without a sound header must not hold batches that came after the newest segment. */
static int check_headless(struct recovery *r, const struct catalogue_file *f)
{
    int rc = reader_open(&r->reader, f->id);
    bool empty;

    if (rc < 0)
        return read_failed(r, f, -rc);
    if (r->newest == NULL) {
        rc = scan_is_zero(&r->reader, SEGMENT_HEADER_BYTES);
        empty = rc == 1;
    } else {
        rc = scan_proof(
            &r->reader, SEGMENT_HEADER_BYTES, r->newest->header.generation, true, r->w->seed);
        empty = rc == 0;
    }
    if (rc < 0)
        return read_failed(r, f, -rc);
    if (empty)
        return 0;
    return fault_set(r->fault, GANGER_ECORRUPT,
        "%s/%s: the header at offset 0 is damaged, and acknowledged records follow it; " WAY_OUT,
        r->dir, f->name);
}

/* Make a spare of a file that the log does not need, or remove it. */
static int settle_rest(struct recovery *r, const struct catalogue_file *f)
{
    struct writer *w = r->w;
    struct segment *segment;
    int rc = f->state == SEGMENT_SOUND ? 0 : check_headless(r, f);

    if (rc < 0)
        return rc;
    if (f->bytes != w->segment_bytes || !writer_has_room(w) || writer_surplus(w) > 0) {
        (void)w->io->unlink(w->io->ctx, w->dir, f->name);
        return 0;
    }
    segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return read_failed(r, f, 0);
    segment->id = f->id;
    segment->bytes = f->bytes;
    spares_give(&w->spares, segment, f->state == SEGMENT_BLANK);
    return 0;
}

/* Take the id of the newest segment, or make one for a new journal. */
static int take_identity(struct recovery *r)
{
    struct writer *w = r->w;

    if (r->newest != NULL) {
        memcpy(w->journal, r->newest->header.journal, sizeof w->journal);
        w->generation = r->newest->header.generation;
        r->last_birth = r->newest->header.first_birth - 1;
    } else if (getrandom(w->journal, sizeof w->journal, 0) != (ssize_t)sizeof w->journal) {
        return fault_set(r->fault, GANGER_EIO, "%s: no random bytes for a new journal", r->dir);
    }
    w->seed = crc32c(0, w->journal, sizeof w->journal);
    return 0;
}

/*
 * Make the newest segment the current one again, if it can be written on. A newer one that was
 * removed must not come back: it would void what is written from now on.
 */
static int take_up_newest(struct recovery *r)
{
    struct writer *w = r->w;
    int rc = w->io->sync_dir(w->io->ctx, w->dir);

    if (rc < 0)
        return fault_set(
            r->fault, GANGER_EIO, "%s: the directory cannot be synced: %s", r->dir, strerror(-rc));
    if (!r->newest_clean || r->newest->bytes != w->segment_bytes)
        return 0;
    w->fd = w->io->open(w->io->ctx, w->dir, r->newest->name, O_WRONLY);
    return w->fd < 0 ? read_failed(r, r->newest, -w->fd) : 0;
}

static int recover(struct recovery *r)
{
    int rc = find_newest(r);

    if (rc == 0 && r->newest != NULL)
        rc = check_family(r);
    if (rc == 0)
        rc = take_identity(r);
    if (rc == 0 && r->newest != NULL) {
        uint64_t header_birth = r->last_birth;

        rc = read_newest(r);
        if (r->last_birth < header_birth)
            r->last_birth = header_birth;
    }
    if (rc == 0 && r->newest != NULL)
        rc = walk_chain(r);
    for (size_t i = r->chain_length; i > 0 && rc == 0; i--)
        rc = adopt(r, i - 1);
    for (size_t i = 0; i < r->files.count && rc == 0; i++) {
        if (!r->files.files[i].needed)
            rc = settle_rest(r, &r->files.files[i]);
    }
    if (rc == 0 && r->newest != NULL)
        rc = take_up_newest(r);
    r->w->spares.next_id = r->files.next_id;
    return rc;
}

int recovery_run(struct writer *w, const char *dir_name, struct index *index,
    uint64_t *ret_last_birth, const struct fault *fault)
{
    struct recovery r = { .w = w, .dir = dir_name, .index = index, .fault = fault };
    int rc;

    reader_init(&r.reader, w->io, w->dir, READER_WINDOW);
    rc = catalogue_read(&r.files, w->io, w->dir, dir_name, fault);
    if (rc == 0)
        rc = recover(&r);
    if (rc == 0)
        *ret_last_birth = r.last_birth;
    reader_done(&r.reader);
    catalogue_done(&r.files);
    free(r.chain);
    return rc;
}
