#include "proto/assert.h"

#include <stdio.h>
#include <stdlib.h>

void ganger_assert_failed(const char *expr, const char *file, int line)
{
    /* <2> is the journald prefix for "critical". */
    (void)fprintf(stderr, "<2>assertion failed: %s at %s:%d\n", expr, file, line);
    abort();
}
