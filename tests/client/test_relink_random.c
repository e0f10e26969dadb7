/* A connection that breaks at any byte: each task arrives once, in order, or is unknown. */
#include "fake.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TASKS      600u
#define SMALL      2000u
#define LARGE      400000u
#define HEAD_BYTES 5u

struct world {
    struct fake *fake;
    struct ganger *g;
    uint64_t dice;
    struct ganger_future *futures[TASKS];
    size_t bytes[TASKS];
    bool arrived[TASKS], answered[TASKS];
    uint32_t submitted, next; /* none before NEXT may still arrive */
    bool follows;             /* a task has arrived on this connection */
    unsigned breaks;
};

static uint32_t roll(struct world *w, uint32_t below)
{
    w->dice ^= w->dice << 13;
    w->dice ^= w->dice >> 7;
    w->dice ^= w->dice << 17;
    return (uint32_t)((w->dice * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

/* The payload begins with the task's number. */
static void submit(struct world *w)
{
    static uint8_t payload[HEAD_BYTES + LARGE + 4];
    struct ganger_call call = { .pool = "p", .function = "f", .payload = payload };
    uint32_t number = w->submitted, len = 4 + roll(w, roll(w, 4) == 0 ? LARGE : SMALL);

    if (number == TASKS)
        return;
    payload[0] = 0xc6;
    for (unsigned i = 0; i < 4; i++)
        payload[1 + i] = (uint8_t)(len >> (24 - 8 * i));
    memcpy(payload + HEAD_BYTES, &number, sizeof number);
    call.payload_bytes = HEAD_BYTES + len;
    w->bytes[number] = call.payload_bytes;
    assert_int_equal(ganger_submit(w->g, &call, NULL, &w->futures[number]), 0);
    w->submitted++;
}

/* It waits for that; those before it are told, one way or the other, and none comes twice. */
static void arrive(struct world *w, const struct msg_submit *m)
{
    uint32_t number;

    memcpy(&number, m->payload.data + HEAD_BYTES, sizeof number);
    assert_true(number < w->submitted && m->payload.len == w->bytes[number]);
    assert_true(number >= w->next);
    assert_int_equal(ganger_future_ready(w->futures[number]), 0);
    if (w->follows)
        assert_int_equal(number, w->next);
    for (uint32_t i = w->next; i < number; i++)
        assert_int_equal(ganger_future_ready(w->futures[i]), 1);
    w->follows = true;
    w->arrived[number] = true;
    w->next = number + 1;
    if (roll(w, 4) == 0)
        return;
    fake_done(w->fake, m->req, fake_id(number + 1), "ok");
    w->answered[number] = true;
}

static bool whole_is_there(const struct fake *fake)
{
    const uint8_t *body;
    size_t len;

    return fake->left > 0 || frame_next(fake->in.data + fake->in_done, fake->in.len - fake->in_done,
                                 GANGER_FRAME_MAX, &body, &len, NULL) > 0;
}

/* Read some bytes and take what is whole. False when there was nothing to read. */
static bool receive(struct world *w, size_t most)
{
    struct fake *fake = w->fake;
    uint8_t *room = out_room(&fake->in, most);
    ssize_t n = recv(fake->fd, room, most, MSG_DONTWAIT);

    fake->in.len += n > 0 ? (size_t)n : 0;
    while (whole_is_there(fake)) {
        struct msg_submit m = fake_take_submit(fake);

        arrive(w, &m);
    }
    return n > 0;
}

static void process(struct world *w)
{
    struct pollfd p = { ganger_fd(w->g), (short)(POLLIN | POLLOUT), 0 };

    (void)poll(&p, 1, 0);
    assert_int_equal(ganger_process(w->g, p.revents), 0);
}

static void break_link(struct world *w)
{
    fake_drop(w->fake);
    w->follows = false;
    w->breaks++;
    fake_reconnect(w->fake, w->g, FAKE_EPOCH);
}

static void step(struct world *w)
{
    uint32_t n = roll(w, 100);

    if (n < 40)
        submit(w);
    else if (n < 65)
        process(w);
    else if (n < 97)
        (void)receive(w, 1 + roll(w, roll(w, 2) == 0 ? 1000 : 300000));
    else
        break_link(w);
}

static void check_all(struct world *w)
{
    unsigned arrived = 0, unknown = 0;

    for (uint32_t i = 0; i < TASKS; i++) {
        struct ganger_bytes result;
        int rc = ganger_future_result(w->futures[i], 0, &result);

        assert_int_equal(ganger_future_ready(w->futures[i]), 1);
        assert_true(rc == 0 || rc == GANGER_EUNKNOWN);
        assert_int_equal(rc == 0, w->answered[i]);
        arrived += w->arrived[i];
        unknown += rc != 0;
        ganger_future_free(w->futures[i]);
    }
    assert_true(w->breaks > 5 && arrived > TASKS / 4 && unknown > 0);
}

static void run_seed(struct fake *fake, uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->fake = fake;
    w->dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    w->g = fake_client(fake);
    assert_int_equal(ganger_set_output_bytes(w->g, (size_t)1 << 30), 0);
    while (w->submitted < TASKS)
        step(w);
    do {
        process(w);
    } while (receive(w, 1u << 20) || ganger_flush(w->g, 0) != 0);
    /* What was never answered is known to be unknown after a last break. */
    break_link(w);
    assert_true(fake_quiet(fake));
    check_all(w);
    ganger_close(w->g);
    fake_drop(fake);
    free(w);
}

static void test_break_at_any_byte_loses_and_doubles_nothing(void **state)
{
    for (uint64_t seed = 1; seed <= 5; seed++)
        run_seed(*state, seed);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_fake(test_break_at_any_byte_loses_and_doubles_nothing),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
