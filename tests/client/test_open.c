/* Opening and closing handles, the handshake, and what a handle refuses. */
#include "fake.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_open_nobody_listens_is_refused(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = NULL;

    fake_stop_listening(fake);
    assert_int_equal(ganger_open(fake->path, &g), GANGER_ECONN);
    assert_int_equal(ganger_open("unix:/nonexistent/socket", &g), GANGER_ECONN);
    assert_null(g);
}

static void test_open_bad_address_is_refused(void **state)
{
    char name[200] = "/";
    struct ganger *g = NULL;

    (void)state;
    (void)memset(name + 1, 'x', sizeof name - 2);
    name[sizeof name - 1] = '\0';
    assert_int_equal(ganger_open("no-path", &g), GANGER_EINVAL);
    assert_int_equal(ganger_open("unix:", &g), GANGER_EINVAL);
    assert_int_equal(ganger_open(name, &g), GANGER_EINVAL);
    assert_null(g);
}

static void test_open_served_shakes_hands(void **state)
{
    struct fake *fake = *state;
    struct ganger_server_info info;
    struct ganger *g = NULL;

    fake_serve(fake);
    assert_int_equal(ganger_open(fake->path, &g), 0);
    assert_true(ganger_connected(g));
    assert_int_equal(ganger_server_info(g, &info), 0);
    assert_int_equal(info.epoch, FAKE_EPOCH);
    assert_int_equal(info.pid, 4711);
    assert_int_equal(info.protocol, GANGER_PROTOCOL_VERSION);
    assert_int_equal(info.payload_max, 1024 * 1024);
    assert_string_equal(info.text, "gangerd 0.0");
    assert_int_equal(ganger_ping(g, GANGER_FOREVER), 0);
    ganger_close(g);
}

static void test_open_environment_names_the_socket(void **state)
{
    struct fake *fake = *state;
    char address[128];

    assert_int_equal(setenv("GANGER_SOCKET", fake->path, 1), 0);
    assert_int_equal(ganger_default_address(address, sizeof address), 0);
    assert_string_equal(address, fake->path);
    assert_int_equal(ganger_default_address(address, 4), GANGER_ERANGE);
    assert_int_equal(unsetenv("GANGER_SOCKET"), 0);
    assert_int_equal(setenv("RUNTIME_DIRECTORY", "/run/x", 1), 0);
    assert_int_equal(ganger_default_address(address, sizeof address), 0);
    assert_string_equal(address, "/run/x/ganger.sock");
    assert_int_equal(unsetenv("RUNTIME_DIRECTORY"), 0);
}

/* Begin to open, let the daemon say DATA, and see how it goes on. */
static struct ganger *open_and_hear(struct fake *fake, const void *data, size_t len, int *ret_rc)
{
    struct ganger *g = NULL;

    assert_int_equal(ganger_open_async(fake->path, &g), 0);
    fake_accept(fake);
    fake_raw(fake, data, len);
    *ret_rc = ganger_process(g, POLLIN);
    return g;
}

static void test_open_other_version_is_refused(void **state)
{
    struct msg_hello hello = { .version = 2, .role = ROLE_DAEMON };
    struct out out = { 0 };
    struct ganger *g;
    int rc;

    msg_write_hello(&out, &hello);
    g = open_and_hear(*state, out.data, out.len, &rc);
    assert_int_equal(rc, GANGER_EVERSION);
    assert_non_null(strstr(ganger_last_error(g), "version 2"));
    assert_int_equal(ganger_ping(g, 0), GANGER_EVERSION);
    ganger_close(g);
    out_done(&out);
}

static void test_open_error_of_the_daemon_is_told(void **state)
{
    struct out out = { 0 };
    struct ganger *g;
    int rc;

    msg_write_error(&out, GANGER_EACCES, "not for you");
    g = open_and_hear(*state, out.data, out.len, &rc);
    assert_int_equal(rc, GANGER_EACCES);
    assert_non_null(strstr(ganger_last_error(g), "not for you"));
    ganger_close(g);
    out_done(&out);
}

