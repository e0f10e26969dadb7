/* The log: escaping, formats, level, rate, and what happens when nobody reads. */
#include "conf/log.h"
#include "conf/log_line.h"
#include "conf/log_rate.h"
#include "proto/err.h"
#include "tests/support/test_main.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The fields of one line, as text. */
static struct log_line line;

__attribute__((format(printf, 1, 2))) static const char *fields(const char *format, ...)
{
    va_list args;

    memset(&line, 0, sizeof line);
    va_start(args, format);
    log_line_fields(&line, format, args);
    va_end(args);
    log_line_end(&line);
    assert_true(line.bytes <= LOG_LINE_MAX);
    assert_int_equal(line.text[line.bytes - 1], '\n');
    line.text[line.bytes - 1] = '\0';
    assert_null(strchr(line.text, '\n'));
    return line.text;
}

static void test_log_line_plain_values_stand_as_they_are(void **state)
{
    (void)state;
    assert_string_equal(fields("pool=%s pid=%d", "words", 4711), " pool=words pid=4711");
    assert_string_equal(fields("peer=%s:%u", "10.0.0.1", 80u), " peer=10.0.0.1:80");
    assert_string_equal(fields("%s", ""), "");
    assert_string_equal(fields("a=1  b=2"), " a=1 b=2");
}

static void test_log_line_hostile_values_are_quoted_and_escaped(void **state)
{
    (void)state;
    assert_string_equal(fields("v=%s", ""), " v=\"\"");
    assert_string_equal(fields("v=%s w=1", "a b"), " v=\"a b\" w=1");
    assert_string_equal(fields("v=%s", "a=b"), " v=\"a=b\"");
    assert_string_equal(fields("v=%s", "a\"b"), " v=\"a\\\"b\"");
    assert_string_equal(fields("v=%s", "a\\b"), " v=\"a\\\\b\"");
    assert_string_equal(fields("v=%s", "a\nb\rc\td"), " v=\"a\\nb\\rc\\td\"");
    assert_string_equal(fields("v=%s", "\x1b[31m\x7f"), " v=\"\\x1b[31m\\x7f\"");
    assert_string_equal(fields("v=%c", '\0'), " v=\"\\x00\"");
    assert_string_equal(fields("v=%s", "x\n<3>forged event=1"), " v=\"x\\n<3>forged event=1\"");
}

static void test_log_line_utf8_is_kept_and_other_bytes_are_escaped(void **state)
{
    (void)state;
    assert_string_equal(fields("v=%s", "k\xc3\xa4se"), " v=\"k\xc3\xa4se\"");
    assert_string_equal(fields("v=%s", "\xf0\x9f\x98\x80"), " v=\"\xf0\x9f\x98\x80\"");
    assert_string_equal(fields("v=%s", "\xff\xc3"), " v=\"\\xff\\xc3\"");
    assert_string_equal(fields("v=%s", "\xc0\xaf"), " v=\"\\xc0\\xaf\"");
    assert_string_equal(fields("v=%s", "\xe0\x80\xaf"), " v=\"\\xe0\\x80\\xaf\"");
    assert_string_equal(fields("v=%s", "\xed\xa0\x80"), " v=\"\\xed\\xa0\\x80\"");
    assert_string_equal(fields("v=%s", "\xf4\x90\x80\x80"), " v=\"\\xf4\\x90\\x80\\x80\"");
    /* Next line, line separator, right-to-left override. */
    assert_string_equal(fields("v=%s", "\xc2\x85"), " v=\"\\xc2\\x85\"");
    assert_string_equal(fields("v=%s", "\xe2\x80\xa8"), " v=\"\\xe2\\x80\\xa8\"");
    assert_string_equal(fields("v=%s", "\xe2\x80\xae"), " v=\"\\xe2\\x80\\xae\"");
}

