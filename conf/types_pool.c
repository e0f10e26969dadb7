#include "conf/schema.h"
#include "conf/units.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENV_VARIABLE_MAX 131071u /* bytes of NAME=VALUE that the kernel takes, without its NUL */

/* CPUs that this process may run on. */
static uint32_t cpus_count(void)
{
    for (int cpus = 1024; cpus <= 65536; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        int n = 0;

        if (set == NULL)
            break;
        if (sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)cpus), set) == 0)
            n = CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)cpus), set);
        CPU_FREE(set);
        if (n > 0)
            return (uint32_t)n < GANGER_PROCESSES_MAX ? (uint32_t)n : GANGER_PROCESSES_MAX;
    }
    return 1;
}

static void processes_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    static const char wanted[] = "a whole number, or cpus for one process per CPU";
    const char *text = reader_text(r, node, wanted);
    struct conf_pool *pool = record;
    uint64_t value;

    if (text == NULL)
        return;
    if (strcmp(text, "cpus") == 0)
        pool->processes = cpus_count();
    else if (units_number(text, &value) == GANGER_EINVAL)
        reader_refuse(r, node, wanted);
    else
        type_number.read(r, key, node, record);
}

static bool processes_same(const struct conf_key *key, const void *record, const void *other)
{
    return type_number.same(key, record, other);
}

const struct conf_type type_processes = { processes_read, processes_same, NULL };

static void nice_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    static const char wanted[] = "a whole number from -20 to 19";
    const char *text = reader_text(r, node, wanted);
    struct conf_pool *pool = record;
    uint64_t value = 0;
    bool negative;

    (void)key;
    if (text == NULL)
        return;
    negative = text[0] == '-';
    if (!node->plain || units_number(text + (negative ? 1 : 0), &value) < 0 ||
        value > (negative ? 20u : 19u))
        reader_refuse(r, node, wanted);
    else
        pool->nice = negative ? -(int32_t)value : (int32_t)value;
}

static bool nice_same(const struct conf_key *key, const void *record, const void *other)
{
    const struct conf_pool *a = record;
    const struct conf_pool *b = other;

    (void)key;
    return a->nice == b->nice;
}

const struct conf_type type_nice = { nice_read, nice_same, NULL };

static void module_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    struct conf_pool *pool = record;

    type_path.read(r, key, node, record);
    pool->kind = CONF_POOL_MODULE;
}

static bool module_same(const struct conf_key *key, const void *record, const void *other)
{
    return type_path.same(key, record, other);
}

static void module_done(const struct conf_key *key, void *record)
{
    type_path.done(key, record);
}

const struct conf_type type_module = { module_read, module_same, module_done };

static void command_free(char **command)
{
    for (size_t i = 0; command != NULL && command[i] != NULL; i++)
        free(command[i]);
    free(command);
}

static void command_done(const struct conf_key *key, void *record)
{
    struct conf_pool *pool = record;

    (void)key;
    command_free(pool->command);
    pool->command = NULL;
}

/* Check the program of a command: a path, or a name that PATH is searched for. */
static bool program_valid(struct reader *r, const struct node *node)
{
    struct quoted q;

    if (node->bytes == 0) {
        reader_error(r, node, "the program is empty; give an absolute path or a name in PATH");
        return false;
    }
    if (node->text[0] != '/' && strchr(node->text, '/') != NULL) {
        reader_error(r, node, "%s is a relative path; give an absolute one or a name in PATH",
            report_quote(&q, node->text, node->bytes));
        return false;
    }
    return true;
}

/* A copy of the words of one node or of the items of a list; NULL after a report. */
static char **words_copy(struct reader *r, const struct node *first, size_t count)
{
    char **words = calloc(count + 1, sizeof *words);
    const struct node *n = first;

    if (words == NULL) {
        reader_no_memory(r);
        return NULL;
    }
    for (size_t i = 0; i < count; i++, n = n->next) {
        const char *text = reader_text(r, n, "a word of the command; write \"\" for an empty one");

        if (text != NULL)
            words[i] = strdup(text);
        if (words[i] == NULL) {
            if (text != NULL)
                reader_no_memory(r);
            command_free(words);
            return NULL;
        }
    }
    return words;
}

