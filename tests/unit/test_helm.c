/* Who runs the loop while the main thread waits for the disk, and when that happens at all. */
#include "daemon/gangerd.h"
#include "tests/support/test_main.h"

#include <ctype.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAIT_SECONDS  10 /* for what the other thread does */
#define WATCH_SECONDS 40 /* and for the test: a loop that nobody stops ends in no other way */

/*
 * The daemon, and what it takes for its engine: a play that says what happens in which turn, and
 * notes what is called, in capitals by the main thread and in small letters by the other one:
 *
 *   T  a turn ends                   B  turn_begin()
 *   N  the store has news            R  engine_store_ready()
 *   S  engine_sync() here            L  setup_leave()
 *   A  engine_sync() away, by the sync thread
 *   !  a turn or a wait too many
 *
 * The notes have no lock of their own: ThreadSanitizer sees whether the helm is handed over by one.
 */
struct engine {
    struct gangerd d;
    /* One character a turn: '.' nothing; 's' it leaves a batch; 'n' so it does, and something
     * comes in the poll that follows; 'o' all is over. */
    const char *turns;
    char comes;     /* what comes with news: '.', 't'ime, phase 'd'raining, 'l'eaving or 'o'ver */
    bool slow;      /* the disk: the other thread stands in */
    bool late;      /* the other thread comes to stand in when the sync is over */
    bool left;      /* engine_sync_left() */
    bool heard;     /* the other thread has had news since it began */
    bool joinable;  /* there is another thread */
    bool masked;    /* all signals were blocked in each sync here */
    sem_t served;   /* the other thread has run the loop, or is at its end */
    sigset_t outer; /* the signals blocked before the scene, and in it */
    sigset_t inner;
    pthread_t main, other;
    size_t noted;
    char notes[64];
};

static void note(struct engine *e, char what)
{
    bool here = pthread_equal(pthread_self(), e->main) != 0;

    if (e->noted + 1 < sizeof e->notes)
        e->notes[e->noted++] = here ? what : (char)tolower((unsigned char)what);
}

static bool is_masked(const sigset_t *set)
{
    sigset_t now;

    (void)pthread_sigmask(SIG_BLOCK, NULL, &now);
    for (int n = 1; n <= SIGRTMAX; n++) {
        if (sigismember(&now, n) != sigismember(set, n))
            return false;
    }
    return true;
}

/* All but those that nobody can block. */
static bool is_all_masked(void)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGKILL);
    (void)sigdelset(&all, SIGSTOP);
    return is_masked(&all);
}

static struct timespec in_time(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    return until;
}

/* --- the other thread --- */

static void *other_main(void *ctx)
{
    struct engine *e = ctx;

    helm_stand_in(&e->d);
    (void)sem_post(&e->served);
    return NULL;
}

static void other_start(struct engine *e)
{
    e->heard = false; /* the last one has heard the news that ended it */
    assert_int_equal(pthread_create(&e->other, NULL, other_main, e), 0);
    e->joinable = true;
}

static void other_join(struct engine *e)
{
    struct timespec until = in_time();

    if (!e->joinable)
        return;
    assert_int_equal(pthread_timedjoin_np(e->other, NULL, &until), 0);
    e->joinable = false;
    /* What it said at its end is not for the next one. */
    while (sem_trywait(&e->served) == 0)
        continue;
}

/* --- what the helm calls --- */

bool engine_sync_left(const struct engine *e)
{
    return e->left;
}

/* A slow disk answers when news has been heard and a turn has ended meanwhile. */
void engine_sync(struct engine *e, bool here)
{
    struct timespec until = in_time();

    note(e, here ? 'S' : 'A');
    e->left = false;
    if (!here)
        return;
    e->masked = e->masked && is_all_masked();
    if (!e->slow)
        return;
    (void)uv_async_send(&e->d.store_news);
    other_start(e);
    /* No signal interrupts that if all are blocked. */
    if (sem_timedwait(&e->served, &until) < 0)
        note(e, '!');
}

