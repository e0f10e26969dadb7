/* Maps: how many bytes go into a chunk, and how many into the output. */
#include "items.h"

#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_map_size_large_items_make_smaller_chunks(void **state)
{
    static uint8_t big[300 * 1024] = { 0xc6, 0, 4, 0xaf, 0xfb };
    struct ganger_bytes large[10];
    struct ganger *g = items_served(*state);
    struct ganger_map *map = NULL;
    struct ganger_bytes result;

    for (int i = 0; i < 10; i++)
        large[i] = (struct ganger_bytes){ big, sizeof big };
    /* A megabyte is the daemon's bound: three of ten fit into a task. */
    assert_int_equal(ganger_map(g, "p", "f", large, 10, 10, NULL, &map), 0);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(ganger_map_result(map, i, &result), 0);
        assert_int_equal(result.len, sizeof big);
    }
    ganger_close(g);
}

/* Tell of one process, then take the tasks of two items each. Returns 0 when they were that. */
static int serve_pairs(struct fake *fake, int tasks, size_t item_bytes)
{
    static const uint8_t pools[] = "\x91\x82\xa4name\xa1p\xa9processes\x01";
    static const uint8_t nils[] = { 0x92, 0x92, 0x00, 0xc0, 0x92, 0x00, 0xc0 };

    fake_reply(fake, fake_take_request(fake, VERB_POOLS).req, 0, pools, sizeof pools - 1);
    for (int i = 0; i < tasks; i++) {
        struct msg_submit m = fake_take_submit(fake);

        if (m.payload.len != 1 + 2 * item_bytes)
            return 1;
        fake_end(fake, m.req, fake_id((uint64_t)i + 1), END_DONE, 0, nils, sizeof nils);
    }
    return 0;
}

static void test_map_size_default_chunk_ends_at_its_bytes(void **state)
{
    static uint8_t big[100 * 1024] = { 0xc6, 0, 1, 0x8f, 0xfb };
    struct ganger_bytes large[16];
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);
    struct ganger_map *map = NULL;
    int status = 1;
    pid_t pid;

    for (int i = 0; i < 16; i++)
        large[i] = (struct ganger_bytes){ big, sizeof big };
    pid = fork();
    if (pid == 0)
        _exit(serve_pairs(fake, 8, sizeof big));
    /* By their number four would go into one. */
    assert_int_equal(ganger_map_async(g, "p", "f", large, 16, GANGER_CHUNK_DEFAULT, NULL, NULL,
                         NULL, NULL, &map),
        0);
    (void)ganger_map_wait(map, 5000);
    (void)waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(ganger_map_ready(map), 1);
    ganger_close(g);
}

static void test_map_size_gathers_no_more_than_is_soon_written(void **state)
{
    static uint8_t big[50 * 1024] = { 0xc5, 0xc7, 0xfd };
    struct ganger_bytes large[100], result;
    struct ganger *g = fake_client(*state);
    struct ganger_map *map = NULL;

    for (int i = 0; i < 100; i++)
        large[i] = (struct ganger_bytes){ big, sizeof big };
    assert_int_equal(ganger_map_async(g, "p", "f", large, 100, 1, NULL, NULL, NULL, NULL, &map), 0);
    items_turn(g);
    /* Nobody reads. The first may have been sent; the later ones were not even begun. */
    assert_int_equal(ganger_map_cancel(map), 0);
    assert_int_equal(ganger_map_result(map, 0, &result), GANGER_ESTATE);
    assert_int_equal(ganger_map_result(map, 40, &result), GANGER_ECANCELLED);
    ganger_close(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_map(test_map_size_large_items_make_smaller_chunks),
        cmocka_unit_test_map(test_map_size_default_chunk_ends_at_its_bytes),
        cmocka_unit_test_map(test_map_size_gathers_no_more_than_is_soon_written),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