static void test_open_wrong_role_is_refused(void **state)
{
    struct msg_hello hello = { .version = GANGER_PROTOCOL_VERSION, .role = ROLE_CHILD };
    struct out out = { 0 };
    struct ganger *g;
    int rc;

    msg_write_hello(&out, &hello);
    g = open_and_hear(*state, out.data, out.len, &rc);
    assert_int_equal(rc, GANGER_EPROTO);
    ganger_close(g);
    out_done(&out);
}

static void test_open_garbage_is_refused(void **state)
{
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    static const uint8_t zero[4] = { 0 };
    static const uint8_t reply[] = { 0, 0, 0, 5, 0x95, 15, 1, 0, 0xa0 };
    struct ganger *g;
    int rc;

    g = open_and_hear(*state, http, sizeof http - 1, &rc);
    assert_int_equal(rc, GANGER_EPROTO);
    ganger_close(g);
    g = open_and_hear(*state, zero, sizeof zero, &rc);
    assert_int_equal(rc, GANGER_EPROTO);
    ganger_close(g);
    g = open_and_hear(*state, reply, sizeof reply, &rc);
    assert_int_equal(rc, GANGER_EPROTO);
    ganger_close(g);
}

static void test_open_closed_at_once_is_no_connection(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = NULL;

    assert_int_equal(ganger_open_async(fake->path, &g), 0);
    fake_accept(fake);
    fake_drop(fake);
    assert_int_equal(ganger_process(g, POLLIN | POLLHUP), GANGER_ECONN);
    assert_int_equal(ganger_fd(g), -1);
    assert_int_equal(ganger_timeout_ms(g), -1);
    ganger_close(g);
}

static void test_open_silent_daemon_times_out(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = NULL;

    assert_int_equal(ganger_open(fake->path, &g), GANGER_ETIMEDOUT);
    assert_null(g);
}

static void test_open_info_before_the_hello_is_none(void **state)
{
    struct fake *fake = *state;
    struct ganger_server_info info;
    struct ganger *g = NULL;

    assert_int_equal(ganger_open_async(fake->path, &g), 0);
    assert_int_equal(ganger_server_info(g, &info), GANGER_ECONN);
    assert_false(ganger_connected(g));
    assert_true(ganger_timeout_ms(g) > 0);
    ganger_close(g);
}

static void test_open_submits_before_the_hello_are_sent_after_it(void **state)
{
    struct fake *fake = *state;
    struct ganger_bytes result;
    struct ganger_future *f;
    struct ganger *g = NULL;

    assert_int_equal(ganger_open_async(fake->path, &g), 0);
    f = fake_submit(g, "early", NULL);
    assert_int_equal(ganger_process(g, 0), 0);
    fake_accept(fake);
    assert_true(fake_quiet(fake));
    fake_send_hello(fake, FAKE_EPOCH);
    assert_int_equal(ganger_process(g, POLLIN), 0);
    fake_done(fake, fake_take_submit(fake).req, fake_id(1), "late");
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    assert_true(fake_is_str(result, "late"));
    ganger_close(g);
}

static void test_handle_in_a_forked_child_is_refused(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);
    struct ganger_bytes result;
    struct ganger_call call = { "p", "f", NULL, 0 };
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int ok = ganger_ping(g, 0) == GANGER_ESTATE && ganger_process(g, 0) == GANGER_ESTATE &&
                 ganger_submit(g, &call, NULL, &f) == GANGER_ESTATE &&
                 ganger_future_result(f, 0, &result) == GANGER_ESTATE &&
                 ganger_flush(g, 0) == GANGER_ESTATE;

        ganger_close(g);
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    fake_done(fake, fake_take_submit(fake).req, fake_id(1), "y");
    assert_int_equal(ganger_future_result(f, 1000, &result), 0);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static struct ganger *interrupted;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    ganger_interrupt(interrupted);
}

static void on_alarm_nothing(int signal_number)
{
    (void)signal_number;
}

