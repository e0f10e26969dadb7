#include "ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/pages.h"

struct piece {
    void *p; /* NULL: none */
    size_t bytes;
};

struct ahead {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t asked; /* for the thread */
    pthread_cond_t quiet; /* for ahead_settle() */
    /* Under the mutex. */
    struct piece pieces[AHEAD_MAX]; /* asked for, the first one next */
    unsigned count;
    struct piece now; /* being written to */
    bool dropped;     /* and given back meanwhile */
    bool quit;
};

static void helper_ahead(void *ctx, void *p, size_t bytes)
{
    struct ahead *a = ctx;

    (void)pthread_mutex_lock(&a->mutex);
    if (a->count < AHEAD_MAX)
        a->pieces[a->count++] = (struct piece){ .p = p, .bytes = bytes };
    (void)pthread_mutex_unlock(&a->mutex);
    (void)pthread_cond_signal(&a->asked);
}

static void piece_remove(struct ahead *a, unsigned at)
{
    a->count--;
    memmove(a->pieces + at, a->pieces + at + 1, (a->count - at) * sizeof *a->pieces);
}

static bool helper_drop(void *ctx, void *p, size_t bytes)
{
    struct ahead *a = ctx;
    bool busy;

    (void)bytes;
    (void)pthread_mutex_lock(&a->mutex);
    busy = a->now.p == p;
    if (busy)
        a->dropped = true;
    for (unsigned i = a->count; i > 0; i--) {
        if (a->pieces[i - 1].p == p)
            piece_remove(a, i - 1);
    }
    (void)pthread_mutex_unlock(&a->mutex);
    return busy;
}

/* Called and left with the mutex held. */
static void work(struct ahead *a)
{
    a->now = a->pieces[0];
    piece_remove(a, 0);
    (void)pthread_mutex_unlock(&a->mutex);
    pages_touch(a->now.p, a->now.bytes);
    (void)pthread_mutex_lock(&a->mutex);
    if (a->dropped)
        pages_unmap(a->now.p, a->now.bytes);
    a->now.p = NULL;
    a->dropped = false;
}

static void *run(void *arg)
{
    struct ahead *a = arg;

    (void)pthread_mutex_lock(&a->mutex);
    while (!a->quit) {
        if (a->count > 0) {
            work(a);
            continue;
        }
        (void)pthread_cond_signal(&a->quiet);
        (void)pthread_cond_wait(&a->asked, &a->mutex);
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

static void ahead_free(struct ahead *a)
{
    (void)pthread_cond_destroy(&a->quiet);
    (void)pthread_cond_destroy(&a->asked);
    (void)pthread_mutex_destroy(&a->mutex);
    free(a);
}

int ahead_open(struct ahead **ret_ahead)
{
    struct ahead *a = calloc(1, sizeof *a);

    if (a == NULL)
        return GANGER_ENOMEM;
    (void)pthread_mutex_init(&a->mutex, NULL);
    (void)pthread_cond_init(&a->asked, NULL);
    (void)pthread_cond_init(&a->quiet, NULL);
    if (thread_start(a) < 0) {
        ahead_free(a);
        return GANGER_ENOMEM;
    }
    pages_helper_set(
        &(struct pages_helper){ .ctx = a, .ahead = helper_ahead, .drop = helper_drop });
    *ret_ahead = a;
    return 0;
}

void ahead_close(struct ahead *a)
{
    if (a == NULL)
        return;
    pages_helper_set(NULL);
    (void)pthread_mutex_lock(&a->mutex);
    a->quit = true;
    (void)pthread_cond_signal(&a->asked);
    (void)pthread_mutex_unlock(&a->mutex);
    (void)pthread_join(a->thread, NULL);
    ahead_free(a);
}

void ahead_settle(struct ahead *a)
{
    (void)pthread_mutex_lock(&a->mutex);
    while (a->count > 0 || a->now.p != NULL)
        (void)pthread_cond_wait(&a->quiet, &a->mutex);
    (void)pthread_mutex_unlock(&a->mutex);
}