static void test_log_line_conversions_are_those_of_printf(void **state)
{
    (void)state;
    assert_string_equal(fields("a=%d b=%i c=%ld d=%lld", -1, 2, -3L, -4LL), " a=-1 b=2 c=-3 d=-4");
    assert_string_equal(fields("a=%u b=%lu c=%llu d=%zu", 1u, 2ul, UINT64_MAX + 0ull, sizeof(char)),
        " a=1 b=2 c=18446744073709551615 d=1");
    assert_string_equal(
        fields("a=%jd b=%ju c=%zd d=%td", (intmax_t)-5, (uintmax_t)6, (ssize_t)-7, (ptrdiff_t)-8),
        " a=-5 b=6 c=-7 d=-8");
    assert_string_equal(
        fields("a=%x b=%X c=%o d=%#x", 255u, 255u, 8u, 16u), " a=ff b=FF c=10 d=10");
    assert_string_equal(fields("a=%.2f b=%g c=%e", 1.0, 0.5, 2.0), " a=1.00 b=0.5 c=2.000000e+00");
    assert_string_equal(fields("a=%.3s b=%.*s", "abcdef", 2, "xyz"), " a=abc b=xy");
    assert_string_equal(fields("a=%d%% c=%c d=%5d", 50, 'x', 7), " a=50% c=x d=7");
    assert_string_equal(fields("a=%hhu b=%hd", (unsigned char)200, (short)-2), " a=200 b=-2");
}

static void test_log_line_text_without_end_is_read_to_its_precision(void **state)
{
    const char text[3] = { 'a', 'b', 'c' };

    (void)state;
    assert_string_equal(fields("v=%.*s", 3, text), " v=abc");
    assert_string_equal(fields("v=%.0s", text), " v=\"\"");
}

static void test_log_line_long_value_is_cut_and_marked(void **state)
{
    char text[2 * LOG_VALUE_MAX];
    const char *got;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    got = fields("v=%s w=1", text);
    assert_int_equal(strlen(got), strlen(" v=\"\" w=1") + LOG_VALUE_MAX + 3);
    assert_string_equal(got + strlen(got) - 10, "xx...\" w=1");
    text[LOG_VALUE_MAX] = '\0';
    got = fields("v=%s", text);
    assert_int_equal(strlen(got), strlen(" v=") + LOG_VALUE_MAX);
}

static void test_log_line_is_bounded_whatever_the_values(void **state)
{
    char text[LOG_VALUE_MAX + 1];

    (void)state;
    memset(text, '\x01', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    /* Every length of what comes before, so that each way to run out of room is met. */
    for (size_t n = 0; n < LOG_VALUE_MAX; n++) {
        const char *got = fields(
            "p=%.*s a=%s b=%s c=%s d=%s e=%d", (int)n, text, text, text, text, text, 5);
        size_t quotes = 0;

        for (const char *p = got; *p != '\0'; p++)
            quotes += *p == '"' ? 1 : 0;
        assert_int_equal(quotes % 2, 0);
        assert_string_equal(got + strlen(got) - 4, " ...");
    }
}

static void test_log_rate_lets_burst_through_then_counts(void **state)
{
    struct log_rate rate = { .lines = 3, .window_ms = 100 };
    uint64_t count = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_true(log_rate_admit(&rate, "a", 1000));
    assert_false(log_rate_admit(&rate, "a", 1000));
    assert_false(log_rate_admit(&rate, "a", 1099));
    assert_true(log_rate_admit(&rate, "b", 1099));
    assert_null(log_rate_take(&rate, 1099, false, &count));
    /* The report comes before the next line of that event. */
    assert_false(log_rate_admit(&rate, "a", 1100));
    assert_string_equal(log_rate_take(&rate, 1100, false, &count), "a");
    assert_int_equal(count, 3);
    assert_null(log_rate_take(&rate, 1100, false, &count));
    assert_true(log_rate_admit(&rate, "a", 1100));
}

static void test_log_rate_window_without_suppression_renews(void **state)
{
    struct log_rate rate = { .lines = 1, .window_ms = 100 };
    uint64_t count = 7;

    (void)state;
    for (uint64_t now = 1000; now < 3000; now += 100)
        assert_true(log_rate_admit(&rate, "a", now));
    assert_null(log_rate_take(&rate, 5000, true, &count));
    assert_int_equal(count, 7);
}

static void test_log_rate_takes_each_due_event_once(void **state)
{
    struct log_rate rate = { .lines = 1, .window_ms = 100 };
    uint64_t count = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        (void)log_rate_admit(&rate, "a", 1000);
        (void)log_rate_admit(&rate, "b", 1050);
    }
    assert_string_equal(log_rate_take(&rate, 1120, false, &count), "a");
    assert_null(log_rate_take(&rate, 1120, false, &count));
    assert_string_equal(log_rate_take(&rate, 1120, true, &count), "b");
    assert_int_equal(count, 2);
    assert_null(log_rate_take(&rate, 1120, true, &count));
}

