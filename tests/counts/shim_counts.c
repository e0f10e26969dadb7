/*
 * Preloaded into a process: counts its allocations and the bytes that it writes into files at an
 * offset (as the journal does), in the file $GANGER_COUNTS, by the role that its program plays.
 *
 * It also slows the clocks down by a thousand, so that nothing is done earlier or in
 * smaller pieces because it takes long: a program that is traced does what it does untraced.
 */
#include "tests/counts/counts.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SLOWER 1000
#define NS     1000000000LL

#define SHIM __attribute__((visibility("default")))

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);

static struct counts_role nobody, *role = &nobody;

/* ---- the clock ---- */

static int (*real_clock)(clockid_t id, struct timespec *t);
static int (*real_wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_timer)(timer_t, int, const struct itimerspec *, struct itimerspec *);

static struct timespec times(struct timespec t, long long up, long long down)
{
    long long ns = (t.tv_sec * NS + t.tv_nsec) * up / down;

    return (struct timespec){ ns / NS, ns % NS };
}

/* From where it stood first, so that it keeps step with the monotonic one. */
static struct timespec wall_slow(struct timespec t)
{
    static struct timespec from;
    struct timespec slow;

    if (from.tv_sec == 0)
        from = t;
    slow = times((struct timespec){ t.tv_sec - from.tv_sec, t.tv_nsec - from.tv_nsec }, 1, SLOWER);
    return times((struct timespec){ from.tv_sec + slow.tv_sec, from.tv_nsec + slow.tv_nsec }, 1, 1);
}

SHIM int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc;

    if (real_clock == NULL)
        *(void **)&real_clock = dlsym(RTLD_NEXT, "clock_gettime");
    rc = real_clock(id, t);
    if (rc < 0)
        return rc;
    if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE)
        *t = times(*t, 1, SLOWER);
    else if (id == CLOCK_REALTIME)
        *t = wall_slow(*t);
    return 0;
}

/* Those of gangerd are on the monotonic clock. */
SHIM int pthread_cond_timedwait(
    pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    struct timespec later = times(*until, SLOWER, 1);

    if (real_wait == NULL)
        *(void **)&real_wait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    return real_wait(cond, mutex, &later);
}

SHIM int timer_settime(
    timer_t timer, int flags, const struct itimerspec *when, struct itimerspec *was)
{
    struct itimerspec later = { .it_value = times(when->it_value, SLOWER, 1),
        .it_interval = times(when->it_interval, SLOWER, 1) };

    if (real_timer == NULL)
        *(void **)&real_timer = dlsym(RTLD_NEXT, "timer_settime");
    return real_timer(timer, flags, &later, was);
}

/* ---- counting ---- */

__attribute__((constructor)) static void shim_start(void)
{
    const char *path = getenv(COUNTS_ENV);
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    struct counts *c = MAP_FAILED;

    if (fd >= 0) {
        c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void)close(fd);
    }
    for (unsigned i = 0; c != MAP_FAILED && i < COUNTS_ROLES; i++) {
        if (strcmp(program_invocation_short_name, counts_programs[i]) == 0)
            role = &c->role[i];
    }
}

static void count_allocation(void)
{
    (void)atomic_fetch_add_explicit(&role->allocations, 1, memory_order_relaxed);
}

SHIM void *malloc(size_t bytes)
{
    count_allocation();
    return __libc_malloc(bytes);
}

SHIM void *calloc(size_t count, size_t bytes)
{
    count_allocation();
    return __libc_calloc(count, bytes);
}

SHIM void *realloc(void *old, size_t bytes)
{
    count_allocation();
    return __libc_realloc(old, bytes);
}

SHIM void *aligned_alloc(size_t align, size_t bytes)
{
    count_allocation();
    return __libc_memalign(align, bytes);
}

SHIM int posix_memalign(void **ret_block, size_t align, size_t bytes)
{
    void *block = __libc_memalign(align, bytes);

    count_allocation();
    if (block == NULL)
        return ENOMEM;
    *ret_block = block;
    return 0;
}

/* What makes room in advance is all zeros and belongs to no task; a record never begins so. */
static ssize_t count_written(ssize_t n, const void *data)
{
    static const char zeros[16];

    if (n >= (ssize_t)sizeof zeros && memcmp(data, zeros, sizeof zeros) != 0)
        (void)atomic_fetch_add_explicit(
            &role->file_bytes, (unsigned long long)n, memory_order_relaxed);
    return n;
}

SHIM ssize_t pwrite(int fd, const void *buf, size_t bytes, off_t offset)
{
    return count_written(syscall(SYS_pwrite64, fd, buf, bytes, offset), buf);
}

/* The kernel takes the offset in two halves, of which a 64-bit machine needs only the first. */
SHIM ssize_t pwritev(int fd, const struct iovec *iov, int iovcnt, off_t offset)
{
    return count_written(syscall(SYS_pwritev, fd, iov, iovcnt, offset, 0), iov->iov_base);
}
