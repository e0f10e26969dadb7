/* The text that goes with an error of opening. Private to this folder. */
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include <stddef.h>

struct fault {
    char *text; /* may be NULL */
    size_t bytes;
};

/* Write the text, cut to what fits, and return CODE. */
int fault_set(const struct fault *fault, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The code that stands for the positive errno ERROR: GANGER_EACCES, GANGER_EFULL or GANGER_EIO. */
int fault_code(int error);

#endif
