/*
 * Processes are killed at random under load; afterwards the effects are compared with what clients
 * were told. See chaos.c.
 */
#ifndef CHAOS_CHAOS_H
#define CHAOS_CHAOS_H

#include "tests/chaos/kinds.h"
#include "tests/support/daemon.h"

#include <stdint.h>

#define CHAOS_HANG_ATTEMPTS 2
#define CHAOS_BUDGET        2

/* A xorshift generator: the same seed gives the same choices. */
struct dice {
    uint64_t state;
};
uint64_t dice_next(struct dice *dice);
/* 0 .. BOUND - 1 */
uint32_t dice_below(struct dice *dice, uint32_t bound);

struct client_config {
    const char *socket, *log; /* LOG is appended to */
    uint32_t number;          /* of the client process; part of its keys */
    uint64_t seed;
    int64_t until_ms;  /* monotonic: submits until then, ... */
    int64_t settle_ms; /* ... then waits so long for the rest */
};

/*
 * The whole life of a client process: submits and waits, and writes each fact into its log once
 * it knows it. Returns its exit status: 0, or 1 when something did not end in time.
 *
 *     A key id kind             acknowledged, with its id
 *     U key code                not acknowledged
 *     L key                     the connection was lost for good
 *     C key                     (before) asked to cancel
 *     R key id end code attempts causes fence   ended; fence as in the result, 0 if none
 *     T key id                  did not end in time
 */
int client_run(const struct client_config *config);

/* The fencing number that the result of a task of KIND tells; 0 if it tells none. */
uint64_t chaos_fence(enum kind kind, const struct ganger_bytes *result);

/*
 * Compare the clients' logs with the effects and with what the daemon says now. Prints what is
 * wrong and a summary; returns the number of wrongs.
 */
unsigned check_run(struct daemon *d);

#endif
