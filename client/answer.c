/* What typed helpers read out of the daemon's answers: fields of msgpack maps, by name. */
#include "answer.h"

#include "proto/pack.h"

#include <string.h>

/* The unsigned number under KEY in the map at C, which is read to its end. */
static int map_number(struct cursor *c, const char *key, uint64_t *ret_number)
{
    uint32_t pairs = read_map(c, UINT32_MAX);
    int rc = GANGER_EPROTO;

    for (uint32_t i = 0; i < pairs && c->error == 0; i++) {
        struct slice name = read_str(c, SIZE_MAX);

        if (name.len != strlen(key) || memcmp(name.data, key, name.len) != 0) {
            read_skip(c);
            continue;
        }
        *ret_number = read_uint(c, UINT64_MAX);
        rc = c->error;
    }
    return c->error != 0 ? c->error : rc;
}

int pools_processes(const void *value, size_t len, uint32_t *ret_processes)
{
    struct cursor c = cursor_make(value, len);
    uint64_t processes;

    if (read_array(&c, UINT32_MAX) == 0)
        return GANGER_EPROTO;
    if (map_number(&c, "processes", &processes) < 0 || processes > UINT32_MAX)
        return GANGER_EPROTO;
    *ret_processes = (uint32_t)processes;
    return 0;
}

int sem_parse(const void *value, size_t len, struct ganger_sem_value *ret_value)
{
    struct cursor c[3] = { cursor_make(value, len), cursor_make(value, len),
        cursor_make(value, len) };
    struct ganger_sem_value v;

    if (map_number(&c[0], "limit", &v.limit) < 0 || map_number(&c[1], "held", &v.held) < 0 ||
        map_number(&c[2], "waiting", &v.waiting) < 0)
        return GANGER_EPROTO;
    *ret_value = v;
    return 0;
}
