/*
 * The segment: one file of the log, and the list of them all.
 *
 * A segment file begins with a header block of SEGMENT_HEADER_BYTES; records follow. It has its
 * full size and its blocks, and is synced, before it gets its name. Spare segments have no header
 * yet (zeros) or one of a generation that the log no longer needs. Each use of a segment gets a
 * generation of its own, and the order of generations is the order of the log.
 *
 * The header names the predecessor and where its records end: whatever stands behind that end
 * is void, be it the rest of a torn or failed batch. Private to this folder; sync thread, or
 * the loop while the journal is opened.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/io.h"

#define SEGMENT_HEADER_BYTES 4096u
#define SEGMENT_VERSION      1u
#define SEGMENT_BYTES_MIN    (64u * 1024)
#define SEGMENT_BYTES_MAX    (1024u * 1024 * 1024)
#define SEGMENT_NAME_BYTES   32u
#define SEGMENT_ID_MAX       99999999u

struct segment_header {
    uint8_t journal[16]; /* the journal's random id */
    uint64_t generation;
    uint64_t bytes;           /* of the file */
    uint64_t first_birth;     /* no new record in or behind this segment has a lower one */
    uint64_t pred_generation; /* 0: none */
    uint64_t pred_end;        /* where the predecessor's records end */
    uint64_t oldest;          /* segments of lower generations are no longer needed */
};

enum segment_state {
    SEGMENT_BLANK,   /* no header yet */
    SEGMENT_SOUND,   /* a header of ours */
    SEGMENT_DAMAGED, /* a header of which the sum is wrong */
    SEGMENT_FOREIGN, /* not a segment */
    SEGMENT_NEWER,   /* of a later version of the format */
};

struct segment {
    struct segment *next;
    uint32_t id;         /* makes the name */
    uint64_t bytes;      /* of the file */
    uint64_t generation; /* 0 while spare */
    uint64_t end;        /* behind its last durable record */
    bool bad;            /* a write or sync failed: never to be used again */
    bool raw;            /* a spare that was never written: its blocks are but reserved */
    bool found;          /* by recovery: its header may void what an earlier process left */
};

struct segment_list {
    struct segment *first, *last;
    uint64_t count, bytes;
};

/* Write the name of segment ID to NAME; PREPARING gives the one it has before it is ready. */
void segment_name(uint32_t id, bool preparing, char name[SEGMENT_NAME_BYTES]);

/* Is NAME that of a segment file? Then give its id and whether it was still being prepared. */
bool segment_name_parse(const char *name, uint32_t *ret_id, bool *ret_preparing);

/* Write HEADER to the SEGMENT_HEADER_BYTES at BLOCK, with its sum. */
void segment_header_put(uint8_t *block, const struct segment_header *header);

/* Judge the SEGMENT_HEADER_BYTES at BLOCK; only for SEGMENT_SOUND is HEADER set. */
enum segment_state segment_header_get(const uint8_t *block, struct segment_header *ret_header);

/* The list owns what is in it. */
void segment_list_append(struct segment_list *list, struct segment *segment);
void segment_list_prepend(struct segment_list *list, struct segment *segment);
struct segment *segment_list_shift(struct segment_list *list); /* NULL if empty */
void segment_list_remove(struct segment_list *list, struct segment *segment);
void segment_list_free(struct segment_list *list);

#endif
