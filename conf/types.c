#include "conf/schema.h"
#include "conf/units.h"
#include "proto/assert.h"
#include "proto/err.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_BUFFER_MAX (1024u * 1024)

static bool same_bytes(const struct conf_key *key, const void *record, const void *other)
{
    return memcmp(key_field_const(key, record), key_field_const(key, other), key->size) == 0;
}

/* Store VALUE, which is within the key's bounds, into a field of 4 or 8 bytes. */
static void number_store(const struct conf_key *key, void *record, uint64_t value)
{
    uint32_t narrow = (uint32_t)value;

    GANGER_ASSERT(key->size == sizeof value || (key->size == sizeof narrow && narrow == value));
    if (key->size == sizeof value)
        memcpy(key_field(key, record), &value, sizeof value);
    else
        memcpy(key_field(key, record), &narrow, sizeof narrow);
}

typedef void text_of(uint64_t value, char *buf, size_t bytes);

static void plain_text(uint64_t value, char *buf, size_t bytes)
{
    (void)snprintf(buf, bytes, "%llu", (unsigned long long)value);
}

static void number_out_of_range(
    struct reader *r, const struct conf_key *key, const struct node *node, text_of *show)
{
    char min[UNITS_TEXT_MAX];
    char max[UNITS_TEXT_MAX];
    struct quoted q;

    show(key->min, min, sizeof min);
    show(key->max, max, sizeof max);
    reader_error(r, node, "%s is out of range; allowed is %s to %s",
        report_quote(&q, node->text, node->bytes), min, max);
}

/* Store VALUE if RC (of reading it) is good and it is within bounds, else say why not. */
static void number_take(struct reader *r, const struct conf_key *key, const struct node *node,
    void *record, int rc, uint64_t value, text_of *show)
{
    if (rc == GANGER_ERANGE || value < key->min || value > key->max)
        number_out_of_range(r, key, node, show);
    else
        number_store(key, record, value);
}

static void number_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    const char *text = reader_text(r, node, "a whole number");
    uint64_t value = key->min;
    struct quoted q;
    int rc;

    if (text == NULL)
        return;
    rc = units_number(text, &value);
    if (rc == GANGER_EINVAL)
        reader_refuse(r, node, "a whole number");
    else if (!node->plain)
        reader_error(r, node, "%s is text; write the number without quotes",
            report_quote(&q, text, node->bytes));
    else
        number_take(r, key, node, record, rc, value, plain_text);
}

const struct conf_type type_number = { number_read, same_bytes, NULL };

static void percent_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    static const char wanted[] = "a percentage, as in 10 or 10%";
    const char *text = reader_text(r, node, wanted);
    uint64_t value = key->min;
    char digits[32];
    size_t n;
    int rc = GANGER_EINVAL;

    if (text == NULL)
        return;
    n = strspn(text, "0123456789");
    if (n < sizeof digits && (text[n] == '\0' || strcmp(text + n, "%") == 0)) {
        memcpy(digits, text, n);
        digits[n] = '\0';
        rc = units_number(digits, &value);
    }
    if (rc == GANGER_EINVAL)
        reader_refuse(r, node, wanted);
    else
        number_take(r, key, node, record, rc, value, plain_text);
}

const struct conf_type type_percent = { percent_read, same_bytes, NULL };

static void duration_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    static const char wanted[] = "a duration, as in 500ms, 30s, 5min, 1h30min or 7d";
    const char *text = reader_text(r, node, wanted);
    uint64_t value = key->min;
    uint64_t bare;
    struct quoted q;
    int rc;

    if (text == NULL)
        return;
    rc = units_duration(text, &value);
    if (rc == GANGER_EINVAL && units_number(text, &bare) == 0)
        reader_error(r, node, "%s has no unit; write %ss, %smin, %sh, ...",
            report_quote(&q, text, node->bytes), text, text, text);
    else if (rc == GANGER_EINVAL)
        reader_refuse(r, node, wanted);
    else
        number_take(r, key, node, record, rc, value, units_duration_text);
}

const struct conf_type type_duration = { duration_read, same_bytes, NULL };

static void size_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    static const char wanted[] = "a size, as in 4096, 64KiB, 16MiB, 1GiB or 10MB";
    const char *text = reader_text(r, node, wanted);
    uint64_t value = key->min;
    int rc;

    if (text == NULL)
        return;
    rc = units_size(text, &value);
    if (rc == GANGER_EINVAL)
        reader_refuse(r, node, wanted);
    else
        number_take(r, key, node, record, rc, value, units_size_text);
}

const struct conf_type type_size = { size_read, same_bytes, NULL };

static void bool_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    const char *text = reader_text(r, node, "true or false");
    bool value;

    if (text == NULL)
        return;
    value = strcmp(text, "true") == 0;
    if (!node->plain || (!value && strcmp(text, "false") != 0))
        reader_refuse(r, node, "true or false (without quotes)");
    else
        memcpy(key_field(key, record), &value, sizeof value);
}

