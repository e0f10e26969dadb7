/* PROTOCOL.md says the same numbers as the headers. */
#include "tests/support/golden.h"
#include "tests/support/test_main.h"

#include "proto/err.h"
#include "proto/msg.h"

static char *text;

/* Read PROTOCOL.md; the process ends with it. */
static void load(void)
{
    char *path = source_path("PROTOCOL.md");
    FILE *file = fopen(path, "r");
    size_t cap = 1u << 20;

    text = calloc(1, cap);
    if (file == NULL || text == NULL) {
        perror(path);
        exit(1);
    }
    if (fread(text, 1, cap - 1, file) == 0) {
        perror(path);
        exit(1);
    }
    (void)fclose(file);
    free(path);
}

/* A table row that begins with NAME and NUMBER (and REST). */
static void assert_row(const char *name, unsigned long long number, const char *rest)
{
    char row[256];

    (void)snprintf(row, sizeof row, "\n| `%s` | %llu |%s", name, number, rest);
    if (strstr(text, row) == NULL)
        fail_msg("PROTOCOL.md lacks the row: %s", row + 1);
}

/* How many table rows with a quoted name there are from FROM to TO. */
static size_t rows_between(const char *from, const char *to)
{
    const char *at = strstr(text, from);
    const char *end = at == NULL ? NULL : strstr(at, to);
    size_t count = 0;

    if (end == NULL) {
        fail_msg("PROTOCOL.md lacks %s or %s", from + 1, to + 1);
        return 0;
    }
    while ((at = strstr(at, "\n| `")) != NULL && at < end) {
        count++;
        at++;
    }
    return count;
}

static void test_protocol_doc_lists_all_errors_and_no_other(void **state)
{
    size_t count = 0;
    char rest[128];

    (void)state;
#define CHECK_ERROR(name, number, sentence)                                                        \
    (void)snprintf(rest, sizeof rest, " %s |", sentence);                                          \
    assert_row(#name, number, rest);                                                               \
    count++;
    GANGER_ERRORS(CHECK_ERROR)
#undef CHECK_ERROR
    assert_int_equal(rows_between("\n## 4. ", "\n## 5. "), count);
}

static void test_protocol_doc_lists_the_bounds(void **state)
{
    size_t count = 0;

    (void)state;
#define CHECK_BOUND(name)                                                                          \
    assert_row(#name, name, "");                                                                   \
    count++
    CHECK_BOUND(GANGER_FRAME_MAX);
    CHECK_BOUND(GANGER_PAYLOAD_MAX);
    CHECK_BOUND(GANGER_NAME_MAX);
    CHECK_BOUND(GANGER_BATCH_MAX);
    CHECK_BOUND(GANGER_NEEDS_MAX);
    CHECK_BOUND(GANGER_HELLO_MAX);
    CHECK_BOUND(GANGER_HANDSHAKE_MS);
    CHECK_BOUND(GANGER_TEXT_MAX);
    CHECK_BOUND(GANGER_STDERR_TAIL);
    CHECK_BOUND(GANGER_CAUSES_MAX);
    CHECK_BOUND(GANGER_VALUE_DEPTH);
    CHECK_BOUND(GANGER_HAND_MAX);
    CHECK_BOUND(GANGER_PRIORITY_MAX);
    CHECK_BOUND(GANGER_ATTEMPTS_MAX);
    CHECK_BOUND(GANGER_CRASHES_MAX);
    CHECK_BOUND(GANGER_PERMITS_MAX);
    CHECK_BOUND(GANGER_DURATION_MAX_MS);
    CHECK_BOUND(GANGER_RUN_AT_MAX_MS);
#undef CHECK_BOUND
    assert_int_equal(rows_between("\n## 5. ", "\n## 6. "), count);
}

static void test_protocol_doc_lists_types_verbs_and_ends(void **state)
{
    size_t count = 0;

    (void)state;
    for (uint32_t type = 0; type < 256; type++) {
        if (strcmp(msg_type_name(type), "?") != 0) {
            assert_row(msg_type_name(type), type, "");
            count++;
        }
    }
    assert_int_equal(rows_between("\n## 12. ", "\n## 13. "), count);
    for (uint32_t verb = 1; verb < VERB_COUNT; verb++)
        assert_row(verb_name(verb), verb, "");
    for (uint32_t end = END_DONE; end <= END_DEAD; end++)
        assert_row(end_name(end), end, "");
}

static void test_protocol_doc_repeats_the_golden_vectors(void **state)
{
    static struct golden v[GOLDEN_MAX];
    size_t count = golden_load(v);
    const char *at = strstr(text, "\n## 13. ");
    size_t lines = 0;

    (void)state;
    assert_non_null(at);
    at = strstr(at, "```\n");
    assert_non_null(at);
    at += 4;
    for (const char *end = strstr(at, "```"); at < end; at = strchr(at, '\n') + 1) {
        size_t len = strcspn(at, "\n");

        assert_in_range(lines, 0, count - 1);
        if (len != strlen(v[lines].text) || memcmp(at, v[lines].text, len) != 0)
            fail_msg("PROTOCOL.md has another vector than %s", v[lines].name);
        lines++;
    }
    assert_int_equal(lines, count);
}

static void test_names_of_unknown_numbers_are_a_question_mark(void **state)
{
    (void)state;
    assert_string_equal(verb_name(0), "?");
    assert_string_equal(verb_name(VERB_COUNT), "?");
    assert_string_equal(end_name(0), "?");
    assert_string_equal(end_name(END_DEAD + 1), "?");
    assert_string_equal(msg_type_name(UINT32_MAX), "?");
    assert_string_equal(error_name(-32767), "?");
    assert_string_equal(error_text(-32767), "unknown error");
    assert_string_equal(error_name(GANGER_EFULL), "EFULL");
    assert_string_equal(error_text(0), "no error");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol_doc_lists_all_errors_and_no_other),
        cmocka_unit_test(test_protocol_doc_lists_the_bounds),
        cmocka_unit_test(test_protocol_doc_lists_types_verbs_and_ends),
        cmocka_unit_test(test_protocol_doc_repeats_the_golden_vectors),
        cmocka_unit_test(test_names_of_unknown_numbers_are_a_question_mark),
    };

    load();
    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
