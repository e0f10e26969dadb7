/* Spare segments: how they are made, filled, taken, given back and removed. */
#include "tests/support/journal_rig.h"

#include "store/spares.h"
#include "store/writer.h"

#define BYTES (1280u * 1024) /* three steps of zeros */
#define STEPS 3u

/* --- by hand, without the sync thread --- */

struct hand {
    struct rig rig;
    struct spares s;
};

static void hand_begin(struct hand *h)
{
    rig_init(&h->rig);
    spares_init(&h->s, &h->rig.disk.io, h->rig.disk.dir, BYTES);
    h->s.next_id = 1;
}

static void hand_end(struct hand *h)
{
    spares_done(&h->s);
    rig_done(&h->rig);
}

/* Errors of the file system itself, for io.reserve, io.sync_dir and io.open. */
static int reserve_on_full_disk(void *ctx, int fd, uint64_t bytes)
{
    (void)ctx;
    (void)fd;
    (void)bytes;
    return -ENOSPC;
}

static int sync_dir_fails(void *ctx, int dir)
{
    (void)ctx;
    (void)dir;
    return -EIO;
}

static int open_fails(void *ctx, int dir, const char *name, int flags)
{
    (void)ctx;
    (void)dir;
    (void)name;
    (void)flags;
    return -EMFILE;
}

/* Step until there is one more, or it fails. */
static int hand_make(struct hand *h)
{
    int rc = 0;

    for (unsigned i = 0; i < 10 && rc == 0; i++)
        rc = spares_make(&h->s);
    return rc;
}

static void hand_fill(struct hand *h)
{
    for (unsigned i = 0; i < STEPS; i++) {
        assert_true(spares_want_zeros(&h->s));
        assert_int_equal(spares_fill(&h->s), 0);
    }
}

/* Size of segment ID's file, or -1 if there is none. */
static off_t file_bytes(const struct hand *h, uint32_t id, bool preparing)
{
    char name[SEGMENT_NAME_BYTES];
    struct stat st;

    segment_name(id, preparing, name);
    return fstatat(h->rig.disk.dir, name, &st, 0) < 0 ? -1 : st.st_size;
}

static unsigned files_open(void)
{
    DIR *stream = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(stream);
    while (readdir(stream) != NULL)
        count++;
    (void)closedir(stream);
    return count;
}

/* Take one and leave its file alone; RAW: it was counted as such. Whoever has it need not know. */
static uint32_t take_id(struct hand *h, bool *ret_raw)
{
    uint64_t raw = h->s.raw;
    struct segment *segment = spares_take(&h->s);
    uint32_t id;

    assert_non_null(segment);
    assert_false(segment->raw);
    id = segment->id;
    *ret_raw = h->s.raw + 1 == raw;
    free(segment);
    return id;
}

static void test_spares_new_one_is_reserved_and_raw(void **state)
{
    struct hand h;

    (void)state;
    hand_begin(&h);
    assert_false(spares_want_zeros(&h.s));
    assert_int_equal(hand_make(&h), 1);
    assert_true(h.s.list.count == 1 && h.s.raw == 1 && h.s.list.bytes == BYTES);
    assert_true(h.rig.disk.writes == 0 && h.rig.disk.syncs == 1);
    assert_int_equal(file_bytes(&h, 1, false), BYTES);
    assert_int_equal(file_bytes(&h, 1, true), -1);
    assert_true(spares_want_zeros(&h.s));
    hand_end(&h);
}

static void test_spares_filled_one_is_written_and_first(void **state)
{
    struct hand h;
    unsigned open;
    bool raw;

    (void)state;
    hand_begin(&h);
    open = files_open();
    assert_int_equal(hand_make(&h), 1);
    assert_int_equal(hand_make(&h), 1);
    hand_fill(&h);
    assert_true(h.rig.disk.writes == STEPS && h.rig.disk.syncs == 2 + STEPS);
    assert_true(h.s.raw == 1 && h.s.list.count == 2 && h.s.list.first->id == 1);
    assert_int_equal(files_open(), open);
    hand_fill(&h);
    assert_false(spares_want_zeros(&h.s));
    assert_int_equal(hand_make(&h), 1);
    assert_true(take_id(&h, &raw) != 3 && !raw);
    assert_true(take_id(&h, &raw) != 3 && !raw);
    assert_true(take_id(&h, &raw) == 3 && raw);
    assert_null(spares_take(&h.s));
    assert_int_equal(h.s.raw, 0);
    hand_end(&h);
}

