/* Slabs and cells that grow take pieces of memory that are ready, and say when it is enough. */
#include "ahead.h"
#include "core/slab.h"
#include "engine/cells.h"
#include "tests/support/pages_notes.h"

#define CELL_BYTES  64u
#define CHUNK_BYTES ((size_t)CELL_BYTES * SLAB_CHUNK)

/* Take cells up to the number that the last one of COUNT chunks has; fills all but cell 0. */
static void slab_fill(struct slab *s, unsigned count)
{
    while (s->live < count * SLAB_CHUNK - 1) {
        uint32_t cell = slab_take(s);

        assert_true(cell != 0);
        memset(slab_at(s, cell), 1, CELL_BYTES);
    }
}

static void slab_empty(struct slab *s, unsigned chunk)
{
    for (uint32_t i = chunk == 0; i < SLAB_CHUNK; i++)
        slab_give(s, chunk * SLAB_CHUNK + i);
}

static void test_slab_that_grows_takes_a_piece_for_all_chunks_but_the_first(void **state)
{
    struct notes n;
    struct slab s;

    (void)state;
    notes_begin(&n);
    slab_init(&s, CELL_BYTES);
    slab_fill(&s, 1);
    assert_int_equal(n.taken, 0);
    for (unsigned count = 2; count <= 5; count++) {
        slab_fill(&s, count);
        assert_int_equal(n.taken, count - 1);
        assert_int_equal(n.taken_bytes, CHUNK_BYTES);
        assert_ptr_equal(slab_at(&s, (count - 1) * SLAB_CHUNK), n.given[count - 2]);
    }
    assert_int_equal(n.enough, 0);
    slab_done(&s);
    assert_int_equal(n.taken, 4);
    for (unsigned i = 0; i < n.taken; i++)
        assert_int_equal(pages_there(n.given[i], CHUNK_BYTES), -1);
    pages_helper_set(NULL);
}

static void test_slab_that_grows_with_nothing_ready_grows_all_the_same(void **state)
{
    struct notes n;
    struct slab s;

    (void)state;
    notes_begin(&n);
    n.nothing = true;
    slab_init(&s, CELL_BYTES);
    slab_fill(&s, 3);
    assert_int_equal(n.taken, 2);
    for (uint32_t i = 1; i < 3 * SLAB_CHUNK; i++)
        check_bytes(slab_at(&s, i), CELL_BYTES, 1);
    slab_done(&s);
    pages_helper_set(NULL);
}

static void test_slab_that_shrinks_gives_a_chunk_back_and_says_enough(void **state)
{
    struct notes n;
    struct slab s;

    (void)state;
    notes_begin(&n);
    slab_init(&s, CELL_BYTES);
    slab_fill(&s, 3);
    slab_empty(&s, 2); /* one that is empty is kept */
    assert_int_equal(n.enough, 0);
    slab_empty(&s, 1);
    assert_int_equal(n.enough, 1);
    assert_int_equal(n.enough_bytes, CHUNK_BYTES);
    assert_int_equal(pages_there(n.given[0], CHUNK_BYTES), -1);
    assert_int_equal(n.taken, 2);
    slab_fill(&s, 3);
    assert_int_equal(n.taken, 3);
    slab_done(&s);
    pages_helper_set(NULL);
}

/* The numbers of the first chunk may come back behind those of others. */
static void test_slab_whose_first_chunk_comes_back_late_shares_no_memory(void **state)
{
    struct notes n;
    struct slab s;

    (void)state;
    notes_begin(&n);
    slab_init(&s, CELL_BYTES);
    slab_fill(&s, 3);
    slab_empty(&s, 1);
    slab_empty(&s, 0);
    slab_empty(&s, 2);
    assert_int_equal(n.enough, 2);
    slab_fill(&s, 5);
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned k = 0; k < i; k++)
            assert_ptr_not_equal(s.chunks[i].cells, s.chunks[k].cells);
    }
    for (uint32_t i = 1; i < 5 * SLAB_CHUNK; i++)
        check_bytes(slab_at(&s, i), CELL_BYTES, 1);
    assert_int_equal(n.taken, 5); /* twice the last but two, and the last two; not the first */
    slab_done(&s);
    pages_helper_set(NULL);
}

#define CELLS       12000u /* of CELLS_MAX bytes: five chunks and most of another */
#define CELLS_CHUNK ((size_t)2 << 20)

static void *cells[CELLS];

static bool is_in(const void *p, const void *piece)
{
    return (uintptr_t)p - (uintptr_t)piece < CELLS_CHUNK;
}