/* Nobody else may be at the helm by now; who has left it may still be about to end. */
void turn_begin(void *ctx)
{
    struct gangerd *d = ctx;
    struct engine *e = d->engine;
    bool lent;

    note(e, 'B');
    d->timed = true;
    (void)pthread_mutex_lock(&d->helm.mutex);
    lent = d->helm.lent;
    (void)pthread_mutex_unlock(&d->helm.mutex);
    assert_false(lent);
    other_join(e);
    assert_true(is_masked(&e->inner));
}

void engine_store_ready(struct engine *e)
{
    note(e, 'R');
    if (e->late) {
        other_start(e);
        other_join(e);
    }
}

void setup_leave(struct gangerd *d)
{
    note(d->engine, 'L');
}

/* --- the loop --- */

static void end_all(struct engine *e)
{
    e->d.phase = PHASE_OVER;
    e->left = true; /* the last turn has had something to say, too */
    uv_stop(&e->d.loop);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct engine *e = prepare->data;
    char turn = *e->turns;

    note(e, 'T');
    e->d.timed = false;
    if (turn == '\0') {
        note(e, '!');
        end_all(e);
        return;
    }
    e->turns++;
    if (turn == 'n')
        (void)uv_async_send(&e->d.store_news);
    if (turn == 's' || turn == 'n') {
        e->left = true;
        uv_stop(&e->d.loop);
    } else if (turn == 'o') {
        end_all(e);
    } else if (e->heard) {
        e->heard = false;
        (void)sem_post(&e->served);
    }
}

static void on_news(uv_async_t *async)
{
    struct engine *e = async->data;

    note(e, 'N');
    e->heard = !pthread_equal(pthread_self(), e->main);
    if (e->comes == 't')
        e->d.timed = true;
    else if (e->comes == 'd')
        e->d.phase = PHASE_DRAINING;
    else if (e->comes == 'l')
        e->d.phase = PHASE_LEAVING;
    else if (e->comes == 'o')
        end_all(e);
    helm_look(&e->d);
}

/* --- a scene --- */

/* Not cmocka's way to fail: it may be in any thread. */
static void on_alarm(int number)
{
    static const char text[] = "no end in time: nobody stops the loop, or gives it back\n";

    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(1);
}

/* From the heap: after a failure the other thread may go on with it. */
static struct engine *scene_begin(const char *turns)
{
    struct engine *e = calloc(1, sizeof *e);

    assert_non_null(e);
    assert_ptr_not_equal(signal(SIGALRM, on_alarm), SIG_ERR);
    (void)alarm(WATCH_SECONDS);
    e->turns = turns;
    e->comes = '.';
    e->masked = true;
    e->main = pthread_self();
    e->d.engine = e;
    assert_int_equal(sem_init(&e->served, 0, 0), 0);
    /* Neither none nor all, so that it is seen which mask is put back. */
    (void)sigemptyset(&e->inner);
    (void)sigaddset(&e->inner, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &e->inner, &e->outer), 0);
    assert_int_equal(uv_loop_init(&e->d.loop), 0);
    assert_int_equal(uv_async_init(&e->d.loop, &e->d.store_news, on_news), 0);
    assert_int_equal(uv_prepare_init(&e->d.loop, &e->d.prepare), 0);
    e->d.store_news.data = e;
    e->d.prepare.data = e;
    assert_int_equal(uv_prepare_start(&e->d.prepare, on_prepare), 0);
    helm_init(&e->d);
    return e;
}

