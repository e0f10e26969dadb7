/* The module of the counts: a function that does nothing. */
#include "ganger/worker.h"

static int noop(struct ganger_task *task)
{
    (void)task;
    return 0;
}

static const struct ganger_function functions[] = { { "noop", noop }, { NULL, NULL } };

GANGER_MODULE_EXPORT const struct ganger_module ganger_module = { GANGER_MODULE_ABI, "counts",
    functions, NULL, NULL, NULL };
