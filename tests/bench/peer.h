/*
 * Other queues on the same work, through tests/bench/peers/run.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>

/* How to ask them. RUN NULL: nobody asks. */
struct peers {
    const char *run;   /* the program */
    const char *dir;   /* where they were started */
    const char *scale; /* how much work, 1 being about a second */
};

extern const char *const peer_names[]; /* ends with NULL */

/* What PEER reaches at WORK. False: nobody asks, or it has no such work. Runs on all CPUs. */
bool peer_measure(const struct peers *p, const char *peer, const char *work, double *ret_value);

#endif
