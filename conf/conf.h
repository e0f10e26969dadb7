/*
 * The configuration: gangerd.yaml as plain structs. gangerd.yaml(5) documents every key.
 *
 * A struct conf never changes after it was loaded; a reload loads a new one and asks conf_diff()
 * what is different. All strings and arrays belong to the struct conf and end with conf_free().
 * Nothing here is global, so any thread may load and read.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "conf/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONF_FILE_MAX   (1024u * 1024) /* bytes of a configuration file */
#define CONF_DEPTH_MAX  32u            /* nesting of mappings and sequences */
#define CONF_ERRORS_MAX 20u            /* errors that are kept of one load */
#define CONF_ARGS_MAX   256u           /* words of a command */
#define CONF_ENV_MAX    256u           /* variables of one pool */
#define CONF_UNLIMITED  UINT64_MAX     /* a resource limit spelt "unlimited" */
#define CONF_GROUP_NONE ((gid_t)-1)    /* the socket keeps the group of the process */
#define CONF_SOCKET_MAX 107u           /* bytes of a Unix socket's path */

/* socket: */
struct conf_socket {
    char *path;    /* absolute */
    uint32_t mode; /* permission bits, 0..0777 */
    gid_t group;   /* CONF_GROUP_NONE: unchanged */
};

/* journal: */
struct conf_journal {
    bool memory; /* nothing on disk: dir is NULL, the sizes mean nothing */
    char *dir;   /* absolute */
    uint64_t segment_bytes;
    uint64_t max_bytes;
};

/* log: */
struct conf_log {
    int level; /* LOG_ERR..LOG_DEBUG */
    enum log_format format;
};

/* limits: */
struct conf_limits {
    uint32_t tasks_max;         /* tasks known at once */
    uint64_t results_bytes;     /* outcomes of ended tasks that are kept */
    uint32_t sessions_max;      /* client sessions */
    uint32_t session_out_bytes; /* unsent bytes at which a session is no longer read */
    uint64_t handshake_ms;      /* time a new connection has for its hello */
    uint64_t grace_ms;          /* restart grace after an unclean stop */
    uint64_t drain_ms;          /* time that running tasks have after SIGTERM */
};

/* One entry of semaphores: */
struct conf_semaphore {
    char *name;
    uint32_t permits; /* 0..GANGER_PERMITS_MAX; 0 pauses */
};

enum conf_pool_kind {
    CONF_POOL_MODULE,      /* functions of a shared object */
    CONF_POOL_COMMAND,     /* one program; the task adds arguments */
    CONF_POOL_COMMAND_ANY, /* the task names the program */
    CONF_POOL_EXTERNAL     /* workers come by themselves; gangerd starts no agent */
};

enum conf_rlimit_kind {
    CONF_RLIMIT_AS,
    CONF_RLIMIT_CORE,
    CONF_RLIMIT_CPU,
    CONF_RLIMIT_DATA,
    CONF_RLIMIT_FSIZE,
    CONF_RLIMIT_MEMLOCK,
    CONF_RLIMIT_NOFILE,
    CONF_RLIMIT_NPROC,
    CONF_RLIMIT_STACK,
    CONF_RLIMITS /* how many kinds there are */
};

struct conf_rlimit {
    bool given;     /* false: inherited, value means nothing */
    uint64_t value; /* bytes, seconds (cpu) or a number; CONF_UNLIMITED */
};

struct conf_env {
    char *name;
    char *value;
};

/* One entry of pools: */
struct conf_pool {
    char *name;
    enum conf_pool_kind kind;
    char *module;   /* MODULE: absolute path of the shared object, else NULL */
    char **command; /* COMMAND: program and fixed arguments, NULL-terminated, else NULL */
    uint8_t *init;  /* MODULE: the initializer's argument as msgpack; NULL when not given */
    size_t init_bytes;
    uint32_t processes;           /* children; `cpus` is resolved when the file is loaded */
    uint32_t max_tasks_per_child; /* 0: no limit */
    uint32_t backlog_tasks;       /* tasks waiting at once */
    uint64_t backlog_bytes;       /* payload bytes waiting at once */
    uint64_t init_timeout_ms;     /* module load and initializer of one child */
    uint64_t kill_grace_ms;       /* from the soft signal to the kill */
    uint64_t stdout_max_bytes;    /* COMMAND: output kept as result, at most GANGER_PAYLOAD_MAX */
    uint32_t early_deaths;        /* deaths before a first task until the pool is BROKEN */
    int32_t nice;                 /* -20..19, added to the agent's own */
    char *directory;              /* working directory of children, absolute; NULL: the agent's */
    struct conf_env *env;         /* added to the environment of children */
    size_t env_count;
    struct conf_rlimit rlimits[CONF_RLIMITS]; /* soft and hard limit of children */

