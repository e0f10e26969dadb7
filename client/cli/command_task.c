/* Commands about tasks that were submitted before, by their ids. */
#include "cli.h"
#include "json.h"
#include "signals.h"
#include "value.h"

#include <stdlib.h>
#include <string.h>

/* Read all ids first, so that a typing error does nothing by half. *ret_ids is malloc'd. */
static int ids_read(struct cli *cli, uint64_t **ret_ids)
{
    uint64_t *ids = calloc((size_t)cli->arg_count, sizeof ids[0]);
    int rc = 0;

    if (ids == NULL)
        return say_failure(cli, "task ids", GANGER_ENOMEM);
    for (int i = 0; i < cli->arg_count && rc == 0; i++)
        rc = id_read(cli, cli->args[i], &ids[i]);
    if (rc == 0)
        *ret_ids = ids;
    else
        free(ids);
    return rc;
}

static int wait_report(struct cli *cli, const char *label, struct ganger_future *f)
{
    int rc = task_wait(cli, f);

    if (rc == GANGER_EINTR)
        return STATUS_SIGNAL + signals_caught();
    if (rc == GANGER_ETIMEDOUT)
        return say_failure(cli, label, rc);
    return outcome_report(cli, label, f, OUTCOME_SILENT);
}

/* Tasks that are still waited for when the others were interrupted end as those did. */
static void rest_cancel(struct cli *cli, struct ganger_future **futures, int from)
{
    for (int i = from; i < cli->arg_count && !cli->keep; i++)
        (void)ganger_future_cancel(futures[i]);
    (void)ganger_flush(cli->g, 1000);
}

static int wait_all(struct cli *cli, struct ganger_future **futures)
{
    int first = STATUS_DONE;

    for (int i = 0; i < cli->arg_count; i++) {
        int status = wait_report(cli, cli->args[i], futures[i]);

        if (first == STATUS_DONE)
            first = status;
        if (signals_caught() != 0 || status == STATUS_TIMEOUT) {
            rest_cancel(cli, futures, i + 1);
            return status;
        }
        print_flush(cli);
    }
    return first;
}

int command_wait(struct cli *cli)
{
    struct ganger_future **futures;
    uint64_t *ids = NULL;
    int status = ids_read(cli, &ids), rc = 0;

    if (status != 0)
        return status;
    futures = calloc((size_t)cli->arg_count, sizeof(struct ganger_future *));
    if (futures == NULL)
        rc = GANGER_ENOMEM;
    for (int i = 0; i < cli->arg_count && rc == 0; i++)
        rc = ganger_attach(cli->g, ids[i], &futures[i]);
    status = rc < 0 ? say_failure(cli, "wait", rc) : wait_all(cli, futures);
    free(futures);
    free(ids);
    return status;
}

/* True if the daemon says that the task has not ended. */
static bool is_unfinished(const void *data, size_t len)
{
    static const char *const ends[] = { "done", "failed", "cancelled", "dead" };
    struct value state;

    if (!value_get(reader_make(data, len), "state", &state))
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (value_is_text(&state, ends[i]))
            return false;
    }
    return true;
}

/* Without --timeout a task that has not ended is not waited for. */
static int result_is_there(struct cli *cli, uint64_t id)
{
    void *value = NULL;
    size_t len = 0;
    int rc;

    if (cli->deadline_ms != INT64_MAX)
        return 0;
    rc = ganger_status(cli->g, id, request_ms(cli), &value, &len);
    if (rc == 0 && is_unfinished(value, len)) {
        say("%s: the task has not ended (--timeout DURATION or `ganger wait` waits for it)",
            cli->args[0]);
        rc = own_status(cli, STATUS_TIMEOUT);
    } else if (rc < 0) {
        rc = say_failure(cli, cli->args[0], rc);
    }
    ganger_free(value);
    return rc;
}

