#include "store/index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "store/fault.h"
#include "store/reader.h"
#include "store/record.h"
#include "store/room.h"
#include "store/segment.h"

#define NONE          UINT64_MAX /* a birth that is none */
#define WINDOW_COPIES ((size_t)16 * 1024)

/* Where the reading of the segments has come to. */
struct walk {
    size_t segment; /* in the index */
    uint64_t offset;
    uint64_t last_birth, in_order; /* as in the index, so far */
};

/* One replay under way. */
struct replay {
    const struct index *index;
    struct walk walk;
    struct index_entry next; /* in order, not yet taken; birth NONE: there is none */
    bool next_is_piece;
    size_t group_in_order; /* how many of the group the first reader reads */
    size_t copies;         /* taken from the index */
    struct reader in_order, other;
    struct index_run group; /* all that stands for one birth, if it is in pieces */
    uint8_t *whole;         /* a record put together from pieces */
    size_t whole_bytes;
};

/* A record or piece as it stands in the log; DATA is borrowed from a reader. */
struct found {
    struct record_head head;
    const uint8_t *data;
    uint32_t total, offset, bytes;
};

static int run_add(struct index_run *run, const struct index_entry *entry)
{
    if (run->count == run->capacity) {
        size_t capacity = run->capacity == 0 ? 64 : run->capacity * 2;
        struct index_entry *entries = realloc(run->entries, capacity * sizeof *entries);

        if (entries == NULL)
            return GANGER_ENOMEM;
        run->entries = entries;
        run->capacity = capacity;
    }
    run->entries[run->count++] = *entry;
    return 0;
}

int index_add_segment(struct index *index, uint32_t id, uint64_t end)
{
    if (index->segment_count == index->segment_capacity) {
        size_t capacity = index->segment_capacity == 0 ? 16 : index->segment_capacity * 2;
        struct index_segment *segments = realloc(index->segments, capacity * sizeof *segments);

        if (segments == NULL)
            return GANGER_ENOMEM;
        index->segments = segments;
        index->segment_capacity = capacity;
    }
    index->segments[index->segment_count++] = (struct index_segment){ .id = id, .end = end };
    return 0;
}

int index_add(struct index *index, uint64_t birth, uint64_t offset)
{
    struct index_entry entry = { .birth = birth, .place = (uint32_t)(offset / 8) };

    if (birth >= index->last_birth) {
        index->last_birth = birth;
        index->in_order++;
        return 0;
    }
    entry.segment = index->segments[index->segment_count - 1].id;
    return run_add(&index->copies, &entry);
}

