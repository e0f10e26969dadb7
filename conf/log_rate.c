#include "conf/log_rate.h"

#include <string.h>

static struct log_rate_row *row_find(struct log_rate *rate, const char *event)
{
    for (size_t i = 0; i + 1 < LOG_RATE_ROWS; i++) {
        struct log_rate_row *row = &rate->rows[i];

        if (row->event == NULL)
            row->event = event;
        if (row->event == event || strcmp(row->event, event) == 0)
            return row;
    }
    rate->rows[LOG_RATE_ROWS - 1].event = "other";
    return &rate->rows[LOG_RATE_ROWS - 1];
}

bool log_rate_admit(struct log_rate *rate, const char *event, uint64_t now_ms)
{
    struct log_rate_row *row;
    uint64_t end_ms;

    if (rate->lines == 0)
        return true;
    row = row_find(rate, event);
    /* A window that suppressed something goes on until its count was taken. */
    if (row->suppressed == 0 && now_ms - row->start_ms >= rate->window_ms)
        row->lines = 0;
    if (row->lines == 0)
        row->start_ms = now_ms;
    if (row->lines < rate->lines) {
        row->lines++;
        return true;
    }
    row->suppressed++;
    end_ms = row->start_ms + rate->window_ms;
    if (rate->next_due_ms == 0 || end_ms < rate->next_due_ms)
        rate->next_due_ms = end_ms;
    return false;
}

/* The earliest window that has something to report; NULL if none has. */
static struct log_rate_row *row_earliest(struct log_rate *rate)
{
    struct log_rate_row *best = NULL;

    for (size_t i = 0; i < LOG_RATE_ROWS; i++) {
        struct log_rate_row *row = &rate->rows[i];

        if (row->suppressed != 0 && (best == NULL || row->start_ms < best->start_ms))
            best = row;
    }
    return best;
}

const char *log_rate_take(struct log_rate *rate, uint64_t now_ms, bool all, uint64_t *ret_count)
{
    struct log_rate_row *row;

    if (rate->next_due_ms == 0 || (!all && now_ms < rate->next_due_ms))
        return NULL;
    row = row_earliest(rate);
    rate->next_due_ms = row != NULL ? row->start_ms + rate->window_ms : 0;
    if (row == NULL || (!all && now_ms < rate->next_due_ms))
        return NULL;
    *ret_count = row->suppressed;
    row->suppressed = 0;
    row->lines = 0;
    return row->event;
}
