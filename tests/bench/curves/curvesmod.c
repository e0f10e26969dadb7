/* The module of the curves: a function that does nothing, and one that sleeps a millisecond. */
#include "ganger/worker.h"

#include <errno.h>
#include <time.h>

static int noop(struct ganger_task *task)
{
    (void)task;
    return 0;
}

static int nap(struct ganger_task *task)
{
    struct timespec left = { 0, 1000000 };

    /* The runtime's own signal interrupts a sleep. */
    while (nanosleep(&left, &left) < 0 && errno == EINTR && !ganger_task_cancelled(task))
        continue;
    return 0;
}

static const struct ganger_function functions[] = { { "noop", noop }, { "nap", nap },
    { NULL, NULL } };

GANGER_MODULE_EXPORT const struct ganger_module ganger_module = { GANGER_MODULE_ABI, "curves",
    functions, NULL, NULL, NULL };
