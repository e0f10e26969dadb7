#include "locks.h"

#include "proto/err.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int locks_init(struct locks *locks, const char *dir, uint32_t epoch)
{
    int dir_bytes = snprintf(locks->dir, sizeof locks->dir, "%s", dir);
    int own_bytes = snprintf(locks->own, sizeof locks->own, "%.*s/agents-%x-%d.lock",
        (int)sizeof locks->dir - 64, dir, epoch, (int)getpid());

    return dir_bytes >= (int)sizeof locks->dir - 64 || own_bytes >= (int)sizeof locks->own
               ? GANGER_ERANGE
               : 0;
}

/* Remove FILE if its lock can be had. True when it is gone. */
static bool lock_clear(int dir, const char *file)
{
    int fd = openat(dir, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool gone;

    if (fd < 0)
        return true;
    gone = flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (gone)
        (void)unlinkat(dir, file, 0);
    (void)close(fd);
    return gone;
}

static bool is_lock(const char *file)
{
    size_t len = strlen(file);

    return strncmp(file, "agents-", 7) == 0 && len > 5 && strcmp(file + len - 5, ".lock") == 0;
}

bool locks_clear(const struct locks *locks)
{
    const char *own = strrchr(locks->own, '/') + 1;
    const struct dirent *entry;
    bool clear = true;
    DIR *dir = opendir(locks->dir);

    if (dir == NULL)
        return false;
    while ((entry = readdir(dir)) != NULL) {
        if (is_lock(entry->d_name) && strcmp(entry->d_name, own) != 0 &&
            !lock_clear(dirfd(dir), entry->d_name))
            clear = false;
    }
    (void)closedir(dir);
    return clear;
}

void locks_done(const struct locks *locks)
{
    if (locks->own[0] != '\0')
        (void)lock_clear(AT_FDCWD, locks->own);
}
