/* Memory ahead of need: who is asked for what, and what is ready when. */
#include "ahead.h"
#include "tests/support/pages_notes.h"

#include <stdlib.h>
#include <time.h>

#define SMALL   (16u * PAGES_BYTES)
#define LARGE   ((size_t)2 << 20)   /* a large page */
#define PIECE   ((size_t)16 << 20)  /* is seen in what the whole process has */
#define HUGE    ((size_t)256 << 20) /* keeps the thread busy for a while */
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

/* Whether it has large pages. */
static bool can_large(void)
{
    void *p = pages_new(LARGE);
    int rc;

    assert_non_null(p);
    rc = madvise(p, LARGE, MADV_HUGEPAGE);
    pages_free(p, LARGE);
    return rc == 0;
}

/* Whether large pages were asked for at P. */
static bool is_large(const void *p)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    bool here = false, large = false;

    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)p >= from && (uintptr_t)p < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            large = strstr(line, " hg") != NULL;
    }
    (void)fclose(f);
    return large;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static struct ahead *opened(void)
{
    struct ahead *a = NULL;

    assert_int_equal(ahead_open(&a), 0);
    assert_non_null(a);
    return a;
}

static void *more(size_t bytes)
{
    void *p = pages_more(bytes);

    assert_non_null(p);
    return p;
}

/* A piece that is zeroes and holds what is written to it. */
static void check_usable(void *p, size_t bytes)
{
    check_bytes(p, bytes, 0);
    memset(p, 0x5a, bytes);
    check_bytes(p, bytes, 0x5a);
}

/* Take more than are ready, over and over, until COUNT are; leaves the need of them as it is. */
static void make_ready(struct ahead *a, size_t bytes, unsigned count)
{
    unsigned ready = ahead_settle(a, bytes), before;
    void *p[AHEAD_READY + 1];

    for (unsigned round = 0; ready < count; round++) {
        assert_true(round < 1000); /* the thread may be quick; not always */
        for (unsigned i = 0; i <= ready; i++)
            p[i] = more(bytes);
        for (unsigned i = 0; i <= ready; i++)
            pages_free(p[i], bytes);
        before = ready;
        ready = ahead_settle(a, bytes);
        assert_in_range(ready, before, before + 1);
    }
    assert_int_equal(ready, count);
}

/* --- the hook --- */

static void test_pages_more_asks_the_helper_and_less_says_enough(void **state)
{
    struct notes n;
    void *p;

    (void)state;
    notes_begin(&n);
    p = more(SMALL);
    assert_true(n.taken == 1 && n.taken_bytes == SMALL && n.enough == 0);
    assert_ptr_equal(p, n.given[0]);
    pages_less(p, SMALL);
    assert_true(n.taken == 1 && n.enough == 1 && n.enough_bytes == SMALL);
    assert_int_equal(pages_there(p, SMALL), -1);
    n.nothing = true;
    p = more(LARGE);
    assert_true(n.taken == 2 && n.taken_bytes == LARGE && n.enough == 1);
    check_usable(p, LARGE);
    pages_less(p, LARGE);
    assert_true(n.taken == 2 && n.enough == 2 && n.enough_bytes == LARGE);
    assert_int_equal(pages_there(p, LARGE), -1);
    pages_helper_set(NULL);
}

static void test_pages_other_calls_ask_nobody(void **state)
{
    struct notes n;
    void *p, *aligned;

    (void)state;
    notes_begin(&n);
    p = pages_grow(pages_new(SMALL), SMALL, 2 * LARGE);
    assert_non_null(p);
    pages_huge(p, 2 * LARGE);
    pages_clear(p, 2 * LARGE);
    pages_free(p, 2 * LARGE);
    pages_free(NULL, LARGE);
    aligned = pages_new_aligned(LARGE);
    assert_non_null(aligned);
    pages_free(aligned, LARGE);
    p = pages_piece(SMALL);
    assert_non_null(p);
    pages_piece_free(p, SMALL);
    assert_int_equal(pages_there(p, SMALL), -1);
    assert_true(n.taken == 0 && n.enough == 0);
    pages_helper_set(NULL);
}

