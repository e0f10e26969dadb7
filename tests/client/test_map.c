/* Maps: chunks, order, errors, iteration, windows. */
#include "items.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_map_default_chunk_is_cpythons(void **state)
{
    /* items, chunk with the four processes that the daemon tells of */
    static const size_t cases[][2] = { { 1, 1 }, { 10, 1 }, { 16, 1 }, { 17, 2 }, { 100, 7 },
        { 160, 10 }, { 161, 11 } };
    struct ganger *g = items_served(*state);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ganger_map *map = NULL;

        assert_int_equal(
            ganger_map(g, "p", "f", items, cases[i][0], GANGER_CHUNK_DEFAULT, NULL, &map), 0);
        assert_int_equal(ganger_map_chunk(map), cases[i][1]);
        ganger_map_free(map);
    }
    ganger_close(g);
}

static void test_map_results_are_in_the_order_of_the_input(void **state)
{
    static const int64_t chunks[] = { 1, 2, 7, 20, MANY, 5000, GANGER_CHUNK_DEFAULT };
    struct ganger *g = items_served(*state);

    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        struct ganger_map *map = NULL;
        size_t count = 0, ended = 0, failed = 9;

        assert_int_equal(ganger_map(g, "p", "f", items, MANY, chunks[c], NULL, &map), 0);
        assert_int_equal(ganger_map_successful(map), 1);
        ganger_map_progress(map, &count, &ended, &failed);
        assert_int_equal(count, MANY);
        assert_int_equal(ended, MANY);
        assert_int_equal(failed, 0);
        for (int i = 0; i < MANY; i++) {
            struct ganger_bytes result;

            assert_int_equal(ganger_map_result(map, (size_t)i, &result), 0);
            assert_true(items_is(result, i));
        }
        ganger_map_free(map);
    }
    ganger_close(g);
}

static int never_done(void *user, struct ganger_map *map)
{
    (void)user;
    (void)map;
    fail();
    return 0;
}

static void test_map_of_nothing_is_ready_at_once(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_map *map = NULL;
    struct ganger_bytes result;

    assert_int_equal(ganger_map_async(g, "p", "f", NULL, 0, GANGER_CHUNK_DEFAULT, NULL, never_done,
                         NULL, NULL, &map),
        0);
    assert_int_equal(ganger_map_ready(map), 1);
    assert_int_equal(ganger_map_successful(map), 1);
    assert_int_equal(ganger_map_chunk(map), 0);
    assert_int_equal(ganger_map_result(map, 0, &result), GANGER_ERANGE);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_true(fake_quiet(fake));
    ganger_map_free(map);
    ganger_map_free(NULL);
    ganger_close(g);
}

