/* 64 buckets for each doubling: a value is known to 1/64. */
#include "curves.h"

#include <string.h>

#define SUB_BITS 6u
#define SUB      (1u << SUB_BITS)

void histogram_clear(struct histogram *h)
{
    memset(h, 0, sizeof *h);
}

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < SUB)
        return (unsigned)ns;
    shift = 63 - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    return (shift + 1) * SUB + (unsigned)(ns >> shift) - SUB;
}

static double bucket_top(unsigned bucket)
{
    unsigned shift;

    if (bucket < SUB)
        return bucket;
    shift = bucket / SUB - 1;
    return (double)((((uint64_t)(bucket % SUB) + SUB + 1) << shift) - 1);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    unsigned bucket = bucket_of(ns);

    h->bucket[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
    h->count++;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

double histogram_us(const struct histogram *h, double q)
{
    uint64_t sum = 0, want = (uint64_t)(q * (double)h->count);
    double top;

    if (h->count == 0)
        return 0;
    if (want >= h->count)
        return (double)h->max_ns / 1000;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        sum += h->bucket[i];
        if (sum > want) {
            top = bucket_top(i);
            return (top < (double)h->max_ns ? top : (double)h->max_ns) / 1000;
        }
    }
    return (double)h->max_ns / 1000;
}
