/* Memory ahead of need: who is asked for what, and what the thread that writes to it may not do. */
#include "ahead.h"
#include "tests/support/pages_notes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define LARGE   ((size_t)128 << 20) /* keeps the thread busy for a while */
#define SMALL   (16u * PAGES_BYTES)
#define WAIT_NS UINT64_C(10000000000)

/* Whether the kernel can make pages be there at all; before 5.14 it cannot. */
static bool can_touch(void)
{
    void *p = pages_new(PAGES_BYTES);
    int rc;

    assert_non_null(p);
    rc = madvise(p, PAGES_BYTES, MADV_POPULATE_WRITE);
    pages_free(p, PAGES_BYTES);
    return rc == 0;
}

/* A piece that is zeroes and holds what is written to it. */
static void check_usable(void *p, size_t bytes)
{
    check_bytes(p, bytes, 0);
    memset(p, 0x5a, bytes);
    check_bytes(p, bytes, 0x5a);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Ask for a large piece and return it as soon as the thread writes to it. */
static void *large_begun(void)
{
    void *p = pages_new(LARGE);
    uint64_t until = now_ns() + WAIT_NS;
    bool can = can_touch();

    assert_non_null(p);
    pages_ahead(p, LARGE);
    while (can && pages_there(p, PAGES_BYTES) == 0)
        assert_true(now_ns() < until);
    return p;
}

/* --- the hook --- */

static void test_pages_ahead_asks_the_helper_and_free_drops(void **state)
{
    struct notes n;
    void *p = pages_new(SMALL);

    (void)state;
    notes_begin(&n);
    pages_ahead(p, SMALL);
    assert_true(n.asked == 1 && n.pieces[0] == p && n.bytes == SMALL);
    pages_free(p, SMALL);
    assert_true(n.dropped == 1 && n.count == 0);
    assert_int_equal(pages_there(p, SMALL), -1);
    pages_free(NULL, SMALL);
    assert_int_equal(n.dropped, 1);
    pages_helper_set(NULL);
}

static void test_pages_free_of_a_busy_piece_leaves_it_to_the_helper(void **state)
{
    struct notes n;
    void *p = pages_new(SMALL);

    (void)state;
    notes_begin(&n);
    n.busy = true;
    pages_ahead(p, SMALL);
    pages_free(p, SMALL);
    assert_int_equal(pages_there(p, SMALL), 0);
    pages_touch(p, SMALL);
    assert_int_equal(pages_there(p, SMALL), can_touch() ? SMALL / PAGES_BYTES : 0);
    pages_unmap(p, SMALL);
    assert_int_equal(pages_there(p, SMALL), -1);
    pages_helper_set(NULL);
}

static void test_pages_ahead_without_a_helper_does_nothing(void **state)
{
    void *p = pages_new(SMALL);

    (void)state;
    pages_helper_set(NULL);
    pages_ahead(p, SMALL);
    assert_int_equal(pages_there(p, SMALL), 0);
    pages_free(p, SMALL);
    assert_int_equal(pages_there(p, SMALL), -1);
}

/* --- the thread --- */

static void test_ahead_settled_is_there_and_reads_as_zeroes(void **state)
{
    const size_t sizes[] = { PAGES_BYTES, SMALL, (size_t)2 << 20, (size_t)5 << 20 };
    struct ahead *a = NULL;
    uint8_t *p[4];

    (void)state;
    assert_int_equal(ahead_open(&a), 0);
    for (unsigned i = 0; i < 4; i++) {
        p[i] = pages_new(sizes[i]);
        assert_non_null(p[i]);
        pages_huge(p[i], sizes[i]);
        pages_ahead(p[i], sizes[i]);
    }
    ahead_settle(a);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pages_there(p[i], sizes[i]), can_touch() ? sizes[i] / PAGES_BYTES : 0);
        check_usable(p[i], sizes[i]);
    }
    ahead_close(a);
    for (unsigned i = 0; i < 4; i++) {
        check_bytes(p[i], sizes[i], 0x5a);
        pages_free(p[i], sizes[i]);
        assert_int_equal(pages_there(p[i], sizes[i]), -1);
    }
}

