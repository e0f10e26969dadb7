#include "tests/support/test_main.h"

#include "proto/page.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void test_page_begin_below_limit_begins_once_each(void **state)
{
    struct page p = { 0 };

    (void)state;
    assert_false(page_begin(&p, 0));
    page_grant(&p, 2);
    assert_true(page_begin(&p, 0));
    assert_int_equal(page_begun(&p), 1);
    assert_true(page_begin(&p, 1));
    assert_false(page_begin(&p, 2));
    assert_int_equal(page_begun(&p), 2);
}

static void test_page_take_back_keeps_what_is_begun(void **state)
{
    struct page p = { 0 };

    (void)state;
    page_grant(&p, 8);
    assert_true(page_begin(&p, 0));
    assert_true(page_begin(&p, 1));
    assert_int_equal(page_take_back(&p, page_begun(&p)), 2);
    assert_false(page_begin(&p, 2));
    page_grant(&p, 9);
    assert_true(page_begin(&p, 8));
    assert_int_equal(page_begun(&p), 9);
}

static void test_page_take_back_keeps_what_it_is_told_to(void **state)
{
    struct page p = { 0 };

    (void)state;
    page_grant(&p, 8);
    assert_true(page_begin(&p, 0));
    assert_int_equal(page_take_back(&p, 3), 1);
    assert_true(page_begin(&p, 2));
    assert_false(page_begin(&p, 3));
}

static void test_page_take_back_never_grants(void **state)
{
    struct page p = { 0 };

    (void)state;
    page_grant(&p, 2);
    assert_int_equal(page_take_back(&p, 100), 0);
    assert_true(page_begin(&p, 1));
    assert_false(page_begin(&p, 2));
}

static void test_page_numbers_go_on_after_the_largest(void **state)
{
    struct page p = { 0 };

    (void)state;
    atomic_store(&p.word, page_word(UINT32_MAX - 1, UINT32_MAX - 1));
    page_grant(&p, 3);
    assert_true(page_begin(&p, UINT32_MAX - 1));
    assert_true(page_begin(&p, UINT32_MAX));
    assert_int_equal(page_begun(&p), 0);
    assert_true(page_begin(&p, 0));
    assert_int_equal(page_take_back(&p, 2), 1);
    assert_true(page_begin(&p, 1));
    assert_false(page_begin(&p, 2));
}

static void test_page_take_back_keeping_zero_always_takes_all(void **state)
{
    static const uint32_t begun[] = { 0, 5, INT32_MAX, UINT32_C(1) << 31, (UINT32_C(1) << 31) + 9,
        UINT32_MAX - PAGE_AHEAD_MAX - 100 };

    (void)state;
    for (size_t i = 0; i < sizeof begun / sizeof begun[0]; i++) {
        struct page p = { 0 };

        atomic_store(&p.word, page_word(begun[i], begun[i] + 8));
        assert_int_equal(page_take_back(&p, 0), begun[i]);
        assert_false(page_begin(&p, begun[i]));
    }
}

#define RACE_HANDS 200000u
#define RACE_AHEAD 16u
#define BY_CHILD   1
#define TAKEN_BACK 2

/* Two threads share PAGE; LINK says, as the child's socket would, how far hands were sent. */
struct race {
    struct page page;
    _Atomic uint32_t sent;     /* hands written on the link */
    _Atomic uint32_t returned; /* hands the child refused and dropped */
    _Atomic bool over;
    uint8_t *child;       /* what the child did with each hand */
    uint8_t *coordinator; /* what the coordinator believes */
};

static void *race_child(void *arg)
{
    struct race *r = arg;
    uint32_t next = 0;

    for (;;) {
        if (next == atomic_load(&r->sent)) {
            if (atomic_load(&r->over) && next == atomic_load(&r->sent))
                return NULL;
            continue;
        }
        if (page_begin(&r->page, next)) {
            r->child[next++] = BY_CHILD;
        } else {
            r->child[next++] = TAKEN_BACK;
            atomic_fetch_add(&r->returned, 1);
        }
    }
}

/* Hand a few, take back what is not begun, wait until the child has dropped those; again. */
static uint32_t race_round(struct race *r, uint32_t from, uint32_t spin)
{
    uint32_t sent = from + RACE_AHEAD;
    uint32_t before = atomic_load(&r->returned);
    uint32_t begun, kept;

    page_grant(&r->page, sent);
    atomic_store(&r->sent, sent);
    for (volatile uint32_t i = 0; i < spin; i++) {
    }
    begun = page_take_back(&r->page, from + spin % 4);
    kept = page_before(begun, from + spin % 4) ? from + spin % 4 : begun;
    memset(r->coordinator + from, BY_CHILD, kept - from);
    memset(r->coordinator + kept, TAKEN_BACK, sent - kept);
    while (atomic_load(&r->returned) - before < sent - kept) {
    }
    return sent;
}

static void test_page_race_none_both_begun_and_taken_back(void **state)
{
    struct race r = { 0 };
    pthread_t child;
    uint32_t sent = 0, begun = 0, differ = 0;

    (void)state;
    r.child = calloc(1, RACE_HANDS + RACE_AHEAD);
    r.coordinator = calloc(1, RACE_HANDS + RACE_AHEAD);
    assert_non_null(r.child);
    assert_non_null(r.coordinator);
    assert_int_equal(pthread_create(&child, NULL, race_child, &r), 0);
    for (uint32_t round = 0; sent < RACE_HANDS; round++)
        sent = race_round(&r, sent, round * 2654435761u >> 23);
    atomic_store(&r.over, true);
    assert_int_equal(pthread_join(child, NULL), 0);
    for (uint32_t i = 0; i < sent; i++) {
        begun += r.child[i] == BY_CHILD;
        differ += r.child[i] != r.coordinator[i] || r.child[i] == 0;
    }
    assert_int_equal(differ, 0);
    print_message("%u of %u hands were begun\n", begun, sent);
    free(r.child);
    free(r.coordinator);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_begin_below_limit_begins_once_each),
        cmocka_unit_test(test_page_take_back_keeps_what_is_begun),
        cmocka_unit_test(test_page_take_back_keeps_what_it_is_told_to),
        cmocka_unit_test(test_page_take_back_never_grants),
        cmocka_unit_test(test_page_numbers_go_on_after_the_largest),
        cmocka_unit_test(test_page_take_back_keeping_zero_always_takes_all),
        cmocka_unit_test(test_page_race_none_both_begun_and_taken_back),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
