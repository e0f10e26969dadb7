/*
 * ganger-worker: the stock agent of a pool. Reads its options, says how the module is loaded,
 * and leaves the rest to the worker runtime of libganger.
 */
#include "worker/module.h"
#include "worker/options.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define EXIT_USAGE        2
#define MMAP_FROM_BYTES   (16 * 1024 * 1024)
#define MEMORY_KEPT_BYTES (32 * 1024 * 1024)

/* Standard error is the log; <3> is the journald prefix for an error. */
static int complain(const struct options *o, const char *reason, int status)
{
    (void)fprintf(stderr, "<3>ganger-worker pool=%s: %s\n",
        o->config.pool != NULL ? o->config.pool : "?", reason);
    return status;
}

/* The module's load, whose failure is told here as well as to the daemon. */
static int load(void *arg, const struct ganger_module **ret_module, char *err, size_t err_bytes)
{
    const struct options *o = arg;
    union {
        const char *from;
        void *to;
    } path = { o->module };
    int rc = module_load(path.to, ret_module, err, err_bytes);

    if (rc < 0)
        (void)complain(o, err, 1);
    return rc;
}

static int work(struct options *o)
{
    char err[1024] = "";

    if (o->module != NULL) {
        o->config.load = load;
        o->config.load_arg = o;
    }
    if (ganger_worker_run(&o->config, err, sizeof err) < 0)
        return complain(o, err, 1);
    return 0;
}

/* As in gangerd: what a large chunk needed, the next one finds without faulting it in anew. */
static void memory_keep(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT_BYTES);
}

int main(int argc, char **argv)
{
    struct options o;
    char err[1024] = "";
    int status = 0;

    memory_keep();
    if (options_read(&o, argc, argv, err, sizeof err) < 0)
        status = complain(&o, err, EXIT_USAGE);
    else if (o.show_help)
        (void)fputs(options_help(), stdout);
    else if (o.show_version)
        (void)puts("ganger-worker " GANGER_VERSION);
    else
        status = work(&o);
    options_done(&o);
    return status;
}
