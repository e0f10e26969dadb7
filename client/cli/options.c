#include "cli.h"
#include "times.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array)    (sizeof(array) / sizeof((array)[0]))
#define NEEDS_MAX       1024u
#define DURATION_MAX_MS (UINT64_C(10) * 366 * 86400 * 1000)

static void *field(struct cli *cli, const struct option_row *row)
{
    return (char *)cli + row->at;
}

static int set_flag(struct cli *cli, const struct option_row *row, const char *text)
{
    bool *flag = field(cli, row);

    (void)text;
    *flag = true;
    return 0;
}

static int set_text(struct cli *cli, const struct option_row *row, const char *text)
{
    const char **to = field(cli, row);

    *to = text;
    return 0;
}

static int set_u32(struct cli *cli, const struct option_row *row, const char *text)
{
    uint32_t *to = field(cli, row);
    int rc = number_read(cli, row->name, text, row->min, row->max, to);

    if (rc == 0)
        cli->options.given |= row->given;
    return rc;
}

static int set_chunk(struct cli *cli, const struct option_row *row, const char *text)
{
    uint32_t chunk = 0;
    int rc = number_read(cli, row->name, text, row->min, row->max, &chunk);

    cli->chunk = chunk;
    return rc;
}

static int set_ms(struct cli *cli, const struct option_row *row, const char *text)
{
    uint64_t *to = field(cli, row);
    int rc = duration_parse(text, to);

    if (rc == 0)
        cli->options.given |= row->given;
    if (rc == GANGER_ERANGE)
        return say_usage(cli, "--%s: %s is more than ten years", row->name, text);
    if (rc < 0)
        return say_usage(cli, "--%s: \"%s\" is no duration (write 500ms, 30s, 5min, 1h30min, 7d)",
            row->name, text);
    return 0;
}

static int set_at(struct cli *cli, const struct option_row *row, const char *text)
{
    int rc = moment_parse(text, clock_wall_ms(), &cli->options.run_at_ms);

    cli->options.given |= row->given;
    if (rc < 0)
        return say_usage(cli,
            "--at: \"%s\" is no time (write 2030-01-31T12:00:00Z, 2030-01-31T12:00:00+01:00, "
            "1893456000 or now+5min)",
            text);
    return 0;
}

static int set_durable(struct cli *cli, const struct option_row *row, const char *text)
{
    (void)text;
    cli->options.durable = (uint32_t)row->max;
    return 0;
}

static int need_read(struct cli *cli, char *word, struct ganger_need *need)
{
    char *colon = strrchr(word, ':');

    need->name = word;
    need->permits = 1;
    if (colon != NULL)
        *colon = '\0';
    if (word[0] == '\0')
        return say_usage(cli, "--needs: a semaphore without a name (write NAME or NAME:N)");
    return colon == NULL ? 0 : number_read(cli, "needs", colon + 1, 1, 1000000, &need->permits);
}

/* "NAME[:N],NAME[:N]..."; the last --needs counts, as with the other options. */
static int set_needs(struct cli *cli, const struct option_row *row, const char *text)
{
    size_t count = 1;
    char *word;
    int rc = 0;

    for (const char *at = text; *at != '\0'; at++)
        count += *at == ',';
    if (count > NEEDS_MAX)
        return say_usage(cli, "--%s: more than %u semaphores", row->name, NEEDS_MAX);
    free(cli->needs);
    free(cli->needs_text);
    cli->needs = calloc(count, sizeof cli->needs[0]);
    cli->needs_text = strdup(text);
    word = cli->needs_text;
    if (cli->needs == NULL || word == NULL) {
        say("out of memory");
        return own_status(cli, STATUS_TROUBLE);
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        char *end = word + strcspn(word, ",");
        bool last = *end == '\0';

        *end = '\0';
        rc = need_read(cli, word, &cli->needs[i]);
        word = last ? end : end + 1;
    }
    cli->options.needs = cli->needs;
    cli->options.need_count = count;
    return rc;
}

static int set_fixed(struct cli *cli, const struct option_row *row, const char *text)
{
    const char **fixed = realloc(cli->fixed, (cli->fixed_count + 1) * sizeof fixed[0]);

    (void)row;
    if (fixed == NULL) {
        say("out of memory");
        return own_status(cli, STATUS_TROUBLE);
    }
    cli->fixed = fixed;
    cli->fixed[cli->fixed_count++] = text;
    return 0;
}

