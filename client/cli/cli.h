/*
 * The ganger command: what its parts share.
 *
 * One struct cli lives in main(). Options and arguments are set by options_parse(), the handle by
 * cli_connect(). A command is a function that returns the exit status.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "buf.h"

#include "ganger/ganger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Exit statuses; ganger(1) lists them. A command task gives its own status instead. With `exec`
 * ours are STATUS_EXEC + n, so that they are not taken for the command's.
 */
enum status {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,      /* the task failed */
    STATUS_USAGE = 2,       /* bad options or arguments */
    STATUS_CONNECT = 3,     /* no daemon */
    STATUS_TIMEOUT = 4,     /* --timeout, or a result that is not there yet */
    STATUS_CANCELLED = 5,   /* the task was cancelled */
    STATUS_DEAD = 6,        /* the task was set aside */
    STATUS_REFUSED = 7,     /* full, unknown pool, out of range, ... */
    STATUS_NOTASK = 8,      /* unknown task */
    STATUS_UNKNOWN = 9,     /* the outcome is not known */
    STATUS_TROUBLE = 10,    /* anything else: memory, input, output */
    STATUS_NOPROGRAM = 127, /* exec: the program cannot be executed */
    STATUS_SIGNAL = 128,    /* + number of a signal */
    STATUS_EXEC = 240
};

struct cli;

/* Which options a command takes, ored. */
enum option_group {
    GROUP_GLOBAL = 1,
    GROUP_TASK = 2, /* options of a task */
    GROUP_ARGS = 4, /* how arguments are read */
    GROUP_MAP = 8,
    GROUP_EXEC = 16, /* standard input of a command */
    GROUP_WAIT = 32, /* what it waits for is cancelled by ^C */
    GROUP_SUBMIT = 64
};

struct command {
    const char *name; /* one word or two */
    const char *synopsis, *summary;
    const char *text; /* more help, or NULL */
    unsigned groups;
    int args_min, args_max; /* -1: any number */
    int (*run)(struct cli *cli);
};

struct cli {
    const struct command *command;
    /* Options. */
    const char *socket;
    bool json, quiet, help, version;
    bool as_strings, as_json, bare, to_command;
    bool unordered, keep, wait_room, feed, no_feed;
    uint64_t timeout_ms; /* UINT64_MAX: not given */
    uint64_t chunk;      /* 0: not given */
    struct ganger_options options;
    struct ganger_need *needs;
    char *needs_text;
    const char **fixed; /* --arg */
    size_t fixed_count;
    /* Arguments: those of argv that are no options. */
    char **args;
    int arg_count;
    int before_dashes; /* how many of them come before "--"; -1: there is none */
    struct ganger *g;
    int64_t deadline_ms; /* by clock_ms(); INT64_MAX: none */
    int deaf;            /* errno of the write to standard output that failed; 0: none did */
};

/* ---- say.c: standard error and output ---- */

/* "ganger: " and the text and a newline, to standard error. A progress bar is wiped off before. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Say that WHAT failed with CODE, why, and a way out; with --json also print an error object. */
int say_failure(struct cli *cli, const char *what, int code);

