/*
 * For tests of memory ahead of need: what the kernel knows of memory, and a helper of proto/pages.h
 * that gives what it is asked for and takes notes.
 */
#ifndef SUPPORT_PAGES_NOTES_H
#define SUPPORT_PAGES_NOTES_H

#include "tests/support/test_main.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "proto/pages.h"

#define NOTES_UNUSED    __attribute__((unused))
#define PAGES_THERE_MAX 65536u /* pages that can be asked about at a time */

/* How many of the pages at P are there, or -1 if not all of it is mapped. */
static NOTES_UNUSED int pages_there(void *p, size_t bytes)
{
    static unsigned char map[PAGES_THERE_MAX];
    int count = 0;

    assert_true(bytes / PAGES_BYTES <= PAGES_THERE_MAX);
    if (mincore(p, bytes, map) < 0) {
        assert_int_equal(errno, ENOMEM);
        return -1;
    }
    for (size_t i = 0; i < bytes / PAGES_BYTES; i++)
        count += map[i] & 1;
    return count;
}

/* Take the addresses, if nobody else has them. */
static NOTES_UNUSED bool map_there(void *p, size_t bytes)
{
    void *got = mmap(p, bytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

    if (got != MAP_FAILED && got != p)
        assert_int_equal(munmap(got, bytes), 0);
    return got == p;
}

static NOTES_UNUSED void check_bytes(const uint8_t *p, size_t bytes, uint8_t want)
{
    for (size_t i = 0; i < bytes; i++) {
        if (p[i] != want)
            assert_int_equal(p[i], want);
    }
}

/* What of /proc/self/statm is asked for. */
enum { STATM_MAPPED, STATM_THERE };

/* Bytes that are mapped, or there, in the whole process. */
static NOTES_UNUSED size_t statm_bytes(int which)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long pages[2] = { 0 };

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &pages[STATM_MAPPED], &pages[STATM_THERE]), 2);
    (void)fclose(f);
    return pages[which] * PAGES_BYTES;
}

#define NOTES 64u

struct notes {
    void *given[NOTES]; /* pieces, in order */
    size_t taken_bytes; /* of the last one that was asked for */
    size_t enough_bytes;
    unsigned taken, enough; /* calls */
    bool nothing;           /* is ready */
};

static void *notes_take(void *ctx, size_t bytes)
{
    struct notes *n = ctx;

    assert_true(n->taken < NOTES);
    n->taken_bytes = bytes;
    n->given[n->taken] = n->nothing ? NULL : pages_piece(bytes);
    return n->given[n->taken++];
}

static void notes_enough(void *ctx, size_t bytes)
{
    struct notes *n = ctx;

    n->enough_bytes = bytes;
    n->enough++;
}

static NOTES_UNUSED void notes_begin(struct notes *n)
{
    *n = (struct notes){ 0 };
    pages_helper_set(
        &(struct pages_helper){ .ctx = n, .take = notes_take, .enough = notes_enough });
}

#endif
