/* What a good configuration gives: defaults, values, units, paths. */
#include "conf/conf.h"
#include "conf/suggest.h"
#include "conf/units.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "tests/support/test_main.h"

#include <grp.h>
#include <math.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Load TEXT, which must be good. */
static struct conf *load(const char *text)
{
    struct conf_errors errors;
    struct conf *conf = NULL;
    int rc = conf_load_text(text, strlen(text), "t.yaml", &errors, &conf);

    if (rc < 0)
        fail_msg("%s", errors.count != 0 ? errors.text[0] : "no error text");
    assert_non_null(conf);
    conf_errors_done(&errors);
    return conf;
}

static void test_conf_empty_text_gives_defaults(void **state)
{
    static const char *const texts[] = { "", "# nothing\n", "---\n", "{}", "~",
        "log:\nlimits:\npools:\nsemaphores:\nsocket:\njournal:\n" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct conf *c = load(texts[i]);

        assert_int_equal(c->socket.mode, 0600);
        assert_true(c->socket.group == CONF_GROUP_NONE);
        assert_int_equal(c->socket.path[0], '/');
        assert_int_equal(c->journal.dir[0], '/');
        assert_false(c->journal.memory);
        assert_int_equal(c->journal.segment_bytes, 16u << 20);
        assert_int_equal(c->journal.max_bytes, UINT64_C(8) << 30);
        assert_int_equal(c->log.level, LOG_INFO);
        assert_int_equal(c->log.format, LOG_FORMAT_AUTO);
        assert_int_equal(c->limits.tasks_max, GANGER_TASKS_MAX);
        assert_int_equal(c->limits.sessions_max, 10000);
        assert_int_equal(c->limits.session_out_bytes, GANGER_SESSION_OUT_MAX);
        assert_int_equal(c->limits.handshake_ms, GANGER_HANDSHAKE_MS);
        assert_int_equal(c->limits.grace_ms, 5000);
        assert_int_equal(c->limits.drain_ms, 30000);
        assert_int_equal(c->pool_count, 0);
        assert_int_equal(c->semaphore_count, 0);
        conf_free(c);
    }
}

static void test_conf_defaults_are_those_of_an_empty_file(void **state)
{
    struct conf *a = NULL;
    struct conf *b = load("");
    struct conf_change *changes = NULL;
    size_t count = 99;

    (void)state;
    assert_int_equal(conf_defaults(&a), 0);
    assert_int_equal(conf_diff(a, b, &changes, &count), 0);
    assert_int_equal(count, 0);
    free(changes);
    conf_free(a);
    conf_free(b);
    conf_free(NULL);
}

static void test_conf_pool_defaults_are_those_documented(void **state)
{
    struct conf *c = load("pools: {w: {command: wc}}");
    const struct conf_pool *p = conf_pool_find(c, "w");

    (void)state;
    assert_non_null(p);
    assert_null(conf_pool_find(c, "v"));
    assert_string_equal(p->name, "w");
    assert_int_equal(p->kind, CONF_POOL_COMMAND);
    assert_string_equal(p->command[0], "wc");
    assert_null(p->command[1]);
    assert_null(p->module);
    assert_null(p->init);
    assert_null(p->directory);
    assert_true(p->processes >= 1 && p->processes <= GANGER_PROCESSES_MAX);
    assert_int_equal(p->max_tasks_per_child, 0);
    assert_int_equal(p->backlog_tasks, 1000000);
    assert_int_equal(p->backlog_bytes, 1u << 30);
    assert_int_equal(p->priority, GANGER_PRIORITY_DEFAULT);
    assert_int_equal(p->time_limit_ms, 0);
    assert_int_equal(p->kill_grace_ms, 5000);
    assert_int_equal(p->max_attempts, 1);
    assert_int_equal(p->backoff_ms, 1000);
    assert_int_equal(p->backoff_max_ms, 300000);
    assert_int_equal(p->jitter_percent, 10);
    assert_int_equal(p->crash_budget, 3);
    assert_int_equal(p->retention_ms, 3600000);
    assert_false(p->durable);
    assert_int_equal(p->stdout_max_bytes, 1u << 20);
    assert_int_equal(p->early_deaths, 5);
    assert_int_equal(p->init_timeout_ms, 30000);
    assert_int_equal(p->nice, 0);
    assert_int_equal(p->env_count, 0);
    for (size_t i = 0; i < CONF_RLIMITS; i++)
        assert_false(p->rlimits[i].given);
    conf_free(c);
}

