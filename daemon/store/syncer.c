#include "store/syncer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "proto/assert.h"
#include "proto/err.h"

/*
 * The batch that is under way may be left to the loop's thread. Until that is over the writer is
 * the loop's.
 */
enum here {
    HERE_NOT,
    HERE_LEFT, /* the loop will take it up, or leave it to the thread after all */
    HERE_WRITING
};

/* Timer slack: a wait for company can be as short as the 50 us that the kernel may add to it. */
#define SLACK_NS 1000ul

/* A batch and what it states. */
struct lent {
    struct batch *batch; /* NULL: none */
    struct writer_facts facts;
};

struct syncer {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work; /* for the thread */
    pthread_cond_t news; /* for a loop that drains */
    void (*notify)(void *ctx);
    void (*stand_in)(void *ctx); /* NULL: the loop never syncs */
    void *notify_ctx;            /* of both */

    /* Under the mutex. */
    struct lent now, standby; /* lent by the loop */
    uint64_t synced;          /* birth up to which all is durable, as the batches tell */
    struct company company;   /* that the batch which stands by waits for */
    enum here here;           /* is the batch the loop's to write? */
    uint64_t here_ns;         /* since when */
    uint64_t here_count;      /* how often it was, as far as ... */
    uint64_t here_seen;       /* ... the thread has seen */
    bool stands_in;           /* the thread runs the loop meanwhile, or has done so */
    bool busy;                /* the thread is at work with the writer */
    uint64_t sleep_until;     /* when it looks again by itself; UINT64_MAX: never, 0: it does */
    struct chunk *chunk;      /* lent by the loop */
    bool quit;
    bool has_news;
    struct syncer_news told;

    /* Of the thread alone. */
    struct writer writer;
    struct batch_cursor cursor;
    uint64_t retry_ns, retry_wait_ms;     /* when to try the batch again; 0: at once */
    uint64_t prepare_ns, prepare_wait_ms; /* when to try to make a spare again */
    uint64_t idle_ns; /* when the disk counts as idle, if no batch comes before */
    uint64_t trim_ns; /* when to give back of the surplus of spares; 0: there is none */
    uint64_t trim;    /* how many, of those that there were then */
};

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Set AT to WAIT_MS from now, and make the next wait longer. */
static void back_off(const struct journal_io *io, uint64_t *at, uint64_t *wait_ms)
{
    *at = now_ns() + *wait_ms * UINT64_C(1000000);
    *wait_ms = *wait_ms == 0 ? io->backoff_min_ms : *wait_ms * 2;
    if (*wait_ms > io->backoff_max_ms)
        *wait_ms = io->backoff_max_ms;
}

/* Put what the loop may know of the segments into the news. Under the mutex. */
static void syncer_look(struct syncer *s)
{
    const struct writer *w = &s->writer;
    struct syncer_view *view = &s->told.view;

    view->used = w->used.count;
    view->used_bytes = w->used.bytes;
    view->spares = w->spares.list.count;
    view->disk_bytes = w->used.bytes + w->spares.list.bytes;
    view->syncs = w->syncs;
    view->left = w->fd < 0 ? 0 : w->used.last->bytes - w->used.last->end;
    view->oldest = w->used.first == NULL ? 0 : w->used.first->generation;
    view->newest = w->used.last == NULL ? 0 : w->used.last->generation;
    if (!writer_wants_spare(w))
        view->cramped = false;
    s->has_news = true;
    (void)pthread_cond_signal(&s->news);
}

/* If there are more spares than needed, give some of them back in a while. Under the mutex. */
static void syncer_mind_surplus(struct syncer *s, uint64_t now)
{
    if (s->trim_ns == 0 && writer_surplus(&s->writer) > 0)
        s->trim_ns = now + s->writer.io->trim_ms * UINT64_C(1000000);
}

/* A batch came: what can wait has to wait. Under the mutex. */
static void syncer_put_off(struct syncer *s, uint64_t now)
{
    s->idle_ns = now + s->writer.io->idle_ms * UINT64_C(1000000);
    syncer_mind_surplus(s, now);
}

