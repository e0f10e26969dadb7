/*
 * Damage: a small log is cut at every byte and every byte of it is flipped. Opening it gives a
 * prefix of what was acknowledged, or an error that names the file; never a wrong record. What
 * stands before the newest segment is never lost without an error.
 */
#include "tests/support/journal_rig.h"

#include "store/bytes.h"
#include "store/record.h"

#define RECORDS   64u
#define FILES_MAX 16u
#define LIVES     3u

struct image {
    char name[SEGMENT_NAME_BYTES];
    uint8_t *data;
    size_t bytes;
    enum segment_state state;
    struct segment_header header;
    uint64_t end; /* behind the last byte that is not zero */
};

struct damage {
    struct rig rig;
    size_t length[RECORDS]; /* of the record with this birth */
    uint64_t count;         /* births 1..count were acknowledged */
    uint64_t before_newest; /* births that stand before the newest segment */
    uint64_t seen;
    struct image files[FILES_MAX];
    unsigned file_count;
    struct image *newest;
};

static uint8_t data_at(uint64_t birth, size_t i)
{
    return (uint8_t)(birth * 31 + i * 7 + 1);
}

static uint64_t add_record(struct damage *d, size_t bytes)
{
    static uint8_t data[100000];
    uint64_t birth = ++d->count;

    for (size_t i = 0; i < bytes; i++)
        data[i] = data_at(birth, i);
    d->length[birth] = bytes;
    assert_int_equal(rig_append(&d->rig, 1, birth * 3, data, bytes), birth);
    return birth;
}

static int damage_visit(void *ctx, const struct store_record *r)
{
    struct damage *d = ctx;
    const uint8_t *data = r->data;

    assert_int_equal(r->birth, d->seen + 1);
    assert_true(r->birth <= d->count);
    assert_int_equal(r->kind, 1);
    assert_int_equal(r->key, r->birth * 3);
    assert_int_equal(r->data_bytes, d->length[r->birth]);
    for (size_t i = 0; i < r->data_bytes; i++)
        assert_int_equal(data[i], data_at(r->birth, i));
    d->seen++;
    return 0;
}

/* Read all segment files. */
static void images_take(struct damage *d)
{
    DIR *stream = opendir(d->rig.dir);
    const struct dirent *entry;

    assert_non_null(stream);
    d->file_count = 0;
    d->newest = NULL;
    while ((entry = readdir(stream)) != NULL) {
        struct image *f = &d->files[d->file_count];
        struct stat st;
        int fd;

        if (strncmp(entry->d_name, "segment-", 8) != 0)
            continue;
        assert_true(++d->file_count <= FILES_MAX);
        (void)snprintf(f->name, sizeof f->name, "%.31s", entry->d_name);
        fd = openat(d->rig.disk.dir, f->name, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        f->bytes = (size_t)st.st_size;
        free(f->data);
        f->data = calloc(1, f->bytes);
        assert_non_null(f->data);
        assert_int_equal(pread(fd, f->data, f->bytes, 0), f->bytes);
        (void)close(fd);
        f->state = segment_header_get(f->data, &f->header);
        for (f->end = f->bytes; f->end > 0 && f->data[f->end - 1] == 0; f->end--)
            ;
        f->end = (f->end + 7) & ~UINT64_C(7);
        if (f->state == SEGMENT_SOUND &&
            (d->newest == NULL || f->header.generation > d->newest->header.generation))
            d->newest = f;
    }
    (void)closedir(stream);
}

/* Put the files back as they were taken, and remove others. */
static void images_restore(struct damage *d)
{
    rig_remove(d->rig.dir);
    assert_int_equal(mkdir(d->rig.dir, 0700), 0);
    (void)close(d->rig.disk.dir);
    d->rig.disk.dir = open(d->rig.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; i < d->file_count; i++)
        disk_put(&d->rig.disk, d->files[i].name, d->files[i].data, d->files[i].bytes);
    disk_reset(&d->rig.disk);
}

static bool images_complete(const struct damage *d)
{
    struct stat st;

    for (unsigned i = 0; i < d->file_count; i++) {
        if (fstatat(d->rig.disk.dir, d->files[i].name, &st, 0) != 0 ||
            (size_t)st.st_size != d->files[i].bytes)
            return false;
    }
    return true;
}

static void write_at(
    struct damage *d, const struct image *f, uint64_t at, const void *data, size_t n)
{
    int fd = openat(d->rig.disk.dir, f->name, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, n, (off_t)at), n);
    (void)close(fd);
}

