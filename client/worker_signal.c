#include "client/worker_child.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct child *child_self;

/* Set in a process that a task forked: it is no worker child and must never speak as one. */
static volatile sig_atomic_t is_descendant;

static const int deadly[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

uint64_t child_now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

bool child_is_descendant(void)
{
    return is_descendant != 0;
}

int child_send(const void *data, size_t bytes)
{
    const uint8_t *at = data;

    while (bytes > 0) {
        ssize_t n = send(CHILD_LINK, at, bytes, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return GANGER_ECONN;
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

void child_timer_set(struct child *c, uint64_t us)
{
    struct itimerspec when = { .it_value = {
                                   (time_t)(us / 1000000), (long)(us % 1000000) * 1000 } };

    (void)timer_settime(c->timer, 0, &when, NULL);
}

void child_timer_rest(struct child *c)
{
    if (!c->timer_armed)
        return;
    child_timer_set(c, 0);
    c->timer_armed = false;
}

/* Send what is gathered from a handler: nobody else touches it now. */
static void send_gathered(struct child *c)
{
    if (is_descendant || !c->lent || c->out.len == 0)
        return;
    child_close_batch(c);
    if (c->out.failed == 0)
        (void)child_send(c->out.data, c->out.len);
    c->out.len = 0;
}

static void on_timer(int signal)
{
    int saved = errno;
    struct child *c = child_self;

    (void)signal;
    c->timer_armed = false;
    if (atomic_load(&c->note->stage) == STAGE_READY) {
        send_gathered(c);
    } else if (!is_descendant) {
        /* The initializer takes too long: its refusal was written beforehand. */
        (void)child_send(c->scratch.data, c->scratch.len);
        _exit(1);
    }
    errno = saved;
}

static void on_stop(int signal)
{
    int saved = errno;
    struct child *c = child_self;
    uint32_t asked = atomic_load(&c->page->cancel);

    /* In a thread that the module has started: the one that runs the task shall wake up. */
    if (gettid() != c->pid && !is_descendant) {
        (void)tgkill(c->pid, c->pid, signal);
        errno = saved;
        return;
    }
    if (asked != 0 && c->running != 0 && asked == (uint32_t)c->running) {
        c->cancelled = 1;
        command_stop(&c->command);
    }
    errno = saved;
}

static void on_death(int number)
{
    send_gathered(child_self);
    /* The default action is back by SA_RESETHAND: die of the same signal, core and all. */
    (void)raise(number);
}

static void at_exit(void)
{
    send_gathered(child_self);
}

/* In a process that a task forked: let go of what belongs to the worker child. */
static void after_fork(void)
{
    if (child_self == NULL || is_descendant)
        return;
    is_descendant = 1;
    (void)close(CHILD_LINK);
    (void)signal(SIGTERM, SIG_DFL);
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
        (void)signal(deadly[i], SIG_DFL);
}

static int handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

    (void)sigfillset(&action.sa_mask);
    return sigaction(number, &action, NULL);
}

int child_signals_init(struct child *c)
{
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMAX - 1 };
    sigset_t none;

    child_self = c;
    event._sigev_un._tid = c->pid;
    (void)sigemptyset(&none);
    /* Without SA_RESTART a task that is asked to stop gets out of a blocking call. */
    if (handle(SIGTERM, on_stop, 0) < 0 || handle(SIGRTMAX - 1, on_timer, SA_RESTART) < 0 ||
        timer_create(CLOCK_MONOTONIC, &event, &c->timer) < 0 ||
        sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return GANGER_EIO;
    return pthread_atfork(NULL, NULL, after_fork) == 0 ? 0 : GANGER_ENOMEM;
}

void child_guard_ends(void)
{
    static uint8_t stack[64 * 1024];
    stack_t other = { .ss_sp = stack, .ss_size = sizeof stack };

    /* A stack of its own: one of the deaths is the end of the normal stack. */
    (void)sigaltstack(&other, NULL);
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        struct sigaction now;

        /* What the initializer has put there stays. */
        if (sigaction(deadly[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            (void)handle(deadly[i], on_death, (int)(SA_RESETHAND | SA_ONSTACK | SA_NODEFER));
    }
    (void)atexit(at_exit);
}
