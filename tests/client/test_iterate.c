/* Maps whose input is a source, and maps whose items are taken one by one. */
#include "items.h"

/* A source of COUNT items, then CODE. */
struct source {
    int next, count, code;
};

static int source_next(void *user, struct ganger_bytes *ret_item)
{
    struct source *source = user;

    if (source->next == source->count)
        return source->code;
    *ret_item = items[source->next++];
    return 1;
}

static struct ganger_map *iterate(
    struct ganger *g, struct source *source, int64_t chunk, uint32_t flags, uint32_t window)
{
    struct ganger_map_spec spec;
    struct ganger_map *map = NULL;

    ganger_map_spec_init(&spec);
    spec.pool = "p";
    spec.function = "f";
    spec.source = source_next;
    spec.source_user = source;
    spec.chunk = chunk;
    spec.flags = flags;
    spec.window = window;
    assert_int_equal(ganger_map_start(g, &spec, &map), 0);
    return map;
}

static void test_iterate_gives_items_in_order_in_a_window(void **state)
{
    struct ganger *g = items_served(*state);
    static const int64_t chunks[] = { 1, 7, GANGER_CHUNK_DEFAULT };

    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        struct source source = { 0, MANY, 0 };
        struct ganger_map *map = iterate(g, &source, chunks[c], GANGER_MAP_ITERATE, 3);
        struct ganger_item item;
        struct ganger_bytes result;

        for (int i = 0; i < MANY; i++) {
            assert_true(source.next <= i + 4 * 7);
            assert_int_equal(ganger_map_next(map, 5000, &item), 1);
            assert_int_equal(item.index, i);
            assert_int_equal(item.code, 0);
            assert_true(items_is(item.value, i));
        }
        assert_int_equal(ganger_map_next(map, 5000, &item), 0);
        assert_int_equal(ganger_map_next(map, 5000, &item), 0);
        assert_int_equal(ganger_map_result(map, 0, &result), GANGER_ESTATE);
        ganger_map_free(map);
    }
    ganger_close(g);
}

static void test_iterate_unordered_gives_in_order_of_completion(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct source source = { 0, 6, 0 };
    struct ganger_map *map = iterate(g, &source, 2, GANGER_MAP_ITERATE | GANGER_MAP_UNORDERED, 0);
    static const size_t order[] = { 4, 5, 0, 1, 2, 3 };
    struct ganger_item item;
    uint64_t req[3];

    assert_int_equal(ganger_flush(g, 1000), 0);
    for (int i = 0; i < 3; i++)
        req[i] = fake_take_submit(fake).req;
    assert_int_equal(ganger_map_next(map, 5, &item), GANGER_ETIMEDOUT);
    items_end_half_failed(fake, req[2], GANGER_ERANGE, "bad");
    items_end_half_failed(fake, req[0], GANGER_ERANGE, "bad");
    items_end_half_failed(fake, req[1], GANGER_ERANGE, "bad");
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(ganger_map_next(map, 1000, &item), 1);
        assert_int_equal(item.index, order[i]);
        assert_int_equal(item.code, i % 2 == 0 ? 0 : GANGER_ERANGE);
        if (item.code != 0)
            assert_string_equal(item.error->text, "bad");
    }
    assert_int_equal(ganger_map_next(map, 1000, &item), 0);
    ganger_close(g);
}

static void test_iterate_failing_source_gives_whole_chunks_then_its_error(void **state)
{
    /* items before the failure, chunk, items that are given */
    static const int cases[][3] = { { 3, 1, 3 }, { 7, 2, 6 }, { 7, 4, 4 }, { 0, 1, 0 } };
    struct ganger *g = items_served(*state);

    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct source source = { 0, cases[c][0], GANGER_EIO };
        struct ganger_map *map = iterate(g, &source, cases[c][1], GANGER_MAP_ITERATE, 0);
        struct ganger_item item;

        for (int i = 0; i < cases[c][2]; i++)
            assert_int_equal(ganger_map_next(map, 5000, &item), 1);
        assert_int_equal(ganger_map_next(map, 5000, &item), GANGER_EIO);
        assert_int_equal(ganger_map_next(map, 5000, &item), GANGER_EIO);
        ganger_map_free(map);
    }
    ganger_close(g);
}

static void test_iterate_nothing_ends_at_once(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct source source = { 0, 0, 0 };
    struct ganger_map *map = iterate(g, &source, 1, GANGER_MAP_ITERATE, 0);
    struct ganger_item item;

    assert_int_equal(ganger_map_ready(map), 1);
    assert_int_equal(ganger_map_successful(map), 1);
    assert_int_equal(ganger_map_next(map, 0, &item), 0);
    ganger_close(g);
}

static void test_map_from_a_source_keeps_all_results(void **state)
{
    struct ganger *g = items_served(*state);
    struct source source = { 0, MANY, 0 };
    struct ganger_map *map = iterate(g, &source, 9, 0, 2);
    struct ganger_item item;
    struct ganger_bytes result;
    size_t count = 0;

    assert_int_equal(ganger_map_wait(map, 5000), 0);
    ganger_map_progress(map, &count, NULL, NULL);
    assert_int_equal(count, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(ganger_map_result(map, (size_t)i, &result), 0);
        assert_true(items_is(result, i));
    }
    assert_int_equal(ganger_map_next(map, 0, &item), GANGER_ESTATE);
    ganger_close(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_map(test_iterate_gives_items_in_order_in_a_window),
        cmocka_unit_test_map(test_iterate_unordered_gives_in_order_of_completion),
        cmocka_unit_test_map(test_iterate_failing_source_gives_whole_chunks_then_its_error),
        cmocka_unit_test_map(test_iterate_nothing_ends_at_once),
        cmocka_unit_test_map(test_map_from_a_source_keeps_all_results),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
