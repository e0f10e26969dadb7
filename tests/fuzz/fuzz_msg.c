/*
 * Fuzz all decoders of messages, of details and of values.
 *
 * What decodes is encoded again, and that decodes to the same. What we take for a value, msgpack-c
 * takes for one too, and the other way round, depth aside.
 */
#include "tests/support/msg_any.h"
#include "tests/support/msgpack_peer.h"

#include "proto/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const uint8_t *data, size_t size)
{
    struct out once = { 0 };
    struct out twice = { 0 };

    if (any_again(data, size, &once) == 0 && once.len > FRAME_HEAD_BYTES) {
        GANGER_ASSERT(any_again(once.data + 4, once.len - 4, &twice) == 0);
        GANGER_ASSERT(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    }
    out_done(&once);
    out_done(&twice);
}

static void check_detail(const uint8_t *data, size_t size)
{
    struct msg_detail d;
    struct out once = { 0 };
    struct out twice = { 0 };

    if (msg_read_detail(data, size, &d) == 0) {
        msg_write_detail(&once, &d);
        GANGER_ASSERT(msg_read_detail(once.data, once.len, &d) == 0);
        msg_write_detail(&twice, &d);
        GANGER_ASSERT(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    }
    out_done(&once);
    out_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = exact_copy(data, size);

    check_message(copy, size);
    check_detail(copy, size);
    GANGER_ASSERT(peer_agrees(copy, size));
    free(copy);
    return 0;
}
