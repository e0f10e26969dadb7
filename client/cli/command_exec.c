/* Commands that submit one task: run, exec, submit. */
#include "bar.h"
#include "cli.h"
#include "signals.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define POOL_DEFAULT "command"
#define READ_BYTES   65536u

/* Submit, wait, report as LABEL. The payload is freed. */
static int task_run(struct cli *cli, const char *pool, const char *function, const char *label,
    struct buf *payload, enum outcome_form form)
{
    struct ganger_call call = { pool, function, payload->data, payload->len };
    struct ganger_future *f = NULL;
    int rc = payload->failed ? GANGER_ENOMEM : ganger_submit(cli->g, &call, &cli->options, &f);

    buf_done(payload);
    if (rc == GANGER_EINTR && signals_caught() != 0)
        return STATUS_SIGNAL + signals_caught();
    if (rc < 0)
        return say_failure(cli, label, rc);
    if (!cli->quiet)
        bar_start();
    rc = task_wait(cli, f);
    if (rc == GANGER_EINTR)
        return STATUS_SIGNAL + signals_caught();
    if (rc < 0)
        return say_failure(cli, label, rc);
    return outcome_report(cli, label, f, form);
}

int command_run(struct cli *cli)
{
    struct buf payload = { 0 };
    int rc = call_payload(cli, cli->args + 2, cli->arg_count - 2, &payload);

    if (rc != 0) {
        buf_done(&payload);
        return rc;
    }
    return task_run(cli, cli->args[0], cli->args[1], cli->args[1], &payload, OUTCOME_TEXT);
}

/* Read all of standard input, at most MOST bytes. 0 or the status after having said why not. */
static int input_read(struct cli *cli, size_t most, struct buf *input)
{
    char bytes[READ_BYTES];

    for (;;) {
        ssize_t n = read(0, bytes, sizeof bytes);

        if (n < 0 && errno == EINTR && signals_caught() != 0)
            return STATUS_SIGNAL + signals_caught();
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            say("standard input: %s", strerror(errno));
            return own_status(cli, STATUS_TROUBLE);
        }
        if (n == 0)
            return 0;
        buf_add(input, bytes, (size_t)n);
        if (input->failed)
            return say_failure(cli, "standard input", GANGER_ENOMEM);
        if (input->len > most) {
            say("standard input: over the %zu bytes that a task can take (put it into a file and "
                "pass its name)",
                most);
            return own_status(cli, STATUS_REFUSED);
        }
    }
}

/* Whether standard input is passed on: --stdin, or it is open and no terminal. */
static bool input_is_wanted(const struct cli *cli)
{
    if (cli->feed || cli->no_feed)
        return cli->feed;
    return isatty(0) == 0 && errno != EBADF;
}

/* The pool before "--"; the words after it are the program and its arguments. */
static int exec_split(struct cli *cli, const char **ret_pool)
{
    if (cli->before_dashes < 0)
        return say_usage(cli, "put -- before the command: ganger exec [POOL] -- CMD [ARG...]");
    if (cli->before_dashes > 1)
        return say_usage(cli, "%s: one pool is enough", cli->args[1]);
    *ret_pool = cli->before_dashes == 1 ? cli->args[0] : POOL_DEFAULT;
    if (cli->before_dashes == 0 && cli->arg_count == 0)
        return say_usage(cli, "no command is given");
    return 0;
}

int command_exec(struct cli *cli)
{
    struct ganger_server_info info = { .payload_max = 0 };
    struct buf payload = { 0 }, input = { 0 };
    bool wanted = input_is_wanted(cli);
    const char *pool = NULL;
    int rc = exec_split(cli, &pool);

    if (rc != 0)
        return rc;
    if (wanted) {
        (void)ganger_server_info(cli->g, &info);
        rc = input_read(cli, info.payload_max, &input);
    }
    if (rc == 0)
        command_payload(cli, cli->args + cli->before_dashes, cli->arg_count - cli->before_dashes,
            wanted ? &input : NULL, &payload);
    payload.failed = payload.failed || input.failed;
    buf_done(&input);
    return rc != 0 ? rc : task_run(cli, pool, "", pool, &payload, OUTCOME_RAW);
}

int command_submit(struct cli *cli)
{
    int skip = cli->to_command ? 1 : 2, rc = 0;
    struct buf payload = { 0 }, line = { 0 };
    char text[GANGER_ID_TEXT];
    struct ganger_call call;
    uint64_t id = 0;

    if (cli->arg_count < skip)
        return say_usage(cli, "FUNCTION is missing (a command pool has none: --command)");
    if (cli->to_command)
        command_payload(cli, cli->args + 1, cli->arg_count - 1, NULL, &payload);
    else
        rc = call_payload(cli, cli->args + 2, cli->arg_count - 2, &payload);
    call = (struct ganger_call){ cli->args[0], cli->to_command ? "" : cli->args[1], payload.data,
        payload.len };
    if (rc == 0) {
        rc = payload.failed
                 ? GANGER_ENOMEM
                 : ganger_submit_detached(cli->g, &call, &cli->options, request_ms(cli), &id);
        if (rc == GANGER_EINTR && signals_caught() != 0)
            rc = STATUS_SIGNAL + signals_caught();
        else if (rc < 0)
            rc = say_failure(cli, cli->args[0], rc);
    }
    buf_done(&payload);
    if (rc != 0)
        return rc;
    (void)ganger_id_format(id, text);
    buf_format(&line, cli->json ? "{\"id\":\"%s\"}" : "%s", text);
    return print_line(cli, &line);
}
