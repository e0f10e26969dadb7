/*
 * A pool in front of an engine that only notes what it is told. The test itself is the agent of
 * an external pool, and its children. For one source file of a test program.
 */
#ifndef SUPPORT_POOL_WORLD_H
#define SUPPORT_POOL_WORLD_H

#include "tests/support/peer.h"

#include "pool/pool.h"
#include "proto/page.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <uv.h>

/* ---- an engine: a diary, one word an event ---- */

struct engine {
    char diary[8192];
    struct msg_worker_end end; /* of the last exit */
    char text[600];            /* of the last exit, garbage or agent's end */
    uint64_t results;
    uint64_t ran_us; /* as the child of the last one says */
    size_t outcome_bytes;
    /* After the first result, stop reading that child. */
    struct engine_pool_ops *hold;
};

static inline void note(struct engine *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline void note(struct engine *e, const char *format, ...)
{
    size_t at = strlen(e->diary);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(e->diary + at, sizeof e->diary - at, format, args);
    va_end(args);
}

uint32_t engine_epoch(const struct engine *e)
{
    (void)e;
    return 7;
}

void engine_agent_up(struct engine *e, uint32_t pool)
{
    note(e, "up%u ", pool);
}

void engine_agent_down(struct engine *e, uint32_t pool, int code, const char *text)
{
    note(e, "down%u:%s ", pool, error_name(code));
    (void)snprintf(e->text, sizeof e->text, "%s", text);
}

void engine_child_started(struct engine *e, uint32_t child, uint32_t gen, uint64_t pid)
{
    (void)pid;
    note(e, "started%u.%u ", child, gen);
}

void engine_child_ready(struct engine *e, uint32_t child, uint32_t gen)
{
    note(e, "ready%u.%u ", child, gen);
}

void engine_child_result(struct engine *e, uint32_t child, uint32_t gen, const struct msg_result *r,
    uint64_t ran_us, bool more)
{
    (void)more;
    e->ran_us = ran_us;
    e->results++;
    e->outcome_bytes = r->outcome.len;
    note(e, "result%u.%u:%u ", child, gen, r->seq);
    if (e->hold != NULL)
        e->hold->read(e->hold->ctx, child, gen, false);
    e->hold = NULL;
}

void engine_child_progress(
    struct engine *e, uint32_t child, uint32_t gen, const struct msg_progress *p)
{
    note(e, "progress%u.%u:%u ", child, gen, (unsigned)p->req);
}

void engine_child_returned(struct engine *e, uint32_t child, uint32_t gen, uint32_t count)
{
    note(e, "returned%u.%u:%u ", child, gen, count);
}

void engine_child_link_closed(struct engine *e, uint32_t child, uint32_t gen)
{
    note(e, "closed%u.%u ", child, gen);
}

void engine_child_exited(struct engine *e, uint32_t child, uint32_t gen,
    const struct msg_worker_end *end, bool group_empty, const char *text)
{
    e->end = *end;
    note(e, "exited%u.%u%s ", child, gen, group_empty ? "" : "+");
    (void)snprintf(e->text, sizeof e->text, "%s", text);
}

void engine_child_group_empty(struct engine *e, uint32_t child, uint32_t gen)
{
    note(e, "empty%u.%u ", child, gen);
}

void engine_child_garbage(struct engine *e, uint32_t child, uint32_t gen, const char *text)
{
    note(e, "garbage%u.%u ", child, gen);
    (void)snprintf(e->text, sizeof e->text, "%s", text);
}

/* ---- the world of one test ---- */

#define CHILD 5u
#define GEN   2u

struct world {
    uv_loop_t loop;
    struct pool *pool;
    struct engine_pool_ops ops;
    struct engine engine;
    struct peer agent; /* our end of the agent's link */
    struct peer child; /* of the child's */
    struct page *page;
};

static inline void pump(void *ctx)
{
    struct world *w = ctx;

    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    if (w->pool != NULL)
        (void)pool_flush(w->pool);
}

/* Run until the diary ends with WORDS. */
static inline void diary_await(struct world *w, const char *words)
{
    uint64_t until = peer_now_ms() + PEER_LIMIT_MS;
    size_t len = strlen(words);

    for (;;) {
        size_t have = strlen(w->engine.diary);

        if (have >= len && strcmp(w->engine.diary + have - len, words) == 0)
            return;
        if (peer_now_ms() > until)
            fail_msg("\"%s\" does not end with \"%s\"", w->engine.diary, words);
        pump(w);
    }
}

/* Run for a while in which nothing is expected to be noted. */
static inline void quiet(struct world *w)
{
    for (int i = 0; i < 50; i++)
        pump(w);
}

static inline void on_turn(void *ctx)
{
    (void)ctx;
}

static inline void world_open(struct world *w, const char *worker)
{
    struct pool_config config = {
        .loop = &w->loop, .turn = on_turn, .turn_ctx = w, .worker = worker
    };

    assert_int_equal(pool_open(&config, &w->pool), 0);
    pool_ops(w->pool, &w->ops);
    assert_int_equal(pool_start(w->pool, &w->engine, NULL), 0);
}

static inline int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    log_level_set(LOG_ERR);
    w->agent = (struct peer){ .fd = -1, .pump = pump, .ctx = w };
    w->child = w->agent;
    assert_int_equal(uv_loop_init(&w->loop), 0);
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;

    pool_close(w->pool);
    w->pool = NULL;
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    peer_close(&w->agent);
    peer_close(&w->child);
    if (w->page != NULL)
        (void)munmap(w->page, PAGE_BYTES);
    free(w);
    return 0;
}