static void syncer_tell(struct syncer *s)
{
    (void)pthread_mutex_unlock(&s->mutex);
    s->notify(s->notify_ctx);
    (void)pthread_mutex_lock(&s->mutex);
}

static uint64_t records_of(const struct batch *b)
{
    return b == NULL || b->first_birth == 0 ? 0 : b->last_birth - b->first_birth + 1;
}

/* Write the batch that stands by from now on. Under the mutex. */
static void syncer_promote(struct syncer *s)
{
    company_taken(&s->company, records_of(s->standby.batch));
    s->now = s->standby;
    s->standby.batch = NULL;
    /* When it was lent, the one before it may not have been durable. */
    if (s->now.facts.synced < s->synced)
        s->now.facts.synced = s->synced;
    s->cursor = (struct batch_cursor){ 0 };
    s->retry_ns = 0;
    s->retry_wait_ms = 0;
}

/* Is the batch that stands by to be written now? Under the mutex. */
static bool syncer_is_due(const struct syncer *s, uint64_t now)
{
    return s->now.batch == NULL && s->standby.batch != NULL &&
           company_enough(&s->company, records_of(s->standby.batch), now);
}

/* Under the mutex. */
static void syncer_batch_done(struct syncer *s, uint64_t began)
{
    uint64_t now = now_ns(), took = now - began, last = s->now.batch->last_birth;

    if (s->synced < s->now.facts.synced)
        s->synced = s->now.facts.synced;
    if (s->synced < last)
        s->synced = last;
    company_synced(&s->company, records_of(s->now.batch) + records_of(s->standby.batch), took, now);
    s->now.batch = NULL;
    if (syncer_is_due(s, now))
        syncer_promote(s);
    s->told.done++;
    s->told.view.failing = false;
}

/* Under the mutex. */
static void syncer_batch_failed(struct syncer *s, int rc)
{
    back_off(s->writer.io, &s->retry_ns, &s->retry_wait_ms);
    if (!s->told.failed)
        s->told.failed_after = s->told.done;
    s->told.failed = true;
    s->told.error = -rc;
    s->told.failed_at = s->writer.failed_at;
    s->told.view.failing = true;
}

/* Try to write the batch. Called and left with the mutex held. */
static void syncer_do_batch(struct syncer *s)
{
    struct writer_facts facts = s->now.facts;
    struct batch *b = s->now.batch;
    uint64_t began = now_ns();
    int rc;

    (void)pthread_mutex_unlock(&s->mutex);
    rc = writer_write(&s->writer, b, &s->cursor, &facts);
    if (rc == 0)
        writer_release(&s->writer, facts.oldest);
    (void)pthread_mutex_lock(&s->mutex);
    if (rc == 0)
        syncer_batch_done(s, began);
    else
        syncer_batch_failed(s, rc);
    syncer_put_off(s, now_ns());
    syncer_look(s);
}

/* Take the making of a spare one step further. Called and left with the mutex held. */
static void syncer_do_prepare(struct syncer *s)
{
    bool was_cramped = s->told.view.cramped;
    int rc;

    (void)pthread_mutex_unlock(&s->mutex);
    rc = spares_make(&s->writer.spares);
    (void)pthread_mutex_lock(&s->mutex);
    if (rc < 0) {
        back_off(s->writer.io, &s->prepare_ns, &s->prepare_wait_ms);
        s->told.view.cramped = rc == -ENOSPC || rc == -EDQUOT;
    } else if (rc == 1) {
        s->prepare_wait_ms = s->writer.io->backoff_min_ms;
        s->told.view.cramped = false;
    } else {
        return;
    }
    syncer_look(s);
    if (rc == 1 || !was_cramped)
        syncer_tell(s);
}

/* Fill the chunk. Called and left with the mutex held. */
static void syncer_do_read(struct syncer *s)
{
    struct chunk *c = s->chunk;

    (void)pthread_mutex_unlock(&s->mutex);
    chunk_read(c, &s->writer);
    (void)pthread_mutex_lock(&s->mutex);
    s->chunk = NULL;
    s->told.read = true;
    syncer_look(s);
    syncer_tell(s);
}

