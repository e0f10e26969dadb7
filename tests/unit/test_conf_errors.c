/* What a bad configuration is told: place, thing, what is allowed, way out. */
#include "conf/conf.h"
#include "conf/report.h"
#include "proto/err.h"
#include "tests/support/test_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bad {
    const char *text;
    const char *error; /* of the first error, without the file's name */
};

static void check_one(const struct bad *bad)
{
    struct conf_errors errors;
    struct conf *conf = NULL;
    char expected[1024];

    assert_int_equal(
        conf_load_text(bad->text, strlen(bad->text), "t.yaml", &errors, &conf), GANGER_ECONF);
    assert_null(conf);
    assert_true(errors.count >= 1);
    (void)snprintf(expected, sizeof expected, "t.yaml:%s", bad->error);
    assert_string_equal(errors.text[0], expected);
    if (errors.count != 1)
        fail_msg("a second error: %s", errors.text[1]);
    conf_errors_done(&errors);
}

static void check_all(const struct bad *bad, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_one(&bad[i]);
}

#define CHECK_ALL(array) check_all(array, sizeof(array) / sizeof((array)[0]))

static void test_conf_text_that_is_not_yaml_is_refused_with_place(void **state)
{
    static const struct bad bad[] = {
        { "log:\n\tlevel: info\n",
            "2:1: not valid YAML: found character that cannot start any token, while scanning for "
            "the next token (line 2); indent with spaces, not with tabs" },
        { "log: {level: info\n",
            "2:1: not valid YAML: did not find expected ',' or '}', while parsing a flow mapping "
            "(line 1)" },
        { "log:\n  level: \"\xff\"\n",
            "2:11: not UTF-8 text: invalid leading UTF-8 octet; save the file as UTF-8" },
        { "log: {}\n---\nlog: {}\n", "2:1: a second document: one file holds one configuration" },
        { "log: &x {}\n", "1:6: anchors (&name) are not supported; write the value out" },
        { "log: *x\n", "1:6: aliases (*name) are not supported; write the value out" },
        { "log:\n  level: !!str info\n",
            "2:10: tags (!name) are not supported; quote a value to make it text" },
        { "? [a]\n: b\n", "1:3: a key must be a single word or text, not a list" },
        { "- a\n", "1:1: a list is not a mapping with keys such as pools:" },
        { "hello\n", "1:1: \"hello\" is not a mapping with keys such as pools:" },
    };

    (void)state;
    CHECK_ALL(bad);
}

static void test_conf_unknown_key_is_refused_with_nearest(void **state)
{
    static const struct bad bad[] = {
        { "pool: {}\n", "1:1: unknown key \"pool\"; did you mean \"pools\"?" },
        { "level: info\n", "1:1: unknown key \"level\"; it belongs under \"log\"" },
        { "xyzzy: 1\n",
            "1:1: unknown key \"xyzzy\"; known here: socket, journal, log, limits, semaphores, "
            "pools" },
        { "log:\n  levle: info\n", "2:3: log: unknown key \"levle\"; did you mean \"level\"?" },
        { "log:\n  drain: 3s\n", "2:3: log: unknown key \"drain\"; it belongs under \"limits\"" },
        { "log:\n  colour: red\n", "2:3: log: unknown key \"colour\"; known here: level, format" },
        { "pools:\n  w:\n    command: wc\n    max-attempts: 3\n",
            "4:5: pools.w: unknown key \"max-attempts\"; did you mean \"max_attempts\"?" },
        { "pools:\n  w:\n    command: wc\n    rlimits:\n      nofiles: 3\n",
            "5:7: pools.w.rlimits: unknown key \"nofiles\"; did you mean \"nofile\"?" },
        { "pools:\n  w:\n    command: wc\n    segment: 3\n",
            "4:5: pools.w: unknown key \"segment\"; it belongs under \"journal\"" },
        { "\"a\\nb\": 1\n",
            "1:1: unknown key \"a\\x0ab\"; known here: socket, journal, log, limits, semaphores, "
            "pools" },
        { "log: {\"level\\0x\": info}\n",
            "1:7: log: unknown key \"level\\x00x\"; did you mean \"level\"?" },
    };

    (void)state;
    CHECK_ALL(bad);
}

