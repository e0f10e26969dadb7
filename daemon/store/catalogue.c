#include "store/catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"

static int dir_failed(const struct fault *fault, const char *dir, const char *what, int error)
{
    return fault_set(fault, fault_code(error), "%s: cannot %s: %s", dir, what, strerror(error));
}

/* Write our pid to the lock file, for the text of whoever finds it locked. */
static int lock_sign(int lock)
{
    char pid[32];
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());

    if (ftruncate(lock, 0) != 0 || pwrite(lock, pid, (size_t)n, 0) != n)
        return -errno;
    return 0;
}

static int lock_busy(int lock, const char *name, const struct fault *fault)
{
    char pid[32];
    ssize_t n = pread(lock, pid, sizeof pid - 1, 0);

    pid[n < 0 ? 0 : n] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return fault_set(fault, GANGER_EBUSY,
        "%s: the journal is in use by process %s; stop that one, or use another directory", name,
        pid[0] == '\0' ? "(unknown)" : pid);
}

/* Take the lock of the directory DIR. */
static int lock_take(int dir, const char *name, int *ret_lock, const struct fault *fault)
{
    int lock = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int rc;

    if (lock < 0)
        return dir_failed(fault, name, "open the file lock in it", errno);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        rc = errno == EWOULDBLOCK ? lock_busy(lock, name, fault)
                                  : dir_failed(fault, name, "lock it", errno);
        goto close_lock;
    }
    rc = lock_sign(lock);
    if (rc < 0) {
        rc = dir_failed(fault, name, "write the file lock in it", -rc);
        goto close_lock;
    }
    *ret_lock = lock;
    return 0;

close_lock:
    (void)close(lock);
    return rc;
}

int directory_open(const char *name, int *ret_dir, int *ret_lock, const struct fault *fault)
{
    int dir, rc;

    if (mkdir(name, 0700) != 0 && errno != EEXIST)
        return dir_failed(fault, name, "make the directory of the journal", errno);
    dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return dir_failed(fault, name, "open the directory of the journal", errno);
    rc = lock_take(dir, name, ret_lock, fault);
    if (rc < 0) {
        (void)close(dir);
        return rc;
    }
    *ret_dir = dir;
    return 0;
}

static struct catalogue_file *catalogue_add(struct catalogue *c)
{
    if (c->count == c->capacity) {
        size_t capacity = c->capacity == 0 ? 16 : c->capacity * 2;
        struct catalogue_file *files = realloc(c->files, capacity * sizeof *files);

        if (files == NULL)
            return NULL;
        c->files = files;
        c->capacity = capacity;
    }
    memset(&c->files[c->count], 0, sizeof c->files[0]);
    return &c->files[c->count++];
}

/* Read size and header of F. 0, or a negative errno. */
static int file_judge(struct catalogue_file *f, const struct journal_io *io, int dir)
{
    uint8_t block[SEGMENT_HEADER_BYTES];
    struct stat st;
    ssize_t got;
    int rc = 0;
    int fd = io->open(io->ctx, dir, f->name, O_RDONLY);

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    got = rc < 0 ? rc : io_read_all(io, fd, block, sizeof block, 0);
    (void)io->close(io->ctx, fd);
    if (got < 0)
        return (int)got;
    f->bytes = (uint64_t)st.st_size;
    if (got < (ssize_t)sizeof block)
        return -ENODATA;
    f->state = segment_header_get(block, &f->header);
    return 0;
}

/* Take the directory entry NAME into C. */
static int catalogue_take(struct catalogue *c, const struct journal_io *io, int dir,
    const char *dir_name, const char *name, const struct fault *fault)
{
    struct catalogue_file *f;
    bool preparing;
    uint32_t id;
    int rc;

    if (!segment_name_parse(name, &id, &preparing))
        return 0;
    if (id >= c->next_id)
        c->next_id = id + 1;
    if (preparing) {
        (void)io->unlink(io->ctx, dir, name);
        return 0;
    }
    f = catalogue_add(c);
    if (f == NULL)
        return fault_set(fault, GANGER_ENOMEM, "%s: not enough memory", dir_name);
    f->id = id;
    segment_name(id, false, f->name);
    rc = file_judge(f, io, dir);
    if (rc == -ENODATA)
        return fault_set(fault, GANGER_ECORRUPT,
            "%s/%s: ends at offset %" PRIu64
            ", before its header does; restore it from a backup, or remove it if it is not ours",
            dir_name, name, f->bytes);
    if (rc < 0)
        return fault_set(
            fault, fault_code(-rc), "%s/%s: cannot be read: %s", dir_name, name, strerror(-rc));
    return 0;
}

int catalogue_read(struct catalogue *c, const struct journal_io *io, int dir, const char *dir_name,
    const struct fault *fault)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    int rc = 0;

    if (stream == NULL) {
        rc = dir_failed(fault, dir_name, "list it", errno);
        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    c->next_id = 1;
    while (rc == 0) {
        const struct dirent *entry = readdir(stream);

        if (entry == NULL)
            break;
        rc = catalogue_take(c, io, dir, dir_name, entry->d_name, fault);
    }
    (void)closedir(stream);
    return rc;
}

void catalogue_done(struct catalogue *c)
{
    free(c->files);
    *c = (struct catalogue){ 0 };
}
