/* A private gangerd in a directory of its own. */
#include "curves.h"

#include <dirent.h>
#include <msgpack.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 512u
#define WAIT_MS    60000u /* for a start, or for all children */

struct host {
    pid_t pid;
    char socket[PATH_BYTES], conf[PATH_BYTES], log[PATH_BYTES];
};

static struct host *running;

static void sleep_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    (void)nanosleep(&t, NULL);
}

static void path_make(char path[PATH_BYTES], const char *name)
{
    if (snprintf(path, PATH_BYTES, "%s/%s", settings.dir, name) >= (int)PATH_BYTES)
        curve_fail(settings.dir, "the path is too long");
}

static void conf_write(const struct host *h, const char *yaml)
{
    FILE *f = fopen(h->conf, "w");

    if (f == NULL)
        curve_fail(h->conf, "cannot be written");
    (void)fprintf(f, "socket:\n  path: %s\n", h->socket);
    if (strncmp(yaml, "journal:", 8) != 0 && strstr(yaml, "\njournal:") == NULL)
        (void)fprintf(f, "journal:\n  dir: %s/journal\n", settings.dir);
    (void)fputs(yaml, f);
    if (fclose(f) != 0)
        curve_fail(h->conf, "cannot be written");
}

_Noreturn static void host_exec(const struct host *h)
{
    char program[PATH_BYTES];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (freopen(h->log, "a", stderr) == NULL || freopen("/dev/null", "r", stdin) == NULL)
        _exit(127);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    (void)snprintf(program, sizeof program, "%s/gangerd", settings.bin);
    (void)execl(program, program, "--config", h->conf, (char *)NULL);
    _exit(127);
}

static void log_show(const struct host *h)
{
    char line[1024];
    FILE *f = fopen(h->log, "r");

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        (void)fputs(line, stderr);
    if (f != NULL)
        (void)fclose(f);
}

static void files_remove(const struct host *h)
{
    char command[PATH_BYTES + 32];
    int rc;

    (void)unlink(h->socket);
    (void)unlink(h->conf);
    (void)unlink(h->log);
    (void)snprintf(command, sizeof command, "rm -rf -- '%s/journal'", settings.dir);
    rc = system(command);
    if (rc != 0)
        curve_fail(command, "failed");
}

static void host_kill(void)
{
    if (running == NULL)
        return;
    (void)kill(running->pid, SIGKILL);
    (void)waitpid(running->pid, NULL, 0);
    log_show(running);
    files_remove(running);
}

struct host *host_start(const char *yaml)
{
    struct host *h = curve_alloc(1, sizeof *h);
    struct ganger *g;
    uint64_t by = clock_ns() + WAIT_MS * UINT64_C(1000000);
    static bool registered;

    path_make(h->socket, "ganger.sock");
    path_make(h->conf, "gangerd.yaml");
    path_make(h->log, "log");
    files_remove(h);
    conf_write(h, yaml);
    h->pid = fork();
    if (h->pid == 0)
        host_exec(h);
    if (h->pid < 0)
        curve_fail("fork", "failed");
    running = h;
    if (!registered)
        (void)atexit(host_kill);
    registered = true;
    while (ganger_open(h->socket, &g) < 0) {
        if (waitpid(h->pid, NULL, WNOHANG) != 0 || clock_ns() > by)
            curve_fail("gangerd", "does not start");
        sleep_ms(5);
    }
    ganger_close(g);
    return h;
}

void host_stop(struct host *host)
{
    running = NULL;
    (void)kill(host->pid, SIGKILL);
    (void)waitpid(host->pid, NULL, 0);
    /* Agents and children end with the daemon; what they use of the machine should be over. */
    sleep_ms(settings.quick ? 100 : 300);
    files_remove(host);
    free(host);
}

struct ganger *host_open(const struct host *host)
{
    struct ganger *g;
    int rc = ganger_open(host->socket, &g);

    if (rc < 0)
        curve_fail(host->socket, ganger_strerror(rc));
    curve_check(g, ganger_set_output_bytes(g, 1u << 30), "output");
    return g;
}

const char *host_socket(const struct host *host)
{
    return host->socket;
}

