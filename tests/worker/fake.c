#include "tests/worker/fake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

int fake_setup(void **state)
{
    struct fake *f = calloc(1, sizeof *f);

    assert_non_null(f);
    /* What the agent leaves when it is killed becomes ours: nothing can hide. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)strcpy(f->dir, "/tmp/ganger-worker-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->errors, sizeof f->errors, "%s/errors", f->dir);
    f->link.fd = -1;
    *state = f;
    return 0;
}

static void directory_remove(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *d;
    char file[400];

    while (dir != NULL && (d = readdir(dir)) != NULL) {
        (void)snprintf(file, sizeof file, "%s/%s", path, d->d_name);
        (void)unlink(file);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)rmdir(path);
}

int fake_teardown(void **state)
{
    struct fake *f = *state;

    if (f->agent > 0) {
        (void)kill(f->agent, SIGKILL);
        (void)waitpid(f->agent, NULL, 0);
    }
    reader_done(&f->link);
    directory_remove(f->dir);
    free(f);
    return 0;
}

/* ---- reading ---- */

static void wait_readable(int fd)
{
    struct pollfd p = { fd, POLLIN, 0 };
    int rc;

    do {
        rc = poll(&p, 1, FAKE_LIMIT_MS);
    } while (rc < 0 && errno == EINTR);
    if (rc == 0)
        fail_msg("nothing came in %d ms", FAKE_LIMIT_MS);
}

static void reader_fill(struct reader *r, size_t bytes)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec iov = { r->data + r->bytes, bytes };
    struct msghdr head = { .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes };
    ssize_t n;

    wait_readable(r->fd);
    n = recvmsg(r->fd, &head, MSG_CMSG_CLOEXEC);
    if (n <= 0) {
        r->m.type = 0;
        return;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&head); c != NULL; c = CMSG_NXTHDR(&head, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        assert_true(r->fd_count + count <= 4);
        memcpy(r->fds + r->fd_count, CMSG_DATA(c), count * sizeof(int));
        r->fd_count += count;
    }
    r->bytes += (size_t)n;
}

/* True when there is a whole frame; *RET_NEED bytes are needed otherwise. */
static bool reader_open(struct reader *r, size_t *ret_need)
{
    const uint8_t *body;
    size_t body_bytes;
    int64_t used = frame_next(
        r->data + r->at, r->bytes - r->at, GANGER_FRAME_MAX, &body, &body_bytes, ret_need);

    assert_true(used >= 0);
    if (used == 0)
        return false;
    assert_int_equal(msg_open(body, body_bytes, &r->m), 0);
    r->at += (size_t)used;
    return true;
}

uint32_t reader_next(struct reader *r)
{
    size_t need = 0;

    while (r->data == NULL || !reader_open(r, &need)) {
        size_t had;

        if (r->at != 0)
            memmove(r->data, r->data + r->at, r->bytes - r->at);
        r->bytes -= r->at;
        r->at = 0;
        if (r->cap < need || r->data == NULL) {
            r->cap = need > 65536 ? need : 65536;
            r->data = realloc(r->data, r->cap);
            assert_non_null(r->data);
        }
        had = r->bytes;
        reader_fill(r, r->cap - r->bytes);
        if (r->bytes == had)
            return 0;
    }
    return r->m.type;
}

struct msg *reader_expect(struct reader *r, enum msg_type type)
{
    uint32_t got = reader_next(r);

    if (got != (uint32_t)type)
        fail_msg("expected a message %s, got %s", msg_type_name(type), msg_type_name(got));
    return &r->m;
}

void reader_done(struct reader *r)
{
    if (r->fd >= 0)
        (void)close(r->fd);
    free(r->data);
    memset(r, 0, sizeof *r);
    r->fd = -1;
}

/* ---- the agent ---- */

