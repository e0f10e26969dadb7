/*
 * chaos [--seconds N] [--seed S]: several clients submit durable tasks while gangerd (started
 * again at once), agents, children, commands and clients are killed at random. Then all is left
 * alone until it has settled, and the checker counts.
 */
#include "tests/chaos/chaos.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS   4
#define SETTLE_MS 60000

static const char yaml[] = "journal:\n"
                           "  dir: %D/journal\n"
                           "  segment: 1MiB\n"
                           "log:\n"
                           "  level: info\n"
                           "  format: plain\n"
                           "semaphores:\n"
                           "  one: 1\n"
                           "  three: 3\n"
                           "pools:\n"
                           "  left:\n"
                           "    module: %T/chaosmod.so\n"
                           "    processes: 4\n"
                           "    early_deaths: 1000\n"
                           "  right:\n"
                           "    module: %T/chaosmod.so\n"
                           "    processes: 3\n"
                           "    early_deaths: 1000\n"
                           "    max_tasks_per_child: 20\n"
                           "  cmd:\n"
                           "    command: [/bin/sh, -c, 'echo \"B $1 0 0 $$\" >>%D/effects; "
                           "sleep 0.01; echo \"E $1 0 0 $$\" >>%D/effects; printf %s \"$1\"', sh]\n"
                           "    processes: 2\n"
                           "    early_deaths: 1000\n";

struct chaos {
    struct daemon *d;
    struct dice dice;
    uint64_t seed;
    int64_t until_ms;
    pid_t clients[CLIENTS];
    uint32_t client_count; /* started so far */
    unsigned kills[DAEMON_OTHER + 1], client_kills, stops, freezes, wrong;
};

static void client_start(struct chaos *c, unsigned i)
{
    uint32_t number = ++c->client_count;
    char log[16];
    pid_t pid;

    (void)snprintf(log, sizeof log, "client-%u", number);
    pid = fork();
    if (pid == 0) {
        struct client_config config = { .socket = daemon_socket(c->d),
            .log = daemon_path(c->d, log),
            .number = number,
            .seed = c->seed,
            .until_ms = c->until_ms,
            .settle_ms = SETTLE_MS };

        _exit(client_run(&config));
    }
    c->clients[i] = pid;
}

static void client_kill(struct chaos *c)
{
    unsigned i = dice_below(&c->dice, CLIENTS);

    (void)kill(c->clients[i], SIGKILL);
    (void)waitpid(c->clients[i], NULL, 0);
    c->client_kills++;
    client_start(c, i);
}

/* Nobody but us may end it. */
static void daemon_look(struct chaos *c)
{
    int status;

    if (!daemon_died(c->d, &status))
        return;
    (void)printf("WRONG: gangerd ended by itself, status %x\n", (unsigned)status);
    c->wrong++;
    daemon_spawn(c->d);
}

static void pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* One that has just begun does not know yet what SIGTERM asks for, and dies of it. */
static void daemon_await(struct chaos *c)
{
    int64_t end_ms = test_now_ms() + DAEMON_WAIT_MS;
    struct ganger *g = NULL;
    unsigned round = 0;

    while (ganger_open(daemon_socket(c->d), &g) < 0 && test_now_ms() < end_ms)
        test_back_off(&round);
    ganger_close(g);
}

/* At once; or while it drains; or, once it has drained, not at all. */
static void daemon_shoot(struct chaos *c)
{
    uint32_t n = dice_below(&c->dice, 5);

    if (n == 0) {
        daemon_await(c);
        daemon_stop(c->d);
        c->stops++;
    } else {
        if (n == 1) {
            daemon_signal(c->d, SIGTERM);
            pause_ms(dice_below(&c->dice, 20));
        }
        daemon_kill(c->d);
        c->kills[DAEMON_SELF]++;
    }
    daemon_spawn(c->d);
}

/* One of those that have the role now, if any; 0 for none. */
static pid_t process_pick(struct chaos *c, enum daemon_role role)
{
    static struct daemon_process list[512];
    size_t count = daemon_processes(c->d, list, 512), of_role = 0;

    for (size_t i = 0; i < count; i++) {
        if (list[i].role == role)
            list[of_role++] = list[i];
    }
    return of_role == 0 ? 0 : list[dice_below(&c->dice, (uint32_t)of_role)].pid;
}

static void process_kill(struct chaos *c, enum daemon_role role)
{
    pid_t pid = process_pick(c, role);

    if (pid <= 0)
        return;
    (void)kill(pid, SIGKILL);
    c->kills[role]++;
}

