/*
 * The items of a map: words of the command line, or lines of standard input, packed as payloads.
 *
 * Lines are handed out only while there are some: at a moment without any the input is "dry", the
 * map that was fed ends, and another is begun when more has come. So results of a slow input are
 * printed as they come, and nothing ever blocks in the middle of the library.
 */
#ifndef CLI_MAP_INPUT_H
#define CLI_MAP_INPUT_H

#include "cli.h"

struct map_input {
    struct cli *cli;
    /* Words ... */
    char **words;
    int word_count, word_at;
    /* ... or lines of descriptor FD. */
    int fd;
    size_t line_max;
    char *bytes; /* what was read; lines from AT on are still to come, LEN in all */
    size_t at, len, cap;
    size_t scanned;  /* there is no newline between AT and this */
    bool ended;      /* nothing more can be read */
    struct buf item; /* the latest one */
    uint64_t count;  /* items given */
    uint64_t given_bytes;
    int failed; /* exit status after an error that was said; 0: none */
};

/* Read from the words after POOL FUNCTION, or from standard input if the only one is "-". */
int map_input_open(struct map_input *in, struct cli *cli);
void map_input_close(struct map_input *in);

/* True when all items were given. */
bool map_input_is_over(const struct map_input *in);

/* True if an item can be had now, without waiting for more input. */
bool map_input_is_ready(struct map_input *in);

/* A ganger_source_fn; USER is the struct map_input. 0 also when the input is dry. */
int map_input_next(void *user, struct ganger_bytes *ret_item);

#endif
