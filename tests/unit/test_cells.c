/* Memory from cells and pages: what is in use is whole, what is not goes back. */
#include "engine/cells.h"
#include "proto/pages.h"
#include "tests/support/test_main.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define THINGS 20000u
#define SIZE   1100u /* some are larger than a cell can be */

static uint64_t seed;

static uint32_t below(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % n;
}

struct thing {
    uint8_t *at;
    uint32_t bytes;
    uint8_t mark;
};

static void thing_make(struct thing *t)
{
    t->bytes = 1 + below(below(4) == 0 ? SIZE : 120);
    t->mark = (uint8_t)below(256);
    t->at = cells_new(t->bytes);
    assert_non_null(t->at);
    assert_int_equal((uintptr_t)t->at % 8, 0);
    memset(t->at, t->mark, t->bytes);
}

static void thing_drop(struct thing *t)
{
    for (uint32_t i = 0; i < t->bytes; i++)
        assert_int_equal(t->at[i], t->mark);
    cells_free(t->at, t->bytes);
    t->at = NULL;
}

static void test_cells_of_all_sizes_do_not_overlap(void **state)
{
    const char *text = getenv("GANGER_SEED");
    struct thing *things = calloc(THINGS, sizeof *things);

    (void)state;
    assert_non_null(things);
    seed = text == NULL ? 20261122 : strtoull(text, NULL, 0);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < 20 * THINGS; i++) {
        struct thing *t = &things[below(THINGS)];

        if (t->at == NULL)
            thing_make(t);
        else
            thing_drop(t);
    }
    for (uint32_t i = 0; i < THINGS; i++) {
        if (things[i].at != NULL)
            thing_drop(&things[i]);
    }
    free(things);
}

static void test_cells_free_accepts_null(void **state)
{
    (void)state;
    cells_free(NULL, 8);
    cells_free(NULL, 5000);
}

static size_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
    (void)fclose(f);
    return resident * PAGES_BYTES;
}

static void test_cells_that_are_freed_give_their_memory_back(void **state)
{
    const uint32_t count = 400000;
    void **things = calloc(count, sizeof *things);
    size_t before, full;

    (void)state;
    assert_non_null(things);
    memset(things, 1, count * sizeof *things);
    before = resident_bytes();
    for (uint32_t i = 0; i < count; i++) {
        things[i] = cells_new(80);
        assert_non_null(things[i]);
        memset(things[i], 1, 80);
    }
    full = resident_bytes();
    assert_true(full - before >= count * 72u);
    for (uint32_t i = 0; i < count; i++)
        cells_free(things[i], 80);
    assert_true(resident_bytes() < before + (full - before) / 4);
    free(things);
}

static void test_cells_that_come_and_go_stay_in_memory(void **state)
{
    static const size_t sizes[] = { 40, 80, 200, 1000 };
    struct rusage before, after;

    (void)state;
    (void)getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 1000; i++) {
        void *things[4];

        for (int j = 0; j < 4; j++) {
            things[j] = cells_new(sizes[j]);
            assert_non_null(things[j]);
            memset(things[j], 1, sizes[j]);
        }
        for (int j = 0; j < 4; j++)
            cells_free(things[j], sizes[j]);
    }
    (void)getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_minflt - before.ru_minflt < 500);
}

static void test_pages_grow_keeps_bytes_and_adds_zeroes(void **state)
{
    uint8_t *p = pages_grow(NULL, 0, PAGES_BYTES);

    (void)state;
    assert_non_null(p);
    memset(p, 7, PAGES_BYTES);
    p = pages_grow(p, PAGES_BYTES, 64 * PAGES_BYTES);
    assert_non_null(p);
    assert_int_equal(p[0], 7);
    assert_int_equal(p[PAGES_BYTES - 1], 7);
    for (size_t i = PAGES_BYTES; i < 64 * PAGES_BYTES; i++)
        assert_int_equal(p[i], 0);
    pages_clear(p, PAGES_BYTES);
    assert_int_equal(p[0], 0);
    pages_free(p, 64 * PAGES_BYTES);
    pages_free(NULL, PAGES_BYTES);
}

/* Whether the kernel was asked for large pages at P. */
static bool asked_for_huge(const void *p)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[1024];
    bool inside = false, huge = false;

    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        char *end;
        uintptr_t from = strtoull(line, &end, 16);

        if (*end == '-')
            inside = (uintptr_t)p >= from && (uintptr_t)p < strtoull(end + 1, NULL, 16);
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            huge = strstr(line, " hg") != NULL;
    }
    (void)fclose(f);
    return huge;
}

static void test_pages_huge_asks_for_what_is_large(void **state)
{
    const size_t bytes = (size_t)8 << 20;
    bool can = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
    char *p = pages_new(bytes);

    (void)state;
    assert_non_null(p);
    pages_huge(p + 100, PAGES_BYTES);
    assert_false(asked_for_huge(p + bytes / 2));
    /* Not the beginning: no large page has all its bytes in there. */
    pages_huge(p + 100, bytes - 200);
    assert_int_equal(asked_for_huge(p + bytes / 2), can);
    pages_huge(NULL, bytes);
    pages_free(p, bytes);
}

static void test_cells_behind_the_first_chunk_are_in_large_pages(void **state)
{
    const uint32_t count = 12000; /* of 1,024 bytes: more chunks than earlier tests left behind */
    bool can = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
    void **things = calloc(count, sizeof *things);

    (void)state;
    assert_non_null(things);
    for (uint32_t i = 0; i < count; i++) {
        things[i] = cells_new(1024);
        assert_non_null(things[i]);
    }
    assert_false(asked_for_huge(things[0]));
    assert_int_equal(asked_for_huge(things[count - 1]), can);
    for (uint32_t i = 0; i < count; i++)
        cells_free(things[i], 1024);
    free(things);
}

static void test_pages_large_begin_where_large_pages_do(void **state)
{
    const size_t large = (size_t)2 << 20;
    void *p[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        p[i] = pages_new(large + i * PAGES_BYTES);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % large, 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pages_free(p[i], large + i * PAGES_BYTES);
}

static void test_pages_aligned_are(void **state)
{
    void *p[16];

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        size_t bytes = (size_t)PAGES_BYTES << (i % 8);

        p[i] = pages_new_aligned(bytes);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % bytes, 0);
        memset(p[i], 1, bytes);
    }
    for (unsigned i = 0; i < 16; i++)
        pages_free(p[i], (size_t)PAGES_BYTES << (i % 8));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_of_all_sizes_do_not_overlap),
        cmocka_unit_test(test_cells_free_accepts_null),
        cmocka_unit_test(test_cells_that_are_freed_give_their_memory_back),
        cmocka_unit_test(test_cells_that_come_and_go_stay_in_memory),
        cmocka_unit_test(test_pages_grow_keeps_bytes_and_adds_zeroes),
        cmocka_unit_test(test_cells_behind_the_first_chunk_are_in_large_pages),
        cmocka_unit_test(test_pages_large_begin_where_large_pages_do),
        cmocka_unit_test(test_pages_huge_asks_for_what_is_large),
        cmocka_unit_test(test_pages_aligned_are),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
