#include "cli.h"

static int status_of_code(int code)
{
    switch (code) {
    case 0:
        return STATUS_DONE;
    case GANGER_ECONN:
    case GANGER_EVERSION:
    case GANGER_EPROTO:
    case GANGER_EACCES:
        return STATUS_CONNECT;
    case GANGER_ETIMEDOUT:
        return STATUS_TIMEOUT;
    case GANGER_ECANCELLED:
        return STATUS_CANCELLED;
    case GANGER_EINVAL:
    case GANGER_ESTATE:
    case GANGER_EFULL:
    case GANGER_ENOPOOL:
    case GANGER_ENOFUNC:
    case GANGER_ENOSEM:
    case GANGER_ERANGE:
    case GANGER_ETOOBIG:
    case GANGER_EDECODE:
    case GANGER_ESTORE:
    case GANGER_EBROKEN:
    case GANGER_EDRAIN:
    case GANGER_EEXIST:
        return STATUS_REFUSED;
    case GANGER_ENOTASK:
        return STATUS_NOTASK;
    case GANGER_EUNKNOWN:
    case GANGER_ELOST:
        return STATUS_UNKNOWN;
    default:
        return STATUS_TROUBLE;
    }
}

int status_of(int code, enum ganger_end end)
{
    if (end == GANGER_END_DONE && code == 0)
        return STATUS_DONE;
    if (end == GANGER_END_CANCELLED)
        return STATUS_CANCELLED;
    if (end == GANGER_END_DEAD)
        return STATUS_DEAD;
    /* A function that is not in the module is known only by its worker. */
    if (end == GANGER_END_NONE || code == GANGER_ENOFUNC)
        return status_of_code(code);
    return STATUS_FAILED;
}

int own_status(const struct cli *cli, int status)
{
    if (status == STATUS_DONE || cli->command == NULL || (cli->command->groups & GROUP_EXEC) == 0)
        return status;
    return status > STATUS_TROUBLE ? status : STATUS_EXEC + status;
}

int status_of_failure(const struct cli *cli, const struct ganger_failure *failure)
{
    bool exec = (cli->command->groups & GROUP_EXEC) != 0;

    if (failure->code == GANGER_EEXIT && failure->has_worker) {
        if (failure->worker.signal != 0)
            return STATUS_SIGNAL + (int)(failure->worker.signal & 127);
        return (int)(failure->worker.exit_code & 255);
    }
    if (exec && failure->code == GANGER_ENOFUNC && failure->end != GANGER_END_NONE)
        return STATUS_NOPROGRAM;
    return own_status(cli, status_of(failure->code, failure->end));
}

const char *way_out(int code)
{
    static const struct {
        int code;
        const char *text;
    } rows[] = {
        { GANGER_ECONN, "is gangerd running? --socket PATH or $GANGER_SOCKET names its socket" },
        { GANGER_EACCES, "the socket's mode and group say who may; see gangerd.yaml(5)" },
        { GANGER_EVERSION, "ganger and gangerd must be of versions that fit together" },
        { GANGER_EPROTO, "is it gangerd that listens there?" },
        { GANGER_ENOPOOL, "`ganger pools` lists them" },
        { GANGER_ENOSEM, "`ganger sem list` lists them, `ganger sem set NAME N` makes one" },
        { GANGER_ENOTASK, "results are kept for the task's --retention" },
        { GANGER_EFULL, "--wait-room waits until there is room" },
        { GANGER_EBROKEN, "`ganger pools` says why; `ganger pool resume NAME` tries again" },
        { GANGER_ETIMEDOUT, "--timeout DURATION sets how long to wait" },
        { GANGER_ESTORE, "look at the disk and at the log of gangerd" },
        { GANGER_EDRAIN, "try again when it is back" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == code)
            return rows[i].text;
    }
    return NULL;
}