static void test_map_chunk_below_one_is_refused(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_map *map = NULL;
    static const int64_t bad[] = { 0, -1, INT64_MIN + 1, 1024 * 1024 + 1, INT64_MAX };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ganger_map(g, "p", "f", items, 2, bad[i], NULL, &map), GANGER_EINVAL);
        assert_null(map);
    }
    assert_int_equal(ganger_map(g, "p", "f", items, 0, 0, NULL, &map), GANGER_EINVAL);
    assert_int_equal(ganger_map(g, "", "f", items, 2, 1, NULL, &map), GANGER_EINVAL);
    assert_int_equal(ganger_map(g, "p", "f", NULL, 2, 1, NULL, &map), GANGER_EINVAL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_map_chunk_is_one_task_and_one_item_a_plain_one(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_map *map = NULL;
    struct ganger_bytes result;
    struct msg_submit m;

    assert_int_equal(ganger_map_async(g, "p", "f", items, 3, 2, NULL, NULL, NULL, NULL, &map), 0);
    assert_int_equal(ganger_map_result(map, 0, &result), GANGER_ESTATE);
    assert_int_equal(ganger_map_successful(map), GANGER_ESTATE);
    assert_int_equal(ganger_flush(g, 1000), 0);
    m = fake_take_submit(fake);
    assert_int_equal(m.flags, TASK_WAIT | TASK_CHUNK);
    assert_int_equal(m.payload.len, 7);
    assert_memory_equal(m.payload.data, "\x92\xcd\x00\x00\xcd\x00\x01", 7);
    fake_end(fake, m.req, fake_id(1), END_DONE, 0, "\x92\x92\x00\x2a\x92\x00\x2b", 7);
    m = fake_take_submit(fake);
    assert_int_equal(m.flags, TASK_WAIT);
    assert_memory_equal(m.payload.data, items[2].data, 3);
    fake_end(fake, m.req, fake_id(2), END_DONE, 0, "\x2c", 1);
    assert_int_equal(ganger_map_wait(map, 1000), 0);
    for (uint8_t i = 0; i < 3; i++) {
        assert_int_equal(ganger_map_result(map, i, &result), 0);
        assert_int_equal(result.len, 1);
        assert_int_equal(*(const uint8_t *)result.data, 0x2a + i);
    }
    ganger_close(g);
}

struct seen {
    int done, errors, code, returns;
    char text[64];
    bool ready_inside;
};

static int on_done(void *user, struct ganger_map *map)
{
    struct seen *seen = user;

    seen->done++;
    seen->ready_inside = ganger_map_ready(map) != 0;
    return seen->returns;
}

static int on_error(void *user, struct ganger_map *map, const struct ganger_failure *failure)
{
    struct seen *seen = user;

    seen->errors++;
    seen->code = failure->code;
    seen->ready_inside = ganger_map_ready(map) != 0;
    (void)snprintf(seen->text, sizeof seen->text, "%s", failure->text);
    return seen->returns;
}

static void test_map_first_error_to_arrive_is_reported_and_all_are_kept(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct seen seen = { 0 };
    struct ganger_map *map = NULL;
    struct ganger_failure failure;
    struct ganger_bytes result;
    uint64_t req[3];
    size_t index = 0, failed = 0;

    assert_int_equal(
        ganger_map_async(g, "p", "f", items, 6, 2, NULL, on_done, on_error, &seen, &map), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    for (int i = 0; i < 3; i++)
        req[i] = fake_take_submit(fake).req;
    assert_int_equal(ganger_map_first_error(map, &failure), 0);
    assert_int_equal(failure.code, 0);
    items_end_half_failed(fake, req[1], GANGER_ERANGE, "second chunk");
    items_end_half_failed(fake, req[0], GANGER_EFAILED, "first chunk");
    fake_end(fake, req[2], fake_id(3), END_DEAD, GANGER_EDIED, NULL, 0);
    assert_int_equal(ganger_map_wait(map, 1000), 0);
    assert_int_equal(ganger_map_successful(map), 0);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(seen.done, 0);
    assert_false(seen.ready_inside);
    assert_int_equal(seen.code, GANGER_ERANGE);
    assert_string_equal(seen.text, "second chunk");
    assert_int_equal(ganger_map_first_error(map, &failure), 0);
    assert_string_equal(failure.text, "second chunk");
    ganger_map_progress(map, NULL, NULL, &failed);
    assert_int_equal(failed, 4);
    assert_int_equal(ganger_map_failed(map, 0, &index), 0);
    assert_int_equal(index, 3);
    assert_int_equal(ganger_map_failed(map, 1, &index), 0);
    assert_int_equal(index, 1);
    assert_int_equal(ganger_map_failed(map, 3, &index), 0);
    assert_int_equal(index, 5);
    assert_int_equal(ganger_map_failed(map, 4, &index), GANGER_ERANGE);
    assert_int_equal(ganger_map_result(map, 2, &result), 0);
    assert_int_equal(ganger_map_result(map, 1, &result), GANGER_EFAILED);
    assert_int_equal(ganger_map_error(map, 1, &failure), 0);
    assert_string_equal(failure.text, "first chunk");
    assert_int_equal(failure.end, GANGER_END_FAILED);
    assert_int_equal(ganger_map_error(map, 4, &failure), 0);
    assert_int_equal(failure.code, GANGER_EDIED);
    assert_int_equal(failure.end, GANGER_END_DEAD);
    assert_int_equal(ganger_map_error(map, 0, &failure), 0);
    assert_int_equal(failure.code, 0);
    ganger_close(g);
}

static void test_map_callback_runs_once_and_its_failure_is_the_maps(void **state)
{
    struct ganger *g = items_served(*state);
    struct seen seen = { .returns = 0 };
    struct ganger_failure failure;
    struct ganger_map *map = NULL;

    assert_int_equal(
        ganger_map_async(g, "p", "f", items, 50, 7, NULL, on_done, on_error, &seen, &map), 0);
    assert_int_equal(ganger_map_wait(map, 5000), 0);
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.errors, 0);
    assert_false(seen.ready_inside);
    assert_int_equal(ganger_map_successful(map), 1);
    seen.returns = GANGER_EIO;
    assert_int_equal(
        ganger_map_async(g, "p", "f", items, 50, 7, NULL, on_done, on_error, &seen, &map), 0);
    assert_int_equal(ganger_map_wait(map, 5000), 0);
    assert_int_equal(seen.done, 2);
    assert_int_equal(seen.errors, 0);
    assert_int_equal(ganger_map_successful(map), 0);
    assert_int_equal(ganger_map_first_error(map, &failure), 0);
    assert_int_equal(failure.code, GANGER_EIO);
    ganger_close(g);
}

static void test_map_unknown_pool_fails_all_items(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct seen seen = { 0 };
    struct ganger_map *map = NULL;
    struct ganger_bytes result;

    assert_int_equal(ganger_map_async(g, "p", "f", items, 6, GANGER_CHUNK_DEFAULT, NULL, on_done,
                         on_error, &seen, &map),
        0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    fake_reply(fake, fake_take_request(fake, VERB_POOLS).req, GANGER_ENOPOOL, NULL, 0);
    assert_int_equal(ganger_map_wait(map, 1000), 0);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(seen.code, GANGER_ENOPOOL);
    assert_int_equal(ganger_map_result(map, 5, &result), GANGER_ENOPOOL);
    ganger_close(g);
}

static void test_map_bad_item_ends_the_input_before_its_chunk(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_failure failure;
    struct ganger_map *map = NULL;
    struct ganger_bytes result;

    items[5] = (struct ganger_bytes){ "\xc1", 1 };
    assert_int_equal(ganger_map_async(g, "p", "f", items, 8, 4, NULL, NULL, NULL, NULL, &map), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    fake_end(fake, fake_take_submit(fake).req, fake_id(1), END_DONE, 0,
        "\x94\x92\x00\x01\x92\x00\x01\x92\x00\x01\x92\x00\x01", 13);
    assert_int_equal(ganger_map_wait(map, 1000), 0);
    assert_int_equal(ganger_map_successful(map), 0);
    assert_int_equal(ganger_map_result(map, 3, &result), 0);
    assert_int_equal(ganger_map_result(map, 4, &result), GANGER_EDECODE);
    assert_int_equal(ganger_map_first_error(map, &failure), 0);
    assert_int_equal(failure.code, GANGER_EDECODE);
    assert_non_null(strstr(failure.text, "item 5"));
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_map_outcome_of_another_shape_is_an_error_of_its_items(void **state)
{
    static const struct {
        const char *data;
        size_t len;
    } bad[] = {
        { "\x91\x92\x00\x01", 4 },             /* one outcome for two items */
        { "\x2a", 1 },                         /* no array */
        { "", 0 },                             /* nothing */
        { "\x92\x01\x02", 3 },                 /* no pairs */
        { "\x92\x91\x00\x92\x00\x01", 6 },     /* a pair of one */
        { "\x92\x92\x05\x01\x92\x00\x01", 7 }, /* a positive code */
    };
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ganger_map *map = NULL;
        struct ganger_bytes result;

        assert_int_equal(
            ganger_map_async(g, "p", "f", items, 2, 2, NULL, NULL, NULL, NULL, &map), 0);
        assert_int_equal(ganger_flush(g, 1000), 0);
        fake_end(
            fake, fake_take_submit(fake).req, fake_id(1), END_DONE, 0, bad[i].data, bad[i].len);
        assert_int_equal(ganger_map_wait(map, 1000), 0);
        assert_int_equal(ganger_map_result(map, 0, &result), GANGER_EPROTO);
        assert_int_equal(ganger_map_result(map, 1, &result), GANGER_EPROTO);
        ganger_map_free(map);
    }
    ganger_close(g);
}

static void test_map_window_bounds_what_is_in_flight(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_map_spec spec;
    struct ganger_map *map = NULL;

    ganger_map_spec_init(&spec);
    spec.pool = "p";
    spec.function = "f";
    spec.items = items;
    spec.count = 10;
    spec.chunk = 1;
    spec.window = 4;
    assert_int_equal(ganger_map_start(g, &spec, &map), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t req = fake_take_submit(fake).req;

        for (uint64_t more = i == 0 ? 3 : 0; more > 0; more--)
            (void)fake_take_submit(fake);
        assert_true(fake_quiet(fake));
        /* Four at first, and one more for each that ended. */
        if (i == 6)
            break;
        fake_done(fake, req, fake_id(i), "x");
        items_turn(g);
    }
    ganger_close(g);
}

static void test_map_full_pool_waits_for_room(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_map *map = NULL;
    uint64_t req[2];

    assert_int_equal(ganger_map_async(g, "p", "f", items, 4, 2, NULL, NULL, NULL, NULL, &map), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    req[0] = fake_take_submit(fake).req;
    req[1] = fake_take_submit(fake).req;
    fake_end(fake, req[0], fake_id(1), END_DONE, 0, "\x92\x92\x00\x01\x92\x00\x01", 7);
    fake_refused(fake, req[1], GANGER_EFULL, "full");
    items_turn(g);
    fake_reply(fake, fake_take_request(fake, VERB_ROOM).req, 0, NULL, 0);
    items_turn(g);
    fake_end(fake, fake_take_submit(fake).req, fake_id(2), END_DONE, 0,
        "\x92\x92\x00\x01\x92\x00\x01", 7);
    assert_int_equal(ganger_map_wait(map, 1000), 0);
    assert_int_equal(ganger_map_successful(map), 1);
    ganger_close(g);
}

static void test_map_cancel_ends_all(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_map_spec spec;
    struct ganger_map *map = NULL;
    struct ganger_bytes result;
    struct msg_submit m;

    ganger_map_spec_init(&spec);
    spec.pool = "p";
    spec.items = items;
    spec.count = 10;
    spec.chunk = 2;
    spec.window = 1;
    assert_int_equal(ganger_map_start(g, &spec, &map), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    m = fake_take_submit(fake);
    fake_accepted(fake, m.req, fake_id(1));
    items_turn(g);
    assert_int_equal(ganger_map_cancel(map), 0);
    assert_int_equal(ganger_map_ready(map), 0);
    assert_int_equal(ganger_map_result(map, 9, &result), GANGER_ECANCELLED);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_int_equal(fake_take_request(fake, VERB_CANCEL).id, fake_id(1));
    fake_end(fake, m.req, fake_id(1), END_CANCELLED, GANGER_ECANCELLED, NULL, 0);
    assert_int_equal(ganger_map_wait(map, 1000), 0);
    assert_int_equal(ganger_map_result(map, 0, &result), GANGER_ECANCELLED);
    assert_true(fake_quiet(fake));
    ganger_map_free(map);
    /* While the daemon is asked for the processes, and while a task waits for room. */
    assert_int_equal(
        ganger_map_async(g, "p", "f", items, 2, GANGER_CHUNK_DEFAULT, NULL, NULL, NULL, NULL, &map),
        0);
    assert_int_equal(ganger_map_cancel(map), 0);
    assert_int_equal(ganger_map_ready(map), 1);
    ganger_map_free(map);
    assert_int_equal(ganger_map_async(g, "p", "f", items, 2, 1, NULL, NULL, NULL, NULL, &map), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    (void)fake_take_request(fake, VERB_POOLS);
    fake_refused(fake, fake_take_submit(fake).req, GANGER_EFULL, "full");
    fake_refused(fake, fake_take_submit(fake).req, GANGER_EFULL, "full");
    items_turn(g);
    assert_int_equal(ganger_map_cancel(map), 0);
    assert_int_equal(ganger_map_ready(map), 1);
    ganger_close(g);
}

static void test_map_interrupted_is_cancelled(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_map *map = NULL;
    uint64_t req;

    ganger_interrupt(g);
    assert_int_equal(ganger_map(g, "p", "f", items, 2, 1, NULL, &map), GANGER_EINTR);
    assert_null(map);
    assert_int_equal(ganger_flush(g, 1000), 0);
    req = fake_take_submit(fake).req;
    (void)fake_take_submit(fake);
    assert_true(fake_quiet(fake));
    /* Its id comes only now. */
    fake_accepted(fake, req, fake_id(1));
    items_turn(g);
    assert_int_equal(fake_take_request(fake, VERB_CANCEL).id, fake_id(1));
    assert_int_equal(fake_take_request(fake, VERB_UNWAIT).number, req);
    ganger_close(g);
}

static void test_map_broken_connection_fails_what_was_in_flight(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_map *map = NULL;
    struct ganger_bytes result;
    struct msg_submit m;

    assert_int_equal(ganger_set_reconnect_ms(g, 0), 0);
    assert_int_equal(ganger_map_async(g, "p", "f", items, 4, 2, NULL, NULL, NULL, NULL, &map), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    m = fake_take_submit(fake);
    fake_accepted(fake, m.req, fake_id(1));
    fake_drop(fake);
    assert_int_equal(ganger_map_wait(map, 1000), 0);
    assert_int_equal(ganger_map_result(map, 0, &result), GANGER_ECONN);
    assert_int_equal(ganger_map_result(map, 3, &result), GANGER_EUNKNOWN);
    ganger_close(g);
}

static void test_map_freed_in_flight_unwaits(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_map *map = NULL;
    uint64_t req[2];

    assert_int_equal(ganger_map_async(g, "p", "f", items, 4, 2, NULL, NULL, NULL, NULL, &map), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    req[0] = fake_take_submit(fake).req;
    req[1] = fake_take_submit(fake).req;
    fake_accepted(fake, req[0], fake_id(1));
    items_turn(g);
    ganger_map_free(map);
    fake_accepted(fake, req[1], fake_id(2));
    items_turn(g);
    assert_int_equal(fake_take_request(fake, VERB_UNWAIT).number, req[0]);
    assert_int_equal(fake_take_request(fake, VERB_UNWAIT).number, req[1]);
    fake_end(fake, req[1], fake_id(2), END_DONE, 0, "\x2a", 1);
    items_turn(g);
    ganger_close(g);
}

static void test_map_with_errors_of_a_mebibyte_comes_back(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    static uint8_t big[1024 * 1024] = { 0xc6, 0, 0xf, 0xff, 0xfb };
    struct msg_detail d = { .code = GANGER_EFAILED, .value = { big, sizeof big } };
    struct ganger_failure failure;
    struct ganger_map *map = NULL;
    struct out out = { 0 };
    uint64_t req[2];
    pid_t pid;

    assert_int_equal(ganger_map_async(g, "p", "f", items, 2, 1, NULL, NULL, NULL, NULL, &map), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    req[0] = fake_take_submit(fake).req;
    req[1] = fake_take_submit(fake).req;
    msg_write_detail(&out, &d);
    pid = fork();
    if (pid == 0) {
        fake_end(fake, req[1], fake_id(2), END_FAILED, GANGER_EFAILED, out.data, out.len);
        fake_end(fake, req[0], fake_id(1), END_FAILED, GANGER_EFAILED, out.data, out.len);
        _exit(0);
    }
    assert_int_equal(ganger_map_wait(map, 5000), 0);
    (void)waitpid(pid, NULL, 0);
    assert_int_equal(ganger_map_error(map, 0, &failure), 0);
    assert_int_equal(failure.value.len, sizeof big);
    assert_memory_equal(failure.value.data, big, sizeof big);
    out_done(&out);
    ganger_close(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_map(test_map_default_chunk_is_cpythons),
        cmocka_unit_test_map(test_map_results_are_in_the_order_of_the_input),
        cmocka_unit_test_map(test_map_of_nothing_is_ready_at_once),
        cmocka_unit_test_map(test_map_chunk_below_one_is_refused),
        cmocka_unit_test_map(test_map_chunk_is_one_task_and_one_item_a_plain_one),
        cmocka_unit_test_map(test_map_first_error_to_arrive_is_reported_and_all_are_kept),
        cmocka_unit_test_map(test_map_callback_runs_once_and_its_failure_is_the_maps),
        cmocka_unit_test_map(test_map_unknown_pool_fails_all_items),
        cmocka_unit_test_map(test_map_bad_item_ends_the_input_before_its_chunk),
        cmocka_unit_test_map(test_map_outcome_of_another_shape_is_an_error_of_its_items),
        cmocka_unit_test_map(test_map_window_bounds_what_is_in_flight),
        cmocka_unit_test_map(test_map_full_pool_waits_for_room),
        cmocka_unit_test_map(test_map_cancel_ends_all),
        cmocka_unit_test_map(test_map_interrupted_is_cancelled),
        cmocka_unit_test_map(test_map_broken_connection_fails_what_was_in_flight),
        cmocka_unit_test_map(test_map_freed_in_flight_unwaits),
        cmocka_unit_test_map(test_map_with_errors_of_a_mebibyte_comes_back),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
