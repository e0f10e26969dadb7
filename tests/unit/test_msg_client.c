/* The golden vectors of the hello and of the client's messages. Their bytes were not made by this
 * encoder. */
#include "tests/support/golden_run.h"

#define ID    ((UINT64_C(3) << 40) + 0x2a)
#define FENCE ((UINT64_C(3) << 40) + 77)

static void hello(struct out *o, uint32_t role, const char *name, uint64_t epoch, uint64_t pid)
{
    struct msg_hello m = { GANGER_PROTOCOL_VERSION, role, 0, S(name), GANGER_FRAME_MAX,
        GANGER_PAYLOAD_MAX, GANGER_NAME_MAX, GANGER_BATCH_MAX, GANGER_NEEDS_MAX, epoch, pid };

    msg_write_hello(o, &m);
}

static void write_hello_client(struct out *o)
{
    hello(o, ROLE_CLIENT, "cli", 0, 4242);
}

static void write_hello_daemon(struct out *o)
{
    hello(o, ROLE_DAEMON, "gangerd 0.1.0", 3, 77);
}

static void read_hello_daemon(struct msg *m)
{
    struct msg_hello h;

    assert_int_equal(msg_read_hello(m, &h), 0);
    assert_int_equal(h.version, GANGER_PROTOCOL_VERSION);
    assert_int_equal(h.role, ROLE_DAEMON);
    assert_int_equal(h.features, 0);
    assert_slice(h.name, S("gangerd 0.1.0"));
    assert_int_equal(h.frame_max, GANGER_FRAME_MAX);
    assert_int_equal(h.payload_max, GANGER_PAYLOAD_MAX);
    assert_int_equal(h.name_max, GANGER_NAME_MAX);
    assert_int_equal(h.batch_max, GANGER_BATCH_MAX);
    assert_int_equal(h.needs_max, GANGER_NEEDS_MAX);
    assert_int_equal(h.epoch, 3);
    assert_int_equal(h.pid, 77);
}

static void write_error_version(struct out *o)
{
    msg_write_error(o, GANGER_EVERSION, error_text(GANGER_EVERSION));
}

static void read_error_version(struct msg *m)
{
    struct msg_error e;

    assert_int_equal(msg_read_error(m, &e), 0);
    assert_int_equal(e.code, GANGER_EVERSION);
    assert_slice(e.text, S("protocol version not supported"));
}

static void write_submit_plain(struct out *o)
{
    struct batch b;
    struct msg_submit s = { .req = 7,
        .flags = TASK_WAIT,
        .pool = S("default"),
        .function = S("echo"),
        .payload = BYTES("\x92\x01\xa1"
                         "a") };

    batch_begin(&b, o, MSG_SUBMIT);
    msg_add_submit(&b, o, &s);
    batch_end(&b, o);
}

static void read_submit_plain(struct msg *m)
{
    struct msg_submit s;

    assert_int_equal(msg_read_submit(m, &s), 0);
    assert_int_equal(s.req, 7);
    assert_int_equal(s.flags, TASK_WAIT);
    assert_slice(s.pool, S("default"));
    assert_int_equal(s.options.given, 0);
    assert_int_equal(s.options.need_count, 0);
    assert_slice(s.function, S("echo"));
    assert_slice(s.payload, BYTES("\x92\x01\xa1"
                                  "a"));
    assert_slice(s.call, BYTES("\xa4"
                               "echo\xc4\x04\x92\x01\xa1"
                               "a"));
}

static void write_submit_two(struct out *o)
{
    struct batch b;
    struct msg_submit one = { .req = 300,
        .flags = TASK_WAIT,
        .pool = S("default"),
        .function = S("echo"),
        .payload = BYTES("\xc0") };
    struct msg_submit two = { .req = 301,
        .flags = TASK_QUIET,
        .pool = S("wc"),
        .payload = BYTES("\x92\x91\xa2-w\xc4\x02hi") };

    batch_begin(&b, o, MSG_SUBMIT);
    msg_add_submit(&b, o, &one);
    msg_add_submit(&b, o, &two);
    assert_int_equal(b.count, 2);
    batch_end(&b, o);
}

static void read_submit_two(struct msg *m)
{
    struct msg_submit s;

    assert_int_equal(m->count, 2);
    assert_int_equal(msg_read_submit(m, &s), 0);
    assert_int_equal(s.req, 300);
    assert_int_equal(msg_read_submit(m, &s), 0);
    assert_int_equal(s.req, 301);
    assert_int_equal(s.flags, TASK_QUIET);
    assert_slice(s.function, S(""));
    assert_slice(s.payload, BYTES("\x92\x91\xa2-w\xc4\x02hi"));
}

