/* Points of a curve, and the lines of its table. */
#include "curves.h"

#include <stdlib.h>
#include <string.h>

unsigned point_repeats(void)
{
    return settings.quick ? 1 : 3;
}

double point_seconds(void)
{
    return settings.quick ? 0.2 : 0.5;
}

void series_begin(const char *series, const char *x_name)
{
    (void)fprintf(settings.out, "# %s\n# %s\ttasks/s\tmin\tmax\tp50_us\tp99_us\tp99.9_us\tmax_us\n",
        series, x_name);
}

/* Two empty lines end a block for gnuplot. */
void series_end(void)
{
    (void)fputs("\n\n", settings.out);
    (void)fflush(settings.out);
}

void point_run(struct point *p, const struct loop_plan *plan)
{
    if (p->count == REPEATS_MAX)
        curve_fail("point", "measured too often");
    loop_run(plan, &p->results[p->count++]);
}

void point_run_alone(struct point *p, const struct loop_plan *plan)
{
    struct loop_plan alone = *plan;

    alone.in_flight = 1;
    host_pin(plan->host, true);
    point_run(p, &alone);
    host_pin(plan->host, false);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

enum figure { RATE, P50, P99, P999, LONGEST };

static double figure_of(const struct loop_result *r, enum figure figure)
{
    switch (figure) {
    case RATE:
        return r->rate;
    case P50:
        return r->p50_us;
    case P99:
        return r->p99_us;
    case P999:
        return r->p999_us;
    case LONGEST:
        break;
    }
    return r->max_us;
}

/* Sorted; the middle one is the median. */
static void figures_sort(const struct point *p, enum figure figure, double v[REPEATS_MAX])
{
    for (unsigned i = 0; i < p->count; i++)
        v[i] = figure_of(&p->results[i], figure);
    qsort(v, p->count, sizeof *v, by_value);
}

void point_print(const struct point *p)
{
    double v[REPEATS_MAX];

    figures_sort(p, RATE, v);
    (void)fprintf(
        settings.out, "%.0f\t%.0f\t%.0f\t%.0f", p->x, v[p->count / 2], v[0], v[p->count - 1]);
    for (enum figure figure = P50; figure <= LONGEST; figure++) {
        figures_sort(p, figure, v);
        (void)fprintf(settings.out, "\t%.1f", v[p->count / 2]);
    }
    (void)fputc('\n', settings.out);
    (void)fflush(settings.out);
}

const void *payload_of(size_t bytes)
{
    static unsigned char *payload;

    free(payload);
    payload = curve_alloc(bytes + 1, 1);
    if (bytes == 1) {
        payload[0] = 0xc0;
    } else if (bytes < 2 + 256) {
        payload[0] = 0xc4;
        payload[1] = (unsigned char)(bytes - 2);
    } else {
        payload[0] = 0xc6;
        for (unsigned i = 0; i < 4; i++)
            payload[1 + i] = (unsigned char)((bytes - 5) >> (24 - 8 * i));
    }
    return payload;
}

struct ganger_call call_of(const char *pool, const char *function)
{
    static unsigned char small[64] = { 0xc4, 62 };

    return (struct ganger_call){
        .pool = pool, .function = function, .payload = small, .payload_bytes = sizeof small
    };
}

struct ganger_options options_waiting(void)
{
    struct ganger_options options;

    ganger_options_init(&options);
    options.flags = GANGER_QUIET;
    return options;
}
