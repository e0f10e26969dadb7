/*
 * Nanoseconds per message item: our encoder and decoder beside msgpack-c, in one run.
 *
 *   ganger-bench-codec [ROUNDS]
 *
 * Every figure is the median of ROUNDS (default 7). Items have 64-byte payloads, 64 to a frame.
 */
#include "proto/msg.h"
#include "tests/bench/sample.h"

#include <msgpack.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS      64u
#define FRAMES     4000u
#define ROUNDS_MAX SAMPLE_MAX

static uint8_t payload[64];
static uint64_t sink; /* what was decoded, so that it is not optimised away */

static struct slice slice_of(const char *text)
{
    return (struct slice){ (const uint8_t *)text, strlen(text) };
}

static uint64_t id_of(uint32_t i)
{
    return (UINT64_C(3) << 40) + 1000000 + i;
}

/* One kind of item: how to write and read ITEMS of them. */
struct kind {
    const char *name;
    enum msg_type type;
    void (*add)(struct batch *b, struct out *o, uint32_t i);
    void (*read)(struct msg *m);
    void (*pack)(msgpack_packer *pk, uint32_t i);
};

static void add_submit(struct batch *b, struct out *o, uint32_t i)
{
    struct msg_submit m;

    m.req = 1000 + i;
    m.flags = TASK_WAIT;
    m.pool = slice_of("default");
    m.options.given = 0;
    m.function = slice_of("echo");
    m.payload = (struct slice){ payload, sizeof payload };
    msg_add_submit(b, o, &m);
}

static void read_submit(struct msg *m)
{
    struct msg_submit s;

    if (msg_read_submit(m, &s) != 0)
        abort();
    sink += s.req + s.payload.len + s.function.len;
}

static void pack_text(msgpack_packer *pk, const char *text)
{
    size_t len = strlen(text);

    (void)msgpack_pack_str(pk, len);
    (void)msgpack_pack_str_body(pk, text, len);
}

static void pack_payload(msgpack_packer *pk)
{
    (void)msgpack_pack_bin(pk, sizeof payload);
    (void)msgpack_pack_bin_body(pk, payload, sizeof payload);
}

static void pack_submit(msgpack_packer *pk, uint32_t i)
{
    (void)msgpack_pack_array(pk, 6);
    (void)msgpack_pack_uint64(pk, 1000 + i);
    (void)msgpack_pack_uint64(pk, TASK_WAIT);
    pack_text(pk, "default");
    (void)msgpack_pack_map(pk, 0);
    pack_text(pk, "echo");
    pack_payload(pk);
}

static void add_hand(struct batch *b, struct out *o, uint32_t i)
{
    static uint8_t call[5 + 2 + sizeof payload] = "\xa4"
                                                  "echo\xc4\x40";
    struct msg_hand m;

    m.seq = 70000 + i;
    m.id = id_of(i);
    m.fence = id_of(i) + 7;
    m.attempt = 1;
    m.flags = 0;
    m.limit_ms = 30000;
    m.call = (struct slice){ call, sizeof call };
    msg_add_hand(b, o, &m);
}

static void read_hand(struct msg *m)
{
    struct msg_hand h;

    if (msg_read_hand(m, &h) != 0)
        abort();
    sink += h.id + h.payload.len + h.function.len;
}

static void pack_hand(msgpack_packer *pk, uint32_t i)
{
    (void)msgpack_pack_array(pk, 8);
    (void)msgpack_pack_uint64(pk, 70000 + i);
    (void)msgpack_pack_uint64(pk, id_of(i));
    (void)msgpack_pack_uint64(pk, id_of(i) + 7);
    (void)msgpack_pack_uint64(pk, 1);
    (void)msgpack_pack_uint64(pk, 0);
    (void)msgpack_pack_uint64(pk, 30000);
    pack_text(pk, "echo");
    pack_payload(pk);
}

static void add_result(struct batch *b, struct out *o, uint32_t i)
{
    struct msg_result m = { 70000 + i, 0, { payload, sizeof payload } };

    msg_add_result(b, o, &m);
}

static void read_result(struct msg *m)
{
    struct msg_result r;

    if (msg_read_result(m, &r) != 0)
        abort();
    sink += r.seq + r.outcome.len;
}

static void pack_result(msgpack_packer *pk, uint32_t i)
{
    (void)msgpack_pack_array(pk, 3);
    (void)msgpack_pack_uint64(pk, 70000 + i);
    (void)msgpack_pack_uint64(pk, 0);
    pack_payload(pk);
}

static void add_end(struct batch *b, struct out *o, uint32_t i)
{
    struct msg_end m = { 1000 + i, id_of(i), END_DONE, 0, 1, { payload, sizeof payload } };

    msg_add_end(b, o, &m);
}

static void read_end(struct msg *m)
{
    struct msg_end e;

    if (msg_read_end(m, &e) != 0)
        abort();
    sink += e.id + e.outcome.len;
}

static void pack_end(msgpack_packer *pk, uint32_t i)
{
    (void)msgpack_pack_array(pk, 6);
    (void)msgpack_pack_uint64(pk, 1000 + i);
    (void)msgpack_pack_uint64(pk, id_of(i));
    (void)msgpack_pack_uint64(pk, END_DONE);
    (void)msgpack_pack_uint64(pk, 0);
    (void)msgpack_pack_uint64(pk, 1);
    pack_payload(pk);
}

