/* A journal that is full, by its bound or by its disk: refused at the door, and it recovers. */
#include "ganger/err.h"
#include "tests/support/tasks.h"
#include "tests/support/test_main.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TASKS_MAX 2000

static const char yaml[] = "journal:\n"
                           "  dir: %D/journal\n"
                           "  segment: 64KiB\n"
                           "  max: 512KiB\n"
                           "pools:\n"
                           "  mod:\n"
                           "    module: %M\n"
                           "    processes: 1\n"
                           "  idle:\n"
                           "    external: true\n";

static const char disk_yaml[] = "journal:\n"
                                "  dir: %D/disk/journal\n"
                                "  segment: 64KiB\n"
                                "pools:\n"
                                "  mod:\n"
                                "    module: %M\n"
                                "    processes: 1\n"
                                "  idle:\n"
                                "    external: true\n";

static int submit_call(
    const struct scene *s, const char *pool, const char *function, uint64_t *ret_id)
{
    static char filler[2000];
    struct ganger_bytes args = value_of("b", filler, sizeof filler);
    struct ganger_call call = { pool, function, args.data, args.len };
    struct ganger_options o = options_new();

    o.durable = GANGER_DURABLE_YES;
    o.given = GANGER_OPT_RETENTION_MS;
    o.retention_ms = 60000;
    return ganger_submit_detached(s->g, &call, &o, DAEMON_WAIT_MS, ret_id);
}

static int submit_durable(const struct scene *s, const char *pool, uint64_t *ret_id)
{
    return submit_call(s, pool, "nothing", ret_id);
}

/* Submit until it is refused; how many got in. */
static unsigned fill(const struct scene *s, uint64_t *ids, int *ret_code)
{
    unsigned count = 0;

    while (count < TASKS_MAX && (*ret_code = submit_durable(s, "idle", &ids[count])) == 0)
        count++;
    return count;
}

static void test_disk_bound_of_the_journal_refuses_and_recovers(void **state)
{
    static uint64_t ids[TASKS_MAX];
    struct scene s = scene_open(yaml);
    unsigned count;
    uint64_t id;
    int code;

    (void)state;
    count = fill(&s, ids, &code);
    assert_int_equal(code, GANGER_EFULL);
    assert_true(count > 20);
    assert_true(ask_int(s.g, GANGER_STATS, 0, NULL, "journal_disk_bytes") <= 512 * 1024);
    /* Whoever wants nothing of the journal is served. */
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    for (unsigned i = 0; i < count / 2; i++) {
        assert_int_equal(ganger_cancel(s.g, ids[i], DAEMON_WAIT_MS), 0);
        UNTIL(s.d, ganger_forget(s.g, ids[i], DAEMON_WAIT_MS) == 0);
    }
    UNTIL(s.d, submit_durable(&s, "idle", &id) == 0);
    daemon_kill(s.d);
    daemon_start(s.d);
    scene_reopen(&s);
    for (unsigned i = count / 2; i < count; i++)
        assert_false(ask_is(s.g, GANGER_STATUS, ids[i], NULL, "state", "failed"));
    scene_close(&s);
}

static void test_disk_ends_of_accepted_tasks_fit_when_it_is_full(void **state)
{
    static uint64_t ids[TASKS_MAX];
    struct scene s = scene_open(yaml);
    struct ganger_future *f;
    unsigned count = 0;
    int code;

    (void)state;
    assert_int_equal(ganger_pool_pause(s.g, "mod", DAEMON_WAIT_MS), 0);
    while (count < 50 && (code = submit_durable(&s, "mod", &ids[count])) == 0)
        count++;
    (void)fill(&s, ids + count, &code);
    assert_int_equal(code, GANGER_EFULL);
    assert_int_equal(ganger_pool_resume(s.g, "mod", DAEMON_WAIT_MS), 0);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(ganger_attach(s.g, ids[i], &f), 0);
        (void)task_done(f);
    }
    scene_close(&s);
}

static void test_disk_large_results_wait_for_room_in_the_journal(void **state)
{
    static uint64_t ids[TASKS_MAX];
    struct scene s = scene_open(yaml);
    struct ganger_future *f;
    unsigned count;
    uint64_t id[20];
    int code;

    (void)state;
    assert_int_equal(ganger_pool_pause(s.g, "mod", DAEMON_WAIT_MS), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(submit_call(&s, "mod", "echo", &id[i]), 0);
    count = fill(&s, ids, &code);
    assert_int_equal(code, GANGER_EFULL);
    assert_int_equal(ganger_pool_resume(s.g, "mod", DAEMON_WAIT_MS), 0);
    UNTIL(s.d, daemon_log_has(s.d, "journal-no-room"));
    assert_int_equal(ganger_ping(s.g, DAEMON_WAIT_MS), 0);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(ganger_cancel(s.g, ids[i], DAEMON_WAIT_MS), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ganger_attach(s.g, id[i], &f), 0);
        assert_int_equal(value_raw(task_done(f)).len, 2000);
    }
    scene_close(&s);
}

/* Write zeros until the disk is full. */
static void disk_fill(const char *path)
{
    static char zeros[65536];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof zeros) > 0)
        continue;
    (void)close(fd);
}

static void test_disk_without_room_refuses_and_recovers(void **state)
{
    static uint64_t ids[TASKS_MAX];
    struct scene s = { .d = daemon_new(disk_yaml) };
    const char *disk = daemon_path(s.d, "disk");
    unsigned count;
    uint64_t id;
    int code;

    (void)state;
    assert_int_equal(mkdir(disk, 0700), 0);
    /* In a space of our own, so that a test that fails leaves nothing mounted. */
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", disk, "tmpfs", 0, "size=4m") < 0) {
        print_message("skipped: cannot mount a small disk: %s\n", strerror(errno));
        daemon_free(s.d);
        skip();
    }
    daemon_start(s.d);
    s.g = daemon_open(s.d);
    assert_int_equal(submit_durable(&s, "idle", &id), 0);
    disk_fill(daemon_path(s.d, "disk/filler"));
    count = fill(&s, ids, &code);
    assert_true(code == GANGER_EFULL || code == GANGER_ESTORE || code == GANGER_EUNKNOWN);
    assert_int_equal(value_int(task_run(s.g, "mod", "add", value_of("a2ii", 1l, 2l))), 3);
    assert_int_equal(unlink(daemon_path(s.d, "disk/filler")), 0);
    UNTIL(s.d, submit_durable(&s, "mod", &id) == 0);
    daemon_kill(s.d);
    daemon_start(s.d);
    scene_reopen(&s);
    for (unsigned i = 0; i < count; i++)
        assert_false(ask_is(s.g, GANGER_STATUS, ids[i], NULL, "state", "failed"));
    daemon_stop(s.d);
    assert_int_equal(umount2(daemon_path(s.d, "disk"), MNT_DETACH), 0);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_bound_of_the_journal_refuses_and_recovers),
        cmocka_unit_test(test_disk_ends_of_accepted_tasks_fit_when_it_is_full),
        cmocka_unit_test(test_disk_large_results_wait_for_room_in_the_journal),
        cmocka_unit_test(test_disk_without_room_refuses_and_recovers),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