static void test_conf_key_given_twice_is_refused(void **state)
{
    static const struct bad bad[] = {
        { "log: {}\nlog: {}\n",
            "2:1: the key \"log\" is given twice, first at line 1; remove one of them" },
        { "pools:\n  w: {command: wc}\n  w: {command: wc}\n",
            "3:3: the key \"w\" is given twice, first at line 2; remove one of them" },
        { "limits:\n  tasks: 1\n  drain: 1s\n  tasks: 2\n",
            "4:3: the key \"tasks\" is given twice, first at line 2; remove one of them" },
        { "semaphores: {a: 1}\nsemaphores: {b: 1, c: 1, d: 1}\n",
            "2:1: the key \"semaphores\" is given twice, first at line 1; remove one of them" },
        { "pools: {w: {command: wc, env: {A: b}, env: {B: c, C: d}}}\n",
            "1:39: the key \"env\" is given twice, first at line 1; remove one of them" },
        { "pools: {}\npools: {a: {command: wc}, b: {command: wc}}\n",
            "2:1: the key \"pools\" is given twice, first at line 1; remove one of them" },
    };

    (void)state;
    CHECK_ALL(bad);
}

static void test_conf_wrong_type_is_refused(void **state)
{
    static const struct bad bad[] = {
        { "log: info\n", "1:6: log: \"info\" is not a mapping of keys and values" },
        { "log: [level]\n", "1:6: log: a list is not a mapping of keys and values" },
        { "log: {level: }\n",
            "1:14: log.level: no value is given; give one of error, warning, notice, info, debug, "
            "or remove the key" },
        { "log: {level: {a: b}}\n",
            "1:14: log.level: a mapping is not one of error, warning, notice, info, debug" },
        { "log: {level: warn}\n",
            "1:14: log.level: \"warn\" is not one of error, warning, notice, info, debug" },
        { "log: {format: json}\n",
            "1:15: log.format: \"json\" is not one of auto, journal, plain" },
        { "limits: {tasks: many}\n", "1:17: limits.tasks: \"many\" is not a whole number" },
        { "limits: {tasks: 1.5}\n", "1:17: limits.tasks: \"1.5\" is not a whole number" },
        { "limits: {tasks: -1}\n", "1:17: limits.tasks: \"-1\" is not a whole number" },
        { "limits: {tasks: \"5\"}\n",
            "1:17: limits.tasks: \"5\" is text; write the number without quotes" },
        { "pools: {w: {command: wc, durable: yes}}\n",
            "1:35: pools.w.durable: \"yes\" is not true or false (without quotes)" },
        { "pools: {w: {command: wc, durable: \"true\"}}\n",
            "1:35: pools.w.durable: \"true\" is not true or false (without quotes)" },
        { "socket: {path: ganger.sock}\n",
            "1:16: socket.path: \"ganger.sock\" is not an absolute path (one that starts with /)" },
        { "socket: {path: \"/a\\0b\"}\n", "1:16: socket.path: a NUL byte in the text; remove it" },
        { "socket: {mode: rw}\n",
            "1:16: socket.mode: \"rw\" is not permission bits in octal, as in 0600" },
        { "socket: {group: no-such-group-here}\n",
            "1:17: socket.group: there is no group \"no-such-group-here\" on this host; see "
            "'getent group'" },
        { "journal: disk\n",
            "1:10: journal: \"disk\" is not the word memory, or a mapping of dir, segment and "
            "max" },
        { "semaphores: [a]\n", "1:13: semaphores: a list is not a mapping of names" },
        { "semaphores: {a: b}\n", "1:17: semaphores.a: \"b\" is not a whole number" },
    };

    (void)state;
    CHECK_ALL(bad);
}

static void test_conf_bad_duration_is_refused(void **state)
{
    static const char *const forms[] = { "soon", "1", "1x", "s", "1s2h", "1h1h", "1.5s", "-1s",
        "1 s", "5S" };
    struct bad bad = { "limits: {drain: 5}\n",
        "1:17: limits.drain: \"5\" has no unit; write 5s, 5min, 5h, ..." };

    (void)state;
    check_one(&bad);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char text[64];
        char error[128];

        if (strcmp(forms[i], "1") == 0)
            continue;
        (void)snprintf(text, sizeof text, "limits: {drain: %s}", forms[i]);
        (void)snprintf(error, sizeof error,
            "1:17: limits.drain: \"%s\" is not a duration, as in 500ms, 30s, 5min, 1h30min or 7d",
            forms[i]);
        bad = (struct bad){ text, error };
        check_one(&bad);
    }
}