static void test_pages_more_without_a_helper_maps_and_less_frees(void **state)
{
    const size_t sizes[] = { PAGES_BYTES, SMALL, LARGE, LARGE + SMALL, 2 * LARGE + SMALL };
    void *p[5], *between[5];
    bool large = can_large();

    (void)state;
    pages_helper_set(NULL);
    for (unsigned i = 0; i < 5; i++) {
        between[i] = pages_new(PAGES_BYTES); /* what is below is not aligned of itself */
        p[i] = more(sizes[i]);
        assert_int_equal(pages_there(p[i], sizes[i]), 0);
        if (sizes[i] < LARGE)
            continue;
        assert_int_equal((uintptr_t)p[i] % LARGE, 0);
        assert_true(!large || is_large(p[i]));
    }
    for (unsigned i = 0; i < 5; i++) {
        check_usable(p[i], sizes[i]);
        pages_less(p[i], sizes[i]);
        assert_int_equal(pages_there(p[i], sizes[i]), -1);
        pages_free(between[i], PAGES_BYTES);
    }
}

/* --- the thread --- */

static void test_ahead_settled_is_there_and_reads_as_zeroes(void **state)
{
    const size_t sizes[] = { PAGES_BYTES, SMALL, LARGE, 2 * LARGE + SMALL };
    struct ahead *a = opened();
    bool large = can_large(), can = can_touch();

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        void *p, *first;

        assert_int_equal(ahead_settle(a, sizes[i]), 0);
        first = more(sizes[i]);
        assert_int_equal(ahead_settle(a, sizes[i]), 1);
        p = more(sizes[i]);
        if (can)
            assert_int_equal(pages_there(p, sizes[i]), sizes[i] / PAGES_BYTES);
        if (sizes[i] >= LARGE) {
            assert_int_equal((uintptr_t)p % LARGE, 0);
            assert_true(!large || is_large(p));
        }
        check_usable(first, sizes[i]);
        check_usable(p, sizes[i]);
        pages_less(first, sizes[i]);
        pages_less(p, sizes[i]);
        assert_int_equal(pages_there(p, sizes[i]), -1);
    }
    ahead_close(a);
}

static void test_ahead_pieces_have_one_owner(void **state)
{
    struct ahead *a = opened();
    uint8_t *p[64];

    (void)state;
    make_ready(a, SMALL, 2);
    for (unsigned i = 0; i < 64; i++) {
        if (i % 4 == 0)
            assert_in_range(ahead_settle(a, SMALL), 2, AHEAD_READY);
        p[i] = more(SMALL);
        check_bytes(p[i], SMALL, 0);
        memset(p[i], (int)i + 1, SMALL);
    }
    assert_in_range(ahead_settle(a, SMALL), 2, AHEAD_READY);
    for (unsigned i = 0; i < 64; i++) {
        check_bytes(p[i], SMALL, (uint8_t)(i + 1));
        pages_free(p[i], SMALL);
    }
    ahead_close(a);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(pages_there(p[i], SMALL), -1);
}

static void test_ahead_misses_raise_what_is_ready_to_its_bound(void **state)
{
    void *p[16 * AHEAD_READY];
    struct ahead *a = opened();

    (void)state;
    for (unsigned i = 1; i <= AHEAD_READY; i++)
        make_ready(a, LARGE, i);
    for (unsigned i = 0; i < 16 * AHEAD_READY; i++)
        p[i] = more(LARGE);
    assert_int_equal(ahead_settle(a, LARGE), AHEAD_READY);
    for (unsigned i = 0; i < 16 * AHEAD_READY; i++)
        pages_free(p[i], LARGE);
    assert_int_equal(ahead_settle(a, LARGE), AHEAD_READY);
    ahead_close(a);
}

