#include "fake.h"

#include "proto/id.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 5000
#define PAYLOAD_MAX (1024u * 1024)

int fake_setup(void **state)
{
    struct fake *fake = calloc(1, sizeof *fake);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    assert_non_null(fake);
    fake->fd = -1;
    (void)strcpy(fake->dir, "/tmp/ganger-fake-XXXXXX");
    assert_non_null(mkdtemp(fake->dir));
    (void)snprintf(fake->path, sizeof fake->path, "%s/s", fake->dir);
    (void)strcpy(addr.sun_path, fake->path);
    fake->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fake->listen_fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fake->listen_fd, 8), 0);
    *state = fake;
    return 0;
}

int fake_teardown(void **state)
{
    struct fake *fake = *state;

    if (fake->pid != 0) {
        (void)kill(fake->pid, SIGKILL);
        (void)waitpid(fake->pid, NULL, 0);
    }
    fake_drop(fake);
    fake_stop_listening(fake);
    (void)unlink(fake->path);
    (void)rmdir(fake->dir);
    out_done(&fake->out);
    out_done(&fake->in);
    free(fake);
    return 0;
}

void fake_drop(struct fake *fake)
{
    if (fake->fd >= 0)
        (void)close(fake->fd);
    fake->fd = -1;
}

void fake_stop_listening(struct fake *fake)
{
    if (fake->listen_fd >= 0)
        (void)close(fake->listen_fd);
    fake->listen_fd = -1;
}

/* Wait until FD can be read. */
static bool readable(int fd, int ms)
{
    struct pollfd p = { fd, POLLIN, 0 };

    return poll(&p, 1, ms) > 0;
}

/* The next message; false when none is there within MS. */
static bool take_message(struct fake *fake, int ms)
{
    const uint8_t *body;
    size_t len;

    out_consume(&fake->in, fake->in_done);
    fake->in_done = 0;
    for (;;) {
        int64_t n = frame_next(fake->in.data, fake->in.len, GANGER_FRAME_MAX, &body, &len, NULL);
        uint8_t *room;
        ssize_t got;

        if (n > 0) {
            fake->in_done = (size_t)n;
            break;
        }
        assert_int_equal(n, 0);
        if (!readable(fake->fd, ms))
            return false;
        room = out_room(&fake->in, 65536);
        got = read(fake->fd, room, 65536);
        if (got <= 0)
            return false;
        fake->in.len += (size_t)got;
    }
    assert_int_equal(msg_open(body, len, &fake->msg), 0);
    fake->frames++;
    fake->left = fake->msg.type == MSG_SUBMIT ? fake->msg.count : 0;
    return true;
}

void fake_accept(struct fake *fake)
{
    struct msg_hello hello;

    assert_true(readable(fake->listen_fd, PATIENCE_MS));
    fake_drop(fake);
    fake->fd = accept(fake->listen_fd, NULL, NULL);
    assert_true(fake->fd >= 0);
    fake->in.len = 0;
    fake->in_done = 0;
    fake->left = 0;
    assert_true(take_message(fake, PATIENCE_MS));
    assert_int_equal(fake->msg.type, MSG_HELLO);
    assert_int_equal(msg_read_hello(&fake->msg, &hello), 0);
    assert_int_equal(hello.version, GANGER_PROTOCOL_VERSION);
    assert_int_equal(hello.role, ROLE_CLIENT);
    assert_int_equal(hello.pid, fake->client_pid != 0 ? fake->client_pid : getpid());
    fake->frames = 0;
}

