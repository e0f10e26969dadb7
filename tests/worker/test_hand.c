/* Hands: many at once, taken back, asked to stop, lost. */
#include "tests/worker/fake.h"

#include <poll.h>
#include <stdatomic.h>
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

/* Grant and send COUNT hands in one message. */
static void hand_many(
    struct fake_child *c, const char *function, const struct out *payload, int count)
{
    struct out o = { 0 };
    struct batch b;

    batch_begin(&b, &o, MSG_HAND);
    for (int i = 0; i < count; i++)
        (void)fake_hand_add(c, &b, &o, function, payload, 0);
    batch_end(&b, &o);
    page_grant(c->page, c->next);
    fake_send(c->link.fd, &o);
}

/* A task that takes 20 us is sent at once; under ThreadSanitizer each of these may. */
#ifdef __SANITIZE_THREAD__
#define MESSAGES_MOST GANGER_HAND_MAX
#else
#define MESSAGES_MOST (GANGER_HAND_MAX / 4 - 1)
#endif

static void test_hand_many_answered_in_order_in_few_messages(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out number = pay_int(5);
    uint32_t messages = 0;

    with_child(f, &c);
    hand_many(&c, "echo", &number, (int)GANGER_HAND_MAX);
    for (uint32_t i = 0; i < GANGER_HAND_MAX; i++) {
        messages += c.link.left == 0;
        fake_result(&c, &r);
        assert_int_equal(r.m.seq, i);
        assert_outcome_int(&r, 5);
    }
    assert_true(messages <= MESSAGES_MOST);
    assert_int_equal(page_begun(c.page), GANGER_HAND_MAX);
    out_done(&number);
    finish(f, &c);
}

