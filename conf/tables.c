/* The keys of gangerd.yaml. gangerd.yaml(5) and packaging/gangerd.yaml say the same in words. */
#include "conf/schema.h"
#include "proto/limits.h"

#include <limits.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

#define MS     UINT64_C(1)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define COUNT_MAX    1000000000u /* of things that are counted in memory */
#define RLIMIT_COUNT INT32_MAX
#define RLIMIT_BYTES (1024 * TIB)

/* name, type, default, least, most, field, when a change takes effect */
#define KEY(record, name, type, preset, min, max, member, apply)                                   \
    {                                                                                              \
        name, &type_##type, preset, min, max, offsetof(struct record, member),                     \
            sizeof(((struct record *)0)->member), CONF_APPLY_##apply                               \
    }
#define TABLE(keys) sizeof(keys) / sizeof((keys)[0]), keys

static const struct conf_key socket_keys[] = {
    KEY(conf_socket, "path", path, NULL, 0, CONF_SOCKET_MAX, path, RESTART),
    KEY(conf_socket, "mode", mode, "0600", 0, 0, mode, RESTART),
    KEY(conf_socket, "group", group, NULL, 0, 0, group, RESTART),
};

static const struct conf_key journal_keys[] = {
    KEY(conf_journal, "dir", path, NULL, 0, PATH_MAX - 64, dir, RESTART),
    KEY(conf_journal, "segment", size, "16MiB", 64 * KIB, GIB, segment_bytes, RESTART),
    KEY(conf_journal, "max", size, "8GiB", 256 * KIB, 1024 * TIB, max_bytes, RESTART),
};

static const struct conf_key log_keys[] = {
    KEY(conf_log, "level", level, "info", 0, 0, level, NOW),
    KEY(conf_log, "format", format, "auto", 0, 0, format, NOW),
};

static const struct conf_key limits_keys[] = {
    KEY(conf_limits, "tasks", number, "67108864", 1, COUNT_MAX, tasks_max, NOW),
    KEY(conf_limits, "results", size, "1GiB", 0, 1024 * GIB, results_bytes, NOW),
    KEY(conf_limits, "sessions", number, "10000", 1, 1000000, sessions_max, NOW),
    KEY(conf_limits, "session_out", size, "8MiB", 64 * KIB, GIB, session_out_bytes, NOW),
    KEY(conf_limits, "handshake", duration, "5s", 100 * MS, 10 * MINUTE, handshake_ms, NOW),
    KEY(conf_limits, "grace", duration, "5s", 0, HOUR, grace_ms, NOW),
    KEY(conf_limits, "drain", duration, "30s", 0, DAY, drain_ms, NOW),
};

#define POOL(name, type, preset, min, max, member, apply)                                          \
    KEY(conf_pool, name, type, preset, min, max, member, apply)

static const struct conf_key pool_keys[] = {
    POOL("module", module, NULL, 0, PATH_MAX - 1, module, AGENT),
    POOL("command", command, NULL, 0, 0, command, AGENT),
    POOL("external", external, NULL, 0, 0, kind, AGENT),
    POOL("init", init, NULL, 0, 0, init, AGENT),
    POOL("init_timeout", duration, "30s", 10 * MS, DAY, init_timeout_ms, AGENT),
    POOL("processes", processes, "cpus", 1, GANGER_PROCESSES_MAX, processes, NOW),
    POOL("max_tasks_per_child", number, "0", 0, COUNT_MAX, max_tasks_per_child, AGENT),
    POOL("early_deaths", number, "5", 1, 1000, early_deaths, NOW),
    POOL("backlog", number, "1000000", 1, COUNT_MAX, backlog_tasks, NOW),
    POOL("backlog_bytes", size, "1GiB", 4 * KIB, 1024 * TIB, backlog_bytes, NOW),
    POOL("priority", number, "128", 0, GANGER_PRIORITY_MAX, priority, NOW),
    POOL("time_limit", duration, "0", 0, GANGER_DURATION_MAX_MS, time_limit_ms, NOW),
    POOL("kill_grace", duration, "5s", 0, HOUR, kill_grace_ms, NOW),
    POOL("max_attempts", number, "1", 1, GANGER_ATTEMPTS_MAX, max_attempts, NOW),
    POOL("backoff", duration, "1s", 0, GANGER_DURATION_MAX_MS, backoff_ms, NOW),
    POOL("backoff_max", duration, "5min", 0, GANGER_DURATION_MAX_MS, backoff_max_ms, NOW),
    POOL("jitter", percent, "10", 0, 100, jitter_percent, NOW),
    POOL("crash_budget", number, "3", 1, GANGER_CRASHES_MAX, crash_budget, NOW),
    POOL("retention", duration, "1h", 0, GANGER_DURATION_MAX_MS, retention_ms, NOW),
    POOL("durable", flag, "false", 0, 0, durable, NOW),
    POOL("directory", path, NULL, 0, PATH_MAX - 1, directory, AGENT),
    POOL("env", env, NULL, 0, 0, env, AGENT),
    POOL("rlimits", rlimits, NULL, 0, 0, rlimits, AGENT),
    POOL("nice", nice, "0", 0, 0, nice, AGENT),
    POOL("stdout_max", size, "1MiB", 0, GANGER_PAYLOAD_MAX, stdout_max_bytes, AGENT),
};

#define RLIMIT(name, type, max, kind) POOL(name, rlimit_##type, NULL, 0, max, rlimits[kind], AGENT)

static const struct conf_key rlimits_keys[] = {
    RLIMIT("as", size, RLIMIT_BYTES, CONF_RLIMIT_AS),
    RLIMIT("core", size, RLIMIT_BYTES, CONF_RLIMIT_CORE),
    RLIMIT("cpu", seconds, GANGER_DURATION_MAX_MS, CONF_RLIMIT_CPU),
    RLIMIT("data", size, RLIMIT_BYTES, CONF_RLIMIT_DATA),
    RLIMIT("fsize", size, RLIMIT_BYTES, CONF_RLIMIT_FSIZE),
    RLIMIT("memlock", size, RLIMIT_BYTES, CONF_RLIMIT_MEMLOCK),
    RLIMIT("nofile", number, RLIMIT_COUNT, CONF_RLIMIT_NOFILE),
    RLIMIT("nproc", number, RLIMIT_COUNT, CONF_RLIMIT_NPROC),
    RLIMIT("stack", size, RLIMIT_BYTES, CONF_RLIMIT_STACK),
};

const struct conf_table conf_table_socket = { "socket", CONF_SECTION_SOCKET, TABLE(socket_keys) };
const struct conf_table conf_table_journal = { "journal", CONF_SECTION_JOURNAL,
    TABLE(journal_keys) };
const struct conf_table conf_table_log = { "log", CONF_SECTION_LOG, TABLE(log_keys) };
const struct conf_table conf_table_limits = { "limits", CONF_SECTION_LIMITS, TABLE(limits_keys) };
const struct conf_table conf_table_pool = { "pools: NAME", CONF_SECTION_POOL, TABLE(pool_keys) };
const struct conf_table conf_table_rlimits = { "rlimits", CONF_SECTION_POOL, TABLE(rlimits_keys) };

const struct conf_table *const conf_tables[CONF_TABLES] = {
    &conf_table_socket,
    &conf_table_journal,
    &conf_table_log,
    &conf_table_limits,
    &conf_table_pool,
    &conf_table_rlimits,
};
