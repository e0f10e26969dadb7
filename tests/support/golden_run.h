/* Run the cases of golden vectors: encode to the exact bytes, decode to the fields. */
#ifndef SUPPORT_GOLDEN_RUN_H
#define SUPPORT_GOLDEN_RUN_H

#include "tests/support/golden.h"
#include "tests/support/msg_any.h"
#include "tests/support/test_main.h"

struct golden_case {
    const char *name;
    void (*write)(struct out *o);
    void (*read)(struct msg *m); /* NULL: decoding is tested by encoding it again */
};

#define BYTES(literal) ((struct slice){ (const uint8_t *)(literal), sizeof(literal) - 1 })

static inline struct slice S(const char *text) {
    return (struct slice){ (const uint8_t *)text, strlen(text) };
}

static inline void
assert_slice(struct slice got, struct slice want)
{
    assert_int_equal(got.len, want.len);
    if (want.len != 0)
        assert_memory_equal(got.data, want.data, want.len);
}

/* Load the vectors; those from the one that is named like the first case on must be the cases. */
static inline size_t golden_cases_load(
    struct golden *v, const struct golden_case *cases, size_t count, size_t *ret_first)
{
    size_t total = golden_load(v);
    size_t first = 0;

    while (first < total && strcmp(v[first].name, cases[0].name) != 0)
        first++;
    assert_true(first + count <= total);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(v[first + i].name, cases[i].name);
    *ret_first = first;
    return total;
}

static inline void golden_cases_encode(const struct golden_case *cases, size_t count)
{
    static struct golden v[GOLDEN_MAX];
    size_t first;

    (void)golden_cases_load(v, cases, count, &first);
    for (size_t i = 0; i < count; i++) {
        struct out o = { 0 };

        cases[i].write(&o);
        if (o.len != v[first + i].len || memcmp(o.data, v[first + i].bytes, o.len) != 0)
            fail_msg("%s: other bytes", cases[i].name);
        out_done(&o);
    }
}

static inline void golden_cases_decode(const struct golden_case *cases, size_t count)
{
    static struct golden v[GOLDEN_MAX];
    size_t first;

    (void)golden_cases_load(v, cases, count, &first);
    for (size_t i = 0; i < count; i++) {
        const struct golden *g = &v[first + i];
        const uint8_t *body;
        size_t len;
        struct msg m;

        if (cases[i].read == NULL)
            continue;
        assert_int_equal(frame_next(g->bytes, g->len, GANGER_HELLO_MAX, &body, &len, NULL), g->len);
        assert_int_equal(msg_open(body, len, &m), 0);
        cases[i].read(&m);
        if (m.count != 0)
            assert_int_equal(msg_close(&m), 0);
    }
}

#endif
