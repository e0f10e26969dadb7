/* What a client has to send, in pieces. */
#include "tests/support/test_main.h"

#include "client/pieces.h"

#include <stdbool.h>

/* Frames with numbered bytes, written and sent. */
struct stream {
    struct pieces pieces;
    uint64_t written, sent;
    uint64_t frame_begins[4096]; /* where each frame stands in the stream, in a ring */
    uint32_t frames;
};

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 8));
}

/* A frame of BYTES in all, whose body is numbered from its head on. */
static void add(struct stream *s, size_t bytes)
{
    struct out *o = &s->pieces.last;
    size_t mark;
    uint8_t *p;

    pieces_turn(&s->pieces, bytes);
    mark = frame_begin(o);
    p = out_room(o, bytes - FRAME_HEAD_BYTES);
    assert_non_null(p);
    for (size_t i = FRAME_HEAD_BYTES; i < bytes; i++)
        *p++ = byte_at(s->written + i);
    o->len += bytes - FRAME_HEAD_BYTES;
    frame_end(o, mark);
    s->frame_begins[s->frames++ % 4096] = s->written;
    s->written += bytes;
}

/* Is it within the head of a frame? */
static bool is_head(const struct stream *s, uint64_t at)
{
    for (uint32_t i = 0; i < s->frames && i < 4096; i++) {
        if (at - s->frame_begins[i] < FRAME_HEAD_BYTES)
            return true;
    }
    return false;
}

/* Send MOST bytes at most; looks at the first and the last of them. */
static size_t send_some(struct stream *s, size_t most)
{
    const uint8_t *data;
    size_t bytes = pieces_head(&s->pieces, &data);

    bytes = bytes < most ? bytes : most;
    if (bytes == 0)
        return 0;
    if (!is_head(s, s->sent))
        assert_int_equal(data[0], byte_at(s->sent));
    if (!is_head(s, s->sent + bytes - 1))
        assert_int_equal(data[bytes - 1], byte_at(s->sent + bytes - 1));
    pieces_sent(&s->pieces, bytes);
    s->sent += bytes;
    assert_int_equal(pieces_unsent(&s->pieces), s->written - s->sent);
    return bytes;
}

static void send_all(struct stream *s)
{
    while (send_some(s, SIZE_MAX) != 0)
        continue;
    assert_true(s->pieces.first == NULL && s->pieces.last.len == 0);
    assert_int_equal(s->sent, s->written);
}

/* The frames of O are whole; returns how many there are. */
static uint32_t frames_in(const struct out *o)
{
    size_t at = 0;
    uint32_t count = 0;

    while (at < o->len) {
        const uint8_t *body;
        size_t len;
        int64_t n = frame_next(o->data + at, o->len - at, SIZE_MAX, &body, &len, NULL);

        assert_true(n > 0);
        at += (size_t)n;
        count++;
    }
    return count;
}

static uint32_t frames_left(const struct pieces *p)
{
    uint32_t count = frames_in(&p->last);

    for (const struct piece *piece = p->first; piece != NULL; piece = piece->next)
        count += frames_in(&piece->out);
    return count;
}

static void test_pieces_are_sent_in_order(void **state)
{
    static struct stream s;

    (void)state;
    for (size_t step = 1; step < 3000; step++) {
        add(&s, 5 + step * 7919 % (step % 50 == 0 ? 600000 : 3000));
        for (size_t n = step * 31 % 4; n > 0; n--)
            (void)send_some(&s, 1 + step * 104729 % 9000);
        pieces_drop(&s.pieces);
    }
    assert_true(s.sent > 1000000);
    assert_non_null(s.pieces.first);
    send_all(&s);
    pieces_done(&s.pieces);
}

static void test_pieces_hold_whole_frames_and_end_at_their_bound(void **state)
{
    static struct stream s;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        add(&s, 1000);
    assert_int_equal(frames_left(&s.pieces), 1000);
    for (const struct piece *p = s.pieces.first; p != NULL; p = p->next)
        assert_in_range(p->out.len, PIECE_BYTES - 1000, PIECE_BYTES);
    /* One that is longer has a piece of its own. */
    add(&s, 2 * PIECE_BYTES);
    assert_int_equal(s.pieces.last.len, 2 * PIECE_BYTES);
    add(&s, 5);
    assert_int_equal(s.pieces.last.len, 5);
    send_all(&s);
    pieces_done(&s.pieces);
}

/* What a broken link has not taken whole is there whole, and nothing else. */
static void test_pieces_drop_leaves_the_frame_that_is_sent_in_part(void **state)
{
    static struct stream s;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        add(&s, 1000);
    for (uint64_t more; s.sent < 700500;) {
        more = 700500 - s.sent;
        (void)send_some(&s, more < 100000 ? more : 100000);
        pieces_drop(&s.pieces);
        assert_int_equal(s.pieces.written, s.sent % 1000);
        assert_int_equal(frames_left(&s.pieces), 1000 - s.sent / 1000);
    }
    s.pieces.written = 0;
    assert_int_equal(pieces_unsent(&s.pieces), 300000);
    s.sent = 700000;
    send_all(&s);
    pieces_done(&s.pieces);
}

/* So many bytes in flight for long: the memory of what was sent serves for what comes. */
static void test_pieces_that_were_sent_serve_again(void **state)
{
    static struct stream s;
    const uint8_t *seen[256];
    size_t count = 0;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        size_t k = 0;

        add(&s, PIECE_BYTES + 1);
        while (k < count && seen[k] != s.pieces.last.data)
            k++;
        if (k == count) {
            assert_true(count < 256);
            seen[count++] = s.pieces.last.data;
        }
        while (s.written - s.sent > 64 * (uint64_t)PIECE_BYTES)
            (void)send_some(&s, 200000);
    }
    assert_in_range(count, 64, 66);
    send_all(&s);
    pieces_done(&s.pieces);
}

static size_t spares_bytes(const struct pieces *p)
{
    size_t bytes = 0;

    for (const struct piece *spare = p->spares; spare != NULL; spare = spare->next)
        bytes += spare->out.cap;
    return bytes;
}

static void test_pieces_keep_memory_up_to_a_bound(void **state)
{
    static struct stream s;

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        add(&s, 1u << 20);
    send_all(&s);
    assert_in_range(s.pieces.spare_bytes, PIECES_KEEP_BYTES / 2, PIECES_KEEP_BYTES);
    /* One that is larger than all that is kept. */
    add(&s, PIECES_KEEP_BYTES + 4096);
    add(&s, 5);
    assert_int_equal(s.pieces.spare_bytes, spares_bytes(&s.pieces));
    send_all(&s);
    assert_in_range(s.pieces.spare_bytes, PIECES_KEEP_BYTES / 2, PIECES_KEEP_BYTES);
    assert_int_equal(s.pieces.spare_bytes, spares_bytes(&s.pieces));
    pieces_done(&s.pieces);
    assert_null(s.pieces.spares);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_are_sent_in_order),
        cmocka_unit_test(test_pieces_hold_whole_frames_and_end_at_their_bound),
        cmocka_unit_test(test_pieces_drop_leaves_the_frame_that_is_sent_in_part),
        cmocka_unit_test(test_pieces_that_were_sent_serve_again),
        cmocka_unit_test(test_pieces_keep_memory_up_to_a_bound),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
