/* The example and the manual page say what the tables say. */
#include "conf/schema.h"
#include "tests/support/test_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text of a file of the source tree, found beside this file. */
static char *source_read(const char *name)
{
    static const char here[] = __FILE__;
    size_t root = strlen(here) - strlen("tests/unit/test_conf_docs.c");
    char path[4096];
    char *text = calloc(1, CONF_FILE_MAX);
    FILE *f;

    assert_non_null(text);
    (void)snprintf(path, sizeof path, "%.*s%s", (int)root, here, name);
    f = fopen(path, "r");
    if (f == NULL)
        fail_msg("cannot open %s", path);
    assert_true(fread(text, 1, CONF_FILE_MAX - 1, f) > 0);
    (void)fclose(f);
    return text;
}

static void check_loads(const char *text, size_t expected_pools)
{
    struct conf_errors errors;
    struct conf *conf = NULL;

    if (conf_load_text(text, strlen(text), "gangerd.yaml", &errors, &conf) < 0)
        fail_msg("%s", errors.count != 0 ? errors.text[0] : "no error text");
    assert_int_equal(conf->pool_count, expected_pools);
    conf_free(conf);
    conf_errors_done(&errors);
}

static void test_docs_example_loads(void **state)
{
    char *text = source_read("packaging/gangerd.yaml");

    (void)state;
    check_loads(text, 1);
    free(text);
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Remove the '#' of each line of TEXT that shows a setting, in place. Only one of the three
 * sources of a pool can be given: COMMAND says whether that is command or module. */
static void example_uncomment(char *text, bool command)
{
    char *to = text;

    for (char *line = text; *line != '\0';) {
        size_t bytes = strcspn(line, "\n") + (strchr(line, '\n') != NULL ? 1 : 0);
        size_t indent = strspn(line, " ");
        const char *setting = line + indent + 1;
        bool skip = line[indent] != '#' || setting[0] == ' ' || starts_with(setting, "external") ||
                    starts_with(setting, command ? "module:" : "command:") ||
                    starts_with(setting, command ? "init:" : "stdout_max:");

        memmove(to, line, bytes);
        if (!skip) {
            memmove(to + indent, to + indent + 1, bytes - indent - 1);
            to--;
        }
        to += bytes;
        line += bytes;
    }
    *to = '\0';
}

static void test_docs_example_loads_with_every_line_in_force(void **state)
{
    (void)state;
    for (unsigned command = 0; command < 2; command++) {
        char *text = source_read("packaging/gangerd.yaml");

        example_uncomment(text, command != 0);
        assert_non_null(strstr(text, "\n    backlog_bytes: 1GiB\n"));
        check_loads(text, 2);
        free(text);
    }
}

/* The example shows each key, commented out or not, and its default where there is one. */
static void test_docs_example_has_every_key_and_default(void **state)
{
    char *text = source_read("packaging/gangerd.yaml");

    (void)state;
    for (size_t t = 0; t < CONF_TABLES; t++) {
        for (size_t i = 0; i < conf_tables[t]->count; i++) {
            const struct conf_key *key = &conf_tables[t]->keys[i];
            char line[128];

            (void)snprintf(line, sizeof line, " #%s:%s%s%s", key->name,
                key->preset != NULL ? " " : "", key->preset != NULL ? key->preset : "",
                key->preset != NULL ? "\n" : "");
            if (strstr(text, line) == NULL)
                fail_msg("packaging/gangerd.yaml lacks \"%s\"", line);
        }
    }
    free(text);
}

/* The description of NAME in the section SECTION of the manual page, cut out of TEXT. */
static char *manual_item(const char *text, const char *section, const char *name)
{
    char heading[64];
    const char *start;
    const char *end;

    (void)snprintf(heading, sizeof heading, "\n.Ss %s\n", section);
    start = strstr(text, heading);
    if (start == NULL)
        fail_msg("the manual page has no section %s", section);
    text = start + strlen(heading);
    end = strstr(text, "\n.Ss ");
    (void)snprintf(heading, sizeof heading, "\n.It Ic %s : ", name);
    start = strstr(text, heading);
    if (start == NULL || (end != NULL && start > end))
        fail_msg("the manual page lacks %s in %s", name, section);
    end = strstr(start + 1, "\n.It ");
    return end != NULL ? strndup(start, (size_t)(end - start)) : strdup(start);
}

static void check_manual_key(
    const char *text, const struct conf_table *table, const struct conf_key *key)
{
    static const char *const applies[] = { "SIGHUP: at once.", "SIGHUP: agent.",
        "SIGHUP: restart." };
    const char *section = table == &conf_table_pool ? "pools" : table->name;
    char *item = manual_item(text, section, key->name);
    char wanted[128];

    if (strstr(item, applies[key->apply]) == NULL)
        fail_msg("the manual page does not say \"%s\" of %s", applies[key->apply], key->name);
    if (key->preset != NULL) {
        (void)snprintf(wanted, sizeof wanted, "\nDefault: %s.\n", key->preset);
        if (strstr(item, wanted) == NULL)
            fail_msg("the manual page does not give %s the default %s", key->name, key->preset);
    }
    free(item);
}

static void test_docs_manual_has_every_key_default_and_reload(void **state)
{
    char *text = source_read("packaging/man/gangerd.yaml.5");

    (void)state;
    for (size_t t = 0; t < CONF_TABLES; t++) {
        for (size_t i = 0; i < conf_tables[t]->count; i++)
            check_manual_key(text, conf_tables[t], &conf_tables[t]->keys[i]);
    }
    assert_non_null(strstr(text, "\n.Ss semaphores\n"));
    free(text);
}

/* The bounds that the manual gives are those that a message names. */
static void test_docs_manual_has_bounds_of_messages(void **state)
{
    char *text = source_read("packaging/man/gangerd.yaml.5");
    unsigned checked = 0;

    (void)state;
    for (size_t i = 0; i < conf_table_pool.count + conf_table_limits.count; i++) {
        bool pool = i < conf_table_pool.count;
        const struct conf_key *key = pool ? &conf_table_pool.keys[i]
                                          : &conf_table_limits.keys[i - conf_table_pool.count];
        struct conf_errors errors;
        struct conf *conf = NULL;
        char yaml[256];
        char bounds[128];
        const char *allowed;
        char *item;

        (void)snprintf(yaml, sizeof yaml, "%s%s: 99999999999999999999%s}%s",
            pool ? "pools: {w: {command: wc, " : "limits: {", key->name,
            key->type == &type_duration ? "d" : "", pool ? "}" : "");
        if (conf_load_text(yaml, strlen(yaml), "t", &errors, &conf) == 0) {
            conf_free(conf);
            continue;
        }
        allowed = strstr(errors.text[0], "out of range; allowed is ");
        if (allowed != NULL) {
            (void)snprintf(bounds, sizeof bounds, "\nBounds: %s.\n",
                allowed + strlen("out of range; allowed is "));
            item = manual_item(text, pool ? "pools" : "limits", key->name);
            if (strstr(item, bounds) == NULL)
                fail_msg("the manual page does not say \"%s\" of %s", bounds + 1, key->name);
            free(item);
            checked++;
        }
        conf_errors_done(&errors);
    }
    assert_int_equal(checked, 23);
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_docs_example_loads),
        cmocka_unit_test(test_docs_example_loads_with_every_line_in_force),
        cmocka_unit_test(test_docs_example_has_every_key_and_default),
        cmocka_unit_test(test_docs_manual_has_every_key_default_and_reload),
        cmocka_unit_test(test_docs_manual_has_bounds_of_messages),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
