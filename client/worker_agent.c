#include "client/worker_agent.h"

#include "client/worker_kid.h"
#include "client/worker_sweep.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* How often a group that should be empty is looked at. */
#define SWEEP_EVERY_MS 5
/* How long a stopping agent waits for killed children to be gone. */
#define STOP_LIMIT_MS 5000
#define EVENTS_MAX    64

/* ---- hello ---- */

static int hello_send(struct uplink *l, const char *pool)
{
    struct msg_hello m = { .version = GANGER_PROTOCOL_VERSION,
        .role = ROLE_AGENT,
        .name = { (const uint8_t *)pool, strlen(pool) },
        .frame_max = GANGER_FRAME_MAX,
        .payload_max = GANGER_PAYLOAD_MAX,
        .name_max = GANGER_NAME_MAX,
        .batch_max = GANGER_BATCH_MAX,
        .needs_max = GANGER_NEEDS_MAX,
        .pid = (uint64_t)getpid() };
    struct out o = { 0 };

    msg_write_hello(&o, &m);
    return uplink_send(l, &o, NULL, 0);
}

static int hello_check(struct msg *m, char *err, size_t err_bytes)
{
    struct msg_hello hello;
    struct msg_error error;
    int rc;

    if (m->type == MSG_ERROR && msg_read_error(m, &error) == 0) {
        (void)snprintf(err, err_bytes, "the daemon refuses: %.*s", (int)error.text.len,
            (const char *)error.text.data);
        return error.code < 0 ? error.code : GANGER_EACCES;
    }
    rc = m->type == MSG_HELLO ? msg_read_hello(m, &hello) : GANGER_EPROTO;
    if (rc == 0 && hello.version != GANGER_PROTOCOL_VERSION) {
        (void)snprintf(err, err_bytes, "the daemon speaks protocol version %u, this worker %u",
            hello.version, GANGER_PROTOCOL_VERSION);
        return GANGER_EVERSION;
    }
    if (rc == 0 && hello.role == ROLE_DAEMON)
        return 0;
    (void)snprintf(err, err_bytes, "what answers is no Ganger daemon");
    return GANGER_EPROTO;
}

/* Both hellos, before anything else. */
static int hello_exchange(struct agent *a, char *err, size_t err_bytes)
{
    uint64_t until = agent_now_ms() + GANGER_HANDSHAKE_MS;
    int rc = hello_send(a->link, a->config->pool);

    while (rc >= 0) {
        struct pollfd fd = { a->link->fd, POLLIN, 0 };
        uint64_t now = agent_now_ms();
        struct msg m;

        rc = uplink_next(a->link, &m);
        if (rc == 1)
            return hello_check(&m, err, err_bytes);
        if (rc < 0)
            break;
        if (now >= until) {
            rc = GANGER_ETIMEDOUT;
            break;
        }
        if (poll(&fd, 1, (int)(until - now)) > 0)
            rc = uplink_read(a->link);
    }
    (void)snprintf(err, err_bytes, "no hello from the daemon: %s", error_text(rc));
    return rc;
}

/* ---- functions ---- */

static void report_agent(struct agent *a, int code, const char *text)
{
    struct out o = { 0 };
    int rc;

    msg_write_agent(&o, code, text);
    rc = uplink_send(a->link, &o, NULL, 0);
    if (rc < 0 && a->broken == 0)
        a->broken = rc;
}

static void thread_text(const struct agent *a, const char *comm, char *text, size_t bytes)
{
    (void)snprintf(text, bytes,
        "%s%s started a thread (\"%s\") in the agent, which could not fork safely: start it in "
        "the initializer of each child",
        a->module != NULL ? "module " : "somebody", a->module != NULL ? a->module->name : "", comm);
}

static int agent_preload(struct agent *a, char *err, size_t err_bytes)
{
    const struct ganger_worker_config *config = a->config;
    char reason[1024] = "", comm[64];

    if (a->module->preload != NULL &&
        a->module->preload(config->init_args, config->init_bytes, reason, sizeof reason) != 0) {
        reason[sizeof reason - 1] = '\0';
        (void)snprintf(err, err_bytes, "module %s: preload failed: %s", a->module->name,
            reason[0] != '\0' ? reason : "it gave no reason");
        return GANGER_EMODULE;
    }
    if (agent_has_thread(comm, sizeof comm)) {
        thread_text(a, comm, err, err_bytes);
        return GANGER_EMODULE;
    }
    return 0;
}

/* Load, check and preload the functions; commands need none of it. */
static int agent_load(struct agent *a, char *err, size_t err_bytes)
{
    const struct ganger_worker_config *config = a->config;
    int rc;

    if (config->command != NULL || config->command_any)
        return 0;
    a->module = config->module;
    if (config->load != NULL) {
        rc = config->load(config->load_arg, &a->module, err, err_bytes);
        if (rc != 0)
            return rc < 0 ? rc : GANGER_EMODULE;
    }
    rc = function_table_init(&a->functions, a->module, err, err_bytes);
    return rc < 0 ? rc : agent_preload(a, err, err_bytes);
}

static void agent_load_and_tell(struct agent *a)
{
    char text[GANGER_TEXT_MAX] = "";
    int rc = agent_load(a, text, sizeof text);

    a->loaded = rc == 0;
    report_agent(a, rc, text);
}

/* ---- messages ---- */

