/*
 * Error codes: one list for the wire, the daemon and the public library.
 *
 * A fallible function returns 0 or a negative GANGER_E... code. The numbers are part of the
 * protocol (PROTOCOL.md) and never change; new ones are added at the end. This header is
 * installed as <ganger/err.h>, so it is C99 and C++ as well.
 */
#ifndef GANGER_ERR_H
#define GANGER_ERR_H

/* X(name, number, text) */
#define GANGER_ERRORS(X)                                                                           \
    X(EINVAL, 1, "bad argument")                                                                   \
    X(ESTATE, 2, "wrong state for this call")                                                      \
    X(ENOMEM, 3, "out of memory")                                                                  \
    X(ETIMEDOUT, 4, "not ready in time")                                                           \
    X(EFULL, 5, "full: refused at the door, try again when there is room")                         \
    X(ENOPOOL, 6, "unknown pool")                                                                  \
    X(ENOFUNC, 7, "unknown function")                                                              \
    X(ENOSEM, 8, "unknown semaphore")                                                              \
    X(ENOTASK, 9, "unknown task, or its result is no longer kept")                                 \
    X(ERANGE, 10, "number out of range")                                                           \
    X(EPROTO, 11, "malformed message")                                                             \
    X(EVERSION, 12, "protocol version not supported")                                              \
    X(ETOOBIG, 13, "over a bound announced in the hello")                                          \
    X(ECONN, 14, "no connection to the daemon")                                                    \
    X(EUNKNOWN, 15, "outcome unknown: the journal could not confirm it")                           \
    X(ESTALE, 16, "late word from an old owner")                                                   \
    X(EACCES, 17, "permission denied")                                                             \
    X(ESTORE, 18, "the journal cannot take writes now")                                            \
    X(ECORRUPT, 19, "the journal is corrupt")                                                      \
    X(EBUSY, 20, "in use by another process")                                                      \
    X(EIO, 21, "input or output error")                                                            \
    X(EAGAIN, 22, "would block")                                                                   \
    X(EBROKEN, 23, "the pool is broken: its workers die before their first task")                  \
    X(EDRAIN, 24, "the daemon is stopping and takes no tasks")                                     \
    X(ECANCELLED, 25, "cancelled")                                                                 \
    X(EFAILED, 26, "the function reported an error")                                               \
    X(EDIED, 27, "the worker process died")                                                        \
    X(ETIMELIMIT, 28, "the task ran over its time limit")                                          \
    X(EEXPIRED, 29, "the task expired before it could start")                                      \
    X(EEXIT, 30, "the command ended with a non-zero exit status")                                  \
    X(EAGENT, 31, "the worker agent was lost")                                                     \
    X(ELOST, 32, "the attempt was lost and its end is not known")                                  \
    X(EDATALOST, 33, "the payload can no longer be read")                                          \
    X(EENCODE, 34, "the value cannot be encoded")                                                  \
    X(EMODULE, 35, "the module cannot be loaded")                                                  \
    X(ECONF, 36, "configuration error")                                                            \
    X(EINTR, 37, "interrupted by a signal")                                                        \
    X(EDECODE, 38, "the payload is not valid msgpack")                                             \
    X(EEXIST, 39, "exists already")                                                                \
    X(EFOREIGN, 40, "not a Ganger journal, or one of a newer version")

enum ganger_error {
#define GANGER_ERROR_ENUM(name, number, text) GANGER_##name = -(number),
    GANGER_ERRORS(GANGER_ERROR_ENUM)
#undef GANGER_ERROR_ENUM
        GANGER_OK = 0
};

#endif
