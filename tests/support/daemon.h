/*
 * A private gangerd with real workers, in a temporary directory of its own, for tests.
 *
 * Whatever goes wrong in here fails the running test, with the daemon's log on standard error.
 * Everything the daemon starts carries its directory in the environment, so that each process can
 * be found, even one that has left every group and parent.
 */
#ifndef SUPPORT_DAEMON_H
#define SUPPORT_DAEMON_H

#include "ganger/ganger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Longest that a test waits for anything that it expects, milliseconds. */
#define DAEMON_WAIT_MS 20000

struct daemon; /* owned by the test, ended by daemon_free() */

/*
 * A directory with a configuration. In YAML "%D" stands for the directory, "%M" for the test
 * module, "%T" for the directory of the tests' other modules. The sections socket, journal and log
 * are added unless YAML has them. Nothing is started.
 */
struct daemon *daemon_new(const char *yaml);
/* Write another configuration. */
void daemon_yaml(struct daemon *d, const char *yaml);
/* Add NAME=VALUE to the environment of what is started from now on; "%D" as above. */
void daemon_env(struct daemon *d, const char *pair);
/* From now on start it without standard input, output and error: then there is no log either. */
void daemon_bare(struct daemon *d);
/* From now on start it with no more than so many open files. */
void daemon_files(struct daemon *d, unsigned most);
/* daemon_new() and daemon_start(). */
struct daemon *daemon_run(const char *yaml);

/* Start it; the first form returns at once, the second when it takes connections. */
void daemon_spawn(struct daemon *d);
void daemon_start(struct daemon *d);
/* Wait for its end: the wait status. */
int daemon_wait(struct daemon *d);
/* Whether it has ended by itself: then with its wait status. Does not wait. */
bool daemon_died(struct daemon *d, int *ret_status);
/* SIGTERM, and wait; must exit with 0. */
void daemon_stop(struct daemon *d);
void daemon_signal(const struct daemon *d, int number);
/* SIGKILL, and reap. */
void daemon_kill(struct daemon *d);
/*
 * Stop it if it runs. No process of it may be left then, and no sanitizer may have complained.
 * Removes the directory. Accepts NULL.
 */
void daemon_free(struct daemon *d);

/* A connection to it; the caller closes it. */
struct ganger *daemon_open(const struct daemon *d);
const char *daemon_dir(const struct daemon *d);
const char *daemon_socket(const struct daemon *d);
pid_t daemon_pid(const struct daemon *d);
/* DIR/NAME; valid until the 16th call after. */
const char *daemon_path(const struct daemon *d, const char *name);

/* Whether the log has TEXT, and: wait until it has. */
bool daemon_log_has(const struct daemon *d, const char *text);
void daemon_log_wait(const struct daemon *d, const char *text);
void daemon_log_print(const struct daemon *d);

/* What a process of the daemon is. */
enum daemon_role { DAEMON_SELF, DAEMON_AGENT, DAEMON_CHILD, DAEMON_OTHER };

struct daemon_process {
    pid_t pid, parent;
    enum daemon_role role;
    char state; /* as in /proc; zombies ('Z') are left out */
};

/* All living processes that the daemon or an earlier one in its directory has started. */
size_t daemon_processes(const struct daemon *d, struct daemon_process *list, size_t max);
/* How many there are of a role. */
size_t daemon_count(const struct daemon *d, enum daemon_role role);
/* The first of a role, 0 for none. */
pid_t daemon_first(const struct daemon *d, enum daemon_role role);

/* Hold a process still, whatever happens around it. False: not possible here. Then let it go. */
bool process_freeze(pid_t pid);
void process_thaw(pid_t pid);

/* Milliseconds of the monotonic clock. */
int64_t test_now_ms(void);
/* Between two looks at something that will not say when it changes. */
void test_back_off(unsigned *round);

/* Look until COND holds, at most DAEMON_WAIT_MS; otherwise the test fails. */
#define UNTIL(d, cond)                                                                             \
    do {                                                                                           \
        int64_t until_end = test_now_ms() + DAEMON_WAIT_MS;                                        \
        unsigned until_round = 0;                                                                  \
        while (!(cond)) {                                                                          \
            if (test_now_ms() >= until_end) {                                                      \
                daemon_log_print(d);                                                               \
                fail_msg("never came true: %s", #cond);                                            \
            }                                                                                      \
            test_back_off(&until_round);                                                           \
        }                                                                                          \
    } while (0)

#endif
