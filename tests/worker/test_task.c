/* What a task of a module gets and gives. */
#include "tests/worker/fake.h"

#include <time.h>

static void with_child(struct fake *f, struct fake_child *c)
{
    fake_start_module(f);
    fake_spawn(f, c, 0, 1);
}

static void finish(struct fake *f, struct fake_child *c)
{
    fake_retire(c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_task_result_comes_back(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out two = pay_ints(40, 2), nil = pay_nil();

    with_child(f, &c);
    fake_call(&c, "add", &two, &r);
    assert_outcome_int(&r, 42);
    fake_call(&c, "echo", &two, &r);
    assert_int_equal(r.m.outcome.len, two.len);
    assert_memory_equal(r.m.outcome.data, two.data, two.len);
    fake_call(&c, "nothing", &nil, &r);
    assert_int_equal(r.m.outcome.len, 1);
    assert_int_equal(r.m.outcome.data[0], 0xc0);
    out_done(&two);
    out_done(&nil);
    finish(f, &c);
}

static void test_task_knows_about_itself(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out nil = pay_nil();
    struct cursor at;
    struct slice name;

    with_child(f, &c);
    fake_call(&c, "about", &nil, &r);
    at = cursor_make(r.m.outcome.data, r.m.outcome.len);
    assert_int_equal(read_array(&at, 5), 5);
    assert_int_equal(read_uint(&at, UINT64_MAX), 0x10000000001u);
    assert_int_equal(read_uint(&at, UINT64_MAX), 2);
    assert_int_equal(read_uint(&at, UINT64_MAX), 77);
    assert_int_equal(read_uint(&at, UINT64_MAX), 5000);
    name = read_str(&at, 100);
    assert_int_equal(name.len, 5);
    assert_memory_equal(name.data, "about", 5);
    out_done(&nil);
    finish(f, &c);
}

static void test_task_unknown_function_named(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out nil = pay_nil();

    with_child(f, &c);
    fake_call(&c, "ehco", &nil, &r);
    assert_failed(&r, GANGER_ENOFUNC, "module testmod has no function \"ehco\"");
    assert_contains(r.text, "did you mean \"echo\"?");
    assert_contains(r.text, "it has abort, about, add, ");
    fake_call(&c, "", &nil, &r);
    assert_failed(&r, GANGER_ENOFUNC, "no function \"\"");
    out_done(&nil);
    finish(f, &c);
}

static void test_task_malformed_payload_refused(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out bad = { 0 }, empty = { 0 };

    with_child(f, &c);
    write_raw(&bad, "\x92\x01", 2);
    fake_call(&c, "echo", &bad, &r);
    assert_failed(&r, GANGER_EDECODE, "2 bytes is not one msgpack value");
    fake_call(&c, "echo", &empty, &r);
    assert_failed(&r, GANGER_EDECODE, "0 bytes");
    out_done(&bad);
    finish(f, &c);
}

static void test_task_malformed_result_refused(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out nil = pay_nil();

    with_child(f, &c);
    fake_call(&c, "bad", &nil, &r);
    assert_failed(&r, GANGER_EENCODE, "2 bytes is not exactly one msgpack value");
    assert_int_equal(r.d.value.len, 0);
    out_done(&nil);
    finish(f, &c);
}

static void test_task_failure_is_told(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out why = pay_text("no such letter"), five = pay_int(5), nil = pay_nil();

    with_child(f, &c);
    fake_call(&c, "fail", &why, &r);
    assert_failed(&r, GANGER_EFAILED, "no such letter");
    assert_int_equal(r.d.backtrace.len, 19);
    assert_memory_equal(r.d.backtrace.data, "at run_fail\nat main", 19);
    assert_false(r.d.has_worker_end);
    fake_call(&c, "number", &five, &r);
    assert_failed(&r, GANGER_EFAILED, "function number returned 5");
    assert_int_equal(r.d.backtrace.len, 0);
    fake_call(&c, "both", &nil, &r);
    assert_failed(&r, GANGER_ERANGE, "five is not enough");
    assert_int_equal(r.d.value.len, 1);
    assert_int_equal(r.d.value.data[0], 5);
    out_done(&why);
    out_done(&five);
    out_done(&nil);
    finish(f, &c);
}

static void test_task_big_result_up_to_the_bound(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out fits = pay_int((int64_t)GANGER_PAYLOAD_MAX - 5);
    struct out over = pay_int((int64_t)GANGER_PAYLOAD_MAX - 4), number = pay_int(1);

    with_child(f, &c);
    fake_call(&c, "big", &fits, &r);
    assert_int_equal(r.m.code, 0);
    assert_int_equal(r.m.outcome.len, GANGER_PAYLOAD_MAX);
    fake_call(&c, "big", &over, &r);
    assert_failed(&r, GANGER_ETOOBIG, "16777217 bytes");
    fake_call(&c, "echo", &number, &r);
    assert_outcome_int(&r, 1);
    out_done(&fits);
    out_done(&over);
    out_done(&number);
    finish(f, &c);
}

static void test_task_big_payload_arrives(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out big = { 0 };
    char *data = calloc(1, GANGER_PAYLOAD_MAX);

    assert_non_null(data);
    with_child(f, &c);
    for (int i = 0; i < 2; i++) {
        write_bin(&big, data, GANGER_PAYLOAD_MAX - 5);
        assert_int_equal(big.len, GANGER_PAYLOAD_MAX);
        fake_call(&c, "echo", &big, &r);
        assert_int_equal(r.m.code, 0);
        assert_int_equal(r.m.outcome.len, big.len);
        out_done(&big);
    }
    free(data);
    finish(f, &c);
}

/* ---- chunks ---- */

static uint32_t hand_chunk(struct fake_child *c, const char *function, const struct out *payload)
{
    struct out o = { 0 };
    struct batch b;
    uint32_t seq;

    batch_begin(&b, &o, MSG_HAND);
    seq = fake_hand_add(c, &b, &o, function, payload, TASK_CHUNK);
    batch_end(&b, &o);
    page_grant(c->page, c->next);
    fake_send(c->link.fd, &o);
    return seq;
}

static void test_task_chunk_runs_each_item(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out items = { 0 };
    struct cursor at;
    struct slice detail;
    struct msg_detail d;

    with_child(f, &c);
    write_array(&items, 3);
    for (int i = 0; i < 3; i++) {
        write_array(&items, 1);
        if (i == 1)
            write_str(&items, "x", 1);
        else
            write_int(&items, i);
    }
    (void)hand_chunk(&c, "add", &items);
    fake_result(&c, &r);
    assert_int_equal(r.m.code, 0);
    at = cursor_make(r.m.outcome.data, r.m.outcome.len);
    assert_int_equal(read_array(&at, 3), 3);
    assert_int_equal(read_array(&at, 2), 2);
    assert_int_equal(read_int(&at), 0);
    assert_int_equal(read_int(&at), 0);
    assert_int_equal(read_array(&at, 2), 2);
    assert_int_equal(read_int(&at), GANGER_EINVAL);
    detail = read_raw(&at);
    assert_int_equal(msg_read_detail(detail.data, detail.len, &d), 0);
    assert_int_equal(d.code, GANGER_EINVAL);
    assert_int_equal(read_array(&at, 2), 2);
    assert_int_equal(read_int(&at), 0);
    assert_int_equal(read_int(&at), 2);
    assert_int_equal(at.error, 0);
    assert_true(at.at == at.end);
    out_done(&items);
    finish(f, &c);
}

static void test_task_chunk_of_nothing_and_no_chunk(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out none = { 0 }, number = pay_int(3);

    with_child(f, &c);
    write_array(&none, 0);
    (void)hand_chunk(&c, "echo", &none);
    fake_result(&c, &r);
    assert_int_equal(r.m.code, 0);
    assert_int_equal(r.m.outcome.len, 1);
    assert_int_equal(r.m.outcome.data[0], 0x90);
    (void)hand_chunk(&c, "echo", &number);
    fake_result(&c, &r);
    assert_failed(&r, GANGER_EDECODE, "is not an array");
    out_done(&none);
    out_done(&number);
    finish(f, &c);
}

static void test_task_chunk_over_the_bound_fails(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out items = { 0 };

    with_child(f, &c);
    write_array(&items, 3);
    for (int i = 0; i < 3; i++)
        write_int(&items, GANGER_PAYLOAD_MAX / 2);
    (void)hand_chunk(&c, "big", &items);
    fake_result(&c, &r);
    assert_failed(&r, GANGER_ETOOBIG, "results of a chunk");
    out_done(&items);
    finish(f, &c);
}

/* ---- progress ---- */

static void test_task_progress_first_and_last_are_sent(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct msg_progress p;
    struct out steps = pay_int(100000);
    uint32_t seq;
    int reports = 0;

    with_child(f, &c);
    seq = fake_hand(&c, "progress", &steps);
    do {
        assert_int_equal(msg_read_progress(reader_expect(&c.link, MSG_PROGRESS), &p), 0);
        assert_int_equal(p.req, seq);
        assert_int_equal(p.total, 100000);
        assert_true(reports > 0 || p.done == 1);
        reports++;
    } while (p.done != 100000);
    assert_true(reports >= 2 && reports < 200);
    assert_int_equal(p.text.len, 4);
    fake_result(&c, &r);
    assert_int_equal(r.m.code, 0);
    out_done(&steps);
    finish(f, &c);
}

/* ---- what tasks leave ---- */

static void test_task_descendants_are_gone_when_its_result_comes(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out payload;
    char path[100];

    (void)snprintf(path, sizeof path, "%s/pid", f->dir);
    payload = pay_text(path);
    with_child(f, &c);
    fake_call(&c, "detach", &payload, &r);
    assert_int_equal(r.m.code, 0);
    assert_int_equal(kill((pid_t)file_number(path), 0), -1);
    out_done(&payload);
    finish(f, &c);
}

static uint64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Call "nap_ms"; how long the child says that took, which is in no case longer than it did. */
static uint64_t nap(struct fake_child *c, int ms)
{
    struct out value = pay_int(ms);
    uint64_t before = page_ran(c->page), begun = now_us(), ran;
    struct fake_result r;

    fake_call(c, "nap_ms", &value, &r);
    ran = page_ran(c->page) - before;
    assert_true(ran <= now_us() - begun + 1);
    out_done(&value);
    return ran;
}

/* How long it has run tasks, not how long it has waited for them. */
static void test_task_time_is_what_the_child_says_it_has_run(void **state)
{
    struct fake *f = *state;
    const struct timespec moment = { .tv_nsec = 30000000 };
    struct fake_child c;

    with_child(f, &c);
    assert_int_equal(page_ran(c.page), 0);
    assert_true(nap(&c, 20) >= 20000);
    (void)nanosleep(&moment, NULL); /* in which it has nothing to do */
    assert_true(nap(&c, 20) >= 20000);
    (void)nap(&c, 0);
    finish(f, &c);
}

int main(int argc, char **argv)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_task_time_is_what_the_child_says_it_has_run, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_result_comes_back, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_knows_about_itself, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_unknown_function_named, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_malformed_payload_refused, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_malformed_result_refused, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_failure_is_told, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_big_result_up_to_the_bound, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_big_payload_arrives, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_chunk_runs_each_item, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_chunk_of_nothing_and_no_chunk, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_chunk_over_the_bound_fails, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_progress_first_and_last_are_sent, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_task_descendants_are_gone_when_its_result_comes, fake_setup, fake_teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
