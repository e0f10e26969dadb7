/*
 * Any bytes as JSON, and any bytes as msgpack: refused, or converted to what converts back. The
 * first byte says which.
 */
#include "client/cli/json.h"
#include "client/cli/value.h"
#include "proto/assert.h"
#include "proto/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What JSON gives is one value, and is written as JSON that gives the same bytes. */
static void try_json(const char *text, size_t len)
{
    struct buf packed = { 0 }, again = { 0 }, written = { 0 };
    size_t at = 0;
    int rc = json_read(text, len, &packed, &at);

    GANGER_ASSERT(rc == 0 || (rc == GANGER_EDECODE && at <= len && packed.len == 0));
    if (rc == 0) {
        GANGER_ASSERT(value_is_one(packed.data, packed.len));
        GANGER_ASSERT(json_write(packed.data, packed.len, &written) == 0);
        buf_char(&written, '\0');
        GANGER_ASSERT(json_read(written.data, written.len - 1, &again, NULL) == 0);
        GANGER_ASSERT(again.len == packed.len);
        GANGER_ASSERT(memcmp(again.data, packed.data, again.len) == 0);
    }
    buf_done(&packed);
    buf_done(&again);
    buf_done(&written);
}

/* What is one value is written as JSON, in one line of UTF-8 and no longer than its bytes allow. */
static void try_msgpack(const char *data, size_t len)
{
    struct buf text = { 0 }, again = { 0 };
    int rc = json_write(data, len, &text);

    GANGER_ASSERT((rc == 0) == value_is_one(data, len));
    GANGER_ASSERT(text.len <= 32 * len + 1);
    if (rc == 0) {
        GANGER_ASSERT(utf8_is_valid(text.data, text.len));
        GANGER_ASSERT(memchr(text.data, '\n', text.len) == NULL);
        buf_char(&text, '\0');
        /* Binaries are written as objects, which may be one level too deep to be read. */
        if (strstr(text.data, "\"base64\":") == NULL)
            GANGER_ASSERT(json_read(text.data, text.len - 1, &again, NULL) == 0);
    }
    buf_done(&text);
    buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size == 0)
        return 0;
    text = malloc(size);
    GANGER_ASSERT(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] % 2 == 0)
        try_json(text, size - 1);
    else
        try_msgpack(text, size - 1);
    free(text);
    return 0;
}