    /* What a task gets that does not say. */
    uint32_t priority;       /* 0..GANGER_PRIORITY_MAX, 0 is the most urgent */
    uint32_t max_attempts;   /* 1..GANGER_ATTEMPTS_MAX */
    uint32_t crash_budget;   /* children a task may kill, 1..GANGER_CRASHES_MAX */
    uint32_t jitter_percent; /* of each back-off, 0..100 */
    uint64_t time_limit_ms;  /* 0: none */
    uint64_t backoff_ms;     /* before the second attempt; doubled for each one after */
    uint64_t backoff_max_ms; /* most that doubling makes of it */
    uint64_t retention_ms;   /* a result is kept */
    bool durable;
};

struct conf {
    struct conf_socket socket;
    struct conf_journal journal;
    struct conf_log log;
    struct conf_limits limits;
    struct conf_semaphore *semaphores; /* in the order of the file */
    size_t semaphore_count;
    struct conf_pool *pools; /* in the order of the file */
    size_t pool_count;
};

/* What is wrong with a file: at most CONF_ERRORS_MAX texts, each `file:line:column: message`. */
struct conf_errors {
    char *text[CONF_ERRORS_MAX];
    size_t count;
    size_t dropped; /* further errors that were not kept */
};

/*
 * Load the file at PATH. Returns 0, or
 * GANGER_ECONF: ERRORS says what is wrong, in the order of the file;
 * GANGER_EACCES, GANGER_EIO: the file cannot be read, ERRORS has one text (`path: message`);
 * GANGER_ENOMEM.
 * ERRORS is overwritten, may be NULL, and is freed by conf_errors_done() in any case.
 * The caller owns *ret_conf.
 */
int conf_load(const char *path, struct conf_errors *errors, struct conf **ret_conf);

/* The same for TEXT_BYTES of TEXT, which need no NUL at the end; errors call the file NAME. */
int conf_load_text(const char *text, size_t text_bytes, const char *name,
    struct conf_errors *errors, struct conf **ret_conf);

/* The configuration of an empty file. GANGER_ENOMEM, or GANGER_ECONF: no default path fits. */
int conf_defaults(struct conf **ret_conf);

/* Free CONF and all it owns; NULL is allowed. */
void conf_free(struct conf *conf);

/* Free the texts of ERRORS, which is empty afterwards. */
void conf_errors_done(struct conf_errors *errors);

/* The pool or semaphore of that name (borrowed), or NULL. */
const struct conf_pool *conf_pool_find(const struct conf *conf, const char *name);
const struct conf_semaphore *conf_semaphore_find(const struct conf *conf, const char *name);

/* The key of a resource limit ("nofile") and its RLIMIT_ number. KIND is below CONF_RLIMITS. */
const char *conf_rlimit_name(enum conf_rlimit_kind kind);
int conf_rlimit_resource(enum conf_rlimit_kind kind);

/*
 * Put the path of the daemon's socket into BUF (BYTES long): $RUNTIME_DIRECTORY/ganger.sock, else
 * /run/ganger/ganger.sock for root, else $XDG_RUNTIME_DIR/ganger/ganger.sock, else
 * /tmp/ganger-UID/ganger.sock. A variable that is not an absolute path counts as not set; of
 * several directories the first counts. GANGER_ERANGE: it does not fit.
 */
int conf_default_socket(char *buf, size_t bytes);

/*
 * The journal's directory likewise: $STATE_DIRECTORY, else /var/lib/ganger for root, else
 * $XDG_STATE_HOME/ganger, else $HOME/.local/state/ganger (HOME from the user database if unset).
 */
int conf_default_journal(char *buf, size_t bytes);

/* What of the file a change is about. */
enum conf_section {
    CONF_SECTION_SOCKET,
    CONF_SECTION_JOURNAL,
    CONF_SECTION_LOG,
    CONF_SECTION_LIMITS,
    CONF_SECTION_SEMAPHORE,
    CONF_SECTION_POOL
};

enum conf_verb { CONF_CHANGED, CONF_ADDED, CONF_REMOVED };

/* When a change takes effect. */
enum conf_apply {
    CONF_APPLY_NOW,    /* at reload */
    CONF_APPLY_AGENT,  /* when the pool's agent is started again */
    CONF_APPLY_RESTART /* when gangerd is started again */
};

/* One difference. Strings are borrowed from the two configurations, or are constants. */
struct conf_change {
    enum conf_section section;
    enum conf_verb verb;
    enum conf_apply apply;
    const char *name; /* of the pool or semaphore, else NULL */
    const char *key;  /* "path", "backlog", ...; NULL for one that is added or removed, and for a
                         semaphore */
};

/*
 * What has to be done to go from OLD to UPDATED, in the order of the sections above, removed ones
 * last in their section. The caller frees *ret_changes with free() and keeps both configurations
 * as long as it reads them. GANGER_ENOMEM.
 */
int conf_diff(const struct conf *old, const struct conf *updated, struct conf_change **ret_changes,
    size_t *ret_count);

/* "pools.words.backlog", "semaphores.db", "socket.path": CHANGE as an operator would name it. */
void conf_change_path(const struct conf_change *change, char *buf, size_t bytes);

#endif