void fake_flush(struct fake *fake)
{
    while (fake->out.len != 0) {
        ssize_t n = send(fake->fd, fake->out.data, fake->out.len, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        out_consume(&fake->out, (size_t)n);
    }
}

void fake_send_hello(struct fake *fake, uint32_t epoch)
{
    struct msg_hello hello = { .version = GANGER_PROTOCOL_VERSION,
        .role = ROLE_DAEMON,
        .name = { (const uint8_t *)"gangerd 0.0", 11 },
        .frame_max = GANGER_FRAME_MAX,
        .payload_max = PAYLOAD_MAX,
        .name_max = GANGER_NAME_MAX,
        .batch_max = GANGER_BATCH_MAX,
        .needs_max = GANGER_NEEDS_MAX,
        .epoch = epoch,
        .pid = 4711 };

    msg_write_hello(&fake->out, &hello);
    fake_flush(fake);
}

struct ganger *fake_client(struct fake *fake)
{
    struct ganger *g = NULL;

    assert_int_equal(ganger_open_async(fake->path, &g), 0);
    fake_accept(fake);
    fake_send_hello(fake, FAKE_EPOCH);
    assert_int_equal(ganger_process(g, POLLIN), 0);
    assert_true(ganger_connected(g));
    return g;
}

/* Let the client see what it can until it is in the state. */
static void process_until(struct ganger *g, int connected, short revents)
{
    for (int i = 0; i < 5000 && ganger_connected(g) != connected; i++) {
        struct pollfd p = { ganger_fd(g), POLLIN, 0 };
        int64_t ms = ganger_timeout_ms(g);

        (void)poll(&p, 1, ms < 0 || ms > 1000 ? 1000 : (int)ms);
        assert_int_equal(ganger_process(g, p.revents), 0);
        if (revents == 0 && ganger_fd(g) >= 0)
            return;
    }
}

void fake_reconnect(struct fake *fake, struct ganger *g, uint32_t epoch)
{
    /* It sees the end of the old connection, then tries until there is a socket again. */
    process_until(g, 0, POLLIN);
    while (ganger_fd(g) < 0)
        process_until(g, 1, 0);
    fake_accept(fake);
    fake_send_hello(fake, epoch);
    process_until(g, 1, POLLIN);
    assert_true(ganger_connected(g));
    assert_int_equal(ganger_process(g, 0), 0);
}

struct msg_submit fake_take_submit(struct fake *fake)
{
    struct msg_submit m;

    if (fake->left == 0) {
        assert_true(take_message(fake, PATIENCE_MS));
        assert_int_equal(fake->msg.type, MSG_SUBMIT);
    }
    assert_int_equal(msg_read_submit(&fake->msg, &m), 0);
    fake->left--;
    return m;
}

struct msg_request fake_take_request(struct fake *fake, uint32_t verb)
{
    struct msg_request m;

    assert_int_equal(fake->left, 0);
    assert_true(take_message(fake, PATIENCE_MS));
    assert_int_equal(fake->msg.type, MSG_REQUEST);
    assert_int_equal(msg_read_request(&fake->msg, &m), 0);
    assert_int_equal(m.verb, verb);
    return m;
}

bool fake_quiet(struct fake *fake)
{
    return fake->left == 0 && !take_message(fake, 0);
}

void fake_accepted(struct fake *fake, uint64_t req, uint64_t id)
{
    struct msg_accepted m = { .req = req, .id = id };
    struct batch b;

    batch_begin(&b, &fake->out, MSG_ACCEPTED);
    msg_add_accepted(&b, &fake->out, &m);
    batch_end(&b, &fake->out);
    fake_flush(fake);
}

void fake_refused(struct fake *fake, uint64_t req, int code, const char *text)
{
    struct msg_accepted m = {
        .req = req, .code = code, .text = { (const uint8_t *)text, strlen(text) }
    };
    struct batch b;

    batch_begin(&b, &fake->out, MSG_ACCEPTED);
    msg_add_accepted(&b, &fake->out, &m);
    batch_end(&b, &fake->out);
    fake_flush(fake);
}

void fake_end(struct fake *fake, uint64_t req, uint64_t id, uint32_t end, int code,
    const void *outcome, size_t len)
{
    struct msg_end m = {
        .req = req, .id = id, .end = end, .code = code, .attempts = 1, .outcome = { outcome, len }
    };
    struct batch b;

    batch_begin(&b, &fake->out, MSG_END);
    msg_add_end(&b, &fake->out, &m);
    batch_end(&b, &fake->out);
    fake_flush(fake);
}

void fake_done(struct fake *fake, uint64_t req, uint64_t id, const char *text)
{
    struct ganger_bytes value = fake_str(text);

    fake_end(fake, req, id, END_DONE, 0, value.data, value.len);
}

void fake_reply(struct fake *fake, uint64_t req, int code, const void *value, size_t len)
{
    struct msg_reply m = { .req = req, .code = code, .value = { value, len } };

    if (code != 0)
        m.text = (struct slice){ (const uint8_t *)"refused", 7 };
    msg_write_reply(&fake->out, &m);
    fake_flush(fake);
}

void fake_progress(struct fake *fake, uint64_t req, uint64_t id, uint64_t done, const char *text)
{
    struct msg_progress m = { .req = req,
        .id = id,
        .done = done,
        .total = 100,
        .text = { (const uint8_t *)text, strlen(text) } };

    msg_write_progress(&fake->out, &m);
    fake_flush(fake);
}

void fake_raw(struct fake *fake, const void *data, size_t len)
{
    assert_int_equal(send(fake->fd, data, len, MSG_NOSIGNAL), len);
}

struct ganger_bytes fake_str(const char *text)
{
    static struct out outs[2];
    static unsigned turn;
    struct out *out = &outs[turn++ % 2];

    out->len = 0;
    write_str(out, text, strlen(text));
    return (struct ganger_bytes){ out->data, out->len };
}

bool fake_is_str(struct ganger_bytes bytes, const char *text)
{
    struct ganger_bytes value = fake_str(text);

    return bytes.len == value.len && memcmp(bytes.data, value.data, value.len) == 0;
}

uint64_t fake_id(uint64_t counter)
{
    return id_make(FAKE_EPOCH, counter);
}

struct ganger_future *fake_submit(
    struct ganger *g, const char *text, const struct ganger_options *options)
{
    struct ganger_bytes value = fake_str(text);
    struct ganger_call call = { "p", "f", value.data, value.len };
    struct ganger_future *f = NULL;

    assert_int_equal(ganger_submit(g, &call, options, &f), 0);
    return f;
}

/* ---- the daemon that answers by itself ---- */

static void serve_chunk(struct out *outcome, struct slice payload)
{
    struct cursor c = cursor_make(payload.data, payload.len);
    uint32_t count = read_array(&c, UINT32_MAX);

    write_array(outcome, count);
    for (uint32_t i = 0; i < count; i++) {
        struct slice item = read_raw(&c);

        write_array(outcome, 2);
        write_int(outcome, 0);
        write_raw(outcome, item.data, item.len);
    }
}

static void serve_submit(struct fake *fake, const struct msg_submit *m)
{
    static uint64_t counter;
    uint64_t id = fake_id(++counter);
    struct out outcome = { 0 };

    if (m->function.len == 3 && memcmp(m->function.data, "die", 3) == 0) {
        fake_drop(fake);
        return;
    }
    if (m->payload.len > PAYLOAD_MAX) {
        fake_refused(fake, m->req, GANGER_ETOOBIG, "over the bound of the hello");
        return;
    }
    if ((m->flags & TASK_QUIET) == 0)
        fake_accepted(fake, m->req, id);
    if (m->flags & TASK_CHUNK)
        serve_chunk(&outcome, m->payload);
    else
        write_raw(&outcome, m->payload.data, m->payload.len);
    if (m->flags & TASK_WAIT)
        fake_end(fake, m->req, id, END_DONE, 0, outcome.data, outcome.len);
    out_done(&outcome);
}

static void serve_request(struct fake *fake)
{
    static const uint8_t pools[] = "\x91\x82\xa4name\xa1p\xa9processes\x04";
    static const uint8_t empty = 0x80;
    struct msg_request m;

    assert_int_equal(msg_read_request(&fake->msg, &m), 0);
    if (m.verb == VERB_POOLS)
        fake_reply(fake, m.req, 0, pools, sizeof pools - 1);
    else
        fake_reply(fake, m.req, 0, &empty, 1);
}

static void serve_connection(struct fake *fake)
{
    while (fake->fd >= 0 && take_message(fake, -1)) {
        while (fake->fd >= 0 && fake->left != 0) {
            struct msg_submit m = fake_take_submit(fake);

            serve_submit(fake, &m);
        }
        if (fake->fd >= 0 && fake->msg.type == MSG_REQUEST)
            serve_request(fake);
    }
}

void fake_serve(struct fake *fake)
{
    fake->pid = fork();
    assert_true(fake->pid >= 0);
    if (fake->pid != 0)
        return;
    for (;;) {
        fake_drop(fake);
        fake->fd = accept(fake->listen_fd, NULL, NULL);
        if (fake->fd < 0)
            _exit(0);
        fake->in.len = fake->in_done = 0;
        if (!take_message(fake, PATIENCE_MS))
            continue;
        fake_send_hello(fake, FAKE_EPOCH);
        serve_connection(fake);
    }
}
