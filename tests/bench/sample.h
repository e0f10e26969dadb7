/*
 * Samples: a clock, and what repeated measurements of one thing come to.
 */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include <stddef.h>

#define SAMPLE_MAX 64u

/* What repeated measurements gave, in order of time. All zero: none yet. */
struct sample {
    double value[SAMPLE_MAX];
    size_t count;
};

/* Monotonic seconds. Any thread. */
double sample_now(void);

/* Print WHAT and WHY on standard error and exit with status 1. */
_Noreturn void sample_fail(const char *what, const char *why);

/* As calloc(), but fails the program when there is no memory. For free(). */
void *sample_array(size_t count, size_t bytes);

/* The value that the share Q (0..1) of COUNT values, at least one, is below; sorts V. */
double sample_quantile(double *v, size_t count, double q);

/* Add a measurement; at most SAMPLE_MAX. */
void sample_add(struct sample *s, double value);

/* Median, least and most of the measurements; 0 if there are none. */
double sample_median(const struct sample *s);
double sample_min(const struct sample *s);
double sample_max(const struct sample *s);

#endif