/* What a batch leaves that was torn off: a head of this generation, and no data. */
static void leave_torn(struct damage *d)
{
    struct record_head head = { .length = 80, .kind = 1, .birth = d->count + 1, .key = 1 };
    uint8_t bytes[STORE_HEAD_BYTES];

    images_take(d);
    GANGER_ASSERT(d->newest != NULL);
    head.generation = (uint32_t)d->newest->header.generation;
    record_head_put(bytes, &head);
    write_at(d, d->newest, d->newest->end + 48, bytes, sizeof bytes);
}

/* Three lives with a crash between, so three segments of a few batches each; BYTES is the size of
 * one more record. */
static void damage_init(struct damage *d, size_t bytes)
{
    memset(d, 0, sizeof *d);
    rig_init(&d->rig);
    for (unsigned life = 0; life < LIVES; life++) {
        d->before_newest = d->count;
        disk_reset(&d->rig.disk);
        assert_int_equal(rig_open(&d->rig), 0);
        d->seen = 0;
        assert_int_equal(store_replay(d->rig.store, damage_visit, d), 0);
        assert_int_equal(d->seen, d->count);
        (void)add_record(d, 100);
        (void)add_record(d, 0);
        (void)add_record(d, 37);
        rig_settle(&d->rig, d->count);
        if (bytes > 0) {
            d->before_newest = d->count;
            (void)add_record(d, bytes);
            rig_settle(&d->rig, d->count);
        }
        (void)add_record(d, 64);
        (void)add_record(d, 5);
        rig_settle(&d->rig, d->count);
        rig_close(&d->rig);
        if (life + 1 < LIVES)
            leave_torn(d);
    }
    images_take(d);
    assert_true(d->file_count > LIVES);
    assert_non_null(d->newest);
}

static void damage_done(struct damage *d)
{
    rig_done(&d->rig);
    for (unsigned i = 0; i < FILES_MAX; i++)
        free(d->files[i].data);
}

/*
 * Open the damaged journal and judge. Returns whether it opened; then d->seen records came.
 * With SEALED, records of F can only be missing with an error.
 */
static bool damage_judge(struct damage *d, const struct image *f, uint64_t at, bool sealed)
{
    int rc = rig_open(&d->rig);

    d->seen = 0;
    if (rc == 0) {
        assert_int_equal(store_replay(d->rig.store, damage_visit, d), 0);
        if (d->seen < (sealed ? d->count : d->before_newest))
            print_error("%s at %" PRIu64 ": %" PRIu64 " of %" PRIu64 " records, no error\n",
                f->name, at, d->seen, d->count);
        assert_true(d->seen >= (sealed ? d->count : d->before_newest));
        return true;
    }
    assert_true(rc == GANGER_ECORRUPT || rc == GANGER_EFOREIGN);
    assert_non_null(strstr(d->rig.err, d->rig.dir));
    if (rc == GANGER_ECORRUPT)
        assert_true(strstr(d->rig.err, "segment-") != NULL);
    return false;
}

/* After a prefix was replayed: the journal goes on, and the next opening is not confused. */
static void damage_go_on(struct damage *d)
{
    uint64_t count = d->count;

    d->count = d->seen;
    (void)add_record(d, 20);
    (void)add_record(d, 300);
    rig_settle(&d->rig, d->count);
    rig_close(&d->rig);
    assert_int_equal(rig_open(&d->rig), 0);
    d->seen = 0;
    assert_int_equal(store_replay(d->rig.store, damage_visit, d), 0);
    assert_int_equal(d->seen, d->count);
    rig_close(&d->rig);
    d->count = count;
}

static bool is_sealed(const struct damage *d, const struct image *f)
{
    return f != d->newest && f->state == SEGMENT_SOUND;
}

/* Every byte where something stands, and some of those where nothing does. */
static uint64_t next_offset(const struct image *f, uint64_t at)
{
    bool header_rest = at >= 96 && at + 64 < SEGMENT_HEADER_BYTES;

    return at + (header_rest ? 61 : at > f->end + 64 ? 4093 : 1);
}

static void each_cut(struct damage *d, const struct image *f)
{
    static const uint8_t zeros[65536];
    size_t lengths[RECORDS];

    memcpy(lengths, d->length, sizeof lengths);
    for (uint64_t at = 0; at < f->bytes; at = next_offset(f, at)) {
        write_at(d, f, at, zeros, (size_t)(f->bytes - at));
        if (damage_judge(d, f, at, is_sealed(d, f) && at < f->end) && at % 8 == 0)
            damage_go_on(d);
        rig_close(&d->rig);
        memcpy(d->length, lengths, sizeof lengths);
        images_restore(d);
    }
}

static void test_journal_torn_at_every_byte_replays_a_prefix(void **state)
{
    struct damage d;

    (void)state;
    damage_init(&d, 0);
    for (unsigned i = 0; i < d.file_count; i++) {
        if (d.files[i].state == SEGMENT_SOUND)
            each_cut(&d, &d.files[i]);
    }
    damage_done(&d);
}