static void test_ahead_taken_when_ready_keeps_no_more_than_before(void **state)
{
    struct ahead *a = opened();
    void *p[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        p[i] = more(SMALL);
        assert_int_equal(ahead_settle(a, SMALL), 1);
    }
    assert_int_equal(ahead_settle(a, LARGE), 0);
    for (unsigned i = 0; i < 8; i++)
        pages_free(p[i], SMALL);
    ahead_close(a);
}

static void test_ahead_told_enough_gives_all_that_is_ready_back(void **state)
{
    struct ahead *a = opened();
    void *p = more(PIECE), *other = more(SMALL);
    size_t mapped;

    (void)state;
    make_ready(a, PIECE, AHEAD_READY);
    mapped = statm_bytes(STATM_MAPPED);
    pages_less(p, PIECE);
    assert_int_equal(ahead_settle(a, PIECE), 0);
    assert_true(statm_bytes(STATM_MAPPED) <= mapped - AHEAD_READY * PIECE);
    assert_int_equal(ahead_settle(a, SMALL), 1);
    /* The next one that is needed starts from the beginning. */
    p = more(PIECE);
    assert_int_equal(ahead_settle(a, PIECE), 1);
    pages_less(p, PIECE);
    assert_int_equal(ahead_settle(a, PIECE), 0);
    pages_less(other, SMALL);
    assert_int_equal(ahead_settle(a, SMALL), 0);
    ahead_close(a);
}

#define SIZES (3 * AHEAD_KINDS)

static void test_ahead_of_too_many_sizes_is_harmless(void **state)
{
    struct ahead *a = opened();
    void *p[2 * SIZES];

    (void)state;
    for (unsigned i = 0; i < 2 * SIZES; i++) {
        size_t bytes = (i % SIZES + 1) * (size_t)PAGES_BYTES;

        p[i] = more(bytes);
        assert_in_range(ahead_settle(a, bytes), i % SIZES < AHEAD_KINDS, i % SIZES < AHEAD_KINDS);
    }
    for (unsigned i = 0; i < 2 * SIZES; i++) {
        size_t bytes = (i % SIZES + 1) * (size_t)PAGES_BYTES;

        check_usable(p[i], bytes);
        pages_less(p[i], bytes);
        assert_int_equal(pages_there(p[i], bytes), -1);
        assert_int_equal(ahead_settle(a, bytes), 0);
    }
    ahead_close(a);
}

static void test_ahead_without_memory_makes_none_and_goes_on(void **state)
{
    const size_t bytes = (size_t)1 << 50; /* are more than there are addresses */
    struct ahead *a = opened();
    void *p;

    (void)state;
    assert_null(pages_more(bytes));
    assert_int_equal(ahead_settle(a, bytes), 0);
    assert_null(pages_more(bytes));
    p = more(SMALL);
    assert_int_equal(ahead_settle(a, SMALL), 1);
    assert_int_equal(ahead_settle(a, bytes), 0);
    pages_free(p, SMALL);
    ahead_close(a);
}

/* --- the end --- */

static void test_ahead_closed_with_pieces_ready_leaves_none(void **state)
{
    struct ahead *a = opened();
    void *p;
    size_t mapped;

    (void)state;
    ahead_close(a); /* the memory of a thread may be kept */
    mapped = statm_bytes(STATM_MAPPED);
    a = opened();
    p = more(PIECE);
    make_ready(a, PIECE, AHEAD_READY);
    assert_true(statm_bytes(STATM_MAPPED) > mapped + AHEAD_READY * PIECE);
    ahead_close(a);
    pages_free(p, PIECE);
    assert_true(statm_bytes(STATM_MAPPED) < mapped + PIECE);
}

/* As soon as it is seen that some of what nobody has written to is there. */
static void test_ahead_closed_while_one_is_made_leaves_none(void **state)
{
    struct ahead *a = opened();
    bool can = can_touch();
    uint64_t until;
    size_t mapped, there;
    void *p;

    (void)state;
    ahead_close(a);
    mapped = statm_bytes(STATM_MAPPED);
    there = statm_bytes(STATM_THERE);
    a = opened();
    p = more(HUGE);
    until = now_ns() + WAIT_NS;
    while (can && statm_bytes(STATM_THERE) < there + 2 * LARGE)
        assert_true(now_ns() < until);
    ahead_close(a);
    pages_less(p, HUGE);
    assert_true(statm_bytes(STATM_MAPPED) < mapped + HUGE);
}

