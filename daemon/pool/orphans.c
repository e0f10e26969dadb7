/*
 * Processes that an agent has left. gangerd is a subreaper, so whatever an agent's death makes
 * parentless becomes its own child; and it has no children of its own but the agents.
 */
#include "pool/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The parent of the process PID_TEXT, or 0. The name in its second field may hold anything. */
static pid_t parent_of(int proc, const char *pid_text)
{
    char path[64], line[512];
    const char *behind;
    ssize_t got;
    int fd, parent;
    char state;

    (void)snprintf(path, sizeof path, "%.20s/stat", pid_text);
    fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    got = read(fd, line, sizeof line - 1);
    (void)close(fd);
    if (got <= 0)
        return 0;
    line[got] = '\0';
    behind = strrchr(line, ')');
    if (behind == NULL || sscanf(behind + 1, " %c %d", &state, &parent) != 2)
        return 0;
    return (pid_t)parent;
}

static bool is_agent(const struct pool *pool, pid_t pid)
{
    for (uint32_t i = 0; i < pool->agent_count; i++) {
        if (pool->agents[i] != NULL && pool->agents[i]->pid == pid)
            return true;
    }
    return false;
}

unsigned orphans_kill(const struct pool *pool)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    pid_t self = getpid();
    unsigned count = 0;

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);

        if (*end != '\0' || pid <= 1 || parent_of(dirfd(dir), entry->d_name) != self ||
            is_agent(pool, (pid_t)pid))
            continue;
        (void)kill((pid_t)pid, SIGKILL);
        count++;
    }
    (void)closedir(dir);
    return count;
}
