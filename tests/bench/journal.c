/*
 * How many records a second the journal makes durable, beside what the disk allows: the same
 * batches written by plain pwrite + fdatasync over a file that was filled with zeros.
 *
 * Usage: ganger-bench-journal [DIRECTORY [RECORD_BYTES [SECONDS]]]
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/err.h"
#include "store/store.h"
#include "tests/bench/sample.h"

#define RAW_BYTES (256u * 1024 * 1024)

struct bench {
    struct store *store;
    int wake; /* eventfd, as the daemon's loop has one */
    uint64_t synced;
};

static bool bench_live(void *ctx, uint8_t kind, uint64_t key, uint64_t birth)
{
    (void)ctx;
    (void)kind;
    (void)key;
    (void)birth;
    return false;
}

static void bench_synced(void *ctx, uint64_t last_birth)
{
    ((struct bench *)ctx)->synced = last_birth;
}

static void bench_failed(void *ctx, uint64_t first, uint64_t last, int code, const char *text)
{
    (void)ctx;
    (void)fprintf(stderr, "failed %" PRIu64 "..%" PRIu64 ": %d %s\n", first, last, code, text);
    exit(1);
}

static void bench_notify(void *ctx)
{
    uint64_t one = 1;

    if (write(((struct bench *)ctx)->wake, &one, sizeof one) != (ssize_t)sizeof one)
        exit(1);
}

/* Keep FLIGHT records in flight for SECONDS; returns records per second. */
static double bench_journal(struct bench *b, unsigned flight, size_t bytes, double seconds)
{
    static char data[65536];
    struct iovec iov = { .iov_base = data, .iov_len = bytes };
    double start = sample_now(), end = start + seconds, now = start;
    uint64_t last = b->synced, first = last, wake;
    unsigned turns = 0;

    while (now < end) {
        while (last - b->synced < flight) {
            while (store_reserve(b->store, bytes, 1) != 0) {
                store_flush(b->store);
                store_poll(b->store);
            }
            last = store_append(b->store, 1, last, &iov, 1);
            store_dead(b->store, bytes);
        }
        store_flush(b->store);
        if (read(b->wake, &wake, sizeof wake) != (ssize_t)sizeof wake)
            exit(1);
        store_poll(b->store);
        if (flight > 16 || ++turns % 16 == 0)
            now = sample_now();
    }
    (void)store_drain(b->store);
    return (double)(b->synced - first) / (sample_now() - start);
}

static int raw_open(const char *dir)
{
    static char zeros[1 << 20];
    char path[4096];
    int fd;

    (void)snprintf(path, sizeof path, "%s/raw", dir);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (unsigned i = 0; i < RAW_BYTES / sizeof zeros; i++) {
        if (write(fd, zeros, sizeof zeros) != (ssize_t)sizeof zeros)
            exit(1);
    }
    if (fsync(fd) != 0 || unlink(path) != 0)
        exit(1);
    return fd;
}

/* The floor: batches of FLIGHT records by one pwrite and one fdatasync. */
static double bench_raw(int fd, unsigned flight, size_t bytes, double seconds)
{
    size_t batch = flight * (bytes + STORE_HEAD_BYTES) + 48;
    char *data = calloc(1, batch);
    double start = sample_now(), now = start;
    uint64_t batches = 0;
    off_t at = 0;

    for (; data != NULL && now < start + seconds; now = sample_now()) {
        if (at + (off_t)batch > (off_t)RAW_BYTES)
            at = 0;
        if (pwrite(fd, data, batch, at) != (ssize_t)batch || fdatasync(fd) != 0)
            exit(1);
        at += (off_t)batch;
        batches++;
    }
    free(data);
    return (double)(batches * flight) / (now - start);
}

int main(int argc, char **argv)
{
    static const unsigned flights[] = { 1, 16, 256, 1000, 4096 };
    const char *dir = argc > 1 ? argv[1] : "/var/tmp/ganger-bench-journal";
    size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 128;
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 2;
    struct bench b = { .wake = eventfd(0, EFD_CLOEXEC) };
    struct store_config config = { .dir = dir,
        .owner = { .ctx = &b,
            .live = bench_live,
            .synced = bench_synced,
            .failed = bench_failed,
            .notify = bench_notify } };
    struct store_stats stats;
    char err[512];
    int raw;

    if (bytes > 65536 || journal_open(&config, &b.store, err, sizeof err) != 0) {
        (void)fprintf(stderr, "%s\n", bytes > 65536 ? "records of at most 65536 bytes" : err);
        return 1;
    }
    raw = raw_open(dir);
    b.synced = store_synced(b.store);
    (void)printf("%10s %14s %14s %8s   (records/s, %zu bytes)\n", "in flight", "journal",
        "overwrite", "ratio", bytes);
    for (size_t i = 0; i < sizeof flights / sizeof flights[0]; i++) {
        double floor = bench_raw(raw, flights[i], bytes, seconds);
        double rate = bench_journal(&b, flights[i], bytes, seconds);

        (void)printf("%10u %14.0f %14.0f %8.2f\n", flights[i], rate, floor, floor / rate);
    }
    store_stats(b.store, &stats);
    (void)printf("segments %" PRIu64 ", spare %" PRIu64 ", copied %" PRIu64 ", disk %" PRIu64
                 " MiB\n",
        stats.segments, stats.free_segments, stats.copied_records, stats.disk_bytes >> 20);
    store_close(b.store);
    (void)close(raw);
    return 0;
}
