/* Opening and closing all parts, in order. */
#include "conf/log.h"
#include "gangerd.h"
#include "proto/err.h"

#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#define SLOW_MS       10000u
#define NOFILE_BASE   48u
#define GRACE_POLL_MS 20u
/* How long a result is kept that nobody waited for and that asked for no retention. */
#define ORPHAN_RETENTION_MS (5u * 60 * 1000)

/* Each session and child is a descriptor; what we start gets back what we had. */
static void nofile_raise(struct gangerd *d)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    d->nofile = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* The loop, the journal, the listener and a few clients, beside a link of each agent and child. */
static int nofile_check(const struct gangerd *d, char *err, size_t err_bytes)
{
    struct rlimit limit;
    rlim_t need = NOFILE_BASE;

    for (size_t i = 0; i < d->conf->pool_count; i++)
        need += 1 + (rlim_t)d->conf->pools[i].processes;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need)
        return 0;
    (void)snprintf(err, err_bytes,
        "the limit of %llu open files is too low: these pools need %llu; raise it (ulimit -n, "
        "LimitNOFILE= of the unit)",
        (unsigned long long)limit.rlim_cur, (unsigned long long)need);
    return GANGER_ERANGE;
}

static bool worker_at(char *path, size_t bytes, const char *dir, const char *below)
{
    return (size_t)snprintf(path, bytes, "%s/%s", dir, below) < bytes && access(path, X_OK) == 0;
}

/* Where the program of the agents is: beside us, where $GANGER_WORKER says, installed, in PATH. */
static void worker_find(char *path, size_t bytes)
{
    static const char *const below[] = { "ganger-worker", "../bin/ganger-worker",
        "../libexec/ganger/ganger-worker", "../libexec/ganger-worker" };
    const char *given = getenv("GANGER_WORKER");
    char self[PATH_MAX];
    ssize_t got = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *dir;

    self[got < 0 ? 0 : got] = '\0';
    dir = dirname(self);
    if (worker_at(path, bytes, dir, below[0]))
        return;
    if (given != NULL && given[0] != '\0') {
        (void)snprintf(path, bytes, "%s", given);
        return;
    }
    for (size_t i = 1; i < sizeof below / sizeof below[0]; i++) {
        if (worker_at(path, bytes, dir, below[i]))
            return;
    }
    (void)snprintf(path, bytes, "ganger-worker");
}

static void on_event(void *ctx, int level, const char *name, const char *text)
{
    (void)ctx;
    log_event(level, name, "text=%s", text);
}

static int on_agent(void *ctx, const struct net_agent *agent, char *text, size_t text_bytes)
{
    struct gangerd *d = ctx;
    struct pool_visitor visitor = { agent->fd, agent->peer.pid, agent->peer.uid, agent->pool,
        agent->bytes, agent->byte_count };

    return pool_adopt_agent(d->pool, &visitor, text, text_bytes);
}

static int open_parts(struct gangerd *d)
{
    char worker[PATH_MAX];
    struct net_config net = { .loop = &d->loop,
        .limits = &d->conf->limits,
        .turn = turn_begin,
        .turn_ctx = d,
        .on_agent = on_agent,
        .agent_ctx = d };
    struct pool_config pool = {
        .loop = &d->loop, .turn = turn_begin, .turn_ctx = d, .worker = worker, .nofile = d->nofile
    };
    int rc;

    worker_find(worker, sizeof worker);
    rc = net_open(&net, &d->net);
    return rc < 0 ? rc : pool_open(&pool, &d->pool);
}

static int open_engine(struct gangerd *d, char *err, size_t err_bytes)
{
    const struct conf *c = d->conf;
    struct engine_config config = { .tasks_max = c->limits.tasks_max,
        .results_max = c->limits.results_bytes,
        .grace_ms = c->limits.grace_ms,
        .orphan_retention_ms = ORPHAN_RETENTION_MS,
        .notify = turn_notify,
        .stand_in = helm_stand_in,
        .notify_ctx = d,
        .event = on_event,
        .event_ctx = d };

    net_ops(d->net, &config.net);
    pool_ops(d->pool, &config.pool);
    if (getrandom(&config.seed, sizeof config.seed, 0) != (ssize_t)sizeof config.seed)
        config.seed = clock_wall_ms();
    if (!c->journal.memory) {
        d->journal = (struct store_config){ .dir = c->journal.dir,
            .segment_bytes = (size_t)c->journal.segment_bytes,
            .max_bytes = c->journal.max_bytes };
        config.journal = &d->journal;
    }
    return engine_open(&config, clock_now_us(), clock_wall_ms(), &d->engine, err, err_bytes);
}

/* Is every agent and child of an older daemon gone? Agents that came by themselves hold no lock. */
static bool old_are_gone(struct gangerd *d)
{
    for (size_t i = 0; i < d->conf->pool_count; i++) {
        if (d->conf->pools[i].kind == CONF_POOL_EXTERNAL)
            return false;
    }
    return locks_clear(&d->locks);
}

static void on_grace(uv_timer_t *timer)
{
    struct gangerd *d = timer->data;
    bool clear = old_are_gone(d);

    if (clear) {
        turn_begin(d);
        engine_grace_over(d->engine);
    }
    if (clear || uv_now(&d->loop) >= d->grace_until_ms)
        (void)uv_timer_stop(timer);
}

