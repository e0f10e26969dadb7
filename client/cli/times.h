/* Durations and moments as people type them. Pure text functions. */
#ifndef CLI_TIMES_H
#define CLI_TIMES_H

#include <stdint.h>

/*
 * "500ms", "5s", "1.5s", "2min" (or "2m"), "1h", "7d", several in falling order ("1h30min"), or a
 * bare number of seconds. Milliseconds in *ret_ms. GANGER_EINVAL: not of that form; GANGER_ERANGE:
 * over ten years.
 */
int duration_parse(const char *text, uint64_t *ret_ms);

/*
 * "now", "now+DURATION", seconds since 1970 ("1767225600", "@1767225600.5") or RFC 3339
 * ("2026-01-01T00:00:00Z", "2026-01-01 01:00:00.25+01:00"). Milliseconds since 1970 in *ret_ms;
 * NOW_MS is the present time. GANGER_EINVAL, GANGER_ERANGE (before 1970, after the year 9999).
 */
int moment_parse(const char *text, uint64_t now_ms, uint64_t *ret_ms);

/* Milliseconds since 1970; milliseconds of a clock that only rises. */
uint64_t clock_wall_ms(void);
int64_t clock_ms(void);
int64_t clock_us(void);

#endif
