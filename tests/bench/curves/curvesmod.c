/* The module of the curves: functions that do nothing, sleep a millisecond, or never end. */
#include "ganger/worker.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

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

/* Until it is killed. */
static int hold(struct ganger_task *task)
{
    while (!ganger_task_cancelled(task))
        (void)pause();
    return 0;
}

static const struct ganger_function functions[] = { { "noop", noop }, { "nap", nap },
    { "hold", hold }, { NULL, NULL } };

GANGER_MODULE_EXPORT const struct ganger_module ganger_module = { GANGER_MODULE_ABI, "curves",
    functions, NULL, NULL, NULL };
