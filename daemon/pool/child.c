/* A child: its link from the agent's word that it runs to the report of its end. */
#include "conf/log.h"
#include "pool/internal.h"
#include "proto/assert.h"
#include "proto/err.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads of one child in one go, while each fills the shared buffer. */
#define READ_ROUNDS 4

int child_new(struct agent *agent, uint32_t slot, uint32_t gen, struct child **ret_child)
{
    struct child *c = calloc(1, sizeof *c);

    if (c == NULL)
        return GANGER_ENOMEM;
    c->slot = slot;
    c->gen = gen;
    c->agent = agent;
    c->out.spares = &agent->pool->spares;
    if (child_table_add(&agent->pool->children, c) < 0) {
        free(c);
        return GANGER_ENOMEM;
    }
    *ret_child = c;
    return 0;
}

void child_dirty(struct child *c)
{
    struct pool *pool = c->agent->pool;

    if (c->dirty)
        return;
    c->dirty = true;
    c->dirty_next = NULL;
    *pool->dirty_last = c;
    pool->dirty_last = &c->dirty_next;
}

static void dirty_remove(struct child *c)
{
    struct pool *pool = c->agent->pool;
    struct child **at = &pool->dirty_first;

    if (!c->dirty)
        return;
    while (*at != c)
        at = &(*at)->dirty_next;
    *at = c->dirty_next;
    if (pool->dirty_last == &c->dirty_next)
        pool->dirty_last = at;
    c->dirty = false;
}

/* The link's use is over; the numbers and the page stay until the child is reported. */
static void link_close(struct child *c)
{
    watch_close(c->watch);
    c->watch = NULL;
    inbox_done(&c->in);
    outbox_done(&c->out);
}

void child_free(struct child *c)
{
    dirty_remove(c);
    child_table_remove(&c->agent->pool->children, c);
    link_close(c);
    if (c->page != NULL)
        (void)munmap(c->page, PAGE_BYTES);
    free(c->end);
    free(c->text);
    free(c);
}

static void child_watch(struct child *c)
{
    int events;

    if (c->watch == NULL)
        return;
    events = (c->held || c->garbage ? 0 : UV_READABLE) | (c->blocked ? UV_WRITABLE : 0);
    if (watch_set(c->watch, events) < 0)
        child_garbage(c, "its link cannot be watched");
}

void child_garbage(struct child *c, const char *text)
{
    if (c->garbage || c->state == CHILD_EXITED)
        return;
    c->garbage = true;
    free(c->text);
    c->text = strdup(text);
    child_dirty(c);
}

/* Handle whole frames. False when the link is not to be read any further now. */
static bool child_input(struct child *c, struct inbox_span span)
{
    int rc = inbox_frames(&c->in, span, GANGER_FRAME_MAX, child_word, c);

    if (rc == GANGER_ETOOBIG || rc == GANGER_EPROTO)
        child_garbage(c, "its link carries bytes that are no frame");
    else if (rc == GANGER_ENOMEM)
        child_garbage(c, "no memory for what it sends");
    return rc == INBOX_GO && !c->held && !c->garbage;
}

/* Read once. True: there may be more. */
static bool child_read_once(struct child *c, bool *ret_ended)
{
    struct pool *pool = c->agent->pool;
    struct inbox_span span;
    size_t got;
    int rc;

    if (c->in.len > 0 && c->in.need == 0 && !child_input(c, inbox_kept(&c->in, pool->shared)))
        return false;
    rc = inbox_receive(&c->in, watch_fd(c->watch), pool->shared, NULL, &span, &got);
    if (rc == GANGER_ENOMEM)
        child_garbage(c, "no memory for what it sends");
    *ret_ended = rc == GANGER_ECONN;
    if (rc < 0)
        return false;
    return child_input(c, span) && got >= INBOX_SHARED_BYTES / 2;
}

static void child_link_ended(struct child *c)
{
    struct pool *pool = c->agent->pool;

    link_close(c);
    pool->verbs = true;
    if (pool->engine != NULL)
        engine_child_link_closed(pool->engine, c->slot, c->gen);
}

static void on_link(void *owner, int events)
{
    struct child *c = owner;
    bool ended = false;

    if ((events & UV_WRITABLE) != 0)
        child_dirty(c);
    if ((events & UV_READABLE) != 0 && !c->held && !c->garbage) {
        for (int i = 0; i < READ_ROUNDS && child_read_once(c, &ended); i++)
            continue;
        if (ended)
            child_link_ended(c);
    }
    child_watch(c);
}

/*
 * The page is the child's as well: without the seal it could cut the file, and our next look at
 * it would be a SIGBUS.
 */
static struct page *page_map(int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    void *page;

    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &st) < 0 ||
        st.st_size < (off_t)PAGE_BYTES)
        return NULL;
    page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return page == MAP_FAILED ? NULL : page;
}

static bool is_stream(int fd)
{
    int type = 0, domain = 0;
    socklen_t bytes = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_UNIX;
}

