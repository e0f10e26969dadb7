/* The functions of a pool, found by name. */
#ifndef CLIENT_WORKER_FUNCTION_H
#define CLIENT_WORKER_FUNCTION_H

#include "client/include/ganger/worker.h"
#include "proto/pack.h"

#include <stdbool.h>

struct function_entry {
    const char *name;
    size_t name_bytes;
    int (*run)(struct ganger_task *task);
    bool slow; /* its last run was long: send what is gathered before it begins */
};

struct function_table {
    const char *module;
    struct function_entry *entries; /* sorted by name */
    size_t count;
    struct function_entry *last; /* the last one found */
};

/*
 * Make the table of MODULE. Returns 0; GANGER_EMODULE with the reason in ERR when the module has
 * another layout, no functions, a bad name or one name twice; GANGER_ENOMEM. Undone by
 * function_table_done().
 */
int function_table_init(
    struct function_table *table, const struct ganger_module *module, char *err, size_t err_bytes);
void function_table_done(struct function_table *table);

/* The entry of NAME or NULL; borrowed. */
struct function_entry *function_find(struct function_table *table, struct slice name);

/* Text for a name that is not there: the nearest one, and those that there are (cut at the end). */
void function_unknown_text(
    const struct function_table *table, struct slice name, char *text, size_t text_bytes);

#endif