void fake_launch(struct fake *f, const char *const *args, int extra_fd)
{
    const char *argv[40] = { WORKER_PATH, "--pool", "test", "--link-fd", "3" };
    int sockets[2], errors, count = 5;

    while (*args != NULL && count < 39)
        argv[count++] = *args++;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    errors = open(f->errors, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    f->agent = fork();
    assert_true(f->agent >= 0);
    if (f->agent == 0) {
        union {
            const char **from;
            char **to;
        } u = { argv };
        /* Out of the way first: any of them may have one of the numbers to be filled. */
        int link = fcntl(sockets[1], F_DUPFD_CLOEXEC, 20);
        int extra = extra_fd < 0 ? -1 : fcntl(extra_fd, F_DUPFD_CLOEXEC, 20);

        (void)dup2(errors, 2);
        (void)dup2(link, 3);
        if (extra >= 0)
            (void)dup2(extra, 7);
        (void)execv(WORKER_PATH, u.to);
        _exit(127);
    }
    (void)close(errors);
    (void)close(sockets[1]);
    f->link.fd = sockets[0];
}

void fake_hello(struct fake *f, uint32_t version)
{
    struct msg_hello m = { .version = version,
        .role = ROLE_DAEMON,
        .epoch = 1,
        .frame_max = GANGER_FRAME_MAX,
        .payload_max = GANGER_PAYLOAD_MAX,
        .name_max = GANGER_NAME_MAX,
        .batch_max = GANGER_BATCH_MAX,
        .needs_max = GANGER_NEEDS_MAX,
        .pid = 1 };
    struct out o = { 0 };

    m.name = (struct slice){ (const uint8_t *)"gangerd test", 12 };
    msg_write_hello(&o, &m);
    fake_send(f->link.fd, &o);
    assert_int_equal(msg_read_hello(reader_expect(&f->link, MSG_HELLO), &m), 0);
    assert_int_equal(m.version, GANGER_PROTOCOL_VERSION);
    assert_int_equal(m.role, ROLE_AGENT);
    assert_int_equal(m.pid, f->agent);
    assert_int_equal(m.name.len, 4);
    assert_memory_equal(m.name.data, "test", 4);
}

void fake_start(struct fake *f, const char *const *args)
{
    fake_launch(f, args, -1);
    fake_hello(f, GANGER_PROTOCOL_VERSION);
}

void fake_start_module(struct fake *f)
{
    const char *args[] = { "--module", TESTMOD_PATH, NULL };

    fake_start(f, args);
    fake_expect_loaded(f);
}

void fake_expect_refusal(struct fake *f, int code, const char *part)
{
    struct msg_agent m;
    char text[GANGER_TEXT_MAX + 1];

    assert_int_equal(msg_read_agent(reader_expect(&f->link, MSG_AGENT), &m), 0);
    (void)snprintf(text, sizeof text, "%.*s", (int)m.text.len, (const char *)m.text.data);
    if (m.code != code)
        fail_msg("code %d instead of %d: %s", m.code, code, text);
    assert_contains(text, part);
}

void fake_expect_loaded(struct fake *f)
{
    fake_expect_refusal(f, 0, "");
}

int fake_stop(struct fake *f)
{
    int status;

    reader_done(&f->link);
    assert_int_equal(waitpid(f->agent, &status, 0), f->agent);
    f->agent = 0;
    return status;
}

/* ---- children ---- */

void fake_spawn_started(struct fake *f, struct fake_child *c, uint32_t child, uint32_t gen)
{
    struct out o = { 0 };
    struct msg_started m;

    memset(c, 0, sizeof *c);
    msg_write_child(&o, MSG_SPAWN, child, gen);
    fake_send(f->link.fd, &o);
    assert_int_equal(msg_read_started(reader_expect(&f->link, MSG_STARTED), &m), 0);
    assert_int_equal(m.child, child);
    assert_int_equal(m.gen, gen);
    assert_int_equal(f->link.fd_count, 2);
    c->fake = f;
    c->child = child;
    c->gen = gen;
    c->pid = (pid_t)m.pid;
    c->link.fd = f->link.fds[0];
    c->page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->link.fds[1], 0);
    assert_true(c->page != MAP_FAILED);
    (void)close(f->link.fds[1]);
    f->link.fd_count = 0;
}