/* Also threads: the one that syncs the journal is part of every durable round trip. */
static void threads_pin(pid_t pid, const cpu_set_t *set)
{
    char path[64];
    struct dirent *e;
    DIR *dir;

    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    dir = opendir(path);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        pid_t thread = (pid_t)strtol(e->d_name, NULL, 10);

        if (thread > 0)
            (void)sched_setaffinity(thread, sizeof *set, set);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

static void tree_pin(pid_t pid, const cpu_set_t *set)
{
    char path[64];
    long child;
    FILE *f;

    threads_pin(pid, set);
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    f = fopen(path, "r");
    while (f != NULL && fscanf(f, "%ld", &child) == 1)
        tree_pin((pid_t)child, set);
    if (f != NULL)
        (void)fclose(f);
}

/* User and system time of one process, and of what it has started if DOWN. */
static double process_cpu_seconds(pid_t pid, bool down)
{
    char path[64], line[1024];
    unsigned long user = 0, system_time = 0;
    double sum;
    long child;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (f != NULL && fgets(line, sizeof line, f) != NULL)
        (void)sscanf(strrchr(line, ')') == NULL ? line : strrchr(line, ')') + 1,
            " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system_time);
    if (f != NULL)
        (void)fclose(f);
    sum = (double)(user + system_time) / (double)sysconf(_SC_CLK_TCK);
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    f = down ? fopen(path, "r") : NULL;
    while (f != NULL && fscanf(f, "%ld", &child) == 1)
        sum += process_cpu_seconds((pid_t)child, true);
    if (f != NULL)
        (void)fclose(f);
    return sum;
}

double others_cpu_seconds(const struct host *host)
{
    unsigned long long v[8] = { 0 };
    double busy, own;
    FILE *f = fopen("/proc/stat", "r");

    if (f != NULL && fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
                         &v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
        memset(v, 0, sizeof v);
    if (f != NULL)
        (void)fclose(f);
    /* Idle time is exact, the other columns are counted by ticks. What the hypervisor has stolen is
     * the control's matter. */
    busy = (double)clock_ns() / 1e9 * (double)sysconf(_SC_NPROCESSORS_ONLN) -
           (double)(v[3] + v[4] + v[7]) / (double)sysconf(_SC_CLK_TCK);
    own = process_cpu_seconds(host->pid, true) + process_cpu_seconds(getpid(), false);
    return busy - own;
}

void host_pin(const struct host *host, bool one)
{
    static cpu_set_t all;
    cpu_set_t set;
    int cpu = 0;

    if (CPU_COUNT(&all) == 0 && sched_getaffinity(0, sizeof all, &all) < 0)
        curve_fail("sched_getaffinity", "failed");
    set = all;
    if (one) {
        while (!CPU_ISSET((size_t)cpu, &all))
            cpu++;
        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
    }
    tree_pin(host->pid, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static uint64_t map_number(const msgpack_object *map, const char *key)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];

        if (kv->key.type == MSGPACK_OBJECT_STR && kv->key.via.str.size == strlen(key) &&
            memcmp(kv->key.via.str.ptr, key, strlen(key)) == 0 &&
            kv->val.type == MSGPACK_OBJECT_POSITIVE_INTEGER)
            return kv->val.via.u64;
    }
    curve_fail(key, "the daemon does not tell it");
}

/* The sum of KEY over the map, or over the array of maps, that the daemon answers. */
static uint64_t answer_sum(
    struct ganger *g, enum ganger_verb verb, const char *name, const char *key)
{
    void *value;
    size_t bytes, at = 0;
    msgpack_unpacked unpacked;
    uint64_t sum = 0;

    curve_check(g, ganger_ask(g, verb, 0, name, 0, WAIT_MS, &value, &bytes), "ask");
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, value, bytes, &at) != MSGPACK_UNPACK_SUCCESS)
        curve_fail(key, "the answer is no msgpack");
    if (unpacked.data.type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < unpacked.data.via.array.size; i++)
            sum += map_number(&unpacked.data.via.array.ptr[i], key);
    } else {
        sum = map_number(&unpacked.data, key);
    }
    msgpack_unpacked_destroy(&unpacked);
    ganger_free(value);
    return sum;
}

uint64_t host_pool_number(struct ganger *g, const char *pool, const char *key)
{
    return answer_sum(g, GANGER_POOLS, pool, key);
}

uint64_t host_number(struct ganger *g, const char *key)
{
    return answer_sum(g, GANGER_STATS, NULL, key);
}

uint64_t host_pools_sum(struct ganger *g, const char *key)
{
    return answer_sum(g, GANGER_POOLS, NULL, key);
}

void host_wait_ready(struct ganger *g, const char *pool, uint64_t ready)
{
    uint64_t by = clock_ns() + WAIT_MS * UINT64_C(1000000);

    while (answer_sum(g, GANGER_POOLS, pool, "ready") != ready) {
        if (clock_ns() > by)
            curve_fail(pool == NULL ? "pools" : pool, "the children do not start");
        sleep_ms(5);
    }
}