static void test_log_rate_more_events_than_rows_share_one(void **state)
{
    static char names[LOG_RATE_ROWS + 10][8];
    struct log_rate rate = { .lines = 1, .window_ms = 100 };
    uint64_t count = 0;
    unsigned through = 0;

    (void)state;
    for (size_t i = 0; i < LOG_RATE_ROWS + 10; i++) {
        (void)snprintf(names[i], sizeof names[i], "e%zu", i);
        through += log_rate_admit(&rate, names[i], 1000) ? 1 : 0;
    }
    assert_int_equal(through, LOG_RATE_ROWS);
    assert_string_equal(log_rate_take(&rate, 2000, false, &count), "other");
    assert_int_equal(count, 10);
}

static void test_log_rate_zero_is_no_bound(void **state)
{
    struct log_rate rate = { 0 };

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        assert_true(log_rate_admit(&rate, "a", 1000));
}

/* What can be read from FD now. */
static const char *drain(int fd)
{
    static char buf[1 << 17];
    size_t bytes = 0;
    ssize_t n;

    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    while (bytes < sizeof buf - 1 && (n = read(fd, buf + bytes, sizeof buf - 1 - bytes)) > 0)
        bytes += (size_t)n;
    buf[bytes] = '\0';
    return buf;
}

/* Log to a new pipe, without what earlier tests have left: the log is one per process. */
static void log_to_pipe(int fds[2], enum log_format format)
{
    assert_int_equal(pipe(fds), 0);
    log_open(fds[1], format);
    log_level_set(LOG_DEBUG);
    log_rate_set(0, 0);
    log_flush();
    (void)drain(fds[0]);
}

