#include "store/index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "store/fault.h"
#include "store/reader.h"
#include "store/record.h"
#include "store/room.h"

#define WINDOW_IN_ORDER (1024u * 1024)
#define WINDOW_COPIES   (16u * 1024)

/* One replay under way. */
struct replay {
    struct reader in_order, copies;
    struct index_run group; /* all that stands for one birth */
    size_t group_in_order;  /* how many of the group the first reader reads */
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

int index_add(struct index *index, uint64_t birth, uint32_t segment, uint64_t offset)
{
    struct index_entry entry = {
        .birth = birth, .segment = segment, .place = (uint32_t)(offset / 8)
    };
    const struct index_run *in_order = &index->in_order;

    if (in_order->count == 0 || in_order->entries[in_order->count - 1].birth <= birth)
        return run_add(&index->in_order, &entry);
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

/* Read the record or piece that member I of the group stands for. */
static int group_read(struct replay *p, size_t i, struct found *ret_found)
{
    const struct index_entry *entry = &p->group.entries[i];
    struct reader *r = i < p->group_in_order ? &p->in_order : &p->copies;
    uint64_t offset = (uint64_t)entry->place * 8;
    struct found *f = ret_found;
    const uint8_t *at = NULL;
    ssize_t got;
    int rc = reader_open(r, entry->segment);

    if (rc < 0)
        return fault_code(-rc);
    got = reader_at(r, offset, STORE_HEAD_BYTES, &at);
    if (got != (ssize_t)STORE_HEAD_BYTES)
        return GANGER_EIO;
    record_head_get(at, &f->head);
    if (f->head.length > RECORD_LENGTH_MAX || f->head.birth != entry->birth)
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

/* Take all entries of the lowest birth from both runs into the group. */
static int group_take(struct replay *p, const struct index *index, size_t *in_order, size_t *copies)
{
    const struct index_run *a = &index->in_order, *b = &index->copies;
    uint64_t birth = UINT64_MAX;
    int rc = 0;

    if (*in_order < a->count)
        birth = a->entries[*in_order].birth;
    if (*copies < b->count && b->entries[*copies].birth < birth)
        birth = b->entries[*copies].birth;
    p->group.count = 0;
    while (rc == 0 && *in_order < a->count && a->entries[*in_order].birth == birth)
        rc = run_add(&p->group, &a->entries[(*in_order)++]);
    p->group_in_order = p->group.count;
    while (rc == 0 && *copies < b->count && b->entries[*copies].birth == birth)
        rc = run_add(&p->group, &b->entries[(*copies)++]);
    return rc;
}

static int replay_all(struct replay *p, const struct index *index,
    int (*visit)(void *ctx, const struct store_record *r), void *ctx, uint64_t *live_bytes)
{
    size_t in_order = 0, copies = 0;

    while (in_order < index->in_order.count || copies < index->copies.count) {
        struct store_record record = { .birth = 0 };
        int rc = group_take(p, index, &in_order, &copies);

        if (rc == 0)
            rc = group_assemble(p, &record);
        if (rc < 0)
            return rc;
        if (rc == 0)
            continue;
        *live_bytes += room_live_bytes(record.data_bytes);
        rc = visit(ctx, &record);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int index_replay(struct index *index, const struct journal_io *io, int dir,
    int (*visit)(void *ctx, const struct store_record *r), void *ctx, uint64_t *live_bytes)
{
    struct replay p = { .whole = NULL };
    int rc;

    reader_init(&p.in_order, io, dir, WINDOW_IN_ORDER);
    reader_init(&p.copies, io, dir, WINDOW_COPIES);
    if (index->copies.count > 0)
        qsort(index->copies.entries, index->copies.count, sizeof *index->copies.entries,
            entry_compare);
    rc = replay_all(&p, index, visit, ctx, live_bytes);
    reader_done(&p.in_order);
    reader_done(&p.copies);
    free(p.group.entries);
    free(p.whole);
    return rc;
}

void index_done(struct index *index)
{
    free(index->in_order.entries);
    free(index->copies.entries);
    *index = (struct index){ 0 };
}
