#include "store/batch.h"

#include <stdlib.h>
#include <string.h>

#include "proto/assert.h"
#include "store/bytes.h"

#define CAPACITY_MIN  (64u * 1024)
#define CAPACITY_KEEP (8u * 1024 * 1024)

static const uint8_t zeros[8];

/* Make room for MORE bytes at the end of B and return where they go. */
static uint8_t *batch_extend(struct batch *b, size_t more)
{
    size_t capacity = b->capacity == 0 ? CAPACITY_MIN : b->capacity;
    uint8_t *at;

    while (capacity - b->bytes < more)
        capacity *= 2;
    if (capacity != b->capacity) {
        uint8_t *buf = realloc(b->buf, capacity);

        GANGER_ASSERT(buf != NULL);
        b->buf = buf;
        b->capacity = capacity;
    }
    at = b->buf + b->bytes;
    b->bytes += more;
    return at;
}

void batch_add(struct batch *b, const struct record_head *head, const struct iovec *iov, int iovcnt)
{
    size_t whole = record_bytes(head->length);
    uint8_t *at = batch_extend(b, whole);
    uint8_t *to = at + STORE_HEAD_BYTES;

    /* The last 8 bytes first: what the data do not cover of them is the padding. */
    memset(at + whole - 8, 0, 8);
    record_head_put(at, head);
    for (int i = 0; i < iovcnt; i++) {
        if (iov[i].iov_len > 0)
            memcpy(to, iov[i].iov_base, iov[i].iov_len);
        to += iov[i].iov_len;
    }
    if (b->first_birth == 0)
        b->first_birth = head->birth;
    b->last_birth = head->birth;
}

void batch_add_copy(struct batch *b, const uint8_t *at)
{
    size_t whole = record_bytes(get_u32(at + 4));

    memcpy(batch_extend(b, whole), at, whole);
}

void batch_clear(struct batch *b)
{
    uint8_t *buf = b->buf;
    size_t capacity = b->capacity;

    if (capacity > CAPACITY_KEEP && b->bytes < capacity / 4) {
        free(buf);
        buf = NULL;
        capacity = 0;
    }
    *b = (struct batch){ .buf = buf, .capacity = capacity };
}

void batch_done(struct batch *b)
{
    free(b->buf);
    *b = (struct batch){ 0 };
}

static void part_add(struct batch_part *part, const void *data, size_t bytes)
{
    union {
        const void *in;
        void *out;
    } base = { .in = data };

    if (bytes == 0)
        return;
    GANGER_ASSERT(part->iovcnt < BATCH_PART_IOV);
    part->iov[part->iovcnt++] = (struct iovec){ .iov_base = base.out, .iov_len = bytes };
    part->bytes += bytes;
}

/* Add the next piece of the record AT, as much as fits ROOM, and move the cursor behind it. */
static void part_add_piece(
    struct batch_part *part, const uint8_t *at, size_t room, uint32_t generation, uint32_t seed)
{
    uint8_t *piece = part->piece_heads[part->pieces++];
    const uint8_t *data = at + STORE_HEAD_BYTES;
    struct record_head head;
    uint32_t total, base = 0, rest, slice;

    record_head_get(at, &head);
    total = head.length;
    rest = head.length;
    if ((head.flags & RECORD_PIECE) != 0) {
        record_piece_get(data, &total, &base);
        data += RECORD_PIECE_BYTES;
        rest -= RECORD_PIECE_BYTES;
    }
    data += part->after.piece_at;
    base += part->after.piece_at;
    rest -= part->after.piece_at;
    slice = (uint32_t)((room - STORE_HEAD_BYTES - RECORD_PIECE_BYTES) & ~(size_t)7u);
    if (slice >= rest)
        slice = rest;
    head.flags |= RECORD_PIECE;
    head.length = RECORD_PIECE_BYTES + slice;
    record_head_put(piece, &head);
    record_piece_put(piece + STORE_HEAD_BYTES, total, base);
    record_seal_parts(piece, RECORD_PIECE_BYTES, data, generation, seed);
    part_add(part, piece, STORE_HEAD_BYTES + RECORD_PIECE_BYTES);
    part_add(part, data, slice);
    part_add(part, zeros, record_bytes(head.length) - STORE_HEAD_BYTES - head.length);
    part->after.piece_at += slice;
    if (slice == rest) {
        part->after.at += record_bytes(get_u32(at + 4));
        part->after.piece_at = 0;
    }
}

void batch_cut(struct batch *b, const struct batch_cursor *cursor, size_t room,
    const struct record_batch *record, uint32_t seed, struct batch_part *ret_part)
{
    struct batch_part *part = ret_part;
    uint32_t generation = (uint32_t)record->generation;
    size_t from;

    GANGER_ASSERT(room >= BATCH_PART_MIN);
    part->iovcnt = 0;
    part->bytes = 0;
    part->pieces = 0;
    part->after = *cursor;
    part->after.stated = true;
    record_batch_put(part->batch_record, record, seed);
    part_add(part, part->batch_record, RECORD_BATCH_BYTES);
    if (part->after.piece_at > 0)
        part_add_piece(part, b->buf + part->after.at, room - part->bytes, generation, seed);
    if (part->after.piece_at > 0)
        return;
    from = part->after.at;
    while (part->after.at < b->bytes) {
        uint8_t *at = b->buf + part->after.at;
        size_t whole = record_bytes(get_u32(at + 4));

        if (part->bytes + (part->after.at - from) + whole > room)
            break;
        record_seal(at, generation, seed);
        part->after.at += whole;
    }
    if (part->after.at > from) /* an empty batch has no buffer */
        part_add(part, b->buf + from, part->after.at - from);
    if (part->after.at < b->bytes && room - part->bytes >= BATCH_PART_MIN)
        part_add_piece(part, b->buf + part->after.at, room - part->bytes, generation, seed);
}
