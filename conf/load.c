/* From a file to a struct conf: the sections, and what several keys together must fulfil. */
#include "conf/schema.h"
#include "conf/suggest.h"
#include "conf/units.h"
#include "proto/assert.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENTS_MIN 8u /* the journal needs room to copy live records forward */

bool name_valid(const char *text, size_t bytes)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    return bytes != 0 && bytes <= GANGER_NAME_MAX && strspn(text, letters) == bytes &&
           strchr("._-", text[0]) == NULL;
}

/* Is the name that KEY gives one? Reports if not. */
static bool name_check(struct reader *r, const struct node *key, const char *what)
{
    struct quoted q;

    if (name_valid(key->text, key->bytes))
        return true;
    reader_error(r, key,
        "%s is no name of a %s; names have 1 to %u of the characters A-Z a-z 0-9 . _ - and start "
        "with a letter or digit",
        report_quote(&q, key->text, key->bytes), what, GANGER_NAME_MAX);
    return false;
}

/* Is NODE a mapping of at most MAX entries? Nothing at all counts as an empty one: false, but
 * without a report. */
static bool entries_check(struct reader *r, const struct node *node, size_t max)
{
    if (node_is_null(node))
        return false;
    if (node->kind != NODE_MAPPING) {
        reader_refuse(r, node, "a mapping of names");
        return false;
    }
    if (node->count > max)
        reader_error(r, node, "%zu entries; at most %zu are allowed", node->count, max);
    return node->count != 0 && node->count <= max;
}

static void semaphore_add(struct reader *r, const struct node *key, struct conf *conf)
{
    struct conf_semaphore *s = &conf->semaphores[conf->semaphore_count];
    const struct conf_key permits = {
        .name = "permits",
        .type = &type_number,
        .max = GANGER_PERMITS_MAX,
        .offset = offsetof(struct conf_semaphore, permits),
        .size = sizeof s->permits,
    };
    size_t before;

    if (!name_check(r, key, "semaphore"))
        return;
    s->name = strdup(key->text);
    if (s->name == NULL) {
        reader_no_memory(r);
        return;
    }
    conf->semaphore_count++;
    before = reader_enter(r, key->text);
    type_number.read(r, &permits, key->value, s);
    reader_leave(r, before);
}

static void semaphores_read(struct reader *r, const struct node *node, struct conf *conf)
{
    if (!entries_check(r, node, GANGER_SEMS_MAX))
        return;
    conf->semaphores = calloc(node->count, sizeof *conf->semaphores);
    if (conf->semaphores == NULL) {
        reader_no_memory(r);
        return;
    }
    for (const struct node *key = node->first; key != NULL; key = key->next)
        semaphore_add(r, key, conf);
}

/* Report the keys of NAMES (NULL-terminated) that MAPPING has although they mean nothing. */
static void pool_refuse_keys(
    struct reader *r, const struct node *mapping, const char *const *names, const char *why)
{
    const struct node *key;

    for (; *names != NULL; names++) {
        size_t before = reader_enter(r, *names);

        if (tree_find(mapping, *names, &key) != NULL)
            reader_error(r, key, "%s; remove the key", why);
        reader_leave(r, before);
    }
}

/* Refuse keys that say something about workers of another kind, which the operator would
 * otherwise believe to be in force. */
static void pool_check_kind(
    struct reader *r, const struct node *mapping, const struct conf_pool *pool)
{
    static const char *const of_module[] = { "init", NULL };
    static const char *const of_command[] = { "stdout_max", NULL };
    static const char *const of_agent[] = { "init_timeout", "directory", "env", "rlimits", "nice",
        NULL };

    if (pool->kind != CONF_POOL_MODULE)
        pool_refuse_keys(r, mapping, of_module, "only a pool with a module takes it");
    if (pool->kind == CONF_POOL_MODULE || pool->kind == CONF_POOL_EXTERNAL)
        pool_refuse_keys(r, mapping, of_command, "only a pool of commands takes it");
    if (pool->kind == CONF_POOL_EXTERNAL)
        pool_refuse_keys(r, mapping, of_agent, "the program of an external pool decides that");
}

