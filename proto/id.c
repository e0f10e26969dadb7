#include "proto/id.h"

#include "proto/err.h"

#define EPOCH_DIGITS   6u  /* of 24 bits */
#define COUNTER_DIGITS 10u /* of 40 bits */

static size_t put_hex(char *buf, uint64_t v)
{
    size_t digits = 1;

    while (digits < 16 && (v >> (4 * digits)) != 0)
        digits++;
    for (size_t i = 0; i < digits; i++)
        buf[i] = "0123456789abcdef"[(v >> (4 * (digits - 1 - i))) & 15u];
    return digits;
}

size_t id_format(uint64_t id, char *buf)
{
    size_t len = put_hex(buf, id_epoch(id));

    buf[len++] = '-';
    len += put_hex(buf + len, id_counter(id));
    buf[len] = '\0';
    return len;
}

/* Not isxdigit(): the locale has no say in what an id is. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Reads 1 to MAX_DIGITS digits; returns the place after them, or NULL. */
static const char *get_hex(const char *text, size_t max_digits, uint64_t *ret_v)
{
    uint64_t v = 0;
    size_t n = 0;

    for (; n < max_digits && hex_digit(text[n]) >= 0; n++)
        v = (v << 4) | (uint64_t)hex_digit(text[n]);
    *ret_v = v;
    return n == 0 ? NULL : text + n;
}

int id_parse(const char *text, uint64_t *ret_id)
{
    uint64_t epoch, counter;
    const char *p = get_hex(text, EPOCH_DIGITS, &epoch);

    if (p == NULL || *p != '-')
        return GANGER_EINVAL;
    p = get_hex(p + 1, COUNTER_DIGITS, &counter);
    if (p == NULL || *p != '\0' || (epoch == 0 && counter == 0))
        return GANGER_EINVAL;
    *ret_id = id_make((uint32_t)epoch, counter);
    return 0;
}
