/* The command against a daemon that does what the test says: what a real one does but rarely. */
#include "tests/client/fake.h"

#include "ganger/err.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 10000

/* The command, with all that it writes to its terminal. */
struct child {
    pid_t pid;
    int fd;
    char text[16384];
    size_t len;
};

/* Run "ganger --socket PATH" and the words of ARGS, which a space parts, on a terminal. */
static void child_start(struct child *c, struct fake *fake, const char *args)
{
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    char words[256], *argv[32] = { NULL };
    int argc = 0;

    (void)snprintf(words, sizeof words, "ganger --socket %s %s", fake->path, args);
    for (char *w = strtok(words, " "); w != NULL; w = strtok(NULL, " "))
        argv[argc++] = w;
    *c = (struct child){ .fd = -1 };
    c->pid = forkpty(&c->fd, NULL, NULL, &size);
    assert_true(c->pid >= 0);
    fake->client_pid = c->pid;
    if (c->pid == 0) {
        (void)setenv("TERM", "xterm", 1);
        (void)execv(GANGER_PATH, argv);
        _exit(99);
    }
}

/* Read once; false at the end. */
static bool child_read(struct child *c)
{
    struct pollfd fd = { c->fd, POLLIN, 0 };
    ssize_t n;

    assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
    n = read(c->fd, c->text + c->len, sizeof c->text - 1 - c->len);
    if (n <= 0)
        return false;
    c->len += (size_t)n;
    c->text[c->len] = '\0';
    return true;
}

static void child_says(struct child *c, const char *text)
{
    while (strstr(c->text, text) == NULL) {
        if (!child_read(c))
            fail_msg("\"%s\" is not in: %s", text, c->text);
    }
}

static void child_exits(struct child *c, int status)
{
    int got = 0;

    while (child_read(c)) {
    }
    (void)close(c->fd);
    assert_int_equal(waitpid(c->pid, &got, 0), c->pid);
    assert_true(WIFEXITED(got));
    if (WEXITSTATUS(got) != status)
        fail_msg("exit status %d, not %d: %s", WEXITSTATUS(got), status, c->text);
}

static struct msg_submit child_submits(struct fake *fake)
{
    fake_accept(fake);
    fake_send_hello(fake, FAKE_EPOCH);
    return fake_take_submit(fake);
}

static void test_run_progress_is_drawn_on_a_terminal(void **state)
{
    struct fake *fake = *state;
    struct msg_submit m;
    struct child c;

    child_start(&c, fake, "run p f");
    m = child_submits(fake);
    fake_accepted(fake, m.req, fake_id(1));
    fake_progress(fake, m.req, fake_id(1), 5, "st\x1b[2Jep");
    fake_flush(fake);
    child_says(&c, "st?[2Jep");
    fake_done(fake, m.req, fake_id(1), "the result");
    fake_flush(fake);
    child_says(&c, "\r\x1b[K");
    child_says(&c, "the result");
    child_exits(&c, 0);
}

static void test_run_quiet_draws_no_progress(void **state)
{
    struct fake *fake = *state;
    struct msg_submit m;
    struct child c;

    child_start(&c, fake, "-q run p f");
    m = child_submits(fake);
    fake_accepted(fake, m.req, fake_id(1));
    fake_progress(fake, m.req, fake_id(1), 5, "step");
    fake_done(fake, m.req, fake_id(1), "the result");
    fake_flush(fake);
    child_exits(&c, 0);
    assert_string_equal(c.text, "the result\r\n");
}

static void test_run_lost_before_acceptance_exits_9(void **state)
{
    struct fake *fake = *state;
    struct child c;

    child_start(&c, fake, "run p f");
    (void)child_submits(fake);
    fake_drop(fake);
    child_exits(&c, 9);
    assert_non_null(strstr(c.text, "ganger: f: "));
}

static void test_run_refused_as_full_exits_7_with_a_way_out(void **state)
{
    struct fake *fake = *state;
    struct msg_submit m;
    struct child c;

    child_start(&c, fake, "run p f");
    m = child_submits(fake);
    fake_refused(fake, m.req, GANGER_EFULL, "pool p is full");
    fake_flush(fake);
    child_exits(&c, 7);
    assert_non_null(strstr(c.text, "ganger: f: pool p is full (--wait-room waits"));
}

