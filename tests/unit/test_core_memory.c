/* Where the core keeps its objects: slabs, the index of ids, the heap of deadlines. */
#include "core/internal.h"
#include "tests/support/test_main.h"

#include <stdlib.h>
#include <string.h>

#define CELLS (4 * SLAB_CHUNK + 3000u) /* five chunks */
#define IDS   200000u
#define TIMES 100000u

static uint64_t seed;

static uint32_t below(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % n;
}

static void seed_print(void)
{
    const char *text = getenv("GANGER_SEED");

    seed = text == NULL ? 20261122 : strtoull(text, NULL, 0);
    print_message("seed %llu\n", (unsigned long long)seed);
}

struct cell {
    uint32_t value[4];
};

static struct cell *cell_at(const struct slab *s, uint32_t cell)
{
    return slab_at(s, cell);
}

static void test_slab_taken_cells_are_zeroed_and_of_one_owner(void **state)
{
    uint32_t *cells = calloc(CELLS, sizeof *cells), count = 0;
    struct slab s;

    (void)state;
    seed_print();
    assert_non_null(cells);
    slab_init(&s, sizeof(struct cell));
    for (uint32_t i = 0; i < 20 * CELLS; i++) {
        uint32_t at = below(CELLS);

        if (cells[at] == 0) {
            cells[at] = slab_take(&s);
            assert_int_not_equal(cells[at], 0);
            for (unsigned k = 0; k < 4; k++) {
                assert_int_equal(cell_at(&s, cells[at])->value[k], 0);
                cell_at(&s, cells[at])->value[k] = at + 1;
            }
            count++;
        } else {
            for (unsigned k = 0; k < 4; k++)
                assert_int_equal(cell_at(&s, cells[at])->value[k], at + 1);
            slab_give(&s, cells[at]);
            cells[at] = 0;
            count--;
        }
        assert_int_equal(s.live, count);
    }
    slab_done(&s);
    free(cells);
}

static uint32_t chunks_held(const struct slab *s)
{
    uint32_t held = 0;

    for (uint32_t i = 0; i < s->chunk_count; i++)
        held += s->chunks[i].cells != NULL;
    return held;
}

static void test_slab_that_empties_gives_its_chunks_back(void **state)
{
    uint32_t *cells = calloc(CELLS, sizeof *cells);
    struct slab s;

    (void)state;
    assert_non_null(cells);
    slab_init(&s, sizeof(struct cell));
    for (uint32_t i = 0; i < CELLS; i++)
        cells[i] = slab_take(&s);
    assert_int_equal(chunks_held(&s), 5);
    for (uint32_t i = 0; i < CELLS; i++)
        slab_give(&s, cells[i]);
    assert_int_equal(chunks_held(&s), 1);
    for (uint32_t i = 0; i < CELLS; i++)
        assert_int_not_equal(slab_take(&s), 0);
    assert_true(s.used <= 5 * SLAB_CHUNK); /* the same numbers */
    slab_done(&s);
    free(cells);
}

#define CHUNKS 6u

/* Give back all cells of a chunk that LIVE says are live; each must still hold its own number. */
static void chunk_empty(struct slab *s, bool *live, uint32_t chunk)
{
    for (uint32_t cell = chunk * SLAB_CHUNK; cell < (chunk + 1) * SLAB_CHUNK; cell++) {
        if (!live[cell])
            continue;
        assert_int_equal(cell_at(s, cell)->value[0], cell);
        live[cell] = false;
        slab_give(s, cell);
    }
}

static void chunk_of_cells(struct slab *s, bool *live)
{
    for (uint32_t i = 0; i < SLAB_CHUNK; i++) {
        uint32_t cell = slab_take(s);

        assert_true(cell > 0 && cell < CHUNKS * SLAB_CHUNK && !live[cell]);
        cell_at(s, cell)->value[0] = cell;
        live[cell] = true;
    }
}

