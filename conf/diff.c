#include "conf/schema.h"
#include "proto/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A growing list of changes. */
struct changes {
    struct conf_change *list;
    size_t count;
    size_t room;
    bool failed;
};

static void change_add(struct changes *c, struct conf_change change)
{
    if (c->count == c->room) {
        size_t room = c->room * 2 + 16;
        struct conf_change *larger = realloc(c->list, room * sizeof *larger);

        if (larger == NULL) {
            c->failed = true;
            return;
        }
        c->list = larger;
        c->room = room;
    }
    c->list[c->count++] = change;
}

/* Add what differs between two records of TABLE; NAME is that of a pool or NULL. */
static void table_diff(struct changes *c, const struct conf_table *table, const char *name,
    const void *old, const void *updated)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_key *key = &table->keys[i];

        if (!key->type->same(key, old, updated))
            change_add(c,
                (struct conf_change){ table->section, CONF_CHANGED, key->apply, name, key->name });
    }
}

static void journal_diff(struct changes *c, const struct conf *old, const struct conf *updated)
{
    /* Between a directory and memory there is one change, not one of each key. */
    if (old->journal.memory != updated->journal.memory)
        change_add(c, (struct conf_change){
                          CONF_SECTION_JOURNAL, CONF_CHANGED, CONF_APPLY_RESTART, NULL, NULL });
    else if (!old->journal.memory)
        table_diff(c, &conf_table_journal, NULL, &old->journal, &updated->journal);
}

/* One entry of a list of named things, for finding it by name in the other list. */
struct entry {
    const char *name;
    size_t index;
};

static int entry_compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* What semaphores and pools have in common: a name first, and how two of one name are compared. */
struct named_list {
    enum conf_section section;
    size_t stride;
    void (*compare)(struct changes *c, const void *old, const void *updated);
};

static const void *item_at(const struct named_list *l, const void *items, size_t i)
{
    return (const char *)items + i * l->stride;
}

static const char *item_name(const struct named_list *l, const void *items, size_t i)
{
    char *name;

    memcpy(&name, item_at(l, items, i), sizeof name);
    return name;
}

/* The entries of ITEMS by name, NULL without memory. COUNT may be 0. */
static struct entry *entries_sort(const struct named_list *l, const void *items, size_t count)
{
    struct entry *entries = calloc(count + 1, sizeof *entries);

    if (entries == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct entry){ item_name(l, items, i), i };
    qsort(entries, count, sizeof *entries, entry_compare);
    return entries;
}

static const struct entry *entry_find(const struct entry *entries, size_t count, const char *name)
{
    const struct entry wanted = { name, 0 };

    return bsearch(&wanted, entries, count, sizeof *entries, entry_compare);
}

static void named_diff(struct changes *c, const struct named_list *l, const void *old,
    size_t old_count, const void *updated, size_t updated_count)
{
    struct entry *before = entries_sort(l, old, old_count);
    struct entry *after = entries_sort(l, updated, updated_count);

    c->failed = c->failed || before == NULL || after == NULL;
    for (size_t i = 0; !c->failed && i < updated_count; i++) {
        const char *name = item_name(l, updated, i);
        const struct entry *e = entry_find(before, old_count, name);

        if (e == NULL)
            change_add(
                c, (struct conf_change){ l->section, CONF_ADDED, CONF_APPLY_NOW, name, NULL });
        else
            l->compare(c, item_at(l, old, e->index), item_at(l, updated, i));
    }
    for (size_t i = 0; !c->failed && i < old_count; i++) {
        const char *name = item_name(l, old, i);

        if (entry_find(after, updated_count, name) == NULL)
            change_add(c,
                (struct conf_change){ l->section, CONF_REMOVED, CONF_APPLY_RESTART, name, NULL });
    }
    free(before);
    free(after);
}

static void semaphore_compare(struct changes *c, const void *old, const void *updated)
{
    const struct conf_semaphore *a = old;
    const struct conf_semaphore *b = updated;

    if (a->permits != b->permits)
        change_add(c, (struct conf_change){
                          CONF_SECTION_SEMAPHORE, CONF_CHANGED, CONF_APPLY_NOW, b->name, NULL });
}

static void pool_compare(struct changes *c, const void *old, const void *updated)
{
    table_diff(c, &conf_table_pool, ((const struct conf_pool *)updated)->name, old, updated);
}

int conf_diff(const struct conf *old, const struct conf *updated, struct conf_change **ret_changes,
    size_t *ret_count)
{
    static const struct named_list semaphores = { CONF_SECTION_SEMAPHORE,
        sizeof(struct conf_semaphore), semaphore_compare };
    static const struct named_list pools = { CONF_SECTION_POOL, sizeof(struct conf_pool),
        pool_compare };
    struct changes c = { 0 };

    table_diff(&c, &conf_table_socket, NULL, &old->socket, &updated->socket);
    journal_diff(&c, old, updated);
    table_diff(&c, &conf_table_log, NULL, &old->log, &updated->log);
    table_diff(&c, &conf_table_limits, NULL, &old->limits, &updated->limits);
    named_diff(&c, &semaphores, old->semaphores, old->semaphore_count, updated->semaphores,
        updated->semaphore_count);
    named_diff(&c, &pools, old->pools, old->pool_count, updated->pools, updated->pool_count);
    if (c.failed) {
        free(c.list);
        return GANGER_ENOMEM;
    }
    *ret_changes = c.list;
    *ret_count = c.count;
    return 0;
}

void conf_change_path(const struct conf_change *change, char *buf, size_t bytes)
{
    static const char *const sections[] = {
        [CONF_SECTION_SOCKET] = "socket",
        [CONF_SECTION_JOURNAL] = "journal",
        [CONF_SECTION_LOG] = "log",
        [CONF_SECTION_LIMITS] = "limits",
        [CONF_SECTION_SEMAPHORE] = "semaphores",
        [CONF_SECTION_POOL] = "pools",
    };

    (void)snprintf(buf, bytes, "%s%s%s%s%s", sections[change->section],
        change->name != NULL ? "." : "", change->name != NULL ? change->name : "",
        change->key != NULL ? "." : "", change->key != NULL ? change->key : "");
}