static void add_accepted(struct batch *b, struct out *o, uint32_t i)
{
    struct msg_accepted m = { 1000 + i, id_of(i), 0, { NULL, 0 } };

    msg_add_accepted(b, o, &m);
}

static void read_accepted(struct msg *m)
{
    struct msg_accepted a;

    if (msg_read_accepted(m, &a) != 0)
        abort();
    sink += a.id;
}

static void pack_accepted(msgpack_packer *pk, uint32_t i)
{
    (void)msgpack_pack_array(pk, 2);
    (void)msgpack_pack_uint64(pk, 1000 + i);
    (void)msgpack_pack_uint64(pk, id_of(i));
}

static const struct kind kinds[] = {
    { "submit", MSG_SUBMIT, add_submit, read_submit, pack_submit },
    { "accepted", MSG_ACCEPTED, add_accepted, read_accepted, pack_accepted },
    { "hand", MSG_HAND, add_hand, read_hand, pack_hand },
    { "result", MSG_RESULT, add_result, read_result, pack_result },
    { "end", MSG_END, add_end, read_end, pack_end },
};

static void write_frame(struct out *o, const struct kind *k)
{
    struct batch b;

    batch_begin(&b, o, k->type);
    for (uint32_t i = 0; i < ITEMS; i++)
        k->add(&b, o, i);
    batch_end(&b, o);
}

/* Nanoseconds an item since START. */
static double per_item_ns(double start)
{
    return (sample_now() - start) * 1e9 / (FRAMES * ITEMS);
}

static double our_encode(const struct kind *k, struct out *o)
{
    double start = sample_now();

    for (unsigned f = 0; f < FRAMES; f++) {
        o->len = 0;
        write_frame(o, k);
    }
    return per_item_ns(start);
}

static double our_decode(const struct kind *k, const struct out *o)
{
    double start = sample_now();

    for (unsigned f = 0; f < FRAMES; f++) {
        const uint8_t *body;
        size_t len;
        struct msg m;

        if (frame_next(o->data, o->len, GANGER_FRAME_MAX, &body, &len, NULL) <= 0 ||
            msg_open(body, len, &m) != 0)
            abort();
        for (uint32_t i = 0; i < m.count; i++)
            k->read(&m);
        if (msg_close(&m) != 0)
            abort();
    }
    return per_item_ns(start);
}

static double their_encode(const struct kind *k, msgpack_sbuffer *buf)
{
    msgpack_packer pk;
    double start = sample_now();

    msgpack_packer_init(&pk, buf, msgpack_sbuffer_write);
    for (unsigned f = 0; f < FRAMES; f++) {
        msgpack_sbuffer_clear(buf);
        (void)msgpack_pack_array(&pk, 2);
        (void)msgpack_pack_uint64(&pk, k->type);
        (void)msgpack_pack_array(&pk, ITEMS);
        for (uint32_t i = 0; i < ITEMS; i++)
            k->pack(&pk, i);
    }
    return per_item_ns(start);
}

/* One object an item, as a server that must keep each task by itself would do. */
static double their_decode(const struct kind *k, msgpack_sbuffer *buf)
{
    msgpack_packer pk;
    msgpack_unpacked u;
    double start, took;

    msgpack_packer_init(&pk, buf, msgpack_sbuffer_write);
    msgpack_sbuffer_clear(buf);
    for (uint32_t i = 0; i < ITEMS; i++)
        k->pack(&pk, i);
    msgpack_unpacked_init(&u);
    start = sample_now();
    for (unsigned f = 0; f < FRAMES; f++) {
        size_t at = 0;

        for (uint32_t i = 0; i < ITEMS; i++) {
            if (msgpack_unpack_next(&u, buf->data, buf->size, &at) != MSGPACK_UNPACK_SUCCESS)
                abort();
            sink += u.data.via.array.ptr[0].via.u64;
        }
    }
    took = per_item_ns(start);
    msgpack_unpacked_destroy(&u);
    return took;
}

static void bench(const struct kind *k, unsigned rounds)
{
    struct sample times[4] = { 0 };
    struct out o = { 0 };
    msgpack_sbuffer buf;

    msgpack_sbuffer_init(&buf);
    for (unsigned r = 0; r < rounds; r++) {
        sample_add(&times[0], our_encode(k, &o));
        sample_add(&times[1], our_decode(k, &o));
        sample_add(&times[2], their_encode(k, &buf));
        sample_add(&times[3], their_decode(k, &buf));
    }
    (void)printf("%-10s %8.1f %8.1f %12.1f %12.1f\n", k->name, sample_median(&times[0]),
        sample_median(&times[1]), sample_median(&times[2]), sample_median(&times[3]));
    msgpack_sbuffer_destroy(&buf);
    out_done(&o);
}

int main(int argc, char **argv)
{
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 7;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "usage: ganger-bench-codec [ROUNDS], 1 to %u\n", ROUNDS_MAX);
        return 2;
    }
    memset(payload, 'x', sizeof payload);
    (void)printf("ns an item   encode   decode    msgpack-c encode, decode\n");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        bench(&kinds[i], (unsigned)rounds);
    return sink == 0;
}
