/* Tasks and futures over a connection that holds. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

/* Submit, let the daemon take it, return the daemon's view. */
static struct msg_submit take(struct fake *fake, struct ganger *g)
{
    assert_int_equal(ganger_flush(g, 1000), 0);
    return fake_take_submit(fake);
}

static void test_submit_result_comes_back(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "in", NULL);
    struct msg_submit m = take(fake, g);
    struct ganger_bytes result;

    assert_int_equal(m.flags, TASK_WAIT);
    assert_int_equal(m.options.given, 0);
    assert_memory_equal(m.pool.data, "p", 1);
    assert_memory_equal(m.function.data, "f", 1);
    assert_true(fake_is_str((struct ganger_bytes){ m.payload.data, m.payload.len }, "in"));
    assert_int_equal(ganger_future_ready(f), 0);
    assert_int_equal(ganger_future_successful(f), GANGER_ESTATE);
    assert_int_equal(ganger_future_id(f), 0);
    fake_accepted(fake, m.req, fake_id(1));
    fake_done(fake, m.req, fake_id(1), "out");
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    assert_true(fake_is_str(result, "out"));
    assert_int_equal(ganger_future_ready(f), 1);
    assert_int_equal(ganger_future_successful(f), 1);
    assert_int_equal(ganger_future_id(f), fake_id(1));
    ganger_future_free(f);
    ganger_close(g);
}

static void test_submit_large_result_comes_back_whole(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "in", NULL);
    struct msg_submit m = take(fake, g);
    struct ganger_bytes result;
    char *text = malloc(100001);

    (void)memset(text, 'z', 100000);
    text[100000] = '\0';
    fake_done(fake, m.req, fake_id(1), text);
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    assert_true(fake_is_str(result, text));
    free(text);
    ganger_close(g);
}

static void test_result_not_in_time_can_be_had_later(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "in", NULL);
    struct msg_submit m = take(fake, g);
    struct ganger_bytes result;

    assert_int_equal(ganger_future_result(f, 10, &result), GANGER_ETIMEDOUT);
    assert_int_equal(ganger_future_result(f, -5, &result), GANGER_ETIMEDOUT);
    assert_int_equal(ganger_future_wait(f, 0), GANGER_ETIMEDOUT);
    fake_done(fake, m.req, fake_id(1), "out");
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    assert_int_equal(ganger_future_result(f, 0, &result), 0);
    ganger_close(g);
}

static void test_submit_all_options_are_on_the_wire(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_need needs[] = { { "gpu", 2 }, { "disk", 1 } };
    struct ganger_options o;
    struct msg_submit m;

    ganger_options_init(&o);
    o.given = 0x1ffe & ~(uint32_t)GANGER_OPT_RUN_AT_MS;
    o.durable = GANGER_DURABLE_YES;
    o.priority = 3;
    o.delay_ms = 4;
    o.limit_ms = 5;
    o.kill_grace_ms = 6;
    o.expiry_ms = 7;
    o.max_attempts = 8;
    o.backoff_ms = 9;
    o.backoff_max_ms = 10;
    o.jitter_percent = 11;
    o.crash_budget = 12;
    o.retention_ms = 13;
    o.needs = needs;
    o.need_count = 2;
    (void)fake_submit(g, "x", &o);
    m = take(fake, g);
    assert_int_equal(m.flags, TASK_WAIT | TASK_DURABLE);
    assert_int_equal(m.options.given, o.given | 1u << OPT_NEEDS);
    assert_int_equal(m.options.priority, 3);
    assert_int_equal(m.options.delay_ms, 4);
    assert_int_equal(m.options.limit_ms, 5);
    assert_int_equal(m.options.kill_grace_ms, 6);
    assert_int_equal(m.options.expiry_ms, 7);
    assert_int_equal(m.options.attempts, 8);
    assert_int_equal(m.options.backoff_ms, 9);
    assert_int_equal(m.options.backoff_max_ms, 10);
    assert_int_equal(m.options.jitter_percent, 11);
    assert_int_equal(m.options.crash_budget, 12);
    assert_int_equal(m.options.retention_ms, 13);
    assert_int_equal(m.options.need_count, 2);
    assert_memory_equal(m.options.needs[0].name.data, "gpu", 3);
    assert_int_equal(m.options.needs[0].permits, 2);
    ganger_close(g);
}

static void options_refused(struct ganger *g, const struct ganger_options *o, int code)
{
    struct ganger_call call = { "p", "f", NULL, 0 };
    struct ganger_future *f = NULL;

    assert_int_equal(ganger_submit(g, &call, o, &f), code);
    assert_null(f);
}