/* One of module, command and external must say where the workers come from. */
static bool pool_check_source(struct reader *r, const struct node *name)
{
    static const char *const sources[] = { "module", "command", "external" };
    const struct node *last = NULL;
    unsigned given = 0;

    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        const struct node *key;

        if (name->value->kind != NODE_MAPPING || tree_find(name->value, sources[i], &key) == NULL)
            continue;
        given++;
        if (last == NULL || key->mark.line > last->mark.line ||
            (key->mark.line == last->mark.line && key->mark.column > last->mark.column))
            last = key;
    }
    if (given == 0)
        reader_error(r, name,
            "it has no workers; give module: PATH, command: PROGRAM or "
            "external: true");
    if (given > 1)
        reader_error(r, last, "only one of module, command and external may be given; remove %s",
            last->text);
    return given == 1;
}

static void pool_check_backoff(
    struct reader *r, const struct node *mapping, const struct conf_pool *pool)
{
    const struct node *key = NULL;
    char least[UNITS_TEXT_MAX];
    size_t before;

    if (pool->backoff_max_ms >= pool->backoff_ms)
        return;
    if (tree_find(mapping, "backoff_max", &key) == NULL)
        (void)tree_find(mapping, "backoff", &key);
    units_duration_text(pool->backoff_ms, least, sizeof least);
    before = reader_enter(r, key != NULL ? key->text : "backoff_max");
    reader_error(r, key != NULL ? key : mapping,
        "backoff_max is less than backoff; make it at least %s", least);
    reader_leave(r, before);
}

static void pool_read(struct reader *r, const struct node *name, struct conf_pool *pool)
{
    size_t errors = reader_errors(r);

    if (!node_is_null(name->value))
        table_read(r, &conf_table_pool, name->value, pool);
    if (name->value->kind != NODE_MAPPING) {
        if (node_is_null(name->value))
            (void)pool_check_source(r, name);
        return;
    }
    if (pool_check_source(r, name))
        pool_check_kind(r, name->value, pool);
    if (reader_errors(r) == errors)
        pool_check_backoff(r, name->value, pool);
}

static void pool_add(struct reader *r, const struct node *key, struct conf *conf)
{
    struct conf_pool *pool = &conf->pools[conf->pool_count];
    size_t before;

    if (!name_check(r, key, "pool"))
        return;
    pool->name = strdup(key->text);
    if (pool->name == NULL) {
        reader_no_memory(r);
        return;
    }
    conf->pool_count++;
    table_preset(r, &conf_table_pool, pool);
    before = reader_enter(r, key->text);
    pool_read(r, key, pool);
    reader_leave(r, before);
}

static void pools_read(struct reader *r, const struct node *node, struct conf *conf)
{
    if (!entries_check(r, node, GANGER_POOLS_MAX))
        return;
    conf->pools = calloc(node->count, sizeof *conf->pools);
    if (conf->pools == NULL) {
        reader_no_memory(r);
        return;
    }
    for (const struct node *key = node->first; key != NULL; key = key->next)
        pool_add(r, key, conf);
}

/* A section whose keys are all commented out is as good as none. */
static void section_read(
    struct reader *r, const struct node *node, const struct conf_table *table, void *record)
{
    if (!node_is_null(node))
        table_read(r, table, node, record);
}

static void socket_read(struct reader *r, const struct node *node, struct conf *conf)
{
    section_read(r, node, &conf_table_socket, &conf->socket);
}

