#include "client/worker_child.h"

#include "client/acting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Where descriptors are parked while 0..4 are filled. */
#define PARK_FROM 16

/* Tell the coordinator why this child cannot serve, and end. */
_Noreturn __attribute__((format(printf, 3, 4))) static void child_refuse(
    struct child *c, int code, const char *format, ...)
{
    char text[GANGER_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->scratch.len = 0;
    msg_write_ready(&c->scratch, code, text);
    if (c->scratch.failed == 0)
        (void)child_send(c->scratch.data, c->scratch.len);
    (void)fprintf(stderr, "%s\n", text);
    (void)fflush(stderr);
    _exit(1);
}

/* Leave the agent's process group, and die with the agent. */
static void child_bind(const struct child_start *start)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != start->agent)
        _exit(1);
    /* What a task leaves running comes to us, not to the agent, however it was detached. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void signals_reset(bool commands)
{
    for (int i = 1; i <= SIGRTMAX; i++)
        (void)signal(i, SIG_DFL);
    /* ^C on the terminal of a foreground daemon is the daemon's business. */
    (void)signal(SIGINT, SIG_IGN);
    if (commands)
        (void)signal(SIGPIPE, SIG_IGN);
}

static int park(int fd)
{
    return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, PARK_FROM);
}

/* 0 from /dev/null, 1 and 2 to the agent, 3 the link, 4 the lock; nothing else. */
static void descriptors_arrange(const struct child_start *start)
{
    int link = park(start->link), errors = park(start->errors), lock = park(start->lock);
    int null = park(open("/dev/null", O_RDONLY | O_CLOEXEC));

    if (link < 0 || errors < 0 || null < 0 || dup2(null, 0) < 0 || dup2(errors, 1) < 0 ||
        dup2(errors, 2) < 0 || dup3(link, CHILD_LINK, O_CLOEXEC) < 0 ||
        (lock >= 0 && dup3(lock, CHILD_LOCK, O_CLOEXEC) < 0) ||
        close_range(lock >= 0 ? CHILD_LOCK + 1 : CHILD_LINK + 1, ~0u, 0) < 0)
        _exit(1);
}

static struct child *child_make(const struct child_start *start)
{
    struct child *c = calloc(1, sizeof *c);
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, start->page, 0);

    if (c == NULL || page == MAP_FAILED)
        _exit(1);
    c->config = start->config;
    c->module = start->module;
    c->functions = start->functions;
    c->note = start->note;
    c->page = page;
    c->pid = getpid();
    return c;
}

static void child_confine(struct child *c)
{
    const struct ganger_worker_config *config = c->config;

    for (size_t i = 0; i < config->rlimit_count; i++) {
        const struct ganger_worker_rlimit *r = &config->rlimits[i];
        struct rlimit limit = { r->value, r->value };

        if (setrlimit((__rlimit_resource_t)r->resource, &limit) < 0)
            child_refuse(c, GANGER_EINVAL, "cannot set resource limit %d to %llu: %s", r->resource,
                (unsigned long long)r->value, strerror(errno));
    }
    errno = 0;
    if (config->nice != 0 && nice(config->nice) == -1 && errno != 0)
        child_refuse(c, GANGER_EINVAL, "cannot change the niceness by %d: %s", config->nice,
            strerror(errno));
    if (config->directory != NULL && chdir(config->directory) < 0)
        child_refuse(c, GANGER_EINVAL, "directory %s: %s", config->directory, strerror(errno));
}

/* The module's initializer, for which a timer runs whose signal sends the refusal in SCRATCH. */
static void child_initialize(struct child *c)
{
    const struct ganger_worker_config *config = c->config;
    char reason[GANGER_TEXT_MAX] = "", late[100];

    if (c->module == NULL || c->module->init == NULL)
        return;
    (void)snprintf(
        late, sizeof late, "the initializer did not end within %u ms", config->init_timeout_ms);
    msg_write_ready(&c->scratch, GANGER_ETIMEDOUT, late);
    if (config->init_timeout_ms != 0)
        child_timer_set(c, (uint64_t)config->init_timeout_ms * 1000);
    if (c->module->init(config->init_args, config->init_bytes, reason, sizeof reason) != 0) {
        child_timer_set(c, 0);
        reason[sizeof reason - 1] = '\0';
        child_refuse(c, GANGER_EFAILED, "the initializer failed: %s",
            reason[0] != '\0' ? reason : "it gave no reason");
    }
    child_timer_set(c, 0);
    if (child_is_descendant())
        _exit(1);
}

static void child_prepare(struct child *c)
{
    if (child_signals_init(c) < 0)
        child_refuse(c, GANGER_EIO, "cannot set up signals: %s", strerror(errno));
    child_confine(c);
    if (c->module == NULL && command_init(&c->command, c->config) < 0)
        child_refuse(c, GANGER_ENOMEM, "out of memory");
    atomic_store(&c->note->stage, STAGE_INIT);
    child_initialize(c);
    child_guard_ends();
    atomic_store(&c->note->stage, STAGE_READY);
    c->scratch.len = 0;
    msg_write_ready(&c->scratch, 0, "");
    if (c->scratch.failed != 0 || child_send(c->scratch.data, c->scratch.len) < 0)
        _exit(0);
}

_Noreturn void child_run(const struct child_start *start)
{
    struct child *c;

    child_bind(start);
    signals_reset(start->module == NULL);
    c = child_make(start);
    acting_forget_environment();
    descriptors_arrange(start);
    /* Lines of a task's output reach the log when they are complete, not at the end. */
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    child_prepare(c);
    child_serve(c);
    if (c->module != NULL && c->module->fini != NULL)
        c->module->fini();
    exit(0);
}
