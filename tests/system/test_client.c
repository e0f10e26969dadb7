/* Clients that leave, that do not read, that are too many. */
#include "ganger/err.h"
#include "proto/msg.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char yaml[] = "limits:\n"
                           "  sessions: 8\n"
                           "  session_out: 64KiB\n"
                           "pools:\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 2\n";

static void served(const struct scene *s)
{
    assert_int_equal(value_int(task_run(s->g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
}

static void test_client_that_is_killed_leaves_its_tasks_to_the_daemon(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    struct ganger_options o = options_new();
    struct ganger_future *f;
    uint64_t id = 0;
    int ends[2], fd;
    pid_t pid;

    (void)state;
    o.durable = GANGER_DURABLE_YES;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        struct ganger *g = daemon_open(s.d);
        struct ganger_future *mine = task_submit(g, "mod", "wait", value_of("s", gate), &o);

        id = task_id(mine);
        (void)!write(ends[1], &id, sizeof id);
        (void)ganger_future_wait(mine, GANGER_FOREVER);
        _exit(1);
    }
    assert_int_equal(read(ends[0], &id, sizeof id), sizeof id);
    fd = gate_enter(gate);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    served(&s);
    assert_int_equal(ganger_attach(s.g, id, &f), 0);
    (void)close(fd);
    assert_int_equal(value_int(task_done(f)), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    scene_close(&s);
}

static int raw_hello(const struct daemon *d, struct out *o)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)strncpy(name.sun_path, daemon_socket(d), sizeof name.sun_path - 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    msg_write_hello(o, &(struct msg_hello){ .version = GANGER_PROTOCOL_VERSION,
                           .role = ROLE_CLIENT,
                           .name = { (const uint8_t *)"raw", 3 },
                           .frame_max = GANGER_FRAME_MAX,
                           .payload_max = GANGER_PAYLOAD_MAX,
                           .name_max = GANGER_NAME_MAX,
                           .batch_max = GANGER_BATCH_MAX,
                           .needs_max = GANGER_NEEDS_MAX });
    return fd;
}

static long resident_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = 0;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    }
    (void)fclose(f);
    return kib;
}

/* Send requests until nothing was taken for half a second; how many bytes went. */
static size_t send_unread(int fd, const struct out *requests, size_t most)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    size_t sent = 0;

    while (sent < most && poll(&p, 1, 500) == 1) {
        size_t at = sent % requests->len;
        ssize_t got = send(
            fd, requests->data + at, requests->len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

        assert_true(got > 0);
        sent += (size_t)got;
    }
    return sent;
}

/* Read frames until COUNT replies have come. */
static void read_replies(int fd, size_t count)
{
    static uint8_t data[1 << 20];
    size_t have = 0, replies = 0;
    struct pollfd p = { .fd = fd, .events = POLLIN };

    while (replies < count) {
        const uint8_t *body;
        size_t body_bytes, at = 0;
        int64_t used;
        ssize_t got;

        if (poll(&p, 1, DAEMON_WAIT_MS) != 1)
            fail_msg("%zu replies of %zu", replies, count);
        got = recv(fd, data + have, sizeof data - have, 0);
        assert_true(got > 0);
        have += (size_t)got;
        while ((used = frame_next(
                    data + at, have - at, GANGER_FRAME_MAX, &body, &body_bytes, NULL)) > 0) {
            struct msg m;

            assert_int_equal(msg_open(body, body_bytes, &m), 0);
            replies += m.type == MSG_REPLY;
            at += (size_t)used;
        }
        memmove(data, data + at, have - at);
        have -= at;
    }
}

/* It costs bounded memory, and when it reads at last nothing is missing. */
static void test_client_that_does_not_read_stops_being_read(void **state)
{
    struct scene s = scene_open(yaml);
    struct out o = { 0 };
    int fd = raw_hello(s.d, &o);
    long before = resident_kib(daemon_pid(s.d));
    size_t frame, sent;

    (void)state;
    assert_int_equal(send(fd, o.data, o.len, MSG_NOSIGNAL), (ssize_t)o.len);
    out_done(&o);
    for (int i = 0; i < 1000; i++)
        msg_write_request(&o, &(struct msg_request){ .req = 1, .verb = VERB_POOLS });
    frame = o.len / 1000;
    sent = send_unread(fd, &o, 64u << 20);
    assert_true(sent < (32u << 20));
    served(&s);
    assert_true(resident_kib(daemon_pid(s.d)) < before + 64 * 1024);
    read_replies(fd, sent / frame);
    (void)close(fd);
    served(&s);
    out_done(&o);
    scene_close(&s);
}

static void test_client_over_the_bound_is_refused_and_comes_in_later(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger *more[8] = { 0 };
    int count = 0, rc;

    (void)state;
    while (count < 8 && (rc = ganger_open(daemon_socket(s.d), &more[count])) == 0)
        count++;
    assert_int_equal(count, 7);
    assert_int_equal(rc, GANGER_EFULL);
    ganger_close(more[0]);
    UNTIL(s.d, ganger_open(daemon_socket(s.d), &more[0]) == 0);
    assert_int_equal(ganger_ping(more[0], DAEMON_WAIT_MS), 0);
    for (int i = 0; i < count; i++)
        ganger_close(more[i]);
    scene_close(&s);
}

static void test_client_with_large_values_gets_them_back(void **state)
{
    struct scene s = scene_open(yaml);
    size_t bytes = (size_t)8 << 20;
    char *data = malloc(bytes);
    struct ganger_bytes back;

    (void)state;
    assert_non_null(data);
    memset(data, 'x', bytes);
    for (int i = 0; i < 3; i++) {
        back = value_raw(task_run(s.g, "mod", "echo", value_of("b", data, bytes)));
        assert_int_equal(back.len, bytes);
        assert_memory_equal(back.data, data, bytes);
    }
    free(data);
    scene_close(&s);
}

static void test_client_many_tasks_in_flight_all_end_once(void **state)
{
    static struct ganger_future *f[3000];
    struct scene s = scene_open(yaml);

    (void)state;
    for (int i = 0; i < 3000; i++)
        f[i] = task_submit(s.g, "mod", "add", value_of("a2ii", (int64_t)i, 1l), NULL);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(value_int(task_done(f[i])), i + 1);
    assert_int_equal(ask_int(s.g, GANGER_STATS, 0, NULL, "done"), 3000);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_that_is_killed_leaves_its_tasks_to_the_daemon),
        cmocka_unit_test(test_client_that_does_not_read_stops_being_read),
        cmocka_unit_test(test_client_over_the_bound_is_refused_and_comes_in_later),
        cmocka_unit_test(test_client_with_large_values_gets_them_back),
        cmocka_unit_test(test_client_many_tasks_in_flight_all_end_once),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
