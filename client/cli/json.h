/*
 * JSON text <-> msgpack values.
 *
 * Reading is strict (RFC 8259) and lossless: a whole number that does not fit into 64 bits and a
 * number beyond a double are refused rather than rounded. Whole numbers become integers, others
 * 64 bit floats, strings str.
 *
 * Writing: nil null; integers and floats as they are (a float always with a '.' or an exponent;
 * NaN and the infinities as null); str as a string, with U+FFFD for bytes that are no UTF-8; bin
 * as a string if it is UTF-8, else as {"base64": TEXT}; ext as {"ext": TYPE, "base64": TEXT}. A
 * map's key: str and bin as a string, a simple value as the text of its JSON, an array, map or ext
 * as "msgpack:" and the base64 of its bytes.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "buf.h"

#include <stddef.h>

/*
 * Add the msgpack form of the JSON in TEXT (LEN bytes, and text[LEN] is NUL) to OUT: exactly one
 * value, white space around it allowed. GANGER_EDECODE: no JSON, and *ret_at (may be NULL) is the
 * offset where it goes wrong; GANGER_ENOMEM. OUT is then as it was.
 */
int json_read(const char *text, size_t len, struct buf *out, size_t *ret_at);

/*
 * Add the JSON form of the msgpack value in DATA to OUT, in one line. GANGER_EDECODE: not exactly
 * one value, or nested over 64 levels; what was added until then stays.
 */
int json_write(const void *data, size_t len, struct buf *out);

/* Add a JSON string of these bytes to OUT. */
void json_string(const char *data, size_t len, struct buf *out);

/* Add a JSON string of NUL-terminated TEXT. */
void json_text(const char *text, struct buf *out);

/* As a bin value: a string if it is UTF-8, else {"base64": TEXT}. */
void json_bytes(const char *data, size_t len, struct buf *out);

#endif