static void test_spares_without_reserve_are_filled_before_they_have_a_name(void **state)
{
    struct hand h;
    bool raw;

    (void)state;
    hand_begin(&h);
    h.rig.disk.no_reserve = true;
    for (int rc = 0; rc != 1;) {
        assert_int_equal(file_bytes(&h, 1, false), -1);
        rc = spares_make(&h.s);
        assert_true(rc >= 0);
        assert_false(spares_want_zeros(&h.s));
    }
    assert_int_equal(file_bytes(&h, 1, false), BYTES);
    assert_int_equal(file_bytes(&h, 1, true), -1);
    assert_true(h.rig.disk.writes == STEPS && h.rig.disk.syncs == STEPS);
    assert_true(h.s.list.count == 1 && h.s.raw == 0);
    assert_true(take_id(&h, &raw) == 1 && !raw);
    hand_end(&h);
}

static void test_spares_on_a_full_disk_leave_nothing_and_recover(void **state)
{
    struct hand h;
    unsigned open;

    (void)state;
    hand_begin(&h);
    open = files_open();
    disk_set_full(&h.rig.disk, true);
    assert_int_equal(hand_make(&h), -ENOSPC);
    disk_set_full(&h.rig.disk, false);
    h.rig.disk.io.reserve = reserve_on_full_disk;
    assert_int_equal(spares_make(&h.s), -ENOSPC);
    assert_int_equal(file_bytes(&h, 1, true), -1);
    assert_true(files_open() == open && h.s.list.count == 0 && h.s.raw == 0);
    assert_false(h.s.no_reserve);
    h.rig.disk.io.reserve = disk_reserve;
    assert_int_equal(spares_make(&h.s), 1);
    assert_true(h.s.list.count == 1 && h.s.raw == 1);
    hand_end(&h);
}

static void test_spares_whose_sync_fails_leave_nothing(void **state)
{
    struct hand h;
    unsigned open;

    (void)state;
    hand_begin(&h);
    open = files_open();
    disk_fail_syncs(&h.rig.disk, 0, 1, EIO);
    assert_int_equal(hand_make(&h), -EIO);
    assert_int_equal(file_bytes(&h, 1, true), -1);
    assert_int_equal(file_bytes(&h, 1, false), -1);
    h.rig.disk.no_reserve = true;
    disk_fail_writes(&h.rig.disk, 1, 1, ENOSPC);
    assert_int_equal(hand_make(&h), -ENOSPC);
    assert_int_equal(file_bytes(&h, 2, true), -1);
    assert_true(files_open() == open && h.s.list.count == 0);
    assert_int_equal(hand_make(&h), 1);
    hand_end(&h);
}

/* Its name may be there after a crash or not: none has it but one that is known to stay. */
static void test_spares_whose_name_cannot_be_synced_leave_nothing(void **state)
{
    struct hand h;
    unsigned open;

    (void)state;
    hand_begin(&h);
    open = files_open();
    h.rig.disk.io.sync_dir = sync_dir_fails;
    assert_int_equal(hand_make(&h), -EIO);
    assert_int_equal(file_bytes(&h, 1, true), -1);
    assert_int_equal(file_bytes(&h, 1, false), -1);
    assert_true(files_open() == open && h.s.list.count == 0 && h.s.raw == 0);
    h.rig.disk.io.sync_dir = disk_sync_dir;
    assert_int_equal(hand_make(&h), 1);
    hand_end(&h);
}

/* The first of two cannot be filled: it is gone, and the other one is filled from its beginning. */
static void check_unfilled_is_gone(struct hand *h, unsigned open)
{
    bool raw;

    assert_true(h->s.list.count == 1 && h->s.raw == 1 && h->s.list.bytes == BYTES);
    assert_true(files_open() == open && file_bytes(h, 1, false) == -1);
    assert_int_equal(file_bytes(h, 2, false), BYTES);
    hand_fill(h);
    assert_false(spares_want_zeros(&h->s));
    assert_true(take_id(h, &raw) == 2 && !raw);
    assert_int_equal(h->rig.disk.lost_touched, 0);
}