int child_started(struct child *c, pid_t pid, int link, int page)
{
    struct pool *pool = c->agent->pool;
    struct watch *watch = NULL;
    int rc = GANGER_EPROTO;

    GANGER_ASSERT(c->state == CHILD_ASKED);
    c->page = page_map(page);
    if (c->page != NULL && is_stream(link))
        rc = watch_open(pool, pool->loop, link, on_link, c, &watch);
    (void)close(page);
    if (rc < 0) {
        (void)close(link);
        return rc;
    }
    c->watch = watch;
    c->pid = pid;
    c->state = CHILD_RUNNING;
    child_watch(c);
    if (c->retiring)
        child_dirty(c);
    return 0;
}

/* Report the end, whose last word the link had. */
static void end_report(struct child *c)
{
    struct pool *pool = c->agent->pool;
    struct child_end *e = c->end;
    /* Its own words say more than the agent's, who only saw it go. */
    const char *text = c->text != NULL && c->text[0] != '\0' ? c->text : e->text;
    bool group_empty = e->group_empty;

    c->state = CHILD_EXITED;
    pool->verbs = true;
    if (pool->engine != NULL)
        engine_child_exited(pool->engine, c->slot, c->gen, &e->end, group_empty, text);
    free(e);
    c->end = NULL;
    if (group_empty)
        child_free(c);
}

/*
 * Read the link to its end. That a process of the child's making may hold it open does not matter:
 * what the child itself sent is all there.
 */
static void end_drain(struct child *c)
{
    struct pool *pool = c->agent->pool;
    bool ended = false;
    int rc = 0;

    while (c->watch != NULL && !c->held && !c->garbage && !ended && rc == 0) {
        struct inbox_span span;
        size_t got;

        if (c->in.len > 0 && c->in.need == 0 && !child_input(c, inbox_kept(&c->in, pool->shared)))
            continue;
        rc = inbox_receive(&c->in, watch_fd(c->watch), pool->shared, NULL, &span, &got);
        if (rc == 0)
            (void)child_input(c, span);
    }
    if (c->held && c->watch != NULL) {
        child_watch(c);
        return;
    }
    link_close(c);
    end_report(c);
}

void child_exited(
    struct child *c, const struct msg_worker_end *end, bool group_empty, struct slice text)
{
    struct child_end *e;
    size_t tail = end->stderr_tail.len;

    if (c->end != NULL || c->state == CHILD_EXITED)
        return;
    e = malloc(sizeof *e);
    if (e == NULL) {
        /* Without memory for it the cause is lost, not the end. */
        static const struct msg_worker_end unknown;
        struct pool *pool = c->agent->pool;

        c->state = CHILD_EXITED;
        pool->verbs = true;
        if (pool->engine != NULL)
            engine_child_exited(pool->engine, c->slot, c->gen, &unknown, group_empty, "");
        link_close(c);
        if (group_empty)
            child_free(c);
        return;
    }
    e->end = *end;
    e->group_empty = group_empty;
    if (tail > sizeof e->tail)
        tail = sizeof e->tail;
    if (tail > 0)
        memcpy(e->tail, end->stderr_tail.data, tail);
    e->end.stderr_tail = (struct slice){ e->tail, tail };
    (void)snprintf(e->text, sizeof e->text, "%.*s", (int)text.len,
        text.data == NULL ? "" : (const char *)text.data);
    c->end = e;
    end_drain(c);
}

void child_group_empty(struct child *c)
{
    struct pool *pool = c->agent->pool;

    if (c->end != NULL) {
        c->end->group_empty = true;
        return;
    }
    if (c->state != CHILD_EXITED)
        return;
    pool->verbs = true;
    if (pool->engine != NULL)
        engine_child_group_empty(pool->engine, c->slot, c->gen);
    child_free(c);
}

static void link_write(struct child *c)
{
    int rc;

    hands_grant(c);
    rc = outbox_write(&c->out, watch_fd(c->watch));
    c->blocked = rc == GANGER_EAGAIN;
    if (rc == GANGER_ENOMEM)
        child_garbage(c, "no memory for what it is handed");
    /* A link that is broken is read to its end, which tells the rest. */
    if (rc == 0 && c->retiring && !c->shut) {
        (void)shutdown(watch_fd(c->watch), SHUT_WR);
        c->shut = true;
    }
}

/*
 * What was received before a pause and not looked at. Nothing else would bring it up: a child that
 * waits for its next task writes no more.
 */
static void kept_read(struct child *c)
{
    if (c->watch == NULL || c->held || c->garbage || c->in.len == 0 || c->in.need != 0)
        return;
    (void)child_input(c, inbox_kept(&c->in, c->agent->pool->shared));
}

void child_flush(struct child *c)
{
    struct pool *pool = c->agent->pool;

    if (c->garbage && !c->garbage_told && c->state != CHILD_EXITED) {
        log_event(LOG_WARNING, "child-garbage", "pool=%s pid=%d text=%s", c->agent->name,
            (int)c->pid, c->text == NULL ? "" : c->text);
        c->garbage_told = true;
        pool->verbs = true;
        if (pool->engine != NULL)
            engine_child_garbage(pool->engine, c->slot, c->gen, c->text == NULL ? "" : c->text);
    }
    if (c->end != NULL) {
        if (!c->held)
            end_drain(c);
        return;
    }
    kept_read(c);
    if (c->watch != NULL)
        link_write(c);
    child_watch(c);
}
