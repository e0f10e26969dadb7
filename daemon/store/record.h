/*
 * The record: what the segments of the journal are filled with.
 *
 * All numbers are little-endian. A record starts at a multiple of 8 bytes:
 *
 *   0  u32 sum         CRC-32C of the bytes 4..32+length, begun with the journal's seed
 *   4  u32 length      bytes of data
 *   8  u32 generation  low half of the generation of its segment
 *  12  u8  kind        the owner's kind; 0 is a batch record
 *  13  u8  flags       RECORD_PIECE; RECORD_APART is kept for payloads that stay on disk
 *  14  u16 zero
 *  16  u64 birth       of a batch record: the first new birth in the batch, or 0
 *  24  u64 key         of a batch record: the last birth known durable when it was written
 *  32  data, then zeros up to the next multiple of 8
 *
 * A batch record (kind 0) stands before the records of each batch. Its data are two u64: the
 * whole generation of its segment, and the oldest generation that the log still needs.
 *
 * A record that does not fit what is left of a segment is written in pieces. The data of a
 * piece begin with two u32: the bytes of the whole record's data, and where this piece belongs.
 *
 * The seed is made of the journal's random id: neither the records of another journal nor bytes
 * that a client chose can pass for a record of this one. Private to this folder.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define RECORD_PIECE       0x01u
#define RECORD_APART       0x02u
#define RECORD_PIECE_BYTES 8u                       /* before the data of a piece */
#define RECORD_BATCH_BYTES (STORE_HEAD_BYTES + 16u) /* a whole batch record */
#define RECORD_LENGTH_MAX  (STORE_RECORD_MAX + RECORD_PIECE_BYTES)

struct record_head {
    uint32_t length;
    uint32_t generation;
    uint8_t kind;
    uint8_t flags;
    uint64_t birth;
    uint64_t key;
};

/* What a batch record says. */
struct record_batch {
    uint64_t first_birth; /* 0 if the batch has only copies */
    uint64_t synced;      /* durable before this batch was written */
    uint64_t generation;
    uint64_t oldest; /* segments of lower generations are no longer needed */
};

/* Bytes that a record with LENGTH bytes of data takes, padding included. */
static inline size_t record_bytes(uint32_t length)
{
    return ((size_t)STORE_HEAD_BYTES + length + 7u) & ~(size_t)7u;
}

/* Write HEAD to the 32 bytes AT, with a sum of zero. */
void record_head_put(uint8_t *at, const struct record_head *head);

/* Read the head AT; nothing is checked. */
void record_head_get(const uint8_t *at, struct record_head *ret_head);

/* Give the whole record AT its GENERATION and its sum. */
void record_seal(uint8_t *at, uint32_t generation, uint32_t seed);

/*
 * Seal the 32-byte head AT for data that lie elsewhere: HEAD_DATA bytes right behind the head,
 * then the rest, of its length, at DATA.
 */
void record_seal_parts(
    uint8_t *at, size_t head_data, const uint8_t *data, uint32_t generation, uint32_t seed);

/*
 * Is there a sound record of GENERATION (low half) in the AVAIL bytes AT? Reads no further than
 * AVAIL. The record's bytes are record_bytes() of its length.
 */
bool record_check(const uint8_t *at, size_t avail, uint32_t generation, uint32_t seed);

/* Could the head AT, of which 32 bytes can be read, be one of GENERATION? Looks at no sum. */
bool record_plausible(const uint8_t *at, uint32_t generation);

/* Write a sealed batch record to the RECORD_BATCH_BYTES bytes AT. */
void record_batch_put(uint8_t *at, const struct record_batch *batch, uint32_t seed);

/* Read the sound batch record AT. */
void record_batch_get(const uint8_t *at, struct record_batch *ret_batch);

/* Put and get the place of a piece: the first RECORD_PIECE_BYTES of its data. */
void record_piece_put(uint8_t *data, uint32_t total, uint32_t offset);
void record_piece_get(const uint8_t *data, uint32_t *ret_total, uint32_t *ret_offset);

#endif