static void test_conf_every_section_is_read(void **state)
{
    struct conf *c = load("socket: {path: /run/x.sock, mode: 0660, group: 12}\n"
                          "journal: {dir: /var/j, segment: 1MiB, max: 8MiB}\n"
                          "log: {level: debug, format: plain}\n"
                          "limits: {tasks: 7, sessions: 8, session_out: 1MB, handshake: 1s500ms,\n"
                          "         grace: 0, drain: 1d}\n"
                          "semaphores: {db: 4, off: 0, most: 1000000}\n");

    (void)state;
    assert_string_equal(c->socket.path, "/run/x.sock");
    assert_int_equal(c->socket.mode, 0660);
    assert_int_equal(c->socket.group, 12);
    assert_string_equal(c->journal.dir, "/var/j");
    assert_int_equal(c->journal.segment_bytes, 1u << 20);
    assert_int_equal(c->journal.max_bytes, 8u << 20);
    assert_int_equal(c->log.level, LOG_DEBUG);
    assert_int_equal(c->log.format, LOG_FORMAT_PLAIN);
    assert_int_equal(c->limits.tasks_max, 7);
    assert_int_equal(c->limits.sessions_max, 8);
    assert_int_equal(c->limits.session_out_bytes, 1000000);
    assert_int_equal(c->limits.handshake_ms, 1500);
    assert_int_equal(c->limits.grace_ms, 0);
    assert_int_equal(c->limits.drain_ms, 86400000);
    assert_int_equal(c->semaphore_count, 3);
    assert_int_equal(conf_semaphore_find(c, "db")->permits, 4);
    assert_int_equal(conf_semaphore_find(c, "off")->permits, 0);
    assert_int_equal(conf_semaphore_find(c, "most")->permits, GANGER_PERMITS_MAX);
    assert_null(conf_semaphore_find(c, "none"));
    conf_free(c);
}

static void test_conf_every_pool_key_is_read(void **state)
{
    struct conf *c = load("pools:\n  m.1:\n    module: /m.so\n    init: 7\n    init_timeout: 1s\n"
                          "    processes: 3\n    max_tasks_per_child: 4\n    early_deaths: 6\n"
                          "    backlog: 8\n    backlog_bytes: 9MiB\n    priority: 0\n"
                          "    time_limit: 1h30min\n    kill_grace: 2s\n    max_attempts: 10\n"
                          "    backoff: 11s\n    backoff_max: 12s\n    jitter: 13%\n"
                          "    crash_budget: 14\n    retention: 7d\n    durable: true\n"
                          "    directory: /srv\n    env: {A: b, EMPTY: \"\", N: 1}\n"
                          "    rlimits: {as: 1GiB, core: 0, cpu: 1500ms, nofile: 64, nproc: "
                          "unlimited}\n    nice: -5\n");
    const struct conf_pool *p = &c->pools[0];

    (void)state;
    assert_int_equal(p->kind, CONF_POOL_MODULE);
    assert_string_equal(p->name, "m.1");
    assert_string_equal(p->module, "/m.so");
    assert_null(p->command);
    assert_int_equal(p->init_bytes, 1);
    assert_int_equal(p->init[0], 7);
    assert_int_equal(p->init_timeout_ms, 1000);
    assert_int_equal(p->processes, 3);
    assert_int_equal(p->max_tasks_per_child, 4);
    assert_int_equal(p->early_deaths, 6);
    assert_int_equal(p->backlog_tasks, 8);
    assert_int_equal(p->backlog_bytes, 9u << 20);
    assert_int_equal(p->priority, 0);
    assert_int_equal(p->time_limit_ms, 5400000);
    assert_int_equal(p->kill_grace_ms, 2000);
    assert_int_equal(p->max_attempts, 10);
    assert_int_equal(p->backoff_ms, 11000);
    assert_int_equal(p->backoff_max_ms, 12000);
    assert_int_equal(p->jitter_percent, 13);
    assert_int_equal(p->crash_budget, 14);
    assert_int_equal(p->retention_ms, 7 * 86400000);
    assert_true(p->durable);
    assert_string_equal(p->directory, "/srv");
    assert_int_equal(p->env_count, 3);
    assert_string_equal(p->env[0].name, "A");
    assert_string_equal(p->env[0].value, "b");
    assert_string_equal(p->env[1].value, "");
    assert_string_equal(p->env[2].value, "1");
    assert_int_equal(p->rlimits[CONF_RLIMIT_AS].value, 1u << 30);
    assert_true(p->rlimits[CONF_RLIMIT_CORE].given);
    assert_int_equal(p->rlimits[CONF_RLIMIT_CORE].value, 0);
    assert_int_equal(p->rlimits[CONF_RLIMIT_CPU].value, 2);
    assert_int_equal(p->rlimits[CONF_RLIMIT_NOFILE].value, 64);
    assert_true(p->rlimits[CONF_RLIMIT_NPROC].value == CONF_UNLIMITED);
    assert_false(p->rlimits[CONF_RLIMIT_STACK].given);
    assert_int_equal(p->nice, -5);
    conf_free(c);
}

