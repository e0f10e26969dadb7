#include "client/worker_kid.h"

#include "client/worker_sweep.h"
#include "client/worker_tsan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Orphans looked at in one sweep; the next one, soon after, finds the others. */
#define ORPHANS_MAX 1024

/* What a fork needs, before it is known whether it succeeds. */
struct birth {
    int link, link_far, page, errors, errors_far;
};

uint64_t agent_now_ms(void)
{
    return child_now_us() / 1000;
}

static void comm_read(const char *tid, char *comm, size_t comm_bytes)
{
    char path[300];
    int fd;
    ssize_t n = -1;

    (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        n = read(fd, comm, comm_bytes - 1);
    if (fd >= 0)
        (void)close(fd);
    comm[n > 0 ? n - 1 : 0] = '\0';
}

bool agent_has_thread(char *comm, size_t comm_bytes)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *d;
    int others = 0;

    comm[0] = '\0';
    if (dir == NULL)
        return false;
    while ((d = readdir(dir)) != NULL) {
        if (d->d_name[0] == '.' || strtol(d->d_name, NULL, 10) == (long)getpid())
            continue;
        comm_read(d->d_name, comm, comm_bytes);
        others++;
    }
    (void)closedir(dir);
    return others > WORKER_TSAN;
}

static void agent_send(struct agent *a, struct out *o, const int *fds, size_t count)
{
    int rc = uplink_send(a->link, o, fds, count);

    if (rc < 0 && a->broken == 0)
        a->broken = rc;
}

/* ---- birth ---- */

static void birth_close(struct birth *b)
{
    int *fds[] = { &b->link, &b->link_far, &b->page, &b->errors, &b->errors_far };

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0)
            (void)close(*fds[i]);
        *fds[i] = -1;
    }
}

/* The page must keep its size: the coordinator maps it and must not be made to fault. */
static int page_make(void)
{
    int fd = memfd_create("ganger-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (ftruncate(fd, PAGE_BYTES) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static bool birth_prepare(struct birth *b)
{
    int sockets[2], pipes[2];

    *b = (struct birth){ -1, -1, -1, -1, -1 };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
        return false;
    b->link = sockets[0];
    b->link_far = sockets[1];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return false;
    b->errors = pipes[0];
    b->errors_far = pipes[1];
    b->page = page_make();
    return b->page >= 0 && fcntl(b->errors, F_SETFL, O_NONBLOCK) == 0;
}

static struct kid *kid_make(void)
{
    struct kid *k = calloc(1, sizeof *k);

    if (k == NULL)
        return NULL;
    k->note = mmap(
        NULL, sizeof *k->note, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (k->note != MAP_FAILED)
        return k;
    free(k);
    return NULL;
}

static void kid_free(struct kid *k)
{
    if (k == NULL)
        return;
    (void)munmap(k->note, sizeof *k->note);
    free(k);
}

static void report_unborn(struct agent *a, const struct msg_child *slot, const char *text)
{
    struct msg_exited m = { .child = slot->child, .gen = slot->gen, .group_empty = true };
    struct out o = { 0 };

    m.text = (struct slice){ (const uint8_t *)text, strlen(text) };
    msg_write_exited(&o, &m);
    agent_send(a, &o, NULL, 0);
}

static pid_t kid_fork(struct agent *a, const struct birth *b, struct kid *k)
{
    struct child_start start = { .config = a->config,
        .module = a->module,
        .functions = &a->functions,
        .note = k->note,
        .agent = getpid(),
        .link = b->link,
        .page = b->page,
        .errors = b->errors_far,
        .lock = a->config->lock_fd };
    pid_t pid;

    /* Or what waits in a buffer would be written by the kid as well. */
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0)
        child_run(&start);
    return pid;
}

static void kid_list(struct agent *a, struct kid *k, const struct msg_child *slot, struct birth *b)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = k };

    k->child = slot->child;
    k->gen = slot->gen;
    k->group = k->pid;
    /* By both, so that it is done before whichever needs it. */
    (void)setpgid(k->pid, k->pid);
    kid_output_init(&k->output, b->errors, a->poll, a->config->pool, k->pid, agent_now_ms());
    b->errors = -1;
    (void)epoll_ctl(a->poll, EPOLL_CTL_ADD, k->output.fd, &event);
    k->next = a->kids;
    a->kids = k;
    a->alive++;
}

static void report_started(struct agent *a, const struct kid *k, struct birth *b)
{
    struct msg_started m = { k->child, k->gen, (uint64_t)k->pid };
    int fds[] = { b->link_far, b->page };
    struct out o = { 0 };

    b->link_far = -1;
    b->page = -1;
    msg_write_started(&o, &m);
    agent_send(a, &o, fds, 2);
}

void kid_spawn(struct agent *a, const struct msg_child *slot)
{
    struct birth b;
    struct kid *k = kid_make();
    char text[200];
    bool prepared = birth_prepare(&b);

    if (k != NULL && prepared)
        k->pid = kid_fork(a, &b, k);
    if (k != NULL && k->pid > 0) {
        kid_list(a, k, slot, &b);
        report_started(a, k, &b);
    } else {
        (void)snprintf(text, sizeof text, "cannot fork: %s", strerror(errno));
        report_unborn(a, slot, text);
        kid_free(k);
    }
    birth_close(&b);
}

