#include "ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/pages.h"

/* Pieces of one size. */
struct kind {
    size_t bytes; /* 0: none yet */
    void *ready[AHEAD_READY];
    unsigned count;
    unsigned wanted; /* so many should be ready */
};

struct ahead {
    pthread_t thread;
    pthread_mutex_t mutex; /* held for a few instructions only */
    pthread_cond_t work;   /* for the thread */
    pthread_cond_t quiet;  /* for ahead_settle() */
    /* Under the mutex. */
    struct kind kinds[AHEAD_KINDS];
    bool busy, quit;
};

/* The kind of BYTES, or NULL if there are too many already. */
static struct kind *kind_of(struct ahead *a, size_t bytes)
{
    for (unsigned i = 0; i < AHEAD_KINDS; i++) {
        struct kind *k = &a->kinds[i];

        if (k->bytes == 0)
            k->bytes = bytes;
        if (k->bytes == bytes)
            return k;
    }
    return NULL;
}

static void *helper_take(void *ctx, size_t bytes)
{
    struct ahead *a = ctx;
    struct kind *k;
    void *p = NULL;

    (void)pthread_mutex_lock(&a->mutex);
    k = kind_of(a, bytes);
    if (k != NULL) {
        if (k->count > 0)
            p = k->ready[--k->count];
        else if (k->wanted < AHEAD_READY)
            k->wanted++;
        (void)pthread_cond_signal(&a->work);
    }
    (void)pthread_mutex_unlock(&a->mutex);
    return p;
}

static void helper_enough(void *ctx, size_t bytes)
{
    struct ahead *a = ctx;
    struct kind *k;

    (void)pthread_mutex_lock(&a->mutex);
    k = kind_of(a, bytes);
    if (k != NULL && k->wanted > 0) {
        k->wanted = 0;
        (void)pthread_cond_signal(&a->work);
    }
    (void)pthread_mutex_unlock(&a->mutex);
}

/* Bring K one piece nearer to what is wanted. Called and left with the mutex held. */
static void kind_step(struct ahead *a, struct kind *k)
{
    void *p = k->count > k->wanted ? k->ready[--k->count] : NULL;
    size_t bytes = k->bytes;
    bool make = p == NULL;

    (void)pthread_mutex_unlock(&a->mutex);
    if (make)
        p = pages_piece(bytes);
    else
        pages_piece_free(p, bytes);
    (void)pthread_mutex_lock(&a->mutex);
    if (make && p == NULL)
        k->wanted = k->count; /* no memory: let those try who need it */
    else if (make)
        k->ready[k->count++] = p;
}

static struct kind *kind_to_do(struct ahead *a)
{
    for (unsigned i = 0; i < AHEAD_KINDS; i++) {
        if (a->kinds[i].count != a->kinds[i].wanted)
            return &a->kinds[i];
    }
    return NULL;
}

static void *run(void *arg)
{
    struct ahead *a = arg;

    (void)pthread_mutex_lock(&a->mutex);
    while (!a->quit) {
        struct kind *k = kind_to_do(a);

        a->busy = k != NULL;
        if (k != NULL) {
            kind_step(a, k);
            continue;
        }
        (void)pthread_cond_signal(&a->quiet);
        (void)pthread_cond_wait(&a->work, &a->mutex);
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
    for (unsigned i = 0; i < AHEAD_KINDS; i++) {
        struct kind *k = &a->kinds[i];

        while (k->count > 0)
            pages_piece_free(k->ready[--k->count], k->bytes);
    }
    (void)pthread_cond_destroy(&a->quiet);
    (void)pthread_cond_destroy(&a->work);
    (void)pthread_mutex_destroy(&a->mutex);
    free(a);
}

int ahead_open(struct ahead **ret_ahead)
{
    struct ahead *a = calloc(1, sizeof *a);

    if (a == NULL)
        return GANGER_ENOMEM;
    (void)pthread_mutex_init(&a->mutex, NULL);
    (void)pthread_cond_init(&a->work, NULL);
    (void)pthread_cond_init(&a->quiet, NULL);
    if (thread_start(a) < 0) {
        ahead_free(a);
        return GANGER_ENOMEM;
    }
    pages_helper_set(
        &(struct pages_helper){ .ctx = a, .take = helper_take, .enough = helper_enough });
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
    (void)pthread_cond_signal(&a->work);
    (void)pthread_mutex_unlock(&a->mutex);
    (void)pthread_join(a->thread, NULL);
    ahead_free(a);
}

unsigned ahead_settle(struct ahead *a, size_t bytes)
{
    const struct kind *k;
    unsigned count;

    (void)pthread_mutex_lock(&a->mutex);
    while (a->busy || kind_to_do(a) != NULL)
        (void)pthread_cond_wait(&a->quiet, &a->mutex);
    k = kind_of(a, bytes);
    count = k == NULL ? 0 : k->count;
    (void)pthread_mutex_unlock(&a->mutex);
    return count;
}
