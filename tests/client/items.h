/* What the tests of maps share: items, a daemon that serves them, an outcome that fails in part. */
#ifndef CLIENT_ITEMS_H
#define CLIENT_ITEMS_H

#include "fake.h"

enum { MANY = 1000 };

/* Items 0, 1, 2, ...: msgpack numbers of three bytes; made anew for each test. */
extern struct ganger_bytes items[MANY];

int items_setup(void **state);

/* Registers a test that has a listening fake and its items. */
#define cmocka_unit_test_map(test) cmocka_unit_test_setup_teardown(test, items_setup, fake_teardown)

/* True when BYTES are item I. */
bool items_is(struct ganger_bytes bytes, int i);

/* A client of a daemon that answers by itself. */
struct ganger *items_served(struct fake *fake);

/* Let the client read what comes within 100 ms. */
void items_turn(struct ganger *g);

/* End the chunk of two items REQ with [[0, 42], [CODE, detail with TEXT]]. */
void items_end_half_failed(struct fake *fake, uint64_t req, int code, const char *text);

#endif
