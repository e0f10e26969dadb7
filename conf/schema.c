#include "conf/schema.h"

#include "conf/suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t reader_enter(struct reader *r, const char *name)
{
    size_t before = r->path_bytes;
    size_t room = sizeof r->path - before;
    int n = snprintf(r->path + before, room, "%s%s", before != 0 ? "." : "", name);

    r->path_bytes += (size_t)n < room ? (size_t)n : room - 1;
    return before;
}

void reader_leave(struct reader *r, size_t before)
{
    r->path_bytes = before;
    r->path[before] = '\0';
}

void reader_error(struct reader *r, const struct node *node, const char *format, ...)
{
    char *message = NULL;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&message, format, args);
    va_end(args);
    if (n < 0) {
        reader_no_memory(r);
        return;
    }
    if (r->path_bytes != 0)
        report_add(r->report, node->mark, "%s: %s", r->path, message);
    else
        report_add(r->report, node->mark, "%s", message);
    free(message);
}

size_t reader_errors(const struct reader *r)
{
    return r->report->count + r->report->dropped;
}

void reader_no_memory(struct reader *r)
{
    r->report->no_memory = true;
}

void reader_refuse(struct reader *r, const struct node *node, const char *wanted)
{
    struct quoted q;

    if (node_is_null(node))
        reader_error(r, node, "no value is given; give %s, or remove the key", wanted);
    else if (node->kind == NODE_SCALAR)
        reader_error(r, node, "%s is not %s", report_quote(&q, node->text, node->bytes), wanted);
    else
        reader_error(r, node, "%s is not %s", node_kind_text(node), wanted);
}

const char *reader_text(struct reader *r, const struct node *node, const char *wanted)
{
    if (node->kind != NODE_SCALAR || node_is_null(node)) {
        reader_refuse(r, node, wanted);
        return NULL;
    }
    if (strlen(node->text) != node->bytes) {
        reader_error(r, node, "a NUL byte in the text; remove it");
        return NULL;
    }
    return node->text;
}

void table_preset(struct reader *r, const struct conf_table *table, void *record)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_key *key = &table->keys[i];
        struct node node = { .kind = NODE_SCALAR, .plain = true };

        if (key->preset == NULL)
            continue;
        node.bytes = strlen(key->preset);
        node.text = strdup(key->preset);
        if (node.text == NULL) {
            reader_no_memory(r);
            return;
        }
        key->type->read(r, key, &node, record);
        free(node.text);
    }
}

static const struct conf_key *table_find(const struct conf_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->keys[i].name, name) == 0)
            return &table->keys[i];
    }
    return NULL;
}

static const char *table_nearest(const struct conf_table *table, const char *name)
{
    size_t best = SUGGEST_WORD_MAX;
    const char *nearest = NULL;

    for (size_t i = 0; i < table->count; i++) {
        size_t distance = suggest_distance(name, table->keys[i].name);

        if (distance < best) {
            best = distance;
            nearest = table->keys[i].name;
        }
    }
    return nearest != NULL && suggest_near(name, best) ? nearest : NULL;
}

/* "a, b, c" of the names of TABLE; longer than BYTES is cut. */
static void table_names(const struct conf_table *table, char *buf, size_t bytes)
{
    size_t n = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < table->count && n < bytes; i++)
        n += (size_t)snprintf(buf + n, bytes - n, "%s%s", i != 0 ? ", " : "", table->keys[i].name);
}

/* The other section that knows a key NAME, NULL if there is none. */
static const struct conf_table *table_elsewhere(const char *name)
{
    for (size_t i = 0; i < CONF_TABLES; i++) {
        if (table_find(conf_tables[i], name) != NULL)
            return conf_tables[i];
    }
    return NULL;
}

static void key_unknown(struct reader *r, const struct conf_table *table, const struct node *key)
{
    const char *nearest = table_nearest(table, key->text);
    const struct conf_table *other = table_elsewhere(key->text);
    struct quoted q;
    char names[512];

    (void)report_quote(&q, key->text, key->bytes);
    if (nearest != NULL) {
        reader_error(r, key, "unknown key %s; did you mean \"%s\"?", q.text, nearest);
    } else if (other != NULL) {
        reader_error(r, key, "unknown key %s; it belongs under \"%s\"", q.text, other->name);
    } else {
        table_names(table, names, sizeof names);
        reader_error(r, key, "unknown key %s; known here: %s", q.text, names);
    }
}

void table_read(
    struct reader *r, const struct conf_table *table, const struct node *mapping, void *record)
{
    if (mapping->kind != NODE_MAPPING) {
        reader_refuse(r, mapping, "a mapping of keys and values");
        return;
    }
    for (const struct node *n = mapping->first; n != NULL; n = n->next) {
        const struct conf_key *key = table_find(table, n->text);
        size_t before;

        if (key == NULL || strlen(n->text) != n->bytes) {
            key_unknown(r, table, n);
            continue;
        }
        before = reader_enter(r, key->name);
        key->type->read(r, key, n->value, record);
        reader_leave(r, before);
    }
}

void table_done(const struct conf_table *table, void *record)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->keys[i].type->done != NULL)
            table->keys[i].type->done(&table->keys[i], record);
    }
}
