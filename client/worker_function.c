#include "client/worker_function.h"

#include "proto/err.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

    if (order != 0)
        return order;
    return a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

static int compare_entries(const void *a, const void *b)
{
    const struct function_entry *x = a, *y = b;

    return compare_names(x->name, x->name_bytes, y->name, y->name_bytes);
}

static int module_check(const struct ganger_module *m, char *err, size_t err_bytes)
{
    const char *reason = NULL;

    if (m->abi != GANGER_MODULE_ABI) {
        (void)snprintf(err, err_bytes,
            "its table has layout %u, this worker knows layout %u: build it against this "
            "version's <ganger/worker.h>",
            m->abi, GANGER_MODULE_ABI);
        return GANGER_EMODULE;
    }
    if (m->name == NULL)
        reason = "its table has no name";
    else if (m->functions == NULL || m->functions[0].name == NULL)
        reason = "its table has no functions";
    if (reason == NULL)
        return 0;
    (void)snprintf(err, err_bytes, "%s", reason);
    return GANGER_EMODULE;
}

static int entries_fill(
    struct function_table *table, const struct ganger_function *f, char *err, size_t err_bytes)
{
    for (size_t i = 0; i < table->count; i++) {
        struct function_entry *e = &table->entries[i];

        *e = (struct function_entry){ f[i].name, strlen(f[i].name), f[i].run, false };
        if (e->name_bytes == 0 || e->name_bytes > GANGER_NAME_MAX || e->run == NULL) {
            (void)snprintf(err, err_bytes,
                "function number %zu has no name, no code, or a name of "
                "over %u bytes",
                i, GANGER_NAME_MAX);
            return GANGER_EMODULE;
        }
    }
    qsort(table->entries, table->count, sizeof table->entries[0], compare_entries);
    for (size_t i = 1; i < table->count; i++) {
        if (compare_entries(&table->entries[i - 1], &table->entries[i]) == 0) {
            (void)snprintf(err, err_bytes, "function %s is there twice", table->entries[i].name);
            return GANGER_EMODULE;
        }
    }
    return 0;
}

int function_table_init(
    struct function_table *table, const struct ganger_module *module, char *err, size_t err_bytes)
{
    int rc = module_check(module, err, err_bytes);

    *table = (struct function_table){ 0 };
    if (rc < 0)
        return rc;
    table->module = module->name;
    while (module->functions[table->count].name != NULL)
        table->count++;
    table->entries = calloc(table->count, sizeof table->entries[0]);
    if (table->entries == NULL) {
        (void)snprintf(err, err_bytes, "out of memory");
        return GANGER_ENOMEM;
    }
    rc = entries_fill(table, module->functions, err, err_bytes);
    if (rc < 0)
        function_table_done(table);
    return rc;
}

void function_table_done(struct function_table *table)
{
    free(table->entries);
    *table = (struct function_table){ 0 };
}

struct function_entry *function_find(struct function_table *table, struct slice name)
{
    struct function_entry *e = table->last;
    size_t low = 0, high = table->count;

    if (e != NULL && e->name_bytes == name.len && memcmp(e->name, name.data, name.len) == 0)
        return e;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order;

        e = &table->entries[middle];
        order = compare_names(name.data, name.len, e->name, e->name_bytes);
        if (order == 0)
            return table->last = e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* How many letters must be put in, taken out or changed to make A of B. */
static size_t distance(const uint8_t *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    size_t row[GANGER_NAME_MAX + 1];

    for (size_t j = 0; j <= b_bytes; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t change = diagonal + (a[i - 1] != (uint8_t)b[j - 1]);
            size_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = change < other ? change : other;
        }
    }
    return row[b_bytes];
}

static const struct function_entry *nearest(const struct function_table *table, struct slice name)
{
    const struct function_entry *best = NULL;
    size_t best_distance = name.len / 2 + 1;

    for (size_t i = 0; i < table->count; i++) {
        const struct function_entry *e = &table->entries[i];
        size_t d = distance(name.data, name.len, e->name, e->name_bytes);

        if (d < best_distance) {
            best_distance = d;
            best = e;
        }
    }
    return best;
}

void function_unknown_text(
    const struct function_table *table, struct slice name, char *text, size_t text_bytes)
{
    const struct function_entry *best = nearest(table, name);
    size_t at;

    at = (size_t)snprintf(text, text_bytes, "module %s has no function \"%.*s\"", table->module,
        (int)name.len, (const char *)name.data);
    if (best != NULL && at < text_bytes)
        at += (size_t)snprintf(text + at, text_bytes - at, "; did you mean \"%s\"?", best->name);
    for (size_t i = 0; i < table->count && at < text_bytes; i++)
        at += (size_t)snprintf(text + at, text_bytes - at, "%s%s", i == 0 ? "; it has " : ", ",
            table->entries[i].name);
}
