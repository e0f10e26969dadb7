#include "conf/log.h"

#include "conf/log_line.h"
#include "conf/log_rate.h"
#include "proto/err.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    int level;
} levels[] = {
    { "error", LOG_ERR },
    { "warning", LOG_WARNING },
    { "notice", LOG_NOTICE },
    { "info", LOG_INFO },
    { "debug", LOG_DEBUG },
};

/* Read before the lock is taken, so that a line that is not wanted costs almost nothing. */
static atomic_int log_level = LOG_INFO;

/* All else, under the lock: the journal's sync thread may log beside the loop. */
static struct {
    pthread_mutex_t lock;
    int fd;
    bool opened;
    bool journal; /* resolved format */
    bool socket;
    bool torn; /* the last line was written in part */
    uint64_t dropped;
    struct log_rate rate;
} sink = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .fd = STDERR_FILENO,
    .rate = { .lines = LOG_RATE_LINES, .window_ms = LOG_RATE_MS },
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Is ST what JOURNAL_STREAM names ("device:inode")? A shell that redirects standard error of a
 * unit leaves the variable set, which is why the numbers are compared. */
static bool journal_stream(const struct stat *st)
{
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long long device;
    unsigned long long inode;
    char *end;

    if (text == NULL)
        return false;
    device = strtoull(text, &end, 10);
    if (end == text || *end != ':')
        return false;
    text = end + 1;
    inode = strtoull(text, &end, 10);
    return end != text && *end == '\0' && device == st->st_dev && inode == st->st_ino;
}

static void sink_open(int fd, enum log_format format)
{
    struct stat st;
    bool known = fstat(fd, &st) == 0;

    sink.fd = fd;
    sink.opened = true;
    sink.torn = false;
    sink.socket = known && S_ISSOCK(st.st_mode);
    sink.journal = format == LOG_FORMAT_JOURNAL ||
                   (format == LOG_FORMAT_AUTO && known && journal_stream(&st));
}

void log_open(int fd, enum log_format format)
{
    (void)pthread_mutex_lock(&sink.lock);
    sink_open(fd, format);
    (void)pthread_mutex_unlock(&sink.lock);
}

void log_level_set(int level)
{
    atomic_store(&log_level, level);
}

bool log_wants(int level)
{
    return level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

void log_rate_set(uint32_t lines, uint32_t window_ms)
{
    (void)pthread_mutex_lock(&sink.lock);
    sink.rate.lines = lines;
    sink.rate.window_ms = window_ms;
    (void)pthread_mutex_unlock(&sink.lock);
}

const char *log_level_name(int level)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (levels[i].level == level)
            return levels[i].name;
    }
    return "debug";
}

int log_level_parse(const char *name, int *ret_level)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(levels[i].name, name) == 0) {
            *ret_level = levels[i].level;
            return 0;
        }
    }
    return GANGER_EINVAL;
}

/* Local time with milliseconds and zone, and the level's name. */
static void line_stamp(struct log_line *line, int level)
{
    struct timespec ts;
    struct tm tm;
    char date[32] = "";
    char zone[8] = "";
    char text[96];

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    if (localtime_r(&ts.tv_sec, &tm) != NULL) {
        (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)strftime(zone, sizeof zone, "%z", &tm);
    }
    (void)snprintf(text, sizeof text, "%s.%03ld%s %s ", date, ts.tv_nsec / 1000000, zone,
        log_level_name(level));
    log_line_raw(line, text);
}

static void line_begin(struct log_line *line, int level, const char *event)
{
    char text[8];

    line->bytes = 0;
    line->full = false;
    if (sink.torn)
        log_line_raw(line, "\n");
    if (sink.journal) {
        (void)snprintf(text, sizeof text, "<%d>", level & 7);
        log_line_raw(line, text);
    } else {
        line_stamp(line, level);
    }
    log_line_raw(line, event);
}

/* One write that does not wait. Sockets take a flag for that; for the rest poll() tells, as the
 * non-blocking flag would be set for everybody who shares the terminal or pipe. */
static ssize_t sink_write_once(const char *text, size_t bytes)
{
    struct pollfd p = { .fd = sink.fd, .events = POLLOUT };

    if (sink.socket)
        return send(sink.fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (poll(&p, 1, 0) != 1 || (p.revents & (POLLERR | POLLNVAL)) != 0)
        return -1;
    return write(sink.fd, text, bytes);
}

static bool sink_write(const struct log_line *line)
{
    ssize_t n;

    do {
        errno = 0;
        n = sink_write_once(line->text, line->bytes);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    sink.torn = (size_t)n < line->bytes;
    return !sink.torn;
}

/* Write a line about the log itself. Returns false if it was not taken. */
static bool report(const char *event, const char *name, uint64_t count)
{
    struct log_line line;
    char text[64];

    line_begin(&line, LOG_WARNING, event);
    if (name != NULL) {
        log_line_raw(&line, " event=");
        log_line_raw(&line, name);
    }
    (void)snprintf(text, sizeof text, " count=%llu", (unsigned long long)count);
    log_line_raw(&line, text);
    log_line_end(&line);
    return sink_write(&line);
}

static void report_dropped(void)
{
    if (sink.dropped != 0 && report("log-dropped", NULL, sink.dropped))
        sink.dropped = 0;
}

static void report_suppressed(bool all)
{
    const char *event;
    uint64_t count = 0;

    while ((event = log_rate_take(&sink.rate, now_ms(), all, &count)) != NULL) {
        if (!report("log-suppressed", event, count))
            sink.dropped++;
    }
}

__attribute__((format(printf, 3, 0))) static void sink_event(
    int level, const char *event, const char *format, va_list args)
{
    struct log_line line;

    if (!sink.opened)
        sink_open(sink.fd, LOG_FORMAT_AUTO);
    report_suppressed(false);
    if (!log_rate_admit(&sink.rate, event, now_ms()))
        return;
    report_dropped();
    line_begin(&line, level, event);
    log_line_fields(&line, format, args);
    log_line_end(&line);
    if (!sink_write(&line))
        sink.dropped++;
}

void log_event(int level, const char *event, const char *format, ...)
{
    int error = errno;
    va_list args;

    if (!log_wants(level))
        return;
    va_start(args, format);
    (void)pthread_mutex_lock(&sink.lock);
    sink_event(level, event, format, args);
    (void)pthread_mutex_unlock(&sink.lock);
    va_end(args);
    errno = error;
}

void log_flush(void)
{
    int error = errno;

    (void)pthread_mutex_lock(&sink.lock);
    if (!sink.opened)
        sink_open(sink.fd, LOG_FORMAT_AUTO);
    report_suppressed(true);
    report_dropped();
    (void)pthread_mutex_unlock(&sink.lock);
    errno = error;
}
