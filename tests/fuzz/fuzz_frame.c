/*
 * Fuzz the framing: a stream of arbitrary bytes, as a session reads it, in one piece and byte by
 * byte; both must find the same frames. And the output buffer: what is written comes out in order.
 */
#include "tests/support/msg_any.h"

#include "proto/assert.h"

#define STREAM_FRAME_MAX 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The frames of DATA, each with its sum in a chain; *RET_ERROR is what ended it. */
static size_t frames_of(const uint8_t *data, size_t size, size_t step, int64_t *ret_error)
{
    size_t at = 0, seen = step, chain = 0;

    *ret_error = 0;
    for (;;) {
        const uint8_t *body = NULL;
        size_t len = 0, need = 0;
        int64_t n;

        seen = seen > size ? size : seen;
        n = frame_next(data + at, seen - at, STREAM_FRAME_MAX, &body, &len, &need);
        if (n < 0) {
            *ret_error = n;
            return chain;
        }
        if (n == 0) {
            GANGER_ASSERT(need == 0 || need > seen - at);
            if (seen == size)
                return chain;
            seen += step;
            continue;
        }
        GANGER_ASSERT(body == data + at + 4 && (size_t)n == len + 4 && len != 0 &&
                      len <= STREAM_FRAME_MAX && (size_t)n <= seen - at);
        chain = chain * 31 + len;
        at += (size_t)n;
    }
}

/* Bytes in and out of a buffer, in chunks that the input chooses. */
static void stream_through(const uint8_t *data, size_t size)
{
    struct out o = { 0 };
    size_t taken = 0;

    for (size_t at = 0; at < size;) {
        size_t more = 1 + data[at] % 97u;
        size_t less = data[at] / 3u;

        more = more > size - at ? size - at : more;
        write_raw(&o, data + at, more);
        at += more;
        less = less > o.len ? o.len : less;
        GANGER_ASSERT(memcmp(o.data, data + taken, o.len) == 0);
        out_consume(&o, less);
        taken += less;
        GANGER_ASSERT(o.len == at - taken);
    }
    out_done(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = exact_copy(data, size);
    int64_t whole, pieces;

    GANGER_ASSERT(frames_of(copy, size, size + 1, &whole) == frames_of(copy, size, 1, &pieces));
    GANGER_ASSERT(whole == pieces);
    stream_through(copy, size);
    free(copy);
    return 0;
}
