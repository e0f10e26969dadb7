/*
 * Every bound on what a peer can make us read, hold or do, in one place.
 *
 * The bounds marked (hello) are announced in the hello; the others are documented in
 * PROTOCOL.md or in the configuration manual. Each is reached by a test.
 */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

#define GANGER_PROTOCOL_VERSION 1

#define GANGER_FRAME_MAX        (17u * 1024 * 1024) /* (hello) bytes of a frame body */
#define GANGER_PAYLOAD_MAX      (16u * 1024 * 1024) /* (hello) bytes of a payload or an outcome */
#define GANGER_NAME_MAX         128u  /* (hello) bytes of a pool, function, semaphore name */
#define GANGER_BATCH_MAX        4096u /* (hello) items in one message */
#define GANGER_NEEDS_MAX        16u   /* (hello) semaphores that one task can name */
#define GANGER_TEXT_MAX         4096u /* bytes of an error text or backtrace on the wire */
#define GANGER_HELLO_MAX        1024u /* bytes of a frame before the hello is done */
#define GANGER_VALUE_DEPTH      64u   /* nesting of a msgpack value we walk */
#define GANGER_HAND_MAX         512u  /* tasks in the hand of one child */
#define GANGER_PRIORITY_MAX     255u  /* 0 is the most urgent */
#define GANGER_PRIORITY_DEFAULT 128u
#define GANGER_ATTEMPTS_MAX     1000u
#define GANGER_CRASHES_MAX      255u
#define GANGER_CAUSES_MAX       8u                  /* kept causes of ended attempts of one task */
#define GANGER_PERMITS_MAX      1000000u            /* permits of one semaphore */
#define GANGER_SEMS_MAX         65536u              /* semaphores */
#define GANGER_POOLS_MAX        4096u               /* pools */
#define GANGER_PROCESSES_MAX    4096u               /* children of one pool */
#define GANGER_WAITERS_MAX      1024u               /* waiters on one task */
#define GANGER_TASKS_MAX        (64u * 1024 * 1024) /* tasks known at once, default bound */
#define GANGER_STDERR_TAIL      4096u /* last bytes of a child's stderr that are kept */
#define GANGER_SESSION_OUT_MAX                                                                     \
    (8u * 1024 * 1024) /* unsent bytes at which a session is no longer read */
#define GANGER_DURATION_MAX_MS                                                                     \
    (10ull * 366 * 86400 * 1000)                /* any delay, limit, expiry, retention */
#define GANGER_RUN_AT_MAX_MS 253402300799999ull /* a run-at time: the end of the year 9999 */
#define GANGER_CODE_MAX      32767u             /* largest number of an error code on the wire */
#define GANGER_HANDSHAKE_MS  5000u              /* time a new connection has for its hello */

#endif
