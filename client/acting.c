#include "acting.h"

#include "proto/id.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct acting acting;
static bool is_worker;

static uint64_t number_read(const char *text)
{
    char *end;
    unsigned long long number;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return 0;
    errno = 0;
    number = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' ? number : 0;
}

void acting_from_environment(void)
{
    const char *text;
    uint64_t id = 0, fence;

    if (is_worker)
        return;
    text = secure_getenv("GANGER_TASK_ID");
    fence = number_read(secure_getenv("GANGER_FENCE"));
    if (text == NULL || id_parse(text, &id) < 0 || fence == 0)
        acting_set(0, 0);
    else
        acting_set(id, fence);
}

void acting_forget_environment(void)
{
    is_worker = true;
    acting_set(0, 0);
    (void)unsetenv("GANGER_TASK_ID");
    (void)unsetenv("GANGER_ATTEMPT");
    (void)unsetenv("GANGER_FENCE");
}