/* Wait until the child sleeps, which it does when it waits; returns how often it has. */
static long sleeps_when_asleep(pid_t pid)
{
    static const char label[] = "\nvoluntary_ctxt_switches:";
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    for (int i = 0; i < FAKE_LIMIT_MS; i++) {
        char *text = file_text(path);
        const char *at = strstr(text, label);
        bool asleep = strstr(text, "State:\tS") != NULL;
        long count = at == NULL ? -1 : strtol(at + strlen(label), NULL, 10);

        free(text);
        if (asleep && count >= 0)
            return count;
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    fail_msg("process %ld does not wait", (long)pid);
    return 0;
}

static void test_hand_child_sleeps_on_when_its_result_is_read(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out number = pay_int(5);
    const int rounds = 20;
    long sleeps;

    with_child(f, &c);
    fake_call(&c, "echo", &number, &r);
    sleeps = sleeps_when_asleep(c.pid);
    for (int i = 0; i < rounds; i++) {
        struct pollfd link = { c.link.fd, POLLIN, 0 };

        (void)fake_hand(&c, "echo", &number);
        assert_int_equal(poll(&link, 1, FAKE_LIMIT_MS), 1);
        (void)sleeps_when_asleep(c.pid);
        fake_result(&c, &r);
    }
    sleeps = sleeps_when_asleep(c.pid) - sleeps;
    assert_true(sleeps < rounds + rounds / 2);
    out_done(&number);
    finish(f, &c);
}

static void test_hand_result_not_held_back_by_the_next_task(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out o = { 0 }, number = pay_int(5), payload;
    struct batch b;
    char path[100];

    fifo_make(f, "fifo", path, sizeof path);
    payload = pay_text(path);
    with_child(f, &c);
    /* Twice: the second time it is known that `wait` can be long. */
    for (int i = 0; i < 2; i++) {
        batch_begin(&b, &o, MSG_HAND);
        (void)fake_hand_add(&c, &b, &o, "echo", &number, 0);
        (void)fake_hand_add(&c, &b, &o, "wait", &payload, 0);
        batch_end(&b, &o);
        page_grant(c.page, c.next);
        fake_send(c.link.fd, &o);
        fake_result(&c, &r);
        assert_outcome_int(&r, 5);
        (void)close(fifo_open(path));
        fake_result(&c, &r);
        assert_outcome_int(&r, 0);
    }
    out_done(&number);
    out_done(&payload);
    finish(f, &c);
}

static void test_hand_result_not_held_back_after_the_timer_rang_idly(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out o = { 0 }, number = pay_int(5), pause = pay_int(20), nap = pay_int(4000);
    struct batch b;
    /* So that the last of them is gathered, however the first ones leave. */
    const int many = 20;
    time_t begun;

    with_child(f, &c);
    /* Sets the timer, which rings while there is nothing to send. */
    hand_many(&c, "echo", &number, many);
    for (int i = 0; i < many; i++)
        fake_result(&c, &r);
    fake_call(&c, "sleep_ms", &pause, &r);
    batch_begin(&b, &o, MSG_HAND);
    for (int i = 0; i < many; i++)
        (void)fake_hand_add(&c, &b, &o, "echo", &number, 0);
    (void)fake_hand_add(&c, &b, &o, "nap_ms", &nap, 0);
    batch_end(&b, &o);
    page_grant(c.page, c.next);
    begun = time(NULL);
    fake_send(c.link.fd, &o);
    for (int i = 0; i < many; i++) {
        fake_result(&c, &r);
        assert_outcome_int(&r, 5);
    }
    assert_true(time(NULL) - begun < 3);
    fake_result(&c, &r);
    out_done(&number);
    out_done(&pause);
    out_done(&nap);
    finish(f, &c);
}

/* A function of which most tasks take no time, so that few are timed. */
static void test_hand_long_one_of_a_short_function_is_not_held_back(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out o = { 0 }, none = pay_int(0), some = pay_int(50), much = pay_int(4000);
    struct batch b;
    const int many = 50;
    time_t begun;

    with_child(f, &c);
    batch_begin(&b, &o, MSG_HAND);
    for (int i = 0; i < many; i++)
        (void)fake_hand_add(&c, &b, &o, "pause_ms", &none, 0);
    (void)fake_hand_add(&c, &b, &o, "pause_ms", &some, 0);
    (void)fake_hand_add(&c, &b, &o, "pause_ms", &much, 0);
    batch_end(&b, &o);
    page_grant(c.page, c.next);
    begun = time(NULL);
    fake_send(c.link.fd, &o);
    for (int i = 0; i <= many; i++)
        fake_result(&c, &r);
    assert_true(time(NULL) - begun < 3);
    fake_result(&c, &r);
    out_done(&none);
    out_done(&some);
    out_done(&much);
    finish(f, &c);
}

static void test_hand_task_known_as_long_is_not_interrupted(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out o = { 0 }, number = pay_int(5), nap = pay_int(50);
    struct batch b;

    with_child(f, &c);
    fake_call(&c, "nap_ms", &nap, &r);
    assert_outcome_int(&r, 0);
    batch_begin(&b, &o, MSG_HAND);
    /* The second one sets the timer, since it is not known to be short. */
    (void)fake_hand_add(&c, &b, &o, "echo", &number, 0);
    (void)fake_hand_add(&c, &b, &o, "echo", &number, 0);
    (void)fake_hand_add(&c, &b, &o, "nap_ms", &nap, 0);
    batch_end(&b, &o);
    page_grant(c.page, c.next);
    fake_send(c.link.fd, &o);
    fake_result(&c, &r);
    fake_result(&c, &r);
    fake_result(&c, &r);
    assert_outcome_int(&r, 0);
    out_done(&number);
    out_done(&nap);
    finish(f, &c);
}

static void test_hand_that_forks_says_nothing_twice(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out o = { 0 }, number = pay_int(5), nil = pay_nil();
    struct batch b;
    const char *functions[] = { "echo", "fork_exit", "echo", "twice", "echo" };

    with_child(f, &c);
    batch_begin(&b, &o, MSG_HAND);
    for (int i = 0; i < 5; i++)
        (void)fake_hand_add(&c, &b, &o, functions[i], i % 2 == 0 ? &number : &nil, 0);
    batch_end(&b, &o);
    page_grant(c.page, c.next);
    fake_send(c.link.fd, &o);
    for (uint32_t i = 0; i < 5; i++) {
        fake_result(&c, &r);
        assert_int_equal(r.m.seq, i);
        assert_int_equal(r.m.code, 0);
        if (i == 3)
            assert_outcome_int(&r, 1);
    }
    fake_call(&c, "echo", &number, &r);
    assert_outcome_int(&r, 5);
    out_done(&number);
    out_done(&nil);
    finish(f, &c);
}

static void ended_after_results(struct fake *f, const char *function, const struct out *payload)
{
    struct fake_child c;
    struct fake_result r;
    struct fake_exit e;
    struct out o = { 0 }, number = pay_int(5);
    struct batch b;

    with_child(f, &c);
    batch_begin(&b, &o, MSG_HAND);
    for (int i = 0; i < 10; i++)
        (void)fake_hand_add(&c, &b, &o, "echo", &number, 0);
    (void)fake_hand_add(&c, &b, &o, function, payload, 0);
    (void)fake_hand_add(&c, &b, &o, "echo", &number, 0);
    batch_end(&b, &o);
    page_grant(c.page, c.next);
    fake_send(c.link.fd, &o);
    for (uint32_t i = 0; i < 10; i++) {
        fake_result(&c, &r);
        assert_int_equal(r.m.seq, i);
    }
    assert_int_equal(reader_next(&c.link), 0);
    fake_expect_exit(&c, &e);
    /* The one that killed it was begun, the one after it was not. */
    assert_int_equal(page_begun(c.page), 11);
    out_done(&number);
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_hand_results_survive_the_crash_of_a_later_task(void **state)
{
    struct out nil = pay_nil();

    ended_after_results(*state, "crash", &nil);
    out_done(&nil);
}

static void test_hand_results_survive_the_exit_of_a_later_task(void **state)
{
    struct out three = pay_int(3);

    ended_after_results(*state, "exit", &three);
    out_done(&three);
}

/* ---- taking back ---- */

static void test_hand_taken_back_is_not_run(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out payload, touch, number = pay_int(8);
    char fifo_path[100], path[100], *text;
    uint32_t count;
    int fifo;

    fifo_make(f, "fifo", fifo_path, sizeof fifo_path);
    (void)snprintf(path, sizeof path, "%s/touched", f->dir);
    payload = pay_text(fifo_path);
    touch = pay_text(path);
    with_child(f, &c);
    (void)fake_hand(&c, "wait", &payload);
    hand_many(&c, "touch", &touch, 10);
    fifo = fifo_open(fifo_path);
    assert_int_equal(page_take_back(c.page, 0), 1);
    (void)close(fifo);
    fake_result(&c, &r);
    assert_outcome_int(&r, 0);
    assert_int_equal(msg_read_returned(reader_expect(&c.link, MSG_RETURNED), &count), 0);
    assert_int_equal(count, 10);
    /* Their numbers are used up; the next one runs. */
    fake_call(&c, "echo", &number, &r);
    assert_outcome_int(&r, 8);
    text = file_text(path);
    assert_string_equal(text, "");
    free(text);
    out_done(&payload);
    out_done(&touch);
    out_done(&number);
    finish(f, &c);
}

/* Read results and returns until ALL hands are accounted for; returns how many gave a result. */
static uint32_t account(struct fake_child *c, uint32_t all, uint32_t *ret_returned)
{
    uint32_t results = 0, returned = 0, count;

    while (results + returned < all) {
        uint32_t type = reader_next(&c->link);

        if (type == MSG_RESULT) {
            results += c->link.m.count;
        } else {
            assert_int_equal(type, MSG_RETURNED);
            assert_int_equal(msg_read_returned(&c->link.m, &count), 0);
            returned += count;
        }
    }
    assert_int_equal(results + returned, all);
    *ret_returned = returned;
    return results;
}

static void test_hand_taken_back_at_random_is_run_or_returned(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct out touch;
    unsigned seed = (unsigned)time(NULL);
    uint32_t runs = 0, taken = 0;
    char path[100], *text;

    print_message("seed %u\n", seed);
    (void)snprintf(path, sizeof path, "%s/touched", f->dir);
    touch = pay_text(path);
    with_child(f, &c);
    for (int round = 0; round < 300; round++) {
        uint32_t count = 1 + (uint32_t)rand_r(&seed) % 60, before = c.next, begun, returned;
        volatile int spin = rand_r(&seed) % 200000;

        hand_many(&c, "touch", &touch, (int)count);
        while (spin > 0)
            spin--;
        begun = page_take_back(c.page, 0);
        runs += account(&c, count, &returned);
        /* Exactly what the page said. */
        assert_int_equal(begun < before ? count : before + count - begun, returned);
        taken += returned;
    }
    text = file_text(path);
    assert_int_equal(strlen(text), runs);
    print_message("%u run, %u taken back\n", runs, taken);
    assert_true(runs > 0 && taken > 0);
    free(text);
    out_done(&touch);
    finish(f, &c);
}

/* ---- asked to stop ---- */

static void soft_stop(struct fake_child *c, uint32_t seq)
{
    atomic_store(&c->page->cancel, seq + 1);
    fake_signal(c->fake, c->child, c->gen, SIGTERM);
}

static void test_hand_asked_to_stop_notices(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out payload;
    char path[100];
    uint32_t seq;
    int fifo;

    fifo_make(f, "fifo", path, sizeof path);
    payload = pay_text(path);
    with_child(f, &c);
    seq = fake_hand(&c, "until_cancelled", &payload);
    fifo = fifo_open(path);
    soft_stop(&c, seq);
    fake_result(&c, &r);
    assert_outcome_text(&r, "stopped");
    (void)close(fifo);
    out_done(&payload);
    finish(f, &c);
}

static void test_hand_asked_too_late_spares_the_next(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out payload, number = pay_int(1), nil = pay_nil();
    char path[100];
    uint32_t seq;
    int fifo;

    fifo_make(f, "fifo", path, sizeof path);
    payload = pay_text(path);
    with_child(f, &c);
    seq = fake_hand(&c, "echo", &number);
    fake_result(&c, &r);
    (void)fake_hand(&c, "wait", &payload);
    fifo = fifo_open(path);
    soft_stop(&c, seq);
    /* Signals are handled in turn: with another child started, this one has had its own. */
    {
        struct fake_child other;

        fake_spawn(f, &other, 1, 1);
        fake_retire(&other);
    }
    (void)close(fifo);
    fake_result(&c, &r);
    assert_outcome_int(&r, 0);
    /* Idle, it ignores the signal as well. */
    soft_stop(&c, seq + 1);
    fake_call(&c, "nothing", &nil, &r);
    assert_int_equal(r.m.code, 0);
    out_done(&payload);
    out_done(&number);
    out_done(&nil);
    finish(f, &c);
}

static void test_hand_stopped_chunk_gives_up_the_rest(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_result r;
    struct out o = { 0 }, items = { 0 };
    struct batch b;
    struct cursor at;
    char path[100];
    int fifo;

    fifo_make(f, "fifo", path, sizeof path);
    write_array(&items, 2);
    write_str(&items, path, strlen(path));
    write_str(&items, path, strlen(path));
    with_child(f, &c);
    batch_begin(&b, &o, MSG_HAND);
    (void)fake_hand_add(&c, &b, &o, "until_cancelled", &items, TASK_CHUNK);
    batch_end(&b, &o);
    page_grant(c.page, c.next);
    fake_send(c.link.fd, &o);
    fifo = fifo_open(path);
    soft_stop(&c, 0);
    fake_result(&c, &r);
    (void)close(fifo);
    at = cursor_make(r.m.outcome.data, r.m.outcome.len);
    assert_int_equal(read_array(&at, 2), 2);
    assert_int_equal(read_array(&at, 2), 2);
    assert_int_equal(read_int(&at), 0);
    (void)read_raw(&at);
    assert_int_equal(read_array(&at, 2), 2);
    assert_int_equal(read_int(&at), GANGER_ECANCELLED);
    out_done(&items);
    finish(f, &c);
}

/* ---- nonsense ---- */

static void test_hand_garbage_ends_the_child(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_exit e;

    with_child(f, &c);
    assert_int_equal(write(c.link.fd, "\0\0\0\2\xc1\xc1", 6), 6);
    fake_expect_exit(&c, &e);
    assert_int_equal(e.m.end.exit_code, 1);
    assert_contains(e.tail, "unknown message");
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

static void test_hand_oversize_frame_ends_the_child(void **state)
{
    struct fake *f = *state;
    struct fake_child c;
    struct fake_exit e;

    with_child(f, &c);
    assert_int_equal(write(c.link.fd, "\x7f\xff\xff\xff", 4), 4);
    fake_expect_exit(&c, &e);
    assert_int_equal(e.m.end.exit_code, 1);
    assert_contains(e.tail, "malformed frame");
    fake_child_close(&c);
    assert_int_equal(fake_stop(f), 0);
}

int main(int argc, char **argv)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hand_many_answered_in_order_in_few_messages, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_child_sleeps_on_when_its_result_is_read, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_result_not_held_back_by_the_next_task, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_result_not_held_back_after_the_timer_rang_idly, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_long_one_of_a_short_function_is_not_held_back, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_task_known_as_long_is_not_interrupted, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_that_forks_says_nothing_twice, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_results_survive_the_crash_of_a_later_task, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_results_survive_the_exit_of_a_later_task, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_taken_back_is_not_run, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_taken_back_at_random_is_run_or_returned, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_asked_to_stop_notices, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_asked_too_late_spares_the_next, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_stopped_chunk_gives_up_the_rest, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_garbage_ends_the_child, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_hand_oversize_frame_ends_the_child, fake_setup, fake_teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
