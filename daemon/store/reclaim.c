#include "store/reclaim.h"

#include <errno.h>

#include "store/bytes.h"
#include "store/journal.h"

#define PASSED_MAX 64u /* segments that one statement covers */

/* Most bytes of segments that the log may take without being reclaimed. */
static uint64_t reclaim_bound(const struct journal *j)
{
    uint64_t segment = j->segment_bytes, bound = 2 * j->live_bytes + 2 * segment;

    return bound < 4 * segment ? 4 * segment : bound;
}

/*
 * Is the log longer than it has to be? Up to twice the live bytes it may be for the sake of few
 * copies; when room runs short, less, as long as an eighth of what is read is won.
 */
static bool reclaim_is_due(const struct journal *j)
{
    uint64_t usable = journal_usable(j), passed = j->reclaim.passed;
    uint64_t used = j->view.used > passed ? j->view.used - passed : 0;
    uint64_t used_bytes = j->view.used_bytes > passed * j->segment_bytes
                              ? j->view.used_bytes - passed * j->segment_bytes
                              : 0;
    uint64_t garbage = used * usable > j->live_bytes ? used * usable - j->live_bytes : 0;

    if (used_bytes > reclaim_bound(j))
        return true;
    if (journal_free(j) + passed * usable > room_log_bytes(&j->reserved) + 4 * usable)
        return false;
    return garbage >= 2 * usable && garbage >= used_bytes / 8;
}

bool reclaim_is_behind(const struct journal *j)
{
    return j->reclaim.state == RECLAIM_READING && j->view.used_bytes > 2 * reclaim_bound(j);
}

#define CHUNK_MAX (4u * 1024 * 1024)

/*
 * Ask for the next chunk. To keep pace with the appends it is twice as large as the last batch:
 * so a poll asks about at most as many records as the loop has just appended, twice over.
 */
static void reclaim_read(struct journal *j)
{
    size_t want = j->last_batch_bytes < CHUNK_MAX / 2 ? 2 * j->last_batch_bytes : CHUNK_MAX;

    j->reclaim.chunk.want = want > j->io->chunk_bytes ? want : j->io->chunk_bytes;
    j->reclaim.state = RECLAIM_READING;
    syncer_read(j->syncer, &j->reclaim.chunk);
}

void reclaim_start(struct journal *j)
{
    struct reclaim *r = &j->reclaim;

    if (r->state != RECLAIM_IDLE || j->view.failing || j->view.oldest >= j->view.newest)
        return;
    if (!reclaim_is_due(j) || journal_free(j) < journal_usable(j))
        return;
    r->chunk.generation = j->oldest;
    r->chunk.offset = SEGMENT_HEADER_BYTES;
    reclaim_read(j);
}

/* Copy the live records of the chunk; are there any? */
static bool reclaim_copy(struct journal *j)
{
    const struct chunk *c = &j->reclaim.chunk;
    bool any = false;

    for (size_t at = 0; at < c->bytes; at += record_bytes(get_u32(c->buf + at + 4))) {
        struct record_head head;

        record_head_get(c->buf + at, &head);
        if (head.kind == 0 || !j->owner.live(j->owner.ctx, head.kind, head.key, head.birth))
            continue;
        journal_copy(j, c->buf + at);
        any = true;
    }
    return any;
}

/* Number of the batch with which everything is durable that was appended up to now. */
static uint64_t reclaim_fence(struct journal *j)
{
    return batch_is_empty(journal_batch(j)) ? j->open_seq - 1 : j->open_seq;
}

/* Enough was passed for now: wait for the fence, then state it. */
static void reclaim_end(struct journal *j)
{
    struct reclaim *r = &j->reclaim;

    r->state = r->passed == 0 ? RECLAIM_IDLE : RECLAIM_FENCE;
    r->wait = reclaim_fence(j);
}

void reclaim_take(struct journal *j)
{
    struct reclaim *r = &j->reclaim;

    if (r->chunk.rc == -ENOMEM) {
        reclaim_end(j);
        return;
    }
    if (r->chunk.rc < 0) {
        r->state = RECLAIM_STUCK;
        j->stats.failures++;
        return;
    }
    if (r->chunk.none) {
        reclaim_end(j);
        return;
    }
    r->wait = reclaim_copy(j) ? j->open_seq : 0;
    r->state = RECLAIM_WRITING;
    r->chunk.offset += r->chunk.bytes;
    if (r->chunk.last) {
        r->passed++;
        r->chunk.generation++;
        r->chunk.offset = SEGMENT_HEADER_BYTES;
        if (r->passed >= PASSED_MAX || !reclaim_is_due(j) ||
            journal_free(j) < 2 * journal_usable(j))
            reclaim_end(j);
    }
    reclaim_go_on(j);
}

void reclaim_go_on(struct journal *j)
{
    struct reclaim *r = &j->reclaim;

    if (r->state == RECLAIM_IDLE || r->state == RECLAIM_READING || r->state == RECLAIM_STUCK ||
        j->done_seq < r->wait)
        return;
    switch (r->state) {
    case RECLAIM_WRITING:
        reclaim_read(j);
        break;
    case RECLAIM_FENCE:
        j->oldest = r->chunk.generation;
        journal_batch(j)->statement = true;
        r->wait = j->open_seq;
        r->state = RECLAIM_STATING;
        break;
    default:
        r->passed = 0;
        r->state = RECLAIM_IDLE;
        break;
    }
}
