/*
 * A disk for tests that forgets, fails, is full or writes short when it is told to.
 *
 * It passes everything on to real files. Of each file it keeps the content as of the last sync; a
 * crash decides for each sector that changed since whether it reached the disk.
 */
#ifndef SUPPORT_JOURNAL_DISK_H
#define SUPPORT_JOURNAL_DISK_H

#include "tests/support/test_main.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/assert.h"
#include "store/io.h"
#include "store/segment.h"

#define RIG_UNUSED __attribute__((unused))
#define RIG_FILES  256
#define RIG_FDS    1024
#define RIG_SECTOR 512u

/* The content of a file as of its last sync. */
struct rig_file {
    char name[SEGMENT_NAME_BYTES];
    uint8_t *synced;
    size_t bytes;
    bool dirty;
    bool lost;    /* a sync failed: as on Linux, later ones succeed without the data */
    bool removed; /* unlinked, but the directory was not synced since */
};

struct rig_disk {
    struct journal_io io;
    pthread_mutex_t mutex;
    int dir;
    struct rig_file files[RIG_FILES];
    int fd_file[RIG_FDS];
    uint64_t random;
    /* Orders. */
    unsigned fail_writes, fail_syncs; /* how many of the next ones fail, with ERROR */
    unsigned skip_writes, skip_syncs; /* how many succeed before that */
    const char *sync_script;          /* or one letter a sync, the last one again: x fails */
    int error;
    bool full;       /* no new file, no growth */
    bool no_reserve; /* a file system that cannot */
    bool short_writes;
    bool dead;                  /* the machine is down: nothing has an effect any more */
    unsigned dies_in;           /* goes down after this many changes; 0: does not */
    void (*on_sync)(void *ctx); /* before each sync, in the thread that does it; or NULL */
    void *on_sync_ctx;
    /* Counts. */
    unsigned writes, syncs;
    unsigned lost_touched; /* writes and syncs of a file after a sync of it had failed */
};

static RIG_UNUSED uint64_t rig_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int disk_find(struct rig_disk *d, const char *name)
{
    int spot = -1;

    for (int i = 0; i < RIG_FILES; i++) {
        if (strcmp(d->files[i].name, name) == 0 && !d->files[i].removed)
            return i;
        if (d->files[i].name[0] == '\0' && spot < 0)
            spot = i;
    }
    assert_true(spot >= 0);
    (void)snprintf(d->files[spot].name, sizeof d->files[spot].name, "%s", name);
    return spot;
}

/* Does the script let this sync fail? Mutex held. */
static bool disk_script_fails(struct rig_disk *d)
{
    bool fails = d->sync_script != NULL && d->sync_script[0] == 'x';

    if (d->sync_script != NULL && d->sync_script[1] != '\0')
        d->sync_script++;
    return fails;
}

