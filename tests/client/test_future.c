/* What can be done with a future: cancel, free, attach, wait for several, callbacks. */
#include "fake.h"

#include <string.h>

/* Submit, let the daemon take it, return the daemon's view. */
static struct msg_submit take(struct fake *fake, struct ganger *g)
{
    assert_int_equal(ganger_flush(g, 1000), 0);
    return fake_take_submit(fake);
}

/* What a callback has seen. */
struct seen {
    struct fake *fake;
    struct ganger *g;
    int results, errors, code, returns;
    bool ready_inside, blocked_inside;
    struct ganger_future *inner;
};

static void test_cancel_of_an_accepted_task_names_its_id(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct msg_submit m = take(fake, g);
    struct msg_request r;
    uint64_t id = 0;

    fake_accepted(fake, m.req, fake_id(1));
    assert_int_equal(ganger_future_wait_id(f, 1000, &id), 0);
    assert_int_equal(ganger_future_cancel(f), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    r = fake_take_request(fake, VERB_CANCEL);
    assert_int_equal(r.id, fake_id(1));
    fake_reply(fake, r.req, 0, NULL, 0);
    fake_end(fake, m.req, fake_id(1), END_CANCELLED, GANGER_ECANCELLED, NULL, 0);
    assert_int_equal(ganger_future_wait(f, 1000), 0);
    assert_int_equal(ganger_future_successful(f), 0);
    assert_int_equal(ganger_future_cancel(f), 0);
    ganger_close(g);
}

static void test_cancel_before_acceptance_follows_it(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct msg_submit m = take(fake, g);
    uint64_t id = 0;

    assert_int_equal(ganger_future_cancel(f), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_true(fake_quiet(fake));
    fake_accepted(fake, m.req, fake_id(2));
    assert_int_equal(ganger_future_wait_id(f, 1000, &id), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_int_equal(fake_take_request(fake, VERB_CANCEL).id, fake_id(2));
    ganger_close(g);
}

static void test_free_before_the_end_unwaits(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct ganger_future *other;
    struct msg_submit m = take(fake, g);
    struct msg_request r;
    uint64_t id = 0;

    fake_accepted(fake, m.req, fake_id(1));
    assert_int_equal(ganger_future_wait_id(f, 1000, &id), 0);
    ganger_future_free(f);
    assert_int_equal(ganger_flush(g, 1000), 0);
    r = fake_take_request(fake, VERB_UNWAIT);
    assert_int_equal(r.id, fake_id(1));
    assert_int_equal(r.number, m.req);
    /* The end crosses the request; the number is not used again before the answer. */
    fake_done(fake, m.req, fake_id(1), "unwanted");
    other = fake_submit(g, "y", NULL);
    assert_int_equal(ganger_future_wait(other, 10), GANGER_ETIMEDOUT);
    assert_int_not_equal(fake_take_submit(fake).req, m.req);
    (void)fake_submit(g, "z", NULL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_int_not_equal(fake_take_submit(fake).req, m.req);
    fake_reply(fake, r.req, 0, NULL, 0);
    assert_int_equal(ganger_ping(g, 10), GANGER_ETIMEDOUT);
    ganger_close(g);
}

static void test_free_before_acceptance_unwaits_after_it(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct msg_submit m = take(fake, g);

    ganger_future_free(f);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_true(fake_quiet(fake));
    fake_accepted(fake, m.req, fake_id(1));
    assert_int_equal(ganger_ping(g, 10), GANGER_ETIMEDOUT);
    (void)fake_take_request(fake, VERB_PING);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_int_equal(fake_take_request(fake, VERB_UNWAIT).number, m.req);
    ganger_close(g);
}

static void test_progress_is_kept(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct msg_submit m = take(fake, g);
    struct ganger_progress p;

    ganger_future_progress(f, &p);
    assert_int_equal(p.count, 0);
    assert_string_equal(p.text, "");
    fake_progress(fake, m.req, fake_id(1), 10, "a");
    fake_progress(fake, m.req, fake_id(1), 20, "b");
    assert_int_equal(ganger_future_wait(f, 10), GANGER_ETIMEDOUT);
    ganger_future_progress(f, &p);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.done, 20);
    assert_int_equal(p.total, 100);
    assert_string_equal(p.text, "b");
    assert_int_equal(ganger_future_id(f), fake_id(1));
    ganger_close(g);
}

static void test_attach_waits_by_id(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = NULL, *unknown = NULL;
    struct ganger_bytes result;
    uint64_t req;

    assert_int_equal(ganger_attach(g, 0, &f), GANGER_EINVAL);
    assert_int_equal(ganger_attach(g, fake_id(9), &f), 0);
    assert_int_equal(ganger_attach(g, fake_id(10), &unknown), 0);
    assert_int_equal(ganger_future_id(f), fake_id(9));
    assert_int_equal(ganger_flush(g, 1000), 0);
    req = fake_take_request(fake, VERB_WAIT).req;
    fake_done(fake, req, fake_id(9), "out");
    fake_reply(fake, fake_take_request(fake, VERB_WAIT).req, GANGER_ENOTASK, NULL, 0);
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    assert_true(fake_is_str(result, "out"));
    assert_int_equal(ganger_future_result(unknown, 1000, &result), GANGER_ENOTASK);
    ganger_close(g);
}

static void test_wait_any_gives_the_one_that_ended(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f[3];
    size_t index = 99;
    uint64_t req[3];

    for (int i = 0; i < 3; i++)
        f[i] = fake_submit(g, "x", NULL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    for (int i = 0; i < 3; i++)
        req[i] = fake_take_submit(fake).req;
    assert_int_equal(ganger_wait_any(f, 0, 0, &index), GANGER_EINVAL);
    assert_int_equal(ganger_wait_any(f, 3, 5, &index), GANGER_ETIMEDOUT);
    fake_done(fake, req[1], fake_id(1), "out");
    assert_int_equal(ganger_wait_any(f, 3, 1000, &index), 0);
    assert_int_equal(index, 1);
    ganger_close(g);
}

static void test_wait_next_gives_each_once_in_order_of_ending(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f[3], *next = NULL;
    uint64_t req[3];
    int order[3] = { 2, 0, 1 };

    assert_int_equal(ganger_wait_next(g, 1000, &next), GANGER_ENOTASK);
    for (int i = 0; i < 3; i++)
        f[i] = fake_submit(g, "x", NULL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    for (int i = 0; i < 3; i++)
        req[i] = fake_take_submit(fake).req;
    assert_int_equal(ganger_wait_next(g, 5, &next), GANGER_ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        fake_done(fake, req[order[i]], fake_id(1), "out");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ganger_wait_next(g, 1000, &next), 0);
        assert_ptr_equal(next, f[order[i]]);
        if (i == 0)
            ganger_future_free(next);
    }
    assert_int_equal(ganger_wait_next(g, 1000, &next), GANGER_ENOTASK);
    ganger_close(g);
}

static int on_result(void *user, struct ganger_future *f, const struct ganger_bytes *result)
{
    struct seen *seen = user;

    seen->results++;
    seen->ready_inside = ganger_future_ready(f) != 0;
    seen->blocked_inside = ganger_ping(seen->g, 0) != GANGER_ESTATE;
    assert_true(fake_is_str(*result, "out"));
    return seen->returns;
}

static int on_error(void *user, struct ganger_future *f, const struct ganger_failure *failure)
{
    struct seen *seen = user;

    seen->errors++;
    seen->code = failure->code;
    seen->ready_inside = ganger_future_ready(f) != 0;
    if (seen->inner == NULL)
        seen->inner = fake_submit(seen->g, "from inside", NULL);
    return seen->returns;
}

static struct ganger_future *apply_async(struct seen *seen, bool keep)
{
    struct ganger_call call = { "p", "f", NULL, 0 };
    struct ganger_future *f = NULL;

    assert_int_equal(
        ganger_apply_async(seen->g, &call, NULL, on_result, on_error, seen, keep ? &f : NULL), 0);
    return f;
}

static void test_apply_async_runs_the_result_callback_before_ready(void **state)
{
    struct fake *fake = *state;
    struct seen seen = { .fake = fake, .g = fake_client(fake) };
    struct ganger_future *f = apply_async(&seen, true);
    struct ganger_future *next = NULL;

    fake_done(fake, take(fake, seen.g).req, fake_id(1), "out");
    assert_int_equal(ganger_future_wait(f, 1000), 0);
    assert_int_equal(seen.results, 1);
    assert_int_equal(seen.errors, 0);
    assert_false(seen.ready_inside);
    assert_false(seen.blocked_inside);
    assert_int_equal(ganger_future_successful(f), 1);
    assert_int_equal(ganger_wait_next(seen.g, 0, &next), GANGER_ENOTASK);
    ganger_close(seen.g);
}

static void test_apply_async_runs_the_error_callback_which_may_submit(void **state)
{
    struct fake *fake = *state;
    struct seen seen = { .fake = fake, .g = fake_client(fake) };
    struct ganger_future *f = apply_async(&seen, true);

    fake_refused(fake, take(fake, seen.g).req, GANGER_ENOFUNC, "no f");
    assert_int_equal(ganger_future_wait(f, 1000), 0);
    assert_int_equal(seen.results, 0);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(seen.code, GANGER_ENOFUNC);
    fake_done(fake, take(fake, seen.g).req, fake_id(2), "out");
    assert_int_equal(ganger_future_wait(seen.inner, 1000), 0);
    ganger_close(seen.g);
}

static void test_apply_async_failing_callback_is_the_tasks_error(void **state)
{
    struct fake *fake = *state;
    struct seen seen = { .fake = fake, .g = fake_client(fake), .returns = GANGER_ERANGE };
    struct ganger_future *f = apply_async(&seen, true);
    struct ganger_failure failure;
    struct ganger_bytes result;

    fake_done(fake, take(fake, seen.g).req, fake_id(1), "out");
    assert_int_equal(ganger_future_result(f, 1000, &result), GANGER_ERANGE);
    assert_int_equal(ganger_future_successful(f), 0);
    assert_int_equal(ganger_future_error(f, &failure), 0);
    assert_non_null(strstr(failure.text, "callback"));
    seen.returns = 5;
    f = apply_async(&seen, true);
    fake_done(fake, take(fake, seen.g).req, fake_id(2), "out");
    assert_int_equal(ganger_future_result(f, 1000, &result), GANGER_EFAILED);
    assert_int_equal(seen.results, 2);
    ganger_close(seen.g);
}

static void test_apply_async_without_a_future_frees_itself(void **state)
{
    struct fake *fake = *state;
    struct seen seen = { .fake = fake, .g = fake_client(fake) };
    uint64_t req;

    (void)apply_async(&seen, false);
    req = take(fake, seen.g).req;
    fake_done(fake, req, fake_id(1), "out");
    assert_int_equal(ganger_ping(seen.g, 10), GANGER_ETIMEDOUT);
    assert_int_equal(seen.results, 1);
    (void)fake_take_request(fake, VERB_PING);
    /* Its number is free again. */
    (void)fake_submit(seen.g, "next", NULL);
    assert_int_equal(take(fake, seen.g).req, req);
    ganger_close(seen.g);
}

static int free_itself(void *user, struct ganger_future *f, const struct ganger_bytes *result)
{
    int *calls = user;

    (void)result;
    ++*calls;
    ganger_future_free(f);
    return 0;
}

static void test_apply_async_callback_may_free_its_future(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_call call = { "p", "f", NULL, 0 };
    struct ganger_future *f = NULL;
    uint64_t req;
    int calls = 0;

    assert_int_equal(ganger_apply_async(g, &call, NULL, free_itself, NULL, &calls, &f), 0);
    req = take(fake, g).req;
    fake_done(fake, req, fake_id(1), "out");
    assert_int_equal(ganger_ping(g, 10), GANGER_ETIMEDOUT);
    assert_int_equal(calls, 1);
    (void)fake_take_request(fake, VERB_PING);
    (void)fake_submit(g, "next", NULL);
    assert_int_equal(take(fake, g).req, req);
    ganger_close(g);
}

static void test_user_pointer_is_the_callers(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    int mine = 0;

    assert_null(ganger_future_user(f));
    ganger_future_set_user(f, &mine);
    assert_ptr_equal(ganger_future_user(f), &mine);
    assert_ptr_equal(ganger_future_handle(f), g);
    ganger_future_free(NULL);
    ganger_close(g);
    ganger_close(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_fake(test_cancel_of_an_accepted_task_names_its_id),
        cmocka_unit_test_fake(test_cancel_before_acceptance_follows_it),
        cmocka_unit_test_fake(test_free_before_the_end_unwaits),
        cmocka_unit_test_fake(test_free_before_acceptance_unwaits_after_it),
        cmocka_unit_test_fake(test_progress_is_kept),
        cmocka_unit_test_fake(test_attach_waits_by_id),
        cmocka_unit_test_fake(test_wait_any_gives_the_one_that_ended),
        cmocka_unit_test_fake(test_wait_next_gives_each_once_in_order_of_ending),
        cmocka_unit_test_fake(test_apply_async_runs_the_result_callback_before_ready),
        cmocka_unit_test_fake(test_apply_async_runs_the_error_callback_which_may_submit),
        cmocka_unit_test_fake(test_apply_async_failing_callback_is_the_tasks_error),
        cmocka_unit_test_fake(test_apply_async_without_a_future_frees_itself),
        cmocka_unit_test_fake(test_apply_async_callback_may_free_its_future),
        cmocka_unit_test_fake(test_user_pointer_is_the_callers),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