/* When there is time for what can wait; UINT64_MAX: nothing does. */
static uint64_t syncer_leisure(const struct syncer *s)
{
    return s->now.batch == NULL && spares_want_zeros(&s->writer.spares) ? s->idle_ns : UINT64_MAX;
}

/* Write some zeros. Called and left with the mutex held. */
static void syncer_do_fill(struct syncer *s, uint64_t now)
{
    int rc;

    (void)pthread_mutex_unlock(&s->mutex);
    rc = spares_fill(&s->writer.spares);
    (void)pthread_mutex_lock(&s->mutex);
    if (rc == 0)
        return;
    /* The spare is gone; another one is made, and the batches will tell of a failing disk. */
    s->idle_ns = now + s->writer.io->backoff_max_ms * UINT64_C(1000000);
    syncer_look(s);
    syncer_tell(s);
}

/* Give back a spare of the surplus, an eighth of it in all. Called and left with the mutex held. */
static void syncer_do_trim(struct syncer *s, uint64_t now)
{
    uint64_t surplus = writer_surplus(&s->writer);

    if (s->trim == 0)
        s->trim = (surplus + 7) / 8;
    if (s->trim > surplus)
        s->trim = surplus;
    if (s->trim > 0) {
        s->trim--;
        (void)pthread_mutex_unlock(&s->mutex);
        writer_trim(&s->writer);
        (void)pthread_mutex_lock(&s->mutex);
    }
    if (s->trim > 0)
        return;
    s->trim_ns = 0;
    syncer_mind_surplus(s, now);
    syncer_look(s);
    syncer_tell(s);
}

/*
 * Is there anything to do at NOW? If not, UNTIL becomes the time at which there will be
 * (UINT64_MAX: when the loop says so).
 */
static bool syncer_has_work(const struct syncer *s, uint64_t now, uint64_t *until)
{
    *until = UINT64_MAX;
    if (s->quit || s->chunk != NULL)
        return true;
    if (s->now.batch != NULL) {
        if (s->retry_ns <= now)
            return true;
        *until = s->retry_ns;
    } else if (s->company.until_ns != 0) {
        *until = s->company.until_ns;
    }
    if (writer_wants_spare(&s->writer)) {
        if (s->prepare_ns <= now)
            return true;
        if (s->prepare_ns < *until)
            *until = s->prepare_ns;
    }
    if (syncer_leisure(s) < *until)
        *until = syncer_leisure(s);
    if (s->trim_ns != 0 && s->trim_ns < *until)
        *until = s->trim_ns;
    return *until <= now;
}

/* Under the mutex. */
static void syncer_hold_end(struct syncer *s, uint64_t now)
{
    if (syncer_is_due(s, now))
        syncer_promote(s);
    else if (s->company.until_ns <= now)
        s->company.until_ns = 0;
}

static void syncer_sleep(struct syncer *s, uint64_t until)
{
    struct timespec t = { .tv_sec = (time_t)(until / UINT64_C(1000000000)),
        .tv_nsec = (long)(until % UINT64_C(1000000000)) };

    s->sleep_until = until;
    if (until == UINT64_MAX)
        (void)pthread_cond_wait(&s->work, &s->mutex);
    else
        (void)pthread_cond_timedwait(&s->work, &s->mutex, &t);
    s->sleep_until = 0;
}

static uint64_t stand_in_ns(const struct syncer *s)
{
    return s->writer.io->stand_in_ms * UINT64_C(1000000);
}

/*
 * The loop's thread has a batch to write. It is back soon; if not, this one runs the loop until it
 * is. Called and left with the mutex held.
 */
