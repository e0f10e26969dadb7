/* A closed loop: each task that ends is followed by the next one, on the same connection. */
#include "curves.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define FILL_NS    UINT64_C(2000000000) /* for the first ones to end, at most */
#define LEFT_NS    UINT64_C(2000000000)
#define GIVE_UP_NS UINT64_C(90000000000)
#define FOREVER_NS UINT64_MAX

struct loop;

/* One of those under way. */
struct place {
    struct loop *loop;
    struct client *client;
    uint64_t sent_ns;
};

struct client {
    struct ganger *g;
    short events;
};

struct loop {
    const struct loop_plan *plan;
    struct ganger_options options;
    struct client *clients;
    struct place *places;
    int epoll;
    uint32_t under_way, next_call;
    uint64_t submitted, warm, ended;
    uint64_t warm_ns, fill_ns; /* the measure begins between, when all of the first have ended */
    uint64_t from_ns, to_ns;   /* what ends between is measured */
    uint64_t last_ns;
    struct histogram *latency;
};

static int on_result(void *user, struct ganger_future *f, const struct ganger_bytes *result);
static int on_error(void *user, struct ganger_future *f, const struct ganger_failure *error);

static void place_submit(struct place *p)
{
    struct loop *l = p->loop;
    const struct ganger_call *call = &l->plan->calls[l->next_call];

    if (++l->next_call == l->plan->call_count)
        l->next_call = 0;
    curve_check(p->client->g,
        ganger_apply_async(p->client->g, call, &l->options, on_result, on_error, p, NULL),
        "submit");
    l->under_way++;
    l->submitted++;
}

static bool wants_more(const struct loop *l, uint64_t now)
{
    if (l->plan->tasks != 0)
        return l->submitted < l->plan->tasks;
    return now < l->to_ns;
}

/* A task has ended before the measure: does it begin? */
static void warm_up(struct loop *l, uint64_t now)
{
    l->warm++;
    if (now < l->warm_ns || (l->warm < l->plan->in_flight && now < l->fill_ns))
        return;
    l->from_ns = now;
    l->to_ns = now + (uint64_t)(l->plan->seconds * 1e9);
}

static int on_result(void *user, struct ganger_future *f, const struct ganger_bytes *result)
{
    struct place *p = user;
    struct loop *l = p->loop;
    uint64_t now = clock_ns();

    (void)f;
    (void)result;
    l->under_way--;
    if (l->from_ns == FOREVER_NS)
        warm_up(l, now);
    if (now >= l->from_ns && now < l->to_ns) {
        l->ended++;
        l->last_ns = now;
        histogram_add(l->latency, now - p->sent_ns);
    }
    if (wants_more(l, now)) {
        p->sent_ns = now;
        place_submit(p);
    }
    return 0;
}

static int on_error(void *user, struct ganger_future *f, const struct ganger_failure *error)
{
    (void)user;
    (void)f;
    curve_fail("task", error->text);
}

static void client_tend(struct loop *l, struct client *c, short revents)
{
    struct epoll_event e;
    short events;

    curve_check(c->g, ganger_process(c->g, revents), "connection");
    events = ganger_events(c->g);
    if (events == c->events)
        return;
    e = (struct epoll_event){ .events = (uint32_t)events, .data.ptr = c };
    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, ganger_fd(c->g), &e) < 0)
        curve_fail("epoll_ctl", "failed");
    c->events = events;
}

/* poll(2) and epoll(7) have the same numbers for what is used here. */
static void turn(struct loop *l)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(l->epoll, events, EVENTS_MAX, 100);

    for (int i = 0; i < n; i++)
        client_tend(l, events[i].data.ptr, (short)events[i].events);
}

static void clients_open(struct loop *l)
{
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->clients = curve_alloc(l->plan->clients, sizeof *l->clients);
    for (uint32_t i = 0; i < l->plan->clients; i++) {
        struct client *c = &l->clients[i];
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

        c->g = host_open(l->plan->host);
        c->events = (short)EPOLLIN;
        if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, ganger_fd(c->g), &e) < 0)
            curve_fail("epoll_ctl", "failed");
    }
}

static void loop_begin(struct loop *l)
{
    uint64_t now = clock_ns();

    l->from_ns = now;
    l->to_ns = FOREVER_NS;
    if (l->plan->tasks == 0) {
        l->from_ns = FOREVER_NS;
        l->warm_ns = now + (uint64_t)(l->plan->seconds * 0.2e9);
        l->fill_ns = now + FILL_NS;
    }
    for (uint32_t i = 0; i < l->plan->in_flight && wants_more(l, now); i++) {
        struct place *p = &l->places[i];

        *p = (struct place){ l, &l->clients[i % l->plan->clients], clock_ns() };
        place_submit(p);
    }
    for (uint32_t i = 0; i < l->plan->clients; i++)
        client_tend(l, &l->clients[i], 0);
}

static void loop_end(struct loop *l, struct loop_result *ret)
{
    uint64_t end = l->plan->tasks != 0 ? l->last_ns : l->to_ns;

    *ret = (struct loop_result){
        .rate = l->ended == 0 ? 0 : (double)l->ended * 1e9 / (double)(end - l->from_ns),
        .p50_us = histogram_us(l->latency, 0.5),
        .p99_us = histogram_us(l->latency, 0.99),
        .p999_us = histogram_us(l->latency, 0.999),
        .max_us = (double)l->latency->max_ns / 1000,
        .left = l->under_way != 0,
    };
    for (uint32_t i = 0; i < l->plan->clients; i++)
        ganger_close(l->clients[i].g);
    (void)close(l->epoll);
    free(l->latency);
    free(l->places);
    free(l->clients);
}

void loop_run(const struct loop_plan *plan, struct loop_result *ret)
{
    struct loop l = { .plan = plan };
    uint64_t by;

    l.options = plan->options == NULL ? options_waiting() : *plan->options;
    l.latency = curve_alloc(1, sizeof *l.latency);
    l.places = curve_alloc(plan->in_flight, sizeof *l.places);
    clients_open(&l);
    loop_begin(&l);
    by = clock_ns() + GIVE_UP_NS;
    if (plan->tasks == 0)
        by = l.fill_ns + (uint64_t)(plan->seconds * 1e9) + LEFT_NS;
    while (l.under_way > 0 && clock_ns() < by)
        turn(&l);
    if (plan->tasks != 0 && l.under_way > 0)
        curve_fail("tasks", "they take too long");
    loop_end(&l, ret);
}
