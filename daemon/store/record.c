#include "store/record.h"

#include <string.h>

#include "store/bytes.h"
#include "store/crc32c.h"

void record_head_put(uint8_t *at, const struct record_head *head)
{
    put_u32(at, 0);
    put_u32(at + 4, head->length);
    put_u32(at + 8, head->generation);
    at[12] = head->kind;
    at[13] = head->flags;
    at[14] = 0;
    at[15] = 0;
    put_u64(at + 16, head->birth);
    put_u64(at + 24, head->key);
}

void record_head_get(const uint8_t *at, struct record_head *ret_head)
{
    ret_head->length = get_u32(at + 4);
    ret_head->generation = get_u32(at + 8);
    ret_head->kind = at[12];
    ret_head->flags = at[13];
    ret_head->birth = get_u64(at + 16);
    ret_head->key = get_u64(at + 24);
}

void record_seal(uint8_t *at, uint32_t generation, uint32_t seed)
{
    put_u32(at + 8, generation);
    put_u32(at, crc32c(seed, at + 4, STORE_HEAD_BYTES - 4 + (size_t)get_u32(at + 4)));
}

void record_seal_parts(
    uint8_t *at, size_t head_data, const uint8_t *data, uint32_t generation, uint32_t seed)
{
    uint32_t sum;

    put_u32(at + 8, generation);
    sum = crc32c(seed, at + 4, STORE_HEAD_BYTES - 4 + head_data);
    put_u32(at, crc32c(sum, data, (size_t)get_u32(at + 4) - head_data));
}

bool record_plausible(const uint8_t *at, uint32_t generation)
{
    uint32_t length = get_u32(at + 4);

    if (get_u32(at + 8) != generation || length > RECORD_LENGTH_MAX)
        return false;
    if (at[12] == 0)
        return length == RECORD_BATCH_BYTES - STORE_HEAD_BYTES && at[13] == 0;
    if ((at[13] & ~RECORD_PIECE) != 0)
        return false;
    return at[13] == 0 || length > RECORD_PIECE_BYTES;
}

bool record_check(const uint8_t *at, size_t avail, uint32_t generation, uint32_t seed)
{
    uint32_t length;

    if (avail < STORE_HEAD_BYTES || !record_plausible(at, generation))
        return false;
    length = get_u32(at + 4);
    if (record_bytes(length) > avail)
        return false;
    return crc32c(seed, at + 4, STORE_HEAD_BYTES - 4 + (size_t)length) == get_u32(at);
}

void record_batch_put(uint8_t *at, const struct record_batch *batch, uint32_t seed)
{
    struct record_head head = { .length = RECORD_BATCH_BYTES - STORE_HEAD_BYTES,
        .birth = batch->first_birth,
        .key = batch->synced };

    record_head_put(at, &head);
    put_u64(at + STORE_HEAD_BYTES, batch->generation);
    put_u64(at + STORE_HEAD_BYTES + 8, batch->oldest);
    record_seal(at, (uint32_t)batch->generation, seed);
}

void record_batch_get(const uint8_t *at, struct record_batch *ret_batch)
{
    ret_batch->first_birth = get_u64(at + 16);
    ret_batch->synced = get_u64(at + 24);
    ret_batch->generation = get_u64(at + STORE_HEAD_BYTES);
    ret_batch->oldest = get_u64(at + STORE_HEAD_BYTES + 8);
}

void record_piece_put(uint8_t *data, uint32_t total, uint32_t offset)
{
    put_u32(data, total);
    put_u32(data + 4, offset);
}

void record_piece_get(const uint8_t *data, uint32_t *ret_total, uint32_t *ret_offset)
{
    *ret_total = get_u32(data);
    *ret_offset = get_u32(data + 4);
}
