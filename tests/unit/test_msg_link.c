/* The golden vectors of the child link and the agent link. Their bytes were not made by this
 * encoder. */
#include "tests/support/golden_run.h"

#define ID ((UINT64_C(3) << 40) + 0x2a)

static void write_detail_died(struct out *o)
{
    struct msg_detail d = { .code = GANGER_EDIED,
        .text = S("worker died"),
        .has_worker_end = true,
        .worker_end = { 4711, 0, 11, true, 1500, 250, 2048, S("oops\n") },
        .cause_count = 2,
        .causes = { { GANGER_EDIED, 11, 0 }, { GANGER_EDIED, 0, 7 } } };

    msg_write_detail(o, &d);
}

static void write_detail_error(struct out *o)
{
    struct msg_detail d = { .code = GANGER_EFAILED,
        .text = S("no such key"),
        .backtrace = S("f (m.c:7)"),
        .value = BYTES("\x81\xa1k\x01") };

    msg_write_detail(o, &d);
}

static void write_ready(struct out *o)
{
    msg_write_ready(o, 0, NULL);
}

static void write_ready_failed(struct out *o)
{
    msg_write_ready(o, GANGER_EFAILED, "cannot open /data");
}

static void read_ready_failed(struct msg *m)
{
    struct msg_ready r;

    assert_int_equal(msg_read_ready(m, &r), 0);
    assert_int_equal(r.code, GANGER_EFAILED);
    assert_slice(r.text, S("cannot open /data"));
}

static void write_hand(struct out *o)
{
    struct batch b;
    struct msg_hand h = { .seq = 0,
        .id = ID,
        .fence = ID,
        .attempt = 1,
        .limit_ms = 30000,
        .function = S("echo"),
        .payload = BYTES("\x92\x01\xa1"
                         "a") };

    batch_begin(&b, o, MSG_HAND);
    msg_add_hand(&b, o, &h);
    batch_end(&b, o);
}

static void read_hand(struct msg *m)
{
    struct msg_hand h;

    assert_int_equal(msg_read_hand(m, &h), 0);
    assert_int_equal(h.seq, 0);
    assert_true(h.id == ID && h.fence == ID);
    assert_int_equal(h.attempt, 1);
    assert_int_equal(h.flags, 0);
    assert_int_equal(h.limit_ms, 30000);
    assert_slice(h.function, S("echo"));
    assert_int_equal(h.payload.len, 4);
    assert_int_equal(h.call.len, 0);
}

static void write_result_two(struct out *o)
{
    struct out detail = { 0 };
    struct batch b;
    struct msg_result r = { 0, 0, BYTES("\x2a") };

    batch_begin(&b, o, MSG_RESULT);
    msg_add_result(&b, o, &r);
    write_detail_error(&detail);
    r = (struct msg_result){ 1, GANGER_EFAILED, { detail.data, detail.len } };
    msg_add_result(&b, o, &r);
    batch_end(&b, o);
    out_done(&detail);
}

static void read_result_two(struct msg *m)
{
    struct msg_result r;
    struct msg_detail d;

    assert_int_equal(msg_read_result(m, &r), 0);
    assert_int_equal(r.seq, 0);
    assert_int_equal(r.code, 0);
    assert_slice(r.outcome, BYTES("\x2a"));
    assert_int_equal(msg_read_result(m, &r), 0);
    assert_int_equal(r.seq, 1);
    assert_int_equal(r.code, GANGER_EFAILED);
    assert_int_equal(msg_read_detail(r.outcome.data, r.outcome.len, &d), 0);
    assert_slice(d.text, S("no such key"));
    assert_slice(d.backtrace, S("f (m.c:7)"));
    assert_slice(d.value, BYTES("\x81\xa1k\x01"));
    assert_false(d.has_worker_end);
    assert_int_equal(d.cause_count, 0);
}

static void write_returned(struct out *o)
{
    msg_write_returned(o, 3);
}

static void read_returned(struct msg *m)
{
    uint32_t count = 0;

    assert_int_equal(msg_read_returned(m, &count), 0);
    assert_int_equal(count, 3);
}

static void write_spawn(struct out *o)
{
    msg_write_child(o, MSG_SPAWN, 5, 2);
}

