#include "client/worker_agent.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *config_fault(const struct ganger_worker_config *c)
{
    int kinds = (c->module != NULL) + (c->load != NULL) + (c->command != NULL) +
                (c->command_any != 0);

    if (c->config_bytes != sizeof *c)
        return "the configuration was made for another version of the library";
    if (c->pool == NULL || c->pool[0] == '\0' || strlen(c->pool) > GANGER_NAME_MAX)
        return "a pool needs a name of 1 to 128 bytes";
    if (kinds != 1)
        return "a pool needs exactly one of: functions, a call that loads them, a command, any "
               "command";
    if (c->command != NULL && c->command[0] == NULL)
        return "the command is empty";
    if (c->link_fd < 0 && c->socket == NULL)
        return "no way to the daemon: neither a descriptor nor a socket";
    if (c->link_fd >= 0 && fcntl(c->link_fd, F_GETFD) < 0)
        return "the descriptor of the link is not open";
    if (c->lock_fd >= 0 && fcntl(c->lock_fd, F_GETFD) < 0)
        return "the descriptor of the lock is not open";
    if (c->init_bytes != 0 && !value_valid(c->init_args, c->init_bytes))
        return "the initializer's arguments are not one msgpack value";
    return NULL;
}

static int env_apply(const char *const *env, char *err, size_t err_bytes)
{
    for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
        const char *equals = strchr(env[i], '=');
        char name[256];

        if (equals == NULL || equals == env[i] || (size_t)(equals - env[i]) >= sizeof name) {
            (void)snprintf(err, err_bytes, "environment: \"%.100s\" is not NAME=VALUE", env[i]);
            return GANGER_EINVAL;
        }
        memcpy(name, env[i], (size_t)(equals - env[i]));
        name[equals - env[i]] = '\0';
        if (setenv(name, equals + 1, 1) < 0) {
            (void)snprintf(err, err_bytes, "out of memory");
            return GANGER_ENOMEM;
        }
    }
    return 0;
}

static int daemon_connect(const char *path, int *ret_fd, char *err, size_t err_bytes)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof address.sun_path) {
        (void)snprintf(err, err_bytes, "%s: the path of a socket has at most %zu bytes", path,
            sizeof address.sun_path - 1);
        return GANGER_EINVAL;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno;

        (void)snprintf(err, err_bytes, "%s: %s", path, strerror(error));
        if (fd >= 0)
            (void)close(fd);
        return error == EACCES || error == EPERM ? GANGER_EACCES : GANGER_ECONN;
    }
    *ret_fd = fd;
    return 0;
}

/* Started without one of the standard descriptors: else the link would take its number. */
static void standard_open(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

int ganger_worker_run(const struct ganger_worker_config *config, char *err, size_t err_bytes)
{
    const char *fault = config_fault(config);
    int fd = config->link_fd, rc;

    if (err_bytes != 0)
        err[0] = '\0';
    if (fault != NULL) {
        (void)snprintf(err, err_bytes, "%s", fault);
        return GANGER_EINVAL;
    }
    standard_open();
    rc = env_apply(config->env, err, err_bytes);
    if (rc == 0 && config->link_fd < 0)
        rc = daemon_connect(config->socket, &fd, err, err_bytes);
    if (rc < 0)
        return rc;
    /* Neither may leak into a command, or into what a module starts. */
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (config->lock_fd >= 0)
        (void)fcntl(config->lock_fd, F_SETFD, FD_CLOEXEC);
    rc = agent_serve(config, fd, err, err_bytes);
    if (config->link_fd < 0)
        (void)close(fd);
    return rc;
}