/* Play it: no more and no less is called than NOTES says. */
static void scene_play(struct engine *e, const char *notes)
{
    helm_run(&e->d);
    other_join(e);
    assert_string_equal(e->notes, notes);
    assert_int_equal(e->d.phase, PHASE_OVER);
    assert_true(e->masked);
    assert_true(is_masked(&e->inner));
    assert_false(e->d.helm.away || e->d.helm.lent || e->d.helm.wanted);
    uv_close((uv_handle_t *)&e->d.prepare, NULL);
    uv_close((uv_handle_t *)&e->d.store_news, NULL);
    (void)uv_run(&e->d.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&e->d.loop), 0);
    (void)pthread_cond_destroy(&e->d.helm.back);
    (void)pthread_mutex_destroy(&e->d.helm.mutex);
    (void)sem_destroy(&e->served);
    (void)alarm(0);
    (void)pthread_sigmask(SIG_SETMASK, &e->outer, NULL);
    free(e);
}

/* --- who syncs --- */

static void test_helm_batch_that_is_left_is_synced_here_and_is_ready_in_a_turn(void **state)
{
    (void)state;
    scene_play(scene_begin("sso"), "TSBRTSBRT");
}

static void test_helm_all_over_with_a_batch_left_syncs_nothing_more(void **state)
{
    struct engine *e = scene_begin("n");

    (void)state;
    e->comes = 'o';
    scene_play(e, "TN");
}

static void test_helm_news_that_tell_no_time_leave_the_sync_here(void **state)
{
    (void)state;
    scene_play(scene_begin("no"), "TNSBRT");
}

/* The engine has been called in the poll that followed the end of the turn: it is not idle. */
static void test_helm_turn_that_has_begun_again_has_the_sync_away(void **state)
{
    struct engine *e = scene_begin("nso");

    (void)state;
    e->comes = 't';
    scene_play(e, "TNATSBRT");
}

static void test_helm_phase_other_than_serving_has_the_sync_away(void **state)
{
    static const char phases[] = { 'd', 'l' };

    (void)state;
    for (size_t i = 0; i < sizeof phases; i++) {
        struct engine *e = scene_begin("nso");

        e->comes = phases[i];
        scene_play(e, "TNATAT");
    }
}

/* --- who stands in --- */

/* Twice: who has taken the helm back wants nothing of the next one who stands in. */
static void test_helm_slow_disk_has_the_other_thread_run_the_loop_until_it_answers(void **state)
{
    struct engine *e = scene_begin("s..s..o");

    (void)state;
    e->slow = true;
    scene_play(e, "TStntnBRTStntnBRT");
}

static void test_helm_late_stand_in_runs_nothing(void **state)
{
    struct engine *e = scene_begin("so");

    (void)state;
    e->late = true;
    scene_play(e, "TSBRT");
}

/* The main thread has a batch left and does nothing more, but to end. */
static void test_helm_all_over_while_another_stands_in_ends_the_run(void **state)
{
    struct engine *e = scene_begin("s.o");

    (void)state;
    e->slow = true;
    scene_play(e, "TStntl");
}

static void test_helm_orderly_end_while_another_stands_in_leaves_nobody_early(void **state)
{
    struct engine *e = scene_begin("s.o");

    (void)state;
    e->slow = true;
    e->d.stopped = true;
    scene_play(e, "TStnt");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_helm_batch_that_is_left_is_synced_here_and_is_ready_in_a_turn),
        cmocka_unit_test(test_helm_all_over_with_a_batch_left_syncs_nothing_more),
        cmocka_unit_test(test_helm_news_that_tell_no_time_leave_the_sync_here),
        cmocka_unit_test(test_helm_turn_that_has_begun_again_has_the_sync_away),
        cmocka_unit_test(test_helm_phase_other_than_serving_has_the_sync_away),
        cmocka_unit_test(test_helm_slow_disk_has_the_other_thread_run_the_loop_until_it_answers),
        cmocka_unit_test(test_helm_late_stand_in_runs_nothing),
        cmocka_unit_test(test_helm_all_over_while_another_stands_in_ends_the_run),
        cmocka_unit_test(test_helm_orderly_end_while_another_stands_in_leaves_nobody_early),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
