#include "net/address.h"

#include "proto/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct error_text {
    char *data;
    size_t bytes;
};

static int fail(struct error_text err, const char *path, const char *what)
{
    int code = errno == EACCES || errno == EPERM || errno == EROFS ? GANGER_EACCES : GANGER_EIO;

    (void)snprintf(err.data, err.bytes, "%s: %s: %s", path, what, strerror(errno));
    return code;
}

static int say(struct error_text err, int code, const char *path, const char *what)
{
    (void)snprintf(err.data, err.bytes, "%s: %s", path, what);
    return code;
}

static void parent_of(const char *path, char *dir, size_t bytes)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        (void)snprintf(dir, bytes, ".");
    else if (slash == path)
        (void)snprintf(dir, bytes, "/");
    else
        (void)snprintf(dir, bytes, "%.*s", (int)(slash - path), path);
}

/*
 * In a directory of somebody else (/tmp/ganger-UID, made by another user first) he could put his
 * own socket in the place of ours.
 */
static int directory_check(const char *dir, int fd, struct error_text err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return fail(err, dir, "cannot be looked at");
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return say(err, GANGER_EACCES, dir, "belongs to another user: a socket there is not safe");
    return 0;
}

/* Open the directory of the socket, after making it if it is missing. */
static int directory_open(const struct conf_socket *socket, struct error_text err, int *ret_fd)
{
    char dir[CONF_SOCKET_MAX + 1];
    mode_t mode = (socket->mode & 077) != 0 ? 0755 : 0700;
    int fd, rc;

    parent_of(socket->path, dir, sizeof dir);
    if (mkdir(dir, mode) < 0 && errno != EEXIST)
        return fail(err, dir, "cannot be made");
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, dir, "cannot be opened");
    rc = directory_check(dir, fd, err);
    if (rc < 0) {
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

static int address_fill(const char *path, struct error_text err, struct sockaddr_un *ret_name)
{
    *ret_name = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof ret_name->sun_path)
        return say(err, GANGER_EIO, path, "is too long for a socket (at most 107 bytes)");
    memcpy(ret_name->sun_path, path, strlen(path) + 1);
    return 0;
}

/* Does anybody listen there? A full backlog is somebody, too. */
static int probe(const struct sockaddr_un *name, struct error_text err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc, error;

    if (fd < 0)
        return fail(err, name->sun_path, "no socket to be had");
    rc = connect(fd, (const struct sockaddr *)name, sizeof *name);
    error = errno;
    (void)close(fd);
    if (rc == 0 || error == EAGAIN || error == EINPROGRESS)
        return say(err, GANGER_EBUSY, name->sun_path, "another daemon is listening there");
    errno = error;
    if (error == ECONNREFUSED || error == ENOENT)
        return 0;
    return fail(err, name->sun_path, "cannot be tried");
}

static int leftover_remove(const struct sockaddr_un *name, struct error_text err)
{
    struct stat st;
    int rc;

    if (lstat(name->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : fail(err, name->sun_path, "cannot be looked at");
    if (!S_ISSOCK(st.st_mode))
        return say(err, GANGER_EEXIST, name->sun_path, "exists and is not a socket");
    rc = probe(name, err);
    if (rc < 0)
        return rc;
    if (unlink(name->sun_path) < 0 && errno != ENOENT)
        return fail(err, name->sun_path, "is left over and cannot be removed");
    return 0;
}

/* Nobody gets in between: it is for its owner alone until listen(), by which time all is set. */
static int bind_closed(int fd, const struct sockaddr_un *name)
{
    mode_t old = umask(0177);
    int rc = bind(fd, (const struct sockaddr *)name, sizeof *name);
    int error = errno;

    (void)umask(old);
    errno = error;
    return rc;
}

static int address_bind(int fd, const struct conf_socket *socket, const struct sockaddr_un *name,
    struct error_text err, struct address *ret_address)
{
    struct stat st;

    if (bind_closed(fd, name) < 0)
        return fail(err, name->sun_path, "cannot be bound");
    if (lstat(name->sun_path, &st) < 0)
        return fail(err, name->sun_path, "cannot be looked at");
    memcpy(ret_address->path, name->sun_path, strlen(name->sun_path) + 1);
    ret_address->device = st.st_dev;
    ret_address->inode = st.st_ino;
    if (socket->group != CONF_GROUP_NONE && chown(name->sun_path, (uid_t)-1, socket->group) < 0)
        return fail(err, name->sun_path, "cannot be given to the group");
    if (chmod(name->sun_path, (mode_t)socket->mode) < 0)
        return fail(err, name->sun_path, "cannot get its mode");
    if (listen(fd, SOMAXCONN) < 0)
        return fail(err, name->sun_path, "cannot listen");
    return 0;
}

static int address_make(const struct conf_socket *conf, const struct sockaddr_un *name,
    struct error_text err, struct address *ret_address, int *ret_fd)
{
    struct address address = { .path = "" };
    int rc = leftover_remove(name, err);
    int fd;

    if (rc < 0)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(err, name->sun_path, "no socket to be had");
    rc = address_bind(fd, conf, name, err, &address);
    if (rc < 0) {
        address_remove(&address);
        (void)close(fd);
        return rc;
    }
    *ret_address = address;
    *ret_fd = fd;
    return 0;
}

int address_listen(const struct conf_socket *socket, char *err, size_t err_bytes,
    struct address *ret_address, int *ret_fd)
{
    struct error_text text;
    struct sockaddr_un name;
    int dir = -1;
    int rc;

    text.data = err;
    text.bytes = err_bytes;
    rc = address_fill(socket->path, text, &name);
    if (rc == 0)
        rc = directory_open(socket, text, &dir);
    if (rc < 0)
        return rc;
    /* Two daemons that start at once must not each take the other's new file for a left-over. */
    if (flock(dir, LOCK_EX) < 0)
        rc = fail(text, socket->path, "its directory cannot be locked");
    else
        rc = address_make(socket, &name, text, ret_address, ret_fd);
    (void)close(dir);
    return rc;
}

void address_remove(struct address *address)
{
    struct stat st;

    if (address->path[0] != '\0' && lstat(address->path, &st) == 0 &&
        st.st_dev == address->device && st.st_ino == address->inode)
        (void)unlink(address->path);
    address->path[0] = '\0';
}
