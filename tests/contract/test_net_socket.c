/* Agents that come in, many connections, the file of the socket. */
#include "tests/support/net_world.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- agents ---- */

static void test_net_agent_is_handed_over_with_its_bytes(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };
    struct peer p;
    char got[3] = "";

    listen_now(w);
    p = peer_of(w);
    peer_hello(&o, GANGER_PROTOCOL_VERSION, ROLE_AGENT, "words");
    memcpy(out_room(&o, 3), "abc", 3);
    o.len += 3;
    assert_true(peer_put(&p, &o));
    while (w->agent_fd < 0)
        pump(w);
    assert_string_equal(w->agent_pool, "words");
    assert_int_equal(w->agent_byte_count, 3);
    assert_memory_equal(w->agent_bytes, "abc", 3);
    assert_int_equal(net_sessions(w->net), 0);
    assert_int_equal(send(w->agent_fd, "ok", 2, 0), 2); /* it is open still */
    assert_int_equal(recv(p.fd, got, 2, 0), 2);
    assert_string_equal(got, "ok");
    peer_close(&p);
}

static void test_net_refused_agent_is_told_why(void **state)
{
    struct world *w = *state;
    struct out o = { 0 };
    struct peer p;

    w->agent_code = GANGER_EBUSY;
    listen_now(w);
    p = peer_of(w);
    peer_hello(&o, GANGER_PROTOCOL_VERSION, ROLE_AGENT, "words");
    assert_true(peer_put(&p, &o));
    peer_expect_error(&p, GANGER_EBUSY, "told to refuse");
    peer_close(&p);
}

/* ---- many ---- */

static void test_net_many_sessions_are_all_served(void **state)
{
    struct world *w = *state;
    static struct peer p[500];
    struct rlimit files;

    /* Both ends are here, and the usual limit of a user is 1024. */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    listen_now(w);
    for (size_t i = 0; i < 500; i++)
        p[i] = client_of(w);
    assert_int_equal(net_sessions(w->net), 500);
    for (size_t i = 0; i < 500; i++)
        request_served(&p[i]);
    for (size_t i = 0; i < 500; i++)
        peer_close(&p[i]);
    while (w->engine.gone < 500)
        pump(w);
    assert_int_equal(net_sessions(w->net), 0);
}

static void test_net_session_over_the_limit_is_told(void **state)
{
    struct world *w = *state;
    struct peer first, second;

    w->limits.sessions_max = 1;
    listen_now(w);
    first = client_of(w);
    second = peer_of(w);
    peer_expect_error(&second, GANGER_EFULL, "the limit is 1");
    request_served(&first);
    peer_close(&first);
    peer_close(&second);
}

static void test_net_without_descriptors_refuses_and_recovers(void **state)
{
    struct world *w = *state;
    struct rlimit old, low;
    struct peer first, second, third;
    int probe;

    listen_now(w);
    first = client_of(w);
    second = peer_of(w);
    probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(probe >= 0);
    (void)close(probe);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)probe;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    peer_expect_error(&second, GANGER_EFULL, "no file descriptor left");
    request_served(&first);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    third = client_of(w);
    request_served(&third);
    peer_close(&first);
    peer_close(&second);
    peer_close(&third);
}

/* Connections leave some descriptors to the journal and to the links of children. */
static void test_net_connections_leave_descriptors_to_others(void **state)
{
    struct world *w = *state;
    struct rlimit old, low;
    struct peer first, second;
    int probe;

    listen_now(w);
    first = client_of(w);
    second = peer_of(w);
    probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(probe >= 0);
    (void)close(probe);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)probe + 2; /* two are left, and an eighth is at least that */
    assert_true(low.rlim_cur >= 16);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    peer_expect_error(&second, GANGER_EFULL, "no file descriptor left");
    request_served(&first);
    probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(probe >= 0);
    (void)close(probe);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    peer_close(&first);
    peer_close(&second);
}

static void test_net_idle_session_takes_at_most_a_kibibyte(void **state)
{
    struct world *w = *state;
    const struct session *s;
    struct peer p;

    listen_now(w);
    p = client_of(w);
    request_served(&p);
    s = net_find(w->net, w->engine.last);
    assert_in_range(sizeof *s + sizeof(struct session_slot), 1, 1024);
    assert_null(s->in.data);
    assert_null(s->out.bytes.data);
    assert_null(s->out.parts);
    assert_false(s->timed);
    peer_close(&p);
}

/* ---- the socket's file ---- */

static void test_net_socket_file_is_for_its_owner_and_goes(void **state)
{
    struct world *w = *state;
    struct stat st;
    char run[80];

    listen_now(w);
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    (void)snprintf(run, sizeof run, "%s/run", w->dir);
    assert_int_equal(stat(run, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    net_end(w);
    assert_int_equal(stat(w->path, &st), -1);
}

static void test_net_left_over_socket_file_is_replaced(void **state)
{
    struct world *w = *state;
    char keep[110];
    struct peer p;

    listen_now(w);
    (void)snprintf(keep, sizeof keep, "%s.old", w->path);
    assert_int_equal(rename(w->path, keep), 0); /* so that it is not removed */
    net_end(w);
    assert_int_equal(rename(keep, w->path), 0);
    listen_now(w);
    p = client_of(w);
    peer_close(&p);
}

static void test_net_socket_in_use_is_left_alone(void **state)
{
    struct world *w = *state;
    struct net *first;
    char err[256] = "";
    struct peer p;

    listen_now(w);
    first = w->net;
    assert_int_equal(listen_again(w, err, sizeof err), GANGER_EBUSY);
    assert_non_null(strstr(err, "another daemon"));
    net_close(w->net);
    w->net = first;
    net_ops(first, &w->engine.ops);
    p = client_of(w);
    peer_close(&p);
}

static void test_net_other_file_in_the_way_is_left_alone(void **state)
{
    struct world *w = *state;
    char err[256] = "";
    struct stat st;
    int fd;

    listen_now(w);
    net_end(w);
    fd = open(w->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(listen_again(w, err, sizeof err), GANGER_EEXIST);
    assert_non_null(strstr(err, "not a socket"));
    assert_int_equal(stat(w->path, &st), 0);
}

int main(int argc, char **argv)
{
    /* clang-format off: a name a line, for ctest */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_net_agent_is_handed_over_with_its_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_refused_agent_is_told_why, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_many_sessions_are_all_served, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_session_over_the_limit_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_without_descriptors_refuses_and_recovers, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_idle_session_takes_at_most_a_kibibyte, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_socket_file_is_for_its_owner_and_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_left_over_socket_file_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_socket_in_use_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_connections_leave_descriptors_to_others, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_net_other_file_in_the_way_is_left_alone, setup, teardown),
    };
    /* clang-format on */

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
