/*
 * Stopping. SIGTERM: no new connections or tasks; what runs may end within the drain time, and its
 * results are sent. Then the agents go, and with them all children; then, if everything had
 * ended, the journal is sealed, so that the next start need not wait for anybody. A drain that is
 * cut short leaves it unsealed: tasks that ran are run again by the next daemon.
 */
#include "conf/log.h"
#include "gangerd.h"

static void leave(struct gangerd *d, bool clean)
{
    d->phase = PHASE_LEAVING;
    d->clean = clean;
    (void)uv_timer_stop(&d->drain);
    pool_stop(d->pool);
}

static void on_drain_over(uv_timer_t *timer)
{
    struct gangerd *d = timer->data;
    struct engine_stats s;

    if (d->phase != PHASE_DRAINING)
        return;
    engine_stats(d->engine, &s);
    log_event(LOG_WARNING, "drain-cut-short", "running=%llu waiting=%llu",
        (unsigned long long)s.running, (unsigned long long)s.waiting);
    leave(d, false);
}

void stop_ask(struct gangerd *d)
{
    if (d->phase != PHASE_SERVING) {
        log_event(LOG_WARNING, "stopping-at-once", "reason=%s", "asked again");
        d->clean = false;
        d->phase = PHASE_OVER;
        uv_stop(&d->loop);
        return;
    }
    log_event(
        LOG_NOTICE, "stopping", "drain-ms=%llu", (unsigned long long)d->conf->limits.drain_ms);
    status_stopping();
    d->phase = PHASE_DRAINING;
    net_stop_listening(d->net);
    engine_drain(d->engine);
    (void)uv_timer_start(&d->drain, on_drain_over, d->conf->limits.drain_ms, 0);
}

void stop_step(struct gangerd *d)
{
    if (d->phase == PHASE_DRAINING && engine_drained(d->engine) && net_idle(d->net))
        leave(d, true);
    if (d->phase == PHASE_LEAVING && pool_stopped(d->pool)) {
        d->phase = PHASE_OVER;
        d->stopped = true;
        uv_stop(&d->loop);
    }
}

void stop_end(struct gangerd *d)
{
    if (!d->stopped)
        return;
    if (d->clean)
        engine_seal(d->engine);
    log_event(LOG_NOTICE, "stopped", "clean=%s", d->clean ? "yes" : "no");
}