static void test_conf_pool_kinds_are_told_apart(void **state)
{
    struct conf *c = load("pools:\n  a: {command: any}\n  b: {command: [any]}\n"
                          "  c: {command: [/bin/sh, -c, \"echo hi\", \"\"], stdout_max: 0}\n"
                          "  d: {external: true, priority: 3}\n");

    (void)state;
    assert_int_equal(c->pools[0].kind, CONF_POOL_COMMAND_ANY);
    assert_null(c->pools[0].command);
    assert_int_equal(c->pools[1].kind, CONF_POOL_COMMAND);
    assert_string_equal(c->pools[1].command[0], "any");
    assert_int_equal(c->pools[2].kind, CONF_POOL_COMMAND);
    assert_string_equal(c->pools[2].command[2], "echo hi");
    assert_string_equal(c->pools[2].command[3], "");
    assert_null(c->pools[2].command[4]);
    assert_int_equal(c->pools[2].stdout_max_bytes, 0);
    assert_int_equal(c->pools[3].kind, CONF_POOL_EXTERNAL);
    assert_int_equal(c->pools[3].priority, 3);
    conf_free(c);
}

static void test_conf_journal_memory_has_no_directory(void **state)
{
    struct conf *c = load("journal: memory");

    (void)state;
    assert_true(c->journal.memory);
    assert_null(c->journal.dir);
    conf_free(c);
}

static void test_conf_group_name_is_resolved(void **state)
{
    struct conf *c = load("socket: {group: root}");

    (void)state;
    assert_int_equal(c->socket.group, getgrnam("root")->gr_gid);
    conf_free(c);
}

