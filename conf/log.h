/*
 * The log: one event, one line, one write, to standard error or any descriptor.
 *
 * A line is a priority, the event's name and fields: `child-died pool=words pid=4711`. Values
 * that could be mistaken for something else are quoted, and every control byte, line separator
 * and byte that is not UTF-8 is escaped, so nobody who chooses a value can forge a line.
 *
 * A line that the reader of the log does not take at once is dropped and counted: the log must
 * not be able to block the loop. Lines of one event name over the rate are dropped and counted
 * as well. Both counts are logged (events log-dropped and log-suppressed).
 *
 * The log is one per process, usable before log_open() and from any thread.
 */
#ifndef CONF_LOG_H
#define CONF_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

enum log_format {
    LOG_FORMAT_AUTO,    /* journal when the descriptor is systemd's (JOURNAL_STREAM), else plain */
    LOG_FORMAT_JOURNAL, /* "<4>event key=value": journald keeps time and priority */
    LOG_FORMAT_PLAIN    /* "2025-01-31T12:00:00.123+0100 warning event key=value" */
};

#define LOG_LINE_MAX   4096u  /* bytes of a line with its newline; what is over it is cut */
#define LOG_VALUE_MAX  1024u  /* bytes of a value before it is quoted; what is over it is cut */
#define LOG_RATE_LINES 50u    /* lines of one event name in ... */
#define LOG_RATE_MS    10000u /* ... this many milliseconds */

/*
 * Write to FD (borrowed, stays open) in FORMAT from now on. Without this call the log goes to
 * standard error as LOG_FORMAT_AUTO.
 */
void log_open(int fd, enum log_format format);

/* Let lines up to LEVEL (LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO or LOG_DEBUG) through. */
void log_level_set(int level);

/* Would a line of LEVEL be let through? For lines whose fields are costly to make. */
bool log_wants(int level);

/* Let LINES of one event name through in WINDOW_MS; 0 lines: no limit. */
void log_rate_set(uint32_t lines, uint32_t window_ms);

/*
 * Log EVENT (a string constant, lower case with dashes). FORMAT is "key=%s other=%d ...": a space
 * in FORMAT ends a value, a space in an argument does not. A value may be composed: "peer=%s:%d".
 * Conversions: d i u x X o c s p f g e and %%, with length modifiers and, for s and f, precision.
 * errno is as before.
 */
void log_event(int level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Log EVENT without fields. */
#define log_bare(level, event) log_event((level), (event), "%s", "")

/*
 * Log what has been suppressed or dropped and not yet been reported. Any log_event() does that
 * for windows that have ended; call this from a slow timer and before the end of the process.
 */
void log_flush(void);

/* The name of LEVEL as the configuration spells it ("error", ...), "debug" for any other. */
const char *log_level_name(int level);

/* The level that NAME spells, or GANGER_EINVAL. */
int log_level_parse(const char *name, int *ret_level);

#endif