static void test_spares_whose_write_fails_while_filling_are_removed(void **state)
{
    struct hand h;
    unsigned open;

    (void)state;
    hand_begin(&h);
    open = files_open();
    assert_int_equal(hand_make(&h), 1);
    assert_int_equal(hand_make(&h), 1);
    disk_fail_writes(&h.rig.disk, 1, 1, EIO);
    assert_int_equal(spares_fill(&h.s), 0);
    assert_int_equal(spares_fill(&h.s), -EIO);
    check_unfilled_is_gone(&h, open);
    hand_end(&h);
}

/* No file of which a sync failed is trusted with anything again. */
static void test_spares_whose_sync_fails_while_filling_are_removed(void **state)
{
    struct hand h;
    unsigned open;

    (void)state;
    hand_begin(&h);
    open = files_open();
    assert_int_equal(hand_make(&h), 1);
    assert_int_equal(hand_make(&h), 1);
    disk_fail_syncs(&h.rig.disk, 1, 1, EIO);
    assert_int_equal(spares_fill(&h.s), 0);
    assert_int_equal(spares_fill(&h.s), -EIO);
    check_unfilled_is_gone(&h, open);
    hand_end(&h);
}

static void test_spares_that_cannot_be_opened_to_fill_are_removed(void **state)
{
    struct hand h;
    unsigned open;

    (void)state;
    hand_begin(&h);
    open = files_open();
    assert_int_equal(hand_make(&h), 1);
    assert_int_equal(hand_make(&h), 1);
    h.rig.disk.io.open = open_fails;
    assert_int_equal(spares_fill(&h.s), -EMFILE);
    h.rig.disk.io.open = disk_open;
    check_unfilled_is_gone(&h, open);
    hand_end(&h);
}

static void test_spares_taken_while_being_filled_are_let_go(void **state)
{
    struct hand h;
    unsigned open;
    bool raw;

    (void)state;
    hand_begin(&h);
    open = files_open();
    assert_int_equal(hand_make(&h), 1);
    assert_int_equal(hand_make(&h), 1);
    assert_int_equal(spares_fill(&h.s), 0);
    assert_true(take_id(&h, &raw) == 1 && raw);
    assert_true(files_open() == open && h.s.raw == 1);
    hand_fill(&h); /* the other one, all of it */
    assert_true(take_id(&h, &raw) == 2 && !raw && h.s.raw == 0);
    hand_end(&h);
}

static void test_spares_made_while_one_is_filled_come_first(void **state)
{
    struct hand h;
    unsigned open;

    (void)state;
    hand_begin(&h);
    open = files_open();
    assert_int_equal(hand_make(&h), 1);
    assert_int_equal(spares_fill(&h.s), 0);
    assert_int_equal(spares_make(&h.s), 1); /* reserved in one step */
    assert_true(files_open() == open && h.s.raw == 2);
    assert_int_equal(spares_fill(&h.s), 0);
    h.rig.disk.no_reserve = true;
    assert_int_equal(spares_make(&h.s), 0);
    assert_false(spares_want_zeros(&h.s));
    assert_int_equal(hand_make(&h), 1);
    assert_true(files_open() == open && h.s.raw == 2 && h.s.list.first->id == 3);
    hand_fill(&h); /* from the beginning */
    hand_fill(&h);
    assert_true(files_open() == open && h.s.raw == 0 && h.s.list.count == 3);
    hand_end(&h);
}

static void test_spares_that_come_back_are_used_before_raw_ones(void **state)
{
    struct segment *segment;
    struct hand h;
    bool raw;

    (void)state;
    hand_begin(&h);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(hand_make(&h), 1);
    segment = spares_take(&h.s);
    segment->generation = 9;
    segment->end = 5000;
    segment->found = true;
    spares_give(&h.s, segment, false);
    assert_true(segment->generation == 0 && segment->end == 0 && !segment->raw && !segment->found);
    assert_int_equal(h.s.raw, 2);
    assert_true(take_id(&h, &raw) == 1 && !raw);
    assert_true(take_id(&h, &raw) == 2 && raw);
    hand_end(&h);
}