void fake_spawn(struct fake *f, struct fake_child *c, uint32_t child, uint32_t gen)
{
    struct msg_ready m;

    fake_spawn_started(f, c, child, gen);
    assert_int_equal(msg_read_ready(reader_expect(&c->link, MSG_READY), &m), 0);
    if (m.code != 0)
        fail_msg("not ready: %.*s", (int)m.text.len, (const char *)m.text.data);
}

void fake_signal(struct fake *f, uint32_t child, uint32_t gen, int signal)
{
    struct msg_signal m = { child, gen, (uint32_t)signal };
    struct out o = { 0 };

    msg_write_signal(&o, &m);
    fake_send(f->link.fd, &o);
}

void fake_expect_exit(struct fake_child *c, struct fake_exit *ret)
{
    memset(ret, 0, sizeof *ret);
    assert_int_equal(msg_read_exited(reader_expect(&c->fake->link, MSG_EXITED), &ret->m), 0);
    assert_int_equal(ret->m.child, c->child);
    assert_int_equal(ret->m.gen, c->gen);
    assert_int_equal(ret->m.end.pid, c->pid);
    memcpy(ret->text, ret->m.text.data, ret->m.text.len);
    memcpy(ret->tail, ret->m.end.stderr_tail.data, ret->m.end.stderr_tail.len);
}

void fake_expect_empty(struct fake_child *c, const struct fake_exit *e)
{
    struct msg_child m;

    if (!e->m.group_empty) {
        assert_int_equal(msg_read_child(reader_expect(&c->fake->link, MSG_EMPTY), &m), 0);
        assert_int_equal(m.child, c->child);
        assert_int_equal(m.gen, c->gen);
    }
    assert_int_equal(kill(-c->pid, 0), -1);
}

void fake_child_close(struct fake_child *c)
{
    reader_done(&c->link);
    (void)munmap(c->page, PAGE_BYTES);
    c->page = NULL;
}

void fake_retire(struct fake_child *c)
{
    struct fake_exit e;

    fake_child_close(c);
    fake_expect_exit(c, &e);
    assert_int_equal(e.m.end.signal, 0);
    assert_int_equal(e.m.end.exit_code, 0);
    assert_string_equal(e.text, "");
    fake_expect_empty(c, &e);
}

/* ---- tasks ---- */

void fake_send(int fd, struct out *o)
{
    size_t sent = 0;

    assert_int_equal(o->failed, 0);
    while (sent < o->len) {
        ssize_t n = send(fd, o->data + sent, o->len - sent, MSG_NOSIGNAL);

        assert_true(n > 0);
        sent += (size_t)n;
    }
    out_done(o);
}

uint32_t fake_hand_add(struct fake_child *c, struct batch *b, struct out *o, const char *function,
    const struct out *payload, uint32_t flags)
{
    struct msg_hand m = { .seq = c->next,
        .id = 0x10000000001u,
        .fence = 77,
        .attempt = 2,
        .flags = flags,
        .limit_ms = 5000 };

    m.function = (struct slice){ (const uint8_t *)function, strlen(function) };
    m.payload = (struct slice){ payload->data, payload->len };
    msg_add_hand(b, o, &m);
    return c->next++;
}

uint32_t fake_hand(struct fake_child *c, const char *function, const struct out *payload)
{
    struct out o = { 0 };
    struct batch b;
    uint32_t seq;

    batch_begin(&b, &o, MSG_HAND);
    seq = fake_hand_add(c, &b, &o, function, payload, 0);
    batch_end(&b, &o);
    page_grant(c->page, c->next);
    fake_send(c->link.fd, &o);
    return seq;
}

