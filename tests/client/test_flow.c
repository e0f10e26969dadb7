/* Full pools, full buffers, slow daemons: waiting for room on either side. */
#include "fake.h"

#include <poll.h>
#include <string.h>

static struct ganger_future *submit_for_room(struct ganger *g, const char *text)
{
    struct ganger_options o;

    ganger_options_init(&o);
    o.flags = GANGER_WAIT_ROOM;
    return fake_submit(g, text, &o);
}

/* Let the client read and write what it can. */
static void turn(struct ganger *g)
{
    struct pollfd p = { ganger_fd(g), POLLIN, 0 };

    (void)poll(&p, 1, 100);
    assert_int_equal(ganger_process(g, POLLIN), 0);
}

static void test_room_full_then_room_submits_again(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = submit_for_room(g, "first"), *second;
    struct ganger_bytes result;
    struct msg_request r;
    struct msg_submit m;
    uint64_t req;

    assert_int_equal(ganger_flush(g, 1000), 0);
    req = fake_take_submit(fake).req;
    fake_refused(fake, req, GANGER_EFULL, "full");
    turn(g);
    r = fake_take_request(fake, VERB_ROOM);
    assert_memory_equal(r.name.data, "p", 1);
    assert_int_equal(r.number, 1);
    assert_int_equal(r.number2, 6);
    assert_false(ganger_future_ready(f));
    /* Another one for the full pool waits behind it, without a try. */
    second = submit_for_room(g, "second");
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_true(fake_quiet(fake));
    fake_reply(fake, r.req, 0, NULL, 0);
    turn(g);
    m = fake_take_submit(fake);
    assert_int_equal(m.req, req);
    assert_true(fake_is_str((struct ganger_bytes){ m.payload.data, m.payload.len }, "first"));
    fake_done(fake, m.req, fake_id(1), "1");
    r = fake_take_request(fake, VERB_ROOM);
    fake_reply(fake, r.req, 0, NULL, 0);
    turn(g);
    fake_done(fake, fake_take_submit(fake).req, fake_id(2), "2");
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    assert_int_equal(ganger_future_result(second, 1000, &result), 0);
    assert_true(fake_is_str(result, "2"));
    ganger_close(g);
}

static void test_room_many_are_asked_for_together_then_one_by_one(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f[3];
    struct msg_request r;

    for (int i = 0; i < 3; i++)
        f[i] = submit_for_room(g, "x");
    assert_int_equal(ganger_flush(g, 1000), 0);
    for (int i = 0; i < 3; i++)
        fake_refused(fake, fake_take_submit(fake).req, GANGER_EFULL, "full");
    turn(g);
    fake_reply(fake, fake_take_request(fake, VERB_ROOM).req, 0, NULL, 0);
    turn(g);
    (void)fake_take_submit(fake);
    r = fake_take_request(fake, VERB_ROOM);
    assert_int_equal(r.number, 2);
    fake_reply(fake, r.req, GANGER_ERANGE, NULL, 0);
    turn(g);
    r = fake_take_request(fake, VERB_ROOM);
    assert_int_equal(r.number, 1);
    fake_reply(fake, r.req, GANGER_ERANGE, NULL, 0);
    turn(g);
    /* One task alone does not fit: that is its error; the next one is asked for. */
    assert_int_equal(ganger_future_successful(f[1]), 0);
    assert_false(ganger_future_ready(f[2]));
    r = fake_take_request(fake, VERB_ROOM);
    fake_reply(fake, r.req, GANGER_ENOPOOL, NULL, 0);
    turn(g);
    assert_true(ganger_future_ready(f[2]));
    ganger_close(g);
}