/* Take the present content of file I as synced. */
static void disk_keep(struct rig_disk *d, int i)
{
    struct rig_file *f = &d->files[i];
    int fd = openat(d->dir, f->name, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return;
    assert_int_equal(fstat(fd, &st), 0);
    f->synced = realloc(f->synced, (size_t)st.st_size + 1);
    assert_non_null(f->synced);
    assert_int_equal(pread(fd, f->synced, (size_t)st.st_size, 0), st.st_size);
    f->bytes = (size_t)st.st_size;
    f->dirty = false;
    (void)close(fd);
}

/* One change is about to happen: does the machine still run? Mutex held. */
static bool disk_runs(struct rig_disk *d)
{
    if (!d->dead && d->dies_in > 0 && --d->dies_in == 0)
        d->dead = true;
    return !d->dead;
}

static int disk_open(void *ctx, int dir, const char *name, int flags)
{
    struct rig_disk *d = ctx;
    int fd = -EIO;

    (void)pthread_mutex_lock(&d->mutex);
    if (d->full && (flags & O_CREAT) != 0)
        fd = -ENOSPC;
    else if ((flags & O_CREAT) == 0 || disk_runs(d))
        fd = io_real.open(NULL, dir, name, flags);
    if (fd >= 0) {
        assert_true(fd < RIG_FDS);
        d->fd_file[fd] = disk_find(d, name);
    }
    (void)pthread_mutex_unlock(&d->mutex);
    return fd;
}

static int disk_close(void *ctx, int fd)
{
    (void)ctx;
    return io_real.close(NULL, fd);
}

static ssize_t disk_pread(void *ctx, int fd, void *buf, size_t bytes, uint64_t offset)
{
    (void)ctx;
    return io_real.pread(NULL, fd, buf, bytes, offset);
}

static ssize_t disk_pwritev(void *ctx, int fd, const struct iovec *iov, int iovcnt, uint64_t offset)
{
    struct rig_disk *d = ctx;
    struct iovec part = iov[0];
    ssize_t n = -EIO;

    (void)pthread_mutex_lock(&d->mutex);
    if (!disk_runs(d))
        goto unlock;
    d->writes++;
    d->lost_touched += d->files[d->fd_file[fd]].lost ? 1 : 0;
    d->files[d->fd_file[fd]].dirty = true;
    if (d->skip_writes > 0) {
        d->skip_writes--;
    } else if (d->fail_writes > 0) {
        /* Half of it may well have got there. */
        part.iov_len /= 2;
        (void)io_real.pwritev(NULL, fd, &part, 1, offset);
        d->fail_writes--;
        n = -d->error;
        goto unlock;
    }
    if (d->short_writes && part.iov_len > 1) {
        part.iov_len = 1 + rig_random(&d->random) % (part.iov_len - 1);
        n = io_real.pwritev(NULL, fd, &part, 1, offset);
    } else {
        n = io_real.pwritev(NULL, fd, iov, iovcnt, offset);
    }
unlock:
    (void)pthread_mutex_unlock(&d->mutex);
    return n;
}

static int disk_reserve(void *ctx, int fd, uint64_t bytes)
{
    struct rig_disk *d = ctx;
    int rc = -EIO;

    (void)pthread_mutex_lock(&d->mutex);
    if (d->no_reserve) {
        rc = -EOPNOTSUPP;
    } else if (disk_runs(d)) {
        d->files[d->fd_file[fd]].dirty = true;
        rc = d->full ? -ENOSPC : ftruncate(fd, (off_t)bytes) < 0 ? -errno : 0;
    }
    (void)pthread_mutex_unlock(&d->mutex);
    return rc;
}

static int disk_sync(void *ctx, int fd)
{
    void (*on_sync)(void *ctx);
    struct rig_disk *d = ctx;
    int rc = -EIO;

    (void)pthread_mutex_lock(&d->mutex);
    on_sync = d->on_sync;
    (void)pthread_mutex_unlock(&d->mutex);
    if (on_sync != NULL)
        on_sync(d->on_sync_ctx);
    (void)pthread_mutex_lock(&d->mutex);
    if (disk_runs(d)) {
        d->syncs++;
        d->lost_touched += d->files[d->fd_file[fd]].lost ? 1 : 0;
        rc = 0;
        if (disk_script_fails(d)) {
            rc = -EIO;
            d->files[d->fd_file[fd]].lost = true;
        } else if (d->skip_syncs > 0) {
            d->skip_syncs--;
        } else if (d->fail_syncs > 0) {
            d->fail_syncs--;
            rc = -d->error;
            d->files[d->fd_file[fd]].lost = true;
        }
        if (rc == 0 && !d->files[d->fd_file[fd]].lost)
            disk_keep(d, d->fd_file[fd]);
    }
    (void)pthread_mutex_unlock(&d->mutex);
    return rc;
}

static int disk_sync_dir(void *ctx, int dir)
{
    struct rig_disk *d = ctx;
    int rc = -EIO;

    (void)dir;
    (void)pthread_mutex_lock(&d->mutex);
    if (disk_runs(d)) {
        rc = 0;
        for (int i = 0; i < RIG_FILES; i++) {
            if (d->files[i].removed) {
                free(d->files[i].synced);
                d->files[i] = (struct rig_file){ 0 };
            }
        }
    }
    (void)pthread_mutex_unlock(&d->mutex);
    return rc;
}

static int disk_rename(void *ctx, int dir, const char *from, const char *to)
{
    struct rig_disk *d = ctx;
    int rc = -EIO;

    (void)pthread_mutex_lock(&d->mutex);
    if (disk_runs(d)) {
        int i = disk_find(d, from);

        (void)snprintf(d->files[i].name, sizeof d->files[i].name, "%s", to);
        rc = io_real.rename(NULL, dir, from, to);
    }
    (void)pthread_mutex_unlock(&d->mutex);
    return rc;
}

static int disk_unlink(void *ctx, int dir, const char *name)
{
    struct rig_disk *d = ctx;
    int rc = -EIO;

    (void)pthread_mutex_lock(&d->mutex);
    if (disk_runs(d)) {
        d->files[disk_find(d, name)].removed = true;
        rc = io_real.unlink(NULL, dir, name);
    }
    (void)pthread_mutex_unlock(&d->mutex);
    return rc;
}

static void disk_put(struct rig_disk *d, const char *name, const uint8_t *data, size_t bytes)
{
    int fd = openat(d->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, bytes, 0), bytes);
    (void)close(fd);
}

