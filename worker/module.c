#include "worker/module.h"

#include <dlfcn.h>
#include <stdio.h>

int module_load(void *arg, const struct ganger_module **ret_module, char *err, size_t err_bytes)
{
    const char *path = arg;
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (object == NULL) {
        (void)snprintf(err, err_bytes, "%s", dlerror());
        return GANGER_EMODULE;
    }
    *ret_module = dlsym(object, "ganger_module");
    if (*ret_module == NULL) {
        (void)snprintf(err, err_bytes,
            "%s has no table: it must define `const struct ganger_module ganger_module`", path);
        return GANGER_EMODULE;
    }
    return 0;
}