static inline int adopt(struct world *w, const char *name, uid_t uid, char *text)
{
    struct pool_visitor visitor = {
        .pid = getpid(), .uid = uid, .name = { (const uint8_t *)name, strlen(name) }
    };
    int pair[2];
    int rc;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    visitor.fd = pair[0];
    rc = pool_adopt_agent(w->pool, &visitor, text, 256);
    if (rc < 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        return rc;
    }
    w->agent.fd = pair[1];
    return 0;
}

static inline void agent_send(struct world *w, struct out *o)
{
    assert_true(peer_put(&w->agent, o));
}

/* Send what O holds with two descriptors. */
static inline void rights_send(int fd, struct out *o, int first, int second)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control = { .room = { 0 } };
    struct iovec iov = { o->data, o->len };
    struct msghdr head = { .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = sizeof control.room };
    int fds[2] = { first, second };

    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(&control.head), fds, sizeof fds);
    assert_int_equal(sendmsg(fd, &head, MSG_NOSIGNAL), (ssize_t)o->len);
    out_done(o);
    (void)close(first);
    (void)close(second);
}

static inline int page_make(struct world *w, unsigned seals)
{
    int fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *page;

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, PAGE_BYTES), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(page != MAP_FAILED);
    w->page = page;
    return fd;
}

/* An external pool "words" whose agent is up. */
static inline void agent_up(struct world *w)
{
    struct conf_pool conf = {
        .name = (char *)(uintptr_t) "words", .kind = CONF_POOL_EXTERNAL, .init_timeout_ms = 1000
    };
    struct out o = { 0 };
    char text[256];
    struct msg m;

    world_open(w, "/nonexistent");
    assert_int_equal(pool_define(w->pool, 0, &conf), 0);
    assert_int_equal(adopt(w, "words", geteuid(), text), 0);
    assert_int_equal(peer_next(&w->agent, &m), 1);
    assert_int_equal(m.type, MSG_HELLO);
    msg_write_agent(&o, 0, "");
    agent_send(w, &o);
    diary_await(w, "up0 ");
}

/* Ask for the child and answer for its agent. */
static inline void child_start(struct world *w, unsigned seals)
{
    struct msg_started started = { CHILD, GEN, (uint64_t)getpid() };
    struct msg_child spawn;
    struct out o = { 0 };
    struct msg m;
    int pair[2];

    w->ops.spawn(w->ops.ctx, 0, CHILD, GEN);
    assert_int_equal(peer_next(&w->agent, &m), 1);
    assert_int_equal(m.type, MSG_SPAWN);
    assert_int_equal(msg_read_child(&m, &spawn), 0);
    assert_int_equal(spawn.child, CHILD);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    w->child.fd = pair[1];
    msg_write_started(&o, &started);
    rights_send(w->agent.fd, &o, pair[0], page_make(w, seals));
}

/* A child that is ready for tasks. */
static inline void child_ready(struct world *w)
{
    struct out o = { 0 };

    agent_up(w);
    child_start(w, F_SEAL_SHRINK);
    diary_await(w, "started5.2 ");
    msg_write_ready(&o, 0, "");
    assert_true(peer_put(&w->child, &o));
    diary_await(w, "ready5.2 ");
    w->engine.diary[0] = '\0';
}

static inline void hand(struct world *w, uint32_t seq, uint32_t call_bytes)
{
    struct msg_hand h = { .seq = seq, .id = 100 + seq, .fence = seq, .attempt = 1 };
    uint8_t *payload = calloc(1, call_bytes);
    struct out call = { 0 };
    struct body *body;

    write_str(&call, "f", 1);
    write_bin(&call, payload, call_bytes);
    body = body_new(call.data, (uint32_t)call.len);
    h.call = (struct slice){ body->data, body->len };
    w->ops.hand(w->ops.ctx, CHILD, GEN, &h, body);
    body_unref(body);
    out_done(&call);
    free(payload);
}

static inline void results_send(struct world *w, const uint32_t *seq, size_t count)
{
    struct out o = { 0 };
    struct batch b;

    batch_begin(&b, &o, MSG_RESULT);
    for (size_t i = 0; i < count; i++) {
        static const uint8_t nil[] = { 0xc0 };
        struct msg_result r = { seq[i], 0, { nil, sizeof nil } };

        msg_add_result(&b, &o, &r);
    }
    batch_end(&b, &o);
    assert_true(peer_put(&w->child, &o));
}

static inline void exited_send(struct world *w, uint32_t gen, bool group_empty)
{
    struct msg_exited exited = { .child = CHILD, .gen = gen, .group_empty = group_empty };
    struct out o = { 0 };

    exited.end.pid = 4711;
    exited.end.signal = SIGSEGV;
    exited.end.stderr_tail = (struct slice){ (const uint8_t *)"last words", 10 };
    msg_write_exited(&o, &exited);
    agent_send(w, &o);
}

#endif