static void test_journal_truncated_at_every_byte_is_named(void **state)
{
    struct damage d;

    (void)state;
    damage_init(&d, 0);
    for (unsigned i = 0; i < d.file_count; i++) {
        struct image *f = &d.files[i];

        if (f->state != SEGMENT_SOUND)
            continue;
        for (uint64_t at = 0; at < f->bytes; at = next_offset(f, at)) {
            int fd = openat(d.rig.disk.dir, f->name, O_WRONLY | O_CLOEXEC);

            assert_int_equal(ftruncate(fd, (off_t)at), 0);
            (void)close(fd);
            (void)damage_judge(&d, f, at, at < f->end || f == d.newest);
            rig_close(&d.rig);
            images_restore(&d);
        }
    }
    damage_done(&d);
}

static void each_flip(struct damage *d, const struct image *f, uint64_t from, uint64_t step)
{
    for (uint64_t at = from; at<f->bytes; at = step> 1 ? at + step : next_offset(f, at)) {
        uint8_t masks[3] = { 0x01, (uint8_t)(1u << rig_random(&d->rig.disk.random) % 8), 0xff };

        for (unsigned m = 0; m < 3; m++) {
            uint8_t byte = f->data[at] ^ masks[m];

            write_at(d, f, at, &byte, 1);
            (void)damage_judge(d, f, at, is_sealed(d, f));
            rig_close(&d->rig);
            write_at(d, f, at, &f->data[at], 1);
            if (!images_complete(d))
                images_restore(d);
        }
    }
}

static void test_journal_flipped_at_every_byte_is_prefix_or_named(void **state)
{
    struct damage d;

    (void)state;
    damage_init(&d, 0);
    for (unsigned i = 0; i < d.file_count; i++)
        each_flip(&d, &d.files[i], 0, d.files[i].state == SEGMENT_SOUND ? 1 : 4093);
    damage_done(&d);
}

static void test_journal_flipped_in_pieces_is_prefix_or_named(void **state)
{
    struct damage d;

    (void)state;
    damage_init(&d, 90000);
    for (unsigned i = 0; i < d.file_count; i++)
        each_flip(&d, &d.files[i], i, 1021);
    damage_done(&d);
}

/* Damage before the last batch is corruption, with the place. */
static void test_journal_damage_before_a_later_batch_names_the_offset(void **state)
{
    struct damage d;
    uint8_t byte;
    char place[64];

    (void)state;
    damage_init(&d, 0);
    byte = d.newest->data[SEGMENT_HEADER_BYTES + RECORD_BATCH_BYTES + 40] ^ 1;
    write_at(&d, d.newest, SEGMENT_HEADER_BYTES + RECORD_BATCH_BYTES + 40, &byte, 1);
    assert_int_equal(rig_open(&d.rig), GANGER_ECORRUPT);
    (void)snprintf(place, sizeof place, "%s: the record at offset %u", d.newest->name,
        SEGMENT_HEADER_BYTES + RECORD_BATCH_BYTES);
    assert_non_null(strstr(d.rig.err, place));
    damage_done(&d);
}

static void test_journal_segment_removed_is_named(void **state)
{
    struct damage d;

    (void)state;
    damage_init(&d, 0);
    for (unsigned i = 0; i < d.file_count; i++) {
        if (!is_sealed(&d, &d.files[i]))
            continue;
        assert_int_equal(unlinkat(d.rig.disk.dir, d.files[i].name, 0), 0);
        assert_int_equal(rig_open(&d.rig), GANGER_ECORRUPT);
        assert_non_null(strstr(d.rig.err, "missing"));
        images_restore(&d);
    }
    damage_done(&d);
}

/* The header block of the newest segment never got there, or was lost: its batches tell. */
static void test_journal_newest_header_zeroed_is_named(void **state)
{
    static const uint8_t zeros[SEGMENT_HEADER_BYTES];
    struct damage d;

    (void)state;
    damage_init(&d, 0);
    write_at(&d, d.newest, 0, zeros, sizeof zeros);
    assert_int_equal(rig_open(&d.rig), GANGER_ECORRUPT);
    assert_non_null(strstr(d.rig.err, d.newest->name));
    damage_done(&d);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_torn_at_every_byte_replays_a_prefix),
        cmocka_unit_test(test_journal_truncated_at_every_byte_is_named),
        cmocka_unit_test(test_journal_flipped_at_every_byte_is_prefix_or_named),
        cmocka_unit_test(test_journal_flipped_in_pieces_is_prefix_or_named),
        cmocka_unit_test(test_journal_damage_before_a_later_batch_names_the_offset),
        cmocka_unit_test(test_journal_segment_removed_is_named),
        cmocka_unit_test(test_journal_newest_header_zeroed_is_named),
    };

    return test_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
