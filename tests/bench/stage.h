/*
 * Stages: each measures a few things that belong together, floor, Ganger and peers in turn, several
 * times over, with a gangerd of its own.
 */
#ifndef BENCH_STAGE_H
#define BENCH_STAGE_H

#include "tests/bench/peer.h"
#include "tests/bench/server.h"

#include <stdbool.h>

struct bench {
    struct server_place place;
    struct peers peers;
    bool quick; /* small loads, for a short look */
};

struct stage {
    const char *name;
    void (*run)(const struct bench *b);
};

extern const struct stage stages[]; /* ends with a NULL name */

#endif
