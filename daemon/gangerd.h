/*
 * The daemon as a whole: what main.c and the files beside it share. Only here do net/, pool/
 * and the engine meet.
 */
#ifndef DAEMON_GANGERD_H
#define DAEMON_GANGERD_H

#include "ahead.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "locks.h"
#include "net/net.h"
#include "options.h"
#include "pool/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum phase {
    PHASE_SERVING,
    PHASE_DRAINING, /* no new tasks; running ones may end */
    PHASE_LEAVING,  /* the agents are told to go */
    PHASE_OVER
};

/* Who runs the loop; see helm.c. */
struct helm {
    pthread_mutex_t mutex;
    pthread_cond_t back;
    bool away;   /* the main thread syncs the journal */
    bool lent;   /* the sync thread runs the loop */
    bool wanted; /* the main thread wants it back */
};

struct gangerd {
    struct options options;
    struct conf *conf;
    enum phase phase;
    bool stopped; /* nobody has asked twice */
    bool clean;   /* what is left is all in the journal, and nothing runs */
    bool timed;   /* the engine has been told the time in this turn */
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_timer_t timer; /* the engine's next deadline */
    uint64_t armed_us;
    uv_async_t store_news;
    struct helm helm;
    uv_timer_t slow;     /* log and status */
    uv_timer_t watchdog; /* only under a manager that wants to hear */
    uv_timer_t grace;    /* while agents of an older daemon may live */
    uint64_t grace_until_ms;
    uv_timer_t drain;
    uv_poll_t clock_poll; /* readable when the wall clock was set */
    int clock_fd;
    uv_signal_t sighup, sigterm, sigint;
    struct net *net;
    struct pool *pool;
    struct engine *engine;
    struct ahead *ahead; /* NULL: no memory is made ready */
    struct store_config journal;
    struct locks locks;
    uint64_t nofile; /* soft limit of descriptors that we were started with */
};

/* ---- turn.c ---- */
/* Something has come in: tell the engine the time, once a turn. CTX is the gangerd. */
void turn_begin(void *ctx);
/* Set up what runs at the end of each turn. */
void turn_init(struct gangerd *d);
/* Let it run from now on: everything is open. */
void turn_start(struct gangerd *d);
/* The store's thread has news. SYNC THREAD. */
void turn_notify(void *ctx);
uint64_t clock_now_us(void);
uint64_t clock_wall_ms(void);

/* ---- helm.c ---- */
void helm_init(struct gangerd *d);
/* Run the loop until the daemon has stopped. Main thread. */
void helm_run(struct gangerd *d);
/* Run the loop for the main thread, until that is back from the disk. CTX is the gangerd. */
void helm_stand_in(void *ctx);
/* The store has news: that may be the main thread, which is back. */
void helm_look(struct gangerd *d);

/* ---- clock_watch.c ---- */
/* Wake the loop whenever the wall clock is set. */
void clock_watch_start(struct gangerd *d);
void clock_watch_close(struct gangerd *d); /* after the loop has closed its handle */

/* ---- setup.c ---- */
/* Open everything and serve; an exit status, and ERR, when that fails. */
int setup_open(struct gangerd *d, char *err, size_t err_bytes);
/* Nobody is served any more: the connections and the agents go. Once the loop is over. */
void setup_leave(struct gangerd *d);
/* Close what is open, in any state. */
void setup_close(struct gangerd *d);

/* ---- define.c ---- */
/* Tell engine and pool of every pool and semaphore of CONF. A GANGER_E code with ERR. */
int define_all(struct gangerd *d, const struct conf *conf, char *err, size_t err_bytes);

/* ---- reload.c ---- */
void reload(struct gangerd *d);

/* ---- stop.c ---- */
/* Begin to stop; asked again: stop at once. */
void stop_ask(struct gangerd *d);
/* End of a turn: go on with a stop that is under way. */
void stop_step(struct gangerd *d);
/* The loop is over. Main thread: the seal waits for the sync thread, which may have run the loop.
 */
void stop_end(struct gangerd *d);

/* ---- status.c ---- */
/* Tell the service manager, if there is one, what the daemon does. */
void status_ready(const struct gangerd *d);
void status_reloading(void);
void status_stopping(void);
void status_line(const struct gangerd *d);
/* How often the manager wants to hear from us, in ms; 0: never. */
uint64_t status_watchdog_ms(void);
void status_alive(void);
/* The listening socket that the manager has opened for us, or -1. */
int status_socket(void);

#endif