static void test_conf_value_out_of_range_is_refused_with_bounds(void **state)
{
    static const struct bad bad[] = {
        { "limits: {tasks: 0}\n",
            "1:17: limits.tasks: \"0\" is out of range; allowed is 1 to 1000000000" },
        { "limits: {tasks: 99999999999999999999999}\n",
            "1:17: limits.tasks: \"99999999999999999999999\" is out of range; allowed is 1 to "
            "1000000000" },
        { "limits: {handshake: 11min}\n",
            "1:21: limits.handshake: \"11min\" is out of range; allowed is 100ms to 10min" },
        { "limits: {handshake: 999999999999999999999h}\n",
            "1:21: limits.handshake: \"999999999999999999999h\" is out of range; allowed is 100ms "
            "to 10min" },
        { "limits: {session_out: 1KiB}\n",
            "1:23: limits.session_out: \"1KiB\" is out of range; allowed is 64KiB to 1GiB" },
        { "limits: {session_out: 20000000TiB}\n",
            "1:23: limits.session_out: \"20000000TiB\" is out of range; allowed is 64KiB to "
            "1GiB" },
        { "socket: {mode: 07777}\n",
            "1:16: socket.mode: \"07777\" is out of range; allowed is 0000 to 0777" },
        { "semaphores: {a: 1000001}\n",
            "1:17: semaphores.a: \"1000001\" is out of range; allowed is 0 to 1000000" },
        { "journal: {segment: 65537}\n", "1:10: journal: segment is not a multiple of 4KiB" },
        { "journal: {max: 63MiB}\n",
            "1:10: journal: max must be at least 8 times segment; raise max or lower segment" },
        { "journal: {max: 1EiB}\n",
            "1:16: journal.max: \"1EiB\" is not a size, as in 4096, 64KiB, 16MiB, 1GiB or 10MB" },
        { "pools: {w: {command: wc, jitter: 101}}\n",
            "1:34: pools.w.jitter: \"101\" is out of range; allowed is 0 to 100" },
        { "pools: {w: {command: wc, nice: 20}}\n",
            "1:32: pools.w.nice: \"20\" is not a whole number from -20 to 19" },
        { "pools: {w: {command: wc, processes: 4097}}\n",
            "1:37: pools.w.processes: \"4097\" is out of range; allowed is 1 to 4096" },
        { "pools: {w: {command: wc, processes: all}}\n",
            "1:37: pools.w.processes: \"all\" is not a whole number, or cpus for one process per "
            "CPU" },
        { "pools: {w: {command: wc, priority: 256}}\n",
            "1:36: pools.w.priority: \"256\" is out of range; allowed is 0 to 255" },
        { "pools: {w: {command: wc, time_limit: 3661d}}\n",
            "1:38: pools.w.time_limit: \"3661d\" is out of range; allowed is 0 to 3660d" },
        { "pools: {w: {command: wc, backoff: 6min}}\n",
            "1:26: pools.w.backoff: backoff_max is less than backoff; make it at least 6min" },
        { "pools: {w: {command: wc, rlimits: {cpu: 5}}}\n",
            "1:41: pools.w.rlimits.cpu: \"5\" has no unit; write 5s, 5min, 5h, ..." },
    };

    (void)state;
    CHECK_ALL(bad);
}

static void test_conf_bad_pool_is_refused(void **state)
{
    static const struct bad bad[] = {
        { "pools:\n  w:\n",
            "2:3: pools.w: it has no workers; give module: PATH, command: PROGRAM or external: "
            "true" },
        { "pools:\n  w: {processes: 1}\n",
            "2:3: pools.w: it has no workers; give module: PATH, command: PROGRAM or external: "
            "true" },
        { "pools:\n  w: 3\n", "2:6: pools.w: \"3\" is not a mapping of keys and values" },
        { "pools:\n  w:\n    command: wc\n    module: /m.so\n",
            "4:5: pools.w: only one of module, command and external may be given; remove module" },
        { "pools: {w: {module: m.so}}\n",
            "1:21: pools.w.module: \"m.so\" is not an absolute path (one that starts with /)" },
        { "pools: {w: {command: wc -w}}\n",
            "1:22: pools.w.command: \"wc -w\" holds a space, and no shell splits it; write a list: "
            "[program, argument]" },
        { "pools: {w: {command: bin/wc}}\n",
            "1:22: pools.w.command: \"bin/wc\" is a relative path; give an absolute one or a name "
            "in PATH" },
        { "pools: {w: {command: \"\"}}\n",
            "1:22: pools.w.command: the program is empty; give an absolute path or a name in "
            "PATH" },
        { "pools: {w: {command: []}}\n", "1:22: pools.w.command: a command has 1 to 256 words" },
        { "pools: {w: {command: [wc, [a]]}}\n",
            "1:27: pools.w.command: a list is not a word of the command; write \"\" for an empty "
            "one" },
        { "pools: {w: {external: false}}\n",
            "1:23: pools.w.external: \"false\" is not true; remove the key for a pool that gangerd "
            "starts" },
        { "pools: {w: {command: wc, init: 1}}\n",
            "1:26: pools.w.init: only a pool with a module takes it; remove the key" },
        { "pools: {w: {module: /m.so, stdout_max: 1}}\n",
            "1:28: pools.w.stdout_max: only a pool of commands takes it; remove the key" },
        { "pools: {w: {external: true, env: {A: b}}}\n",
            "1:29: pools.w.env: the program of an external pool decides that; remove the key" },
        { "pools: {w: {command: wc, env: {1A: b}}}\n",
            "1:32: pools.w.env: \"1A\" is no name of a variable; use letters, digits and _" },
        { "pools: {w: {command: wc, env: {A: }}}\n",
            "1:35: pools.w.env: no value is given; give a value; write \"\" for an empty one, or "
            "remove the key" },
        { "pools: {w: {command: wc, env: [A]}}\n",
            "1:31: pools.w.env: a list is not a mapping of names and values" },
        { "pools: {w: {module: /m.so, init: 18446744073709551616}}\n",
            "1:34: pools.w.init: \"18446744073709551616\" does not fit into 64 bits; quote it to "
            "pass it as text" },
        { "pools: {w: {module: /m.so, init: [-9223372036854775809]}}\n",
            "1:35: pools.w.init: \"-9223372036854775809\" does not fit into 64 bits; quote it to "
            "pass it as text" },
    };

    (void)state;
    CHECK_ALL(bad);
}

