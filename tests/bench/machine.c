#include "tests/bench/machine.h"

#include "tests/bench/sample.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where this process may run, before it bound itself. */
static cpu_set_t all_cpus;
static bool all_known;

static void bind_to(const cpu_set_t *set)
{
    if (sched_setaffinity(0, sizeof *set, set) < 0)
        sample_fail("sched_setaffinity", strerror(errno));
}

void machine_one_cpu(void)
{
    cpu_set_t one;
    size_t cpu = 0;

    if (sched_getaffinity(0, sizeof all_cpus, &all_cpus) < 0)
        sample_fail("sched_getaffinity", strerror(errno));
    all_known = true;
    while (!CPU_ISSET(cpu, &all_cpus))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    bind_to(&one);
}

void machine_all_cpus(void)
{
    if (all_known)
        bind_to(&all_cpus);
    all_known = false;
}

unsigned long machine_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        sample_fail("getrlimit", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        sample_fail("setrlimit", strerror(errno));
    return limit.rlim_cur;
}

double machine_pss_bytes(pid_t pid)
{
    char path[64], line[256];
    double kib = -1;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    f = fopen(path, "r");
    if (f == NULL)
        sample_fail(path, strerror(errno));
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "Pss:", 4) == 0)
            kib = strtod(line + 4, NULL);
    }
    (void)fclose(f);
    return kib * 1024;
}

/* Nanoseconds that a thread has run: finer than the ticks of /proc/PID/stat. */
static double thread_ns(pid_t pid, const char *thread)
{
    char path[320], line[256] = "0";
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, thread);
    f = fopen(path, "r");
    if (f == NULL)
        sample_fail(path, strerror(errno));
    if (fgets(line, sizeof line, f) == NULL)
        sample_fail(path, "empty");
    (void)fclose(f);
    return strtod(line, NULL);
}

double machine_cpu_s(pid_t pid)
{
    char path[64];
    struct dirent *e;
    double ns = 0;
    DIR *d;

    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    d = opendir(path);
    if (d == NULL)
        sample_fail(path, strerror(errno));
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.')
            ns += thread_ns(pid, e->d_name);
    }
    (void)closedir(d);
    return ns * 1e-9;
}

double machine_spawn_rate(unsigned spawns)
{
    char name[] = "/bin/true", *argv[] = { name, NULL };
    double begin = sample_now();

    for (unsigned i = 0; i < spawns; i++) {
        pid_t pid;
        int status, rc = posix_spawn(&pid, name, NULL, NULL, argv, environ);

        if (rc != 0)
            sample_fail(name, strerror(rc));
        if (waitpid(pid, &status, 0) != pid || status != 0)
            sample_fail(name, "failed");
    }
    return spawns / (sample_now() - begin);
}
