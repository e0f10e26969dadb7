/*
 * The progress bar: one line on standard error, when that is a terminal. One in the process.
 */
#ifndef CLI_BAR_H
#define CLI_BAR_H

#include <stdbool.h>
#include <stdint.h>

/* Draw from now on if standard error is a terminal that can. */
void bar_start(void);

/* True if it is drawn, so that it is worth to come by every BAR_MS milliseconds. */
bool bar_is_on(void);
#define BAR_MS 100

/*
 * Draw, at most every BAR_MS. TOTAL 0: unknown; OPEN: TOTAL may still grow. TEXT may be NULL.
 */
void bar_draw(uint64_t done, uint64_t total, bool open, const char *text);

/* Wipe it off; it comes back with the next bar_draw(). */
void bar_hide(void);

/* The line for a terminal of WIDTH columns after ELAPSED_MS; NUL-terminated, in BUF. */
void bar_format(char *buf, unsigned buf_bytes, unsigned width, uint64_t done, uint64_t total,
    bool open, uint64_t elapsed_ms, const char *text);

#endif
