/* In which order tasks run, when, and with which permits. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char yaml[] = "semaphores:\n"
                           "  one: 1\n"
                           "  two: 2\n"
                           "  none: 0\n"
                           "pools:\n"
                           "  shell:\n"
                           "    command: [sh, -c, 'printf %s \"$1\" >>%D/order', sh]\n"
                           "    processes: 1\n"
                           "  many:\n"
                           "    module: %M\n"
                           "    processes: 4\n";

/* What has been written by the tasks so far. */
static const char *order(const struct daemon *d)
{
    static char text[256];
    int fd = open(daemon_path(d, "order"), O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    text[got < 0 ? 0 : got] = '\0';
    if (fd >= 0)
        (void)close(fd);
    return text;
}

static struct ganger_future *write_letter(
    const struct scene *s, const char *letter, const struct ganger_options *o)
{
    return task_submit(s->g, "shell", "", value_of("a2a1sn", letter), o);
}

static int64_t wall_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void test_order_is_by_priority_then_by_arrival(void **state)
{
    static const struct {
        const char *letter;
        uint32_t priority;
    } tasks[] = { { "c", 128 }, { "e", 200 }, { "a", 0 }, { "d", 128 }, { "b", 10 } };
    struct scene s = scene_open(yaml);
    struct ganger_options o = options_new();
    struct ganger_future *f[5];

    (void)state;
    assert_int_equal(ganger_pool_pause(s.g, "shell", DAEMON_WAIT_MS), 0);
    o.given = GANGER_OPT_PRIORITY;
    for (int i = 0; i < 5; i++) {
        o.priority = tasks[i].priority;
        f[i] = write_letter(&s, tasks[i].letter, &o);
        UNTIL(s.d, why_is(s.g, task_id(f[i]), "pool-paused"));
    }
    assert_int_equal(ganger_pool_resume(s.g, "shell", DAEMON_WAIT_MS), 0);
    for (int i = 0; i < 5; i++)
        (void)task_done(f[i]);
    assert_string_equal(order(s.d), "abcde");
    scene_close(&s);
}

static void test_order_delayed_task_runs_when_it_is_due(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = options_new();
    int64_t begin = test_now_ms();
    struct ganger_future *late;

    (void)state;
    o.given = GANGER_OPT_DELAY_MS;
    o.delay_ms = 300;
    late = write_letter(&s, "b", &o);
    assert_true(why_is(s.g, task_id(late), "delay"));
    (void)task_done(write_letter(&s, "a", NULL));
    (void)task_done(late);
    assert_true(test_now_ms() - begin >= 300);
    assert_string_equal(order(s.d), "ab");
    scene_close(&s);
}

static void test_order_task_with_a_date_runs_then(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_options o = options_new();
    int64_t date = wall_ms() + 300;

    (void)state;
    o.given = GANGER_OPT_RUN_AT_MS;
    o.run_at_ms = (uint64_t)date;
    (void)task_done(write_letter(&s, "a", &o));
    assert_true(wall_ms() >= date);
    o.run_at_ms = (uint64_t)date - 100000;
    (void)task_done(write_letter(&s, "b", &o));
    scene_close(&s);
}

static struct ganger_future *with_permit(const struct scene *s, const char *sem, const char *gate)
{
    struct ganger_need need = { sem, 1 };
    struct ganger_options o = options_new();

    o.needs = &need;
    o.need_count = 1;
    return task_submit(s->g, "many", gate == NULL ? "nothing" : "wait",
        gate == NULL ? value_of("n") : value_of("s", gate), &o);
}

static void test_order_semaphore_lets_no_more_run_than_it_has_permits(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate[2] = { gate_make(s.d, "g0"), gate_make(s.d, "g1") };
    struct ganger_future *holder[2], *third;
    struct ganger_sem_value v;
    int fd[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        holder[i] = with_permit(&s, "two", gate[i]);
        fd[i] = gate_enter(gate[i]);
    }
    third = with_permit(&s, "two", NULL);
    UNTIL(s.d, why_is(s.g, task_id(third), "semaphore"));
    assert_int_equal(ganger_sem_value(s.g, "two", DAEMON_WAIT_MS, &v), 0);
    assert_int_equal(v.limit, 2);
    assert_int_equal(v.held, 2);
    assert_int_equal(v.waiting, 1);
    /* Tasks that need no permit pass. */
    (void)task_run(s.g, "many", "nothing", value_of("n"));
    assert_false(ganger_future_ready(third));
    (void)close(fd[0]);
    (void)task_done(holder[0]);
    (void)task_done(third);
    (void)close(fd[1]);
    (void)task_done(holder[1]);
    scene_close(&s);
}

static void test_order_why_names_the_semaphore_and_who_holds_it(void **state)
{
    struct scene s = scene_open(yaml);
    const char *gate = gate_make(s.d, "gate");
    struct ganger_future *holder = with_permit(&s, "one", gate), *waiting;
    char id[GANGER_ID_TEXT], *answer;
    void *value;
    size_t bytes;
    int fd = gate_enter(gate);

    (void)state;
    waiting = with_permit(&s, "one", NULL);
    UNTIL(s.d, why_is(s.g, task_id(waiting), "semaphore"));
    assert_string_equal(ask_text(s.g, GANGER_WHY, task_id(waiting), NULL, "semaphore"), "one");
    (void)ganger_id_format(task_id(holder), id);
    assert_int_equal(ganger_why(s.g, task_id(waiting), DAEMON_WAIT_MS, &value, &bytes), 0);
    answer = value;
    assert_non_null(memmem(answer, bytes, id, strlen(id)));
    ganger_free(value);
    (void)close(fd);
    (void)task_done(waiting);
    scene_close(&s);
}

static void test_order_dead_holder_gives_its_permit_back(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_need need = { "one", 1 };
    struct ganger_options o = options_new();

    (void)state;
    o.needs = &need;
    o.need_count = 1;
    (void)task_run_failed(s.g, "many", "crash", value_of("n"), &o, GANGER_EDIED);
    (void)task_done(with_permit(&s, "one", NULL));
    scene_close(&s);
}

static void test_order_semaphore_set_at_run_time_lets_waiters_go(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_future *f = with_permit(&s, "none", NULL);

    (void)state;
    UNTIL(s.d, why_is(s.g, task_id(f), "semaphore"));
    assert_int_equal(ganger_sem_set(s.g, "none", 1, DAEMON_WAIT_MS), 0);
    (void)task_done(f);
    assert_int_equal(ganger_sem_set(s.g, "fresh", 1, DAEMON_WAIT_MS), 0);
    (void)task_done(with_permit(&s, "fresh", NULL));
    assert_int_equal(ganger_sem_set(s.g, "fresh", 1000001, DAEMON_WAIT_MS), GANGER_ERANGE);
    scene_close(&s);
}

static void test_order_semaphore_set_by_hand_outlives_a_restart(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_sem_value v;

    (void)state;
    assert_int_equal(ganger_sem_set(s.g, "one", 5, DAEMON_WAIT_MS), 0);
    daemon_kill(s.d);
    daemon_start(s.d);
    scene_reopen(&s);
    assert_int_equal(ganger_sem_value(s.g, "one", DAEMON_WAIT_MS, &v), 0);
    assert_int_equal(v.limit, 5);
    assert_int_equal(v.held, 0);
    scene_close(&s);
}

static void test_order_task_of_two_semaphores_waits_for_both(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_need both[] = { { "one", 1 }, { "none", 1 } };
    struct ganger_options o = options_new();
    struct ganger_future *f;

    (void)state;
    o.needs = both;
    o.need_count = 2;
    f = task_submit(s.g, "many", "nothing", value_of("n"), &o);
    UNTIL(s.d, why_is(s.g, task_id(f), "semaphore"));
    /* It holds nothing while it waits. */
    (void)task_done(with_permit(&s, "one", NULL));
    assert_int_equal(ganger_sem_set(s.g, "none", 1, DAEMON_WAIT_MS), 0);
    (void)task_done(f);
    scene_close(&s);
}

static void test_order_mix_with_and_without_needs_all_end(void **state)
{
    struct scene s = scene_open(yaml);
    struct ganger_future *f[300];

    (void)state;
    for (int i = 0; i < 300; i++)
        f[i] = i % 3 == 0 ? with_permit(&s, i % 2 == 0 ? "one" : "two", NULL)
                          : task_submit(s.g, "many", "nothing", value_of("n"), NULL);
    for (int i = 0; i < 300; i++)
        (void)task_done(f[i]);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_by_priority_then_by_arrival),
        cmocka_unit_test(test_order_delayed_task_runs_when_it_is_due),
        cmocka_unit_test(test_order_task_with_a_date_runs_then),
        cmocka_unit_test(test_order_semaphore_lets_no_more_run_than_it_has_permits),
        cmocka_unit_test(test_order_why_names_the_semaphore_and_who_holds_it),
        cmocka_unit_test(test_order_dead_holder_gives_its_permit_back),
        cmocka_unit_test(test_order_semaphore_set_at_run_time_lets_waiters_go),
        cmocka_unit_test(test_order_semaphore_set_by_hand_outlives_a_restart),
        cmocka_unit_test(test_order_task_of_two_semaphores_waits_for_both),
        cmocka_unit_test(test_order_mix_with_and_without_needs_all_end),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
