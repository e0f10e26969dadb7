#include "bar.h"
#include "cli.h"
#include "json.h"
#include "value.h"

#include "tests/support/test_main.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct command run = { "run", "", "", NULL, GROUP_TASK | GROUP_ARGS | GROUP_WAIT, 0,
    -1, NULL };
static const struct command exec = { "exec", "", "", NULL, GROUP_TASK | GROUP_EXEC, 0, -1, NULL };

/* Parse the words of TEXT, which a space parts, into CLI. */
static int parse(struct cli *cli, const struct command *command, const char *text)
{
    static char words_text[512];
    static char *words[64];
    int count = 0;

    options_init(cli);
    cli->command = command;
    assert_true(strlen(text) < sizeof words_text);
    (void)strcpy(words_text, text);
    for (char *w = strtok(words_text, " "); w != NULL; w = strtok(NULL, " "))
        words[count++] = w;
    return options_parse(cli, words, count);
}

static void test_options_stand_anywhere_before_the_dashes(void **state)
{
    struct cli cli;

    (void)state;
    assert_int_equal(parse(&cli, &run, "p --priority 7 f -5 - --json -1.5 -q -- --quiet -- -q"), 0);
    assert_int_equal(cli.arg_count, 8);
    assert_string_equal(cli.args[1], "f");
    assert_string_equal(cli.args[2], "-5");
    assert_string_equal(cli.args[3], "-");
    assert_string_equal(cli.args[4], "-1.5");
    assert_string_equal(cli.args[5], "--quiet");
    assert_string_equal(cli.args[6], "--");
    assert_string_equal(cli.args[7], "-q");
    assert_int_equal(cli.before_dashes, 5);
    assert_true(cli.json);
    assert_true(cli.quiet);
    assert_int_equal(cli.options.priority, 7);
    assert_int_equal(cli.options.given, GANGER_OPT_PRIORITY);
    options_done(&cli);
}

static void test_options_of_a_task_are_all_taken(void **state)
{
    struct cli cli;

    (void)state;
    assert_int_equal(parse(&cli, &run,
                         "--delay 1s --limit=2s --kill-grace 3s --expires 4s --attempts 5 "
                         "--backoff 6s --backoff-max 7s --jitter 8 --crash-budget 9 "
                         "--retention 10s --durable --wait-room --needs a,b:3,c:d:4"),
        0);
    assert_int_equal(cli.options.delay_ms, 1000);
    assert_int_equal(cli.options.limit_ms, 2000);
    assert_int_equal(cli.options.kill_grace_ms, 3000);
    assert_int_equal(cli.options.expiry_ms, 4000);
    assert_int_equal(cli.options.max_attempts, 5);
    assert_int_equal(cli.options.backoff_ms, 6000);
    assert_int_equal(cli.options.backoff_max_ms, 7000);
    assert_int_equal(cli.options.jitter_percent, 8);
    assert_int_equal(cli.options.crash_budget, 9);
    assert_int_equal(cli.options.retention_ms, 10000);
    assert_int_equal(cli.options.durable, GANGER_DURABLE_YES);
    assert_int_equal(cli.options.flags, GANGER_WAIT_ROOM);
    assert_int_equal(cli.options.given, GANGER_OPT_DELAY_MS | GANGER_OPT_LIMIT_MS |
                                            GANGER_OPT_KILL_GRACE_MS | GANGER_OPT_EXPIRY_MS |
                                            GANGER_OPT_MAX_ATTEMPTS | GANGER_OPT_BACKOFF_MS |
                                            GANGER_OPT_BACKOFF_MAX_MS | GANGER_OPT_JITTER_PERCENT |
                                            GANGER_OPT_CRASH_BUDGET | GANGER_OPT_RETENTION_MS);
    assert_int_equal(cli.options.need_count, 3);
    assert_string_equal(cli.options.needs[0].name, "a");
    assert_int_equal(cli.options.needs[0].permits, 1);
    assert_int_equal(cli.options.needs[1].permits, 3);
    assert_string_equal(cli.options.needs[2].name, "c:d");
    options_done(&cli);
    assert_int_equal(parse(&cli, &run, "--at 2030-01-01T00:00:00Z --not-durable"), 0);
    assert_int_equal(cli.options.run_at_ms, 1893456000000);
    assert_int_equal(cli.options.given, GANGER_OPT_RUN_AT_MS);
    assert_int_equal(cli.options.durable, GANGER_DURABLE_NO);
    options_done(&cli);
}

