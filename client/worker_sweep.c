#include "client/worker_sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Children that are killed in one round; the next round finds the others. */
#define SWEEP_ROUND 64

static size_t file_read(const char *path, char *buf, size_t buf_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return 0;
    do {
        n = read(fd, buf, buf_bytes - 1);
    } while (n < 0 && errno == EINTR);
    (void)close(fd);
    if (n < 0)
        n = 0;
    buf[n] = '\0';
    return (size_t)n;
}

/* Pids out of a "children" file of /proc. The last one may be cut off by the buffer: dropped. */
static size_t pids_parse(char *text, size_t bytes, size_t room, pid_t *pids, size_t max)
{
    size_t count = 0;
    char *at = text;

    if (bytes + 1 == room) {
        char *space = strrchr(text, ' ');

        if (space != NULL)
            *space = '\0';
    }
    while (count < max) {
        char *end;
        long pid = strtol(at, &end, 10);

        if (end == at)
            break;
        pids[count++] = (pid_t)pid;
        at = end;
    }
    return count;
}

/* By the kernel's own lists, one a thread. False when the kernel keeps none. */
static bool list_by_threads(pid_t *pids, size_t max, size_t *ret_count)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *d;
    char path[300], text[4096];
    size_t count = 0;
    bool known = false;

    if (dir == NULL)
        return false;
    while ((d = readdir(dir)) != NULL) {
        if (d->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/children", d->d_name);
        if (!known && access(path, R_OK) != 0)
            break;
        known = true;
        count += pids_parse(
            text, file_read(path, text, sizeof text), sizeof text, pids + count, max - count);
    }
    (void)closedir(dir);
    *ret_count = count;
    return known;
}

/* The parent of a process, from "PID (COMM) STATE PPID ..."; COMM may hold anything. */
static pid_t parent_of(const char *name)
{
    char path[300], text[512];
    const char *at;

    (void)snprintf(path, sizeof path, "/proc/%s/stat", name);
    if (file_read(path, text, sizeof text) == 0)
        return -1;
    at = strrchr(text, ')');
    if (at == NULL || strlen(at) < 5)
        return -1;
    return (pid_t)strtol(at + 4, NULL, 10);
}

/* By looking at every process, where the kernel keeps no lists of children. */
static size_t list_by_parents(pid_t *pids, size_t max)
{
    DIR *dir = opendir("/proc");
    struct dirent *d;
    size_t count = 0;
    pid_t self = getpid();

    if (dir == NULL)
        return 0;
    while (count < max && (d = readdir(dir)) != NULL) {
        if (d->d_name[0] < '1' || d->d_name[0] > '9')
            continue;
        if (parent_of(d->d_name) == self)
            pids[count++] = (pid_t)strtol(d->d_name, NULL, 10);
    }
    (void)closedir(dir);
    return count;
}

size_t sweep_list(pid_t *pids, size_t max)
{
    size_t count = 0;

    if (list_by_threads(pids, max, &count))
        return count;
    return list_by_parents(pids, max);
}

bool sweep_is_clean(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 && errno == ECHILD;
}

static uint64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void reap_dead(void)
{
    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) {
    }
}

bool sweep_all(unsigned limit_ms)
{
    uint64_t until = now_ms() + limit_ms;
    pid_t pids[SWEEP_ROUND];

    for (;;) {
        size_t count;

        reap_dead();
        if (sweep_is_clean())
            return true;
        if (now_ms() > until)
            return false;
        /* None of them is reaped before the next round, so no pid can belong to another by now. */
        count = sweep_list(pids, SWEEP_ROUND);
        for (size_t i = 0; i < count; i++)
            (void)kill(pids[i], SIGKILL);
        (void)nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
    }
}
