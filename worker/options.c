#include "worker/options.h"

#include "proto/limits.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    OPT_POOL = 256,
    OPT_MODULE,
    OPT_COMMAND,
    OPT_COMMAND_ANY,
    OPT_LINK_FD,
    OPT_LOCK_FD,
    OPT_SOCKET,
    OPT_INIT_HEX,
    OPT_INIT_FD,
    OPT_DIRECTORY,
    OPT_RLIMIT,
    OPT_NICE,
    OPT_ENV,
    OPT_STDOUT_MAX,
    OPT_INIT_TIMEOUT,
    OPT_HELP,
    OPT_VERSION
};

static const struct option long_options[] = {
    { "pool", required_argument, NULL, OPT_POOL },
    { "module", required_argument, NULL, OPT_MODULE },
    { "command", required_argument, NULL, OPT_COMMAND },
    { "command-any", no_argument, NULL, OPT_COMMAND_ANY },
    { "link-fd", required_argument, NULL, OPT_LINK_FD },
    { "lock-fd", required_argument, NULL, OPT_LOCK_FD },
    { "socket", required_argument, NULL, OPT_SOCKET },
    { "init-hex", required_argument, NULL, OPT_INIT_HEX },
    { "init-fd", required_argument, NULL, OPT_INIT_FD },
    { "directory", required_argument, NULL, OPT_DIRECTORY },
    { "rlimit", required_argument, NULL, OPT_RLIMIT },
    { "nice", required_argument, NULL, OPT_NICE },
    { "env", required_argument, NULL, OPT_ENV },
    { "stdout-max", required_argument, NULL, OPT_STDOUT_MAX },
    { "init-timeout", required_argument, NULL, OPT_INIT_TIMEOUT },
    { "help", no_argument, NULL, OPT_HELP },
    { "version", no_argument, NULL, OPT_VERSION },
    { NULL, 0, NULL, 0 },
};

static const struct {
    const char *name;
    int resource;
} rlimit_names[] = {
    { "as", RLIMIT_AS },
    { "core", RLIMIT_CORE },
    { "cpu", RLIMIT_CPU },
    { "data", RLIMIT_DATA },
    { "fsize", RLIMIT_FSIZE },
    { "locks", RLIMIT_LOCKS },
    { "memlock", RLIMIT_MEMLOCK },
    { "msgqueue", RLIMIT_MSGQUEUE },
    { "nice", RLIMIT_NICE },
    { "nofile", RLIMIT_NOFILE },
    { "nproc", RLIMIT_NPROC },
    { "rss", RLIMIT_RSS },
    { "rtprio", RLIMIT_RTPRIO },
    { "rttime", RLIMIT_RTTIME },
    { "sigpending", RLIMIT_SIGPENDING },
    { "stack", RLIMIT_STACK },
};

static const char help_text[] =
    "Usage: ganger-worker --pool NAME (--link-fd N | --socket PATH) FUNCTIONS [OPTION]...\n"
    "The agent of one pool: forks its workers as the daemon asks, and reports their ends.\n"
    "\n"
    "Functions, one of:\n"
    "  --module PATH         shared object with a ganger_module table\n"
    "  --command PROGRAM     each task runs PROGRAM; its first arguments follow after --\n"
    "  --command-any         each task names its program\n"
    "Way to the daemon, one of:\n"
    "  --link-fd N           open stream socket that the daemon gave\n"
    "  --socket PATH         the daemon's Unix socket, for a pool with `external: true`\n"
    "Workers:\n"
    "  --init-hex HEX        arguments of the initializer: one msgpack value in hexadecimal\n"
    "  --init-fd N           the same, read from descriptor N to its end\n"
    "  --init-timeout MS     longest time for the initializer (0 = none)\n"
    "  --directory DIR       working directory\n"
    "  --rlimit NAME=VALUE   resource limit, soft and hard: nofile, as, cpu, data, core, fsize,\n"
    "                        nproc, stack, ...; VALUE a number or `unlimited`; repeatable\n"
    "  --nice N              added to the niceness\n"
    "  --env NAME=VALUE      environment variable; repeatable\n"
    "  --stdout-max BYTES    longest output of a command that makes a result (1 MiB)\n"
    "  --lock-fd N           keep descriptor N open in all workers\n"
    "  --help, --version\n";

