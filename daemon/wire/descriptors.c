#include "wire/descriptors.h"

#include "proto/err.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr head;
    char room[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

static int descriptor_put(struct descriptors *d, int fd)
{
    if (d->count == DESCRIPTORS_MAX) {
        (void)close(fd);
        return GANGER_EPROTO;
    }
    d->fd[d->count++] = fd;
    return 0;
}

static int rights_put(struct descriptors *d, const struct cmsghdr *c)
{
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int rc = 0;

    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return 0;
    for (size_t i = 0; i < count; i++) {
        int fd, put;

        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        put = descriptor_put(d, fd);
        if (put < 0)
            rc = put;
    }
    return rc;
}

int descriptors_receive(struct descriptors *d, int fd, struct iovec into, size_t *ret_received)
{
    union control control;
    struct msghdr head = { .msg_iov = &into,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = sizeof control.room };
    ssize_t got;
    int rc = 0;

    do {
        got = recvmsg(fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? GANGER_EAGAIN : GANGER_ECONN;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&head); c != NULL; c = CMSG_NXTHDR(&head, c)) {
        int put = rights_put(d, c);

        if (put < 0)
            rc = put;
    }
    if (rc < 0 || (head.msg_flags & MSG_CTRUNC) != 0)
        return GANGER_EPROTO;
    if (got == 0)
        return GANGER_ECONN;
    *ret_received = (size_t)got;
    return 0;
}

int descriptors_take(struct descriptors *d)
{
    int fd;

    if (d->count == 0)
        return -1;
    fd = d->fd[0];
    d->count--;
    memmove(d->fd, d->fd + 1, d->count * sizeof d->fd[0]);
    return fd;
}

void descriptors_done(struct descriptors *d)
{
    while (d->count > 0)
        (void)close(d->fd[--d->count]);
}
