/*
 * What may stand in the file: one table per section, one row per key.
 *
 * A row names the type that reads, compares and frees its field, the default as an operator would
 * write it, the bounds, and when a change takes effect. tables.c has the rows; types.c and
 * types_pool.c have the types; load.c walks a file along the tables, diff.c two configurations.
 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include "conf/conf.h"
#include "conf/report.h"
#include "conf/tree.h"

#define READER_PATH_MAX 320u

/* One load. PATH names what is being read: "pools.words.backlog". */
struct reader {
    struct report *report;
    char path[READER_PATH_MAX];
    size_t path_bytes;
};

struct conf_key;

/* RECORD is the struct that holds the field; the field is at key->offset, key->size bytes. */
struct conf_type {
    /* Set the field from NODE, or report why not; then the field is as before. */
    void (*read)(
        struct reader *r, const struct conf_key *key, const struct node *node, void *record);
    bool (*same)(const struct conf_key *key, const void *record, const void *other);
    void (*done)(const struct conf_key *key, void *record); /* NULL: nothing to free */
};

struct conf_key {
    const char *name;
    const struct conf_type *type;
    const char *preset; /* the default as written in a file; NULL: none, or computed */
    uint64_t min;
    uint64_t max;
    size_t offset;
    size_t size;
    enum conf_apply apply;
};

struct conf_table {
    const char *name; /* of the section that holds the keys */
    enum conf_section section;
    size_t count;
    const struct conf_key *keys;
};

extern const struct conf_table conf_table_socket;
extern const struct conf_table conf_table_journal;
extern const struct conf_table conf_table_log;
extern const struct conf_table conf_table_limits;
extern const struct conf_table conf_table_pool;
extern const struct conf_table conf_table_rlimits; /* fields are in struct conf_pool */

#define CONF_TABLES 6u
extern const struct conf_table *const conf_tables[CONF_TABLES];

/* types.c */
extern const struct conf_type type_number;   /* uint32_t or uint64_t */
extern const struct conf_type type_percent;  /* uint32_t; "10" or "10%" */
extern const struct conf_type type_duration; /* uint64_t, milliseconds */
extern const struct conf_type type_size;     /* uint32_t or uint64_t, bytes */
extern const struct conf_type type_flag;
extern const struct conf_type type_path;   /* char *, absolute, key->max bytes */
extern const struct conf_type type_mode;   /* uint32_t */
extern const struct conf_type type_group;  /* gid_t */
extern const struct conf_type type_level;  /* int, LOG_... */
extern const struct conf_type type_format; /* enum log_format */

/* types_pool.c */
extern const struct conf_type type_processes; /* uint32_t; a number or "cpus" */
extern const struct conf_type type_nice;      /* int32_t */
extern const struct conf_type type_module;
extern const struct conf_type type_command;
extern const struct conf_type type_external;
extern const struct conf_type type_init;
extern const struct conf_type type_env;
extern const struct conf_type type_rlimits;
extern const struct conf_type type_rlimit_size;
extern const struct conf_type type_rlimit_number;
extern const struct conf_type type_rlimit_seconds;

static inline void *key_field(const struct conf_key *key, void *record)
{
    return (char *)record + key->offset;
}

static inline const void *key_field_const(const struct conf_key *key, const void *record)
{
    return (const char *)record + key->offset;
}

/* Go into the part NAME of what is being read; the result is for reader_leave(). */
size_t reader_enter(struct reader *r, const char *name);
void reader_leave(struct reader *r, size_t before);

/* Report `PATH: message` at NODE. */
void reader_error(struct reader *r, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Report that NODE is not what is WANTED ("a duration, as in 30s"). */
void reader_refuse(struct reader *r, const struct node *node, const char *wanted);

/* How many errors were found so far. */
size_t reader_errors(const struct reader *r);

/* Report that memory is short; the load fails. */
void reader_no_memory(struct reader *r);

/*
 * The text of a scalar (borrowed), or NULL after a report: a list, a mapping, nothing, or text
 * that holds a NUL. WANTED as in reader_refuse().
 */
const char *reader_text(struct reader *r, const struct node *node, const char *wanted);

/* Set each field of RECORD that has a default. */
void table_preset(struct reader *r, const struct conf_table *table, void *record);

/* Read MAPPING into RECORD. What is not a mapping, unknown keys and bad values are reported. */
void table_read(
    struct reader *r, const struct conf_table *table, const struct node *mapping, void *record);

/* Free what the fields of RECORD own. */
void table_done(const struct conf_table *table, void *record);

/*
 * NODE's value as msgpack in new memory, typed as YAML's core schema says. Reports and returns
 * GANGER_ECONF for what has no msgpack form; GANGER_ENOMEM.
 */
int init_encode(struct reader *r, const struct node *node, uint8_t **ret_data, size_t *ret_bytes);

/* Is TEXT (BYTES long) a name: 1..GANGER_NAME_MAX of [A-Za-z0-9._-], not a sign first? */
bool name_valid(const char *text, size_t bytes);

#endif
