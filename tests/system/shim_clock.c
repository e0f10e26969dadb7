/*
 * Preloaded into a daemon under test: its wall clock is off by the milliseconds that stand in the
 * file $CLOCK_OFFSET, as an int64_t, and jumps when that is changed. The monotonic clock is true.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_ms;

static const volatile int64_t *offset_map(void)
{
    static const int64_t none;
    const char *path = getenv("CLOCK_OFFSET");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *at = MAP_FAILED;

    if (fd >= 0) {
        at = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
        (void)close(fd);
    }
    return at == MAP_FAILED ? &none : at;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);

    if (rc < 0 || id != CLOCK_REALTIME)
        return rc;
    if (offset_ms == NULL)
        offset_ms = offset_map();
    t->tv_sec += (time_t)(*offset_ms / 1000);
    return 0;
}