static void test_conf_bad_name_is_refused(void **state)
{
    static const char rule[] = "; names have 1 to 128 of the characters A-Z a-z 0-9 . _ - and "
                               "start with a letter or digit";
    static const char *const names[] = { "\"\"", "-a", ".a", "_a", "a/b", "\"a b\"", "\xc3\xa4" };
    static const char *const shown[] = { "\"\"", "\"-a\"", "\".a\"", "\"_a\"", "\"a/b\"", "\"a b\"",
        "\"\xc3\xa4\"" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[64];
        char error[256];
        struct bad bad = { text, error };

        (void)snprintf(text, sizeof text, "semaphores:\n  %s: 1\n", names[i]);
        (void)snprintf(
            error, sizeof error, "2:3: semaphores: %s is no name of a semaphore%s", shown[i], rule);
        check_one(&bad);
        (void)snprintf(text, sizeof text, "pools:\n  %s: {command: wc}\n", names[i]);
        (void)snprintf(
            error, sizeof error, "2:3: pools: %s is no name of a pool%s", shown[i], rule);
        check_one(&bad);
    }
}

static void test_conf_name_at_and_over_its_bound_is_taken_and_refused(void **state)
{
    struct conf *conf = NULL;
    char text[200];
    char name[130];

    (void)state;
    memset(name, 'n', sizeof name);
    name[128] = '\0';
    (void)snprintf(text, sizeof text, "semaphores: {%s: 1}", name);
    assert_int_equal(conf_load_text(text, strlen(text), "t", NULL, &conf), 0);
    assert_string_equal(conf->semaphores[0].name, name);
    conf_free(conf);
    conf = NULL;
    name[128] = 'n';
    name[129] = '\0';
    (void)snprintf(text, sizeof text, "semaphores: {%s: 1}", name);
    assert_int_equal(conf_load_text(text, strlen(text), "t", NULL, &conf), GANGER_ECONF);
    assert_null(conf);
}

static void test_conf_errors_are_collected_in_order_of_the_file(void **state)
{
    static const char text[] = "limits:\n  tasks: 0\n  drain: 5\nlog:\n  level: x\nnosuch: 1\n"
                               "limits: {}\n";
    static const char *const starts[] = {
        "t:2:10: ", "t:3:10: ", "t:5:10: ", "t:6:1: ", "t:7:1: "
    };
    struct conf_errors errors;
    struct conf *conf = NULL;

    (void)state;
    assert_int_equal(conf_load_text(text, sizeof text - 1, "t", &errors, &conf), GANGER_ECONF);
    assert_int_equal(errors.count, 5);
    for (size_t i = 0; i < errors.count; i++)
        assert_memory_equal(errors.text[i], starts[i], strlen(starts[i]));
    assert_int_equal(errors.dropped, 0);
    conf_errors_done(&errors);
    assert_int_equal(errors.count, 0);
}

static void test_conf_more_errors_than_are_kept_are_counted(void **state)
{
    struct conf_errors errors;
    struct conf *conf = NULL;
    char text[1024] = "log:\n";

    (void)state;
    for (unsigned i = 0; i < CONF_ERRORS_MAX + 3; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "  q%u: 1\n", i);
    assert_int_equal(conf_load_text(text, strlen(text), "t", &errors, &conf), GANGER_ECONF);
    assert_int_equal(errors.count, CONF_ERRORS_MAX);
    assert_int_equal(errors.dropped, 3);
    conf_errors_done(&errors);
}