static void write_submit_options(struct out *o)
{
    struct batch b;
    struct msg_submit s = { .req = 70000,
        .flags = TASK_DURABLE,
        .pool = S("default"),
        .function = S("f"),
        .payload = BYTES("\xc0") };
    struct task_options *t = &s.options;

    t->given = ((1u << OPT_COUNT) - 2) & ~(1u << OPT_RUN_AT_MS);
    t->priority = 5;
    t->delay_ms = 1500;
    t->limit_ms = 60000;
    t->kill_grace_ms = 2000;
    t->expiry_ms = 3600000;
    t->attempts = 4;
    t->backoff_ms = 100;
    t->backoff_max_ms = 30000;
    t->jitter_percent = 20;
    t->crash_budget = 3;
    t->retention_ms = 86400000;
    t->need_count = 2;
    t->needs[0] = (struct task_need){ S("db"), 1 };
    t->needs[1] = (struct task_need){ S("licence"), 200 };
    batch_begin(&b, o, MSG_SUBMIT);
    msg_add_submit(&b, o, &s);
    batch_end(&b, o);
}

static void read_submit_options(struct msg *m)
{
    struct msg_submit s;
    const struct task_options *t = &s.options;

    assert_int_equal(msg_read_submit(m, &s), 0);
    assert_int_equal(t->given, ((1u << OPT_COUNT) - 2) & ~(1u << OPT_RUN_AT_MS));
    assert_int_equal(t->priority, 5);
    assert_int_equal(t->delay_ms, 1500);
    assert_int_equal(t->run_at_ms, 0);
    assert_int_equal(t->limit_ms, 60000);
    assert_int_equal(t->kill_grace_ms, 2000);
    assert_int_equal(t->expiry_ms, 3600000);
    assert_int_equal(t->attempts, 4);
    assert_int_equal(t->backoff_ms, 100);
    assert_int_equal(t->backoff_max_ms, 30000);
    assert_int_equal(t->jitter_percent, 20);
    assert_int_equal(t->crash_budget, 3);
    assert_int_equal(t->retention_ms, 86400000);
    assert_int_equal(t->need_count, 2);
    assert_slice(t->needs[0].name, S("db"));
    assert_int_equal(t->needs[0].permits, 1);
    assert_slice(t->needs[1].name, S("licence"));
    assert_int_equal(t->needs[1].permits, 200);
}

static void write_submit_run_at(struct out *o)
{
    struct batch b;
    struct msg_submit s = {
        .req = 1, .pool = S("p"), .function = S("f"), .payload = BYTES("\x01")
    };

    s.options.given = 1u << OPT_RUN_AT_MS;
    s.options.run_at_ms = 1795336200000;
    batch_begin(&b, o, MSG_SUBMIT);
    msg_add_submit(&b, o, &s);
    batch_end(&b, o);
}

static void read_submit_run_at(struct msg *m)
{
    struct msg_submit s;

    assert_int_equal(msg_read_submit(m, &s), 0);
    assert_int_equal(s.options.given, 1u << OPT_RUN_AT_MS);
    assert_int_equal(s.options.run_at_ms, 1795336200000);
}

static void write_accepted(struct out *o)
{
    struct batch b;
    struct msg_accepted a = { 7, ID, 0, { NULL, 0 } };

    batch_begin(&b, o, MSG_ACCEPTED);
    msg_add_accepted(&b, o, &a);
    batch_end(&b, o);
}

static void write_accepted_refused(struct out *o)
{
    struct batch b;
    struct msg_accepted no = { 8, 0, GANGER_EFULL, S("the backlog of pool default is full") };
    struct msg_accepted yes = { 9, ID + 1, 0, { NULL, 0 } };

    batch_begin(&b, o, MSG_ACCEPTED);
    msg_add_accepted(&b, o, &no);
    msg_add_accepted(&b, o, &yes);
    batch_end(&b, o);
}

static void read_accepted_refused(struct msg *m)
{
    struct msg_accepted a;

    assert_int_equal(msg_read_accepted(m, &a), 0);
    assert_int_equal(a.req, 8);
    assert_int_equal(a.id, 0);
    assert_int_equal(a.code, GANGER_EFULL);
    assert_slice(a.text, S("the backlog of pool default is full"));
    assert_int_equal(msg_read_accepted(m, &a), 0);
    assert_int_equal(a.req, 9);
    assert_true(a.id == ID + 1);
    assert_int_equal(a.code, 0);
    assert_int_equal(a.text.len, 0);
}

