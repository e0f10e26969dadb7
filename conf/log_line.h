/*
 * One log line: text built out of a format and arguments, with hostile values made harmless.
 * Pure; used by log.c and tests.
 */
#ifndef CONF_LOG_LINE_H
#define CONF_LOG_LINE_H

#include "conf/log.h"

#include <stdarg.h>

/* A line under construction; all zero is an empty one. */
struct log_line {
    size_t bytes;
    bool full; /* something did not fit */
    char text[LOG_LINE_MAX];
};

/* Append TEXT as it is: for what comes from the program itself. */
void log_line_raw(struct log_line *line, const char *text);

/* Append the fields of FORMAT (see log_event()), each after a space. */
void log_line_fields(struct log_line *line, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Append the newline, after " ..." if something did not fit. The text is not NUL-terminated. */
void log_line_end(struct log_line *line);

#endif