static void test_conf_nesting_over_its_bound_is_refused(void **state)
{
    char text[256] = "pools: {w: {module: /m.so, init: ";
    struct conf *conf = NULL;
    struct bad bad = { text, "1:64: nested too deeply: at most 32 levels are read" };

    (void)state;
    /* The root, pools and w are three levels. */
    for (unsigned i = 0; i < CONF_DEPTH_MAX - 3; i++)
        (void)strcat(text, "[");
    for (unsigned i = 0; i < CONF_DEPTH_MAX - 3; i++)
        (void)strcat(text, "]");
    (void)strcat(text, "}}");
    assert_int_equal(conf_load_text(text, strlen(text), "t", NULL, &conf), 0);
    conf_free(conf);
    bad.error = "1:63: nested too deeply: at most 32 levels are read";
    *strchr(text, '}') = '\0';
    (void)strcpy(strchr(text, '['), "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
    check_one(&bad);
}

static void test_conf_text_over_its_bound_is_refused(void **state)
{
    char *text = malloc(CONF_FILE_MAX + 1);
    struct conf_errors errors;
    struct conf *conf = NULL;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', CONF_FILE_MAX + 1);
    assert_int_equal(conf_load_text(text, CONF_FILE_MAX + 1, "t", &errors, &conf), GANGER_ECONF);
    assert_string_equal(errors.text[0], "t:1:1: the file is larger than 1048576 bytes");
    conf_errors_done(&errors);
    assert_int_equal(conf_load_text(text, CONF_FILE_MAX, "t", NULL, &conf), 0);
    conf_free(conf);
    free(text);
}

static void test_conf_more_pools_than_allowed_are_refused(void **state)
{
    char *text = malloc(CONF_FILE_MAX);
    struct conf_errors errors;
    struct conf *conf = NULL;
    size_t n;

    (void)state;
    assert_non_null(text);
    n = (size_t)sprintf(text, "pools:\n");
    for (unsigned i = 0; i < 4097; i++)
        n += (size_t)sprintf(text + n, "  p%u: {command: wc}\n", i);
    assert_int_equal(conf_load_text(text, n, "t", &errors, &conf), GANGER_ECONF);
    assert_string_equal(errors.text[0], "t:2:3: pools: 4097 entries; at most 4096 are allowed");
    conf_errors_done(&errors);
    n -= strlen("  p4096: {command: wc}\n");
    assert_int_equal(conf_load_text(text, n, "t", NULL, &conf), 0);
    assert_int_equal(conf->pool_count, 4096);
    conf_free(conf);
    free(text);
}

static void test_conf_hostile_text_in_a_message_is_cut_and_escaped(void **state)
{
    struct quoted q;
    char text[300];

    (void)state;
    memset(text, 0x80, sizeof text);
    (void)report_quote(&q, text, sizeof text);
    assert_true(strlen(q.text) < sizeof q.text);
    memset(text, '\x1b', sizeof text);
    (void)report_quote(&q, text, sizeof text);
    assert_memory_equal(q.text, "\"\\x1b\\x1b", 9);
    assert_null(strchr(q.text, '\x1b'));
    assert_string_equal(q.text + strlen(q.text) - 4, "...\"");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conf_text_that_is_not_yaml_is_refused_with_place),
        cmocka_unit_test(test_conf_unknown_key_is_refused_with_nearest),
        cmocka_unit_test(test_conf_key_given_twice_is_refused),
        cmocka_unit_test(test_conf_wrong_type_is_refused),
        cmocka_unit_test(test_conf_bad_duration_is_refused),
        cmocka_unit_test(test_conf_value_out_of_range_is_refused_with_bounds),
        cmocka_unit_test(test_conf_bad_pool_is_refused),
        cmocka_unit_test(test_conf_bad_name_is_refused),
        cmocka_unit_test(test_conf_name_at_and_over_its_bound_is_taken_and_refused),
        cmocka_unit_test(test_conf_errors_are_collected_in_order_of_the_file),
        cmocka_unit_test(test_conf_more_errors_than_are_kept_are_counted),
        cmocka_unit_test(test_conf_nesting_over_its_bound_is_refused),
        cmocka_unit_test(test_conf_text_over_its_bound_is_refused),
        cmocka_unit_test(test_conf_more_pools_than_allowed_are_refused),
        cmocka_unit_test(test_conf_hostile_text_in_a_message_is_cut_and_escaped),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
