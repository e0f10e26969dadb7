/*
 * Fuzz the opening and the replay of a journal.
 *
 * The first byte chooses: the input is the segment file as it is, or it says which records
 * stand there, with sums that are right, so that what comes after the sums is reached as well.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/assert.h"
#include "proto/err.h"
#include "store/crc32c.h"
#include "store/io.h"
#include "store/journal.h"
#include "store/record.h"
#include "store/segment.h"
#include "store/store.h"

#define FILE_BYTES SEGMENT_BYTES_MIN

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/fuzz-record-XXXXXX";
static struct journal_io io;

static int sync_nothing(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
    return 0;
}

static void remove_dir(void)
{
    char path[64];

    for (unsigned id = 1; id < 64; id++) {
        (void)snprintf(path, sizeof path, "%s/segment-%08u", dir, id);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof path, "%s/lock", dir);
    (void)unlink(path);
    (void)rmdir(dir);
}

static void prepare(void)
{
    if (io.open != NULL)
        return;
    io = io_real;
    io.sync = sync_nothing;
    io.sync_dir = sync_nothing;
    GANGER_ASSERT(mkdtemp(dir) != NULL);
    (void)atexit(remove_dir);
}

static void put_file(unsigned id, const uint8_t *file)
{
    char path[64];
    int fd;

    (void)snprintf(path, sizeof path, "%s/segment-%08u", dir, id);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    GANGER_ASSERT(fd >= 0 && write(fd, file, FILE_BYTES) == (ssize_t)FILE_BYTES);
    (void)close(fd);
}

/* Write the record that the four bytes at IN ask for to AT, all zero; returns its bytes. */
static size_t make_record(uint8_t *at, const uint8_t *in, uint32_t seed)
{
    struct record_head head = { .kind = in[0] % 4, .birth = 1 + in[1] % 16, .key = in[1] };
    struct record_batch batch = { .first_birth = in[1], .synced = in[2], .generation = 1 };

    if (head.kind == 0) {
        batch.oldest = in[3] % 4;
        record_batch_put(at, &batch, seed);
        return RECORD_BATCH_BYTES;
    }
    head.length = in[2];
    if ((in[0] & 4) != 0 && head.length > RECORD_PIECE_BYTES)
        head.flags = RECORD_PIECE;
    record_head_put(at, &head);
    if (head.flags != 0)
        record_piece_put(at + STORE_HEAD_BYTES, in[3] % 64 * 8u, in[3] / 64 * 8u);
    record_seal(at, 1, seed);
    if ((in[0] & 128) != 0)
        at[in[3] % 48] ^= in[1];
    return record_bytes(head.length);
}

/* Make FILE a segment with a sound header, and records as the input asks for them. */
static void make_sound(uint8_t *file, const uint8_t *data, size_t size)
{
    static const struct segment_header header = {
        .generation = 1, .bytes = FILE_BYTES, .first_birth = 1
    };
    uint32_t seed = crc32c(0, header.journal, sizeof header.journal);
    size_t at = SEGMENT_HEADER_BYTES;

    segment_header_put(file, &header);
    for (; size >= 4 && at + 512 <= FILE_BYTES; data += 4, size -= 4)
        at += make_record(file + at, data, seed);
}

static int visit(void *ctx, const struct store_record *r)
{
    uint64_t *last = ctx;
    unsigned sum = 0;

    GANGER_ASSERT(r->birth > *last || (r->birth == 0 && *last == 0));
    *last = r->birth;
    for (size_t i = 0; i < r->data_bytes; i++)
        sum += ((const uint8_t *)r->data)[i];
    return sum == UINT32_MAX ? 1 : 0;
}

static bool never_live(void *ctx, uint8_t kind, uint64_t key, uint64_t birth)
{
    (void)ctx;
    (void)kind;
    (void)key;
    (void)birth;
    return false;
}

static void never_called(void *ctx)
{
    (void)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[FILE_BYTES];
    struct store_config config = { .dir = dir,
        .segment_bytes = FILE_BYTES,
        .max_bytes = 16 * FILE_BYTES,
        .owner = { .live = never_live, .notify = never_called } };
    struct store *s = NULL;
    char err[256] = "";
    uint64_t last = 0;
    int rc;

    if (size == 0)
        return 0;
    prepare();
    memset(file, 0, sizeof file);
    if (data[0] % 2 == 0)
        memcpy(file, data + 1, size - 1 < FILE_BYTES ? size - 1 : FILE_BYTES);
    else
        make_sound(file, data + 1, size - 1);
    put_file(1, file);
    rc = journal_open_on(&config, &io, &s, err, sizeof err);
    GANGER_ASSERT(rc == 0 || rc == GANGER_ECORRUPT || rc == GANGER_EFOREIGN);
    GANGER_ASSERT((rc == 0) == (err[0] == '\0'));
    if (rc == 0) {
        rc = store_replay(s, visit, &last);
        GANGER_ASSERT(rc == 0 || rc == GANGER_EIO);
    }
    store_close(s);
    return 0;
}