static void test_spares_that_come_back_raw_are_used_last_and_filled(void **state)
{
    struct segment *segment;
    struct hand h;
    bool raw;

    (void)state;
    hand_begin(&h);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(hand_make(&h), 1);
    segment = spares_take(&h.s);
    assert_int_equal(h.s.raw, 1);
    spares_give(&h.s, segment, true);
    assert_true(h.s.raw == 2 && h.s.list.last == segment);
    hand_fill(&h);
    hand_fill(&h);
    assert_false(spares_want_zeros(&h.s));
    for (unsigned i = 0; i < 2; i++)
        assert_true(take_id(&h, &raw) != 0 && !raw);
    hand_end(&h);
}

static void test_spares_done_leave_what_has_a_name(void **state)
{
    struct hand h;
    unsigned open;

    (void)state;
    hand_begin(&h);
    open = files_open();
    assert_int_equal(hand_make(&h), 1);
    assert_int_equal(spares_fill(&h.s), 0);
    spares_done(&h.s);
    assert_true(files_open() == open && file_bytes(&h, 1, false) == BYTES);
    h.rig.disk.no_reserve = true;
    assert_int_equal(spares_make(&h.s), 0);
    assert_true(file_bytes(&h, 2, true) >= 0);
    spares_done(&h.s);
    assert_true(files_open() == open && file_bytes(&h, 2, true) == -1);
    rig_done(&h.rig);
}

static void test_writer_trims_one_that_is_next_to_be_used(void **state)
{
    struct writer w = { .fd = -1 };
    struct hand h;
    unsigned open;

    (void)state;
    hand_begin(&h);
    open = files_open();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(hand_make(&h), 1);
    hand_fill(&h);
    assert_int_equal(spares_fill(&h.s), 0); /* of the next */
    w.spares = h.s;
    writer_trim(&w);
    assert_true(w.spares.list.count == 2 && w.spares.raw == 2 && files_open() == open + 1);
    assert_true(file_bytes(&h, 1, false) == -1 && file_bytes(&h, 2, false) == BYTES);
    writer_trim(&w); /* which is being filled */
    assert_true(w.spares.list.count == 1 && w.spares.raw == 1 && files_open() == open);
    assert_true(file_bytes(&h, 2, false) == -1 && file_bytes(&h, 3, false) == BYTES);
    writer_trim(&w);
    writer_trim(&w);
    assert_true(w.spares.list.count == 0 && w.spares.list.bytes == 0 && w.spares.raw == 0);
    assert_int_equal(file_bytes(&h, 3, false), -1);
    h.s = w.spares;
    hand_end(&h);
}

static void test_writer_surplus_is_what_half_of_the_log_and_three_do_not_need(void **state)
{
    struct writer w = { .fd = -1 };
    struct segment used[4] = { { 0 } };
    struct hand h;

    (void)state;
    hand_begin(&h);
    for (unsigned i = 0; i < 4; i++)
        segment_list_append(&w.used, &used[i]);
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(hand_make(&h), 1);
        w.spares = h.s;
        assert_int_equal(writer_surplus(&w), i < 5 ? 0 : i - 4);
    }
    hand_end(&h);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spares_new_one_is_reserved_and_raw),
        cmocka_unit_test(test_spares_filled_one_is_written_and_first),
        cmocka_unit_test(test_spares_without_reserve_are_filled_before_they_have_a_name),
        cmocka_unit_test(test_spares_on_a_full_disk_leave_nothing_and_recover),
        cmocka_unit_test(test_spares_whose_sync_fails_leave_nothing),
        cmocka_unit_test(test_spares_whose_name_cannot_be_synced_leave_nothing),
        cmocka_unit_test(test_spares_whose_write_fails_while_filling_are_removed),
        cmocka_unit_test(test_spares_whose_sync_fails_while_filling_are_removed),
        cmocka_unit_test(test_spares_that_cannot_be_opened_to_fill_are_removed),
        cmocka_unit_test(test_spares_taken_while_being_filled_are_let_go),
        cmocka_unit_test(test_spares_made_while_one_is_filled_come_first),
        cmocka_unit_test(test_spares_that_come_back_are_used_before_raw_ones),
        cmocka_unit_test(test_spares_that_come_back_raw_are_used_last_and_filled),
        cmocka_unit_test(test_spares_done_leave_what_has_a_name),
        cmocka_unit_test(test_writer_trims_one_that_is_next_to_be_used),
        cmocka_unit_test(test_writer_surplus_is_what_half_of_the_log_and_three_do_not_need),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
