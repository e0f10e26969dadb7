/* Starting the process of an agent. */
#include "pool/internal.h"
#include "proto/err.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHILD_LINK_FD 3
#define CHILD_LOCK_FD 4
/* Out of the way of the numbers that the agent is to find them under. */
#define PARK_FD 16

/* A growing list of words, NULL-terminated; FAILED is sticky. */
struct words {
    char **word;
    size_t count, cap;
    bool failed;
};

static void words_add(struct words *w, char *word)
{
    if (word == NULL || w->failed) {
        free(word);
        w->failed = true;
        return;
    }
    if (w->count + 1 >= w->cap) {
        size_t cap = w->cap == 0 ? 16 : 2 * w->cap;
        char **grown = realloc(w->word, cap * sizeof *grown);

        if (grown == NULL) {
            free(word);
            w->failed = true;
            return;
        }
        w->word = grown;
        w->cap = cap;
    }
    w->word[w->count++] = word;
    w->word[w->count] = NULL;
}

static void words_text(struct words *w, const char *text)
{
    words_add(w, strdup(text));
}

static void words_option(struct words *w, const char *option, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void words_option(struct words *w, const char *option, const char *format, ...)
{
    char *value = NULL;
    va_list args;

    words_text(w, option);
    va_start(args, format);
    if (vasprintf(&value, format, args) < 0)
        value = NULL;
    va_end(args);
    words_add(w, value);
}

static void words_init(struct words *w, const struct conf_pool *conf)
{
    static const char digits[] = "0123456789abcdef";
    char *hex;

    if (conf->init == NULL || conf->init_bytes == 0)
        return;
    hex = malloc(2 * conf->init_bytes + 1);
    if (hex != NULL) {
        for (size_t i = 0; i < conf->init_bytes; i++) {
            hex[2 * i] = digits[conf->init[i] >> 4];
            hex[2 * i + 1] = digits[conf->init[i] & 15];
        }
        hex[2 * conf->init_bytes] = '\0';
    }
    words_text(w, "--init-hex");
    words_add(w, hex);
}

static void words_confinement(struct words *w, const struct conf_pool *conf)
{
    if (conf->directory != NULL)
        words_option(w, "--directory", "%s", conf->directory);
    if (conf->nice != 0)
        words_option(w, "--nice", "%d", (int)conf->nice);
    for (size_t i = 0; i < conf->env_count; i++)
        words_option(w, "--env", "%s=%s", conf->env[i].name, conf->env[i].value);
    for (int i = 0; i < CONF_RLIMITS; i++) {
        const struct conf_rlimit *limit = &conf->rlimits[i];
        const char *name = conf_rlimit_name((enum conf_rlimit_kind)i);

        if (limit->given && limit->value == CONF_UNLIMITED)
            words_option(w, "--rlimit", "%s=unlimited", name);
        else if (limit->given)
            words_option(w, "--rlimit", "%s=%llu", name, (unsigned long long)limit->value);
    }
}

/* The program comes last, for its fixed arguments end the command line. */
static void words_program(struct words *w, const struct conf_pool *conf)
{
    if (conf->kind == CONF_POOL_MODULE) {
        words_option(w, "--module", "%s", conf->module);
        return;
    }
    words_option(w, "--stdout-max", "%llu", (unsigned long long)conf->stdout_max_bytes);
    if (conf->kind == CONF_POOL_COMMAND_ANY) {
        words_text(w, "--command-any");
        return;
    }
    words_option(w, "--command", "%s", conf->command[0]);
    if (conf->command[1] == NULL)
        return;
    words_text(w, "--");
    for (char **arg = conf->command + 1; *arg != NULL; arg++)
        words_text(w, *arg);
}

int argv_make(const struct conf_pool *conf, const char *worker, char ***ret_argv)
{
    struct words w = { 0 };

    words_text(&w, worker);
    words_option(&w, "--pool", "%s", conf->name);
    words_option(&w, "--link-fd", "%d", CHILD_LINK_FD);
    words_option(&w, "--lock-fd", "%d", CHILD_LOCK_FD);
    words_option(&w, "--init-timeout", "%llu", (unsigned long long)conf->init_timeout_ms);
    words_init(&w, conf);
    words_confinement(&w, conf);
    words_program(&w, conf);
    if (w.failed) {
        argv_free(w.word);
        return GANGER_ENOMEM;
    }
    *ret_argv = w.word;
    return 0;
}

void argv_free(char **argv)
{
    if (argv == NULL)
        return;
    for (char **word = argv; *word != NULL; word++)
        free(*word);
    free(argv);
}

/* FD again, above the numbers that the child will use; closes FD. */
static int park(int fd)
{
    int parked = fcntl(fd, F_DUPFD_CLOEXEC, PARK_FD);
    int error = errno;

    (void)close(fd);
    errno = error;
    return parked;
}

/*
 * A shared lock that belongs to the agent and its children alone: the open file is theirs once we
 * have closed our descriptor of it, and the lock ends with the last of them.
 */
static int lock_open(const char *path)
{
    int fd;

    if (path == NULL)
        return park(open("/dev/null", O_RDONLY | O_CLOEXEC));
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0) {
        (void)close(fd);
        return -1;
    }
    return park(fd);
}