static void test_ahead_told_enough_while_one_is_made_keeps_none(void **state)
{
    struct ahead *a = opened();
    void *p = more(HUGE);
    size_t mapped = statm_bytes(STATM_MAPPED);

    (void)state;
    pages_less(p, HUGE);
    assert_int_equal(ahead_settle(a, HUGE), 0);
    assert_true(statm_bytes(STATM_MAPPED) < mapped);
    ahead_close(a);
}

static void test_ahead_closed_is_not_asked(void **state)
{
    struct ahead *a = opened();
    void *before = more(SMALL), *after;

    (void)state;
    assert_int_equal(ahead_settle(a, SMALL), 1);
    ahead_close(a);
    after = more(SMALL);
    assert_int_equal(pages_there(after, SMALL), 0);
    pages_less(before, SMALL);
    pages_less(after, SMALL);
    assert_int_equal(pages_there(before, SMALL), -1);
    assert_int_equal(pages_there(after, SMALL), -1);
    ahead_close(NULL);
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

/* One of two more than there may be kinds; one in eight is large. */
static size_t some_size(void)
{
    return below(8) == 0 ? LARGE : (1 + below(AHEAD_KINDS + 1)) * (size_t)PAGES_BYTES;
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
        c->bytes = some_size();
        c->p = below(8) == 0 ? pages_new(c->bytes) : pages_more(c->bytes);
        assert_non_null(c->p);
        c->mark = 0;
    } else if (c->mark == 0 && below(4) != 0) {
        piece_check(c);
        c->mark = (uint8_t)(1 + below(255));
        for (size_t at = 0; at < c->bytes; at += PAGES_BYTES)
            c->p[at] = c->mark;
    } else {
        piece_check(c);
        if (below(4) == 0)
            pages_less(c->p, c->bytes);
        else
            pages_free(c->p, c->bytes);
        c->p = NULL;
    }
}

static void test_ahead_of_many_that_come_and_go_keeps_each_whole(void **state)
{
    const char *text = getenv("GANGER_SEED");
    struct piece pieces[PIECES] = { 0 };
    struct ahead *a = opened();

    (void)state;
    seed = text == NULL ? now_ns() : strtoull(text, NULL, 0);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < ROUNDS; i++) {
        piece_act(&pieces[below(PIECES)]);
        if (i % 5000 == 4999) {
            ahead_close(a);
            a = opened();
        } else if (below(500) == 0) {
            assert_in_range(ahead_settle(a, some_size()), 0, AHEAD_READY);
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
        cmocka_unit_test(test_pages_more_asks_the_helper_and_less_says_enough),
        cmocka_unit_test(test_pages_other_calls_ask_nobody),
        cmocka_unit_test(test_pages_more_without_a_helper_maps_and_less_frees),
        cmocka_unit_test(test_ahead_settled_is_there_and_reads_as_zeroes),
        cmocka_unit_test(test_ahead_pieces_have_one_owner),
        cmocka_unit_test(test_ahead_misses_raise_what_is_ready_to_its_bound),
        cmocka_unit_test(test_ahead_taken_when_ready_keeps_no_more_than_before),
        cmocka_unit_test(test_ahead_told_enough_gives_all_that_is_ready_back),
        cmocka_unit_test(test_ahead_of_too_many_sizes_is_harmless),
        cmocka_unit_test(test_ahead_without_memory_makes_none_and_goes_on),
        cmocka_unit_test(test_ahead_closed_with_pieces_ready_leaves_none),
        cmocka_unit_test(test_ahead_closed_while_one_is_made_leaves_none),
        cmocka_unit_test(test_ahead_told_enough_while_one_is_made_keeps_none),
        cmocka_unit_test(test_ahead_closed_is_not_asked),
        cmocka_unit_test(test_ahead_of_many_that_come_and_go_keeps_each_whole),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