/* Also the first one, which is like no other when it comes. */
static void test_slab_chunks_that_come_and_go_in_any_order_share_nothing(void **state)
{
    bool *live = calloc(CHUNKS * SLAB_CHUNK, sizeof *live);
    struct slab s;

    (void)state;
    seed_print();
    assert_non_null(live);
    slab_init(&s, sizeof(struct cell));
    for (unsigned i = 0; i < 200; i++) {
        for (uint32_t most = below(CHUNKS) * SLAB_CHUNK; s.live < most;)
            chunk_of_cells(&s, live);
        for (unsigned k = below(2 * CHUNKS); k > 0; k--)
            chunk_empty(&s, live, below(CHUNKS));
    }
    for (uint32_t i = 0; i < CHUNKS; i++)
        chunk_empty(&s, live, i);
    assert_int_equal(s.live, 0);
    slab_done(&s);
    free(live);
}

/* Tasks that are only an id, in a core that is nothing else. */
static struct core *ids_new(void)
{
    struct core *c = calloc(1, sizeof *c);

    assert_non_null(c);
    slab_init(&c->tasks, sizeof(struct task));
    return c;
}

static uint32_t id_add(struct core *c, uint64_t id)
{
    uint32_t slot;

    assert_int_equal(ids_reserve(c), 0);
    slot = slab_take(&c->tasks);
    assert_int_not_equal(slot, 0);
    task_at(c, slot)->id = id;
    ids_add(c, slot);
    return slot;
}

static void id_remove(struct core *c, uint32_t slot)
{
    ids_remove(c, slot);
    slab_give(&c->tasks, slot);
}

static void ids_free(struct core *c)
{
    ids_done(c);
    slab_done(&c->tasks);
    free(c);
}

static void test_ids_random_coming_and_going_finds_each(void **state)
{
    struct core *c = ids_new();
    uint32_t *slots = calloc(IDS, sizeof *slots);

    (void)state;
    seed_print();
    assert_non_null(slots);
    /* It grows to half of all, then to hardly any, and again. */
    for (uint32_t i = 0; i < 8 * IDS; i++) {
        uint32_t at = below(IDS);
        bool grows = (i / IDS) % 2 == 0;

        assert_int_equal(ids_find(c, id_make(3, at)), slots[at]);
        if (slots[at] == 0 && (grows || below(16) == 0)) {
            slots[at] = id_add(c, id_make(3, at));
        } else if (slots[at] != 0 && (!grows || below(4) == 0)) {
            id_remove(c, slots[at]);
            slots[at] = 0;
        }
    }
    for (uint32_t at = 0; at < IDS; at++)
        assert_int_equal(ids_find(c, id_make(3, at)), slots[at]);
    ids_free(c);
    free(slots);
}

static void test_ids_buckets_follow_the_number_of_tasks(void **state)
{
    struct core *c = ids_new();
    uint32_t *slots = calloc(IDS, sizeof *slots), least = c->ids.size;

    (void)state;
    assert_non_null(slots);
    for (uint32_t i = 0; i < IDS; i++) {
        slots[i] = id_add(c, id_make(1, i));
        assert_true(c->ids.size <= 1024 || c->ids.size == c->ids.count);
    }
    for (uint32_t i = 0; i < IDS; i++) {
        id_remove(c, slots[i]);
        assert_true(c->ids.size <= 1024 || c->ids.size <= 2 * c->ids.count + 2);
        assert_true(c->ids.touched >= c->ids.size && c->ids.touched <= c->ids.size + 65536);
        least = c->ids.size;
    }
    assert_int_equal(least, 1024);
    assert_int_equal(ids_find(c, id_make(1, 0)), 0);
    ids_free(c);
    free(slots);
}

