#include "bar.h"

#include "buf.h"
#include "times.h"
#include "value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_MAX   200u
#define WIDTH_LEAST 20u
#define BAR_MOST    40u

static struct {
    bool on, shown;
    int64_t started_ms, drawn_ms;
} bar;

void bar_start(void)
{
    const char *term = getenv("TERM");

    bar.on = isatty(2) != 0 && (term == NULL || strcmp(term, "dumb") != 0);
    bar.started_ms = clock_ms();
    bar.drawn_ms = bar.started_ms - BAR_MS;
}

bool bar_is_on(void)
{
    return bar.on;
}

static unsigned width_now(void)
{
    struct winsize size;

    if (ioctl(2, TIOCGWINSZ, &size) < 0 || size.ws_col < WIDTH_LEAST)
        return 80;
    return size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
}

static void left_add(struct buf *b, uint64_t done, uint64_t total, uint64_t elapsed_ms)
{
    uint64_t seconds = (uint64_t)((double)(total - done) / (double)done * (double)elapsed_ms / 1e3);

    if (seconds >= 3600)
        buf_format(b, "  %lluh%02llumin left", (unsigned long long)(seconds / 3600),
            (unsigned long long)(seconds / 60 % 60));
    else if (seconds >= 60)
        buf_format(b, "  %llumin%02llus left", (unsigned long long)(seconds / 60),
            (unsigned long long)(seconds % 60));
    else
        buf_format(b, "  %llus left", (unsigned long long)seconds);
}

/* Text of a task may be anything: no control character may reach the terminal. */
static void text_add(struct buf *b, const char *text)
{
    size_t len = strlen(text), n;

    for (size_t i = 0; i < len; i += n) {
        n = utf8_char(text + i, len - i);
        if (n == 0 || (unsigned char)text[i] < 0x20 || text[i] == 0x7f ||
            ((unsigned char)text[i] == 0xc2 && (unsigned char)text[i + 1] < 0xa0)) {
            buf_char(b, '?');
            n = n == 0 ? 1 : n;
        } else {
            buf_add(b, text + i, n);
        }
    }
}

/* Copy at most COLUMNS characters; a wide one counts as one, which the wipe makes good. */
static void columns_copy(char *buf, unsigned buf_bytes, unsigned columns, const struct buf *from)
{
    size_t at = 0, n;

    for (; columns > 0 && at < from->len; columns--, at += n) {
        n = utf8_char(from->data + at, from->len - at);
        if (n == 0 || at + n >= buf_bytes)
            break;
        memcpy(buf + at, from->data + at, n);
    }
    buf[at] = '\0';
}

void bar_format(char *buf, unsigned buf_bytes, unsigned width, uint64_t done, uint64_t total,
    bool open, uint64_t elapsed_ms, const char *text)
{
    static const char full[] = "########################################";
    static const char empty[] = "----------------------------------------";
    bool known = total > 0 && !open;
    double share = known ? (done < total ? (double)done / (double)total : 1.0) : 0.0;
    unsigned most = width > 60 ? width - 50 : 10;
    unsigned length = most < BAR_MOST ? most : BAR_MOST;
    unsigned filled = (unsigned)(share * length);
    struct buf b = { 0 };

    if (known)
        buf_format(&b, "%3u%% [%.*s%.*s] ", (unsigned)(share * 100), (int)filled, full,
            (int)(length - filled), empty);
    buf_format(&b, "%llu", (unsigned long long)done);
    if (total > 0)
        buf_format(&b, "/%llu%s", (unsigned long long)total, open ? "+" : "");
    if (elapsed_ms > 0)
        buf_format(&b, "  %.*f/s", (double)done * 1e3 < 1e2 * (double)elapsed_ms ? 1 : 0,
            (double)done * 1e3 / (double)elapsed_ms);
    if (known && done > 0 && done < total)
        left_add(&b, done, total, elapsed_ms);
    if (text != NULL && text[0] != '\0') {
        buf_text(&b, "  ");
        text_add(&b, text);
    }
    columns_copy(buf, buf_bytes, width, &b);
    buf_done(&b);
}

void bar_draw(uint64_t done, uint64_t total, bool open, const char *text)
{
    int64_t now = clock_ms();
    char line[WIDTH_MAX * 4 + 1];

    if (!bar.on || (now - bar.drawn_ms < BAR_MS && (open || done < total)))
        return;
    bar.drawn_ms = now;
    bar.shown = true;
    bar_format(line, sizeof line, width_now() - 1, done, total, open,
        (uint64_t)(now - bar.started_ms), text);
    (void)fprintf(stderr, "\r%s\033[K", line);
    (void)fflush(stderr);
}

void bar_hide(void)
{
    if (!bar.shown)
        return;
    bar.shown = false;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
}
