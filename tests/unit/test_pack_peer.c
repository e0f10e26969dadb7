/*
 * Our encoder and decoder against msgpack-c, on random values. GANGER_TEST_SEED replays a seed.
 */
#include "tests/support/msg_any.h"
#include "tests/support/msgpack_peer.h"
#include "tests/support/test_main.h"

#include <time.h>

static uint64_t random_state;

static uint64_t random_next(void)
{
    /* splitmix64 */
    uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* All sizes of number alike, and often at the edge of a form. */
static uint64_t random_number(void)
{
    uint64_t v = random_next() >> (random_next() % 64);

    switch (random_next() % 4) {
    case 0:
        return (UINT64_C(1) << (random_next() % 64)) - 1;
    case 1:
        return UINT64_C(1) << (random_next() % 64);
    default:
        return v;
    }
}

static void seed(void)
{
    const char *given = getenv("GANGER_TEST_SEED");

    random_state = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("GANGER_TEST_SEED=%llu\n", (unsigned long long)random_state);
}

static msgpack_object peer_read(msgpack_unpacked *u, const struct out *o)
{
    size_t at = 0;

    assert_int_equal(
        msgpack_unpack_next(u, (const char *)o->data, o->len, &at), MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, o->len);
    return u->data;
}

static void check_written_int(int64_t v, uint64_t wide)
{
    struct out o = { 0 };
    msgpack_unpacked u;
    msgpack_object got;

    msgpack_unpacked_init(&u);
    write_int(&o, v);
    got = peer_read(&u, &o);
    assert_int_equal(
        got.type, v < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_true(got.via.i64 == v);
    o.len = 0;
    write_uint(&o, wide);
    got = peer_read(&u, &o);
    assert_int_equal(got.type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_true(got.via.u64 == wide);
    msgpack_unpacked_destroy(&u);
    out_done(&o);
}

static void test_pack_peer_reads_our_integers(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t v = random_number();

        check_written_int((int64_t)v, v);
        check_written_int((int64_t)~v, v);
    }
}

static void test_pack_peer_reads_our_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        size_t len = random_next() % (i % 50 == 0 ? 70000 : 300);
        uint8_t *data = calloc(1, len + 1);
        struct out o = { 0 };
        msgpack_unpacked u;
        msgpack_object got;

        assert_non_null(data);
        memset(data, (int)(random_next() & 0xff), len);
        msgpack_unpacked_init(&u);
        write_str(&o, data, len);
        got = peer_read(&u, &o);
        assert_int_equal(got.type, MSGPACK_OBJECT_STR);
        assert_int_equal(got.via.str.size, len);
        assert_memory_equal(got.via.str.ptr, data, len);
        o.len = 0;
        write_bin(&o, data, len);
        got = peer_read(&u, &o);
        assert_int_equal(got.type, MSGPACK_OBJECT_BIN);
        assert_int_equal(got.via.bin.size, len);
        assert_memory_equal(got.via.bin.ptr, data, len);
        msgpack_unpacked_destroy(&u);
        out_done(&o);
        free(data);
    }
}

static void test_pack_peer_reads_our_containers(void **state)
{
    static const uint32_t sizes[] = { 0, 1, 15, 16, 17, 65535, 65536 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct out o = { 0 };
        msgpack_unpacked u;
        msgpack_object got;

        msgpack_unpacked_init(&u);
        write_array(&o, sizes[i]);
        for (uint32_t n = 0; n < sizes[i]; n++)
            write_bool(&o, n % 2 != 0);
        got = peer_read(&u, &o);
        assert_int_equal(got.type, MSGPACK_OBJECT_ARRAY);
        assert_int_equal(got.via.array.size, sizes[i]);
        o.len = 0;
        write_map(&o, sizes[i]);
        for (uint32_t n = 0; n < sizes[i]; n++) {
            write_uint(&o, n);
            write_nil(&o);
        }
        got = peer_read(&u, &o);
        assert_int_equal(got.type, MSGPACK_OBJECT_MAP);
        assert_int_equal(got.via.map.size, sizes[i]);
        msgpack_unpacked_destroy(&u);
        out_done(&o);
    }
}

