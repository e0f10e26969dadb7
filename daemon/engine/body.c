#include "engine/body.h"

#include "engine/cells.h"
#include "proto/assert.h"

#include <string.h>

struct body *body_new(const void *data, uint32_t len)
{
    struct body *b = cells_new(sizeof *b + len);

    if (b == NULL)
        return NULL;
    b->refs = 1;
    b->len = len;
    if (data != NULL)
        memcpy(b->data, data, len);
    return b;
}

struct body *body_again(struct body *b, const void *data, uint32_t len)
{
    if (b != NULL && b->len == len && b->refs == 1) {
        memcpy(b->data, data, len);
        return b;
    }
    body_unref(b);
    return body_new(data, len);
}

struct body *body_ref(struct body *b)
{
    b->refs++;
    return b;
}

void body_unref(struct body *b)
{
    if (b == NULL)
        return;
    GANGER_ASSERT(b->refs > 0);
    if (--b->refs == 0)
        cells_free(b, sizeof *b + b->len);
}