static void alarm_every(void (*handler)(int), int first_ms, int every_ms)
{
    struct sigaction action = { .sa_handler = handler };
    struct itimerval timer = { { 0, every_ms * 1000 }, { 0, first_ms * 1000 } };

    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void test_interrupt_by_a_handler_ends_the_wait(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);

    interrupted = g;
    alarm_every(on_alarm, 20, 0);
    assert_int_equal(ganger_future_wait(f, GANGER_FOREVER), GANGER_EINTR);
    assert_false(ganger_future_ready(f));
    fake_done(fake, fake_take_submit(fake).req, fake_id(1), "y");
    assert_int_equal(ganger_future_wait(f, 1000), 0);
    ganger_close(g);
}

static void test_interrupt_before_the_wait_is_kept_for_it(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);

    ganger_interrupt(g);
    ganger_interrupt(g);
    assert_int_equal(ganger_future_wait(f, GANGER_FOREVER), GANGER_EINTR);
    assert_int_equal(ganger_future_wait(f, 0), GANGER_ETIMEDOUT);
    ganger_close(g);
}

static void test_signals_alone_do_not_end_the_wait(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_future *f = fake_submit(g, "x", NULL);

    alarm_every(on_alarm_nothing, 5, 5);
    assert_int_equal(ganger_future_wait(f, 60), GANGER_ETIMEDOUT);
    alarm_every(on_alarm_nothing, 0, 0);
    ganger_close(g);
}

static void test_settings_out_of_range_are_refused(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);

    assert_int_equal(ganger_set_output_bytes(g, 1), GANGER_EINVAL);
    assert_int_equal(ganger_set_spin_us(g, 1001), GANGER_EINVAL);
    assert_int_equal(ganger_set_spin_us(g, 1000), 0);
    assert_int_equal(ganger_future_wait(fake_submit(g, "x", NULL), 1), GANGER_ETIMEDOUT);
    ganger_close(g);
}

static void test_errors_have_names_and_texts(void **state)
{
    (void)state;
    assert_string_equal(ganger_error_name(GANGER_EFULL), "GANGER_EFULL");
    assert_string_equal(ganger_error_name(0), "GANGER_OK");
    assert_string_equal(ganger_error_name(-9999), "?");
    assert_non_null(strstr(ganger_strerror(GANGER_EFULL), "full"));
    assert_string_equal(ganger_strerror(-9999), "unknown error");
}

static void test_ids_print_and_parse(void **state)
{
    char text[GANGER_ID_TEXT];
    uint64_t id = 0;

    (void)state;
    assert_true(ganger_id_format(fake_id(42), text) > 0);
    assert_string_equal(text, "7-2a");
    assert_int_equal(ganger_id_parse(text, &id), 0);
    assert_int_equal(id, fake_id(42));
    assert_int_equal(ganger_id_parse("nonsense", &id), GANGER_EINVAL);
    assert_int_equal(ganger_id_parse(NULL, &id), GANGER_EINVAL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_fake(test_open_nobody_listens_is_refused),
        cmocka_unit_test(test_open_bad_address_is_refused),
        cmocka_unit_test_fake(test_open_served_shakes_hands),
        cmocka_unit_test_fake(test_open_environment_names_the_socket),
        cmocka_unit_test_fake(test_open_other_version_is_refused),
        cmocka_unit_test_fake(test_open_error_of_the_daemon_is_told),
        cmocka_unit_test_fake(test_open_wrong_role_is_refused),
        cmocka_unit_test_fake(test_open_garbage_is_refused),
        cmocka_unit_test_fake(test_open_closed_at_once_is_no_connection),
        cmocka_unit_test_fake(test_open_silent_daemon_times_out),
        cmocka_unit_test_fake(test_open_info_before_the_hello_is_none),
        cmocka_unit_test_fake(test_open_submits_before_the_hello_are_sent_after_it),
        cmocka_unit_test_fake(test_handle_in_a_forked_child_is_refused),
        cmocka_unit_test_fake(test_interrupt_by_a_handler_ends_the_wait),
        cmocka_unit_test_fake(test_interrupt_before_the_wait_is_kept_for_it),
        cmocka_unit_test_fake(test_signals_alone_do_not_end_the_wait),
        cmocka_unit_test_fake(test_settings_out_of_range_are_refused),
        cmocka_unit_test(test_errors_have_names_and_texts),
        cmocka_unit_test(test_ids_print_and_parse),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