/* An integer in a form that may be wider than it needs. */
static void pack_wide_int(msgpack_packer *pk, uint64_t v)
{
    switch (random_next() % 8) {
    case 0:
        (void)msgpack_pack_fix_uint8(pk, (uint8_t)v);
        break;
    case 1:
        (void)msgpack_pack_fix_uint16(pk, (uint16_t)v);
        break;
    case 2:
        (void)msgpack_pack_fix_uint32(pk, (uint32_t)v);
        break;
    case 3:
        (void)msgpack_pack_fix_uint64(pk, v);
        break;
    case 4:
        (void)msgpack_pack_fix_int8(pk, (int8_t)v);
        break;
    case 5:
        (void)msgpack_pack_fix_int16(pk, (int16_t)v);
        break;
    case 6:
        (void)msgpack_pack_fix_int32(pk, (int32_t)v);
        break;
    default:
        (void)msgpack_pack_fix_int64(pk, (int64_t)v);
        break;
    }
}

static void pack_random_leaf(msgpack_packer *pk, unsigned kind)
{
    static const char filler[700];
    uint64_t v = random_number();
    size_t len = v % (random_next() % 8 == 0 ? sizeof filler : 40);

    switch (kind) {
    case 0:
        (void)msgpack_pack_uint64(pk, v);
        break;
    case 1:
        (void)msgpack_pack_int64(pk, -(int64_t)(v >> 1) - 1);
        break;
    case 2:
        (void)msgpack_pack_nil(pk);
        break;
    case 3:
        (void)(v % 2 != 0 ? msgpack_pack_true(pk) : msgpack_pack_false(pk));
        break;
    case 4:
        (void)msgpack_pack_double(pk, (double)v / 3);
        break;
    case 5:
        (void)msgpack_pack_float(pk, 0.5F);
        break;
    case 6:
        (void)msgpack_pack_str(pk, len);
        (void)msgpack_pack_str_body(pk, filler, len);
        break;
    case 7:
        (void)msgpack_pack_bin(pk, len);
        (void)msgpack_pack_bin_body(pk, filler, len);
        break;
    case 8:
        (void)msgpack_pack_ext(pk, len, 3);
        (void)msgpack_pack_ext_body(pk, filler, len);
        break;
    default:
        pack_wide_int(pk, v);
        break;
    }
}

static void pack_random(msgpack_packer *pk, unsigned depth)
{
    unsigned kind = (unsigned)(random_next() % (depth < 8 ? 12 : 10));
    size_t items = random_next() % (random_next() % 16 == 0 ? 40 : 4);

    if (kind < 10) {
        pack_random_leaf(pk, kind);
        return;
    }
    (void)(kind == 10 ? msgpack_pack_array(pk, items) : msgpack_pack_map(pk, items));
    for (size_t i = 0; i < (kind == 10 ? items : 2 * items); i++)
        pack_random(pk, depth + 1);
}

/* Each of our readers accepts VALUE exactly when its type is that reader's, and reads the same. */
static void check_readers(const uint8_t *data, size_t len, const msgpack_object *v)
{
    struct cursor c = cursor_make(data, len);
    bool positive = v->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    uint64_t number = read_uint(&c, UINT64_MAX);

    assert_int_equal(c.error == 0, positive);
    assert_true(number == (positive ? v->via.u64 : 0));
    c = cursor_make(data, len);
    number = (uint64_t)read_int(&c);
    assert_int_equal(c.error == 0,
        v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER || (positive && v->via.u64 <= INT64_MAX));
    assert_true(c.error != 0 || number == v->via.u64);
    c = cursor_make(data, len);
    assert_int_equal(read_bool(&c), v->type == MSGPACK_OBJECT_BOOLEAN && v->via.boolean);
    assert_int_equal(c.error == 0, v->type == MSGPACK_OBJECT_BOOLEAN);
    c = cursor_make(data, len);
    assert_int_equal(read_nil(&c), v->type == MSGPACK_OBJECT_NIL);
    c = cursor_make(data, len);
    assert_int_equal(read_str(&c, len).len, v->type == MSGPACK_OBJECT_STR ? v->via.str.size : 0);
    assert_int_equal(c.error == 0, v->type == MSGPACK_OBJECT_STR);
    c = cursor_make(data, len);
    assert_int_equal(read_bin(&c, len).len, v->type == MSGPACK_OBJECT_BIN ? v->via.bin.size : 0);
    assert_int_equal(c.error == 0, v->type == MSGPACK_OBJECT_BIN);
    c = cursor_make(data, len);
    assert_int_equal(
        read_array(&c, UINT32_MAX), v->type == MSGPACK_OBJECT_ARRAY ? v->via.array.size : 0);
    assert_int_equal(c.error == 0, v->type == MSGPACK_OBJECT_ARRAY);
    c = cursor_make(data, len);
    assert_int_equal(read_map(&c, UINT32_MAX), v->type == MSGPACK_OBJECT_MAP ? v->via.map.size : 0);
    assert_int_equal(c.error == 0, v->type == MSGPACK_OBJECT_MAP);
}

