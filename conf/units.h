/*
 * Numbers with units as an operator writes them. Pure text functions.
 *
 * Each takes NUL-terminated text, wants all of it, and returns 0, GANGER_EINVAL (not of that
 * form), or GANGER_ERANGE (the form is right, the number does not fit into the result).
 */
#ifndef CONF_UNITS_H
#define CONF_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* A whole number in decimal digits. */
int units_number(const char *text, uint64_t *ret_value);

/*
 * "500ms", "5s", "2min", "1h", "7d", or several of them in falling order: "1h30min". A bare 0 is
 * allowed, any other number needs its unit. "m" is short for "min".
 */
int units_duration(const char *text, uint64_t *ret_ms);

/* "4096", "64KiB", "16MiB", "1GiB", "2TiB", and powers of ten: "10kB", "10MB", "1GB", "1TB". */
int units_size(const char *text, uint64_t *ret_bytes);

/* Permission bits in octal, 3 or 4 digits or with 0o: "0600", "660", "0o640". At most 0777. */
int units_mode(const char *text, uint32_t *ret_mode);

#define UNITS_TEXT_MAX 32u

/* MS or BYTES in the largest unit that divides it, as units_duration()/units_size() read it. */
void units_duration_text(uint64_t ms, char *buf, size_t bytes);
void units_size_text(uint64_t value, char *buf, size_t bytes);

#endif
