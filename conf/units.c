#include "conf/units.h"

#include "proto/err.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Falling, as the parts of a duration must be; the first name of a factor is the one we write. */
static const struct unit durations[] = {
    { "d", 86400000 },
    { "h", 3600000 },
    { "min", 60000 },
    { "m", 60000 },
    { "s", 1000 },
    { "ms", 1 },
};

static const struct unit sizes[] = {
    { "TiB", UINT64_C(1) << 40 },
    { "GiB", UINT64_C(1) << 30 },
    { "MiB", UINT64_C(1) << 20 },
    { "KiB", UINT64_C(1) << 10 },
    { "TB", UINT64_C(1000000000000) },
    { "GB", 1000000000 },
    { "MB", 1000000 },
    { "kB", 1000 },
    { "B", 1 },
    { "", 1 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Read digits at *P and step over them. */
static int digits_take(const char **p, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool over = false;

    if (**p < '0' || **p > '9')
        return GANGER_EINVAL;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        over = over || __builtin_mul_overflow(value, 10, &value) ||
               __builtin_add_overflow(value, (uint64_t)(**p - '0'), &value);
    }
    if (over)
        return GANGER_ERANGE;
    *ret_value = value;
    return 0;
}

int units_number(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;
    int rc;

    if (text[strspn(text, "0123456789")] != '\0')
        return GANGER_EINVAL;
    rc = digits_take(&text, &value);
    if (rc < 0)
        return rc;
    *ret_value = value;
    return 0;
}

/* The unit that is exactly the BYTES of TEXT. */
static const struct unit *unit_find(
    const struct unit *units, size_t count, const char *text, size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) == bytes && memcmp(units[i].name, text, bytes) == 0)
            return &units[i];
    }
    return NULL;
}

int units_duration(const char *text, uint64_t *ret_ms)
{
    uint64_t last_factor = UINT64_MAX;
    uint64_t total = 0;
    bool over = false;

    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return 0;
    }
    do {
        const struct unit *unit;
        uint64_t value = 0;
        size_t name;
        int rc = digits_take(&text, &value);

        if (rc == GANGER_EINVAL)
            return rc;
        name = strcspn(text, "0123456789");
        unit = unit_find(durations, COUNT(durations), text, name);
        if (unit == NULL || unit->factor >= last_factor)
            return GANGER_EINVAL;
        over = over || rc < 0 || __builtin_mul_overflow(value, unit->factor, &value) ||
               __builtin_add_overflow(total, value, &total);
        last_factor = unit->factor;
        text += name;
    } while (*text != '\0');
    if (over)
        return GANGER_ERANGE;
    *ret_ms = total;
    return 0;
}

int units_size(const char *text, uint64_t *ret_bytes)
{
    const struct unit *unit;
    uint64_t value = 0;
    int rc = digits_take(&text, &value);

    if (rc == GANGER_EINVAL)
        return rc;
    unit = unit_find(sizes, COUNT(sizes), text, strlen(text));
    if (unit == NULL)
        return GANGER_EINVAL;
    if (rc < 0 || __builtin_mul_overflow(value, unit->factor, &value))
        return GANGER_ERANGE;
    *ret_bytes = value;
    return 0;
}

int units_mode(const char *text, uint32_t *ret_mode)
{
    uint32_t mode = 0;
    size_t digits;

    if (strncmp(text, "0o", 2) == 0)
        text += 2;
    digits = strspn(text, "01234567");
    if (text[digits] != '\0' || digits < 3)
        return GANGER_EINVAL;
    if (digits > 4)
        return GANGER_ERANGE;
    for (size_t i = 0; i < digits; i++)
        mode = mode * 8 + (uint32_t)(text[i] - '0');
    if (mode > 0777)
        return GANGER_ERANGE;
    *ret_mode = mode;
    return 0;
}

static void value_text(
    const struct unit *units, size_t count, uint64_t value, char *buf, size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        if (value != 0 && value % units[i].factor == 0) {
            (void)snprintf(
                buf, bytes, "%llu%s", (unsigned long long)(value / units[i].factor), units[i].name);
            return;
        }
    }
    (void)snprintf(buf, bytes, "0");
}

void units_duration_text(uint64_t ms, char *buf, size_t bytes)
{
    value_text(durations, COUNT(durations), ms, buf, bytes);
}

void units_size_text(uint64_t value, char *buf, size_t bytes)
{
    /* Only powers of two and plain bytes: 1000000 reads better than 1MB where 1MiB is meant. */
    for (size_t i = 0; i < 4; i++) {
        if (value != 0 && value % sizes[i].factor == 0) {
            value_text(&sizes[i], 1, value, buf, bytes);
            return;
        }
    }
    (void)snprintf(buf, bytes, "%llu", (unsigned long long)value);
}