void kid_signal(struct agent *a, const struct msg_signal *m)
{
    for (struct kid *k = a->kids; k != NULL; k = k->next) {
        if (k->child != m->child || k->gen != m->gen || k->pid == 0)
            continue;
        (void)kill(k->pid, (int)m->signal);
        if (m->signal == SIGKILL)
            (void)kill(-k->pid, SIGKILL);
    }
}

/* ---- death ---- */

static bool is_orphan(const struct agent *a, pid_t pid)
{
    for (const struct kid *k = a->kids; k != NULL; k = k->next) {
        if (k->pid == pid)
            return false;
    }
    return true;
}

/* Kill the children that are no kids; returns how many there are. */
static size_t orphans_kill(const struct agent *a)
{
    pid_t pids[ORPHANS_MAX];
    size_t count = sweep_list(pids, ORPHANS_MAX), orphans = 0;

    for (size_t i = 0; i < count; i++) {
        if (!is_orphan(a, pids[i]))
            continue;
        orphans++;
        (void)kill(pids[i], SIGKILL);
    }
    return orphans;
}

static bool group_is_empty(pid_t group)
{
    return kill(-group, 0) < 0 && errno == ESRCH;
}

static uint64_t timeval_us(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

/* Say in what stage it died, for one that never became ready. */
static void early_text(
    const struct kid *k, const struct msg_worker_end *end, char *text, size_t bytes)
{
    uint32_t stage = atomic_load(&k->note->stage);
    const char *where = stage == STAGE_INIT ? "in its initializer" : "before its initializer";

    text[0] = '\0';
    if (stage >= STAGE_READY)
        return;
    if (end->signal != 0)
        (void)snprintf(text, bytes, "died %s, by signal %u (%s)", where, end->signal,
            strsignal((int)end->signal));
    else
        (void)snprintf(text, bytes, "ended %s, with status %u", where, end->exit_code);
}

static void report_exited(
    struct agent *a, struct kid *k, int status, const struct rusage *usage, bool empty)
{
    struct msg_exited m = { .child = k->child, .gen = k->gen, .group_empty = empty };
    uint8_t tail[GANGER_STDERR_TAIL];
    struct out o = { 0 };
    char text[200];

    m.end.pid = (uint64_t)k->group;
    if (WIFSIGNALED(status)) {
        m.end.signal = (uint32_t)WTERMSIG(status);
        m.end.core = WCOREDUMP(status) != 0;
    } else {
        m.end.exit_code = (uint32_t)WEXITSTATUS(status);
    }
    m.end.user_us = timeval_us(usage->ru_utime);
    m.end.system_us = timeval_us(usage->ru_stime);
    m.end.maxrss_kib = (uint64_t)usage->ru_maxrss;
    m.end.stderr_tail = (struct slice){ tail, tail_copy(&k->output.tail, tail) };
    early_text(k, &m.end, text, sizeof text);
    m.text = (struct slice){ (const uint8_t *)text, strlen(text) };
    msg_write_exited(&o, &m);
    agent_send(a, &o, NULL, 0);
}

static void kid_unlist(struct agent *a, struct kid *k)
{
    struct kid **at = &a->kids;

    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    kid_free(k);
}

static void kid_end(struct agent *a, struct kid *k)
{
    struct rusage usage;
    int status = 0;
    bool empty;

    /* While it is a zombie, the number of its group cannot be another's. */
    (void)kill(-k->pid, SIGKILL);
    while (wait4(k->pid, &status, __WALL, &usage) < 0 && errno == EINTR) {
    }
    k->pid = 0;
    a->alive--;
    kid_output_close(&k->output, agent_now_ms());
    empty = orphans_kill(a) == 0 && group_is_empty(k->group);
    report_exited(a, k, status, &usage, empty);
    if (empty)
        kid_unlist(a, k);
}

static struct kid *kid_of(struct agent *a, pid_t pid)
{
    struct kid *k = a->kids;

    while (k != NULL && k->pid != pid)
        k = k->next;
    return k;
}

void kids_reap(struct agent *a)
{
    for (;;) {
        siginfo_t info = { .si_pid = 0 };
        struct kid *k;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 && errno == EINTR)
            continue;
        if (info.si_pid == 0)
            return;
        k = kid_of(a, info.si_pid);
        if (k != NULL)
            kid_end(a, k);
        else
            (void)waitpid(info.si_pid, NULL, __WALL);
    }
}

bool kids_sweep(struct agent *a)
{
    struct kid *k, *next;
    bool pending = false, orphans = false, looked = false;

    for (k = a->kids; k != NULL; k = next) {
        struct out o = { 0 };

        next = k->next;
        if (k->pid != 0)
            continue;
        if (!looked)
            orphans = orphans_kill(a) != 0;
        looked = true;
        if (orphans || !group_is_empty(k->group)) {
            pending = true;
            continue;
        }
        msg_write_child(&o, MSG_EMPTY, k->child, k->gen);
        agent_send(a, &o, NULL, 0);
        kid_unlist(a, k);
    }
    return pending;
}

void kids_kill(struct agent *a)
{
    for (struct kid *k = a->kids; k != NULL; k = k->next) {
        if (k->pid == 0)
            continue;
        (void)kill(k->pid, SIGKILL);
        (void)kill(-k->pid, SIGKILL);
    }
}

void kids_done(struct agent *a)
{
    struct kid *k, *next;

    for (k = a->kids; k != NULL; k = next) {
        next = k->next;
        if (k->output.fd >= 0)
            (void)close(k->output.fd);
        kid_free(k);
    }
    a->kids = NULL;
}