static void command_take(struct reader *r, const struct node *first, size_t count, void *record)
{
    struct conf_pool *pool = record;
    char **words = words_copy(r, first, count);

    if (words == NULL)
        return;
    if (!program_valid(r, first)) {
        command_free(words);
        return;
    }
    command_free(pool->command);
    pool->command = words;
}

static void command_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    static const char wanted[] = "a program, a list of program and arguments, or any";
    struct conf_pool *pool = record;
    const char *text;
    struct quoted q;

    (void)key;
    pool->kind = CONF_POOL_COMMAND;
    if (node->kind == NODE_SEQUENCE) {
        if (node->count == 0 || node->count > CONF_ARGS_MAX)
            reader_error(r, node, "a command has 1 to %u words", CONF_ARGS_MAX);
        else
            command_take(r, node->first, node->count, record);
        return;
    }
    text = reader_text(r, node, wanted);
    if (text == NULL)
        return;
    if (strcmp(text, "any") == 0)
        pool->kind = CONF_POOL_COMMAND_ANY;
    else if (strpbrk(text, " \t\n") != NULL)
        reader_error(r, node,
            "%s holds a space, and no shell splits it; write a list: [program, argument]",
            report_quote(&q, text, node->bytes));
    else
        command_take(r, node, 1, record);
}

static bool command_same(const struct conf_key *key, const void *record, const void *other)
{
    const struct conf_pool *a = record;
    const struct conf_pool *b = other;
    size_t i = 0;

    (void)key;
    if ((a->kind == CONF_POOL_COMMAND_ANY) != (b->kind == CONF_POOL_COMMAND_ANY))
        return false;
    if (a->command == NULL || b->command == NULL)
        return a->command == b->command;
    while (a->command[i] != NULL && b->command[i] != NULL) {
        if (strcmp(a->command[i], b->command[i]) != 0)
            return false;
        i++;
    }
    return a->command[i] == b->command[i];
}

const struct conf_type type_command = { command_read, command_same, command_done };

static void external_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    struct conf_pool *pool = record;

    (void)key;
    if (node->kind == NODE_SCALAR && node->plain && strcmp(node->text, "true") == 0)
        pool->kind = CONF_POOL_EXTERNAL;
    else
        reader_refuse(r, node, "true; remove the key for a pool that gangerd starts");
}

static bool external_same(const struct conf_key *key, const void *record, const void *other)
{
    const struct conf_pool *a = record;
    const struct conf_pool *b = other;

    (void)key;
    return (a->kind == CONF_POOL_EXTERNAL) == (b->kind == CONF_POOL_EXTERNAL);
}

const struct conf_type type_external = { external_read, external_same, NULL };

static void init_done(const struct conf_key *key, void *record)
{
    struct conf_pool *pool = record;

    (void)key;
    free(pool->init);
    pool->init = NULL;
    pool->init_bytes = 0;
}

static void init_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    struct conf_pool *pool = record;
    uint8_t *data = NULL;
    size_t bytes = 0;

    if (init_encode(r, node, &data, &bytes) < 0)
        return;
    init_done(key, record);
    pool->init = data;
    pool->init_bytes = bytes;
}

static bool init_same(const struct conf_key *key, const void *record, const void *other)
{
    const struct conf_pool *a = record;
    const struct conf_pool *b = other;

    (void)key;
    return a->init_bytes == b->init_bytes &&
           (a->init_bytes == 0 || memcmp(a->init, b->init, a->init_bytes) == 0);
}

const struct conf_type type_init = { init_read, init_same, init_done };

static void env_done(const struct conf_key *key, void *record)
{
    struct conf_pool *pool = record;

    (void)key;
    for (size_t i = 0; i < pool->env_count; i++) {
        free(pool->env[i].name);
        free(pool->env[i].value);
    }
    free(pool->env);
    pool->env = NULL;
    pool->env_count = 0;
}

static bool env_name_valid(const char *name, size_t bytes)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

    return n == bytes && n != 0 && (name[0] < '0' || name[0] > '9');
}