static void test_ahead_in_use_while_written_to_keeps_what_is_there(void **state)
{
    struct ahead *a = NULL;
    bool can = can_touch(); /* before: it maps, and so waits for the thread */
    uint8_t *p;

    (void)state;
    assert_int_equal(ahead_open(&a), 0);
    p = large_begun();
    for (size_t at = 0; at < LARGE; at += 64u * PAGES_BYTES)
        p[at] = 7;
    ahead_settle(a);
    if (can)
        assert_int_equal(pages_there(p, LARGE), LARGE / PAGES_BYTES);
    for (size_t at = 0; at < LARGE; at += 64u * PAGES_BYTES) {
        assert_int_equal(p[at], 7);
        assert_int_equal(p[at + 1], 0);
    }
    pages_free(p, LARGE);
    ahead_close(a);
}

/*
 * Whoever has the addresses next is not written to. While the thread writes to a piece, the kernel
 * lets nobody map or unmap: so there are many before the one that is freed.
 */
static void test_ahead_freed_while_it_waits_is_forgotten(void **state)
{
    const size_t bytes = (size_t)8 << 20;
    void *before[AHEAD_MAX - 2], *p = pages_new(SMALL), *other = pages_new(SMALL);
    struct ahead *a = NULL;

    (void)state;
    for (unsigned i = 0; i < AHEAD_MAX - 2; i++)
        before[i] = pages_new(bytes);
    assert_int_equal(ahead_open(&a), 0);
    for (unsigned i = 0; i < AHEAD_MAX - 2; i++)
        pages_ahead(before[i], bytes);
    pages_ahead(p, SMALL);
    pages_ahead(other, SMALL);
    pages_free(p, SMALL);
    assert_true(map_there(p, SMALL));
    ahead_settle(a);
    assert_int_equal(pages_there(p, SMALL), 0);
    assert_int_equal(pages_there(other, SMALL), can_touch() ? SMALL / PAGES_BYTES : 0);
    assert_int_equal(munmap(p, SMALL), 0);
    pages_free(other, SMALL);
    for (unsigned i = 0; i < AHEAD_MAX - 2; i++)
        pages_free(before[i], bytes);
    ahead_close(a);
}

static void test_ahead_freed_while_written_to_is_unmapped_once(void **state)
{
    struct ahead *a = NULL;
    void *p, *other = pages_new(SMALL);

    (void)state;
    assert_int_equal(ahead_open(&a), 0);
    p = large_begun();
    pages_free(p, LARGE);
    ahead_settle(a);
    assert_int_equal(pages_there(p, PAGES_BYTES), -1);
    assert_true(map_there(p, LARGE));
    memset(p, 9, SMALL);
    pages_ahead(other, SMALL); /* one more round of the thread */
    ahead_settle(a);
    check_bytes(p, SMALL, 9);
    ahead_close(a);
    check_bytes(p, SMALL, 9);
    assert_int_equal(munmap(p, LARGE), 0);
    pages_free(other, SMALL);
}

static void test_ahead_more_than_its_bound_are_harmless(void **state)
{
    void *p[3 * AHEAD_MAX], *large;
    struct ahead *a = NULL;

    (void)state;
    for (unsigned i = 0; i < 3 * AHEAD_MAX; i++)
        p[i] = pages_new(SMALL);
    assert_int_equal(ahead_open(&a), 0);
    large = large_begun();
    for (unsigned i = 0; i < 3 * AHEAD_MAX; i++)
        pages_ahead(p[i], SMALL);
    pages_free(p[1], SMALL);
    pages_free(p[2 * AHEAD_MAX], SMALL);
    ahead_settle(a);
    assert_int_equal(pages_there(p[0], SMALL), can_touch() ? SMALL / PAGES_BYTES : 0);
    for (unsigned i = 0; i < 3 * AHEAD_MAX; i++) {
        if (i == 1 || i == 2 * AHEAD_MAX)
            continue;
        check_usable(p[i], SMALL);
        pages_free(p[i], SMALL);
    }
    pages_free(large, LARGE);
    ahead_close(a);
}

/* --- the end --- */