/* Choose, sector by sector, what of the unsynced changes of file I reached the disk. */
static RIG_UNUSED void disk_tear(struct rig_disk *d, int i)
{
    struct rig_file *f = &d->files[i];
    uint8_t *now = calloc(1, f->bytes + 1);
    int fd = openat(d->dir, f->name, O_RDONLY | O_CLOEXEC);
    uint64_t mode = rig_random(&d->random) % 3;

    GANGER_ASSERT(fd >= 0 && now != NULL);
    assert_true(pread(fd, now, f->bytes, 0) >= 0);
    (void)close(fd);
    for (size_t at = 0; at < f->bytes; at += RIG_SECTOR) {
        size_t n = f->bytes - at < RIG_SECTOR ? f->bytes - at : RIG_SECTOR;

        if (mode == 0 || (mode == 1 && rig_random(&d->random) % 2 == 0))
            memcpy(now + at, f->synced + at, n);
    }
    disk_put(d, f->name, now, f->bytes);
    free(now);
}

/* The machine comes up again: what was not synced is there or not, as it happens. */
static RIG_UNUSED void disk_crash(struct rig_disk *d)
{
    for (int i = 0; i < RIG_FILES; i++) {
        struct rig_file *f = &d->files[i];

        if (f->name[0] == '\0' || f->synced == NULL)
            continue;
        if (f->removed && rig_random(&d->random) % 2 == 0)
            disk_put(d, f->name, f->synced, f->bytes);
        else if (f->dirty && !f->removed)
            disk_tear(d, i);
    }
}

/* Forget all orders and what is known of the files, and look at them as they are. */
static RIG_UNUSED void disk_reset(struct rig_disk *d)
{
    DIR *stream = fdopendir(openat(d->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;

    GANGER_ASSERT(stream != NULL);
    for (int i = 0; i < RIG_FILES; i++) {
        free(d->files[i].synced);
        d->files[i] = (struct rig_file){ 0 };
    }
    while ((entry = readdir(stream)) != NULL) {
        if (strncmp(entry->d_name, "segment-", 8) == 0)
            disk_keep(d, disk_find(d, entry->d_name));
    }
    (void)closedir(stream);
    d->fail_writes = d->fail_syncs = d->skip_writes = d->skip_syncs = d->dies_in = 0;
    d->full = d->short_writes = d->dead = false;
}

static RIG_UNUSED void disk_fail_syncs(struct rig_disk *d, unsigned skip, unsigned n, int error)
{
    (void)pthread_mutex_lock(&d->mutex);
    d->skip_syncs = skip;
    d->fail_syncs = n;
    d->error = error;
    (void)pthread_mutex_unlock(&d->mutex);
}

static RIG_UNUSED void disk_fail_writes(struct rig_disk *d, unsigned skip, unsigned n, int error)
{
    (void)pthread_mutex_lock(&d->mutex);
    d->skip_writes = skip;
    d->fail_writes = n;
    d->error = error;
    (void)pthread_mutex_unlock(&d->mutex);
}

/* The disk stands still meanwhile; returns the syncs so far. */
static RIG_UNUSED unsigned disk_hold(struct rig_disk *d)
{
    (void)pthread_mutex_lock(&d->mutex);
    return d->syncs;
}

static RIG_UNUSED void disk_go_on(struct rig_disk *d)
{
    (void)pthread_mutex_unlock(&d->mutex);
}

static RIG_UNUSED unsigned syncs_of(struct rig_disk *d)
{
    unsigned syncs = disk_hold(d);

    disk_go_on(d);
    return syncs;
}

static RIG_UNUSED void disk_on_sync(struct rig_disk *d, void (*on_sync)(void *ctx))
{
    (void)pthread_mutex_lock(&d->mutex);
    d->on_sync = on_sync;
    (void)pthread_mutex_unlock(&d->mutex);
}

static RIG_UNUSED void disk_set_full(struct rig_disk *d, bool full)
{
    (void)pthread_mutex_lock(&d->mutex);
    d->full = full;
    (void)pthread_mutex_unlock(&d->mutex);
}

static RIG_UNUSED void disk_set_short(struct rig_disk *d, bool short_writes)
{
    (void)pthread_mutex_lock(&d->mutex);
    d->short_writes = short_writes;
    (void)pthread_mutex_unlock(&d->mutex);
}

static RIG_UNUSED void disk_die(struct rig_disk *d, unsigned in)
{
    (void)pthread_mutex_lock(&d->mutex);
    if (in == 0)
        d->dead = true;
    else
        d->dies_in = in;
    (void)pthread_mutex_unlock(&d->mutex);
}

static RIG_UNUSED bool disk_is_dead(struct rig_disk *d)
{
    bool dead;

    (void)pthread_mutex_lock(&d->mutex);
    dead = d->dead;
    (void)pthread_mutex_unlock(&d->mutex);
    return dead;
}

#endif
