/*
 * A connection with a buffer each way, for protocols that have no fast client library. Bytes are
 * collected by wire_put() and leave with wire_flush(), in one write if the socket takes them.
 */
#ifndef PEERS_WIRE_H
#define PEERS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

struct peer_run;

struct wire {
    int fd;
    char *out; /* not yet written */
    size_t out_bytes, out_room;
    char *in; /* read; not yet taken from in_begin to in_end */
    size_t in_begin, in_end, in_room;
};

/* Connect to the socket NAME in the folder of RUN. Fails by peer_fail(), as all here. */
void wire_open_unix(struct wire *w, const struct peer_run *run, const char *name);
/* Connect to the loopback port that the file NAME in the folder of RUN holds. */
void wire_open_port(struct wire *w, const struct peer_run *run, const char *name);
void wire_close(struct wire *w);

void wire_put(struct wire *w, const void *bytes, size_t count);
/* Write all; what comes meanwhile is read. */
void wire_flush(struct wire *w);
/* Read once, after what is there. WAIT false: do not wait; false when there is nothing. */
bool wire_read(struct wire *w, bool wait);

#endif
