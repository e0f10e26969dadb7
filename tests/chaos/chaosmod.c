/*
 * The functions that run while everything is being killed.
 *
 * Each attempt writes when it begins and ends, and holds locks of the kernel meanwhile, which end
 * with the process at the latest: one for its task, one for the permit of a semaphore. If one is
 * taken already, two attempts of a task live at once, or more holders than there are permits.
 */
#include "client/include/ganger/worker.h"
#include "proto/pack.h"
#include "tests/chaos/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Locks lie at these offsets of one file. */
#define LOCK_TASKS      0
#define LOCK_SEMAPHORES ((int64_t)1 << 60)

static int effects = -1, locks = -1;

struct work {
    uint64_t key;
    uint32_t ms, kind, permits;
};

static int file_open(const char *name, int flags)
{
    char path[512];
    const char *dir = getenv("CHAOS_DIR");

    (void)snprintf(path, sizeof path, "%s/%s", dir == NULL ? "." : dir, name);
    return open(path, flags | O_CREAT | O_CLOEXEC, 0600);
}

static int initialize(const void *args, size_t args_bytes, char *err, size_t err_bytes)
{
    (void)args;
    (void)args_bytes;
    effects = file_open("effects", O_WRONLY | O_APPEND);
    locks = file_open("locks", O_RDWR);
    if (effects >= 0 && locks >= 0)
        return 0;
    (void)snprintf(err, err_bytes, "no files: %s", strerror(errno));
    return 1;
}

static void effect(struct ganger_task *task, char what, uint64_t key)
{
    char line[128];
    int bytes = snprintf(line, sizeof line, "%c %" PRIu64 " %u %" PRIu64 " %ld\n", what, key,
        (unsigned)ganger_task_attempt(task), ganger_task_fence(task), (long)getpid());

    if (write(effects, line, (size_t)bytes) != bytes)
        abort();
}

static bool lock(int64_t at, short type)
{
    struct flock f = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

    return fcntl(locks, F_SETLK, &f) == 0;
}

/* A free place of the semaphore with LIMIT permits, or -1. */
static int64_t permit_take(uint32_t limit)
{
    for (uint32_t i = 0; i < limit; i++) {
        int64_t at = LOCK_SEMAPHORES + 16 * (int64_t)limit + i;

        if (lock(at, F_WRLCK))
            return at;
    }
    return -1;
}

static void pause_ms(uint32_t ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

/* A process that has left its group and its parent, and does not want to go. */
static void grandchild_leave(void)
{
    if (fork() != 0)
        return;
    (void)setsid();
    if (fork() != 0)
        _exit(0);
    (void)signal(SIGTERM, SIG_IGN);
    for (;;)
        (void)pause();
}

static int body(struct ganger_task *task, const struct work *w)
{
    struct out o = { 0 };
    int rc;

    if (w->kind == KIND_FORK)
        grandchild_leave();
    pause_ms(w->kind == KIND_HANG ? 60000 : w->ms);
    if (w->kind == KIND_CRASH)
        (void)raise(SIGKILL);
    if (w->kind == KIND_FLAKY && ganger_task_attempt(task) == 1)
        return ganger_task_fail(task, GANGER_EFAILED, "not at first");
    write_array(&o, 2);
    write_uint(&o, w->key);
    write_uint(&o, ganger_task_fence(task));
    rc = ganger_task_return(task, o.data, o.len);
    out_done(&o);
    return rc;
}

static int run_work(struct ganger_task *task)
{
    size_t bytes;
    const void *args = ganger_task_args(task, &bytes);
    struct cursor c = cursor_make(args, bytes);
    struct work w;
    int64_t place = -1;
    int rc;

    (void)read_array(&c, 4);
    w.key = read_uint(&c, UINT64_MAX);
    w.ms = (uint32_t)read_uint(&c, UINT32_MAX);
    w.kind = (uint32_t)read_uint(&c, UINT32_MAX);
    w.permits = (uint32_t)read_uint(&c, 16);
    if (c.error != 0)
        return ganger_task_fail(task, GANGER_EINVAL, "four numbers");
    effect(task, 'B', w.key);
    if (!lock(LOCK_TASKS + (int64_t)w.key, F_WRLCK))
        effect(task, 'V', w.key);
    if (w.permits > 0 && (place = permit_take(w.permits)) < 0)
        effect(task, 'S', w.key);
    rc = body(task, &w);
    effect(task, 'E', w.key);
    if (place >= 0)
        (void)lock(place, F_UNLCK);
    (void)lock(LOCK_TASKS + (int64_t)w.key, F_UNLCK);
    return rc;
}

static const struct ganger_function functions[] = { { "work", run_work }, { NULL, NULL } };

GANGER_MODULE_EXPORT const struct ganger_module ganger_module = { GANGER_MODULE_ABI, "chaosmod",
    functions, NULL, initialize, NULL };
