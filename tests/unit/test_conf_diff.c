/* What a reload has to do. */
#include "conf/schema.h"
#include "tests/support/test_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct conf *load(const char *text)
{
    struct conf_errors errors;
    struct conf *conf = NULL;

    if (conf_load_text(text, strlen(text), "t.yaml", &errors, &conf) < 0)
        fail_msg("%s", errors.count != 0 ? errors.text[0] : "no error text");
    conf_errors_done(&errors);
    return conf;
}

/* The changes from OLD to UPDATED, each as "verb path apply", joined by "; ". */
static void check_diff(const char *old, const char *updated, const char *expected)
{
    static const char *const verbs[] = { "changed", "added", "removed" };
    static const char *const applies[] = { "now", "agent", "restart" };
    struct conf *a = load(old);
    struct conf *b = load(updated);
    struct conf_change *changes = NULL;
    size_t count = 0;
    char text[2048] = "";

    assert_int_equal(conf_diff(a, b, &changes, &count), 0);
    for (size_t i = 0; i < count; i++) {
        char path[256];

        conf_change_path(&changes[i], path, sizeof path);
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %s %s",
            i != 0 ? "; " : "", verbs[changes[i].verb], path, applies[changes[i].apply]);
    }
    assert_string_equal(text, expected);
    free(changes);
    conf_free(a);
    conf_free(b);
}

static void test_diff_of_equal_files_is_empty(void **state)
{
    static const char text[] =
        "socket: {path: /s, mode: 0660, group: 3}\nsemaphores: {a: 1, b: 2}\n"
        "pools:\n  m: {module: /m.so, init: [1, 2], env: {A: b}, rlimits: {as: 1GiB}}\n"
        "  c: {command: [wc, -w], directory: /d}\n  x: {external: true}\n";

    (void)state;
    check_diff(text, text, "");
}

static void test_diff_names_what_needs_a_restart(void **state)
{
    (void)state;
    check_diff("socket: {path: /a}", "socket: {path: /b, mode: 0660, group: 3}",
        "changed socket.path restart; changed socket.mode restart; changed socket.group restart");
    check_diff("journal: {dir: /a}", "journal: {dir: /b, segment: 1MiB}",
        "changed journal.dir restart; changed journal.segment restart");
    check_diff("journal: {dir: /a, segment: 1MiB}", "journal: memory", "changed journal restart");
    check_diff("journal: memory", "journal: {dir: /a, max: 1GiB}", "changed journal restart");
}

static void test_diff_names_what_changes_at_once(void **state)
{
    (void)state;
    check_diff("", "log: {level: debug, format: plain}\nlimits: {drain: 1s, tasks: 5}",
        "changed log.level now; changed log.format now; changed limits.tasks now; "
        "changed limits.drain now");
}

static void test_diff_names_semaphores_in_order_of_the_file(void **state)
{
    (void)state;
    check_diff("semaphores: {a: 1, b: 2, gone: 3}", "semaphores: {new: 1, b: 3, a: 1}",
        "added semaphores.new now; changed semaphores.b now; removed semaphores.gone restart");
    check_diff("semaphores: {a: 1}", "", "removed semaphores.a restart");
    check_diff("", "semaphores: {a: 1}", "added semaphores.a now");
}

static void test_diff_names_pools_and_their_keys(void **state)
{
    (void)state;
    check_diff("pools: {a: {command: wc, processes: 1}, z: {external: true}}",
        "pools: {b: {command: any}, a: {command: wc, processes: 2, backlog: 3, nice: 4}}",
        "added pools.b now; changed pools.a.processes now; changed pools.a.backlog now; "
        "changed pools.a.nice agent; removed pools.z restart");
}

/* A file with the pool p, which BODY describes. */
static void pool_text(char *buf, size_t bytes, const char *body)
{
    bool braces = body[0] == '{';

    (void)snprintf(buf, bytes, "pools: {p: %s%s%s}", braces ? "" : "{", body, braces ? "" : "}");
}

static void test_diff_sees_each_kind_of_value(void **state)
{
    static const char *const pairs[][3] = {
        { "module: /m.so", "module: /n.so", "module agent" },
        { "module: /m.so", "{module: /m.so, init: ~}", "init agent" },
        { "{module: /m.so, init: 1}", "{module: /m.so, init: 2}", "init agent" },
        { "{module: /m.so, init: [1]}", "{module: /m.so, init: [1, 1]}", "init agent" },
        { "command: wc", "command: cat", "command agent" },
        { "command: [wc, -w]", "command: [wc]", "command agent" },
        { "command: [wc, -w]", "command: [wc, -l]", "command agent" },
        { "command: any", "command: [any]", "command agent" },
        { "{command: wc, env: {A: b}}", "{command: wc, env: {A: c}}", "env agent" },
        { "{command: wc, env: {A: b}}", "{command: wc, env: {B: b}}", "env agent" },
        { "{command: wc, env: {A: b}}", "command: wc", "env agent" },
        { "{command: wc, rlimits: {core: 0}}", "command: wc", "rlimits agent" },
        { "{command: wc, rlimits: {core: 0}}", "{command: wc, rlimits: {core: 1}}",
            "rlimits agent" },
        { "{command: wc, directory: /a}", "command: wc", "directory agent" },
        { "{command: wc, durable: true}", "command: wc", "durable now" },
        { "{command: wc, jitter: 3}", "command: wc", "jitter now" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char old[128];
        char updated[128];
        char expected[64];

        pool_text(old, sizeof old, pairs[i][0]);
        pool_text(updated, sizeof updated, pairs[i][1]);
        (void)snprintf(expected, sizeof expected, "changed pools.p.%s", pairs[i][2]);
        check_diff(old, updated, expected);
    }
}

static void test_diff_of_another_kind_names_both_sources(void **state)
{
    (void)state;
    check_diff("pools: {p: {command: wc}}", "pools: {p: {external: true}}",
        "changed pools.p.command agent; changed pools.p.external agent");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diff_of_equal_files_is_empty),
        cmocka_unit_test(test_diff_names_what_needs_a_restart),
        cmocka_unit_test(test_diff_names_what_changes_at_once),
        cmocka_unit_test(test_diff_names_semaphores_in_order_of_the_file),
        cmocka_unit_test(test_diff_names_pools_and_their_keys),
        cmocka_unit_test(test_diff_sees_each_kind_of_value),
        cmocka_unit_test(test_diff_of_another_kind_names_both_sources),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