static void pipe_close(int fds[2])
{
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void test_log_journal_line_has_priority_and_one_newline(void **state)
{
    int fds[2];

    (void)state;
    log_to_pipe(fds, LOG_FORMAT_JOURNAL);
    log_event(LOG_WARNING, "child-died", "pool=%s pid=%d", "a\nb", 3);
    log_bare(LOG_ERR, "stopped");
    log_event(LOG_DEBUG, "x", "y=%d", 1);
    assert_string_equal(
        drain(fds[0]), "<4>child-died pool=\"a\\nb\" pid=3\n<3>stopped\n<7>x y=1\n");
    pipe_close(fds);
}

static void test_log_plain_line_has_time_and_level(void **state)
{
    int fds[2];
    const char *got;
    int year;
    int month;
    int day;
    int at = 0;

    (void)state;
    log_to_pipe(fds, LOG_FORMAT_PLAIN);
    log_event(LOG_ERR, "ev", "k=%s", "v");
    got = drain(fds[0]);
    assert_int_equal(
        sscanf(got, "%4d-%2d-%2dT%*2d:%*2d:%*2d.%*3d%*5c%n", &year, &month, &day, &at), 3);
    assert_int_equal(at, strlen("2025-01-31T12:00:00.123+0100"));
    assert_string_equal(got + at, " error ev k=v\n");
    pipe_close(fds);
}

static void test_log_auto_format_follows_journal_stream(void **state)
{
    char name[64];
    struct stat st;
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(fstat(fds[1], &st), 0);
    (void)snprintf(
        name, sizeof name, "%lu:%lu", (unsigned long)st.st_dev, (unsigned long)st.st_ino);
    (void)setenv("JOURNAL_STREAM", name, 1);
    log_open(fds[1], LOG_FORMAT_AUTO);
    log_bare(LOG_ERR, "a");
    assert_string_equal(drain(fds[0]), "<3>a\n");
    log_open(fds[1], LOG_FORMAT_PLAIN);
    log_bare(LOG_ERR, "a");
    assert_null(strchr(drain(fds[0]), '<'));
    /* Another stream than the one we write to: a redirection inside of a unit. */
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(name, sizeof name, "%lu:%lu", (unsigned long)st.st_dev + i,
            (unsigned long)st.st_ino + 1 - i);
        (void)setenv("JOURNAL_STREAM", name, 1);
        log_open(fds[1], LOG_FORMAT_AUTO);
        log_bare(LOG_ERR, "a");
        assert_null(strchr(drain(fds[0]), '<'));
    }
    (void)unsetenv("JOURNAL_STREAM");
    pipe_close(fds);
}

static void test_log_level_filters_and_changes_at_run_time(void **state)
{
    int fds[2];

    (void)state;
    log_to_pipe(fds, LOG_FORMAT_JOURNAL);
    log_level_set(LOG_WARNING);
    assert_true(log_wants(LOG_WARNING));
    assert_false(log_wants(LOG_NOTICE));
    log_bare(LOG_NOTICE, "hidden");
    log_bare(LOG_WARNING, "shown");
    log_level_set(LOG_NOTICE);
    log_bare(LOG_NOTICE, "now");
    assert_string_equal(drain(fds[0]), "<4>shown\n<5>now\n");
    pipe_close(fds);
}

static void test_log_level_names_round_trip(void **state)
{
    static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };
    int level = 99;

    (void)state;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        assert_int_equal(log_level_parse(log_level_name(levels[i]), &level), 0);
        assert_int_equal(level, levels[i]);
    }
    level = 99;
    assert_int_equal(log_level_parse("loud", &level), GANGER_EINVAL);
    assert_int_equal(level, 99);
}

static void test_log_suppressed_lines_are_reported(void **state)
{
    int fds[2];

    (void)state;
    log_to_pipe(fds, LOG_FORMAT_JOURNAL);
    log_rate_set(2, 3600000);
    for (unsigned i = 0; i < 5; i++)
        log_event(LOG_ERR, "bad-frame", "n=%u", i);
    log_flush();
    assert_string_equal(drain(fds[0]),
        "<3>bad-frame n=0\n<3>bad-frame n=1\n<4>log-suppressed event=bad-frame count=3\n");
    log_flush();
    assert_string_equal(drain(fds[0]), "");
    pipe_close(fds);
}

/* Fill FD, which the log must not wait for. */
static void check_full(int fds[2])
{
    const char *got;
    unsigned lost;

    log_open(fds[1], LOG_FORMAT_JOURNAL);
    log_rate_set(0, 0);
    for (unsigned i = 0; i < 100000; i++)
        log_event(LOG_ERR, "full", "i=%u", i);
    got = drain(fds[0]);
    assert_memory_equal(got, "<3>full i=0\n", 12);
    while (*drain(fds[0]) != '\0')
        continue;
    log_bare(LOG_ERR, "after");
    got = drain(fds[0]);
    /* A line that was cut short by the full socket is ended first. */
    got += *got == '\n' ? 1 : 0;
    assert_int_equal(sscanf(got, "<4>log-dropped count=%u", &lost), 1);
    assert_true(lost > 1000 && lost < 100000);
    assert_non_null(strstr(got, "\n<3>after\n"));
    pipe_close(fds);
}

