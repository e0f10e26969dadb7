/* What a task of the chaos does. */
#ifndef CHAOS_KINDS_H
#define CHAOS_KINDS_H

enum kind {
    KIND_PLAIN,   /* ends well, however often its workers are killed */
    KIND_FLAKY,   /* fails at its first attempt */
    KIND_CRASH,   /* kills its worker each time: ends DEAD */
    KIND_BUDGET,  /* as PLAIN, but it may be set aside after two deaths */
    KIND_HANG,    /* never ends: runs over its time limit, twice */
    KIND_FORK,    /* leaves a process behind */
    KIND_COMMAND, /* a command, with effects of its own */
    KIND_COUNT
};

#endif
