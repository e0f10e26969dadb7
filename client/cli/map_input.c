#include "map_input.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536u

int map_input_open(struct map_input *in, struct cli *cli)
{
    struct ganger_server_info info = { .payload_max = 1 << 20 };
    int skip = cli->to_command ? 1 : 2;

    *in = (struct map_input){ .cli = cli, .fd = -1 };
    in->words = cli->args + skip;
    in->word_count = cli->arg_count - skip;
    if (in->word_count < 0)
        return say_usage(cli, "FUNCTION is missing (a command pool has none: --command)");
    /* After "--" a "-" is an item like any other. */
    if (in->word_count == 1 && strcmp(in->words[0], "-") == 0 &&
        (cli->before_dashes < 0 || cli->before_dashes > skip)) {
        (void)ganger_server_info(cli->g, &info);
        in->fd = 0;
        in->line_max = info.payload_max;
        in->word_count = 0;
    } else {
        in->ended = true;
    }
    return 0;
}

void map_input_close(struct map_input *in)
{
    free(in->bytes);
    buf_done(&in->item);
}

/* The end of the line at AT, or NULL if there is no whole one. */
static char *line_end(struct map_input *in)
{
    char *end = in->scanned >= in->len
                    ? NULL
                    : memchr(in->bytes + in->scanned, '\n', in->len - in->scanned);

    if (end == NULL)
        in->scanned = in->len;
    return end;
}

static int too_long(struct map_input *in)
{
    say("item %llu: a line of more than %zu bytes, which is all that a task can take",
        (unsigned long long)in->count + 1, in->line_max);
    return own_status(in->cli, STATUS_REFUSED);
}

/* Room for another read. */
static int room_make(struct map_input *in)
{
    size_t cap = in->cap == 0 ? (size_t)READ_BYTES * 2 : in->cap * 2;
    char *bytes;

    if (in->at > 0) {
        memmove(in->bytes, in->bytes + in->at, in->len - in->at);
        in->len -= in->at;
        in->scanned -= in->at;
        in->at = 0;
    }
    /* One byte more is for the NUL that ends the last line. */
    if (in->cap > in->len + READ_BYTES)
        return 0;
    if (in->len > in->line_max)
        return too_long(in);
    bytes = realloc(in->bytes, cap);
    if (bytes == NULL)
        return say_failure(in->cli, "standard input", GANGER_ENOMEM);
    in->bytes = bytes;
    in->cap = cap;
    return 0;
}

/* Read once what is there. False when there is nothing now. */
static bool input_read(struct map_input *in)
{
    struct pollfd fd = { in->fd, POLLIN, 0 };
    ssize_t n;

    if (poll(&fd, 1, 0) <= 0)
        return false;
    in->failed = room_make(in);
    if (in->failed != 0) {
        in->ended = true;
        return false;
    }
    n = read(in->fd, in->bytes + in->len, READ_BYTES);
    if (n > 0) {
        in->len += (size_t)n;
        return true;
    }
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (n < 0) {
        say("standard input: %s", strerror(errno));
        in->failed = own_status(in->cli, STATUS_TROUBLE);
    }
    in->ended = true;
    return false;
}

bool map_input_is_over(const struct map_input *in)
{
    if (in->fd < 0)
        return in->word_at == in->word_count;
    return in->failed != 0 || (in->ended && in->at == in->len);
}

bool map_input_is_ready(struct map_input *in)
{
    if (map_input_is_over(in))
        return false;
    if (in->fd < 0)
        return true;
    while (line_end(in) == NULL && !in->ended) {
        if (!input_read(in))
            break;
    }
    return !map_input_is_over(in) && (in->ended || line_end(in) != NULL);
}

/* The text of the next item. It is NUL-terminated at *ret_len. */
static const char *text_next(struct map_input *in, size_t *ret_len)
{
    const char *text;
    char *end;

    if (in->fd < 0) {
        text = in->words[in->word_at++];
        *ret_len = strlen(text);
        return text;
    }
    text = in->bytes + in->at;
    end = line_end(in);
    if (end == NULL)
        end = in->bytes + in->len;
    *ret_len = (size_t)(end - text);
    in->at += *ret_len + (end < in->bytes + in->len);
    in->scanned = in->at;
    *end = '\0';
    return text;
}

static int item_pack(struct map_input *in, char *text, size_t len)
{
    struct cli *cli = in->cli;
    int rc = 0;

    buf_clear(&in->item);
    if (cli->to_command) {
        if (memchr(text, '\0', len) != NULL)
            return GANGER_EDECODE;
        command_payload(cli, &text, 1, NULL, &in->item);
    } else {
        if (!cli->bare)
            buf_char(&in->item, (char)0x91); /* an array of one */
        rc = arg_pack(cli, text, len, &in->item);
    }
    return in->item.failed ? GANGER_ENOMEM : rc;
}

int map_input_next(void *user, struct ganger_bytes *ret_item)
{
    struct map_input *in = user;
    union {
        const char *text;
        char *word;
    } item;
    size_t len = 0;
    int rc;

    if (!map_input_is_ready(in))
        return 0;
    item.text = text_next(in, &len);
    if (in->fd >= 0 && len > in->line_max) {
        in->failed = too_long(in);
        return 0;
    }
    rc = item_pack(in, item.word, len);
    if (rc < 0) {
        say("item %llu: %s", (unsigned long long)in->count + 1,
            rc == GANGER_ENOMEM   ? "out of memory"
            : in->cli->to_command ? "a command's argument cannot contain a zero byte"
                                  : "it is no JSON");
        in->failed = own_status(in->cli, rc == GANGER_ENOMEM ? STATUS_TROUBLE : STATUS_USAGE);
        in->ended = true;
        in->word_at = in->word_count;
        return 0;
    }
    in->count++;
    in->given_bytes += in->item.len;
    *ret_item = (struct ganger_bytes){ in->item.data, in->item.len };
    return 1;
}