static void test_log_full_pipe_drops_lines_and_counts_them(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    check_full(fds);
}

static void test_log_full_socket_drops_lines_and_counts_them(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    check_full(fds);
}

static void test_log_closed_reader_is_survived(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    (void)close(fds[0]);
    log_open(fds[1], LOG_FORMAT_JOURNAL);
    log_bare(LOG_ERR, "a");
    (void)close(fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    (void)close(fds[0]);
    log_open(fds[1], LOG_FORMAT_JOURNAL);
    log_bare(LOG_ERR, "a");
    (void)close(fds[1]);
    log_bare(LOG_ERR, "a");
}

static void test_log_event_keeps_errno(void **state)
{
    int fds[2];

    (void)state;
    log_to_pipe(fds, LOG_FORMAT_JOURNAL);
    (void)close(fds[1]);
    errno = EPERM;
    log_event(LOG_ERR, "a", "b=%d", 1);
    assert_int_equal(errno, EPERM);
    log_flush();
    assert_int_equal(errno, EPERM);
    (void)close(fds[0]);
}

#define THREADS      4
#define THREAD_LINES 100

static void *log_many(void *arg)
{
    for (unsigned i = 0; i < THREAD_LINES; i++)
        log_event(LOG_ERR, "t", "who=%d text=%s", *(int *)arg, "some words that take some room");
    return NULL;
}

static void test_log_lines_of_threads_do_not_mix(void **state)
{
    static const char tail[] = " text=\"some words that take some room\"\n";
    pthread_t threads[THREADS];
    int ids[THREADS];
    int fds[2];
    const char *got;
    unsigned lines = 0;

    (void)state;
    log_to_pipe(fds, LOG_FORMAT_JOURNAL);
    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, &ids[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (got = drain(fds[0]); *got != '\0'; lines++) {
        assert_memory_equal(got, "<3>t who=", 9);
        assert_memory_equal(got + 10, tail, sizeof tail - 1);
        got += 10 + sizeof tail - 1;
    }
    assert_int_equal(lines, THREADS * THREAD_LINES);
    pipe_close(fds);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_line_plain_values_stand_as_they_are),
        cmocka_unit_test(test_log_line_hostile_values_are_quoted_and_escaped),
        cmocka_unit_test(test_log_line_utf8_is_kept_and_other_bytes_are_escaped),
        cmocka_unit_test(test_log_line_conversions_are_those_of_printf),
        cmocka_unit_test(test_log_line_text_without_end_is_read_to_its_precision),
        cmocka_unit_test(test_log_line_long_value_is_cut_and_marked),
        cmocka_unit_test(test_log_line_is_bounded_whatever_the_values),
        cmocka_unit_test(test_log_rate_lets_burst_through_then_counts),
        cmocka_unit_test(test_log_rate_window_without_suppression_renews),
        cmocka_unit_test(test_log_rate_takes_each_due_event_once),
        cmocka_unit_test(test_log_rate_more_events_than_rows_share_one),
        cmocka_unit_test(test_log_rate_zero_is_no_bound),
        cmocka_unit_test(test_log_journal_line_has_priority_and_one_newline),
        cmocka_unit_test(test_log_plain_line_has_time_and_level),
        cmocka_unit_test(test_log_auto_format_follows_journal_stream),
        cmocka_unit_test(test_log_level_filters_and_changes_at_run_time),
        cmocka_unit_test(test_log_level_names_round_trip),
        cmocka_unit_test(test_log_suppressed_lines_are_reported),
        cmocka_unit_test(test_log_full_pipe_drops_lines_and_counts_them),
        cmocka_unit_test(test_log_full_socket_drops_lines_and_counts_them),
        cmocka_unit_test(test_log_closed_reader_is_survived),
        cmocka_unit_test(test_log_event_keeps_errno),
        cmocka_unit_test(test_log_lines_of_threads_do_not_mix),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
