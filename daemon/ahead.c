#include "ahead.h"

#include "proto/err.h"
#include "proto/pages.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct ahead {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    /* Under the mutex. */
    void *ready[AHEAD_PIECES];
    unsigned count, asked;
    bool waits; /* the thread, for WANTED */
    bool fill, quit;
};

/* LOOP THREAD. The loop never waits for memory: the mutex is held for a few instructions only. */
static void *take(void *ctx)
{
    struct ahead *a = ctx;
    void *p = NULL;
    bool wake;

    (void)pthread_mutex_lock(&a->mutex);
    if (a->count > 0)
        p = a->ready[--a->count];
    if (a->asked < AHEAD_FROM)
        a->asked++;
    if (a->asked == AHEAD_FROM && a->count <= AHEAD_PIECES / 2)
        a->fill = true;
    wake = a->waits && a->fill;
    if (wake)
        a->waits = false;
    (void)pthread_mutex_unlock(&a->mutex);
    if (wake)
        (void)pthread_cond_signal(&a->wanted);
    return p;
}

/* Is there room for one more, and does anybody want it? */
static bool wants(const struct ahead *a)
{
    return a->fill && a->count < AHEAD_PIECES;
}

/* Make one more. Called and left with the mutex held. False: there is no memory. */
static bool make(struct ahead *a)
{
    void *p;

    (void)pthread_mutex_unlock(&a->mutex);
    p = pages_piece();
    (void)pthread_mutex_lock(&a->mutex);
    if (p == NULL)
        return false;
    a->ready[a->count++] = p;
    return true;
}

static void *run(void *arg)
{
    struct ahead *a = arg;

    (void)pthread_mutex_lock(&a->mutex);
    while (!a->quit) {
        if (wants(a) && make(a))
            continue;
        a->fill = false; /* enough until more is taken */
        a->waits = true;
        while (a->waits && !a->quit)
            (void)pthread_cond_wait(&a->wanted, &a->mutex);
    }
    (void)pthread_mutex_unlock(&a->mutex);
    return NULL;
}

/* Signals are the loop's. */
static int thread_start(struct ahead *a)
{
    sigset_t all, before;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&a->thread, NULL, run, a);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : GANGER_ENOMEM;
}

int ahead_open(struct ahead **ret_ahead)
{
    struct ahead *a = calloc(1, sizeof *a);

    if (a == NULL)
        return GANGER_ENOMEM;
    (void)pthread_mutex_init(&a->mutex, NULL);
    (void)pthread_cond_init(&a->wanted, NULL);
    if (thread_start(a) < 0) {
        free(a);
        return GANGER_ENOMEM;
    }
    pages_source_set(&(struct pages_source){ .take = take, .ctx = a });
    *ret_ahead = a;
    return 0;
}

void ahead_close(struct ahead *a)
{
    if (a == NULL)
        return;
    pages_source_set(NULL);
    (void)pthread_mutex_lock(&a->mutex);
    a->quit = true;
    (void)pthread_cond_signal(&a->wanted);
    (void)pthread_mutex_unlock(&a->mutex);
    (void)pthread_join(a->thread, NULL);
    while (a->count > 0)
        pages_piece_free(a->ready[--a->count]);
    (void)pthread_cond_destroy(&a->wanted);
    (void)pthread_mutex_destroy(&a->mutex);
    free(a);
}

unsigned ahead_ready(struct ahead *a)
{
    unsigned count;

    (void)pthread_mutex_lock(&a->mutex);
    count = a->count;
    (void)pthread_mutex_unlock(&a->mutex);
    return count;
}