static void test_room_held_task_can_be_cancelled_or_freed(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f[3];
    struct ganger_bytes result;
    struct msg_request r;

    for (int i = 0; i < 3; i++)
        f[i] = submit_for_room(g, "x");
    assert_int_equal(ganger_flush(g, 1000), 0);
    for (int i = 0; i < 3; i++)
        fake_refused(fake, fake_take_submit(fake).req, GANGER_EFULL, "full");
    turn(g);
    assert_int_equal(ganger_future_cancel(f[0]), 0);
    assert_int_equal(ganger_future_result(f[0], 0, &result), GANGER_ECANCELLED);
    ganger_future_free(f[1]);
    r = fake_take_request(fake, VERB_ROOM);
    fake_reply(fake, r.req, 0, NULL, 0);
    turn(g);
    fake_done(fake, fake_take_submit(fake).req, fake_id(1), "x");
    assert_int_equal(ganger_future_result(f[2], 1000, &result), 0);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_room_held_task_outlives_a_break(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = submit_for_room(g, "x");
    struct ganger_bytes result;

    assert_int_equal(ganger_flush(g, 1000), 0);
    fake_refused(fake, fake_take_submit(fake).req, GANGER_EFULL, "full");
    turn(g);
    (void)fake_take_request(fake, VERB_ROOM);
    fake_drop(fake);
    fake_reconnect(fake, g, FAKE_EPOCH);
    fake_reply(fake, fake_take_request(fake, VERB_ROOM).req, 0, NULL, 0);
    turn(g);
    fake_done(fake, fake_take_submit(fake).req, fake_id(1), "x");
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    ganger_close(g);
}

static void test_room_held_task_ends_with_a_dead_connection(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = submit_for_room(g, "x"), *second;
    struct ganger_bytes result;

    assert_int_equal(ganger_set_reconnect_ms(g, 0), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    fake_refused(fake, fake_take_submit(fake).req, GANGER_EFULL, "full");
    turn(g);
    second = submit_for_room(g, "y");
    fake_drop(fake);
    assert_int_equal(ganger_future_result(f, 1000, &result), GANGER_ECONN);
    assert_int_equal(ganger_future_result(second, 1000, &result), GANGER_ECONN);
    ganger_close(g);
}

/* Submit 16 KiB at a time until the client takes no more. */
static size_t fill(struct ganger *g, size_t max, struct ganger_future **ret_last)
{
    static uint8_t payload[16384] = { 0xc5, 0x3f, 0xfd };
    struct ganger_call call = { "p", "f", payload, sizeof payload };
    size_t count = 0;

    while (count < max && ganger_submit(g, &call, NULL, ret_last) == 0)
        count++;
    return count;
}

static void test_slow_daemon_nonblocking_submit_says_again(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_call call = { "p", "f", NULL, 0 };
    struct ganger_future *f = NULL, *last = NULL;
    size_t count;

    assert_int_equal(ganger_set_nonblocking(g, 1), 0);
    assert_int_equal(ganger_set_output_bytes(g, 65536), 0);
    count = fill(g, 10000, &last);
    assert_true(count > 4 && count < 1000);
    assert_int_equal(ganger_submit(g, &call, NULL, &f), 0);
    assert_true((ganger_events(g) & POLLOUT) != 0);
    assert_int_equal(ganger_flush(g, 0), GANGER_ETIMEDOUT);
    for (size_t i = 0; i < count + 1; i++) {
        (void)fake_take_submit(fake);
        assert_int_equal(ganger_process(g, 0), 0);
    }
    assert_int_equal(ganger_events(g), POLLIN);
    assert_int_equal(ganger_flush(g, 0), 0);
    ganger_close(g);
}

static void test_slow_daemon_blocking_submit_waits(void **state)
{
    struct fake *fake = *state;
    struct ganger_future *last = NULL;
    struct ganger *g = NULL;
    size_t left = 500;

    fake_serve(fake);
    assert_int_equal(ganger_open(fake->path, &g), 0);
    assert_int_equal(ganger_set_output_bytes(g, 65536), 0);
    assert_int_equal(fill(g, 500, &last), 500);
    while (left > 0) {
        struct ganger_future *f = NULL;

        assert_int_equal(ganger_wait_next(g, 5000, &f), 0);
        assert_int_equal(ganger_future_successful(f), 1);
        ganger_future_free(f);
        left--;
    }
    ganger_close(g);
}

static void test_slow_daemon_blocking_submit_is_interruptible(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_call call = { "p", "f", NULL, 0 };
    static uint8_t payload[65536] = { 0xc5, 0xff, 0xfd };
    struct ganger_future *f = NULL;
    size_t count;

    call.payload = payload;
    call.payload_bytes = sizeof payload;
    assert_int_equal(ganger_set_nonblocking(g, 1), 0);
    assert_int_equal(ganger_set_output_bytes(g, 65536), 0);
    count = fill(g, 10000, &f);
    assert_true(count > 4);
    assert_int_equal(ganger_set_nonblocking(g, 0), 0);
    ganger_interrupt(g);
    assert_int_equal(ganger_submit(g, &call, NULL, &f), GANGER_EINTR);
    ganger_close(g);
}

static void test_thousands_in_flight_all_come_back(void **state)
{
    enum { COUNT = 20000 };
    struct fake *fake = *state;
    struct ganger *g = NULL;
    struct ganger_options o;
    uint64_t ids = 0;

    fake_serve(fake);
    ganger_options_init(&o);
    assert_int_equal(ganger_open(fake->path, &g), 0);
    for (int i = 0; i < COUNT; i++) {
        o.flags = i % 2 == 0 ? GANGER_QUIET : 0;
        (void)fake_submit(g,
            i % 3 == 0 ? "short"
                       : "a text that is a good deal longer than the "
                         "place for a small result inside of a future",
            &o);
    }
    for (int i = 0; i < COUNT; i++) {
        struct ganger_future *f = NULL;

        assert_int_equal(ganger_wait_next(g, 5000, &f), 0);
        assert_int_equal(ganger_future_successful(f), 1);
        ids += ganger_future_id(f) != 0;
        ganger_future_free(f);
    }
    assert_int_equal(ids, COUNT);
    ganger_close(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_fake(test_room_full_then_room_submits_again),
        cmocka_unit_test_fake(test_room_many_are_asked_for_together_then_one_by_one),
        cmocka_unit_test_fake(test_room_held_task_can_be_cancelled_or_freed),
        cmocka_unit_test_fake(test_room_held_task_outlives_a_break),
        cmocka_unit_test_fake(test_room_held_task_ends_with_a_dead_connection),
        cmocka_unit_test_fake(test_slow_daemon_nonblocking_submit_says_again),
        cmocka_unit_test_fake(test_slow_daemon_blocking_submit_waits),
        cmocka_unit_test_fake(test_slow_daemon_blocking_submit_is_interruptible),
        cmocka_unit_test_fake(test_thousands_in_flight_all_come_back),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
