/* Loading a pool's module. */
#ifndef WORKER_MODULE_H
#define WORKER_MODULE_H

#include "client/include/ganger/worker.h"

/*
 * The `load` call of struct ganger_worker_config; ARG is the path (const char *). The module stays
 * loaded to the end of the process. Returns 0 or GANGER_EMODULE with the reason in ERR: no file,
 * an unresolved symbol, no table.
 */
int module_load(void *arg, const struct ganger_module **ret_module, char *err, size_t err_bytes);

#endif
