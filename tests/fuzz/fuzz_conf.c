/* Any bytes as a configuration: it loads or has errors that can be shown, and never crashes. */
#include "conf/conf.h"
#include "proto/assert.h"
#include "proto/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_errors(const struct conf_errors *errors)
{
    GANGER_ASSERT(errors->count >= 1 && errors->count <= CONF_ERRORS_MAX);
    for (size_t i = 0; i < errors->count; i++) {
        GANGER_ASSERT(strncmp(errors->text[i], "fuzz:", 5) == 0);
        for (const char *p = errors->text[i]; *p != '\0'; p++)
            GANGER_ASSERT((unsigned char)*p >= 0x20 && *p != 0x7F);
    }
}

/* What loads differs from itself in nothing. */
static void check_conf(const struct conf *conf)
{
    struct conf_change *changes = NULL;
    size_t count = 1;

    GANGER_ASSERT(conf->socket.path != NULL && conf->socket.path[0] == '/');
    GANGER_ASSERT(conf_diff(conf, conf, &changes, &count) == 0);
    GANGER_ASSERT(count == 0);
    free(changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_errors errors;
    struct conf *conf = NULL;
    int rc = conf_load_text((const char *)data, size, "fuzz", &errors, &conf);

    GANGER_ASSERT(rc == 0 || rc == GANGER_ECONF);
    if (rc == 0) {
        check_conf(conf);
        GANGER_ASSERT(errors.count == 0);
    } else {
        check_errors(&errors);
    }
    conf_free(conf);
    conf_errors_done(&errors);
    return 0;
}
