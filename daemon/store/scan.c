#include "store/scan.h"

#include <string.h>

#include "proto/err.h"
#include "store/bytes.h"
#include "store/fault.h"
#include "store/record.h"
#include "store/segment.h"

#define STRIDE (64u * 1024)

/* Point AT to the sound record at OFFSET. Its bytes, 0 if there is none, or a negative errno. */
static ssize_t record_at(struct reader *r, uint64_t offset, uint64_t limit, uint64_t generation,
    uint32_t seed, const uint8_t **ret_at)
{
    const uint8_t *at = NULL;
    size_t whole;
    ssize_t got;

    if (limit - offset < STORE_HEAD_BYTES)
        return 0;
    got = reader_at(r, offset, STORE_HEAD_BYTES, &at);
    if (got < (ssize_t)STORE_HEAD_BYTES)
        return got < 0 ? got : 0;
    if (!record_plausible(at, (uint32_t)generation))
        return 0;
    whole = record_bytes(get_u32(at + 4));
    if (whole > limit - offset)
        return 0;
    got = reader_at(r, offset, whole, &at);
    if (got < 0)
        return got;
    if (!record_check(at, (size_t)got, (uint32_t)generation, seed))
        return 0;
    *ret_at = at;
    return (ssize_t)whole;
}

/* Take note of the sound record AT, which stands at OFFSET. */
static int scan_note(struct scan *scan, const uint8_t *at, uint64_t offset, struct index *index)
{
    struct record_head head;
    struct record_batch batch;

    record_head_get(at, &head);
    if (head.kind != 0) {
        if (head.birth > scan->last_birth)
            scan->last_birth = head.birth;
        return index == NULL ? 0 : index_add(index, head.birth, offset);
    }
    record_batch_get(at, &batch);
    if (batch.oldest > scan->oldest)
        scan->oldest = batch.oldest;
    if (batch.synced > scan->last_birth)
        scan->last_birth = batch.synced;
    return 0;
}

int scan_records(struct reader *r, uint64_t generation, uint64_t limit, uint32_t seed,
    struct index *index, struct scan *ret_scan, int *ret_error)
{
    struct scan scan = { .end = SEGMENT_HEADER_BYTES };

    *ret_error = 0;
    while (scan.end < limit) {
        const uint8_t *at = NULL;
        ssize_t whole = record_at(r, scan.end, limit, generation, seed, &at);
        int rc;

        if (whole < 0) {
            *ret_error = (int)-whole;
            return fault_code(*ret_error);
        }
        scan.stopped = whole == 0;
        if (scan.stopped)
            break;
        rc = scan_note(&scan, at, scan.end, index);
        if (rc < 0)
            return rc;
        scan.end += (uint64_t)whole;
    }
    *ret_scan = scan;
    return 0;
}

/* Much of a spare segment is nothing but zeros, of which no record can consist. */
static bool all_zero(const uint8_t *at, size_t bytes)
{
    return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

/* Is there a sound batch record of a generation that proves something in these 48 bytes? */
static bool batch_proves(const uint8_t *at, uint64_t generation, bool above, uint32_t seed)
{
    struct record_batch batch;

    if (at[12] != 0 || get_u32(at + 4) != RECORD_BATCH_BYTES - STORE_HEAD_BYTES)
        return false;
    if (!above && get_u32(at + 8) != (uint32_t)generation)
        return false;
    if (!record_check(at, RECORD_BATCH_BYTES, get_u32(at + 8), seed))
        return false;
    record_batch_get(at, &batch);
    return above ? batch.generation > generation : batch.generation == generation;
}

static bool proof_in(
    const uint8_t *at, size_t bytes, uint64_t generation, bool above, uint32_t seed)
{
    for (size_t i = 0; i < STRIDE && i + RECORD_BATCH_BYTES <= bytes; i += 8) {
        if (batch_proves(at + i, generation, above, seed))
            return true;
    }
    return false;
}

int scan_proof(struct reader *r, uint64_t from, uint64_t generation, bool above, uint32_t seed)
{
    for (uint64_t offset = from;; offset += STRIDE) {
        const uint8_t *at = NULL;
        ssize_t got = reader_at(r, offset, STRIDE + RECORD_BATCH_BYTES, &at);

        if (got < 0)
            return (int)got;
        if (!all_zero(at, (size_t)got) && proof_in(at, (size_t)got, generation, above, seed))
            return 1;
        if (got <= (ssize_t)STRIDE)
            return 0;
    }
}

static bool remains_in(const uint8_t *at, size_t bytes, uint64_t generation)
{
    for (size_t i = 0; i < STRIDE && i + STORE_HEAD_BYTES <= bytes; i += 8) {
        if (record_plausible(at + i, (uint32_t)generation))
            return true;
    }
    return false;
}

int scan_remains(struct reader *r, uint64_t from, uint64_t generation)
{
    for (uint64_t offset = from;; offset += STRIDE) {
        const uint8_t *at = NULL;
        ssize_t got = reader_at(r, offset, STRIDE + STORE_HEAD_BYTES, &at);

        if (got < 0)
            return (int)got;
        if (!all_zero(at, (size_t)got) && remains_in(at, (size_t)got, generation))
            return 1;
        if (got <= (ssize_t)STRIDE)
            return 0;
    }
}

int scan_is_zero(struct reader *r, uint64_t from)
{
    for (uint64_t offset = from;; offset += STRIDE) {
        const uint8_t *at = NULL;
        ssize_t got = reader_at(r, offset, STRIDE, &at);

        if (got <= 0)
            return got < 0 ? (int)got : 1;
        if (!all_zero(at, (size_t)got))
            return 0;
    }
}
