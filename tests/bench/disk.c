#include "tests/bench/disk.h"

#include "daemon/store/crc32c.h"
#include "tests/bench/sample.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (16u * 1024 * 1024) /* a segment, by default */
#define CHUNK      (256u * 1024)

struct disk {
    int fd;
    off_t at;
    uint8_t data[DISK_GROUPS_MAX * DISK_RECORD];
};

struct disk *disk_open(const char *dir)
{
    struct disk *d = sample_array(1, sizeof *d);
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/floor", dir);
    d->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (d->fd < 0 || unlink(path) < 0)
        sample_fail(path, strerror(errno));
    for (size_t at = 0; at < FILE_BYTES; at += sizeof d->data) {
        if (write(d->fd, d->data, sizeof d->data) != (ssize_t)sizeof d->data)
            sample_fail(path, strerror(errno));
    }
    if (fsync(d->fd) < 0)
        sample_fail(path, strerror(errno));
    memset(d->data, 'r', sizeof d->data);
    return d;
}

static void group_write(struct disk *d, unsigned group)
{
    size_t bytes = (size_t)group * DISK_RECORD;

    if (d->at + (off_t)bytes > (off_t)FILE_BYTES)
        d->at = 0;
    if (pwrite(d->fd, d->data, bytes, d->at) != (ssize_t)bytes || fdatasync(d->fd) < 0)
        sample_fail("overwrite and sync", strerror(errno));
    d->at += (off_t)bytes;
}

double disk_sync_us(struct disk *d, unsigned rounds)
{
    double *took = sample_array(rounds, sizeof *took), median;

    for (unsigned i = 0; i < rounds; i++) {
        double begin = sample_now();

        group_write(d, 1);
        took[i] = (sample_now() - begin) * 1e6;
    }
    median = sample_quantile(took, rounds, 0.5);
    free(took);
    return median;
}

double disk_group_rate(struct disk *d, unsigned group, unsigned syncs)
{
    double begin = sample_now();

    for (unsigned i = 0; i < syncs; i++)
        group_write(d, group);
    return (double)group * syncs / (sample_now() - begin);
}

void disk_close(struct disk *d)
{
    (void)close(d->fd);
    free(d);
}

static bool all_zero(const uint8_t *data, size_t bytes)
{
    return bytes == 0 || (data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0);
}

/* Bytes of the file up to the last chunk that is not all zero. */
static off_t file_used(int fd, uint8_t *chunk)
{
    off_t at = 0, used = 0;
    ssize_t n;

    while ((n = pread(fd, chunk, CHUNK, at)) > 0) {
        at += n;
        if (!all_zero(chunk, (size_t)n))
            used = at;
    }
    return used;
}

static double file_sum_s(int fd, off_t used, uint8_t *chunk)
{
    double begin = sample_now();
    uint32_t crc = 0;
    ssize_t n = 0;

    for (off_t at = 0; at < used; at += n) {
        n = read(fd, chunk, CHUNK);
        if (n <= 0)
            sample_fail("read a segment", n < 0 ? strerror(errno) : "it became shorter");
        crc = crc32c(crc, chunk, (size_t)n);
    }
    __asm__ volatile("" : : "r"(crc)); /* the sum is used, as far as the compiler knows */
    return sample_now() - begin;
}

double disk_reread_s(const char *dir, double *ret_bytes)
{
    uint8_t *chunk = sample_array(1, CHUNK);
    DIR *d = opendir(dir);
    struct dirent *e;
    double seconds = 0;

    if (d == NULL)
        sample_fail(dir, strerror(errno));
    *ret_bytes = 0;
    while ((e = readdir(d)) != NULL) {
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
        struct stat st;

        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
            off_t used = file_used(fd, chunk);

            seconds += file_sum_s(fd, used, chunk);
            *ret_bytes += (double)used;
        }
        if (fd >= 0)
            (void)close(fd);
    }
    (void)closedir(d);
    free(chunk);
    return seconds;
}