static void end(struct out *o, uint32_t how, int code, uint32_t attempts, struct slice outcome)
{
    struct batch b;
    struct msg_end e = { 7, ID, how, code, attempts, outcome };

    batch_begin(&b, o, MSG_END);
    msg_add_end(&b, o, &e);
    batch_end(&b, o);
}

static void write_end_done(struct out *o)
{
    end(o, END_DONE, 0, 1, BYTES("\x2a"));
}

static void read_end_done(struct msg *m)
{
    struct msg_end e;

    assert_int_equal(msg_read_end(m, &e), 0);
    assert_int_equal(e.req, 7);
    assert_true(e.id == ID);
    assert_int_equal(e.end, END_DONE);
    assert_int_equal(e.code, 0);
    assert_int_equal(e.attempts, 1);
    assert_slice(e.outcome, BYTES("\x2a"));
}

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

static void write_end_dead(struct out *o)
{
    struct out detail = { 0 };

    write_detail_died(&detail);
    end(o, END_DEAD, GANGER_EDIED, 3, (struct slice){ detail.data, detail.len });
    out_done(&detail);
}

static void read_end_dead(struct msg *m)
{
    struct msg_end e;
    struct msg_detail d;

    assert_int_equal(msg_read_end(m, &e), 0);
    assert_int_equal(e.end, END_DEAD);
    assert_int_equal(e.code, GANGER_EDIED);
    assert_int_equal(msg_read_detail(e.outcome.data, e.outcome.len, &d), 0);
    assert_int_equal(d.code, GANGER_EDIED);
    assert_slice(d.text, S("worker died"));
    assert_int_equal(d.backtrace.len, 0);
    assert_int_equal(d.value.len, 0);
    assert_true(d.has_worker_end);
    assert_int_equal(d.worker_end.pid, 4711);
    assert_int_equal(d.worker_end.exit_code, 0);
    assert_int_equal(d.worker_end.signal, 11);
    assert_true(d.worker_end.core);
    assert_int_equal(d.worker_end.user_us, 1500);
    assert_int_equal(d.worker_end.system_us, 250);
    assert_int_equal(d.worker_end.maxrss_kib, 2048);
    assert_slice(d.worker_end.stderr_tail, S("oops\n"));
    assert_int_equal(d.cause_count, 2);
    assert_int_equal(d.causes[0].signal, 11);
    assert_int_equal(d.causes[1].exit_code, 7);
}

static void write_end_cancelled(struct out *o)
{
    end(o, END_CANCELLED, GANGER_ECANCELLED, 0, S(""));
}

static void read_end_cancelled(struct msg *m)
{
    struct msg_end e;
    struct msg_detail d;

    assert_int_equal(msg_read_end(m, &e), 0);
    assert_int_equal(e.code, GANGER_ECANCELLED);
    assert_int_equal(msg_read_detail(e.outcome.data, e.outcome.len, &d), 0);
    assert_int_equal(d.code, 0);
    assert_false(d.has_worker_end);
}

static void write_progress(struct out *o)
{
    struct msg_progress p = { 7, ID, 50, 100, S("half") };

    msg_write_progress(o, &p);
}

static void read_progress(struct msg *m)
{
    struct msg_progress p;

    assert_int_equal(msg_read_progress(m, &p), 0);
    assert_int_equal(p.req, 7);
    assert_true(p.id == ID);
    assert_int_equal(p.done, 50);
    assert_int_equal(p.total, 100);
    assert_slice(p.text, S("half"));
}

static void request(struct out *o, uint64_t req, uint32_t verb, uint64_t id, const char *name)
{
    struct msg_request r = { req, verb, id, S(name), 0, 0 };

    if (verb == VERB_SEM_SET)
        r.number = 4;
    if (verb == VERB_ROOM) {
        r.number = 100;
        r.number2 = 65536;
    }
    msg_write_request(o, &r);
}

static void write_request_ping(struct out *o)
{
    request(o, 1, VERB_PING, 0, "");
}

static void write_request_cancel(struct out *o)
{
    request(o, 2, VERB_CANCEL, ID, "");
}

static void write_request_sem_set(struct out *o)
{
    request(o, 3, VERB_SEM_SET, 0, "db");
}

