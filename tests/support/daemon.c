#include "tests/support/daemon.h"

#include "tests/support/test_main.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MARK          "GANGER_TEST_DIR="
#define ENV_MAX       8
#define PROCESSES_MAX 512

struct daemon {
    char dir[64];
    char socket[96];
    pid_t pid; /* 0: not running */
    char *env[ENV_MAX];
    size_t env_count;
    bool bare;      /* it gets no standard descriptors */
    unsigned files; /* bound of open files, 0: as we have */
};

int64_t test_now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void test_back_off(unsigned *round)
{
    long ms = *round < 5 ? 1 << *round : 20;

    (void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
    ++*round;
}

/* ---- the directory ---- */

const char *daemon_path(const struct daemon *d, const char *name)
{
    static char paths[16][256];
    static unsigned next;
    char *path = paths[next++ % 16];

    (void)snprintf(path, sizeof paths[0], "%s/%s", d->dir, name);
    return path;
}

static const char *stands_for(const struct daemon *d, char letter)
{
    switch (letter) {
    case 'D':
        return d->dir;
    case 'M':
        return TESTMOD_PATH;
    case 'T':
        return TESTS_DIR;
    default:
        return NULL;
    }
}

static void expand(const struct daemon *d, const char *text, FILE *to)
{
    for (; *text != '\0'; text++) {
        const char *value = *text == '%' ? stands_for(d, text[1]) : NULL;

        if (value != NULL) {
            (void)fputs(value, to);
            text++;
        } else {
            (void)fputc(*text, to);
        }
    }
}

/* Whether YAML has the top-level key. */
static bool has_section(const char *yaml, const char *key)
{
    char line[32];

    (void)snprintf(line, sizeof line, "\n%s", key);
    return strncmp(yaml, key, strlen(key)) == 0 || strstr(yaml, line) != NULL;
}

void daemon_yaml(struct daemon *d, const char *yaml)
{
    FILE *f = fopen(daemon_path(d, "gangerd.yaml"), "w");

    assert_non_null(f);
    if (!has_section(yaml, "socket:"))
        (void)fprintf(f, "socket:\n  path: %s\n", d->socket);
    if (!has_section(yaml, "journal:"))
        (void)fprintf(f, "journal:\n  dir: %s/journal\n  segment: 1MiB\n", d->dir);
    if (!has_section(yaml, "log:"))
        (void)fprintf(f, "log:\n  level: debug\n  format: plain\n");
    expand(d, yaml, f);
    assert_int_equal(fclose(f), 0);
}

void daemon_env(struct daemon *d, const char *pair)
{
    size_t bytes;
    FILE *f;

    assert_true(d->env_count < ENV_MAX);
    f = open_memstream(&d->env[d->env_count++], &bytes);
    assert_non_null(f);
    expand(d, pair, f);
    (void)fclose(f);
}

void daemon_bare(struct daemon *d)
{
    d->bare = true;
}

void daemon_files(struct daemon *d, unsigned most)
{
    d->files = most;
}

struct daemon *daemon_new(const char *yaml)
{
    struct daemon *d = calloc(1, sizeof *d);

    assert_non_null(d);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(d->dir, sizeof d->dir, "/tmp/ganger-test.XXXXXX");
    assert_non_null(mkdtemp(d->dir));
    (void)snprintf(d->socket, sizeof d->socket, "%s/ganger.sock", d->dir);
    daemon_env(d, MARK "%D");
    daemon_yaml(d, yaml);
    return d;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (kind == FTW_DNR || kind == FTW_D)
        (void)chmod(path, 0700);
    return remove(path);
}

/* ---- the log ---- */

static char *log_read(const struct daemon *d)
{
    FILE *f = fopen(daemon_path(d, "log"), "r");
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    int c;

    assert_non_null(to);
    while (f != NULL && (c = fgetc(f)) != EOF)
        (void)fputc(c, to);
    if (f != NULL)
        (void)fclose(f);
    (void)fclose(to);
    return text;
}

bool daemon_log_has(const struct daemon *d, const char *text)
{
    char *log = log_read(d);
    bool has = strstr(log, text) != NULL;

    free(log);
    return has;
}

void daemon_log_print(const struct daemon *d)
{
    char *log = log_read(d);
    size_t bytes = strlen(log);

    (void)fprintf(
        stderr, "--- log of the daemon\n%s---\n", log + (bytes > 8000 ? bytes - 8000 : 0));
    free(log);
}

void daemon_log_wait(const struct daemon *d, const char *text)
{
    int64_t end_ms = test_now_ms() + DAEMON_WAIT_MS;
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char events[4096];

    assert_true(watch >= 0);
    assert_true(inotify_add_watch(watch, daemon_path(d, "log"), IN_MODIFY) >= 0);
    while (!daemon_log_has(d, text)) {
        struct pollfd p = { .fd = watch, .events = POLLIN };
        int64_t left_ms = end_ms - test_now_ms();

        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0) {
            daemon_log_print(d);
            fail_msg("the log never said: %s", text);
        }
        while (read(watch, events, sizeof events) > 0)
            continue;
    }
    (void)close(watch);
}

