#include "tests/bench/server.h"

#include "ganger/ganger.h"
#include "tests/bench/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_S 60.0
#define LOOK_NS 200000

static void config_write(const struct server *s, const char *pools)
{
    char path[600], tests[600];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/gangerd.yaml", s->dir);
    (void)snprintf(tests, sizeof tests, "%s/tests", s->place->build);
    f = fopen(path, "w");
    if (f == NULL)
        sample_fail(path, strerror(errno));
    (void)fprintf(
        f, "socket:\n  path: %s\njournal:\n  dir: %s/journal\npools:\n", s->socket, s->dir);
    for (const char *at; (at = strstr(pools, "%s")) != NULL; pools = at + 2)
        (void)fprintf(f, "%.*s%s", (int)(at - pools), pools, tests);
    (void)fprintf(f, "%s", pools);
    if (fclose(f) != 0)
        sample_fail(path, strerror(errno));
}

/* The child's side: with the log in a file, and gone when the benchmark is. */
static _Noreturn void server_exec(const struct server *s)
{
    char program[600], config[600], log[600];
    int fd;

    (void)snprintf(program, sizeof program, "%s/bin/gangerd", s->place->build);
    (void)snprintf(config, sizeof config, "%s/gangerd.yaml", s->dir);
    (void)snprintf(log, sizeof log, "%s/log", s->dir);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)dup2(fd, STDERR_FILENO);
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)execl(program, program, "--config", config, (char *)NULL);
        perror(program);
    }
    _exit(127);
}

static _Noreturn void server_failed(const struct server *s, const char *why)
{
    char path[600], line[512];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/log", s->dir);
    f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        (void)fputs(line, stderr);
    sample_fail("gangerd", why);
}

/* Connect and ping; the socket file of a start before may still be there. */
static int server_answers(struct server *s)
{
    int rc = ganger_open(s->socket, &s->g);

    if (rc == 0)
        rc = ganger_ping(s->g, (int64_t)(START_S * 1000));
    if (rc < 0) {
        ganger_close(s->g);
        s->g = NULL;
    }
    return rc;
}

double server_resume(struct server *s)
{
    double begin = sample_now();

    s->pid = fork();
    if (s->pid < 0)
        sample_fail("fork", strerror(errno));
    if (s->pid == 0)
        server_exec(s);
    while (server_answers(s) < 0) {
        struct timespec pause = { 0, LOOK_NS };

        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            server_failed(s, "did not start");
        if (sample_now() - begin > START_S)
            server_failed(s, "does not answer");
        (void)nanosleep(&pause, NULL);
    }
    return sample_now() - begin;
}

double server_start(
    struct server *s, const struct server_place *place, const char *name, const char *pools)
{
    *s = (struct server){ .place = place };
    (void)snprintf(s->dir, sizeof s->dir, "%s/%s", place->dir, name);
    (void)snprintf(s->socket, sizeof s->socket, "%s/socket", s->dir);
    if (mkdir(s->dir, 0700) < 0)
        sample_fail(s->dir, strerror(errno));
    config_write(s, pools);
    return server_resume(s);
}

void server_halt(struct server *s)
{
    int status;

    ganger_close(s->g);
    s->g = NULL;
    if (kill(s->pid, SIGTERM) < 0 || waitpid(s->pid, &status, 0) != s->pid || status != 0)
        server_failed(s, "did not stop in good order");
}

static int file_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void server_stop(struct server *s)
{
    server_halt(s);
    (void)nftw(s->dir, file_remove, 16, FTW_DEPTH | FTW_PHYS);
}