static void on_spawn(struct agent *a, const struct msg_child *slot)
{
    char comm[64], text[400];

    if (!a->loaded) {
        report_agent(a, GANGER_EMODULE, "the functions are not loaded");
        return;
    }
    if (agent_has_thread(comm, sizeof comm)) {
        thread_text(a, comm, text, sizeof text);
        report_agent(a, GANGER_EMODULE, text);
        return;
    }
    kid_spawn(a, slot);
}

static int on_message(struct agent *a, struct msg *m)
{
    struct msg_child slot;
    struct msg_signal sig;
    int rc = GANGER_EPROTO;

    if (m->type == MSG_SPAWN) {
        rc = msg_read_child(m, &slot);
        if (rc == 0)
            on_spawn(a, &slot);
    } else if (m->type == MSG_SIGNAL) {
        rc = msg_read_signal(m, &sig);
        if (rc == 0 && (sig.signal == SIGTERM || sig.signal == SIGKILL))
            kid_signal(a, &sig);
    } else if (m->type == MSG_ERROR) {
        rc = GANGER_ECONN;
    }
    return rc;
}

static void on_link(struct agent *a, uint32_t events)
{
    struct msg m;
    int rc = 1;

    if ((events & EPOLLOUT) != 0 && uplink_flush(a->link) < 0)
        a->broken = GANGER_ECONN;
    if ((events & ~(uint32_t)EPOLLOUT) == 0)
        return;
    rc = uplink_read(a->link);
    while (rc >= 0 && a->broken == 0) {
        rc = uplink_next(a->link, &m);
        if (rc <= 0)
            break;
        rc = on_message(a, &m);
    }
    if (rc < 0 && a->broken == 0)
        a->broken = rc;
}

static void on_signals(struct agent *a)
{
    struct signalfd_siginfo info;

    while (read(a->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM)
            a->stopping = true;
    }
}

/* ---- the loop ---- */

/* Wish for what the link can do now: no reading while the coordinator does not read. */
static void uplink_wish(struct agent *a)
{
    struct epoll_event event = { .data.ptr = a->link };

    if (a->link->out_bytes < UPLINK_OUT_MAX)
        event.events |= EPOLLIN;
    if (a->link->out_bytes != 0)
        event.events |= EPOLLOUT;
    (void)epoll_ctl(a->poll, EPOLL_CTL_MOD, a->link->fd, &event);
}

/* One turn. Kids are freed only at its end, so no event of it can name one that is gone. */
static void agent_turn(struct agent *a, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(a->poll, events, EVENTS_MAX, timeout_ms);

    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == a->link)
            on_link(a, events[i].events);
        else if (events[i].data.ptr == &a->signals)
            on_signals(a);
        else
            (void)kid_output_read(&((struct kid *)events[i].data.ptr)->output, agent_now_ms());
    }
    kids_reap(a);
}

static void agent_loop(struct agent *a)
{
    bool pending = false;

    while (!a->stopping && a->broken == 0) {
        uplink_wish(a);
        agent_turn(a, pending ? SWEEP_EVERY_MS : -1);
        pending = kids_sweep(a);
    }
}

/* Kill all, and go on until they and what they left are gone. */
static void agent_stop(struct agent *a)
{
    uint64_t until = agent_now_ms() + STOP_LIMIT_MS;
    bool pending = true;

    (void)epoll_ctl(a->poll, EPOLL_CTL_DEL, a->link->fd, NULL);
    kids_kill(a);
    while ((a->alive != 0 || pending) && agent_now_ms() < until) {
        agent_turn(a, SWEEP_EVERY_MS);
        pending = kids_sweep(a);
    }
    if (!sweep_is_clean())
        (void)sweep_all(STOP_LIMIT_MS);
}

static int agent_watch(struct agent *a, int fd, void *what)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

    return epoll_ctl(a->poll, EPOLL_CTL_ADD, fd, &event);
}

static int agent_open(struct agent *a)
{
    sigset_t taken;

    (void)sigemptyset(&taken);
    (void)sigaddset(&taken, SIGCHLD);
    (void)sigaddset(&taken, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &taken, NULL);
    /* ^C and a closed terminal are the daemon's business. A broken log pipe must not kill us. */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    a->signals = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    a->poll = epoll_create1(EPOLL_CLOEXEC);
    if (a->signals < 0 || a->poll < 0 || agent_watch(a, a->signals, &a->signals) < 0 ||
        agent_watch(a, a->link->fd, a->link) < 0)
        return GANGER_EIO;
    return 0;
}

static void agent_close(struct agent *a)
{
    function_table_done(&a->functions);
    kids_done(a);
    uplink_done(a->link);
    if (a->signals >= 0)
        (void)close(a->signals);
    if (a->poll >= 0)
        (void)close(a->poll);
    free(a->link);
}

int agent_serve(const struct ganger_worker_config *config, int fd, char *err, size_t err_bytes)
{
    struct agent a = { .config = config, .signals = -1, .poll = -1 };
    int rc;

    a.link = malloc(sizeof *a.link);
    if (a.link == NULL) {
        (void)snprintf(err, err_bytes, "out of memory");
        return GANGER_ENOMEM;
    }
    uplink_init(a.link, fd);
    rc = agent_open(&a);
    if (rc < 0)
        (void)snprintf(err, err_bytes, "cannot set up: %s", strerror(errno));
    else
        rc = hello_exchange(&a, err, err_bytes);
    if (rc == 0) {
        agent_load_and_tell(&a);
        agent_loop(&a);
        agent_stop(&a);
        if (a.broken != 0 && a.broken != GANGER_ECONN) {
            rc = a.broken;
            (void)snprintf(err, err_bytes, "link to the daemon: %s", error_text(rc));
        }
    }
    agent_close(&a);
    return rc;
}