void fake_result(struct fake_child *c, struct fake_result *ret)
{
    struct reader *r = &c->link;

    memset(ret, 0, sizeof *ret);
    if (r->left == 0)
        r->left = reader_expect(r, MSG_RESULT)->count;
    assert_int_equal(msg_read_result(&r->m, &ret->m), 0);
    if (--r->left == 0)
        assert_int_equal(msg_close(&r->m), 0);
    if (ret->m.code == 0)
        return;
    assert_int_equal(msg_read_detail(ret->m.outcome.data, ret->m.outcome.len, &ret->d), 0);
    assert_int_equal(ret->d.code, ret->m.code);
    memcpy(ret->text, ret->d.text.data, ret->d.text.len);
}

void fake_call(
    struct fake_child *c, const char *function, const struct out *payload, struct fake_result *ret)
{
    uint32_t seq = fake_hand(c, function, payload);

    fake_result(c, ret);
    assert_int_equal(ret->m.seq, seq);
}

void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

static void assert_done(const struct fake_result *r)
{
    if (r->m.code != 0)
        fail_msg("failed with %d: %s", r->m.code, r->text);
}

void assert_outcome_int(const struct fake_result *r, int64_t expected)
{
    struct cursor c = cursor_make(r->m.outcome.data, r->m.outcome.len);

    assert_done(r);
    assert_int_equal(read_int(&c), expected);
    assert_int_equal(c.error, 0);
}

void assert_outcome_text(const struct fake_result *r, const char *expected)
{
    struct cursor c = cursor_make(r->m.outcome.data, r->m.outcome.len), as_bin = c;
    struct slice s = read_str(&c, GANGER_PAYLOAD_MAX);

    assert_done(r);
    if (c.error != 0)
        s = read_bin(&as_bin, GANGER_PAYLOAD_MAX);
    assert_true(c.error == 0 || as_bin.error == 0);
    if (s.len != strlen(expected) || memcmp(s.data, expected, s.len) != 0)
        fail_msg("\"%.*s\" instead of \"%s\"", (int)s.len, (const char *)s.data, expected);
}

void assert_failed(const struct fake_result *r, int code, const char *part)
{
    if (r->m.code != code)
        fail_msg("code %d instead of %d: %s", r->m.code, code, r->text);
    assert_contains(r->text, part);
}

/* ---- payloads and files ---- */

struct out pay_nil(void)
{
    struct out o = { 0 };

    write_nil(&o);
    return o;
}

struct out pay_int(int64_t v)
{
    struct out o = { 0 };

    write_int(&o, v);
    return o;
}

struct out pay_text(const char *text)
{
    struct out o = { 0 };

    write_str(&o, text, strlen(text));
    return o;
}

struct out pay_ints(int64_t a, int64_t b)
{
    struct out o = { 0 };

    write_array(&o, 2);
    write_int(&o, a);
    write_int(&o, b);
    return o;
}

void fifo_make(struct fake *f, const char *name, char *path, size_t path_bytes)
{
    (void)snprintf(path, path_bytes, "%s/%s", f->dir, name);
    assert_int_equal(mkfifo(path, 0600), 0);
}

int fifo_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

void wait_gone(pid_t pid)
{
    for (int i = 0; i < FAKE_LIMIT_MS / 5; i++) {
        (void)waitpid(pid, NULL, WNOHANG);
        if (kill(pid, 0) < 0 && errno == ESRCH)
            return;
        pause_ms(5);
    }
    fail_msg("process %ld is still there", (long)pid);
}

char *file_text(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = calloc(1, 4 * 1024 * 1024);

    assert_non_null(text);
    if (f != NULL) {
        text[fread(text, 1, 4 * 1024 * 1024 - 1, f)] = '\0';
        (void)fclose(f);
    }
    return text;
}

long file_number(const char *path)
{
    for (int i = 0; i < FAKE_LIMIT_MS / 5; i++) {
        char *text = file_text(path);
        long number = strchr(text, '\n') != NULL ? strtol(text, NULL, 10) : 0;

        free(text);
        if (number != 0)
            return number;
        pause_ms(5);
    }
    fail_msg("no number came to %s", path);
    return 0;
}