/* The value of init as msgpack prints it. */
static void check_init(const char *yaml, const char *printed)
{
    struct conf *c;
    msgpack_unpacked value;
    size_t used = 0;
    char *text = NULL;
    char out[512] = { 0 };

    assert_true(asprintf(&text, "pools: {w: {module: /m.so, init: %s}}", yaml) > 0);
    c = load(text);
    free(text);
    msgpack_unpacked_init(&value);
    assert_int_equal(
        msgpack_unpack_next(&value, (const char *)c->pools[0].init, c->pools[0].init_bytes, &used),
        MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(used, c->pools[0].init_bytes);
    (void)msgpack_object_print_buffer(out, sizeof out, value.data);
    assert_string_equal(out, printed);
    msgpack_unpacked_destroy(&value);
    conf_free(c);
}

static void test_conf_init_values_have_types_of_core_schema(void **state)
{
    static const char *const cases[][2] = {
        { "~", "nil" },
        { "null", "nil" },
        { "true", "true" },
        { "FALSE", "false" },
        { "yes", "\"yes\"" },
        { "\"true\"", "\"true\"" },
        { "0", "0" },
        { "+7", "7" },
        { "-0", "0" },
        { "0o17", "15" },
        { "0xfF", "255" },
        { "0x", "\"0x\"" },
        { "127", "127" },
        { "128", "128" },
        { "255", "255" },
        { "256", "256" },
        { "65536", "65536" },
        { "4294967296", "4294967296" },
        { "18446744073709551615", "18446744073709551615" },
        { "-1", "-1" },
        { "-32", "-32" },
        { "-33", "-33" },
        { "-129", "-129" },
        { "-32769", "-32769" },
        { "-2147483649", "-2147483649" },
        { "-9223372036854775808", "-9223372036854775808" },
        { "1_000", "\"1_000\"" },
        { "12:30", "\"12:30\"" },
        { "1.5", "1.500000" },
        { "-.5e1", "-5.000000" },
        { "1.", "1.000000" },
        { "1e3", "1000.000000" },
        { "\".\"", "\".\"" },
        { "1.2.3", "\"1.2.3\"" },
        { "1e", "\"1e\"" },
        { "[1, [a, {b: ~}], []]", "[1, [\"a\", {\"b\"=>nil}], []]" },
        { "{a: 1, 2: b}", "{\"a\"=>1, 2=>\"b\"}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_init(cases[i][0], cases[i][1]);
}

static void test_conf_init_text_and_lists_of_every_length_class_are_exact(void **state)
{
    static const size_t lengths[] = { 0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536 };

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t n = lengths[i];
        char *text = malloc(8 * n + 128);
        size_t at;
        struct conf *c;
        msgpack_unpacked value;
        size_t used = 0;

        assert_non_null(text);
        at = (size_t)sprintf(text, "pools: {w: {module: /m.so, init: {s: \"");
        memset(text + at, 'x', n);
        at += n;
        at += (size_t)sprintf(text + at, "\", l: [");
        for (size_t k = 0; k < n; k++)
            at += (size_t)sprintf(text + at, "%s", k == 0 ? "1" : ",1");
        (void)sprintf(text + at, "]}}}");
        c = load(text);
        msgpack_unpacked_init(&value);
        assert_int_equal(msgpack_unpack_next(
                             &value, (const char *)c->pools[0].init, c->pools[0].init_bytes, &used),
            MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(used, c->pools[0].init_bytes);
        assert_int_equal(value.data.via.map.ptr[0].val.via.str.size, n);
        assert_int_equal(value.data.via.map.ptr[1].val.via.array.size, n);
        msgpack_unpacked_destroy(&value);
        conf_free(c);
        free(text);
    }
}

static void test_conf_init_infinities_and_nan_are_floats(void **state)
{
    static const char *const cases[] = { ".inf", "-.INF", ".NaN" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char text[64];
        struct conf *c;
        uint64_t bits = 0;
        double v;

        (void)snprintf(text, sizeof text, "pools: {w: {module: /m.so, init: %s}}", cases[i]);
        c = load(text);
        assert_int_equal(c->pools[0].init_bytes, 9);
        assert_int_equal(c->pools[0].init[0], 0xcb);
        for (size_t k = 1; k < 9; k++)
            bits = bits << 8 | c->pools[0].init[k];
        memcpy(&v, &bits, sizeof v);
        assert_true(i == 2 ? isnan(v) : isinf(v) && (v < 0) == (i == 1));
        conf_free(c);
    }
}

static void test_conf_file_is_loaded_with_its_name_in_errors(void **state)
{
    char path[] = "/tmp/ganger-test-conf-XXXXXX";
    char expected[128];
    struct conf_errors errors;
    struct conf *c = NULL;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "log: {level: debug}\n", 20), 20);
    assert_int_equal(conf_load(path, &errors, &c), 0);
    assert_int_equal(c->log.level, LOG_DEBUG);
    assert_int_equal(errors.count, 0);
    conf_free(c);
    c = NULL;
    assert_int_equal(write(fd, "lug: 1\n", 7), 7);
    assert_int_equal(conf_load(path, &errors, &c), GANGER_ECONF);
    (void)snprintf(
        expected, sizeof expected, "%s:2:1: unknown key \"lug\"; did you mean \"log\"?", path);
    assert_string_equal(errors.text[0], expected);
    assert_null(c);
    conf_errors_done(&errors);
    (void)close(fd);
    (void)unlink(path);
}

static void test_conf_file_that_cannot_be_read_is_named(void **state)
{
    char dir[] = "/tmp/ganger-test-conf-XXXXXX";
    char path[64];
    char expected[128];
    struct conf_errors errors;
    struct conf *c = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(conf_load(dir, &errors, &c), GANGER_EIO);
    (void)snprintf(expected, sizeof expected, "%s: Is a directory", dir);
    assert_string_equal(errors.text[0], expected);
    conf_errors_done(&errors);
    (void)snprintf(path, sizeof path, "%s/pipe", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(conf_load(path, &errors, &c), GANGER_EIO);
    (void)snprintf(expected, sizeof expected, "%s: not a regular file; copy it to one", path);
    assert_string_equal(errors.text[0], expected);
    conf_errors_done(&errors);
    (void)unlink(path);
    assert_int_equal(conf_load(path, &errors, &c), GANGER_EIO);
    (void)snprintf(expected, sizeof expected, "%s: No such file or directory", path);
    assert_string_equal(errors.text[0], expected);
    conf_errors_done(&errors);
    assert_int_equal(conf_load(path, NULL, &c), GANGER_EIO);
    (void)rmdir(dir);
}

static void test_conf_default_socket_follows_environment(void **state)
{
    char buf[128];
    char own[64];

    (void)state;
    (void)setenv("RUNTIME_DIRECTORY", "/run/a:/run/b", 1);
    (void)setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    assert_int_equal(conf_default_socket(buf, sizeof buf), 0);
    assert_string_equal(buf, "/run/a/ganger.sock");
    assert_int_equal(conf_default_socket(buf, 19), 0);
    assert_int_equal(conf_default_socket(buf, 18), GANGER_ERANGE);
    (void)setenv("RUNTIME_DIRECTORY", "relative", 1);
    assert_int_equal(conf_default_socket(buf, sizeof buf), 0);
    assert_string_equal(
        buf, geteuid() == 0 ? "/run/ganger/ganger.sock" : "/run/user/7/ganger/ganger.sock");
    (void)unsetenv("RUNTIME_DIRECTORY");
    (void)unsetenv("XDG_RUNTIME_DIR");
    (void)snprintf(own, sizeof own, "/tmp/ganger-%u/ganger.sock", (unsigned)geteuid());
    assert_int_equal(conf_default_socket(buf, sizeof buf), 0);
    assert_string_equal(buf, geteuid() == 0 ? "/run/ganger/ganger.sock" : own);
}

static void test_conf_default_journal_follows_environment(void **state)
{
    bool root = geteuid() == 0;
    char buf[4096];

    (void)state;
    (void)setenv("STATE_DIRECTORY", "/s/a:/s/b", 1);
    (void)setenv("XDG_STATE_HOME", "/x", 1);
    (void)setenv("HOME", "/h", 1);
    assert_int_equal(conf_default_journal(buf, sizeof buf), 0);
    assert_string_equal(buf, "/s/a");
    (void)unsetenv("STATE_DIRECTORY");
    assert_int_equal(conf_default_journal(buf, sizeof buf), 0);
    assert_string_equal(buf, root ? "/var/lib/ganger" : "/x/ganger");
    (void)unsetenv("XDG_STATE_HOME");
    assert_int_equal(conf_default_journal(buf, sizeof buf), 0);
    assert_string_equal(buf, root ? "/var/lib/ganger" : "/h/.local/state/ganger");
}

static void test_conf_rlimit_kinds_have_names_and_numbers(void **state)
{
    (void)state;
    assert_string_equal(conf_rlimit_name(CONF_RLIMIT_AS), "as");
    assert_string_equal(conf_rlimit_name(CONF_RLIMIT_MEMLOCK), "memlock");
    assert_string_equal(conf_rlimit_name(CONF_RLIMIT_NOFILE), "nofile");
    assert_string_equal(conf_rlimit_name(CONF_RLIMIT_STACK), "stack");
    assert_int_equal(conf_rlimit_resource(CONF_RLIMIT_AS), RLIMIT_AS);
    assert_int_equal(conf_rlimit_resource(CONF_RLIMIT_NOFILE), RLIMIT_NOFILE);
    assert_int_equal(conf_rlimit_resource(CONF_RLIMIT_STACK), RLIMIT_STACK);
}

static void test_units_text_round_trips(void **state)
{
    static const uint64_t values[] = { 0, 1, 999, 1000, 1024, 1500, 60000, 65536, 5400000, 86400000,
        UINT64_C(1) << 40, UINT64_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char buf[UNITS_TEXT_MAX];
        uint64_t value = 1;

        units_size_text(values[i], buf, sizeof buf);
        assert_int_equal(units_size(buf, &value), 0);
        assert_true(value == values[i]);
        units_duration_text(values[i], buf, sizeof buf);
        assert_int_equal(units_duration(buf, &value), 0);
        assert_true(value == values[i]);
    }
}

static void test_units_overflow_is_out_of_range(void **state)
{
    uint64_t value = 7;

    (void)state;
    assert_int_equal(units_size("16777215TiB", &value), 0);
    assert_int_equal(units_size("16777216TiB", &value), GANGER_ERANGE);
    assert_int_equal(units_duration("18446744073709551615ms", &value), 0);
    assert_int_equal(units_duration("18446744073709551s616ms", &value), GANGER_ERANGE);
    assert_int_equal(units_number("18446744073709551615", &value), 0);
    assert_int_equal(units_number("18446744073709551616", &value), GANGER_ERANGE);
    assert_int_equal(units_number("", &value), GANGER_EINVAL);
    assert_int_equal(units_size("", &value), GANGER_EINVAL);
    assert_int_equal(units_duration("", &value), GANGER_EINVAL);
}

static void test_suggest_distance_counts_edits(void **state)
{
    char longer[100];

    (void)state;
    assert_int_equal(suggest_distance("", ""), 0);
    assert_int_equal(suggest_distance("abc", ""), 3);
    assert_int_equal(suggest_distance("level", "level"), 0);
    assert_int_equal(suggest_distance("levle", "level"), 1);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
    assert_int_equal(suggest_distance("ca", "abc"), 3);
    memset(longer, 'x', sizeof longer - 1);
    longer[99] = '\0';
    assert_int_equal(suggest_distance(longer, longer), SUGGEST_WORD_MAX);
    longer[63] = '\0';
    assert_int_equal(suggest_distance(longer, longer), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conf_empty_text_gives_defaults),
        cmocka_unit_test(test_conf_defaults_are_those_of_an_empty_file),
        cmocka_unit_test(test_conf_pool_defaults_are_those_documented),
        cmocka_unit_test(test_conf_every_section_is_read),
        cmocka_unit_test(test_conf_every_pool_key_is_read),
        cmocka_unit_test(test_conf_pool_kinds_are_told_apart),
        cmocka_unit_test(test_conf_journal_memory_has_no_directory),
        cmocka_unit_test(test_conf_group_name_is_resolved),
        cmocka_unit_test(test_conf_init_values_have_types_of_core_schema),
        cmocka_unit_test(test_conf_init_text_and_lists_of_every_length_class_are_exact),
        cmocka_unit_test(test_conf_init_infinities_and_nan_are_floats),
        cmocka_unit_test(test_conf_file_is_loaded_with_its_name_in_errors),
        cmocka_unit_test(test_conf_file_that_cannot_be_read_is_named),
        cmocka_unit_test(test_conf_default_socket_follows_environment),
        cmocka_unit_test(test_conf_default_journal_follows_environment),
        cmocka_unit_test(test_conf_rlimit_kinds_have_names_and_numbers),
        cmocka_unit_test(test_units_text_round_trips),
        cmocka_unit_test(test_units_overflow_is_out_of_range),
        cmocka_unit_test(test_suggest_distance_counts_edits),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
