#include "options.h"

#include "proto/err.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: gangerd [OPTION]...\n"
    "The foreman of gangs of worker processes: takes tasks, hands them out, keeps the results.\n"
    "\n"
    "  --config FILE      read the configuration from FILE; without it there are no pools\n"
    "  --check            check the configuration and exit: 0 and \"ok\", or 1 and what is wrong\n"
    "  --socket PATH      listen on the Unix socket PATH\n"
    "  --journal DIR      keep the journal in DIR; \"memory\" keeps nothing\n"
    "  --log-level LEVEL  error, warning, notice, info or debug\n"
    "  --pid-file FILE    write the process id to FILE while serving\n"
    "  --foreground       stay in the foreground (it always does)\n"
    "  --help             show this and exit\n"
    "  --version          show the version and exit\n"
    "\n"
    "SIGHUP reads the configuration again. SIGTERM and SIGINT stop: running tasks may end within\n"
    "the drain time, the rest stays in the journal; a second one stops at once.\n"
    "Exit status: 0 stopped as asked, 1 configuration or usage, 2 journal, 3 socket, 4 other.\n";

const char *options_help(void)
{
    return help;
}

enum {
    OPTION_CONFIG = 256,
    OPTION_CHECK,
    OPTION_FOREGROUND,
    OPTION_SOCKET,
    OPTION_JOURNAL,
    OPTION_LOG_LEVEL,
    OPTION_PID_FILE,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option long_options[] = {
    { "config", required_argument, NULL, OPTION_CONFIG },
    { "check", no_argument, NULL, OPTION_CHECK },
    { "foreground", no_argument, NULL, OPTION_FOREGROUND },
    { "socket", required_argument, NULL, OPTION_SOCKET },
    { "journal", required_argument, NULL, OPTION_JOURNAL },
    { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
    { "pid-file", required_argument, NULL, OPTION_PID_FILE },
    { "help", no_argument, NULL, OPTION_HELP },
    { "version", no_argument, NULL, OPTION_VERSION },
    { NULL, 0, NULL, 0 },
};

static int level_take(struct options *o, const char *text, char *err, size_t err_bytes)
{
    if (log_level_parse(text, &o->log_level) == 0)
        return 0;
    (void)snprintf(
        err, err_bytes, "--log-level %s: not error, warning, notice, info or debug", text);
    return GANGER_EINVAL;
}

static int option_take(struct options *o, int option, char *err, size_t err_bytes)
{
    switch (option) {
    case OPTION_CONFIG:
        o->config = optarg;
        return 0;
    case OPTION_CHECK:
        o->check = true;
        return 0;
    case OPTION_FOREGROUND:
        return 0;
    case OPTION_SOCKET:
        o->socket = optarg;
        return 0;
    case OPTION_JOURNAL:
        o->journal = optarg;
        return 0;
    case OPTION_LOG_LEVEL:
        return level_take(o, optarg, err, err_bytes);
    case OPTION_PID_FILE:
        o->pid_file = optarg;
        return 0;
    case OPTION_HELP:
        o->help = true;
        return 0;
    case OPTION_VERSION:
        o->version = true;
        return 0;
    default:
        return GANGER_EINVAL;
    }
}

int options_parse(int argc, char **argv, struct options *ret_options, char *err, size_t err_bytes)
{
    struct options o = { .log_level = -1 };
    int option, rc;

    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        err[0] = '\0';
        rc = option_take(&o, option, err, err_bytes);
        if (rc < 0 && err[0] == '\0')
            (void)snprintf(err, err_bytes, "%s: %s", argv[optind - 1],
                option == ':' ? "needs an argument" : "unknown option");
        if (rc < 0)
            return rc;
    }
    if (optind < argc) {
        (void)snprintf(err, err_bytes, "%s: not an option", argv[optind]);
        return GANGER_EINVAL;
    }
    *ret_options = o;
    return 0;
}

/* PATH as seen from the root, for the daemon's own files. */
static char *absolute(const char *path)
{
    char *cwd, *full = NULL;

    if (path[0] == '/')
        return strdup(path);
    cwd = getcwd(NULL, 0);
    if (cwd != NULL && asprintf(&full, "%s/%s", cwd, path) < 0)
        full = NULL;
    free(cwd);
    return full;
}

static int replace(char **at, const char *path)
{
    char *full = absolute(path);

    if (full == NULL)
        return GANGER_ENOMEM;
    free(*at);
    *at = full;
    return 0;
}

int options_apply(const struct options *o, struct conf *conf, char *err, size_t err_bytes)
{
    int rc = 0;

    if (o->log_level >= 0)
        conf->log.level = o->log_level;
    if (o->socket != NULL)
        rc = replace(&conf->socket.path, o->socket);
    if (rc == 0 && strlen(conf->socket.path) > CONF_SOCKET_MAX) {
        (void)snprintf(err, err_bytes, "--socket %s: longer than %u bytes", conf->socket.path,
            CONF_SOCKET_MAX);
        return GANGER_EINVAL;
    }
    if (rc == 0 && o->journal != NULL) {
        conf->journal.memory = strcmp(o->journal, "memory") == 0;
        if (!conf->journal.memory)
            rc = replace(&conf->journal.dir, o->journal);
    }
    if (rc < 0)
        (void)snprintf(err, err_bytes, "%s", "out of memory");
    return rc;
}
