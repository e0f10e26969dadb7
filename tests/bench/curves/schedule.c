/* An open loop: tasks are sent when the clock says so. */
#include "curves.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define TICK_NS    UINT64_C(200000) /* what is due is sent together this often */
#define SLOW_NS    UINT64_C(5000000)
#define SLOW_MAX   (1u << 21)
#define GIVE_UP_NS UINT64_C(30000000000)
#define MARK_NS    UINT64_C(20000000)

struct slow {
    uint64_t sent_ns, ended_ns;
};

struct schedule {
    const struct schedule_plan *plan;
    struct ganger *g;
    uint64_t from_ns, last_ns;
    double interval_ns;
    uint64_t tasks, sent, ended;
    struct histogram *latency;
    struct slow *slow; /* those that took long */
    size_t slow_count;
    struct schedule_result *ret;
};

/* There is one at a time; so the callbacks' pointer can be the task's number. */
static struct schedule *current;

static uint64_t due_of(const struct schedule *s, uint64_t number)
{
    return s->from_ns + (uint64_t)((double)number * s->interval_ns);
}

static void window_note(struct schedule *s, uint64_t sent_ns, double us)
{
    size_t window = (size_t)((sent_ns - s->from_ns) / SCHEDULE_WINDOW_NS);

    if (window < SCHEDULE_WINDOWS_MAX && us > s->ret->window_max_us[window])
        s->ret->window_max_us[window] = us;
}

static int on_result(void *user, struct ganger_future *f, const struct ganger_bytes *result)
{
    struct schedule *s = current;
    uint64_t now = clock_ns(), sent_ns = due_of(s, (uint64_t)(uintptr_t)user);
    uint64_t took = now > sent_ns ? now - sent_ns : 0;

    (void)f;
    (void)result;
    s->ended++;
    s->last_ns = now;
    histogram_add(s->latency, took);
    window_note(s, sent_ns, (double)took / 1000);
    if (took > SLOW_NS && s->slow_count < SLOW_MAX)
        s->slow[s->slow_count++] = (struct slow){ sent_ns, now };
    return 0;
}

static int on_error(void *user, struct ganger_future *f, const struct ganger_failure *error)
{
    (void)user;
    (void)f;
    curve_fail("task", error->text);
}

static void send_due(struct schedule *s)
{
    uint64_t now = clock_ns();

    while (s->sent < s->tasks && due_of(s, s->sent) <= now) {
        curve_check(s->g,
            ganger_apply_async(s->g, s->plan->call, s->plan->options, on_result, on_error,
                (void *)(uintptr_t)s->sent, NULL),
            "submit");
        s->sent++;
    }
}

static void wait_until(struct schedule *s, uint64_t due_ns)
{
    struct pollfd p = { ganger_fd(s->g), ganger_events(s->g), 0 };
    uint64_t now = clock_ns(), wait = due_ns > now ? due_ns - now : 0;
    struct timespec t = { (time_t)(wait / 1000000000u), (long)(wait % 1000000000u) };

    (void)ppoll(&p, 1, &t, NULL);
    curve_check(s->g, ganger_process(s->g, p.revents), "connection");
}

static void schedule_send(struct schedule *s)
{
    uint64_t tick, by;

    s->from_ns = s->last_ns = clock_ns() + TICK_NS;
    by = s->from_ns + (uint64_t)(s->plan->seconds * 1e9) + GIVE_UP_NS;
    tick = s->from_ns;
    while (s->ended < s->tasks) {
        uint64_t now = clock_ns();

        if (now >= tick) {
            send_due(s);
            curve_check(s->g, ganger_process(s->g, 0), "connection");
            tick += ((now - tick) / TICK_NS + 1) * TICK_NS;
        }
        wait_until(s, s->sent < s->tasks ? tick : now + TICK_NS * 50);
        if (clock_ns() > by)
            curve_fail("tasks", "they take too long");
    }
}

/* What of the slow ones was the machine's doing? */
static void slow_judge(const struct schedule *s, const struct stall *stalls, size_t count)
{
    struct schedule_result *ret = s->ret;

    for (size_t i = 0; i < s->slow_count; i++) {
        const struct slow *slow = &s->slow[i];
        uint64_t took = slow->ended_ns - slow->sent_ns;
        uint64_t own = took - stalls_within(stalls, count, slow->sent_ns, slow->ended_ns);

        if ((double)own / 1000 > ret->own_max_us)
            ret->own_max_us = (double)own / 1000;
        ret->over_20ms += took > MARK_NS;
        ret->own_over_20ms += own > MARK_NS;
    }
    if (s->slow_count == 0)
        ret->own_max_us = ret->max_us;
}

static void stalls_judge(const struct schedule *s, const struct stall *stalls, size_t count)
{
    struct schedule_result *ret = s->ret;

    for (size_t i = 0; i < count; i++) {
        double us = (double)(stalls[i].to_ns - stalls[i].from_ns) / 1000;
        size_t window;

        if (stalls[i].to_ns < s->from_ns || stalls[i].from_ns > s->last_ns)
            continue;
        if (us > ret->control_max_us)
            ret->control_max_us = us;
        window = stalls[i].from_ns < s->from_ns
                     ? 0
                     : (size_t)((stalls[i].from_ns - s->from_ns) / SCHEDULE_WINDOW_NS);
        if (window < ret->windows && us > ret->window_control_us[window])
            ret->window_control_us[window] = us;
    }
}

static void schedule_end(struct schedule *s, struct control *control)
{
    struct schedule_result *ret = s->ret;
    struct stall *stalls;
    size_t count;

    ret->realtime = control_is_realtime(control);
    count = control_stop(control, &stalls);
    ret->rate = (double)s->ended * 1e9 / (double)(s->last_ns - s->from_ns);
    ret->p50_us = histogram_us(s->latency, 0.5);
    ret->p99_us = histogram_us(s->latency, 0.99);
    ret->p999_us = histogram_us(s->latency, 0.999);
    ret->max_us = (double)s->latency->max_ns / 1000;
    ret->windows = (size_t)(s->plan->seconds * 1e9 / SCHEDULE_WINDOW_NS);
    if (ret->windows > SCHEDULE_WINDOWS_MAX)
        ret->windows = SCHEDULE_WINDOWS_MAX;
    slow_judge(s, stalls, count);
    stalls_judge(s, stalls, count);
    free(stalls);
}

void schedule_run(const struct schedule_plan *plan, struct schedule_result *ret)
{
    struct schedule s = { .plan = plan, .ret = ret };
    struct control *control;
    double others;

    *ret = (struct schedule_result){ 0 };
    s.interval_ns = 1e9 / plan->rate;
    s.tasks = (uint64_t)(plan->rate * plan->seconds);
    s.latency = curve_alloc(1, sizeof *s.latency);
    s.slow = curve_alloc(SLOW_MAX, sizeof *s.slow);
    s.g = host_open(plan->host);
    current = &s;
    control = control_start(plan->disk);
    others = others_cpu_seconds(plan->host);
    schedule_send(&s);
    /* Ticks are coarse: next to nothing may come out as less than that. */
    ret->others_cpus = (others_cpu_seconds(plan->host) - others) /
                       ((double)(s.last_ns - s.from_ns) / 1e9);
    schedule_end(&s, control);
    current = NULL;
    ganger_close(s.g);
    free(s.slow);
    free(s.latency);
}
