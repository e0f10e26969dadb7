#include "tests/bench/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double sample_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void sample_fail(const char *what, const char *why)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

void *sample_array(size_t count, size_t bytes)
{
    void *p = calloc(count, bytes);

    if (p == NULL)
        sample_fail("memory", "there is none left");
    return p;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double sample_quantile(double *v, size_t count, double q)
{
    size_t i = (size_t)((double)count * q);

    qsort(v, count, sizeof *v, by_value);
    return v[i < count ? i : count - 1];
}

void sample_add(struct sample *s, double value)
{
    if (s->count == SAMPLE_MAX)
        sample_fail("sample", "too many measurements");
    s->value[s->count++] = value;
}

static double sample_rank(const struct sample *s, double q)
{
    double v[SAMPLE_MAX];

    if (s->count == 0)
        return 0;
    memcpy(v, s->value, s->count * sizeof *v);
    return sample_quantile(v, s->count, q);
}

double sample_median(const struct sample *s)
{
    return sample_rank(s, 0.5);
}

double sample_min(const struct sample *s)
{
    return sample_rank(s, 0);
}

double sample_max(const struct sample *s)
{
    return sample_rank(s, 1);
}