static void journal_read(struct reader *r, const struct node *node, struct conf *conf)
{
    struct conf_journal *j = &conf->journal;
    size_t errors = reader_errors(r);

    if (node->kind == NODE_SCALAR && strcmp(node->text, "memory") == 0) {
        j->memory = true;
        return;
    }
    if (node->kind != NODE_MAPPING && !node_is_null(node)) {
        reader_refuse(r, node, "the word memory, or a mapping of dir, segment and max");
        return;
    }
    section_read(r, node, &conf_table_journal, j);
    if (reader_errors(r) != errors)
        return;
    if (j->segment_bytes % 4096 != 0)
        reader_error(r, node, "segment is not a multiple of 4KiB");
    if (j->max_bytes / SEGMENTS_MIN < j->segment_bytes)
        reader_error(r, node, "max must be at least %u times segment; raise max or lower segment",
            SEGMENTS_MIN);
}

static void log_read(struct reader *r, const struct node *node, struct conf *conf)
{
    section_read(r, node, &conf_table_log, &conf->log);
}

static void limits_read(struct reader *r, const struct node *node, struct conf *conf)
{
    section_read(r, node, &conf_table_limits, &conf->limits);
}

static const struct {
    const char *name;
    void (*read)(struct reader *r, const struct node *node, struct conf *conf);
} sections[] = {
    { "socket", socket_read },
    { "journal", journal_read },
    { "log", log_read },
    { "limits", limits_read },
    { "semaphores", semaphores_read },
    { "pools", pools_read },
};

#define SECTIONS (sizeof sections / sizeof sections[0])

static void section_unknown(struct reader *r, const struct node *key)
{
    const char *nearest = NULL;
    size_t best = SUGGEST_WORD_MAX;
    struct quoted q;

    for (size_t i = 0; i < SECTIONS; i++) {
        size_t distance = suggest_distance(key->text, sections[i].name);

        if (distance < best) {
            best = distance;
            nearest = sections[i].name;
        }
    }
    (void)report_quote(&q, key->text, key->bytes);
    if (nearest != NULL && suggest_near(key->text, best)) {
        reader_error(r, key, "unknown key %s; did you mean \"%s\"?", q.text, nearest);
        return;
    }
    for (size_t i = 0; i < CONF_TABLES; i++) {
        for (size_t k = 0; k < conf_tables[i]->count; k++) {
            if (strcmp(conf_tables[i]->keys[k].name, key->text) == 0) {
                reader_error(r, key, "unknown key %s; it belongs under \"%s\"", q.text,
                    conf_tables[i]->name);
                return;
            }
        }
    }
    reader_error(r, key,
        "unknown key %s; known here: socket, journal, log, limits, semaphores, pools", q.text);
}

static void root_read(struct reader *r, const struct node *root, struct conf *conf)
{
    if (node_is_null(root))
        return;
    if (root->kind != NODE_MAPPING) {
        reader_refuse(r, root, "a mapping with keys such as pools:");
        return;
    }
    for (const struct node *key = root->first; key != NULL; key = key->next) {
        size_t i = 0;
        size_t before;

        while (i < SECTIONS && strcmp(sections[i].name, key->text) != 0)
            i++;
        if (i == SECTIONS) {
            section_unknown(r, key);
            continue;
        }
        before = reader_enter(r, sections[i].name);
        sections[i].read(r, key->value, conf);
        reader_leave(r, before);
    }
}

static void presets_read(struct reader *r, struct conf *conf)
{
    size_t errors = reader_errors(r);

    conf->socket.group = CONF_GROUP_NONE;
    table_preset(r, &conf_table_socket, &conf->socket);
    table_preset(r, &conf_table_journal, &conf->journal);
    table_preset(r, &conf_table_log, &conf->log);
    table_preset(r, &conf_table_limits, &conf->limits);
    GANGER_ASSERT(reader_errors(r) == errors);
}

/* Set *PATH to what FIND gives, unless the file has said it. */
static void path_default(struct reader *r, char **path, int (*find)(char *buf, size_t bytes),
    size_t max, const char *key)
{
    const struct node nowhere = { .mark = { 1, 1 } };
    char buf[PATH_MAX];

    if (*path != NULL)
        return;
    if (find(buf, max + 1) < 0) {
        reader_error(r, &nowhere, "no default for %s fits this environment; set %s", key, key);
        return;
    }
    *path = strdup(buf);
    if (*path == NULL)
        reader_no_memory(r);
}