#define AT(member)                 offsetof(struct cli, member)
#define FLAG(member)               set_flag, AT(member), 0, 0, 0
#define U32(member, min, max, bit) set_u32, AT(options.member), min, max, GANGER_OPT_##bit
#define MS(member, bit)            set_ms, AT(options.member), 0, 0, GANGER_OPT_##bit

/* clang-format off */
static const struct option_row rows[] = {
    { "chunksize", "N", "items in a task (default: 1 with -, else as Python's Pool.map)", 0,
        GROUP_MAP, set_chunk, 0, 1, 1048576, 0 },
    { "unordered", NULL, "print results as they come", 0, GROUP_MAP, FLAG(unordered) },
    { "command", NULL, "POOL is a command pool: no FUNCTION, arguments go to the command", 0,
        GROUP_MAP | GROUP_SUBMIT, FLAG(to_command) },
    { "arg", "ARG", "with --command: an argument before the item; may be repeated", 0,
        GROUP_MAP, set_fixed, 0, 0, 0, 0 },
    { "string", NULL, "arguments are strings, whatever they look like", 0,
        GROUP_ARGS, FLAG(as_strings) },
    { "json-args", NULL, "arguments must be JSON", 0, GROUP_ARGS, FLAG(as_json) },
    { "bare", NULL, "send the one argument itself, not an array of arguments", 0,
        GROUP_ARGS, FLAG(bare) },
    { "stdin", NULL, "pass standard input on, even from a terminal", 0, GROUP_EXEC, FLAG(feed) },
    { "no-stdin", NULL, "do not read standard input", 'n', GROUP_EXEC, FLAG(no_feed) },
    { "wait-room", NULL, "wait when the pool is full instead of failing", 0,
        GROUP_TASK, FLAG(wait_room) },
    { "no-cancel", NULL, "^C and --timeout leave the task running", 0, GROUP_WAIT, FLAG(keep) },
    { "durable", NULL, "keep the task through any crash", 0, GROUP_TASK,
        set_durable, 0, 0, GANGER_DURABLE_YES, 0 },
    { "not-durable", NULL, "do not, whatever the pool's default is", 0, GROUP_TASK,
        set_durable, 0, 0, GANGER_DURABLE_NO, 0 },
    { "priority", "N", "0 (most urgent) to 255", 0, GROUP_TASK, U32(priority, 0, 255, PRIORITY) },
    { "delay", "DURATION", "start no earlier than that from now", 0,
        GROUP_TASK, MS(delay_ms, DELAY_MS) },
    { "at", "TIME", "start no earlier than TIME: RFC 3339, seconds since 1970, or now+5min", 0,
        GROUP_TASK, set_at, 0, 0, 0, GANGER_OPT_RUN_AT_MS },
    { "limit", "DURATION", "time that an attempt may run; 0: any", 0,
        GROUP_TASK, MS(limit_ms, LIMIT_MS) },
    { "kill-grace", "DURATION", "time from the soft signal to the kill", 0,
        GROUP_TASK, MS(kill_grace_ms, KILL_GRACE_MS) },
    { "expires", "DURATION", "do not start it later than that from now; 0: never", 0,
        GROUP_TASK, MS(expiry_ms, EXPIRY_MS) },
    { "attempts", "N", "attempts in all, 1 to 1000", 0,
        GROUP_TASK, U32(max_attempts, 1, 1000, MAX_ATTEMPTS) },
    { "backoff", "DURATION", "wait before the second attempt, doubled for each further one", 0,
        GROUP_TASK, MS(backoff_ms, BACKOFF_MS) },
    { "backoff-max", "DURATION", "longest wait between attempts", 0,
        GROUP_TASK, MS(backoff_max_ms, BACKOFF_MAX_MS) },
    { "jitter", "PERCENT", "change each wait by up to that at random, 0 to 100", 0,
        GROUP_TASK, U32(jitter_percent, 0, 100, JITTER_PERCENT) },
    { "crash-budget", "N", "worker deaths until the task is set aside, 1 to 255", 0,
        GROUP_TASK, U32(crash_budget, 1, 255, CRASH_BUDGET) },
    { "retention", "DURATION", "how long the result is kept", 0,
        GROUP_TASK, MS(retention_ms, RETENTION_MS) },
    { "needs", "NAME[:N],...", "permits of semaphores that it takes while it runs", 0,
        GROUP_TASK, set_needs, 0, 0, 0, 0 },
    { "socket", "PATH", "the daemon's socket (default: $GANGER_SOCKET, see ganger(1))", 0,
        GROUP_GLOBAL, set_text, AT(socket), 0, 0, 0 },
    { "json", NULL, "print JSON, one value a line", 0, GROUP_GLOBAL, FLAG(json) },
    { "timeout", "DURATION", "how long to wait in all", 0,
        GROUP_GLOBAL, set_ms, AT(timeout_ms), 0, 0, 0 },
    { "quiet", NULL, "no progress bar, no notes; errors only", 'q', GROUP_GLOBAL, FLAG(quiet) },
    { "help", NULL, "print this help", 'h', GROUP_GLOBAL, FLAG(help) },
    { "version", NULL, "print the version", 0, GROUP_GLOBAL, FLAG(version) },
};
/* clang-format on */