static void test_cells_that_grow_take_pieces_and_say_enough_when_they_shrink(void **state)
{
    struct notes n;
    unsigned first = 0;

    (void)state;
    notes_begin(&n);
    for (unsigned i = 0; i < CELLS; i++) {
        cells[i] = cells_new(CELLS_MAX);
        assert_non_null(cells[i]);
        memset(cells[i], 1, CELLS_MAX);
        if (n.taken == 0)
            first++;
        else
            assert_true(is_in(cells[i], n.given[n.taken - 1]));
    }
    assert_true(first > CELLS_CHUNK / CELLS_MAX * 9 / 10 && first <= CELLS_CHUNK / CELLS_MAX);
    assert_true(n.taken == 5 && n.taken_bytes == CELLS_CHUNK && n.enough == 0);
    for (unsigned i = 0; i < CELLS; i++) {
        cells_free(cells[i], CELLS_MAX);
        assert_true(n.enough == (i + 1) / first || i == CELLS - 1);
    }
    assert_true(n.taken == 5 && n.enough == 6 && n.enough_bytes == CELLS_CHUNK);
    /* Whoever has these addresses next may use them, as far as AddressSanitizer knows, too. */
    for (unsigned i = 0; i < n.taken; i++) {
        assert_int_equal(pages_there(n.given[i], CELLS_CHUNK), -1);
        assert_true(map_there(n.given[i], CELLS_CHUNK));
        memset(n.given[i], 1, CELLS_CHUNK);
        assert_int_equal(munmap(n.given[i], CELLS_CHUNK), 0);
    }
    pages_helper_set(NULL);
}

static void test_slab_and_cells_that_grow_and_shrink_with_the_thread_are_whole(void **state)
{
    struct ahead *a = NULL;
    struct slab s;

    (void)state;
    assert_true(CHUNK_BYTES == CELLS_CHUNK); /* so they take each other's */
    assert_int_equal(ahead_open(&a), 0);
    slab_init(&s, CELL_BYTES);
    for (unsigned round = 0; round < 5; round++) {
        slab_fill(&s, 4);
        for (unsigned i = 0; i < CELLS; i++) {
            cells[i] = cells_new(CELLS_MAX);
            assert_non_null(cells[i]);
            memset(cells[i], (int)(1 + i % 255), CELLS_MAX);
        }
        assert_in_range(ahead_settle(a, CHUNK_BYTES), 1, AHEAD_READY);
        for (unsigned i = 0; i < CELLS; i++) {
            check_bytes(cells[i], CELLS_MAX, (uint8_t)(1 + i % 255));
            cells_free(cells[i], CELLS_MAX);
        }
        for (uint32_t i = 1; i < 4 * SLAB_CHUNK; i++)
            check_bytes((uint8_t *)slab_at(&s, i) + 4, CELL_BYTES - 4, 1);
        for (unsigned chunk = 4; chunk > 0; chunk--)
            slab_empty(&s, chunk - 1);
        assert_int_equal(ahead_settle(a, CHUNK_BYTES), 0);
    }
    slab_done(&s);
    ahead_close(a);
}

/* Chunks that were kept are used first. Last, for it leaves some. */
static void test_cells_that_grow_into_kept_chunks_take_no_piece(void **state)
{
    void *few[3];
    unsigned taken, count = 0;
    struct notes n;

    (void)state;
    notes_begin(&n);
    while (n.taken == 0) {
        assert_true(count < CELLS);
        cells[count++] = cells_new(CELLS_MAX);
    }
    taken = n.taken;
    for (unsigned i = 0; i < 3; i++)
        few[i] = cells_new(200 + i * 100);
    for (unsigned i = 0; i < 3; i++)
        cells_free(few[i], 200 + i * 100);
    assert_int_equal(n.enough, 0);
    for (unsigned i = 0; i < 3 * CELLS_CHUNK / CELLS_MAX; i++)
        cells[count++] = cells_new(CELLS_MAX);
    assert_int_equal(n.taken, taken);
    while (count > 0)
        cells_free(cells[--count], CELLS_MAX);
    pages_helper_set(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slab_that_grows_takes_a_piece_for_all_chunks_but_the_first),
        cmocka_unit_test(test_slab_that_grows_with_nothing_ready_grows_all_the_same),
        cmocka_unit_test(test_slab_that_shrinks_gives_a_chunk_back_and_says_enough),
        cmocka_unit_test(test_slab_whose_first_chunk_comes_back_late_shares_no_memory),
        cmocka_unit_test(test_cells_that_grow_take_pieces_and_say_enough_when_they_shrink),
        cmocka_unit_test(test_slab_and_cells_that_grow_and_shrink_with_the_thread_are_whole),
        cmocka_unit_test(test_cells_that_grow_into_kept_chunks_take_no_piece),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