static void test_submit_bad_options_are_refused_here(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_need same[17] = { { "a", 1 }, { "a", 1 } };
    struct ganger_options o;

    ganger_options_init(&o);
    o.given = 1u << 20;
    options_refused(g, &o, GANGER_EINVAL);
    o.given = GANGER_OPT_DELAY_MS | GANGER_OPT_RUN_AT_MS;
    options_refused(g, &o, GANGER_EINVAL);
    o.given = GANGER_OPT_PRIORITY;
    o.priority = 256;
    options_refused(g, &o, GANGER_EINVAL);
    o.given = GANGER_OPT_MAX_ATTEMPTS;
    options_refused(g, &o, GANGER_EINVAL);
    o.given = GANGER_OPT_LIMIT_MS;
    o.limit_ms = UINT64_MAX;
    options_refused(g, &o, GANGER_EINVAL);
    o.given = 0;
    o.durable = 3;
    options_refused(g, &o, GANGER_EINVAL);
    o.durable = 0;
    o.needs = same;
    o.need_count = 2;
    options_refused(g, &o, GANGER_EINVAL);
    o.need_count = 17;
    options_refused(g, &o, GANGER_ETOOBIG);
    same[0].permits = 0;
    o.need_count = 1;
    options_refused(g, &o, GANGER_EINVAL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_submit_bad_call_is_refused_here(void **state)
{
    static uint8_t big[1024 * 1024 + 6] = { 0xc6, 0, 0x10, 0, 1 };
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    char name[200];
    struct ganger_call calls[] = {
        { NULL, "f", NULL, 0 },
        { "", "f", NULL, 0 },
        { name, "f", NULL, 0 },
        { "p", name, NULL, 0 },
        { "p", "f", "\xc1", 1 },
        { "p", "f", "\x01\x02", 2 },
        { "p", "f", "\x92\x01", 2 },
        { "p", "f", big, sizeof big },
    };
    int codes[] = { GANGER_EINVAL, GANGER_EINVAL, GANGER_ETOOBIG, GANGER_ETOOBIG, GANGER_EDECODE,
        GANGER_EDECODE, GANGER_EDECODE, GANGER_ETOOBIG };
    struct ganger_future *f = NULL;

    (void)memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        assert_int_equal(ganger_submit(g, &calls[i], NULL, &f), codes[i]);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_submit_without_payload_sends_nil(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_call call = { "p", NULL, NULL, 0 };
    struct ganger_future *f = NULL;
    struct msg_submit m;

    assert_int_equal(ganger_submit(g, &call, NULL, &f), 0);
    m = take(fake, g);
    assert_int_equal(m.function.len, 0);
    assert_int_equal(m.payload.len, 1);
    assert_int_equal(m.payload.data[0], 0xc0);
    ganger_close(g);
}

static void test_submit_refused_is_the_futures_error(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct ganger_failure failure;
    struct ganger_bytes result;

    fake_refused(fake, take(fake, g).req, GANGER_ENOPOOL, "no pool p; there is q");
    assert_int_equal(ganger_future_result(f, 1000, &result), GANGER_ENOPOOL);
    assert_string_equal(ganger_last_error(g), "no pool p; there is q");
    assert_int_equal(ganger_future_successful(f), 0);
    assert_int_equal(ganger_future_error(f, &failure), 0);
    assert_int_equal(failure.end, GANGER_END_NONE);
    assert_string_equal(failure.text, "no pool p; there is q");
    assert_string_equal(failure.backtrace, "");
    ganger_close(g);
}

static void test_submit_full_is_the_futures_error(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct ganger_bytes result;

    fake_refused(fake, take(fake, g).req, GANGER_EFULL, "");
    assert_int_equal(ganger_future_result(f, 1000, &result), GANGER_EFULL);
    assert_non_null(strstr(ganger_last_error(g), "full"));
    ganger_close(g);
}

static void test_failure_has_all_of_the_detail(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct msg_detail d = { .code = GANGER_EDIED,
        .text = { (const uint8_t *)"it died", 7 },
        .backtrace = { (const uint8_t *)"at f", 4 },
        .value = { (const uint8_t *)"\x2a", 1 },
        .has_worker_end = true,
        .cause_count = 2 };
    struct ganger_failure failure;
    struct out out = { 0 };

    d.worker_end = (struct msg_worker_end){ 99, 0, 11, true, 1, 2, 3,
        { (const uint8_t *)"ouch\n", 5 } };
    d.causes[1] = (struct msg_cause){ GANGER_EDIED, 9, 0 };
    msg_write_detail(&out, &d);
    assert_int_equal(ganger_future_error(f, &failure), GANGER_ESTATE);
    fake_end(fake, take(fake, g).req, fake_id(3), END_DEAD, GANGER_EDIED, out.data, out.len);
    assert_int_equal(ganger_future_wait(f, 1000), 0);
    assert_int_equal(ganger_future_error(f, &failure), 0);
    assert_int_equal(failure.code, GANGER_EDIED);
    assert_int_equal(failure.end, GANGER_END_DEAD);
    assert_int_equal(failure.attempts, 1);
    assert_string_equal(failure.text, "it died");
    assert_string_equal(failure.backtrace, "at f");
    assert_int_equal(failure.value.len, 1);
    assert_true(failure.has_worker);
    assert_int_equal(failure.worker.pid, 99);
    assert_int_equal(failure.worker.signal, 11);
    assert_true(failure.worker.core);
    assert_memory_equal(failure.worker.stderr_tail.data, "ouch\n", 5);
    assert_int_equal(failure.cause_count, 2);
    assert_int_equal(failure.causes[1].signal, 9);
    out_done(&out);
    ganger_close(g);
}

static void test_failure_without_a_proper_detail_has_the_codes_text(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct ganger_failure failure;

    fake_end(fake, take(fake, g).req, fake_id(3), END_FAILED, GANGER_EFAILED, "\xc1junk", 5);
    assert_int_equal(ganger_future_wait(f, 1000), 0);
    assert_int_equal(ganger_future_error(f, &failure), 0);
    assert_string_equal(failure.text, ganger_strerror(GANGER_EFAILED));
    assert_false(failure.has_worker);
    ganger_close(g);
}

static void test_detached_is_ready_when_accepted(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_options o;
    struct ganger_bytes result;
    struct ganger_future *f;
    struct msg_submit m;

    ganger_options_init(&o);
    o.flags = GANGER_DETACHED | GANGER_QUIET;
    o.durable = GANGER_DURABLE_YES;
    f = fake_submit(g, "x", &o);
    m = take(fake, g);
    assert_int_equal(m.flags, TASK_DURABLE);
    fake_accepted(fake, m.req, fake_id(5));
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    assert_int_equal(result.len, 0);
    assert_int_equal(ganger_future_id(f), fake_id(5));
    ganger_future_free(f);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_submit_detached_returns_the_id(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = NULL;
    struct ganger_call call = { "p", "f", NULL, 0 };
    uint64_t id = 0;

    fake_serve(fake);
    assert_int_equal(ganger_open(fake->path, &g), 0);
    assert_int_equal(ganger_submit_detached(g, &call, NULL, 5000, &id), 0);
    assert_int_equal(id, fake_id(1));
    ganger_close(g);
}

static void test_submit_detached_refused_says_so(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_call call = { "p", "f", NULL, 0 };
    uint64_t id = 0;

    /* The answer is there before the question: the first task of a handle has the number 1. */
    fake_refused(fake, 1, GANGER_EDRAIN, "stopping");
    assert_int_equal(ganger_submit_detached(g, &call, NULL, 1000, &id), GANGER_EDRAIN);
    assert_int_equal(ganger_submit_detached(g, &call, NULL, 0, &id), GANGER_ETIMEDOUT);
    ganger_close(g);
}

static void test_quiet_has_no_id_and_no_cancel(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_options o;
    struct ganger_future *f;
    struct msg_submit m;
    uint64_t id = 0;

    ganger_options_init(&o);
    o.flags = GANGER_QUIET;
    f = fake_submit(g, "x", &o);
    m = take(fake, g);
    assert_int_equal(m.flags, TASK_WAIT | TASK_QUIET);
    assert_int_equal(ganger_future_cancel(f), GANGER_ESTATE);
    assert_int_equal(ganger_future_wait_id(f, 0, &id), GANGER_ESTATE);
    fake_done(fake, m.req, fake_id(6), "out");
    assert_int_equal(ganger_future_wait(f, 1000), 0);
    assert_int_equal(ganger_future_wait_id(f, 0, &id), 0);
    assert_int_equal(id, fake_id(6));
    ganger_close(g);
}

static void test_submit_many_goes_in_one_message(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_call calls[100];
    struct ganger_future *f[100];
    size_t count = 0;

    for (int i = 0; i < 100; i++)
        calls[i] = (struct ganger_call){ "p", "f", NULL, 0 };
    assert_int_equal(ganger_submit_many(g, calls, 100, NULL, f, &count), 0);
    assert_int_equal(count, 100);
    assert_int_equal(ganger_flush(g, 1000), 0);
    for (int i = 0; i < 100; i++)
        (void)fake_take_submit(fake);
    assert_int_equal(fake->frames, 1);
    calls[7].pool = "";
    assert_int_equal(ganger_submit_many(g, calls, 100, NULL, f, &count), GANGER_EINVAL);
    assert_int_equal(count, 7);
    ganger_close(g);
}

static void test_apply_returns_the_result(void **state)
{
    struct fake *fake = *state;
    struct ganger_call call = { "p", "f", "\xa5hello", 6 };
    struct ganger *g = NULL;
    void *result = NULL;
    size_t len = 0;

    fake_serve(fake);
    assert_int_equal(ganger_open(fake->path, &g), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ganger_apply(g, &call, NULL, &result, &len), 0);
        assert_int_equal(len, 6);
        assert_memory_equal(result, "\xa5hello", 6);
        ganger_free(result);
    }
    assert_int_equal(ganger_apply(g, &call, NULL, NULL, NULL), 0);
    ganger_close(g);
}

static void test_requests_carry_their_arguments(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = NULL;
    struct ganger_bytes value;
    struct msg_request r;

    assert_int_equal(ganger_request(g, GANGER_ROOM, 1, "p", 2, 3, &f), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    r = fake_take_request(fake, VERB_ROOM);
    assert_int_equal(r.id, 1);
    assert_memory_equal(r.name.data, "p", 1);
    assert_int_equal(r.number, 2);
    assert_int_equal(r.number2, 3);
    fake_reply(fake, r.req, 0, "\x93\x01\x02\x03", 4);
    assert_int_equal(ganger_future_result(f, 1000, &value), 0);
    assert_int_equal(value.len, 4);
    assert_int_equal(ganger_request(g, (enum ganger_verb)2, 1, NULL, 0, 0, &f), GANGER_EINVAL);
    assert_int_equal(ganger_request(g, (enum ganger_verb)99, 1, NULL, 0, 0, &f), GANGER_EINVAL);
    ganger_close(g);
}

static void test_requests_give_values_and_errors(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_sem_value sem;
    uint32_t processes = 0;
    void *value = NULL;
    size_t len = 0;

    /* Each answer is there before its question; a blocking request has the number 1 each time. */
    fake_reply(fake, 1, 0, "\x83\xa5limit\x03\xa4held\x02\xa7waiting\x01", 23);
    assert_int_equal(ganger_sem_value(g, "s", 1000, &sem), 0);
    assert_int_equal(sem.limit, 3);
    assert_int_equal(sem.held, 2);
    assert_int_equal(sem.waiting, 1);
    fake_reply(fake, 1, 0, "\x81\xa5limit\x03", 8);
    assert_int_equal(ganger_sem_value(g, "s", 1000, &sem), GANGER_EPROTO);
    fake_reply(fake, 1, 0, "\x91\x82\xa1z\x90\xa9processes\x05", 16);
    assert_int_equal(ganger_pool_processes(g, "p", 1000, &processes), 0);
    assert_int_equal(processes, 5);
    fake_reply(fake, 1, GANGER_ENOPOOL, NULL, 0);
    assert_int_equal(ganger_pool_processes(g, "p", 1000, &processes), GANGER_ENOPOOL);
    assert_string_equal(ganger_last_error(g), "refused");
    fake_reply(fake, 1, 0, NULL, 0);
    assert_int_equal(ganger_status(g, fake_id(1), 1000, &value, &len), 0);
    assert_int_equal(len, 1);
    assert_memory_equal(value, "\xc0", 1);
    ganger_free(value);
    fake_reply(fake, 1, GANGER_ENOTASK, NULL, 0);
    assert_int_equal(ganger_cancel(g, fake_id(1), 1000), GANGER_ENOTASK);
    fake_reply(fake, 1, 0, NULL, 0);
    assert_int_equal(ganger_wait_room(g, "p", 1, 10, 1000), 0);
    assert_int_equal(ganger_wait_room(g, "p", 1, 10, 5), GANGER_ETIMEDOUT);
    ganger_close(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_fake(test_submit_result_comes_back),
        cmocka_unit_test_fake(test_submit_large_result_comes_back_whole),
        cmocka_unit_test_fake(test_result_not_in_time_can_be_had_later),
        cmocka_unit_test_fake(test_submit_all_options_are_on_the_wire),
        cmocka_unit_test_fake(test_submit_bad_options_are_refused_here),
        cmocka_unit_test_fake(test_submit_bad_call_is_refused_here),
        cmocka_unit_test_fake(test_submit_without_payload_sends_nil),
        cmocka_unit_test_fake(test_submit_refused_is_the_futures_error),
        cmocka_unit_test_fake(test_submit_full_is_the_futures_error),
        cmocka_unit_test_fake(test_failure_has_all_of_the_detail),
        cmocka_unit_test_fake(test_failure_without_a_proper_detail_has_the_codes_text),
        cmocka_unit_test_fake(test_detached_is_ready_when_accepted),
        cmocka_unit_test_fake(test_submit_detached_returns_the_id),
        cmocka_unit_test_fake(test_submit_detached_refused_says_so),
        cmocka_unit_test_fake(test_quiet_has_no_id_and_no_cancel),
        cmocka_unit_test_fake(test_submit_many_goes_in_one_message),
        cmocka_unit_test_fake(test_apply_returns_the_result),
        cmocka_unit_test_fake(test_requests_carry_their_arguments),
        cmocka_unit_test_fake(test_requests_give_values_and_errors),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