static void test_ahead_closed_is_not_asked(void **state)
{
    struct ahead *a = NULL;
    void *before = pages_new(SMALL), *after = pages_new(SMALL);

    (void)state;
    assert_int_equal(ahead_open(&a), 0);
    pages_ahead(before, SMALL);
    ahead_close(a);
    pages_ahead(after, SMALL);
    assert_int_equal(pages_there(after, SMALL), 0);
    pages_free(before, SMALL);
    pages_free(after, SMALL);
    assert_int_equal(pages_there(before, SMALL), -1);
    ahead_close(NULL);
}

static void test_ahead_closed_with_much_to_do_ends(void **state)
{
    struct ahead *a = NULL;
    void *p[AHEAD_MAX], *large;

    (void)state;
    for (unsigned i = 0; i < AHEAD_MAX; i++)
        p[i] = pages_new(SMALL);
    assert_int_equal(ahead_open(&a), 0);
    large = large_begun();
    for (unsigned i = 0; i < AHEAD_MAX; i++)
        pages_ahead(p[i], SMALL);
    pages_free(large, LARGE);
    ahead_close(a);
    assert_int_equal(pages_there(large, PAGES_BYTES), -1);
    for (unsigned i = 0; i < AHEAD_MAX; i++) {
        check_usable(p[i], SMALL);
        pages_free(p[i], SMALL);
    }
}

/* --- at random --- */

#define PIECES 48u
#define ROUNDS 30000u

struct piece {
    uint8_t *p;
    size_t bytes;
    uint8_t mark; /* 0: not written to so far */
};

static uint64_t seed;

static uint32_t below(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % n;
}

static void piece_check(const struct piece *c)
{
    for (size_t at = 0; at < c->bytes; at += PAGES_BYTES) {
        if (c->p[at] != c->mark)
            assert_int_equal(c->p[at], c->mark);
    }
}

static void piece_act(struct piece *c)
{
    if (c->p == NULL) {
        c->bytes = (1 + below(below(8) == 0 ? 600 : 8)) * (size_t)PAGES_BYTES;
        c->p = pages_new(c->bytes);
        assert_non_null(c->p);
        c->mark = 0;
        if (below(8) != 0)
            pages_ahead(c->p, c->bytes);
    } else if (c->mark == 0 && below(2) == 0) {
        piece_check(c);
        c->mark = (uint8_t)(1 + below(255));
        for (size_t at = 0; at < c->bytes; at += PAGES_BYTES)
            c->p[at] = c->mark;
    } else {
        if (below(2) == 0)
            piece_check(c);
        pages_free(c->p, c->bytes);
        c->p = NULL;
    }
}

static void test_ahead_of_many_that_come_and_go_keeps_each_whole(void **state)
{
    const char *text = getenv("GANGER_SEED");
    struct piece pieces[PIECES] = { 0 };
    struct ahead *a = NULL;

    (void)state;
    seed = text == NULL ? now_ns() : strtoull(text, NULL, 0);
    print_message("seed %llu\n", (unsigned long long)seed);
    assert_int_equal(ahead_open(&a), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        piece_act(&pieces[below(PIECES)]);
        if (i % 5000 == 4999) {
            ahead_close(a);
            assert_int_equal(ahead_open(&a), 0);
        } else if (below(500) == 0) {
            ahead_settle(a);
        }
    }
    for (unsigned i = 0; i < PIECES; i++) {
        if (pieces[i].p == NULL)
            continue;
        piece_check(&pieces[i]);
        pages_free(pieces[i].p, pieces[i].bytes);
    }
    ahead_close(a);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_ahead_asks_the_helper_and_free_drops),
        cmocka_unit_test(test_pages_free_of_a_busy_piece_leaves_it_to_the_helper),
        cmocka_unit_test(test_pages_ahead_without_a_helper_does_nothing),
        cmocka_unit_test(test_ahead_settled_is_there_and_reads_as_zeroes),
        cmocka_unit_test(test_ahead_in_use_while_written_to_keeps_what_is_there),
        cmocka_unit_test(test_ahead_freed_while_it_waits_is_forgotten),
        cmocka_unit_test(test_ahead_freed_while_written_to_is_unmapped_once),
        cmocka_unit_test(test_ahead_more_than_its_bound_are_harmless),
        cmocka_unit_test(test_ahead_closed_is_not_asked),
        cmocka_unit_test(test_ahead_closed_with_much_to_do_ends),
        cmocka_unit_test(test_ahead_of_many_that_come_and_go_keeps_each_whole),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