int command_result(struct cli *cli)
{
    struct ganger_future *f = NULL;
    uint64_t id = 0;
    int rc = id_read(cli, cli->args[0], &id);

    if (rc == 0)
        rc = result_is_there(cli, id);
    if (rc != 0)
        return rc;
    rc = ganger_attach(cli->g, id, &f);
    if (rc == 0) {
        cli->keep = true;
        rc = task_wait(cli, f);
    }
    if (rc == GANGER_EINTR)
        return STATUS_SIGNAL + signals_caught();
    if (rc < 0)
        return say_failure(cli, cli->args[0], rc);
    return outcome_report(cli, cli->args[0], f, OUTCOME_TEXT);
}

typedef int (*ask_fn)(
    struct ganger *g, uint64_t id, int64_t timeout_ms, void **ret_value, size_t *ret_value_bytes);

/* Prints the answer about argument INDEX and frees it; returns the status. */
typedef int (*show_fn)(struct cli *cli, int index, void *value, size_t len);

/* The same question about each id; the status of the first that fails. */
static int ask_each(struct cli *cli, ask_fn ask, show_fn show)
{
    uint64_t *ids = NULL;
    int first = ids_read(cli, &ids);

    if (first != 0)
        return first;
    for (int i = 0; i < cli->arg_count && signals_caught() == 0; i++) {
        void *value = NULL;
        size_t len = 0;
        int rc = ask(cli->g, ids[i], request_ms(cli), &value, &len), status;

        status = rc < 0 ? say_failure(cli, cli->args[i], rc) : show(cli, i, value, len);
        if (first == STATUS_DONE)
            first = status;
    }
    free(ids);
    return first;
}

static int status_show(struct cli *cli, int index, void *value, size_t len)
{
    if (index > 0 && !cli->json)
        print_bytes(cli, "\n", 1);
    return show_reply(cli, value, len, NULL);
}

int command_status(struct cli *cli)
{
    return ask_each(cli, ganger_status, status_show);
}

/* For people one sentence: what it waits for, and who holds that. */
static int why_show(struct cli *cli, int index, void *value, size_t len)
{
    struct reader r = reader_make(value, len), holder;
    struct value text, holders, id;
    struct buf b = { 0 };

    if (cli->json || !value_get(r, "text", &text) || text.type != VALUE_STR)
        return show_reply(cli, value, len, NULL);
    buf_format(&b, "%s: ", cli->args[index]);
    buf_add(&b, text.data, text.len);
    if (value_find(r, "holders", &holder) && value_read(&holder, &holders) == 0 &&
        holders.type == VALUE_ARRAY) {
        for (uint32_t i = 0; i < holders.count && value_read(&holder, &id) == 0; i++) {
            buf_text(&b, i == 0 ? " by " : ", ");
            if (id.type == VALUE_STR)
                buf_add(&b, id.data, id.len);
        }
    }
    ganger_free(value);
    return print_line(cli, &b);
}

int command_why(struct cli *cli)
{
    return ask_each(cli, ganger_why, why_show);
}

typedef int (*do_fn)(struct ganger *g, uint64_t id, int64_t timeout_ms);

static int do_each(struct cli *cli, do_fn action)
{
    uint64_t *ids = NULL;
    int first = ids_read(cli, &ids);

    if (first != 0)
        return first;
    for (int i = 0; i < cli->arg_count && signals_caught() == 0; i++) {
        int rc = action(cli->g, ids[i], request_ms(cli)), status = STATUS_DONE;

        if (rc < 0) {
            status = say_failure(cli, cli->args[i], rc);
        } else if (cli->json) {
            struct buf b = { 0 };

            buf_format(&b, "{\"id\":\"%s\",\"ok\":true}", cli->args[i]);
            status = print_line(cli, &b);
        }
        if (first == STATUS_DONE)
            first = status;
    }
    free(ids);
    return first;
}

int command_cancel(struct cli *cli)
{
    return do_each(cli, ganger_cancel);
}

int command_forget(struct cli *cli)
{
    return do_each(cli, ganger_forget);
}