static void test_options_wrong_ones_are_refused(void **state)
{
    static const char *const texts[] = { "--nosuch", "-x", "-qq", "--priority 256", "--priority -1",
        "--priority x", "--priority", "--attempts 0", "--attempts 1001", "--jitter 101",
        "--crash-budget 0", "--crash-budget 99999999999", "--delay x", "--limit 4000d",
        "--needs a:0", "--needs a:1000001", "--needs a,,b", "--needs :1", "--durable=yes",
        "--delay 1s --at now", "--string --json-args", "--stdin", "--chunksize 5", "--=5" };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct cli cli;

        if (parse(&cli, &run, texts[i]) != STATUS_USAGE)
            fail_msg("accepted: %s", texts[i]);
        options_done(&cli);
    }
}

static void assert_packed(const char *flags, const char *arg, size_t len, const char *bytes)
{
    struct buf b = { 0 };
    struct cli cli;

    assert_int_equal(parse(&cli, &run, flags), 0);
    assert_int_equal(arg_pack(&cli, arg, strlen(arg), &b), 0);
    assert_int_equal(b.len, len);
    assert_memory_equal(b.data, bytes, len);
    buf_done(&b);
    options_done(&cli);
}

static void test_arguments_are_json_or_text(void **state)
{
    (void)state;
    assert_packed("", "5", 1, "\x05");
    assert_packed("", "abc", 4,
        "\xa3"
        "abc");
    assert_packed("", "\"abc\"", 4,
        "\xa3"
        "abc");
    assert_packed("", "", 1, "\xa0");
    assert_packed("", "007", 4,
        "\xa3"
        "007");
    assert_packed("", "99999999999999999999", 21,
        "\xb4"
        "99999999999999999999");
    assert_packed("", "\xff", 3, "\xc4\x01\xff");
    assert_packed("--string", "5", 2,
        "\xa1"
        "5");
    assert_packed("--json-args", "[null]", 2, "\x91\xc0");
}