static void test_interrupted_run_sends_a_cancel_and_exits_130(void **state)
{
    struct fake *fake = *state;
    struct msg_request request;
    struct msg_submit m;
    struct child c;

    child_start(&c, fake, "run p f");
    m = child_submits(fake);
    fake_accepted(fake, m.req, fake_id(1));
    fake_progress(fake, m.req, fake_id(1), 1, "begun");
    fake_flush(fake);
    child_says(&c, "begun");
    assert_int_equal(write(c.fd, "\x03", 1), 1);
    request = fake_take_request(fake, VERB_CANCEL);
    assert_int_equal(request.id, fake_id(1));
    fake_reply(fake, request.req, 0, NULL, 0);
    fake_end(fake, m.req, fake_id(1), END_CANCELLED, GANGER_ECANCELLED, NULL, 0);
    fake_flush(fake);
    child_exits(&c, 130);
}

static void test_interrupted_run_with_no_cancel_sends_none(void **state)
{
    struct fake *fake = *state;
    struct msg_submit m;
    struct child c;

    child_start(&c, fake, "run --no-cancel p f");
    m = child_submits(fake);
    fake_accepted(fake, m.req, fake_id(1));
    fake_progress(fake, m.req, fake_id(1), 1, "begun");
    fake_flush(fake);
    child_says(&c, "begun");
    assert_int_equal(write(c.fd, "\x03", 1), 1);
    child_exits(&c, 130);
    assert_true(fake_quiet(fake));
}

static void test_garbage_from_the_daemon_exits_3(void **state)
{
    static const char garbage[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct fake *fake = *state;
    struct child c;

    child_start(&c, fake, "ping");
    fake_accept(fake);
    fake_raw(fake, garbage, sizeof garbage - 1);
    fake_flush(fake);
    fake_drop(fake);
    child_exits(&c, 3);
}

static void test_silent_daemon_exits_3(void **state)
{
    struct fake *fake = *state;
    struct child c;

    child_start(&c, fake, "ping");
    fake_accept(fake);
    child_exits(&c, 3);
}

static void test_reply_of_garbage_is_said(void **state)
{
    struct fake *fake = *state;
    struct msg_request request;
    struct child c;

    child_start(&c, fake, "sem value s");
    fake_accept(fake);
    fake_send_hello(fake, FAKE_EPOCH);
    request = fake_take_request(fake, VERB_SEM_VALUE);
    fake_reply(fake, request.req, 0, "\x05", 1);
    fake_flush(fake);
    child_exits(&c, 3);
}

static void test_pools_of_odd_shapes_are_shown_without_fault(void **state)
{
    /* [ {"name": "a", 5: 1, "reason": ""}, 7, {}, {"name": [1]} ] */
    static const char value[] = "\x94\x83\xa4name\xa1"
                                "a\x05\x01\xa6reason\xa0\x07\x80\x81\xa4name\x91\x01";
    struct fake *fake = *state;
    struct msg_request request;
    struct child c;

    child_start(&c, fake, "pools");
    fake_accept(fake);
    fake_send_hello(fake, FAKE_EPOCH);
    request = fake_take_request(fake, VERB_POOLS);
    fake_reply(fake, request.req, 0, value, sizeof value - 1);
    fake_flush(fake);
    child_exits(&c, 0);
    assert_non_null(strstr(c.text, "name  kind  state"));
    assert_non_null(strstr(c.text, "\na "));
    assert_non_null(strstr(c.text, "\n[1]"));
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_fake(test_run_progress_is_drawn_on_a_terminal),
        cmocka_unit_test_fake(test_run_quiet_draws_no_progress),
        cmocka_unit_test_fake(test_run_lost_before_acceptance_exits_9),
        cmocka_unit_test_fake(test_run_refused_as_full_exits_7_with_a_way_out),
        cmocka_unit_test_fake(test_interrupted_run_sends_a_cancel_and_exits_130),
        cmocka_unit_test_fake(test_interrupted_run_with_no_cancel_sends_none),
        cmocka_unit_test_fake(test_garbage_from_the_daemon_exits_3),
        cmocka_unit_test_fake(test_silent_daemon_exits_3),
        cmocka_unit_test_fake(test_reply_of_garbage_is_said),
        cmocka_unit_test_fake(test_pools_of_odd_shapes_are_shown_without_fault),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