/* ---- the process ---- */

static void run(const struct daemon *d, int log)
{
    sigset_t none;

    /* A test that fails leaves nothing running. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(log, STDERR_FILENO);
    (void)dup2(log, STDOUT_FILENO);
    for (int fd = d->bare ? 0 : 3; fd < 1024; fd++)
        (void)close(fd);
    if (d->files != 0)
        (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){ d->files, d->files });
    for (size_t i = 0; i < d->env_count; i++)
        (void)putenv(d->env[i]);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execl(GANGERD_PATH, "gangerd", "--config", daemon_path(d, "gangerd.yaml"), (char *)NULL);
    _exit(127);
}

void daemon_spawn(struct daemon *d)
{
    int log = open(daemon_path(d, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_true(log >= 0);
    assert_int_equal(d->pid, 0);
    d->pid = fork();
    assert_true(d->pid >= 0);
    if (d->pid == 0)
        run(d, log);
    (void)close(log);
}

/* True once it has ended; then *RET_STATUS is set and it is reaped. */
static bool ended_within(struct daemon *d, int64_t ms, int *ret_status)
{
    int fd = (int)syscall(SYS_pidfd_open, d->pid, 0);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int rc;

    assert_true(fd >= 0);
    do {
        rc = poll(&p, 1, (int)ms);
    } while (rc < 0 && errno == EINTR);
    (void)close(fd);
    if (rc == 0)
        return false;
    assert_int_equal(waitpid(d->pid, ret_status, 0), d->pid);
    d->pid = 0;
    return true;
}

void daemon_start(struct daemon *d)
{
    int64_t end_ms = test_now_ms() + DAEMON_WAIT_MS;
    unsigned round = 0;
    struct ganger *g;
    int status = 0;

    daemon_spawn(d);
    while (ganger_open(d->socket, &g) < 0) {
        if (ended_within(d, 0, &status) || test_now_ms() > end_ms) {
            daemon_log_print(d);
            fail_msg("gangerd does not start, status %x", (unsigned)status);
        }
        test_back_off(&round);
    }
    ganger_close(g);
}

struct daemon *daemon_run(const char *yaml)
{
    struct daemon *d = daemon_new(yaml);

    daemon_start(d);
    return d;
}

int daemon_wait(struct daemon *d)
{
    int status;

    if (!ended_within(d, DAEMON_WAIT_MS, &status)) {
        daemon_log_print(d);
        fail_msg("gangerd does not end");
    }
    return status;
}

bool daemon_died(struct daemon *d, int *ret_status)
{
    return d->pid != 0 && ended_within(d, 0, ret_status);
}

void daemon_signal(const struct daemon *d, int number)
{
    assert_true(d->pid > 0);
    assert_int_equal(kill(d->pid, number), 0);
}

void daemon_stop(struct daemon *d)
{
    int status;

    daemon_signal(d, SIGTERM);
    status = daemon_wait(d);
    if (status != 0) {
        daemon_log_print(d);
        fail_msg("gangerd ended with status %x", (unsigned)status);
    }
}

void daemon_kill(struct daemon *d)
{
    daemon_signal(d, SIGKILL);
    (void)daemon_wait(d);
}

void daemon_free(struct daemon *d)
{
    struct daemon_process left[8];

    if (d == NULL)
        return;
    if (d->pid != 0)
        daemon_stop(d);
    UNTIL(d, daemon_processes(d, left, 8) == 0);
    if (daemon_log_has(d, "Sanitizer") || daemon_log_has(d, "runtime error:") ||
        daemon_log_has(d, "assertion failed")) {
        daemon_log_print(d);
        fail_msg("a program of the daemon has complained");
    }
    (void)nftw(d->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    for (size_t i = 0; i < d->env_count; i++)
        free(d->env[i]);
    free(d);
}

struct ganger *daemon_open(const struct daemon *d)
{
    struct ganger *g = NULL;
    int rc = ganger_open(d->socket, &g);

    if (rc < 0) {
        daemon_log_print(d);
        fail_msg("cannot connect: %s", ganger_strerror(rc));
    }
    return g;
}

const char *daemon_dir(const struct daemon *d)
{
    return d->dir;
}

const char *daemon_socket(const struct daemon *d)
{
    return d->socket;
}

pid_t daemon_pid(const struct daemon *d)
{
    return d->pid;
}

/* ---- its processes ---- */

/*
 * Not by SIGSTOP: the kernel wakes a stopped process whose parent dies and leaves its group an
 * orphan.
 */
bool process_freeze(pid_t pid)
{
    int status;

    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
        return false;
    if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0 && waitpid(pid, &status, __WALL) == pid &&
        WIFSTOPPED(status))
        return true;
    (void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
    return false;
}

void process_thaw(pid_t pid)
{
    if (ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0)
        return;
    /* It was killed meanwhile: as its tracer we are to hear of that too. */
    (void)waitpid(pid, NULL, __WALL | WNOHANG);
}

/* The file NAME of process PID, NUL-terminated; its length or -1. */
static ssize_t proc_read(pid_t pid, const char *name, char *text, size_t bytes)
{
    char path[64];
    ssize_t got, all = 0;
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while ((size_t)all < bytes - 1 && (got = read(fd, text + all, bytes - 1 - (size_t)all)) > 0)
        all += got;
    (void)close(fd);
    text[all] = '\0';
    return all;
}

static bool is_marked(const struct daemon *d, pid_t pid)
{
    static char text[65536];
    ssize_t bytes = proc_read(pid, "environ", text, sizeof text);
    const char *at = text;

    while (bytes > 0 && at < text + bytes) {
        if (strncmp(at, MARK, strlen(MARK)) == 0)
            return strcmp(at + strlen(MARK), d->dir) == 0;
        at += strlen(at) + 1;
    }
    return false;
}

/*
 * A process that works on the memory of its parent is a helper of that: when a program with
 * LeakSanitizer ends, one looks for leaks. To kill it alone is to have the program wait for it for
 * ever, so nobody may.
 */
static bool is_helper(pid_t pid, pid_t parent)
{
    return parent > 0 && syscall(SYS_kcmp, pid, parent, KCMP_VM, 0, 0) == 0;
}

static bool process_look(const struct daemon *d, pid_t pid, struct daemon_process *ret_process)
{
    char stat[1024];
    const char *behind;
    int parent;
    char state;

    if (!is_marked(d, pid) || proc_read(pid, "stat", stat, sizeof stat) <= 0)
        return false;
    behind = strrchr(stat, ')');
    if (behind == NULL || sscanf(behind + 1, " %c %d", &state, &parent) != 2)
        return false;
    *ret_process = (struct daemon_process){ .pid = pid, .parent = parent, .state = state };
    return state != 'Z' && state != 'X' && !is_helper(pid, (pid_t)parent);
}

static bool is_agent(pid_t pid)
{
    char line[4096];
    ssize_t bytes = proc_read(pid, "cmdline", line, sizeof line);

    return bytes > 0 && strstr(line, "ganger-worker") != NULL;
}

static void roles_set(const struct daemon *d, struct daemon_process *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct daemon_process *p = &list[i];

        p->role = DAEMON_OTHER;
        if (p->pid == d->pid)
            p->role = DAEMON_SELF;
        else if (is_agent(p->pid) && d->pid != 0 && p->parent == d->pid)
            p->role = DAEMON_AGENT;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (list[k].role == DAEMON_AGENT && list[i].parent == list[k].pid &&
                is_agent(list[i].pid))
                list[i].role = DAEMON_CHILD;
        }
    }
}

size_t daemon_processes(const struct daemon *d, struct daemon_process *list, size_t max)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    size_t count = 0;

    assert_non_null(proc);
    while (count < max && (entry = readdir(proc)) != NULL) {
        long pid = strtol(entry->d_name, NULL, 10);

        if (pid > 0 && (pid_t)pid != getpid() && process_look(d, (pid_t)pid, &list[count]))
            count++;
    }
    (void)closedir(proc);
    roles_set(d, list, count);
    return count;
}

size_t daemon_count(const struct daemon *d, enum daemon_role role)
{
    static struct daemon_process list[PROCESSES_MAX];
    size_t count = daemon_processes(d, list, PROCESSES_MAX), found = 0;

    for (size_t i = 0; i < count; i++)
        found += list[i].role == role;
    return found;
}

pid_t daemon_first(const struct daemon *d, enum daemon_role role)
{
    static struct daemon_process list[PROCESSES_MAX];
    size_t count = daemon_processes(d, list, PROCESSES_MAX);

    for (size_t i = 0; i < count; i++) {
        if (list[i].role == role)
            return list[i].pid;
    }
    return 0;
}