static void test_exit_status_follows_code_and_end(void **state)
{
    static const struct {
        int code;
        enum ganger_end end;
        int status;
    } rows[] = { { 0, GANGER_END_DONE, 0 }, { GANGER_EFAILED, GANGER_END_FAILED, 1 },
        { GANGER_EDIED, GANGER_END_FAILED, 1 }, { GANGER_ETIMEDOUT, GANGER_END_FAILED, 1 },
        { GANGER_ECONN, GANGER_END_NONE, 3 }, { GANGER_ETIMEDOUT, GANGER_END_NONE, 4 },
        { GANGER_ECANCELLED, GANGER_END_CANCELLED, 5 }, { GANGER_EDIED, GANGER_END_DEAD, 6 },
        { GANGER_EFULL, GANGER_END_NONE, 7 }, { GANGER_ENOFUNC, GANGER_END_FAILED, 7 },
        { GANGER_ENOTASK, GANGER_END_NONE, 8 }, { GANGER_EUNKNOWN, GANGER_END_NONE, 9 },
        { GANGER_ELOST, GANGER_END_FAILED, 1 }, { GANGER_ELOST, GANGER_END_NONE, 9 },
        { GANGER_ENOMEM, GANGER_END_NONE, 10 }, { -9999, GANGER_END_NONE, 10 } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(status_of(rows[i].code, rows[i].end), rows[i].status);
}

static void test_exit_status_of_a_command_is_its_own(void **state)
{
    struct ganger_failure f = { .code = GANGER_EEXIT, .end = GANGER_END_DEAD, .has_worker = 1 };
    struct cli cli = { .command = &run };

    (void)state;
    f.worker.exit_code = 9;
    assert_int_equal(status_of_failure(&cli, &f), 9);
    f.worker.signal = 15;
    assert_int_equal(status_of_failure(&cli, &f), 143);
    f.code = GANGER_ETIMELIMIT;
    assert_int_equal(status_of_failure(&cli, &f), 6);
    cli.command = &exec;
    assert_int_equal(status_of_failure(&cli, &f), 246);
    f = (struct ganger_failure){ .code = GANGER_ENOFUNC, .end = GANGER_END_FAILED };
    assert_int_equal(status_of_failure(&cli, &f), 127);
    assert_int_equal(own_status(&cli, STATUS_DONE), 0);
    assert_int_equal(own_status(&cli, STATUS_USAGE), 242);
}

static void test_failure_json_has_all_that_is_known(void **state)
{
    struct ganger_failure f = { .code = GANGER_EDIED,
        .text = "a \"b\"",
        .backtrace = "at c",
        .value = { "\x05", 1 },
        .has_worker = 1,
        .cause_count = 2,
        .causes = { { GANGER_EDIED, 11, 0 }, { GANGER_EEXIT, 0, 3 } } };
    struct buf b = { 0 };

    (void)state;
    f.worker = (struct ganger_worker_end){ 1, 2, 3, 1, 4, 5, 6, { "\xff", 1 } };
    failure_json(&f, &b);
    buf_char(&b, '\0');
    assert_string_equal(b.data,
        "{\"code\":-27,\"name\":\"GANGER_EDIED\",\"text\":\"a \\\"b\\\"\",\"backtrace\":\"at c\","
        "\"value\":5,\"worker\":{\"pid\":1,\"exit\":2,\"signal\":3,\"core\":true,\"user_us\":4,"
        "\"system_us\":5,\"maxrss_kib\":6,\"stderr\":{\"base64\":\"/w==\"}},\"causes\":[{\"code\":"
        "-27,\"name\":\"GANGER_EDIED\",\"signal\":11,\"exit\":0},{\"code\":-30,\"name\":"
        "\"GANGER_EEXIT\",\"signal\":0,\"exit\":3}]}");
    buf_done(&b);
}

static void assert_bar(const char *expected, unsigned width, uint64_t done, uint64_t total,
    bool open, uint64_t ms, const char *text)
{
    char line[512];

    bar_format(line, sizeof line, width, done, total, open, ms, text);
    assert_string_equal(line, expected);
}

static void test_bar_shows_share_rate_and_rest(void **state)
{
    (void)state;
    assert_bar(" 50% [##########----------] 5/10  5.0/s  1s left", 70, 5, 10, false, 1000, NULL);
    assert_bar(
        "100% [####################] 10/10  1000/s  2 failed", 70, 10, 10, false, 10, "2 failed");
    assert_bar("  0% [--------------------] 0/10", 70, 0, 10, false, 0, NULL);
    assert_bar("7/9+  7.0/s", 70, 7, 9, true, 1000, NULL);
    assert_bar("7  7.0/s  \xc3\xa9?x?", 70, 7, 0, false, 1000, "\xc3\xa9\x1bx\xff");
    assert_bar(" 50% [#####-----] 1/2  1.0", 26, 1, 2, false, 1000, "long text");
    assert_bar(
        "  1% [--------------------] 1/100  1.0/s  1min39s left", 70, 1, 100, false, 1000, "");
    assert_bar("100% [####################] 12/10  12.0/s", 70, 12, 10, false, 1000, "");
}

/* Text that is cut in the middle of the buffer keeps whole characters. */
static void test_bar_small_buffer_is_not_overrun(void **state)
{
    char line[16];

    (void)state;
    for (unsigned n = 1; n <= sizeof line; n++) {
        bar_format(
            line, n, 200, 1, 0, false, 0, "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac");
        assert_true(strlen(line) < n);
        assert_true(utf8_is_valid(line, strlen(line)));
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_stand_anywhere_before_the_dashes),
        cmocka_unit_test(test_options_of_a_task_are_all_taken),
        cmocka_unit_test(test_options_wrong_ones_are_refused),
        cmocka_unit_test(test_arguments_are_json_or_text),
        cmocka_unit_test(test_exit_status_follows_code_and_end),
        cmocka_unit_test(test_exit_status_of_a_command_is_its_own),
        cmocka_unit_test(test_failure_json_has_all_that_is_known),
        cmocka_unit_test(test_bar_shows_share_rate_and_rest),
        cmocka_unit_test(test_bar_small_buffer_is_not_overrun),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