static void syncer_watch(struct syncer *s, uint64_t now)
{
    uint64_t late = s->here_ns + stand_in_ns(s);

    if (s->stands_in) {
        syncer_sleep(s, UINT64_MAX);
    } else if (now < late) {
        syncer_sleep(s, late);
    } else if (s->here == HERE_LEFT) {
        syncer_sleep(s, now + stand_in_ns(s));
    } else {
        s->stands_in = true;
        s->busy = true;
        (void)pthread_mutex_unlock(&s->mutex);
        /* What is started meanwhile inherits it, and so do its children: the default again. */
        (void)prctl(PR_SET_TIMERSLACK, 0ul, 0ul, 0ul, 0ul);
        s->stand_in(s->notify_ctx);
        (void)prctl(PR_SET_TIMERSLACK, SLACK_NS, 0ul, 0ul, 0ul);
        (void)pthread_mutex_lock(&s->mutex);
        s->busy = false;
    }
}

/* Nothing to do before UNTIL; but as long as the loop syncs, look after it now and then. */
static void syncer_rest(struct syncer *s, uint64_t now, uint64_t until)
{
    if (s->here_seen != s->here_count && now + stand_in_ns(s) < until)
        until = now + stand_in_ns(s);
    s->here_seen = s->here_count;
    syncer_sleep(s, until);
}

/* Do what is due. Called and left with the mutex held. */
static void syncer_work(struct syncer *s, uint64_t now)
{
    if (s->now.batch != NULL && s->retry_ns <= now) {
        syncer_do_batch(s);
        syncer_tell(s);
    }
    if (!s->quit && s->prepare_ns <= now && writer_wants_spare(&s->writer))
        syncer_do_prepare(s);
    if (!s->quit && s->chunk != NULL)
        syncer_do_read(s);
    if (!s->quit && s->trim_ns != 0 && s->trim_ns <= now)
        syncer_do_trim(s, now);
    if (!s->quit && syncer_leisure(s) <= now)
        syncer_do_fill(s, now);
}

static void *syncer_run(void *arg)
{
    struct syncer *s = arg;

    (void)prctl(PR_SET_TIMERSLACK, SLACK_NS, 0ul, 0ul, 0ul);
    (void)pthread_mutex_lock(&s->mutex);
    while (!s->quit) {
        uint64_t until, now = now_ns();

        if (s->here != HERE_NOT) {
            syncer_watch(s, now);
            continue;
        }
        syncer_hold_end(s, now);
        if (!syncer_has_work(s, now, &until)) {
            syncer_rest(s, now, until);
            continue;
        }
        s->busy = true;
        syncer_work(s, now);
        s->busy = false;
    }
    (void)pthread_mutex_unlock(&s->mutex);
    return NULL;
}

static int syncer_init(struct syncer *s)
{
    pthread_condattr_t attr;

    if (pthread_mutex_init(&s->mutex, NULL) != 0)
        return GANGER_ENOMEM;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->work, &attr);
    (void)pthread_cond_init(&s->news, &attr);
    (void)pthread_condattr_destroy(&attr);
    return 0;
}

static void syncer_free(struct syncer *s)
{
    (void)pthread_cond_destroy(&s->news);
    (void)pthread_cond_destroy(&s->work);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s);
}

int syncer_start(
    const struct writer *writer, const struct store_owner *owner, struct syncer **ret_syncer)
{
    struct syncer *s = calloc(1, sizeof *s);
    int rc;

    if (s == NULL)
        return GANGER_ENOMEM;
    rc = syncer_init(s);
    if (rc < 0) {
        free(s);
        return rc;
    }
    s->notify = owner->notify;
    s->stand_in = owner->stand_in;
    s->notify_ctx = owner->ctx;
    s->writer = *writer;
    s->prepare_wait_ms = writer->io->backoff_min_ms;
    syncer_put_off(s, now_ns());
    syncer_look(s);
    if (pthread_create(&s->thread, NULL, syncer_run, s) != 0) {
        syncer_free(s);
        return GANGER_ENOMEM;
    }
    *ret_syncer = s;
    return 0;
}

void syncer_stop(struct syncer *s)
{
    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&s->mutex);
    s->quit = true;
    (void)pthread_cond_signal(&s->work);
    (void)pthread_mutex_unlock(&s->mutex);
    (void)pthread_join(s->thread, NULL);
    writer_done(&s->writer);
    syncer_free(s);
}

