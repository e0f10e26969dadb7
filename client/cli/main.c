/* The ganger command: finds the command, reads its options, connects, runs it. */
#include "bar.h"
#include "cli.h"
#include "signals.h"
#include "times.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CALL         (GROUP_TASK | GROUP_ARGS)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct command commands[] = {
    { "map", "[OPTION...] POOL FUNCTION [ARG...|-]",
        "Run a function over items and print the results in order",
        "Each ARG, or with - each line of standard input, is an item: FUNCTION is called with it.\n"
        "One result a line. Waits for room in the pool.",
        CALL | GROUP_MAP | GROUP_WAIT, 1, -1, command_map },
    { "run", "[OPTION...] POOL FUNCTION [ARG...]", "Run a function and print its result",
        "An ARG that is JSON is that value, any other a string.", CALL | GROUP_WAIT, 2, -1,
        command_run },
    { "exec", "[OPTION...] [POOL] -- CMD [ARG...]", "Run a command in a command pool",
        "In a pool of a fixed command all words after -- are arguments of it. POOL is \"command\"\n"
        "if none is given. Standard input is passed on unless it is a terminal. The exit status\n"
        "is that of the command; ganger's own are 240 and more.",
        GROUP_TASK | GROUP_EXEC | GROUP_WAIT, 0, -1, command_exec },
    { "submit", "[OPTION...] POOL FUNCTION [ARG...]", "Submit a task and print its id", NULL,
        CALL | GROUP_SUBMIT, 1, -1, command_submit },
    { "wait", "ID...", "Wait for tasks to end", "The exit status is that of the first that failed.",
        GROUP_WAIT, 1, -1, command_wait },
    { "result", "ID", "Print the result of a task that has ended",
        "With --timeout it waits for the end.", 0, 1, 1, command_result },
    { "status", "ID...", "Print the state of tasks", NULL, 0, 1, -1, command_status },
    { "why", "ID...", "Say why tasks are not running", NULL, 0, 1, -1, command_why },
    { "cancel", "ID...", "Cancel tasks", NULL, 0, 1, -1, command_cancel },
    { "forget", "ID...", "Drop the kept results of tasks that have ended", NULL, 0, 1, -1,
        command_forget },
    { "pools", "[NAME]", "List the pools", NULL, 0, 0, 1, command_pools },
    { "pool resize", "NAME N", "Change the number of a pool's processes", NULL, 0, 2, 2,
        command_pool_resize },
    { "pool pause", "NAME", "Hand out no more tasks of a pool", NULL, 0, 1, 1, command_pool_pause },
    { "pool resume", "NAME", "End a pause, or try a broken pool again", NULL, 0, 1, 1,
        command_pool_resume },
    { "sem set", "NAME N", "Set the permits of a semaphore", NULL, 0, 2, 2, command_sem_set },
    { "sem value", "NAME", "Print the permits of a semaphore", NULL, 0, 1, 1, command_sem_value },
    { "sem list", "", "List the semaphores", NULL, 0, 0, 0, command_sem_list },
    { "ping", "", "Ask the daemon for a sign of life", NULL, 0, 0, 0, command_ping },
    { "stats", "", "Print the daemon's counters", NULL, 0, 0, 0, command_stats },
};

/* The command of one word, or of the two words FIRST SECOND; *ret_words: how many it took. */
static const struct command *command_find(const char *first, const char *second, int *ret_words)
{
    size_t len = strlen(first);

    for (size_t i = 0; i < COUNT(commands); i++) {
        const char *name = commands[i].name;

        *ret_words = 1;
        if (strcmp(name, first) == 0)
            return &commands[i];
        *ret_words = 2;
        if (second != NULL && strncmp(name, first, len) == 0 && name[len] == ' ' &&
            strcmp(name + len + 1, second) == 0)
            return &commands[i];
    }
    return NULL;
}

static int command_unknown(struct cli *cli, const char *first, const char *second)
{
    const struct command *near = NULL;
    size_t len = strlen(first);
    char both[64];

    for (size_t i = 0; i < COUNT(commands); i++) {
        if (strncmp(commands[i].name, first, len) != 0 || commands[i].name[len] != ' ')
            continue;
        if (second == NULL)
            return say_usage(
                cli, "%s: what about it? (such as `ganger %s`)", first, commands[i].name);
        (void)snprintf(both, sizeof both, "%s %s", first, second);
        near = usage_nearest(commands, COUNT(commands), both);
    }
    (void)snprintf(both, sizeof both, "%s %s", first, second == NULL ? "" : second);
    if (near == NULL && second != NULL)
        near = usage_nearest(commands, COUNT(commands), both);
    if (near == NULL)
        near = usage_nearest(commands, COUNT(commands), first);
    if (near != NULL)
        return say_usage(cli, "%s%s%s: unknown command (did you mean `%s`?)", first,
            second == NULL ? "" : " ", second == NULL ? "" : second, near->name);
    return say_usage(cli, "%s: unknown command", first);
}

static int args_check(struct cli *cli)
{
    const struct command *c = cli->command;

    if (cli->arg_count < c->args_min)
        return say_usage(
            cli, "%s: arguments are missing: ganger %s %s", c->name, c->name, c->synopsis);
    if (c->args_max >= 0 && cli->arg_count > c->args_max)
        return say_usage(cli, "%s: one argument too many", cli->args[c->args_max]);
    return 0;
}

static int command_start(struct cli *cli)
{
    int status;

    if (cli->timeout_ms != UINT64_MAX)
        cli->deadline_ms = clock_ms() + (int64_t)cli->timeout_ms;
    (void)signal(SIGPIPE, SIG_IGN);
    status = cli_connect(cli);
    if (status != 0)
        return status;
    signals_start(cli->g);
    status = cli->command->run(cli);
    signals_end();
    ganger_close(cli->g);
    cli->g = NULL;
    return status;
}

static int version_print(void)
{
    printf("ganger %s\n", GANGER_VERSION);
    return STATUS_DONE;
}

static int cli_main(struct cli *cli, int argc, char **argv)
{
    int at = 0, words = 0, rc;
    const char *second;

    rc = options_parse_global(cli, argv + 1, argc - 1, &at);
    if (rc != 0)
        return rc;
    at++;
    if (cli->version)
        return version_print();
    if (at == argc) {
        if (!cli->help)
            return say_usage(cli, "no command is given");
        usage_print(commands, COUNT(commands));
        return STATUS_DONE;
    }
    second = at + 1 < argc && argv[at + 1][0] != '-' ? argv[at + 1] : NULL;
    cli->command = command_find(argv[at], second, &words);
    if (cli->command == NULL)
        return command_unknown(cli, argv[at], second);
    at += words;
    rc = options_parse(cli, argv + at, argc - at);
    if (cli->version)
        return version_print();
    if (cli->help) {
        usage_command(cli->command);
        return STATUS_DONE;
    }
    if (rc == 0)
        rc = args_check(cli);
    return rc != 0 ? rc : command_start(cli);
}

/*
 * Started without one of the standard descriptors: else a socket would take its number. Not for
 * writing: output that cannot be printed stays an error, as an input of nothing is none.
 */
static void standard_open(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

int main(int argc, char **argv)
{
    struct cli cli;
    int status;

    standard_open();
    options_init(&cli);
    status = cli_main(&cli, argc, argv);
    bar_hide();
    status = print_end(&cli, status);
    options_done(&cli);
    return status;
}