static void test_pack_peer_values_are_read_alike(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        msgpack_sbuffer buf;
        msgpack_packer pk;
        msgpack_unpacked u;
        uint8_t *copy;
        size_t at = 0;

        msgpack_sbuffer_init(&buf);
        msgpack_packer_init(&pk, &buf, msgpack_sbuffer_write);
        pack_random(&pk, 0);
        copy = exact_copy(buf.data, buf.size);
        assert_true(value_valid(copy, buf.size));
        assert_false(value_valid(copy, buf.size - 1));
        msgpack_unpacked_init(&u);
        assert_int_equal(msgpack_unpack_next(&u, buf.data, buf.size, &at), MSGPACK_UNPACK_SUCCESS);
        check_readers(copy, buf.size, &u.data);
        msgpack_unpacked_destroy(&u);
        free(copy);
        msgpack_sbuffer_destroy(&buf);
    }
}

static void test_pack_peer_damaged_values_are_judged_alike(void **state)
{
    unsigned valid = 0;

    (void)state;
    for (int i = 0; i < 40000; i++) {
        msgpack_sbuffer buf;
        msgpack_packer pk;
        uint8_t *copy;
        size_t len;

        msgpack_sbuffer_init(&buf);
        msgpack_packer_init(&pk, &buf, msgpack_sbuffer_write);
        pack_random(&pk, 0);
        len = buf.size - (random_next() % 4 == 0 ? random_next() % buf.size : 0);
        copy = exact_copy(buf.data, len);
        for (unsigned n = 0; n < 1 + random_next() % 3; n++)
            copy[random_next() % len] = (uint8_t)random_next();
        if (!peer_agrees(copy, len))
            fail_msg("round %d: not judged alike", i);
        valid += value_valid(copy, len);
        free(copy);
        msgpack_sbuffer_destroy(&buf);
    }
    assert_in_range(valid, 1000, 39000);
}

static void test_pack_peer_each_short_value_is_judged_alike(void **state)
{
    uint8_t data[3];

    (void)state;
    for (unsigned v = 0; v < 1u << 24; v += 7) {
        uint8_t *copy;

        data[0] = (uint8_t)(v >> 16);
        data[1] = (uint8_t)(v >> 8);
        data[2] = (uint8_t)v;
        /* 16-bit counts would have msgpack-c reserve megabytes for each. */
        if (data[0] == 0xdc || data[0] == 0xde)
            continue;
        copy = exact_copy(data, 1 + v % 3);
        if (!peer_agrees(copy, 1 + v % 3))
            fail_msg("%02x %02x %02x: not judged alike", data[0], data[1], data[2]);
        free(copy);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_peer_reads_our_integers),
        cmocka_unit_test(test_pack_peer_reads_our_bytes),
        cmocka_unit_test(test_pack_peer_reads_our_containers),
        cmocka_unit_test(test_pack_peer_values_are_read_alike),
        cmocka_unit_test(test_pack_peer_damaged_values_are_judged_alike),
        cmocka_unit_test(test_pack_peer_each_short_value_is_judged_alike),
    };

    seed();
    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