const struct option_row *options_rows(size_t *ret_count)
{
    *ret_count = COUNT(rows);
    return rows;
}

void options_init(struct cli *cli)
{
    *cli = (struct cli){ .timeout_ms = UINT64_MAX, .before_dashes = -1, .deadline_ms = INT64_MAX };
    ganger_options_init(&cli->options);
}

void options_done(struct cli *cli)
{
    free(cli->needs);
    free(cli->needs_text);
    free(cli->fixed);
    free(cli->args);
}

/* "--name", "--name=text" or "-x": the row, and the text after '=' or NULL. */
static const struct option_row *row_find(const char *word, const char **ret_text)
{
    size_t len = strcspn(word, "=");

    *ret_text = NULL;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (word[1] != '-') {
            if (word[1] == rows[i].letter && word[2] == '\0')
                return &rows[i];
        } else if (strlen(rows[i].name) == len - 2 &&
                   memcmp(rows[i].name, word + 2, len - 2) == 0) {
            *ret_text = word[len] == '=' ? word + len + 1 : NULL;
            return &rows[i];
        }
    }
    return NULL;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && word[1] != '.' &&
           !(word[1] >= '0' && word[1] <= '9');
}

/* Apply the option at words[*at]; *at moves to its last word. */
static int option_take(struct cli *cli, unsigned groups, char **words, int count, int *at)
{
    const char *word = words[*at], *text = NULL;
    const struct option_row *row = row_find(word, &text);

    if (row == NULL)
        return say_usage(
            cli, "%s: unknown option (an argument that begins with - goes after --)", word);
    if ((row->groups & groups) == 0)
        return say_usage(cli, "%s: `%s` has no such option", word,
            cli->command == NULL ? "ganger" : cli->command->name);
    if (row->arg == NULL && text != NULL)
        return say_usage(cli, "--%s takes no argument", row->name);
    if (row->arg != NULL && text == NULL) {
        if (*at + 1 >= count)
            return say_usage(cli, "--%s needs an argument: %s", row->name, row->arg);
        text = words[++*at];
    }
    return row->set(cli, row, text);
}

static int options_check(struct cli *cli)
{
    uint32_t both = GANGER_OPT_DELAY_MS | GANGER_OPT_RUN_AT_MS;

    if (cli->as_strings && cli->as_json)
        return say_usage(cli, "--string and --json-args exclude each other");
    if (cli->feed && cli->no_feed)
        return say_usage(cli, "--stdin and --no-stdin exclude each other");
    if ((cli->options.given & both) == both)
        return say_usage(cli, "--delay and --at exclude each other");
    if (cli->fixed_count != 0 && !cli->to_command)
        return say_usage(cli, "--arg is for --command");
    if (cli->to_command && (cli->as_json || cli->bare))
        return say_usage(cli, "with --command arguments are strings");
    if (cli->wait_room)
        cli->options.flags |= GANGER_WAIT_ROOM;
    return 0;
}

int options_parse_global(struct cli *cli, char **words, int count, int *ret_at)
{
    int at, rc = 0;

    for (at = 0; at < count && is_option(words[at]) && rc == 0; at++)
        rc = option_take(cli, GROUP_GLOBAL, words, count, &at);
    *ret_at = at;
    return rc;
}

int options_parse(struct cli *cli, char **words, int count)
{
    int at, rc = 0;

    cli->args = calloc((size_t)count + 1, sizeof cli->args[0]);
    if (cli->args == NULL) {
        say("out of memory");
        return own_status(cli, STATUS_TROUBLE);
    }
    for (at = 0; at < count && rc == 0; at++) {
        if (cli->before_dashes < 0 && strcmp(words[at], "--") == 0)
            cli->before_dashes = cli->arg_count;
        else if (cli->before_dashes < 0 && is_option(words[at]))
            rc = option_take(cli, cli->command->groups | GROUP_GLOBAL, words, count, &at);
        else
            cli->args[cli->arg_count++] = words[at];
    }
    return rc == 0 ? options_check(cli) : rc;
}
