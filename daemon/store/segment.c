#include "store/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/assert.h"
#include "store/bytes.h"
#include "store/crc32c.h"

static const uint8_t magic[8] = { 'G', 'A', 'N', 'G', 'R', 'L', 'O', 'G' };

/* Where things stand in the header block. */
enum {
    AT_VERSION = 8,
    AT_SUM = 12,
    AT_JOURNAL = 16,
    AT_GENERATION = 32,
    AT_BYTES = 40,
    AT_FIRST_BIRTH = 48,
    AT_PRED_GENERATION = 56,
    AT_PRED_END = 64,
    AT_OLDEST = 72,
};

void segment_name(uint32_t id, bool preparing, char name[SEGMENT_NAME_BYTES])
{
    (void)snprintf(name, SEGMENT_NAME_BYTES, "segment-%08u%s", id, preparing ? ".new" : "");
}

bool segment_name_parse(const char *name, uint32_t *ret_id, bool *ret_preparing)
{
    char again[SEGMENT_NAME_BYTES];
    uint32_t id = 0;

    if (strncmp(name, "segment-", 8) != 0 || strlen(name) < 16)
        return false;
    for (const char *p = name + 8; p < name + 16; p++) {
        if (*p < '0' || *p > '9')
            return false;
        id = id * 10 + (uint32_t)(*p - '0');
    }
    for (int preparing = 0; preparing < 2; preparing++) {
        segment_name(id, preparing != 0, again);
        if (strcmp(name, again) == 0) {
            *ret_id = id;
            *ret_preparing = preparing != 0;
            return true;
        }
    }
    return false;
}

/*
 * The sum of a header block. The magic counts as if it were right, so that a damaged magic is
 * told from a foreign file; the sum itself counts as zero.
 */
static uint32_t header_sum(const uint8_t *block)
{
    static const uint8_t none[4];
    uint32_t sum = crc32c(0, magic, sizeof magic);

    sum = crc32c(sum, block + sizeof magic, AT_SUM - sizeof magic);
    sum = crc32c(sum, none, sizeof none);
    return crc32c(sum, block + AT_SUM + 4, SEGMENT_HEADER_BYTES - AT_SUM - 4);
}

void segment_header_put(uint8_t *block, const struct segment_header *header)
{
    memset(block, 0, SEGMENT_HEADER_BYTES);
    memcpy(block, magic, sizeof magic);
    put_u32(block + AT_VERSION, SEGMENT_VERSION);
    memcpy(block + AT_JOURNAL, header->journal, sizeof header->journal);
    put_u64(block + AT_GENERATION, header->generation);
    put_u64(block + AT_BYTES, header->bytes);
    put_u64(block + AT_FIRST_BIRTH, header->first_birth);
    put_u64(block + AT_PRED_GENERATION, header->pred_generation);
    put_u64(block + AT_PRED_END, header->pred_end);
    put_u64(block + AT_OLDEST, header->oldest);
    put_u32(block + AT_SUM, header_sum(block));
}

/* Is BLOCK what is left of a first header that was cut off in its magic? */
static bool magic_is_cut(const uint8_t *block)
{
    size_t same = 0;

    while (same < sizeof magic && block[same] == magic[same])
        same++;
    while (same < SEGMENT_HEADER_BYTES && block[same] == 0)
        same++;
    return same == SEGMENT_HEADER_BYTES;
}

enum segment_state segment_header_get(const uint8_t *block, struct segment_header *ret_header)
{
    bool sum_right = get_u32(block + AT_SUM) == header_sum(block);

    if (memcmp(block, magic, sizeof magic) != 0) {
        if (magic_is_cut(block))
            return block[0] == 0 ? SEGMENT_BLANK : SEGMENT_DAMAGED;
        return sum_right ? SEGMENT_DAMAGED : SEGMENT_FOREIGN;
    }
    if (!sum_right)
        return SEGMENT_DAMAGED;
    if (get_u32(block + AT_VERSION) != SEGMENT_VERSION)
        return SEGMENT_NEWER;
    memcpy(ret_header->journal, block + AT_JOURNAL, sizeof ret_header->journal);
    ret_header->generation = get_u64(block + AT_GENERATION);
    ret_header->bytes = get_u64(block + AT_BYTES);
    ret_header->first_birth = get_u64(block + AT_FIRST_BIRTH);
    ret_header->pred_generation = get_u64(block + AT_PRED_GENERATION);
    ret_header->pred_end = get_u64(block + AT_PRED_END);
    ret_header->oldest = get_u64(block + AT_OLDEST);
    /* The sum is right, so this was not written by us. */
    if (ret_header->generation == 0 || ret_header->first_birth == 0 ||
        ret_header->bytes < SEGMENT_BYTES_MIN || ret_header->bytes > SEGMENT_BYTES_MAX)
        return SEGMENT_FOREIGN;
    return SEGMENT_SOUND;
}

void segment_list_append(struct segment_list *list, struct segment *segment)
{
    segment->next = NULL;
    if (list->last == NULL)
        list->first = segment;
    else
        list->last->next = segment;
    list->last = segment;
    list->count++;
    list->bytes += segment->bytes;
}

void segment_list_prepend(struct segment_list *list, struct segment *segment)
{
    segment->next = list->first;
    list->first = segment;
    if (list->last == NULL)
        list->last = segment;
    list->count++;
    list->bytes += segment->bytes;
}

struct segment *segment_list_shift(struct segment_list *list)
{
    struct segment *segment = list->first;

    if (segment != NULL)
        segment_list_remove(list, segment);
    return segment;
}

void segment_list_remove(struct segment_list *list, struct segment *segment)
{
    struct segment *before = NULL, *at = list->first;

    while (at != segment) {
        GANGER_ASSERT(at != NULL);
        before = at;
        at = at->next;
    }
    if (before == NULL)
        list->first = segment->next;
    else
        before->next = segment->next;
    if (list->last == segment)
        list->last = before;
    segment->next = NULL;
    list->count--;
    list->bytes -= segment->bytes;
}

void segment_list_free(struct segment_list *list)
{
    struct segment *segment;

    while ((segment = segment_list_shift(list)) != NULL)
        free(segment);
}