static int entry_compare(const void *a, const void *b)
{
    const struct index_entry *x = a, *y = b;

    if (x->birth != y->birth)
        return x->birth < y->birth ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Read the head at OFFSET of segment ID. */
static int head_read(struct reader *r, uint32_t id, uint64_t offset, struct record_head *ret_head)
{
    const uint8_t *at = NULL;
    int rc = reader_open(r, id);

    if (rc < 0)
        return fault_code(-rc);
    if (reader_at(r, offset, STORE_HEAD_BYTES, &at) != (ssize_t)STORE_HEAD_BYTES)
        return GANGER_EIO;
    record_head_get(at, ret_head);
    return ret_head->length > RECORD_LENGTH_MAX ? GANGER_EIO : 0;
}

/* Take the record at the place of the walk. 1 if it is one in order: then it is the next. */
static int walk_step(struct replay *p, const struct index_segment *s)
{
    struct walk *w = &p->walk;
    struct record_head head;
    uint64_t offset = w->offset;
    int rc = head_read(&p->in_order, s->id, offset, &head);

    if (rc < 0)
        return rc;
    w->offset += record_bytes(head.length);
    if (w->offset > s->end)
        return GANGER_EIO;
    if (head.kind == 0 || head.birth < w->last_birth)
        return 0;
    w->last_birth = head.birth;
    w->in_order++;
    p->next = (struct index_entry){
        .birth = head.birth, .segment = s->id, .place = (uint32_t)(offset / 8)
    };
    p->next_is_piece = (head.flags & RECORD_PIECE) != 0;
    return 1;
}

/* Go on to the next record in order. GANGER_EIO: the log is not what it was when it was opened. */
static int walk_next(struct replay *p)
{
    const struct index *index = p->index;
    struct walk *w = &p->walk;

    while (w->segment < index->segment_count) {
        const struct index_segment *s = &index->segments[w->segment];
        int rc;

        if (w->offset >= s->end) {
            w->segment++;
            w->offset = SEGMENT_HEADER_BYTES;
            continue;
        }
        rc = walk_step(p, s);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    p->next.birth = NONE;
    return w->in_order == index->in_order ? 0 : GANGER_EIO;
}

/* Read the record or piece that stands at ENTRY. */
static int entry_read(struct reader *r, const struct index_entry *entry, struct found *ret_found)
{
    uint64_t offset = (uint64_t)entry->place * 8;
    struct found *f = ret_found;
    const uint8_t *at = NULL;
    ssize_t got;
    int rc = head_read(r, entry->segment, offset, &f->head);

    if (rc < 0)
        return rc;
    if (f->head.birth != entry->birth)
        return GANGER_EIO;
    got = reader_at(r, offset, record_bytes(f->head.length), &at);
    if (got != (ssize_t)record_bytes(f->head.length))
        return GANGER_EIO;
    f->data = at + STORE_HEAD_BYTES;
    f->bytes = f->head.length;
    f->total = f->head.length;
    f->offset = 0;
    if ((f->head.flags & RECORD_PIECE) != 0) {
        record_piece_get(f->data, &f->total, &f->offset);
        f->data += RECORD_PIECE_BYTES;
        f->bytes -= RECORD_PIECE_BYTES;
    }
    return 0;
}

/* Read member I of the group. */
static int group_read(struct replay *p, size_t i, struct found *ret_found)
{
    struct reader *r = i < p->group_in_order ? &p->in_order : &p->other;
    struct index_entry entry = p->group.entries[i];

    return entry_read(r, &entry, ret_found);
}

static int whole_reserve(struct replay *p, size_t bytes)
{
    uint8_t *whole;

    if (p->whole_bytes >= bytes)
        return 0;
    whole = realloc(p->whole, bytes);
    if (whole == NULL)
        return GANGER_ENOMEM;
    p->whole = whole;
    p->whole_bytes = bytes;
    return 0;
}

/*
 * Put the record of the group together, from pieces where need be. 1 if it is whole; 0 if parts
 * are missing, which happens only to a record that nobody needs any more: live pieces are
 * copied before their segment is reused, and a torn record was never acknowledged.
 */
static int group_assemble(struct replay *p, struct store_record *ret_record)
{
    uint32_t have = 0;
    size_t idle = 0;

    for (size_t i = 0; idle < p->group.count; i = (i + 1) % p->group.count, idle++) {
        struct found f = { .bytes = 0 };
        int rc = group_read(p, i, &f);

        if (rc < 0)
            return rc;
        *ret_record =
            (struct store_record){ .birth = f.head.birth, .key = f.head.key, .kind = f.head.kind };
        ret_record->data_bytes = f.total;
        if (f.bytes == f.total) {
            ret_record->data = f.data;
            return 1;
        }
        if (f.total > STORE_RECORD_MAX || f.offset > f.total || f.bytes > f.total - f.offset)
            return GANGER_EIO;
        if (f.offset > have || f.offset + f.bytes <= have)
            continue;
        rc = whole_reserve(p, f.total);
        if (rc < 0)
            return rc;
        memcpy(p->whole + f.offset, f.data, f.bytes);
        have = f.offset + f.bytes;
        idle = 0;
        ret_record->data = p->whole;
        if (have == f.total)
            return 1;
    }
    return 0;
}

/* The birth of the next copy. */
static uint64_t copy_birth(const struct replay *p)
{
    const struct index_run *copies = &p->index->copies;

    return p->copies < copies->count ? copies->entries[p->copies].birth : NONE;
}

/* Take all that stands for BIRTH into the group. */
static int group_take(struct replay *p, uint64_t birth)
{
    int rc = 0;

    p->group.count = 0;
    while (rc == 0 && p->next.birth == birth) {
        rc = run_add(&p->group, &p->next);
        if (rc == 0)
            rc = walk_next(p);
    }
    p->group_in_order = p->group.count;
    while (rc == 0 && copy_birth(p) == birth)
        rc = run_add(&p->group, &p->index->copies.entries[p->copies++]);
    return rc;
}

/* Find the record BIRTH, which is the lowest that is left. 1, or 0 if it is not whole. */
static int replay_one(struct replay *p, uint64_t birth, struct store_record *ret_record)
{
    struct found f = { .bytes = 0 };
    int rc;

    if (birth != p->next.birth || p->next_is_piece) {
        rc = group_take(p, birth);
        return rc < 0 ? rc : group_assemble(p, ret_record);
    }
    rc = entry_read(&p->in_order, &p->next, &f);
    if (rc < 0)
        return rc;
    *ret_record = (struct store_record){ .birth = birth,
        .key = f.head.key,
        .kind = f.head.kind,
        .data = f.data,
        .data_bytes = f.bytes };
    return 1;
}

/* Go past all that stands for BIRTH. */
static int replay_pass(struct replay *p, uint64_t birth)
{
    int rc = 0;

    while (rc == 0 && p->next.birth == birth)
        rc = walk_next(p);
    while (copy_birth(p) == birth)
        p->copies++;
    return rc;
}

static int replay_all(struct replay *p, int (*visit)(void *ctx, const struct store_record *r),
    void *ctx, uint64_t *live_bytes)
{
    int rc = walk_next(p);

    while (rc == 0) {
        struct store_record record = { .birth = 0 };
        uint64_t copy = copy_birth(p), birth = copy < p->next.birth ? copy : p->next.birth;

        if (birth == NONE)
            return 0;
        rc = replay_one(p, birth, &record);
        if (rc == 1) {
            *live_bytes += room_live_bytes(record.data_bytes);
            rc = visit(ctx, &record);
        }
        if (rc == 0)
            rc = replay_pass(p, birth);
    }
    return rc;
}

int index_replay(struct index *index, const struct journal_io *io, int dir,
    int (*visit)(void *ctx, const struct store_record *r), void *ctx, uint64_t *live_bytes)
{
    struct replay p = { .index = index, .walk.offset = SEGMENT_HEADER_BYTES };
    int rc;

    reader_init(&p.in_order, io, dir, READER_WINDOW);
    reader_init(&p.other, io, dir, WINDOW_COPIES);
    if (index->copies.count > 0)
        qsort(index->copies.entries, index->copies.count, sizeof *index->copies.entries,
            entry_compare);
    rc = replay_all(&p, visit, ctx, live_bytes);
    reader_done(&p.in_order);
    reader_done(&p.other);
    free(p.group.entries);
    free(p.whole);
    return rc;
}

void index_done(struct index *index)
{
    free(index->segments);
    free(index->copies.entries);
    *index = (struct index){ 0 };
}
