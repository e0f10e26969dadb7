/*
 * How often each event may be logged: a bound per event name and window of time, so that a peer
 * who causes the same event over and over cannot fill the disk, nor hide other events.
 *
 * Pure: the time is an argument. Used by log.c, under its lock.
 */
#ifndef CONF_LOG_RATE_H
#define CONF_LOG_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_RATE_ROWS 128u /* event names told apart; all later ones share the last row */

struct log_rate_row {
    const char *event; /* NULL: free */
    uint64_t start_ms; /* of the current window */
    uint32_t lines;    /* let through in this window */
    uint64_t suppressed;
};

/* All zero is a valid start; lines 0 means no bound. */
struct log_rate {
    uint32_t lines;
    uint32_t window_ms;
    uint64_t next_due_ms; /* earliest end of a window that suppressed something, 0: none */
    struct log_rate_row rows[LOG_RATE_ROWS];
};

/* May a line of EVENT (a string that lives on) be written at NOW_MS? Counts it either way. */
bool log_rate_admit(struct log_rate *rate, const char *event, uint64_t now_ms);

/*
 * Take out one count of suppressed lines whose window has ended at NOW_MS, or any with ALL.
 * Returns the event's name, or NULL when there is none left; *ret_count is then untouched.
 */
const char *log_rate_take(struct log_rate *rate, uint64_t now_ms, bool all, uint64_t *ret_count);

#endif