/*
 * May the loop write the batch that is due? Not if the thread is at work, and only as long as the
 * disk is fast; and many records are worth a thread of their own, since they take the loop about as
 * long as the disk. Under the mutex.
 */
static bool syncer_may_leave(const struct syncer *s, bool alone)
{
    return alone && s->stand_in != NULL && !s->busy && records_of(s->now.batch) < COMPANY_MANY &&
           s->company.sync_ns / 1000 <= s->writer.io->slow_us;
}

/* Leave the batch that is due to the loop. Under the mutex. */
static void syncer_leave(struct syncer *s)
{
    s->here = HERE_LEFT;
    s->here_ns = now_ns();
    s->here_count++;
}

bool syncer_write(struct syncer *s, struct batch *b, const struct writer_facts *facts, bool alone)
{
    bool due, wake = false;

    (void)pthread_mutex_lock(&s->mutex);
    if (s->standby.batch != NULL) { /* two are company enough */
        GANGER_ASSERT(s->now.batch == NULL);
        syncer_promote(s);
        wake = true;
    }
    s->standby = (struct lent){ .batch = b, .facts = *facts };
    /* If it is to wait for company, the thread looks again by itself when that is over. */
    due = syncer_is_due(s, alone ? now_ns() : 0);
    if (due)
        syncer_promote(s);
    if (due && syncer_may_leave(s, alone))
        syncer_leave(s);
    else
        wake |= due || (s->now.batch == NULL && s->company.until_ns < s->sleep_until);
    alone = s->here == HERE_LEFT;
    (void)pthread_mutex_unlock(&s->mutex);
    if (wake)
        (void)pthread_cond_signal(&s->work);
    return alone;
}

/* The loop is done with it, or leaves it. True if the thread is to be woken. Under the mutex. */
static bool syncer_here_over(struct syncer *s)
{
    uint64_t until;
    bool wake = s->stands_in;

    s->here = HERE_NOT;
    s->stands_in = false;
    return syncer_has_work(s, now_ns(), &until) || wake;
}

void syncer_sync(struct syncer *s, bool here)
{
    bool wake;

    (void)pthread_mutex_lock(&s->mutex);
    GANGER_ASSERT(s->here == HERE_LEFT);
    if (here) {
        s->here = HERE_WRITING;
        s->here_ns = now_ns();
        wake = s->sleep_until > s->here_ns + 2 * stand_in_ns(s);
        if (wake)
            (void)pthread_cond_signal(&s->work);
        syncer_do_batch(s);
    }
    wake = syncer_here_over(s);
    (void)pthread_mutex_unlock(&s->mutex);
    if (wake)
        (void)pthread_cond_signal(&s->work);
}

bool syncer_take_back(struct syncer *s)
{
    bool was;

    (void)pthread_mutex_lock(&s->mutex);
    was = s->standby.batch != NULL;
    s->standby.batch = NULL;
    (void)pthread_mutex_unlock(&s->mutex);
    return was;
}

void syncer_read(struct syncer *s, struct chunk *c)
{
    (void)pthread_mutex_lock(&s->mutex);
    GANGER_ASSERT(s->chunk == NULL);
    s->chunk = c;
    (void)pthread_mutex_unlock(&s->mutex);
    (void)pthread_cond_signal(&s->work);
}

bool syncer_collect(struct syncer *s, struct syncer_news *ret_news)
{
    bool any;

    (void)pthread_mutex_lock(&s->mutex);
    any = s->has_news;
    if (any) {
        *ret_news = s->told;
        s->has_news = false;
        s->told.done = 0;
        s->told.failed = false;
        s->told.read = false;
    }
    (void)pthread_mutex_unlock(&s->mutex);
    return any;
}

void syncer_wait(struct syncer *s)
{
    (void)pthread_mutex_lock(&s->mutex);
    while (!s->has_news)
        (void)pthread_cond_wait(&s->news, &s->mutex);
    (void)pthread_mutex_unlock(&s->mutex);
}
