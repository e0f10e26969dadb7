/* The command line of ganger-worker. */
#ifndef WORKER_OPTIONS_H
#define WORKER_OPTIONS_H

#include "client/include/ganger/worker.h"

#include <stdbool.h>

struct options {
    struct ganger_worker_config config;
    const char *module; /* path of the shared object, NULL for commands */
    bool show_help, show_version;
    /* Owned; the configuration points into them. */
    struct ganger_worker_rlimit *rlimits;
    const char **env, **command;
    unsigned char *init_args;
};

/*
 * Read the command line. Returns 0, or GANGER_EINVAL or GANGER_ENOMEM with the reason in ERR.
 * options_done() frees what was made in any case.
 */
int options_read(struct options *o, int argc, char **argv, char *err, size_t err_bytes);
void options_done(struct options *o);

/* The text of --help. */
const char *options_help(void);

#endif