/* Say that the command line is wrong and where its help is. Returns the status for it. */
int say_usage(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* STATUS as it is, or moved for `exec`. */
int own_status(const struct cli *cli, int status);

/* Write to standard output, or flush it; sets cli->deaf when that fails. */
void print_flush(struct cli *cli);
void print_bytes(struct cli *cli, const void *data, size_t len);

/* Print what B holds and a newline; frees B. Returns STATUS_DONE or that of being out of memory. */
int print_line(struct cli *cli, struct buf *b);

/* Flush; the status to exit with: STATUS itself, or another if output was lost. */
int print_end(struct cli *cli, int status);

/* ---- exit_code.c ---- */

/* The exit status of a task that ended so, or of a request with that code; not moved for exec. */
int status_of(int code, enum ganger_end end);

/* As status_of(), but a command's own status or signal if it has one; moved for exec. */
int status_of_failure(const struct cli *cli, const struct ganger_failure *failure);

/* What to do about CODE, or NULL. */
const char *way_out(int code);

/* ---- usage.c ---- */

void usage_print(const struct command *commands, size_t count);
void usage_command(const struct command *command);

/* The nearest of the commands' names to WORD, or NULL. */
const struct command *usage_nearest(const struct command *commands, size_t count, const char *word);

/* ---- options.c ---- */

/* One row for each option; for help as well. */
struct option_row {
    const char *name; /* without "--" */
    const char *arg;  /* NULL: takes none */
    const char *help;
    char letter;
    unsigned groups;
    int (*set)(struct cli *cli, const struct option_row *row, const char *text);
    size_t at; /* offset in struct cli of what it sets */
    uint64_t min, max;
    uint32_t given; /* bit in cli->options.given */
};
const struct option_row *options_rows(size_t *ret_count);

/* All to the default. options_done() frees what options_parse() made. */
void options_init(struct cli *cli);
void options_done(struct cli *cli);

/*
 * Read COUNT words after the command's name: options that cli->command takes (anywhere before
 * "--"), and arguments. A word that begins with '-' is an argument if a digit or nothing follows.
 * Returns 0, or the status after having said what is wrong.
 */
int options_parse(struct cli *cli, char **words, int count);

/* The first of the words that is no global option, and its index in *ret_at; they are applied. */
int options_parse_global(struct cli *cli, char **words, int count, int *ret_at);

/* ---- call.c: payloads and ids ---- */

/* Connect; returns 0 or the status after having said why not. */
int cli_connect(struct cli *cli);

/* Add one argument as msgpack, as --string and --json-args say. 0 or a negative code. */
int arg_pack(struct cli *cli, const char *text, size_t len, struct buf *out);

/* The payload of a function: the array of ARGS (or the only one, with --bare). 0 or a status. */
int call_payload(struct cli *cli, char **args, int count, struct buf *out);

/* The payload of a command: [[fixed ..., ARGS ...], input or nil]. INPUT may be NULL. */
void command_payload(
    struct cli *cli, char *const *args, int count, const struct buf *input, struct buf *out);

/* Pack as str, or as bin if it is no UTF-8. */
void text_pack(const char *text, size_t len, struct buf *out);

/* Read a task id; 0 or the status after having said that it is none. */
int id_read(struct cli *cli, const char *text, uint64_t *ret_id);

/* A whole number in MIN..MAX as argument WHAT; 0 or the status after having said what is wrong. */
int number_read(struct cli *cli, const char *what, const char *text, uint64_t min, uint64_t max,
    uint32_t *ret_number);

/* Milliseconds until the deadline; OTHERWISE if there is none; at most MOST. */
int64_t time_left(const struct cli *cli, int64_t otherwise, int64_t most);

/* Time for a request: what --timeout leaves, or 30 seconds. */
int64_t request_ms(const struct cli *cli);

/* ---- task_wait.c ---- */

/*
 * Wait for the end of F, with a progress bar if it reports. 0; GANGER_ETIMEDOUT, GANGER_EINTR: the
 * task was then cancelled unless --no-cancel, and may have ended meanwhile.
 */
int task_wait(struct cli *cli, struct ganger_future *f);

/* ---- outcome.c ---- */

/* Print a value as text: strings and binaries raw, others as JSON. */
void value_print(struct cli *cli, const void *data, size_t len);

/* Say on standard error how it failed: WHAT, why, the tail of its standard error. */
void failure_say(struct cli *cli, const char *what, const struct ganger_failure *failure);

/* Add {"code": ..., "name": ..., "text": ..., ...} to OUT. */
void failure_json(const struct ganger_failure *failure, struct buf *out);

enum outcome_form {
    OUTCOME_TEXT,  /* the result and, if it has none, a newline */
    OUTCOME_RAW,   /* a command's output as it is, also if it failed */
    OUTCOME_SILENT /* only --json prints */
};

/* Report the end of F, which is ready; LABEL names it in messages. Returns the exit status. */
int outcome_report(
    struct cli *cli, const char *label, struct ganger_future *f, enum outcome_form form);

/* ---- show.c ---- */

/*
 * Print a value for people: a map as "key value" lines, an array of maps as a table of COLUMNS
 * (ends with NULL), or if that is NULL of all keys of the first one.
 */
void show_value(struct cli *cli, const void *data, size_t len, const char *const *columns);

/* Print a reply's value: JSON with --json, else for people. Frees VALUE. Returns the status. */
int show_reply(struct cli *cli, void *value, size_t len, const char *const *columns);

/* ---- the commands ---- */

int command_map(struct cli *cli);
int command_run(struct cli *cli);
int command_exec(struct cli *cli);
int command_submit(struct cli *cli);
int command_wait(struct cli *cli);
int command_result(struct cli *cli);
int command_status(struct cli *cli);
int command_why(struct cli *cli);
int command_cancel(struct cli *cli);
int command_forget(struct cli *cli);
int command_pools(struct cli *cli);
int command_pool_resize(struct cli *cli);
int command_pool_pause(struct cli *cli);
int command_pool_resume(struct cli *cli);
int command_sem_set(struct cli *cli);
int command_sem_value(struct cli *cli);
int command_sem_list(struct cli *cli);
int command_ping(struct cli *cli);
int command_stats(struct cli *cli);

#endif