static void write_empty(struct out *o)
{
    msg_write_child(o, MSG_EMPTY, 5, 2);
}

static void read_child(struct msg *m)
{
    struct msg_child c;

    assert_int_equal(msg_read_child(m, &c), 0);
    assert_int_equal(c.child, 5);
    assert_int_equal(c.gen, 2);
}

static void write_signal(struct out *o)
{
    struct msg_signal s = { 5, 2, 9 };

    msg_write_signal(o, &s);
}

static void read_signal(struct msg *m)
{
    struct msg_signal s;

    assert_int_equal(msg_read_signal(m, &s), 0);
    assert_int_equal(s.child, 5);
    assert_int_equal(s.gen, 2);
    assert_int_equal(s.signal, 9);
}

static void write_started(struct out *o)
{
    struct msg_started s = { 5, 2, 4711 };

    msg_write_started(o, &s);
}

static void read_started(struct msg *m)
{
    struct msg_started s;

    assert_int_equal(msg_read_started(m, &s), 0);
    assert_int_equal(s.child, 5);
    assert_int_equal(s.gen, 2);
    assert_int_equal(s.pid, 4711);
}

static void write_exited(struct out *o)
{
    struct msg_exited e = { 5, 2, false, { 4711, 0, 11, true, 1500, 250, 2048, S("oops\n") },
        S("") };

    msg_write_exited(o, &e);
}

static void write_exited_early(struct out *o)
{
    struct msg_exited e = { 5, 2, true, { 4711, 7, 0, false, 0, 0, 0, S("") },
        S("initializer: out of memory") };

    msg_write_exited(o, &e);
}

static void read_exited_early(struct msg *m)
{
    struct msg_exited e;

    assert_int_equal(msg_read_exited(m, &e), 0);
    assert_int_equal(e.child, 5);
    assert_int_equal(e.gen, 2);
    assert_true(e.group_empty);
    assert_int_equal(e.end.pid, 4711);
    assert_int_equal(e.end.exit_code, 7);
    assert_int_equal(e.end.signal, 0);
    assert_slice(e.text, S("initializer: out of memory"));
}

static void write_agent_ready(struct out *o)
{
    msg_write_agent(o, 0, "");
}

static void write_agent_failed(struct out *o)
{
    msg_write_agent(o, GANGER_EMODULE, "libm.so: no such file");
}

static void read_agent_failed(struct msg *m)
{
    struct msg_agent a;

    assert_int_equal(msg_read_agent(m, &a), 0);
    assert_int_equal(a.code, GANGER_EMODULE);
    assert_slice(a.text, S("libm.so: no such file"));
}

static const struct golden_case cases[] = {
    { "ready", write_ready, NULL },
    { "ready_failed", write_ready_failed, read_ready_failed },
    { "hand", write_hand, read_hand },
    { "result_two", write_result_two, read_result_two },
    { "returned", write_returned, read_returned },
    { "spawn", write_spawn, read_child },
    { "signal", write_signal, read_signal },
    { "started", write_started, read_started },
    { "exited", write_exited, NULL },
    { "exited_early", write_exited_early, read_exited_early },
    { "empty", write_empty, read_child },
    { "agent_ready", write_agent_ready, NULL },
    { "agent_failed", write_agent_failed, read_agent_failed },
    { "detail_died", write_detail_died, NULL },
    { "detail_error", write_detail_error, NULL },
};
#define CASE_COUNT (sizeof cases / sizeof cases[0])

static void test_msg_link_golden_encodes_to_exact_bytes(void **state)
{
    (void)state;
    golden_cases_encode(cases, CASE_COUNT);
}

static void test_msg_link_golden_decodes_to_its_fields(void **state)
{
    (void)state;
    golden_cases_decode(cases, CASE_COUNT);
}

static void test_msg_link_golden_is_the_rest(void **state)
{
    static struct golden v[GOLDEN_MAX];
    size_t first, total;

    (void)state;
    total = golden_cases_load(v, cases, CASE_COUNT, &first);
    assert_int_equal(total, first + CASE_COUNT);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msg_link_golden_encodes_to_exact_bytes),
        cmocka_unit_test(test_msg_link_golden_decodes_to_its_fields),
        cmocka_unit_test(test_msg_link_golden_is_the_rest),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
