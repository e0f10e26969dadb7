/* Latency when tasks come by the clock and do not wait for one another. */
#include "curves.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define QUEUE_US 100000 /* half of the tasks wait that long: more are offered than can be done */

static const char yaml_load[] = "pools:\n"
                                "  work:\n"
                                "    module: %s\n"
                                "    processes: 2\n"
                                "    backlog: 50000000\n"
                                "    backlog_bytes: 50GiB\n";

static struct host *load_start(void)
{
    char yaml[1024];
    struct host *host;
    struct ganger *g;

    (void)snprintf(yaml, sizeof yaml, yaml_load, settings.module);
    host = host_start(yaml);
    g = host_open(host);
    host_wait_ready(g, "work", 2);
    ganger_close(g);
    return host;
}

static struct ganger_options load_options(bool durable)
{
    struct ganger_options options = options_waiting();

    if (!durable)
        return options;
    options.durable = GANGER_DURABLE_YES;
    options.given = GANGER_OPT_RETENTION_MS;
    options.retention_ms = 1000;
    return options;
}

static void result_print(double x, const struct schedule_result *r)
{
    (void)fprintf(settings.out,
        "%.0f\t%.0f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%llu\t%llu\t%.2f\n", x, r->rate, r->p50_us,
        r->p99_us, r->p999_us, r->max_us, r->own_max_us, r->control_max_us,
        (unsigned long long)r->over_20ms, (unsigned long long)r->own_over_20ms, r->others_cpus);
    (void)fflush(settings.out);
}

static void result_heads(const char *series, const char *x_name)
{
    (void)fprintf(settings.out,
        "# %s\n# %s\ttasks/s\tp50_us\tp99_us\tp99.9_us\tmax_us\town_max_us\tcontrol_max_us\t"
        "over_20ms\town_over_20ms\tothers_cpus\n",
        series, x_name);
}

static void offered_series(const char *series, bool durable)
{
    static const double x[] = { 1000, 3000, 10000, 30000, 100000, 200000, 300000 };
    struct ganger_call call = call_of("work", FUNCTION_NOOP);
    struct ganger_options options = load_options(durable);
    struct schedule_result *r = curve_alloc(1, sizeof *r);
    struct host *host = load_start();

    result_heads(series, "offered");
    for (size_t i = 0; i < COUNT(x); i++) {
        schedule_run(&(struct schedule_plan){ .host = host,
                         .call = &call,
                         .options = &options,
                         .rate = x[i],
                         .seconds = settings.quick ? 0.7 : 4,
                         .disk = durable },
            r);
        /* Beyond what it can do there is only a growing queue. */
        if (r->p50_us > QUEUE_US)
            break;
        result_print(x[i], r);
    }
    series_end();
    host_stop(host);
    free(r);
}

void curve_offered(void)
{
    offered_series("not durable", false);
    offered_series("durable", true);
}

static void windows_print(const char *series, const struct schedule_result *r)
{
    (void)fprintf(
        settings.out, "# %s, longest of each 50 ms\n# seconds\tmax_us\tcontrol_us\n", series);
    for (size_t i = 0; i < r->windows; i++)
        (void)fprintf(settings.out, "%.2f\t%.1f\t%.1f\n", (double)i * SCHEDULE_WINDOW_NS / 1e9,
            r->window_max_us[i], r->window_control_us[i]);
    series_end();
}

/* How often the journal went round: bytes written over what its segments hold. */
static void journal_print(const struct host *host)
{
    struct ganger *g = host_open(host);
    double written = (double)host_number(g, "journal_bytes");
    double copied = (double)host_number(g, "journal_copied_bytes");
    double disk = (double)host_number(g, "journal_disk_bytes");

    (void)fprintf(settings.out,
        "# journal: %.0f bytes appended, %.0f copied, %.0f on disk in %llu segments: %.1f rounds, "
        "%llu syncs\n",
        written, copied, disk, (unsigned long long)host_number(g, "journal_segments"),
        disk > 0 ? (written + copied) / disk : 0,
        (unsigned long long)host_number(g, "journal_syncs"));
    ganger_close(g);
}

static void load_series(const char *series, bool durable)
{
    struct ganger_call call = call_of("work", FUNCTION_NOOP);
    struct ganger_options options = load_options(durable);
    struct schedule_result *r = curve_alloc(1, sizeof *r);
    struct host *host = load_start();
    struct schedule_plan plan = { .host = host,
        .call = &call,
        .options = &options,
        .rate = 100000,
        .seconds = 1,
        .disk = durable };

    schedule_run(&plan, r); /* what is only slow at first: memory, segments */
    plan.seconds = settings.quick ? 3 : 30;
    schedule_run(&plan, r);
    result_heads(series, "offered");
    (void)fprintf(settings.out, "# control: %s priority\n", r->realtime ? "real-time" : "ordinary");
    if (durable)
        journal_print(host);
    result_print(plan.rate, r);
    series_end();
    windows_print(series, r);
    host_stop(host);
    free(r);
}

void curve_load(void)
{
    load_series("not durable", false);
    load_series("durable", true);
}