static int load_tree(struct report *report, const struct node *root, struct conf **ret_conf)
{
    struct reader r = { .report = report };
    struct conf *conf = calloc(1, sizeof *conf);

    if (conf == NULL)
        return GANGER_ENOMEM;
    presets_read(&r, conf);
    if (root != NULL)
        root_read(&r, root, conf);
    path_default(&r, &conf->socket.path, conf_default_socket, CONF_SOCKET_MAX, "socket.path");
    if (!conf->journal.memory)
        path_default(&r, &conf->journal.dir, conf_default_journal, PATH_MAX - 64, "journal.dir");
    if (report->no_memory || report->count != 0) {
        conf_free(conf);
        return report->no_memory ? GANGER_ENOMEM : GANGER_ECONF;
    }
    *ret_conf = conf;
    return 0;
}

int conf_load_text(const char *text, size_t text_bytes, const char *name,
    struct conf_errors *errors, struct conf **ret_conf)
{
    struct report report = { .name = name };
    struct node *root = NULL;
    int rc = 0;

    if (text_bytes > CONF_FILE_MAX) {
        report_add(
            &report, (struct mark){ 1, 1 }, "the file is larger than %u bytes", CONF_FILE_MAX);
        rc = GANGER_ECONF;
    }
    if (rc == 0)
        rc = tree_read(text, text_bytes, &report, &root);
    if (rc == 0)
        rc = load_tree(&report, root, ret_conf);
    tree_free(root);
    report_give(&report, errors);
    return report.no_memory ? GANGER_ENOMEM : rc;
}

int conf_defaults(struct conf **ret_conf)
{
    return conf_load_text("", 0, "defaults", NULL, ret_conf);
}

/* Set ERRORS to the one text that PATH could not be read because of MESSAGE. */
static void file_error(struct conf_errors *errors, const char *path, const char *message)
{
    if (errors != NULL && asprintf(&errors->text[0], "%s: %s", path, message) >= 0)
        errors->count = 1;
}

/* Read at most CONF_FILE_MAX + 1 bytes of FD to BUF. Returns how many, or -1. */
static ssize_t file_read(int fd, char *buf)
{
    size_t bytes = 0;

    while (bytes <= CONF_FILE_MAX) {
        ssize_t n = read(fd, buf + bytes, CONF_FILE_MAX + 1 - bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        bytes += (size_t)n;
    }
    return (ssize_t)bytes;
}

/* A pipe whose writer is slow would stop the caller; it is refused, with errno set. */
static bool file_is_regular(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return false;
    if (S_ISREG(st.st_mode))
        return true;
    errno = S_ISDIR(st.st_mode) ? EISDIR : ENOTSUP;
    return false;
}

/* Open PATH and read it to BUF. */
static ssize_t file_slurp(const char *path, char *buf)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n;
    int error;

    if (fd < 0)
        return -1;
    n = file_is_regular(fd) ? file_read(fd, buf) : -1;
    error = errno;
    (void)close(fd);
    errno = error;
    return n;
}

int conf_load(const char *path, struct conf_errors *errors, struct conf **ret_conf)
{
    char *buf = malloc(CONF_FILE_MAX + 1);
    ssize_t n;
    int rc;

    if (errors != NULL)
        memset(errors, 0, sizeof *errors);
    if (buf == NULL)
        return GANGER_ENOMEM;
    n = file_slurp(path, buf);
    if (n < 0) {
        rc = errno == EACCES || errno == EPERM ? GANGER_EACCES : GANGER_EIO;
        file_error(errors, path,
            errno == ENOTSUP ? "not a regular file; copy it to one" : strerror(errno));
    } else {
        rc = conf_load_text(buf, (size_t)n, path, errors, ret_conf);
    }
    free(buf);
    return rc;
}
