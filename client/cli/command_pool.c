/* Commands about the daemon: pools, semaphores, ping, stats. */
#include "cli.h"
#include "json.h"
#include "times.h"
#include "value.h"

#include <inttypes.h>
#include <stdio.h>

/* One pool with all that is known of it: the only map in the array. Frees VALUE. */
static int pool_show(struct cli *cli, void *value, size_t len)
{
    struct reader r = reader_make(value, len);
    struct value array;

    if (value_read(&r, &array) == 0 && array.type == VALUE_ARRAY && array.count == 1)
        show_value(cli, r.at, (size_t)(r.end - r.at), NULL);
    ganger_free(value);
    return STATUS_DONE;
}

int command_pools(struct cli *cli)
{
    static const char *const columns[] = { "name", "kind", "state", "processes", "ready", "busy",
        "waiting", "delayed", "blocked", "running", "done", "failed", "deaths", "reason", NULL };
    const char *name = cli->arg_count > 0 ? cli->args[0] : NULL;
    void *value = NULL;
    size_t len = 0;
    int rc = ganger_pools(cli->g, name, request_ms(cli), &value, &len);

    if (rc < 0)
        return say_failure(cli, name == NULL ? "pools" : name, rc);
    if (name != NULL && !cli->json)
        return pool_show(cli, value, len);
    return show_reply(cli, value, len, columns);
}

/* What a request without a value has come to. */
static int done_report(struct cli *cli, const char *what, int rc)
{
    struct buf b = { 0 };

    if (rc < 0)
        return say_failure(cli, what, rc);
    if (!cli->json)
        return STATUS_DONE;
    buf_text(&b, "{\"ok\":true}");
    return print_line(cli, &b);
}

int command_pool_resize(struct cli *cli)
{
    uint32_t processes = 0;
    int rc = number_read(cli, "N", cli->args[1], 0, UINT32_MAX, &processes);

    if (rc != 0)
        return rc;
    rc = ganger_pool_resize(cli->g, cli->args[0], processes, request_ms(cli));
    return done_report(cli, cli->args[0], rc);
}

int command_pool_pause(struct cli *cli)
{
    int rc = ganger_pool_pause(cli->g, cli->args[0], request_ms(cli));

    return done_report(cli, cli->args[0], rc);
}

int command_pool_resume(struct cli *cli)
{
    int rc = ganger_pool_resume(cli->g, cli->args[0], request_ms(cli));

    return done_report(cli, cli->args[0], rc);
}

int command_sem_set(struct cli *cli)
{
    uint32_t permits = 0;
    int rc = number_read(cli, "N", cli->args[1], 0, UINT32_MAX, &permits);

    if (rc != 0)
        return rc;
    rc = ganger_sem_set(cli->g, cli->args[0], permits, request_ms(cli));
    return done_report(cli, cli->args[0], rc);
}

int command_sem_value(struct cli *cli)
{
    struct ganger_sem_value v;
    struct buf b = { 0 };
    int rc = ganger_sem_value(cli->g, cli->args[0], request_ms(cli), &v);

    if (rc < 0)
        return say_failure(cli, cli->args[0], rc);
    if (cli->json)
        buf_format(&b, "{\"limit\":%" PRIu64 ",\"held\":%" PRIu64 ",\"waiting\":%" PRIu64 "}",
            v.limit, v.held, v.waiting);
    else
        buf_format(&b, "limit    %" PRIu64 "\nheld     %" PRIu64 "\nwaiting  %" PRIu64, v.limit,
            v.held, v.waiting);
    return print_line(cli, &b);
}

int command_sem_list(struct cli *cli)
{
    void *value = NULL;
    size_t len = 0;
    int rc = ganger_sem_list(cli->g, request_ms(cli), &value, &len);

    return rc < 0 ? say_failure(cli, "sem list", rc) : show_reply(cli, value, len, NULL);
}

int command_stats(struct cli *cli)
{
    void *value = NULL;
    size_t len = 0;
    int rc = ganger_stats(cli->g, request_ms(cli), &value, &len);

    return rc < 0 ? say_failure(cli, "stats", rc) : show_reply(cli, value, len, NULL);
}

int command_ping(struct cli *cli)
{
    struct ganger_server_info info = { .text = "" };
    int64_t before = clock_us(), us;
    struct buf b = { 0 };
    int rc = ganger_ping(cli->g, request_ms(cli));

    us = clock_us() - before;
    if (rc == 0)
        rc = ganger_server_info(cli->g, &info);
    if (rc < 0)
        return say_failure(cli, "ping", rc);
    if (cli->json) {
        buf_format(&b,
            "{\"ok\":true,\"us\":%" PRId64 ",\"pid\":%" PRIu64 ",\"epoch\":%" PRIu64
            ",\"protocol\":%u,\"server\":",
            us, info.pid, info.epoch, info.protocol);
        json_text(info.text, &b);
        buf_char(&b, '}');
    } else {
        buf_format(&b, "%s, pid %" PRIu64 ": %" PRId64 " us", info.text, info.pid, us);
    }
    return print_line(cli, &b);
}
