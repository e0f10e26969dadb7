/*
 * Reclaim: takes back the oldest segments.
 *
 *   1. IDLE -> READING: the log is longer than it has to be. Ask the sync thread for a chunk of
 *      the oldest segment.
 *   2. READING: of each record in the chunk the owner is asked whether it is live; live ones
 *      are copied into the open batch. -> WRITING if there were any, else the next chunk.
 *   3. WRITING: wait until the copies are durable, then the next chunk.
 *   4. The segment is passed: on to the next one, if the log is still too long. Otherwise
 *      -> FENCE: wait until everything is durable that was appended before. (The record that
 *      made another one dead may still be on its way.)
 *   5. FENCE -> STATING: the next batch states that what was passed is no longer needed; when
 *      that is durable the sync thread makes spares of it. -> IDLE
 *
 * If appends are faster all the same, and the log is twice as long as it may be, the gathered
 * batch waits while a chunk is read.
 *
 * A damaged record stops reclaim for good, and with it admission: STUCK. Opening the journal
 * again names the damage. Private to this folder; loop thread.
 */
#ifndef STORE_RECLAIM_H
#define STORE_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "store/chunk.h"

struct journal;

enum reclaim_state {
    RECLAIM_IDLE,
    RECLAIM_READING,
    RECLAIM_WRITING,
    RECLAIM_FENCE,
    RECLAIM_STATING,
    RECLAIM_STUCK,
};

struct reclaim {
    enum reclaim_state state;
    struct chunk chunk;
    uint64_t wait;   /* number of the batch to wait for */
    uint64_t passed; /* segments of which nothing is needed any more, until that is stated */
};

/* Begin, if the log is too long and nothing is under way. */
void reclaim_start(struct journal *j);

/* Shall the gathered batch wait for the chunk that is being read? */
bool reclaim_is_behind(const struct journal *j);

/* The chunk is back. */
void reclaim_take(struct journal *j);

/* Batches became durable. */
void reclaim_go_on(struct journal *j);

#endif