static void test_ids_expected_are_found_and_fewer_give_the_rest_back(void **state)
{
    static const uint32_t expected[] = { 0, 1024, 1025, 5000, IDS / 2, IDS, 3 * IDS };

    (void)state;
    for (size_t e = 0; e < sizeof expected / sizeof expected[0]; e++) {
        struct core *c = ids_new();
        uint32_t *slots = calloc(IDS, sizeof *slots);

        assert_non_null(slots);
        ids_expect(c, expected[e]);
        assert_true(expected[e] <= 1024 || c->ids.size == expected[e]);
        for (uint32_t i = 0; i < IDS; i++)
            slots[i] = id_add(c, id_make(1, i));
        for (uint32_t i = 0; i < IDS; i++)
            assert_int_equal(ids_find(c, id_make(1, i)), slots[i]);
        for (uint32_t i = 0; i < IDS; i++) {
            id_remove(c, slots[i]);
            assert_int_equal(ids_find(c, id_make(1, i)), 0);
        }
        /* Two buckets go with each task, until there are as few as tasks. */
        assert_true(c->ids.size == 1024 || c->ids.size + 2 * IDS <= expected[e]);
        assert_true(c->ids.touched <= c->ids.size + 65536);
        ids_free(c);
        free(slots);
    }
}

static uint32_t longest_chain(const struct core *c)
{
    uint32_t longest = 0;

    for (uint32_t b = 0; b < c->ids.size; b++) {
        uint32_t n = 0;

        for (uint32_t slot = c->ids.buckets[b]; slot != 0; slot = task_at(c, slot)->index_next)
            n++;
        longest = n > longest ? n : longest;
    }
    return longest;
}

/* Those that stay among many that went: each n-th, of one epoch or one of each. */
static void test_ids_in_any_stride_spread_over_the_buckets(void **state)
{
    static const uint64_t strides[] = { 1, 2, 3, 7, 10, 64, 100, 1000, 1024, 4096, 65536, 1000000,
        UINT64_C(1) << 30, UINT64_C(1) << GANGER_ID_COUNTER_BITS };

    (void)state;
    for (size_t i = 0; i < sizeof strides / sizeof strides[0]; i++) {
        struct core *c = ids_new();

        for (uint32_t k = 0; k < 50000; k++)
            (void)id_add(c, id_make(5, 0) + k * strides[i]);
        print_message(
            "stride %llu: longest chain %u\n", (unsigned long long)strides[i], longest_chain(c));
        assert_true(longest_chain(c) <= 16);
        ids_free(c);
    }
}

static uint32_t positions[TIMES];

static uint32_t *position_of(void *ctx, uint32_t kind, uint32_t index)
{
    (void)ctx;
    (void)kind;
    return &positions[index];
}

static void test_heap_after_a_flood_gives_memory_back_and_keeps_order(void **state)
{
    struct heap h = { .position = position_of };
    uint64_t last = 0;

    (void)state;
    seed_print();
    assert_int_equal(heap_reserve(&h, TIMES), 0);
    for (uint32_t i = 0; i < TIMES; i++)
        heap_set(&h, DUE_TASK, i, 1 + below(1000000));
    assert_true(h.touched > TIMES);
    while (h.count > 100) {
        const struct heap_entry first = h.entries[1];

        assert_true(first.when >= last);
        last = first.when;
        heap_set(&h, DUE_TASK, first.index, CORE_NEVER);
        assert_int_equal(positions[first.index], 0);
    }
    assert_true(h.touched < 2 * 8192 + 1024);
    for (uint32_t i = 0; i < TIMES; i++)
        heap_set(&h, DUE_TASK, i, 1 + below(1000000));
    for (last = 0; h.count > 0; heap_set(&h, DUE_TASK, h.entries[1].index, CORE_NEVER)) {
        assert_true(h.entries[1].when >= last);
        last = h.entries[1].when;
    }
    heap_done(&h);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slab_taken_cells_are_zeroed_and_of_one_owner),
        cmocka_unit_test(test_slab_that_empties_gives_its_chunks_back),
        cmocka_unit_test(test_slab_chunks_that_come_and_go_in_any_order_share_nothing),
        cmocka_unit_test(test_ids_random_coming_and_going_finds_each),
        cmocka_unit_test(test_ids_buckets_follow_the_number_of_tasks),
        cmocka_unit_test(test_ids_expected_are_found_and_fewer_give_the_rest_back),
        cmocka_unit_test(test_ids_in_any_stride_spread_over_the_buckets),
        cmocka_unit_test(test_heap_after_a_flood_gives_memory_back_and_keeps_order),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
