/*
 * The errors of one load, gathered in any order and given out in the order of the file.
 */
#ifndef CONF_REPORT_H
#define CONF_REPORT_H

#include "conf/conf.h"

/* A place in a file; both count from 1, columns in characters. */
struct mark {
    unsigned line;
    unsigned column;
};

struct report {
    const char *name; /* of the file, borrowed */
    bool no_memory;
    size_t count;
    size_t dropped;
    struct {
        struct mark mark;
        char *text;
    } kept[CONF_ERRORS_MAX];
};

/* Add the error `name:line:column: message`. */
void report_add(struct report *report, struct mark mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Move the texts to ERRORS (may be NULL: they are freed), in the order of the file. */
void report_give(struct report *report, struct conf_errors *errors);

#define QUOTED_MAX 96u

/* TEXT as a message may show it. */
struct quoted {
    char text[QUOTED_MAX];
};

/* TEXT in quotes, control bytes escaped, cut when long. The result lives in *q. */
const char *report_quote(struct quoted *q, const char *text, size_t bytes);

#endif
