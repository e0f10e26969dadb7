/* Memory ahead of need: pieces come from who has them ready, and are as good as the kernel's. */
#include "ahead.h"
#include "proto/pages.h"
#include "tests/support/test_main.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#define PIECES 200u

static void *fake_piece;
static unsigned fake_asked;

static void *fake_take(void *ctx)
{
    void *p = fake_piece;

    assert_ptr_equal(ctx, &fake_piece);
    fake_asked++;
    fake_piece = NULL;
    return p;
}

static void test_pages_source_is_asked_for_pieces_and_nothing_else(void **state)
{
    void *piece = pages_piece(), *p, *other, *odd;

    (void)state;
    assert_non_null(piece);
    fake_piece = piece;
    fake_asked = 0;
    pages_source_set(&(struct pages_source){ .take = fake_take, .ctx = &fake_piece });
    odd = pages_new(PAGES_BYTES);
    assert_int_equal(fake_asked, 0);
    p = pages_new(PAGES_PIECE);
    assert_ptr_equal(p, piece);
    other = pages_new_aligned(PAGES_PIECE); /* it has no more: the kernel has */
    assert_int_equal(fake_asked, 2);
    assert_non_null(other);
    assert_int_equal((uintptr_t)other % PAGES_PIECE, 0);
    pages_source_set(NULL);
    pages_free(odd, PAGES_BYTES);
    pages_free(p, PAGES_PIECE);
    pages_free(other, PAGES_PIECE);
}

static void test_ahead_pieces_are_zeroed_aligned_and_of_one_owner(void **state)
{
    static unsigned char *pieces[PIECES];
    struct ahead *ahead = NULL;

    (void)state;
    assert_int_equal(ahead_open(&ahead), 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PIECES; i++) {
            pieces[i] = i % 2 == 0 ? pages_new(PAGES_PIECE) : pages_new_aligned(PAGES_PIECE);
            assert_non_null(pieces[i]);
            assert_true(i % 2 == 0 || (uintptr_t)pieces[i] % PAGES_PIECE == 0);
            for (unsigned at = 0; at < PAGES_PIECE; at += 512)
                assert_int_equal(pieces[i][at], 0);
            memset(pieces[i], (int)i + 1, PAGES_PIECE);
        }
        for (unsigned i = 0; i < PIECES; i++) {
            for (unsigned at = 0; at < PAGES_PIECE; at += 512)
                assert_int_equal(pieces[i][at], (unsigned char)(i + 1));
            pages_free(pieces[i], PAGES_PIECE);
        }
    }
    ahead_close(ahead);
    pieces[0] = pages_new(PAGES_PIECE); /* nobody is asked any more */
    assert_non_null(pieces[0]);
    pages_free(pieces[0], PAGES_PIECE);
}

static void test_ahead_closed_unused_or_null_leaves_nothing(void **state)
{
    struct ahead *ahead = NULL;

    (void)state;
    assert_int_equal(ahead_open(&ahead), 0);
    ahead_close(ahead);
    ahead_close(NULL);
}

static void take_and_drop(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        void *p = pages_new(PAGES_PIECE);

        assert_non_null(p);
        pages_free(p, PAGES_PIECE);
    }
}

/* It is another thread that makes them: give it ten seconds. */
static unsigned ready_at_last(struct ahead *ahead)
{
    const struct timespec moment = { .tv_nsec = 1000000 };

    for (unsigned i = 0; i < 10000 && ahead_ready(ahead) < AHEAD_PIECES; i++)
        (void)nanosleep(&moment, NULL);
    return ahead_ready(ahead);
}

static void test_ahead_keeps_none_until_many_were_asked_for_and_then_few(void **state)
{
    struct ahead *ahead = NULL;

    (void)state;
    assert_int_equal(ahead_open(&ahead), 0);
    take_and_drop(AHEAD_FROM - 1);
    assert_int_equal(ahead_ready(ahead), 0);
    take_and_drop(1);
    assert_int_equal(ready_at_last(ahead), AHEAD_PIECES);
    take_and_drop(AHEAD_PIECES / 2);
    assert_int_equal(ready_at_last(ahead), AHEAD_PIECES);
    ahead_close(ahead);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_source_is_asked_for_pieces_and_nothing_else),
        cmocka_unit_test(test_ahead_pieces_are_zeroed_aligned_and_of_one_owner),
        cmocka_unit_test(test_ahead_keeps_none_until_many_were_asked_for_and_then_few),
        cmocka_unit_test(test_ahead_closed_unused_or_null_leaves_nothing),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
