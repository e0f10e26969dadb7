/*
 * The syncer: the thread that writes and syncs.
 *
 * It writes one batch at a time, retries a failing one with back-off until it is durable, and
 * between batches makes spare segments, gives back those that are too many, and reads chunks for
 * reclaim; it writes zeros when no batch comes. A second batch may stand by: it is taken up as soon
 * as the first is durable, however busy the loop is, and until then the loop can have it back to
 * gather more in it. The loop hands work in and collects news; everything
 * between the two threads passes through the one mutex in here.
 *
 * A batch may also be left to the loop's thread, which then does with the writer what the thread
 * would do; until that is over the thread leaves the writer alone, and looks whether it has to
 * stand in for the loop. Private to this folder; functions are for the loop thread.
 */
#ifndef STORE_SYNCER_H
#define STORE_SYNCER_H

#include <stdbool.h>
#include <stdint.h>

#include "store/batch.h"
#include "store/chunk.h"
#include "store/company.h"
#include "store/store.h"
#include "store/writer.h"

struct syncer;

/* The segments as the loop may know them. */
struct syncer_view {
    uint64_t used, used_bytes, spares, disk_bytes, syncs;
    uint64_t left;           /* bytes that the current segment still takes */
    uint64_t oldest, newest; /* generations in use; 0 if there is none */
    bool failing;            /* the last write or sync failed; being retried */
    bool cramped;            /* the disk has no room for another segment */
};

struct syncer_news {
    unsigned done;         /* batches that are durable and the loop's again: the first ones lent */
    bool failed;           /* a try failed since the last news */
    unsigned failed_after; /* as many of them were durable when it first did */
    bool read;             /* the chunk is the loop's again */
    int error;             /* errno of the failure */
    const char *failed_at;
    struct syncer_view view;
};

/*
 * Start the thread on WRITER, which it owns from now on (freed by syncer_stop()). OWNER's notify()
 * is called on the thread when there is news, and its stand_in(). GANGER_ENOMEM.
 */
int syncer_start(
    const struct writer *writer, const struct store_owner *owner, struct syncer **ret_syncer);

/* End the thread, after what it is doing at this moment, and free S. Accepts NULL. */
void syncer_stop(struct syncer *s);

/* Most batches that are lent at a time. */
#define SYNCER_BATCHES 2u

/*
 * Lend B to the thread until the news says done. If ALONE it may be left to the caller, who saves
 * the way to the thread and back: true, and syncer_sync() has to follow soon.
 */
bool syncer_write(struct syncer *s, struct batch *b, const struct writer_facts *facts, bool alone);

/*
 * Take up what syncer_write() left: HERE, in the calling thread, which has news afterwards and is
 * not notified; or not, then the thread does it.
 */
void syncer_sync(struct syncer *s, bool here);

/* Take back the batch that stands by. False if there is none: it is being written by now. */
bool syncer_take_back(struct syncer *s);

/* Lend C to the thread to be filled, until the news says read. One at a time. */
void syncer_read(struct syncer *s, struct chunk *c);

/* Take the news, if there are any. */
bool syncer_collect(struct syncer *s, struct syncer_news *ret_news);

/* Wait for news. */
void syncer_wait(struct syncer *s);

#endif