/* One that hangs for a while, as on a machine that is short of memory. */
static void process_pause(struct chaos *c)
{
    pid_t pid = process_pick(c, (enum daemon_role)dice_below(&c->dice, DAEMON_OTHER));

    if (pid <= 0)
        return;
    (void)kill(pid, SIGSTOP);
    pause_ms(dice_below(&c->dice, 300));
    (void)kill(pid, SIGCONT);
    c->freezes++;
}

/* The new gangerd has to wait for an agent of the old one, which does not see that that has gone.
 */
static void daemon_shoot_behind_agent(struct chaos *c)
{
    pid_t agent = process_pick(c, DAEMON_AGENT);

    if (agent <= 0 || !process_freeze(agent))
        return;
    daemon_kill(c->d);
    c->kills[DAEMON_SELF]++;
    c->freezes++;
    daemon_spawn(c->d);
    pause_ms(100 + (long)dice_below(&c->dice, 400));
    process_thaw(agent);
}

static void shoot(struct chaos *c)
{
    uint32_t n = dice_below(&c->dice, 100);

    if (n < 10)
        daemon_shoot(c);
    else if (n < 13)
        daemon_shoot_behind_agent(c);
    else if (n < 30)
        process_kill(c, DAEMON_AGENT);
    else if (n < 85)
        process_kill(c, DAEMON_CHILD);
    else if (n < 90)
        process_kill(c, DAEMON_OTHER);
    else if (n < 95)
        process_pause(c);
    else
        client_kill(c);
}

/* The clients end when all they wait for has ended. */
static unsigned clients_wait(struct chaos *c)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < CLIENTS; i++) {
        int status = -1;

        while (waitpid(c->clients[i], &status, 0) < 0 && errno == EINTR)
            continue;
        if (status != 0) {
            (void)printf("WRONG: client %u ended with status %x\n", i, (unsigned)status);
            wrong++;
        }
    }
    return wrong;
}

static unsigned stop(struct chaos *c)
{
    struct daemon_process left[16];
    int64_t end_ms = test_now_ms() + 10000;
    unsigned round = 0;
    size_t count;

    daemon_stop(c->d);
    while ((count = daemon_processes(c->d, left, 16)) > 0 && test_now_ms() < end_ms)
        test_back_off(&round);
    for (size_t i = 0; i < count; i++)
        (void)printf("WRONG: process %d (parent %d, state %c) is left\n", (int)left[i].pid,
            (int)left[i].parent, left[i].state);
    return (unsigned)count;
}

static unsigned chaos_run(struct chaos *c, int64_t seconds)
{
    int64_t begin_ms = test_now_ms();
    unsigned wrong;

    c->until_ms = begin_ms + seconds * 1000;
    for (unsigned i = 0; i < CLIENTS; i++)
        client_start(c, i);
    while (test_now_ms() < c->until_ms) {
        pause_ms(10 + (long)dice_below(&c->dice, 250));
        daemon_look(c);
        shoot(c);
    }
    (void)printf(
        "kills: gangerd %u, agents %u, children %u, others %u, clients %u; gangerd stopped "
        "%u times, processes frozen %u times\n",
        c->kills[DAEMON_SELF], c->kills[DAEMON_AGENT], c->kills[DAEMON_CHILD],
        c->kills[DAEMON_OTHER], c->client_kills, c->stops, c->freezes);
    wrong = c->wrong + clients_wait(c);
    (void)printf("settled %lld ms after the last kill\n", (long long)(test_now_ms() - c->until_ms));
    wrong += check_run(c->d);
    return wrong + stop(c);
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "seconds", required_argument, NULL, 's' },
        { "seed", required_argument, NULL, 'r' }, { NULL, 0, NULL, 0 } };
    static struct chaos c;
    long long seconds = 20;
    unsigned wrong;
    int option;

    c.seed = (uint64_t)time(NULL);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            seconds = strtoll(optarg, NULL, 10);
        else if (option == 'r')
            c.seed = strtoull(optarg, NULL, 10);
        else
            return 2;
    }
    (void)printf("chaos --seconds %lld --seed %" PRIu64 "\n", seconds, c.seed);
    (void)fflush(stdout);
    c.dice.state = c.seed * 0x9e3779b97f4a7c15ull + 1;
    c.d = daemon_new(yaml);
    daemon_env(c.d, "CHAOS_DIR=%D");
    daemon_start(c.d);
    wrong = chaos_run(&c, seconds);
    (void)printf("%u wrongs\n", wrong);
    if (wrong == 0)
        daemon_free(c.d);
    else
        (void)printf("see %s\n", daemon_dir(c.d));
    return wrong == 0 ? 0 : 1;
}
