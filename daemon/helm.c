/*
 * Who is at the helm: which thread runs the loop.
 *
 * It is the main thread. If the engine has heard of nothing but records for a while, what it waits
 * for is the disk, and then the main thread syncs the journal itself: the way to the sync thread
 * and back are two changes of thread, often across processors, which cost as much as a sync of a
 * fast disk. It does so between two runs of the loop. If the disk takes its time, the sync thread,
 * which has nothing to do meanwhile, runs the loop instead, until the main thread is back; so
 * nobody who has no business with the disk waits for it longer than some milliseconds.
 */
#include "gangerd.h"

#include <signal.h>

void helm_init(struct gangerd *d)
{
    (void)pthread_mutex_init(&d->helm.mutex, NULL);
    (void)pthread_cond_init(&d->helm.back, NULL);
}

/* Take the loop back from who stands in. */
static void helm_take_back(struct gangerd *d)
{
    struct helm *h = &d->helm;

    (void)pthread_mutex_lock(&h->mutex);
    h->away = false;
    h->wanted = h->lent;
    if (h->lent)
        (void)uv_async_send(&d->store_news);
    while (h->lent)
        (void)pthread_cond_wait(&h->back, &h->mutex);
    h->wanted = false;
    (void)pthread_mutex_unlock(&h->mutex);
}

/*
 * Who waits for a disk handles no signal until it answers, but the kernel prefers the main thread
 * for those of the process: meanwhile they are for the others.
 */
static void helm_sync(struct gangerd *d)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_mutex_lock(&d->helm.mutex);
    d->helm.away = true;
    (void)pthread_mutex_unlock(&d->helm.mutex);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    engine_sync(d->engine, true);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    helm_take_back(d);
    if (d->phase == PHASE_OVER)
        return;
    turn_begin(d);
    engine_store_ready(d->engine);
}

void helm_run(struct gangerd *d)
{
    (void)uv_run(&d->loop, UV_RUN_DEFAULT);
    while (d->phase != PHASE_OVER && engine_sync_left(d->engine)) {
        /* Something has come since the end of the turn, or the end of all is near. */
        if (d->timed || d->phase != PHASE_SERVING)
            engine_sync(d->engine, false);
        else
            helm_sync(d);
        if (d->phase != PHASE_OVER)
            (void)uv_run(&d->loop, UV_RUN_DEFAULT);
    }
}

void helm_stand_in(void *ctx)
{
    struct gangerd *d = ctx;
    struct helm *h = &d->helm;

    (void)pthread_mutex_lock(&h->mutex);
    h->lent = h->away;
    if (h->lent) {
        (void)pthread_mutex_unlock(&h->mutex);
        (void)uv_run(&d->loop, UV_RUN_DEFAULT);
        /* Stopped at once: that is not to wait for the disk. */
        if (d->phase == PHASE_OVER && !d->stopped)
            setup_leave(d);
        (void)pthread_mutex_lock(&h->mutex);
        h->lent = false;
        (void)pthread_cond_signal(&h->back);
    }
    (void)pthread_mutex_unlock(&h->mutex);
}

void helm_look(struct gangerd *d)
{
    (void)pthread_mutex_lock(&d->helm.mutex);
    if (d->helm.wanted)
        uv_stop(&d->loop);
    (void)pthread_mutex_unlock(&d->helm.mutex);
}
