/* A client that works for a task says so before it waits, once for each connection and attempt. */
#include "fake.h"

#include <stdlib.h>

#define TASK "7-2a"

static int teardown(void **state)
{
    (void)unsetenv("GANGER_TASK_ID");
    (void)unsetenv("GANGER_FENCE");
    return fake_teardown(state);
}

static struct ganger *client_of_a_task(struct fake *fake, const char *id, const char *fence)
{
    assert_int_equal(setenv("GANGER_TASK_ID", id, 1), 0);
    assert_int_equal(setenv("GANGER_FENCE", fence, 1), 0);
    return fake_client(fake);
}

static void take_act(struct fake *fake, uint64_t id, uint64_t fence)
{
    struct msg_request r = fake_take_request(fake, VERB_ACT);

    assert_int_equal(r.req, 0);
    assert_true(r.id == id && r.number == fence);
}

/* The next task submitted is not preceded by a word. */
static uint32_t plain_submit(struct fake *fake, struct ganger *g)
{
    (void)fake_submit(g, "x", NULL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    return (uint32_t)fake_take_submit(fake).req;
}

static void test_acting_of_no_task_says_nothing(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = fake_client(fake);

    (void)plain_submit(fake, g);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_acting_program_of_a_task_says_so_before_it_waits(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = client_of_a_task(fake, TASK, "4711");
    struct ganger_future *f;
    struct ganger_options detached;

    ganger_options_init(&detached);
    detached.flags = GANGER_DETACHED;
    (void)fake_submit(g, "x", &detached); /* nobody waits for this one */
    assert_int_equal(ganger_flush(g, 1000), 0);
    (void)fake_take_submit(fake);
    (void)fake_submit(g, "x", &detached);
    (void)fake_submit(g, "y", NULL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    (void)fake_take_submit(fake);
    take_act(fake, fake_id(0x2a), 4711);
    (void)fake_take_submit(fake);
    fake_reply(fake, 0, GANGER_ESTALE, NULL, 0); /* an answer that nobody wants */
    (void)plain_submit(fake, g);
    assert_int_equal(ganger_attach(g, fake_id(9), &f), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    assert_int_equal(fake_take_request(fake, VERB_WAIT).id, fake_id(9));
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_acting_program_says_so_before_it_attaches(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = client_of_a_task(fake, TASK, "4711");
    struct ganger_future *f;

    assert_int_equal(ganger_attach(g, fake_id(9), &f), 0);
    assert_int_equal(ganger_flush(g, 1000), 0);
    take_act(fake, fake_id(0x2a), 4711);
    (void)fake_take_request(fake, VERB_WAIT);
    ganger_close(g);
}

static void test_acting_new_connection_is_told_again(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = client_of_a_task(fake, TASK, "4711");
    struct ganger_future *f = fake_submit(g, "x", NULL);
    uint64_t id;

    assert_int_equal(ganger_flush(g, 1000), 0);
    take_act(fake, fake_id(0x2a), 4711);
    fake_accepted(fake, fake_take_submit(fake).req, fake_id(1));
    assert_int_equal(ganger_future_wait_id(f, 1000, &id), 0);
    fake_drop(fake);
    fake_reconnect(fake, g, FAKE_EPOCH);
    take_act(fake, fake_id(0x2a), 4711);
    assert_int_equal(fake_take_request(fake, VERB_WAIT).id, fake_id(1));
    (void)plain_submit(fake, g);
    assert_true(fake_quiet(fake));
    ganger_close(g);
}

static void test_acting_each_handle_says_so(void **state)
{
    struct fake *fake = *state;
    struct ganger *g = client_of_a_task(fake, TASK, "4711");

    (void)fake_submit(g, "x", NULL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    take_act(fake, fake_id(0x2a), 4711);
    (void)fake_take_submit(fake);
    ganger_close(g);
    fake_drop(fake);
    g = fake_client(fake);
    (void)fake_submit(g, "x", NULL);
    assert_int_equal(ganger_flush(g, 1000), 0);
    take_act(fake, fake_id(0x2a), 4711);
    (void)fake_take_submit(fake);
    ganger_close(g);
}

static void test_acting_environment_that_names_no_attempt_is_ignored(void **state)
{
    static const char *const bad[][2] = { { "", "1" }, { TASK, "" }, { TASK, "0" }, { TASK, "-1" },
        { TASK, "12x" }, { "seven", "1" }, { TASK, "99999999999999999999" } };
    struct fake *fake = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ganger *g = client_of_a_task(fake, bad[i][0], bad[i][1]);

        (void)plain_submit(fake, g);
        assert_true(fake_quiet(fake));
        ganger_close(g);
        fake_drop(fake);
    }
}

#define cmocka_unit_test_acting(f) cmocka_unit_test_setup_teardown(f, fake_setup, teardown)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_acting(test_acting_of_no_task_says_nothing),
        cmocka_unit_test_acting(test_acting_program_of_a_task_says_so_before_it_waits),
        cmocka_unit_test_acting(test_acting_program_says_so_before_it_attaches),
        cmocka_unit_test_acting(test_acting_new_connection_is_told_again),
        cmocka_unit_test_acting(test_acting_each_handle_says_so),
        cmocka_unit_test_acting(test_acting_environment_that_names_no_attempt_is_ignored),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
