/* The command line of gangerd. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "conf/conf.h"

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses, also in gangerd(8). */
enum exit_status {
    EXIT_CLEAN = 0,    /* stopped as asked, or --check found nothing wrong */
    EXIT_CONFIG = 1,   /* configuration or usage */
    EXIT_JOURNAL = 2,  /* the journal cannot be opened */
    EXIT_SOCKET = 3,   /* the socket cannot be listened on */
    EXIT_INTERNAL = 4, /* anything else */
};

/* Strings are borrowed from the command line; NULL: not given. */
struct options {
    const char *config, *socket, *journal, *pid_file;
    int log_level; /* -1: not given */
    bool check, help, version;
};

/* Read the command line. GANGER_EINVAL: ERR says what is wrong with it. */
int options_parse(int argc, char **argv, struct options *ret_options, char *err, size_t err_bytes);

/* Let what was given on the command line hold over CONF. GANGER_ENOMEM; GANGER_EINVAL with ERR. */
int options_apply(const struct options *options, struct conf *conf, char *err, size_t err_bytes);

/* The text of --help. */
const char *options_help(void);

#endif
