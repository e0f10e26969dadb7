/* Slabs and cells that grow ask for one piece of memory ahead of need, and give it back. */
#include "ahead.h"
#include "core/slab.h"
#include "engine/cells.h"
#include "tests/support/pages_notes.h"

#define CELL_BYTES 64u

/* Take cells up to the number that the last one of COUNT chunks has; fills all but cell 0. */
static void slab_fill(struct slab *s, struct notes *n, unsigned count)
{
    while (s->live < count * SLAB_CHUNK - 1) {
        uint32_t cell = slab_take(s);

        assert_true(cell != 0);
        memset(slab_at(s, cell), 1, CELL_BYTES);
        if (cell % SLAB_CHUNK <= 1) /* the first one: there is no cell 0 */
            notes_use(n, slab_at(s, cell));
    }
}

static void slab_empty(struct slab *s, unsigned chunk)
{
    for (uint32_t i = chunk == 0; i < SLAB_CHUNK; i++)
        slab_give(s, chunk * SLAB_CHUNK + i);
}

static void test_slab_that_grows_asks_for_one_chunk_and_uses_it(void **state)
{
    struct notes n;
    struct slab s;

    (void)state;
    notes_begin(&n);
    slab_init(&s, CELL_BYTES);
    slab_fill(&s, &n, 1);
    assert_int_equal(n.asked, 0);
    for (unsigned count = 2; count <= 5; count++) {
        void *next = count == 2 ? NULL : n.pieces[0];

        slab_fill(&s, &n, count);
        assert_int_equal(n.asked, count - 1);
        assert_int_equal(n.count, 1);
        assert_int_equal(n.bytes, (size_t)CELL_BYTES * SLAB_CHUNK);
        if (next != NULL)
            assert_ptr_equal(slab_at(&s, (count - 1) * SLAB_CHUNK), next);
    }
    assert_int_equal(n.dropped, 0);
    slab_done(&s);
    assert_true(n.dropped == 1 && n.count == 0);
    pages_helper_set(NULL);
}

static void test_slab_that_shrinks_gives_the_next_chunk_back(void **state)
{
    struct notes n;
    struct slab s;
    void *next;

    (void)state;
    notes_begin(&n);
    slab_init(&s, CELL_BYTES);
    slab_fill(&s, &n, 3);
    next = n.pieces[0];
    slab_empty(&s, 2); /* one that is empty is kept */
    assert_int_equal(n.count, 1);
    slab_empty(&s, 1);
    assert_true(n.count == 0 && n.dropped == 1);
    assert_int_equal(pages_there(next, PAGES_BYTES), -1);
    slab_fill(&s, &n, 3);
    assert_int_equal(n.count, 1);
    slab_done(&s);
    assert_int_equal(n.count, 0);
    pages_helper_set(NULL);
}

/* The numbers of the first chunk may come back behind those of others, which asked for memory. */
static void test_slab_whose_first_chunk_comes_back_late_shares_no_memory(void **state)
{
    struct notes n;
    struct slab s;

    (void)state;
    notes_begin(&n);
    slab_init(&s, CELL_BYTES);
    slab_fill(&s, &n, 3);
    slab_empty(&s, 1);
    slab_empty(&s, 0);
    slab_empty(&s, 2);
    slab_fill(&s, &n, 5);
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned k = 0; k < i; k++)
            assert_ptr_not_equal(s.chunks[i].cells, s.chunks[k].cells);
    }
    assert_int_equal(n.count, 1);
    slab_done(&s);
    assert_int_equal(n.count, 0);
    pages_helper_set(NULL);
}

#define CELLS 12000u /* of CELLS_MAX bytes: five chunks and a part */

static void test_cells_that_grow_ask_for_one_chunk_and_give_it_back(void **state)
{
    static void *cells[CELLS];
    struct notes n;
    void *next;

    (void)state;
    notes_begin(&n);
    for (unsigned i = 0; i < CELLS; i++) {
        cells[i] = cells_new(CELLS_MAX);
        assert_non_null(cells[i]);
        memset(cells[i], 1, CELLS_MAX);
        notes_use(&n, cells[i]);
        assert_true(n.count <= 1 && (n.asked > 0 || i < 2048));
    }
    assert_true(n.asked >= 5 && n.count == 1 && n.dropped == 0);
    next = n.pieces[0];
    for (unsigned i = 0; i < CELLS; i++)
        cells_free(cells[i], CELLS_MAX);
    assert_true(n.count == 0 && n.dropped == 1);
    /* Whoever has these addresses next may use them, as far as AddressSanitizer knows, too. */
    assert_true(map_there(next, n.bytes));
    memset(next, 1, n.bytes);
    assert_int_equal(munmap(next, n.bytes), 0);
    pages_helper_set(NULL);
}

/* Chunks that were kept are used first; the next one stays, and no other is asked for. */
static void test_cells_that_grow_into_kept_chunks_ask_for_no_more(void **state)
{
    static void *cells[CELLS];
    struct notes n;
    unsigned asked, count = 0;
    void *few[3];

    (void)state;
    notes_begin(&n);
    while (n.count == 0) {
        assert_true(count < CELLS);
        cells[count++] = cells_new(CELLS_MAX);
    }
    asked = n.asked;
    for (unsigned i = 0; i < 3; i++)
        few[i] = cells_new(200 + i * 100);
    for (unsigned i = 0; i < 3; i++)
        cells_free(few[i], 200 + i * 100);
    for (unsigned i = 0; i < 2100; i++)
        cells[count++] = cells_new(CELLS_MAX);
    assert_true(n.asked == asked && n.count == 1);
    while (count > 0)
        cells_free(cells[--count], CELLS_MAX);
    assert_int_equal(n.count, 0);
    pages_helper_set(NULL);
}

static void test_slab_and_cells_that_grow_and_shrink_with_the_thread_are_whole(void **state)
{
    static void *cells[CELLS];
    struct ahead *a = NULL;
    struct notes none = { 0 };
    struct slab s;

    (void)state;
    assert_int_equal(ahead_open(&a), 0);
    slab_init(&s, CELL_BYTES);
    for (unsigned round = 0; round < 5; round++) {
        slab_fill(&s, &none, 4);
        for (unsigned i = 0; i < CELLS; i++) {
            cells[i] = cells_new(CELLS_MAX);
            assert_non_null(cells[i]);
            memset(cells[i], (int)(1 + i % 255), CELLS_MAX);
        }
        for (unsigned i = 0; i < CELLS; i++) {
            check_bytes(cells[i], CELLS_MAX, (uint8_t)(1 + i % 255));
            cells_free(cells[i], CELLS_MAX);
        }
        for (uint32_t i = 1; i < 4 * SLAB_CHUNK; i++)
            check_bytes((uint8_t *)slab_at(&s, i) + 4, CELL_BYTES - 4, 1);
        for (unsigned chunk = 4; chunk > 0; chunk--)
            slab_empty(&s, chunk - 1);
    }
    slab_done(&s);
    ahead_close(a);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slab_that_grows_asks_for_one_chunk_and_uses_it),
        cmocka_unit_test(test_slab_that_shrinks_gives_the_next_chunk_back),
        cmocka_unit_test(test_slab_whose_first_chunk_comes_back_late_shares_no_memory),
        cmocka_unit_test(test_cells_that_grow_ask_for_one_chunk_and_give_it_back),
        cmocka_unit_test(test_cells_that_grow_into_kept_chunks_ask_for_no_more),
        cmocka_unit_test(test_slab_and_cells_that_grow_and_shrink_with_the_thread_are_whole),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
