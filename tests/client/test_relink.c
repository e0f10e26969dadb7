/* Broken connections: what ends, what is taken up again, what is sent once more, and what never is.
 */
#include "fake.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* Wait for the id, which the daemon has sent. */
static void accept_task(struct fake *fake, struct ganger_future *f, uint64_t req, uint64_t id)
{
    uint64_t got = 0;

    fake_accepted(fake, req, id);
    assert_int_equal(ganger_future_wait_id(f, 1000, &got), 0);
    assert_int_equal(got, id);
}

static void test_break_accepted_task_is_taken_up_again(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct ganger_server_info info;
    struct ganger_bytes result;
    struct msg_request r;

    assert_int_equal(ganger_flush(g, 1000), 0);
    accept_task(fake, f, fake_take_submit(fake).req, fake_id(1));
    fake_drop(fake);
    fake_reconnect(fake, g, FAKE_EPOCH + 1);
    r = fake_take_request(fake, VERB_WAIT);
    assert_int_equal(r.id, fake_id(1));
    fake_done(fake, r.req, fake_id(1), "survived");
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    assert_true(fake_is_str(result, "survived"));
    assert_int_equal(ganger_server_info(g, &info), 0);
    assert_int_equal(info.epoch, FAKE_EPOCH + 1);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_break_task_of_the_old_epoch_is_lost(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct ganger_failure failure;

    assert_int_equal(ganger_flush(g, 1000), 0);
    accept_task(fake, f, fake_take_submit(fake).req, fake_id(1));
    fake_drop(fake);
    fake_reconnect(fake, g, FAKE_EPOCH + 1);
    fake_reply(fake, fake_take_request(fake, VERB_WAIT).req, GANGER_ENOTASK, NULL, 0);
    assert_int_equal(ganger_future_wait(f, 1000), 0);
    assert_int_equal(ganger_future_error(f, &failure), 0);
    assert_int_equal(failure.code, GANGER_ELOST);
    assert_non_null(strstr(failure.text, "no longer knows"));
    ganger_close(g);
}

static void test_break_unanswered_task_is_unknown_and_never_sent_again(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_options o;
    struct ganger_future *f, *quiet, *detached, *room;
    struct ganger_bytes result;

    ganger_options_init(&o);
    f = fake_submit(g, "x", NULL);
    o.flags = GANGER_QUIET;
    quiet = fake_submit(g, "x", &o);
    o.flags = GANGER_DETACHED;
    o.durable = GANGER_DURABLE_YES;
    detached = fake_submit(g, "x", &o);
    o.flags = GANGER_WAIT_ROOM;
    room = fake_submit(g, "x", &o);
    assert_int_equal(ganger_flush(g, 1000), 0);
    fake_drop(fake);
    assert_int_equal(ganger_future_result(f, 1000, &result), GANGER_EUNKNOWN);
    assert_int_equal(ganger_future_result(quiet, 0, &result), GANGER_EUNKNOWN);
    assert_int_equal(ganger_future_result(detached, 0, &result), GANGER_EUNKNOWN);
    assert_int_equal(ganger_future_result(room, 0, &result), GANGER_EUNKNOWN);
    fake_reconnect(fake, g, FAKE_EPOCH);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_break_unsent_task_is_sent_on_the_next_connection(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *unsent, *later;
    struct ganger_bytes result;

    unsent = fake_submit(g, "unsent", NULL);
    fake_drop(fake);
    assert_int_equal(ganger_process(g, POLLIN | POLLHUP), 0);
    assert_false(ganger_connected(g));
    later = fake_submit(g, "later", NULL);
    fake_reconnect(fake, g, FAKE_EPOCH);
    fake_done(fake, fake_take_submit(fake).req, fake_id(1), "1");
    fake_done(fake, fake_take_submit(fake).req, fake_id(2), "2");
    assert_int_equal(ganger_future_result(unsent, 1000, &result), 0);
    assert_true(fake_is_str(result, "1"));
    assert_int_equal(ganger_future_result(later, 1000, &result), 0);
    assert_true(fake_is_str(result, "2"));
    ganger_close(g);
}

/*
 * The client writes while the fake reads; then take the submit, of BYTES, and answer it. Returns
 * the first byte behind the payload's head.
 */
static uint8_t serve_large(struct fake *fake, struct ganger *g, uint64_t number, size_t bytes)
{
    struct pollfd p = { ganger_fd(g), POLLOUT, 0 };
    struct msg_submit m;
    uint8_t first;

    for (int turn = 0; turn < 100 && fake->frames < number; turn++) {
        uint8_t *room = out_room(&fake->in, 65536);
        ssize_t n = recv(fake->fd, room, 65536, MSG_DONTWAIT);

        fake->in.len += n > 0 ? (size_t)n : 0;
        (void)poll(&p, 1, 0);
        assert_int_equal(ganger_process(g, 0), 0);
        if (fake->in.len - fake->in_done > bytes + 64)
            break;
    }
    m = fake_take_submit(fake);
    assert_int_equal(m.payload.len, bytes);
    first = m.payload.data[5];
    fake_done(fake, m.req, fake_id(number), "ok");
    return first;
}

static void test_break_in_the_middle_of_a_frame_sends_it_again_whole(void **state)
{
    static uint8_t big[1024 * 1024] = { 0xc6, 0, 0xf, 0xff, 0xfb };
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_call call = { "p", "f", big, sizeof big };
    struct ganger_future *f = NULL, *unsent = NULL;
    struct ganger_bytes result;

    assert_int_equal(ganger_submit(g, &call, NULL, &f), 0);
    assert_int_equal(ganger_submit(g, &call, NULL, &unsent), 0);
    /* The socket takes less than a frame of a megabyte, so that none is whole at the other end. */
    assert_int_equal(ganger_process(g, 0), 0);
    assert_true((ganger_events(g) & POLLOUT) != 0);
    fake_drop(fake);
    fake_reconnect(fake, g, FAKE_EPOCH);
    for (uint64_t i = 1; i <= 2; i++)
        (void)serve_large(fake, g, i, sizeof big);
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    assert_int_equal(ganger_future_result(unsent, 1000, &result), 0);
    ganger_close(g);
}

/* More than one piece of memory waits: each task of it is sent on the next connection, once. */
static void test_break_much_that_is_unsent_is_sent_in_order(void **state)
{
    static uint8_t big[200000] = { 0xc6, 0, 0x3, 0xd, 0x3b };
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_call call = { "p", "f", big, sizeof big };
    struct ganger_future *f[20];
    struct ganger_bytes result;
    unsigned known;

    for (unsigned i = 0; i < 20; i++) {
        big[5] = (uint8_t)i;
        assert_int_equal(ganger_submit(g, &call, NULL, &f[i]), 0);
    }
    assert_int_equal(ganger_process(g, 0), 0);
    assert_true((ganger_events(g) & POLLOUT) != 0);
    fake_drop(fake);
    fake_reconnect(fake, g, FAKE_EPOCH);
    /* Those that the socket took whole may have been read. */
    for (known = 0; known < 20 && ganger_future_result(f[known], 0, &result) == GANGER_EUNKNOWN;)
        known++;
    assert_in_range(known, 0, 4);
    for (unsigned i = known; i < 20; i++) {
        assert_int_equal(serve_large(fake, g, i - known + 1, sizeof big), i);
        assert_int_equal(ganger_future_result(f[i], 1000, &result), 0);
    }
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_break_ends_and_accepted_before_it_count(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *ended = fake_submit(g, "x", NULL);
    struct ganger_future *accepted = fake_submit(g, "y", NULL);
    struct ganger_bytes result;
    uint64_t req[2];

    assert_int_equal(ganger_flush(g, 1000), 0);
    req[0] = fake_take_submit(fake).req;
    req[1] = fake_take_submit(fake).req;
    fake_done(fake, req[0], fake_id(1), "last words");
    fake_accepted(fake, req[1], fake_id(2));
    fake_drop(fake);
    assert_int_equal(ganger_future_result(ended, 1000, &result), 0);
    assert_true(fake_is_str(result, "last words"));
    assert_int_equal(ganger_future_id(accepted), fake_id(2));
    assert_false(ganger_future_ready(accepted));
    ganger_close(g);
}

static void test_break_requests_and_attached_waits_are_sent_again(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *request = NULL, *attached = NULL;
    struct ganger_bytes value;
    struct msg_request r;

    assert_int_equal(ganger_request(g, GANGER_SEM_SET, 0, "gpu", 4, 0, &request), 0);
    assert_int_equal(ganger_attach(g, fake_id(3), &attached), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    (void)fake_take_request(fake, VERB_SEM_SET);
    (void)fake_take_request(fake, VERB_WAIT);
    fake_drop(fake);
    fake_reconnect(fake, g, FAKE_EPOCH);
    r = fake_take_request(fake, VERB_SEM_SET);
    assert_int_equal(r.name.len, 3);
    assert_memory_equal(r.name.data, "gpu", 3);
    assert_int_equal(r.number, 4);
    fake_reply(fake, r.req, 0, NULL, 0);
    r = fake_take_request(fake, VERB_WAIT);
    fake_done(fake, r.req, fake_id(3), "out");
    assert_int_equal(ganger_future_result(request, 1000, &value), 0);
    assert_int_equal(ganger_future_result(attached, 1000, &value), 0);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_break_what_was_queued_meanwhile_is_sent_once(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *request = NULL, *attached = NULL;

    fake_drop(fake);
    assert_int_equal(ganger_process(g, POLLIN | POLLHUP), 0);
    assert_int_equal(ganger_request(g, GANGER_STATS, 0, NULL, 0, 0, &request), 0);
    assert_int_equal(ganger_attach(g, fake_id(3), &attached), 0);
    fake_reconnect(fake, g, FAKE_EPOCH);
    (void)fake_take_request(fake, VERB_STATS);
    (void)fake_take_request(fake, VERB_WAIT);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_break_freed_futures_leave_nothing_behind(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f[4];
    uint64_t req[4], id = 0;

    for (int i = 0; i < 4; i++)
        f[i] = fake_submit(g, "x", NULL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    for (int i = 0; i < 4; i++)
        req[i] = fake_take_submit(fake).req;
    accept_task(fake, f[0], req[0], fake_id(1));
    accept_task(fake, f[1], req[1], fake_id(2));
    ganger_future_free(f[0]); /* its UNWAIT is sent */
    assert_int_equal(ganger_flush(g, 1000), 0);
    ganger_future_free(f[1]); /* its UNWAIT is not */
    ganger_future_free(f[2]); /* not answered */
    fake_drop(fake);
    assert_int_equal(ganger_future_wait(f[3], 1000), 0);
    fake_reconnect(fake, g, FAKE_EPOCH);
    id = fake_take_request(fake, VERB_UNWAIT).id;
    assert_int_equal(id, fake_id(2));
    assert_true(fake_quiet(fake));
    /* All numbers but that of the last future and of the UNWAIT under way are free again. */
    for (int i = 0; i < 3; i++)
        assert_true(fake_submit(g, "y", NULL) != NULL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    for (int i = 0; i < 3; i++)
        assert_true(fake_take_submit(fake).req <= 6);
    ganger_close(g);
}

static void test_break_cancel_asked_meanwhile_is_sent(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);

    assert_int_equal(ganger_flush(g, 1000), 0);
    accept_task(fake, f, fake_take_submit(fake).req, fake_id(1));
    fake_drop(fake);
    assert_int_equal(ganger_process(g, POLLIN | POLLHUP), 0);
    assert_int_equal(ganger_future_cancel(f), 0);
    fake_reconnect(fake, g, FAKE_EPOCH);
    assert_int_equal(fake_take_request(fake, VERB_CANCEL).id, fake_id(1));
    assert_int_equal(fake_take_request(fake, VERB_WAIT).id, fake_id(1));
    ganger_close(g);
}

static void test_break_without_reconnect_ends_all(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *accepted = fake_submit(g, "x", NULL), *sent, *request = NULL;
    struct ganger_call call = { "p", "f", NULL, 0 };
    struct ganger_future *none = NULL;
    struct ganger_bytes result;

    assert_int_equal(ganger_set_reconnect_ms(g, 0), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    accept_task(fake, accepted, fake_take_submit(fake).req, fake_id(1));
    sent = fake_submit(g, "y", NULL);
    assert_int_equal(ganger_request(g, GANGER_STATS, 0, NULL, 0, 0, &request), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    fake_drop(fake);
    assert_int_equal(ganger_future_result(accepted, 1000, &result), GANGER_ECONN);
    assert_int_equal(ganger_future_result(sent, 0, &result), GANGER_EUNKNOWN);
    assert_int_equal(ganger_future_result(request, 0, &result), GANGER_ECONN);
    assert_int_equal(ganger_submit(g, &call, NULL, &none), GANGER_ECONN);
    assert_int_equal(ganger_attach(g, fake_id(1), &none), GANGER_ECONN);
    assert_int_equal(ganger_ping(g, 1000), GANGER_ECONN);
    assert_int_equal(ganger_process(g, 0), GANGER_ECONN);
    assert_null(none);
    ganger_close(g);
}

static void test_break_gives_up_after_its_time(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct ganger_bytes result;

    assert_int_equal(ganger_set_reconnect_ms(g, 60), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    accept_task(fake, f, fake_take_submit(fake).req, fake_id(1));
    fake_stop_listening(fake);
    fake_drop(fake);
    assert_int_equal(ganger_future_result(f, GANGER_FOREVER, &result), GANGER_ECONN);
    assert_non_null(strstr(ganger_last_error(g), "refused"));
    ganger_close(g);
}

static void test_break_again_and_again_without_a_word_gives_up(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    int rc = 0;

    assert_int_equal(ganger_set_reconnect_ms(g, 100), 0);
    for (int i = 0; i < 1000 && rc == 0; i++) {
        struct pollfd p = { fake->listen_fd, POLLIN, 0 };

        fake_drop(fake);
        rc = ganger_process(g, POLLIN | POLLHUP);
        if (rc == 0 && poll(&p, 1, 10) > 0) {
            fake_accept(fake);
            fake_send_hello(fake, FAKE_EPOCH);
            rc = ganger_process(g, POLLIN);
        }
    }
    assert_int_equal(rc, GANGER_ECONN);
    ganger_close(g);
}

static void test_break_by_garbage_is_a_break(void **state)
{
    static const uint8_t garbage[][8] = {
        { 0, 0, 0, 4, 0xc1, 1, 2, 3 },          /* no array */
        { 0, 0, 0, 4, 0x92, 12, 0x91, 0xc0 },   /* an END that is none */
        { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 }, /* a frame beyond all bounds */
        { 0, 0, 0, 3, 0x92, 99, 0xc0, 0 },      /* no such message */
        { 0, 0, 0, 4, 0x92, 11, 0x90, 0xc0 },   /* a frame that does not end where it ends */
    };
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);

    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        struct ganger_future *f = fake_submit(g, "x", NULL);
        struct ganger_bytes result;

        assert_int_equal(ganger_flush(g, 1000), 0);
        (void)fake_take_submit(fake);
        fake_raw(fake, garbage[i], sizeof garbage[i]);
        assert_int_equal(ganger_future_result(f, 1000, &result), GANGER_EUNKNOWN);
        fake_reconnect(fake, g, FAKE_EPOCH);
    }
    ganger_close(g);
}

static void test_break_unknown_numbers_are_not_a_break(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);

    fake_accepted(fake, 77, fake_id(1));
    fake_done(fake, 0, fake_id(1), "x");
    fake_done(fake, UINT64_MAX, fake_id(1), "x");
    fake_reply(fake, 5, 0, NULL, 0);
    fake_progress(fake, 78, fake_id(1), 1, "x");
    assert_int_equal(ganger_ping(g, 50), GANGER_ETIMEDOUT);
    assert_true(ganger_connected(g));
    ganger_close(g);
}

static void test_break_new_version_after_it_is_final(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct msg_hello hello = { .version = 9, .role = ROLE_DAEMON };
    struct ganger_bytes result;

    assert_int_equal(ganger_flush(g, 1000), 0);
    accept_task(fake, f, fake_take_submit(fake).req, fake_id(1));
    fake_drop(fake);
    while (ganger_fd(g) < 0 || ganger_connected(g))
        assert_int_equal(ganger_process(g, POLLIN), 0);
    fake_accept(fake);
    msg_write_hello(&fake->out, &hello);
    fake_flush(fake);
    assert_int_equal(ganger_future_result(f, 1000, &result), GANGER_EVERSION);
    ganger_close(g);
}

static int submit_again(void *user, struct ganger_future *f, const struct ganger_failure *failure)
{
    struct ganger_future **again = user;

    assert_int_equal(failure->code, GANGER_EUNKNOWN);
    *again = fake_submit(ganger_future_handle(f), "again", NULL);
    return 0;
}

static void test_break_callback_may_submit_for_the_next_connection(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_call call = { "p", "f", NULL, 0 };
    struct ganger_future *again = NULL;
    struct ganger_bytes result;

    assert_int_equal(
        ganger_apply_async(g, &call, NULL, NULL, submit_again, (void *)&again, NULL), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    fake_drop(fake);
    fake_reconnect(fake, g, FAKE_EPOCH);
    assert_non_null(again);
    assert_false(ganger_future_ready(again));
    fake_done(fake, fake_take_submit(fake).req, fake_id(1), "out");
    assert_int_equal(ganger_future_result(again, 1000, &result), 0);
    ganger_close(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_fake(test_break_accepted_task_is_taken_up_again),
        cmocka_unit_test_fake(test_break_task_of_the_old_epoch_is_lost),
        cmocka_unit_test_fake(test_break_unanswered_task_is_unknown_and_never_sent_again),
        cmocka_unit_test_fake(test_break_unsent_task_is_sent_on_the_next_connection),
        cmocka_unit_test_fake(test_break_in_the_middle_of_a_frame_sends_it_again_whole),
        cmocka_unit_test_fake(test_break_much_that_is_unsent_is_sent_in_order),
        cmocka_unit_test_fake(test_break_ends_and_accepted_before_it_count),
        cmocka_unit_test_fake(test_break_requests_and_attached_waits_are_sent_again),
        cmocka_unit_test_fake(test_break_what_was_queued_meanwhile_is_sent_once),
        cmocka_unit_test_fake(test_break_freed_futures_leave_nothing_behind),
        cmocka_unit_test_fake(test_break_cancel_asked_meanwhile_is_sent),
        cmocka_unit_test_fake(test_break_without_reconnect_ends_all),
        cmocka_unit_test_fake(test_break_gives_up_after_its_time),
        cmocka_unit_test_fake(test_break_again_and_again_without_a_word_gives_up),
        cmocka_unit_test_fake(test_break_by_garbage_is_a_break),
        cmocka_unit_test_fake(test_break_unknown_numbers_are_not_a_break),
        cmocka_unit_test_fake(test_break_new_version_after_it_is_final),
        cmocka_unit_test_fake(test_break_callback_may_submit_for_the_next_connection),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
