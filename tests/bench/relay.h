/*
 * The floor of whoever goes through a third process: 64-byte messages there and back.
 *
 * client -> relay -> echo -> relay -> client are the four hops that a task needs as well. The relay
 * is one process, as the coordinator is one; nobody looks at more than a message's number.
 */
#ifndef BENCH_RELAY_H
#define BENCH_RELAY_H

#define RELAY_MESSAGE 64u /* bytes */

enum relay_kind {
    RELAY_UNIX,
    RELAY_TCP /* over loopback, without Nagle's delay */
};

/* Median of the round trip of one message at a time, blocking, in microseconds. */
double relay_round_trip_us(enum relay_kind kind, unsigned rounds);

/*
 * Messages a second over Unix sockets with at most IN_FLIGHT on their way, as many in one read and
 * write as there are. Client and echo check the number of each message. It is the median of several
 * chains of processes: where the scheduler puts one decides for long how it batches.
 */
double relay_rate(unsigned in_flight, unsigned messages);

/* Median of the round trip between two processes, without a third; Unix sockets; microseconds. */
double relay_ping_us(unsigned rounds);

#endif
