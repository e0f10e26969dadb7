/*
 * What the journal's tests share: a directory of their own, an owner that takes notes, and the disk
 * of journal_disk.h.
 */
#ifndef SUPPORT_JOURNAL_RIG_H
#define SUPPORT_JOURNAL_RIG_H

#include "tests/support/journal_disk.h"

#include <inttypes.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "proto/err.h"
#include "store/journal.h"
#include "store/store.h"

/* The test's side of a store. */
struct rig {
    char dir[128];
    struct rig_disk disk;
    struct store *store;
    struct store_config config;
    int wake;
    uint64_t synced, failed_first, failed_last;
    unsigned failures;
    int failed_code;
    char err[512];
};

/* A seed from the environment (SEED=n), or a new one; printed either way. */
static RIG_UNUSED uint64_t rig_seed(void)
{
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 1000003u;

    (void)printf("SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* --- the owner --- */

static RIG_UNUSED bool rig_live(void *ctx, uint8_t kind, uint64_t key, uint64_t birth)
{
    (void)ctx;
    (void)key;
    (void)birth;
    return kind == 1;
}

static void rig_synced(void *ctx, uint64_t last_birth)
{
    struct rig *rig = ctx;

    assert_true(last_birth > rig->synced);
    rig->synced = last_birth;
}

static void rig_failed(void *ctx, uint64_t first, uint64_t last, int code, const char *text)
{
    struct rig *rig = ctx;

    assert_true(first > rig->synced && first <= last && text[0] != '\0');
    rig->failures++;
    rig->failed_first = first;
    rig->failed_last = last;
    rig->failed_code = code;
}

static void rig_notify(void *ctx)
{
    uint64_t one = 1;

    assert_int_equal(write(((struct rig *)ctx)->wake, &one, sizeof one), sizeof one);
}

/* --- the rig --- */

static void rig_remove(const char *dir)
{
    DIR *stream = opendir(dir);
    const struct dirent *entry;

    while (stream != NULL && (entry = readdir(stream)) != NULL)
        (void)unlinkat(dirfd(stream), entry->d_name, 0);
    if (stream != NULL)
        (void)closedir(stream);
    (void)rmdir(dir);
}

/* Make a directory and a disk; opens nothing. */
static RIG_UNUSED void rig_init(struct rig *rig)
{
    const char *tmp = getenv("TMPDIR");

    memset(rig, 0, sizeof *rig);
    (void)snprintf(
        rig->dir, sizeof rig->dir, "%.80s/journal-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(rig->dir));
    rig->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(rig->wake >= 0);
    assert_int_equal(pthread_mutex_init(&rig->disk.mutex, NULL), 0);
    rig->disk.dir = open(rig->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(rig->disk.dir >= 0);
    rig->disk.random = 1;
    rig->disk.io = (struct journal_io){ .ctx = &rig->disk,
        .open = disk_open,
        .close = disk_close,
        .pread = disk_pread,
        .pwritev = disk_pwritev,
        .reserve = disk_reserve,
        .sync = disk_sync,
        .sync_dir = disk_sync_dir,
        .rename = disk_rename,
        .unlink = disk_unlink,
        .backoff_min_ms = 1,
        .backoff_max_ms = 4,
        /* Never; else syncs come that a test which counts them does not expect. */
        .idle_ms = 3600000,
        /* However slow the machine is. */
        .stand_in_ms = 20,
        .slow_us = UINT32_MAX,
        .trim_ms = 3600000,
        .chunk_bytes = 12000 };
    rig->config = (struct store_config){ .dir = rig->dir,
        .segment_bytes = 65536,
        .max_bytes = 64 * 65536,
        .owner = { .ctx = rig,
            .live = rig_live,
            .synced = rig_synced,
            .failed = rig_failed,
            .notify = rig_notify } };
}

static RIG_UNUSED int rig_open(struct rig *rig)
{
    int rc = journal_open_on(&rig->config, &rig->disk.io, &rig->store, rig->err, sizeof rig->err);

    if (rc == 0)
        rig->synced = store_synced(rig->store);
    return rc;
}

static RIG_UNUSED void rig_close(struct rig *rig)
{
    store_close(rig->store);
    rig->store = NULL;
}

static RIG_UNUSED void rig_done(struct rig *rig)
{
    rig_close(rig);
    for (int i = 0; i < RIG_FILES; i++)
        free(rig->disk.files[i].synced);
    (void)close(rig->disk.dir);
    (void)close(rig->wake);
    (void)pthread_mutex_destroy(&rig->disk.mutex);
    rig_remove(rig->dir);
}

/* Reserve and append in one go; returns the birth. */
static RIG_UNUSED uint64_t rig_append(
    struct rig *rig, uint8_t kind, uint64_t key, const void *data, size_t bytes)
{
    union {
        const void *in;
        void *out;
    } base = { .in = data };
    struct iovec iov = { .iov_base = base.out, .iov_len = bytes };

    assert_int_equal(store_reserve(rig->store, bytes, 1), 0);
    return store_append(rig->store, kind, key, &iov, 1);
}

/* Wait up to MS for a notification, then poll the store. */
static RIG_UNUSED void rig_turn(struct rig *rig, int ms)
{
    struct pollfd p = { .fd = rig->wake, .events = POLLIN };
    uint64_t count;

    store_flush(rig->store);
    if (poll(&p, 1, ms) > 0)
        assert_int_equal(read(rig->wake, &count, sizeof count), sizeof count);
    store_poll(rig->store);
}

/* Turn until BIRTH is durable. */
static RIG_UNUSED void rig_settle(struct rig *rig, uint64_t birth)
{
    for (int i = 0; i < 20000 && rig->synced < birth; i++)
        rig_turn(rig, 5);
    assert_true(rig->synced >= birth);
}

#endif
