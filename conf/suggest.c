#include "conf/suggest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t suggest_distance(const char *a, const char *b)
{
    /* Row i says how far the first i bytes of A are from each beginning of B. */
    size_t rows[3][SUGGEST_WORD_MAX];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *row = rows[2];
    size_t a_bytes = strnlen(a, SUGGEST_WORD_MAX);
    size_t b_bytes = strnlen(b, SUGGEST_WORD_MAX);

    if (a_bytes == SUGGEST_WORD_MAX || b_bytes == SUGGEST_WORD_MAX)
        return SUGGEST_WORD_MAX;
    memset(rows, 0, sizeof rows);
    for (size_t j = 0; j <= b_bytes; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t *oldest = before;

        before = last;
        last = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t change = a[i - 1] == b[j - 1] ? 0 : 1;

            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return row[b_bytes];
}

int suggest_near(const char *word, size_t distance)
{
    return distance <= 1 + strnlen(word, SUGGEST_WORD_MAX) / 4;
}
