/* Watchers of the machine: processes that do next to nothing and notice when they cannot. */
#include "curves.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WATCHERS_MAX  64
#define STALLS_MAX    16384u
#define TICK_NS       UINT64_C(1000000)
#define LATE_NS       UINT64_C(2000000)
#define SYNC_EVERY_NS UINT64_C(10000000)
#define SYNC_SLOW_NS  UINT64_C(5000000)
#define BLOCK_BYTES   4096u

/* Shared with one watcher, which alone writes it. */
struct page {
    atomic_uint count;
    atomic_bool realtime;
    struct stall stalls[STALLS_MAX];
};

struct watcher {
    pid_t pid;
    struct page *page;
};

struct control {
    struct watcher watchers[WATCHERS_MAX];
    unsigned count;
    bool realtime;
};

static void stall_note(struct page *page, uint64_t from_ns, uint64_t to_ns)
{
    unsigned n = atomic_load(&page->count);

    if (n == STALLS_MAX)
        return;
    page->stalls[n] = (struct stall){ from_ns, to_ns };
    atomic_store(&page->count, n + 1);
}

static void sleep_until(uint64_t ns)
{
    struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
        continue;
}

static bool realtime_take(void)
{
    struct sched_param param = { .sched_priority = 1 };

    return sched_setscheduler(0, SCHED_FIFO, &param) == 0;
}

_Noreturn static void watch_cpu(struct page *page, int cpu)
{
    uint64_t due, now;
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    (void)sched_setaffinity(0, sizeof one, &one);
    atomic_store(&page->realtime, realtime_take());
    for (due = clock_ns() + TICK_NS;; due += TICK_NS) {
        sleep_until(due);
        now = clock_ns();
        if (now - due > LATE_NS) {
            stall_note(page, due, now);
            due = now;
        }
    }
}

static int block_file(char *block)
{
    char path[512];
    int fd;

    (void)snprintf(path, sizeof path, "%s/control-%d", settings.dir, (int)getpid());
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    (void)unlink(path);
    if (fd < 0 || pwrite(fd, block, BLOCK_BYTES, 0) != BLOCK_BYTES || fsync(fd) < 0)
        _exit(1);
    return fd;
}

_Noreturn static void watch_disk(struct page *page)
{
    char block[BLOCK_BYTES];
    uint64_t due, from, now;
    int fd;

    memset(block, 1, sizeof block);
    fd = block_file(block);
    atomic_store(&page->realtime, realtime_take());
    for (due = clock_ns();; due = now + SYNC_EVERY_NS) {
        sleep_until(due);
        from = clock_ns();
        if (pwrite(fd, block, BLOCK_BYTES, 0) != BLOCK_BYTES || fdatasync(fd) < 0)
            _exit(1);
        now = clock_ns();
        if (now - from > SYNC_SLOW_NS)
            stall_note(page, from, now);
    }
}

/* CPU below 0: the disk. */
static void watcher_start(struct control *c, int cpu)
{
    struct watcher *w = &c->watchers[c->count++];

    w->page = mmap(
        NULL, sizeof *w->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (w->page == MAP_FAILED)
        curve_fail("memory", "out of it");
    w->pid = fork();
    if (w->pid < 0)
        curve_fail("fork", "failed");
    if (w->pid > 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_TIMERSLACK, 1);
    if (cpu < 0)
        watch_disk(w->page);
    watch_cpu(w->page, cpu);
}

struct control *control_start(bool disk)
{
    struct control *c = curve_alloc(1, sizeof *c);
    cpu_set_t all;

    if (sched_getaffinity(0, sizeof all, &all) < 0)
        curve_fail("sched_getaffinity", "failed");
    for (int cpu = 0; cpu < CPU_SETSIZE && c->count < WATCHERS_MAX - 1; cpu++) {
        if (CPU_ISSET((size_t)cpu, &all))
            watcher_start(c, cpu);
    }
    if (disk)
        watcher_start(c, -1);
    return c;
}

bool control_is_realtime(const struct control *control)
{
    return atomic_load(&control->watchers[0].page->realtime);
}

static int by_start(const void *a, const void *b)
{
    const struct stall *x = a, *y = b;

    return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

/* Sort, and make one of those that overlap. */
static size_t stalls_join(struct stall *s, size_t count)
{
    size_t n = 0;

    if (count == 0)
        return 0;
    qsort(s, count, sizeof *s, by_start);
    for (size_t i = 1; i < count; i++) {
        if (s[i].from_ns > s[n].to_ns)
            s[++n] = s[i];
        else if (s[i].to_ns > s[n].to_ns)
            s[n].to_ns = s[i].to_ns;
    }
    return n + 1;
}

size_t control_stop(struct control *control, struct stall **ret_stalls)
{
    struct stall *all = curve_alloc(control->count * (size_t)STALLS_MAX, sizeof *all);
    size_t count = 0;

    for (unsigned i = 0; i < control->count; i++) {
        struct watcher *w = &control->watchers[i];
        unsigned n;

        (void)kill(w->pid, SIGKILL);
        (void)waitpid(w->pid, NULL, 0);
        n = atomic_load(&w->page->count);
        memcpy(all + count, w->page->stalls, n * sizeof *all);
        count += n;
        (void)munmap(w->page, sizeof *w->page);
    }
    free(control);
    *ret_stalls = all;
    return stalls_join(all, count);
}

uint64_t stalls_within(const struct stall *stalls, size_t count, uint64_t from_ns, uint64_t to_ns)
{
    size_t low = 0, high = count;
    uint64_t sum = 0;

    while (low < high) { /* the first that ends after FROM_NS */
        size_t middle = low + (high - low) / 2;

        if (stalls[middle].to_ns <= from_ns)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && stalls[low].from_ns < to_ns; low++) {
        uint64_t from = stalls[low].from_ns > from_ns ? stalls[low].from_ns : from_ns;
        uint64_t to = stalls[low].to_ns < to_ns ? stalls[low].to_ns : to_ns;

        sum += to - from;
    }
    return sum;
}
