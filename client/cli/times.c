#include "times.h"

#include "ganger/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#define DURATION_MAX_MS (UINT64_C(10) * 366 * 86400 * 1000)
#define MOMENT_MAX_MS   UINT64_C(253402300799999)

struct unit {
    const char *name;
    uint64_t ms;
};

static const struct unit units[] = {
    { "d", 86400000 },
    { "h", 3600000 },
    { "min", 60000 },
    { "m", 60000 },
    { "s", 1000 },
    { "ms", 1 },
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/*
 * Digits with an optional fraction, as thousandths; what is finer is cut off. Leaves *TEXT after
 * them. Nothing here is over 10^15, so that it can be multiplied by a unit's milliseconds.
 */
static int thousandths_take(const char **text, uint64_t *ret_value)
{
    const char *at = *text;
    uint64_t value = 0, weight = 100;

    if (!is_digit(*at))
        return GANGER_EINVAL;
    for (; is_digit(*at); at++) {
        if (value > UINT64_C(100000000000))
            return GANGER_ERANGE;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    value *= 1000;
    if (*at == '.') {
        if (!is_digit(*++at))
            return GANGER_EINVAL;
        for (; is_digit(*at); at++, weight /= 10)
            value += (uint64_t)(*at - '0') * weight;
    }
    *text = at;
    *ret_value = value;
    return 0;
}

static const struct unit *unit_take(const char **text)
{
    size_t len = strcspn(*text, "0123456789.");

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, *text, len) == 0) {
            *text += len;
            return &units[i];
        }
    }
    return NULL;
}

int duration_parse(const char *text, uint64_t *ret_ms)
{
    uint64_t total = 0, last_ms = UINT64_MAX, value = 0;
    const char *at = text;

    do {
        int rc = thousandths_take(&at, &value);
        const struct unit *unit;

        if (rc < 0)
            return rc;
        if (*at == '\0' && last_ms == UINT64_MAX) {
            total = value;
            break;
        }
        unit = unit_take(&at);
        if (unit == NULL || unit->ms >= last_ms)
            return GANGER_EINVAL;
        if (value / 1000 > DURATION_MAX_MS / unit->ms)
            return GANGER_ERANGE;
        total += value * unit->ms / 1000;
        last_ms = unit->ms;
    } while (*at != '\0');
    if (total > DURATION_MAX_MS)
        return GANGER_ERANGE;
    *ret_ms = total;
    return 0;
}

/* COUNT digits as a number, -1 if they are not there. */
static int digits_take(const char **text, int count)
{
    int value = 0;

    for (; count > 0; count--, (*text)++) {
        if (!is_digit(**text))
            return -1;
        value = value * 10 + (**text - '0');
    }
    return value;
}

static bool char_take(const char **text, const char *any)
{
    if (**text == '\0' || strchr(any, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

/* "2026-01-01T00:00:00" as seconds since 1970; years 1970 to 9999. */
static int date_take(const char **text, int64_t *ret_seconds)
{
    struct tm tm = { 0 }, again;
    int second;
    time_t t;

    tm.tm_year = digits_take(text, 4) - 1900;
    if (tm.tm_year < -1900 || !char_take(text, "-"))
        return GANGER_EINVAL;
    tm.tm_mon = digits_take(text, 2) - 1;
    if (!char_take(text, "-"))
        return GANGER_EINVAL;
    tm.tm_mday = digits_take(text, 2);
    if (!char_take(text, "Tt "))
        return GANGER_EINVAL;
    tm.tm_hour = digits_take(text, 2);
    if (!char_take(text, ":"))
        return GANGER_EINVAL;
    tm.tm_min = digits_take(text, 2);
    if (!char_take(text, ":"))
        return GANGER_EINVAL;
    second = digits_take(text, 2);
    if (tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || second < 0 ||
        second > 60)
        return GANGER_EINVAL;
    again = tm;
    t = timegm(&again);
    /* A day that the month does not have comes back as another one. */
    if (again.tm_mon != tm.tm_mon || again.tm_mday != tm.tm_mday)
        return GANGER_EINVAL;
    *ret_seconds = (int64_t)t + second;
    return 0;
}

/* "Z" or "+01:00" as seconds. */
static int zone_take(const char **text, int64_t *ret_seconds)
{
    int sign, hours, minutes;

    *ret_seconds = 0;
    if (char_take(text, "Zz"))
        return 0;
    sign = **text == '-' ? -1 : 1;
    if (!char_take(text, "+-"))
        return GANGER_EINVAL;
    hours = digits_take(text, 2);
    if (!char_take(text, ":"))
        return GANGER_EINVAL;
    minutes = digits_take(text, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return GANGER_EINVAL;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return 0;
}

static int rfc3339_parse(const char *text, uint64_t *ret_ms)
{
    int64_t seconds = 0, zone = 0;
    uint64_t fraction = 0, weight = 100;

    if (date_take(&text, &seconds) < 0)
        return GANGER_EINVAL;
    if (char_take(&text, ".")) {
        if (!is_digit(*text))
            return GANGER_EINVAL;
        for (; is_digit(*text); text++, weight /= 10)
            fraction += (uint64_t)(*text - '0') * weight;
    }
    if (zone_take(&text, &zone) < 0 || *text != '\0')
        return GANGER_EINVAL;
    seconds -= zone;
    if (seconds < 0 || (uint64_t)seconds > MOMENT_MAX_MS / 1000)
        return GANGER_ERANGE;
    *ret_ms = (uint64_t)seconds * 1000 + fraction;
    return 0;
}

int moment_parse(const char *text, uint64_t now_ms, uint64_t *ret_ms)
{
    const char *epoch = text + (text[0] == '@');
    uint64_t ms = 0;
    int rc;

    if (strncmp(text, "now", 3) == 0 && (text[3] == '\0' || text[3] == '+')) {
        rc = text[3] == '\0' ? 0 : duration_parse(text + 4, &ms);
        ms += now_ms;
    } else if (epoch[strspn(epoch, "0123456789.")] == '\0') {
        rc = thousandths_take(&epoch, &ms);
        if (rc == 0 && *epoch != '\0')
            rc = GANGER_EINVAL;
    } else {
        rc = rfc3339_parse(text, &ms);
    }
    if (rc < 0)
        return rc;
    if (ms > MOMENT_MAX_MS)
        return GANGER_ERANGE;
    *ret_ms = ms;
    return 0;
}

static struct timespec clock_read(clockid_t id)
{
    struct timespec t = { 0 };

    (void)clock_gettime(id, &t);
    return t;
}

uint64_t clock_wall_ms(void)
{
    struct timespec t = clock_read(CLOCK_REALTIME);

    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int64_t clock_ms(void)
{
    return clock_us() / 1000;
}

int64_t clock_us(void)
{
    struct timespec t = clock_read(CLOCK_MONOTONIC);

    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