/* After an unclean stop nothing runs until what it left is gone. */
static void watch_old(struct gangerd *d)
{
    bool clear = old_are_gone(d);

    if (!engine_unclean(d->engine))
        return;
    if (clear) {
        engine_grace_over(d->engine);
        return;
    }
    log_event(LOG_NOTICE, "waiting-for-old-agents", "at-most-ms=%llu",
        (unsigned long long)d->conf->limits.grace_ms);
    d->grace_until_ms = uv_now(&d->loop) + d->conf->limits.grace_ms;
    (void)uv_timer_start(&d->grace, on_grace, GRACE_POLL_MS, GRACE_POLL_MS);
}

/* The socket's directory, when there is no journal to keep the lock beside. */
static void lock_dir(const struct conf *c, char *dir, size_t bytes)
{
    if (c->journal.memory) {
        (void)snprintf(dir, bytes, "%s", c->socket.path);
        (void)dirname(dir);
    } else {
        (void)snprintf(dir, bytes, "%s", c->journal.dir);
    }
}

static int start_parts(struct gangerd *d, char *err, size_t err_bytes)
{
    char dir[PATH_MAX];
    int rc;

    lock_dir(d->conf, dir, sizeof dir);
    rc = locks_init(&d->locks, dir, engine_epoch(d->engine));
    if (rc == 0)
        rc = pool_start(d->pool, d->engine, d->locks.own);
    if (rc < 0) {
        (void)snprintf(err, err_bytes, "%s: %s", dir, error_text(rc));
        return EXIT_INTERNAL;
    }
    if (define_all(d, d->conf, err, err_bytes) < 0)
        return EXIT_CONFIG;
    if (net_listen(d->net, d->engine, &d->conf->socket, status_socket(), err, err_bytes) < 0)
        return EXIT_SOCKET;
    /* Tasks that are clients themselves find this daemon. */
    (void)setenv("GANGER_SOCKET", d->conf->socket.path, 1);
    watch_old(d);
    return EXIT_CLEAN;
}

static void on_slow(uv_timer_t *timer)
{
    const struct gangerd *d = timer->data;

    log_flush();
    if (d->phase == PHASE_SERVING)
        status_line(d);
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    status_alive();
}

static void on_stop_signal(uv_signal_t *handle, int number)
{
    struct gangerd *d = handle->data;

    (void)number;
    turn_begin(d);
    stop_ask(d);
}

static void on_sighup(uv_signal_t *handle, int number)
{
    struct gangerd *d = handle->data;

    (void)number;
    turn_begin(d);
    if (d->phase == PHASE_SERVING)
        reload(d);
}

static void handles_init(struct gangerd *d)
{
    uv_timer_t *timers[] = { &d->slow, &d->watchdog, &d->grace, &d->drain };
    uv_signal_t *signals[] = { &d->sighup, &d->sigterm, &d->sigint };

    turn_init(d);
    helm_init(d);
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++) {
        (void)uv_timer_init(&d->loop, timers[i]);
        timers[i]->data = d;
    }
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        (void)uv_signal_init(&d->loop, signals[i]);
        signals[i]->data = d;
    }
}

static void handles_start(struct gangerd *d)
{
    uint64_t watchdog_ms = status_watchdog_ms();

    turn_start(d);
    clock_watch_start(d);
    (void)uv_timer_start(&d->slow, on_slow, SLOW_MS, SLOW_MS);
    if (watchdog_ms > 0)
        (void)uv_timer_start(&d->watchdog, on_watchdog, watchdog_ms, watchdog_ms);
    (void)uv_signal_start(&d->sighup, on_sighup, SIGHUP);
    (void)uv_signal_start(&d->sigterm, on_stop_signal, SIGTERM);
    (void)uv_signal_start(&d->sigint, on_stop_signal, SIGINT);
}

int setup_open(struct gangerd *d, char *err, size_t err_bytes)
{
    int rc;

    nofile_raise(d);
    if (nofile_check(d, err, err_bytes) < 0)
        return EXIT_CONFIG;
    (void)signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&d->loop) < 0) {
        (void)snprintf(err, err_bytes, "no event loop");
        return EXIT_INTERNAL;
    }
    handles_init(d);
    rc = open_parts(d);
    if (rc < 0) {
        (void)snprintf(err, err_bytes, "%s", error_text(rc));
        return EXIT_INTERNAL;
    }
    if (open_engine(d, err, err_bytes) < 0)
        return EXIT_JOURNAL;
    /* Not before: replay grows faster than a thread could be ahead of it. It can do without. */
    (void)ahead_open(&d->ahead);
    rc = start_parts(d, err, err_bytes);
    if (rc == EXIT_CLEAN)
        handles_start(d);
    return rc;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void setup_leave(struct gangerd *d)
{
    /* From here on no turn may end: its parts go one by one. */
    (void)uv_prepare_stop(&d->prepare);
    net_close(d->net);
    pool_close(d->pool);
    (void)uv_run(&d->loop, UV_RUN_NOWAIT);
    d->net = NULL;
    d->pool = NULL;
}

void setup_close(struct gangerd *d)
{
    if (d->prepare.data == NULL)
        return; /* there is no loop */
    setup_leave(d);
    engine_close(d->engine);
    ahead_close(d->ahead);
    uv_walk(&d->loop, close_handle, NULL);
    (void)uv_run(&d->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&d->loop);
    clock_watch_close(d);
    locks_done(&d->locks);
}