static void write_request_room(struct out *o)
{
    request(o, 4, VERB_ROOM, 0, "default");
}

static void write_request_act(struct out *o)
{
    struct msg_request r = { .verb = VERB_ACT, .id = ID, .number = FENCE };

    msg_write_request(o, &r);
}

static void read_request_act(struct msg *m)
{
    struct msg_request r;

    assert_int_equal(msg_read_request(m, &r), 0);
    assert_true(r.req == 0 && r.verb == VERB_ACT && r.id == ID && r.number == FENCE);
}

static void read_request_room(struct msg *m)
{
    struct msg_request r;

    assert_int_equal(msg_read_request(m, &r), 0);
    assert_int_equal(r.req, 4);
    assert_int_equal(r.verb, VERB_ROOM);
    assert_int_equal(r.id, 0);
    assert_slice(r.name, S("default"));
    assert_int_equal(r.number, 100);
    assert_int_equal(r.number2, 65536);
}

static void reply(struct out *o, uint64_t req, int code, struct slice value)
{
    struct msg_reply r = { req, code, S(code == 0 ? "" : error_text(code)), value };

    msg_write_reply(o, &r);
}

static void write_reply_ok(struct out *o)
{
    reply(o, 1, 0, BYTES("\x80"));
}

static void write_reply_value(struct out *o)
{
    reply(o, 3, 0,
        BYTES("\x83\xa5limit\x04\xa4held\x01\xa7waiting"
              "\x00"));
}

static void read_reply_value(struct msg *m)
{
    struct msg_reply r;

    assert_int_equal(msg_read_reply(m, &r), 0);
    assert_int_equal(r.req, 3);
    assert_int_equal(r.code, 0);
    assert_int_equal(r.text.len, 0);
    assert_slice(r.value, BYTES("\x83\xa5limit\x04\xa4held\x01\xa7waiting"
                                "\x00"));
}

static void write_reply_error(struct out *o)
{
    reply(o, 2, GANGER_ENOTASK, S(""));
}

static void read_reply_error(struct msg *m)
{
    struct msg_reply r;

    assert_int_equal(msg_read_reply(m, &r), 0);
    assert_int_equal(r.code, GANGER_ENOTASK);
    assert_slice(r.text, S(error_text(GANGER_ENOTASK)));
    assert_int_equal(r.value.len, 0);
}

static const struct golden_case cases[] = {
    { "hello_client", write_hello_client, NULL },
    { "hello_daemon", write_hello_daemon, read_hello_daemon },
    { "error_version", write_error_version, read_error_version },
    { "submit_plain", write_submit_plain, read_submit_plain },
    { "submit_two", write_submit_two, read_submit_two },
    { "submit_options", write_submit_options, read_submit_options },
    { "submit_run_at", write_submit_run_at, read_submit_run_at },
    { "accepted", write_accepted, NULL },
    { "accepted_refused", write_accepted_refused, read_accepted_refused },
    { "end_done", write_end_done, read_end_done },
    { "end_dead", write_end_dead, read_end_dead },
    { "end_cancelled", write_end_cancelled, read_end_cancelled },
    { "progress", write_progress, read_progress },
    { "request_ping", write_request_ping, NULL },
    { "request_cancel", write_request_cancel, NULL },
    { "request_sem_set", write_request_sem_set, NULL },
    { "request_room", write_request_room, read_request_room },
    { "request_act", write_request_act, read_request_act },
    { "reply_ok", write_reply_ok, NULL },
    { "reply_value", write_reply_value, read_reply_value },
    { "reply_error", write_reply_error, read_reply_error },
};
#define CASE_COUNT (sizeof cases / sizeof cases[0])

static void test_msg_client_golden_encodes_to_exact_bytes(void **state)
{
    (void)state;
    golden_cases_encode(cases, CASE_COUNT);
}

static void test_msg_client_golden_decodes_to_its_fields(void **state)
{
    (void)state;
    golden_cases_decode(cases, CASE_COUNT);
}

static void test_msg_client_golden_comes_first(void **state)
{
    static struct golden v[GOLDEN_MAX];
    size_t first;

    (void)state;
    (void)golden_cases_load(v, cases, CASE_COUNT, &first);
    assert_int_equal(first, 0);
    assert_string_equal(v[CASE_COUNT].name, "ready");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msg_client_golden_encodes_to_exact_bytes),
        cmocka_unit_test(test_msg_client_golden_decodes_to_its_fields),
        cmocka_unit_test(test_msg_client_golden_comes_first),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