static int actions_fill(posix_spawn_file_actions_t *actions, int link, int lock)
{
    int rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, link, CHILD_LINK_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, lock, CHILD_LOCK_FD);
    return rc;
}

/* A group of its own: the terminal's ^C is gangerd's to handle. No signal is blocked or ignored. */
static int attributes_fill(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGKILL);
    (void)sigdelset(&all, SIGSTOP);
    (void)posix_spawnattr_setsigmask(attributes, &none);
    (void)posix_spawnattr_setsigdefault(attributes, &all);
    (void)posix_spawnattr_setpgroup(attributes, 0);
    return posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

/*
 * The daemon has raised its soft limit of descriptors for its many sessions; what it starts should
 * not inherit that, since many a program still uses select(2). 0: leave it.
 */
static void nofile_set(uint64_t soft, uint64_t *ret_old)
{
    struct rlimit limit;

    if (ret_old != NULL)
        *ret_old = 0;
    if (soft == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (ret_old != NULL)
        *ret_old = limit.rlim_cur;
    limit.rlim_cur = soft;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(char *const *argv, int link, int lock, uint64_t nofile, pid_t *ret_pid)
{
    uint64_t own = 0;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return rc;
    nofile_set(nofile, &own);
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        rc = actions_fill(&actions, link, lock);
        if (rc == 0)
            rc = attributes_fill(&attributes);
        if (rc == 0)
            rc = posix_spawnp(ret_pid, argv[0], &actions, &attributes, argv, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    nofile_set(own, NULL);
    return rc;
}

int spawn_agent(const struct pool *pool, char *const *argv, pid_t *ret_pid, int *ret_link,
    char *err, size_t err_bytes)
{
    int pair[2] = { -1, -1 };
    int lock = lock_open(pool->lock_path);
    int rc = errno;

    if (lock < 0) {
        (void)snprintf(err, err_bytes, "%s: %s",
            pool->lock_path == NULL ? "/dev/null" : pool->lock_path, strerror(rc));
        return GANGER_EIO;
    }
    rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ? errno : 0;
    if (rc == 0) {
        pair[1] = park(pair[1]);
        rc = pair[1] < 0 ? errno : run(argv, pair[1], lock, pool->config.nofile, ret_pid);
    }
    (void)close(lock);
    if (pair[1] >= 0)
        (void)close(pair[1]);
    if (rc != 0) {
        if (pair[0] >= 0)
            (void)close(pair[0]);
        (void)snprintf(err, err_bytes, "%s cannot be run: %s", argv[0], strerror(rc));
        return GANGER_EIO;
    }
    *ret_link = pair[0];
    return 0;
}
