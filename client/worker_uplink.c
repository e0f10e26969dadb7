#include "client/worker_uplink.h"

#include "proto/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ITEM_FDS 2

struct uplink_item {
    struct uplink_item *next;
    size_t fd_count;
    int fds[ITEM_FDS]; /* leave with the first byte */
    size_t bytes, sent;
    uint8_t data[];
};

void uplink_init(struct uplink *l, int fd)
{
    l->fd = fd;
    l->first = NULL;
    l->last = NULL;
    l->out_bytes = 0;
    l->in_bytes = 0;
    l->in_at = 0;
}

static void fds_close(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)close(fds[i]);
}

static void item_drop(struct uplink *l)
{
    struct uplink_item *item = l->first;

    l->first = item->next;
    if (l->first == NULL)
        l->last = NULL;
    l->out_bytes -= item->bytes - item->sent;
    fds_close(item->fds, item->fd_count);
    free(item);
}

void uplink_done(struct uplink *l)
{
    while (l->first != NULL)
        item_drop(l);
}

/* One sendmsg() of what is left of ITEM; returns what it returned. */
static ssize_t item_send(struct uplink *l, struct uplink_item *item)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(ITEM_FDS * sizeof(int))];
    } control;
    struct iovec iov = { item->data + item->sent, item->bytes - item->sent };
    struct msghdr head = { .msg_iov = &iov, .msg_iovlen = 1 };

    memset(&control, 0, sizeof control);
    if (item->fd_count != 0) {
        struct cmsghdr *c;

        head.msg_control = control.bytes;
        head.msg_controllen = CMSG_SPACE(item->fd_count * sizeof(int));
        c = CMSG_FIRSTHDR(&head);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(item->fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), item->fds, item->fd_count * sizeof(int));
    }
    return sendmsg(l->fd, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int uplink_flush(struct uplink *l)
{
    while (l->first != NULL) {
        struct uplink_item *item = l->first;
        ssize_t n = item_send(l, item);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == ENOBUFS ? 0 : GANGER_ECONN;
        fds_close(item->fds, item->fd_count);
        item->fd_count = 0;
        item->sent += (size_t)n;
        l->out_bytes -= (size_t)n;
        if (item->sent == item->bytes)
            item_drop(l);
    }
    return 0;
}

int uplink_send(struct uplink *l, struct out *o, const int *fds, size_t count)
{
    struct uplink_item *item = NULL;

    if (o->failed == 0)
        item = malloc(sizeof *item + o->len);
    if (item == NULL) {
        fds_close(fds, count);
        out_done(o);
        return GANGER_ENOMEM;
    }
    item->next = NULL;
    item->fd_count = count;
    for (size_t i = 0; i < count; i++)
        item->fds[i] = fds[i];
    item->bytes = o->len;
    item->sent = 0;
    memcpy(item->data, o->data, o->len);
    out_done(o);
    if (l->last == NULL)
        l->first = item;
    else
        l->last->next = item;
    l->last = item;
    l->out_bytes += item->bytes;
    return uplink_flush(l);
}

int uplink_read(struct uplink *l)
{
    ssize_t n;

    memmove(l->in, l->in + l->in_at, l->in_bytes - l->in_at);
    l->in_bytes -= l->in_at;
    l->in_at = 0;
    do {
        n = recv(l->fd, l->in + l->in_bytes, sizeof l->in - l->in_bytes, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        return GANGER_ECONN;
    l->in_bytes += (size_t)n;
    return 1;
}

int uplink_next(struct uplink *l, struct msg *ret_msg)
{
    const uint8_t *body;
    size_t body_bytes;
    int64_t used = frame_next(l->in + l->in_at, l->in_bytes - l->in_at,
        UPLINK_IN_BYTES - FRAME_HEAD_BYTES, &body, &body_bytes, NULL);
    int rc;

    if (used <= 0)
        return (int)used;
    l->in_at += (size_t)used;
    rc = msg_open(body, body_bytes, ret_msg);
    return rc < 0 ? rc : 1;
}
