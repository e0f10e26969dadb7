/*
 * A turn of the loop: callbacks read what has come and call the engine; then, before the loop
 * waits again, the engine hands out work and the connections are written, one write each.
 *
 * That is done in a prepare callback, which runs after all others of a turn and before the next
 * deadline is taken for the wait.
 */
#include "gangerd.h"

#include <time.h>

/* Rounds of one turn in which writing led to more to do; the rest has its turn at once. */
#define TURN_ROUNDS 4

static uint64_t clock_of(clockid_t id, uint64_t per_second)
{
    struct timespec t;

    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * per_second + (uint64_t)t.tv_nsec / (1000000000u / per_second);
}

uint64_t clock_now_us(void)
{
    return clock_of(CLOCK_MONOTONIC, 1000000u);
}

uint64_t clock_wall_ms(void)
{
    return clock_of(CLOCK_REALTIME, 1000u);
}

void turn_begin(void *ctx)
{
    struct gangerd *d = ctx;

    if (d->timed || d->engine == NULL)
        return;
    d->timed = true;
    engine_time(d->engine, clock_now_us(), clock_wall_ms());
}

static void on_deadline(uv_timer_t *timer)
{
    struct gangerd *d = timer->data;

    /* The end of the turn, which follows, does what is due. */
    d->armed_us = UINT64_MAX;
}

static void arm(struct gangerd *d, uint64_t deadline_us)
{
    uint64_t now_us, wait_ms = 0;

    if (deadline_us == d->armed_us)
        return;
    d->armed_us = deadline_us;
    if (deadline_us == UINT64_MAX) {
        (void)uv_timer_stop(&d->timer);
        return;
    }
    now_us = clock_now_us();
    if (deadline_us > now_us)
        wait_ms = (deadline_us - now_us + 999) / 1000;
    uv_update_time(&d->loop);
    (void)uv_timer_start(&d->timer, on_deadline, wait_ms, 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct gangerd *d = prepare->data;
    uint64_t deadline_us = UINT64_MAX;
    bool again = true;

    d->timed = false;
    turn_begin(d);
    for (int i = 0; i < TURN_ROUNDS && again; i++) {
        deadline_us = engine_turn(d->engine);
        again = pool_flush(d->pool);
        again |= net_flush(d->net);
    }
    stop_step(d);
    arm(d, again ? clock_now_us() : deadline_us);
    if (engine_sync_left(d->engine))
        uv_stop(&d->loop); /* helm.c goes on with it */
    d->timed = false;
}

static void on_store_news(uv_async_t *async)
{
    struct gangerd *d = async->data;

    if (d->net == NULL)
        return; /* all is over */
    turn_begin(d);
    engine_store_ready(d->engine);
    helm_look(d);
}

void turn_notify(void *ctx)
{
    struct gangerd *d = ctx;

    (void)uv_async_send(&d->store_news);
}

void turn_init(struct gangerd *d)
{
    (void)uv_prepare_init(&d->loop, &d->prepare);
    (void)uv_timer_init(&d->loop, &d->timer);
    (void)uv_async_init(&d->loop, &d->store_news, on_store_news);
    d->prepare.data = d;
    d->timer.data = d;
    d->store_news.data = d;
    d->armed_us = UINT64_MAX;
}

void turn_start(struct gangerd *d)
{
    (void)uv_prepare_start(&d->prepare, on_prepare);
}