const char *options_help(void)
{
    return help_text;
}

static int fault(char *err, size_t err_bytes, const char *option, const char *text, const char *why)
{
    (void)snprintf(err, err_bytes, "--%s %s: %s", option, text, why);
    return GANGER_EINVAL;
}

static int number_read(const char *text, long long min, long long max, long long *ret_number)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < min || number > max)
        return GANGER_EINVAL;
    *ret_number = number;
    return 0;
}

static int rlimit_read(
    struct ganger_worker_rlimit *r, const char *text, char *err, size_t err_bytes)
{
    const char *equals = strchr(text, '=');
    long long value = 0;
    size_t i = 0, count = sizeof rlimit_names / sizeof rlimit_names[0];

    if (equals == NULL)
        return fault(err, err_bytes, "rlimit", text, "not NAME=VALUE");
    while (i < count && (strlen(rlimit_names[i].name) != (size_t)(equals - text) ||
                            strncmp(rlimit_names[i].name, text, (size_t)(equals - text)) != 0))
        i++;
    if (i == count)
        return fault(err, err_bytes, "rlimit", text, "unknown resource");
    r->resource = rlimit_names[i].resource;
    if (strcmp(equals + 1, "unlimited") == 0) {
        r->value = UINT64_MAX;
        return 0;
    }
    if (number_read(equals + 1, 0, INT64_MAX, &value) < 0)
        return fault(err, err_bytes, "rlimit", text, "VALUE is no number and not `unlimited`");
    r->value = (uint64_t)value;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int init_hex_read(struct options *o, const char *text, char *err, size_t err_bytes)
{
    size_t bytes = strlen(text) / 2;

    free(o->init_args);
    o->init_args = malloc(bytes + 1);
    if (o->init_args == NULL)
        return GANGER_ENOMEM;
    for (size_t i = 0; i < bytes; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return fault(err, err_bytes, "init-hex", text, "not hexadecimal");
        o->init_args[i] = (unsigned char)(high * 16 + low);
    }
    if (strlen(text) % 2 != 0)
        return fault(err, err_bytes, "init-hex", text, "an odd number of digits");
    o->config.init_args = o->init_args;
    o->config.init_bytes = bytes;
    return 0;
}

static int init_fd_read(struct options *o, const char *text, char *err, size_t err_bytes)
{
    size_t bytes = 0;
    long long fd;
    ssize_t n;

    if (number_read(text, 0, INT32_MAX, &fd) < 0)
        return fault(err, err_bytes, "init-fd", text, "no descriptor");
    free(o->init_args);
    o->init_args = malloc(GANGER_PAYLOAD_MAX + 1);
    if (o->init_args == NULL)
        return GANGER_ENOMEM;
    while ((n = read((int)fd, o->init_args + bytes, GANGER_PAYLOAD_MAX + 1 - bytes)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault(err, err_bytes, "init-fd", text, strerror(errno));
        bytes += (size_t)n;
        if (bytes > GANGER_PAYLOAD_MAX)
            return fault(err, err_bytes, "init-fd", text, "over 16 MiB");
    }
    (void)close((int)fd);
    o->config.init_args = o->init_args;
    o->config.init_bytes = bytes;
    return 0;
}

static int number_option(struct options *o, int option, char *err, size_t err_bytes)
{
    static const struct {
        int option;
        const char *name;
        long long min, max;
    } rows[] = {
        { OPT_LINK_FD, "link-fd", 0, INT32_MAX },
        { OPT_LOCK_FD, "lock-fd", 3, INT32_MAX },
        { OPT_NICE, "nice", -40, 40 },
        { OPT_STDOUT_MAX, "stdout-max", 0, INT64_MAX },
        { OPT_INIT_TIMEOUT, "init-timeout", 0, UINT32_MAX },
    };
    long long number = 0;
    size_t i = 0;

    while (rows[i].option != option)
        i++;
    if (number_read(optarg, rows[i].min, rows[i].max, &number) < 0)
        return fault(err, err_bytes, rows[i].name, optarg, "no number, or out of range");
    if (option == OPT_LINK_FD)
        o->config.link_fd = (int)number;
    else if (option == OPT_LOCK_FD)
        o->config.lock_fd = (int)number;
    else if (option == OPT_NICE)
        o->config.nice = (int)number;
    else if (option == OPT_STDOUT_MAX)
        o->config.stdout_max = (size_t)number;
    else
        o->config.init_timeout_ms = (uint32_t)number;
    return 0;
}

static int option_take(struct options *o, int option, size_t *env_count, char *err, size_t bytes)
{
    switch (option) {
    case OPT_POOL:
        o->config.pool = optarg;
        return 0;
    case OPT_MODULE:
        o->module = optarg;
        return 0;
    case OPT_COMMAND:
        o->command[0] = optarg;
        return 0;
    case OPT_COMMAND_ANY:
        o->config.command_any = 1;
        return 0;
    case OPT_SOCKET:
        o->config.socket = optarg;
        return 0;
    case OPT_DIRECTORY:
        o->config.directory = optarg;
        return 0;
    case OPT_ENV:
        o->env[(*env_count)++] = optarg;
        return 0;
    case OPT_RLIMIT:
        return rlimit_read(&o->rlimits[o->config.rlimit_count++], optarg, err, bytes);
    case OPT_INIT_HEX:
        return init_hex_read(o, optarg, err, bytes);
    case OPT_INIT_FD:
        return init_fd_read(o, optarg, err, bytes);
    case OPT_HELP:
        o->show_help = true;
        return 0;
    case OPT_VERSION:
        o->show_version = true;
        return 0;
    default:
        return number_option(o, option, err, bytes);
    }
}

/* What follows after the options: the first arguments of the command. */
static int rest_take(struct options *o, int argc, char **argv, char *err, size_t err_bytes)
{
    size_t at = 1;

    if (o->command[0] == NULL && optind < argc) {
        (void)snprintf(err, err_bytes, "argument \"%s\" belongs to no --command", argv[optind]);
        return GANGER_EINVAL;
    }
    for (int i = optind; i < argc; i++)
        o->command[at++] = argv[i];
    if (o->command[0] != NULL)
        o->config.command = o->command;
    o->config.env = o->env;
    o->config.rlimits = o->rlimits;
    return 0;
}

int options_read(struct options *o, int argc, char **argv, char *err, size_t err_bytes)
{
    size_t room = (size_t)argc + 2, env_count = 0;
    int option;

    memset(o, 0, sizeof *o);
    ganger_worker_config_init(&o->config);
    o->rlimits = calloc(room, sizeof o->rlimits[0]);
    o->env = calloc(room, sizeof o->env[0]);
    o->command = calloc(room, sizeof o->command[0]);
    (void)snprintf(err, err_bytes, "out of memory");
    if (o->rlimits == NULL || o->env == NULL || o->command == NULL)
        return GANGER_ENOMEM;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+:", long_options, NULL)) != -1) {
        int rc;

        if (option == '?' || option == ':') {
            (void)snprintf(err, err_bytes, "%s: %s; see --help", argv[optind - 1],
                option == '?' ? "unknown option" : "needs a value");
            return GANGER_EINVAL;
        }
        rc = option_take(o, option, &env_count, err, err_bytes);
        if (rc < 0)
            return rc;
    }
    return rest_take(o, argc, argv, err, err_bytes);
}

void options_done(struct options *o)
{
    free(o->rlimits);
    free(o->env);
    free(o->command);
    free(o->init_args);
}