const struct conf_type type_flag = { bool_read, same_bytes, NULL };

static void mode_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    static const char wanted[] = "permission bits in octal, as in 0600";
    const char *text = reader_text(r, node, wanted);
    uint32_t mode = 0;
    struct quoted q;
    int rc;

    if (text == NULL)
        return;
    rc = units_mode(text, &mode);
    if (rc == GANGER_EINVAL)
        reader_refuse(r, node, wanted);
    else if (rc < 0)
        reader_error(r, node, "%s is out of range; allowed is 0000 to 0777",
            report_quote(&q, text, node->bytes));
    else
        number_store(key, record, mode);
}

const struct conf_type type_mode = { mode_read, same_bytes, NULL };

/* The string field; a type that owns one string has no other member. */
static char *string_get(const struct conf_key *key, const void *record)
{
    char *text;

    memcpy(&text, key_field_const(key, record), sizeof text);
    return text;
}

static void string_done(const struct conf_key *key, void *record)
{
    char *none = NULL;

    free(string_get(key, record));
    memcpy(key_field(key, record), &none, sizeof none);
}

static bool string_same(const struct conf_key *key, const void *record, const void *other)
{
    const char *a = string_get(key, record);
    const char *b = string_get(key, other);

    if (a == NULL || b == NULL)
        return a == b;
    return strcmp(a, b) == 0;
}

static void path_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    static const char wanted[] = "an absolute path (one that starts with /)";
    const char *text = reader_text(r, node, wanted);
    char *copy;

    if (text == NULL)
        return;
    if (text[0] != '/') {
        reader_refuse(r, node, wanted);
        return;
    }
    if (node->bytes > key->max) {
        reader_error(r, node, "the path has %zu bytes; at most %llu are allowed", node->bytes,
            (unsigned long long)key->max);
        return;
    }
    copy = strdup(text);
    if (copy == NULL) {
        reader_no_memory(r);
        return;
    }
    string_done(key, record);
    memcpy(key_field(key, record), &copy, sizeof copy);
}

const struct conf_type type_path = { path_read, string_same, string_done };

/* The number of group NAME. GANGER_EINVAL: there is none. */
static int group_find(const char *name, gid_t *ret_gid)
{
    struct group *found = NULL;
    struct group group;
    char *buf = NULL;
    int error = ERANGE;

    for (size_t bytes = 1024; error == ERANGE && bytes <= GROUP_BUFFER_MAX; bytes *= 4) {
        char *larger = realloc(buf, bytes);

        if (larger == NULL)
            break;
        buf = larger;
        error = getgrnam_r(name, &group, buf, bytes, &found);
    }
    if (found != NULL)
        *ret_gid = group.gr_gid;
    free(buf);
    return found != NULL ? 0 : GANGER_EINVAL;
}

static void group_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    const char *text = reader_text(r, node, "a group's name or number");
    uint64_t number = 0;
    gid_t gid = 0;
    struct quoted q;
    int rc;

    if (text == NULL)
        return;
    rc = units_number(text, &number);
    if (rc == GANGER_ERANGE || number >= CONF_GROUP_NONE) {
        reader_error(r, node, "%s is not a group's number", report_quote(&q, text, node->bytes));
        return;
    }
    if (rc == 0)
        gid = (gid_t)number;
    else if (group_find(text, &gid) < 0) {
        reader_error(r, node, "there is no group %s on this host; see 'getent group'",
            report_quote(&q, text, node->bytes));
        return;
    }
    memcpy(key_field(key, record), &gid, sizeof gid);
}

const struct conf_type type_group = { group_read, same_bytes, NULL };

static void level_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    static const char wanted[] = "one of error, warning, notice, info, debug";
    const char *text = reader_text(r, node, wanted);
    int level = 0;

    if (text == NULL)
        return;
    if (log_level_parse(text, &level) < 0)
        reader_refuse(r, node, wanted);
    else
        memcpy(key_field(key, record), &level, sizeof level);
}

const struct conf_type type_level = { level_read, same_bytes, NULL };

static void format_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    static const char *const words[] = {
        [LOG_FORMAT_AUTO] = "auto",
        [LOG_FORMAT_JOURNAL] = "journal",
        [LOG_FORMAT_PLAIN] = "plain",
    };
    static const char wanted[] = "one of auto, journal, plain";
    const char *text = reader_text(r, node, wanted);

    if (text == NULL)
        return;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            enum log_format format = (enum log_format)i;

            memcpy(key_field(key, record), &format, sizeof format);
            return;
        }
    }
    reader_refuse(r, node, wanted);
}

const struct conf_type type_format = { format_read, same_bytes, NULL };
