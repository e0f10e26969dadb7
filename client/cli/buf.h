/*
 * Bytes that grow: what the command packs and prints.
 *
 * A failure sticks: after the first allocation that failed every further addition is dropped and
 * FAILED stays set, so that a caller checks once at the end.
 */
#ifndef CLI_BUF_H
#define CLI_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NULL while empty */
    size_t len, cap;
    bool failed;
};

/* All zero is an empty one. Free the bytes and make it empty again. */
void buf_done(struct buf *b);

/* Drop the content, keep the room. */
void buf_clear(struct buf *b);

/* Add LEN bytes, a NUL-terminated text, one character, or a formatted text. */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_text(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_format(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put LEN bytes at offset AT (at most b->len), moving what follows. */
void buf_insert(struct buf *b, size_t at, const void *data, size_t len);

/* For msgpack_packer_init(): WHERE is a struct buf. Returns 0, or -1 once it has failed. */
int buf_pack_write(void *where, const char *data, size_t len);

#endif