/* Add the variable of KEY to POOL, whose array has room. */
static void env_add(struct reader *r, const struct node *key, struct conf_pool *pool)
{
    struct conf_env *env = &pool->env[pool->env_count];
    const char *value;
    struct quoted q;

    if (!env_name_valid(key->text, key->bytes)) {
        reader_error(r, key, "%s is no name of a variable; use letters, digits and _",
            report_quote(&q, key->text, key->bytes));
        return;
    }
    value = reader_text(r, key->value, "a value; write \"\" for an empty one");
    if (value == NULL)
        return;
    if (key->bytes + 1 + key->value->bytes > ENV_VARIABLE_MAX) {
        reader_error(r, key->value, "the variable is longer than %u bytes", ENV_VARIABLE_MAX);
        return;
    }
    pool->env_count++;
    env->name = strdup(key->text);
    env->value = strdup(value);
    if (env->name == NULL || env->value == NULL)
        reader_no_memory(r);
}

static void env_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    struct conf_pool *pool = record;

    if (node->kind != NODE_MAPPING) {
        reader_refuse(r, node, "a mapping of names and values");
        return;
    }
    if (node->count > CONF_ENV_MAX) {
        reader_error(r, node, "%zu variables; at most %u are allowed", node->count, CONF_ENV_MAX);
        return;
    }
    env_done(key, record);
    if (node->count == 0)
        return;
    pool->env = calloc(node->count, sizeof *pool->env);
    if (pool->env == NULL) {
        reader_no_memory(r);
        return;
    }
    for (const struct node *n = node->first; n != NULL; n = n->next)
        env_add(r, n, pool);
}

static bool env_same(const struct conf_key *key, const void *record, const void *other)
{
    const struct conf_pool *a = record;
    const struct conf_pool *b = other;

    (void)key;
    if (a->env_count != b->env_count)
        return false;
    for (size_t i = 0; i < a->env_count; i++) {
        if (strcmp(a->env[i].name, b->env[i].name) != 0 ||
            strcmp(a->env[i].value, b->env[i].value) != 0)
            return false;
    }
    return true;
}

const struct conf_type type_env = { env_read, env_same, env_done };

static void rlimits_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    (void)key;
    table_read(r, &conf_table_rlimits, node, record);
}

static bool rlimits_same(const struct conf_key *key, const void *record, const void *other)
{
    const struct conf_pool *a = record;
    const struct conf_pool *b = other;

    (void)key;
    for (size_t i = 0; i < CONF_RLIMITS; i++) {
        if (a->rlimits[i].given != b->rlimits[i].given ||
            a->rlimits[i].value != b->rlimits[i].value)
            return false;
    }
    return true;
}

const struct conf_type type_rlimits = { rlimits_read, rlimits_same, NULL };

/* Read one resource limit, whose value TYPE reads unless it is "unlimited". */
static void rlimit_read(struct reader *r, const struct conf_key *key, const struct node *node,
    void *record, const struct conf_type *type, const char *wanted)
{
    struct conf_rlimit *limit = key_field(key, record);
    const char *text = reader_text(r, node, wanted);
    /* The same key, for the value inside of the limit. */
    struct conf_key inner = *key;

    if (text == NULL)
        return;
    inner.offset = key->offset + offsetof(struct conf_rlimit, value);
    inner.size = sizeof limit->value;
    if (strcmp(text, "unlimited") == 0)
        limit->value = CONF_UNLIMITED;
    else
        type->read(r, &inner, node, record);
    limit->given = true;
}

static void rlimit_size_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    rlimit_read(r, key, node, record, &type_size, "a size, as in 512MiB, or unlimited");
}

static void rlimit_number_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    rlimit_read(r, key, node, record, &type_number, "a whole number, or unlimited");
}

static void rlimit_seconds_read(
    struct reader *r, const struct conf_key *key, const struct node *node, void *record)
{
    struct conf_rlimit *limit = key_field(key, record);
    size_t errors = reader_errors(r);

    rlimit_read(r, key, node, record, &type_duration, "a duration in seconds, or unlimited");
    /* The kernel counts seconds; a part of one counts as a whole. */
    if (errors == reader_errors(r) && limit->value != CONF_UNLIMITED)
        limit->value = (limit->value + 999) / 1000;
}

/* Compared as a whole, by type_rlimits. */
static bool rlimit_same(const struct conf_key *key, const void *record, const void *other)
{
    return rlimits_same(key, record, other);
}

const struct conf_type type_rlimit_size = { rlimit_size_read, rlimit_same, NULL };
const struct conf_type type_rlimit_number = { rlimit_number_read, rlimit_same, NULL };
const struct conf_type type_rlimit_seconds = { rlimit_seconds_read, rlimit_same, NULL };
