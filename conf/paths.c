/* Where things are when the configuration does not say. */
#include "conf/conf.h"
#include "proto/err.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Put DIR_BYTES of DIR and REST into BUF. */
static int path_put(char *buf, size_t bytes, const char *dir, size_t dir_bytes, const char *rest)
{
    size_t rest_bytes = strlen(rest);

    if (dir_bytes + rest_bytes >= bytes)
        return GANGER_ERANGE;
    memcpy(buf, dir, dir_bytes);
    memcpy(buf + dir_bytes, rest, rest_bytes + 1);
    return 0;
}

/* Put the directory that the variable NAME holds, and REST, into BUF; GANGER_EINVAL: not set. */
static int path_from_env(char *buf, size_t bytes, const char *name, const char *rest)
{
    const char *dir = secure_getenv(name);

    if (dir == NULL || dir[0] != '/')
        return GANGER_EINVAL;
    /* systemd joins the directories of a unit by colons. */
    return path_put(buf, bytes, dir, strcspn(dir, ":"), rest);
}

int conf_default_socket(char *buf, size_t bytes)
{
    char dir[64];
    int rc = path_from_env(buf, bytes, "RUNTIME_DIRECTORY", "/ganger.sock");

    if (rc != GANGER_EINVAL)
        return rc;
    if (geteuid() == 0)
        return path_put(buf, bytes, "/run/ganger", 11, "/ganger.sock");
    rc = path_from_env(buf, bytes, "XDG_RUNTIME_DIR", "/ganger/ganger.sock");
    if (rc != GANGER_EINVAL)
        return rc;
    (void)snprintf(dir, sizeof dir, "/tmp/ganger-%lu", (unsigned long)geteuid());
    return path_put(buf, bytes, dir, strlen(dir), "/ganger.sock");
}

/* Put the home directory that the user database knows, and REST, into BUF. */
static int path_from_passwd(char *buf, size_t bytes, const char *rest)
{
    struct passwd *found = NULL;
    struct passwd entry;
    char room[8192];

    if (getpwuid_r(geteuid(), &entry, room, sizeof room, &found) != 0 || found == NULL ||
        entry.pw_dir[0] != '/')
        return GANGER_EINVAL;
    return path_put(buf, bytes, entry.pw_dir, strlen(entry.pw_dir), rest);
}

int conf_default_journal(char *buf, size_t bytes)
{
    int rc = path_from_env(buf, bytes, "STATE_DIRECTORY", "");

    if (rc != GANGER_EINVAL)
        return rc;
    if (geteuid() == 0)
        return path_put(buf, bytes, "/var/lib/ganger", 15, "");
    rc = path_from_env(buf, bytes, "XDG_STATE_HOME", "/ganger");
    if (rc != GANGER_EINVAL)
        return rc;
    rc = path_from_env(buf, bytes, "HOME", "/.local/state/ganger");
    if (rc != GANGER_EINVAL)
        return rc;
    return path_from_passwd(buf, bytes, "/.local/state/ganger");
}
