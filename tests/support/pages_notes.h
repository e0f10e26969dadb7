/*
 * For tests of memory ahead of need: what the kernel knows of memory, and a helper of proto/pages.h
 * that does nothing but take notes.
 */
#ifndef SUPPORT_PAGES_NOTES_H
#define SUPPORT_PAGES_NOTES_H

#include "tests/support/test_main.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
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

#define NOTES 256u

struct notes {
    void *pieces[NOTES]; /* asked for and not given back */
    size_t bytes;        /* of the last one */
    unsigned count, asked, dropped;
    bool busy; /* what drop() says */
};

static void notes_ahead(void *ctx, void *p, size_t bytes)
{
    struct notes *n = ctx;

    assert_true(n->count < NOTES);
    n->pieces[n->count++] = p;
    n->bytes = bytes;
    n->asked++;
}

static bool notes_drop(void *ctx, void *p, size_t bytes)
{
    struct notes *n = ctx;

    (void)bytes;
    for (unsigned i = 0; i < n->count; i++) {
        if (n->pieces[i] == p) {
            n->pieces[i] = n->pieces[--n->count];
            n->dropped++;
            return n->busy;
        }
    }
    return false;
}

static NOTES_UNUSED void notes_begin(struct notes *n)
{
    *n = (struct notes){ 0 };
    pages_helper_set(&(struct pages_helper){ .ctx = n, .ahead = notes_ahead, .drop = notes_drop });
}

/* A piece that was asked for is in use now. */
static NOTES_UNUSED void notes_use(struct notes *n, const void *at)
{
    for (unsigned i = 0; i < n->count; i++) {
        if ((uintptr_t)at - (uintptr_t)n->pieces[i] < n->bytes) {
            n->pieces[i] = n->pieces[--n->count];
            return;
        }
    }
}

#endif
