/*
 * Room: how many bytes of data and how many records are set aside or live.
 *
 * Both implementations of the store count alike, so that what fits one fits the other. Private
 * to this folder.
 */
#ifndef STORE_ROOM_H
#define STORE_ROOM_H

#include "proto/assert.h"
#include "store/store.h"

/*
 * Bytes that one record may need in the log beside its data: its head, padding to 8 bytes, and
 * the batch record that a batch of one record begins with.
 */
#define ROOM_RECORD_BYTES (STORE_HEAD_BYTES + 8u + 48u)

struct room {
    uint64_t bytes;   /* of data */
    uint64_t records; /* number of records */
};

/* Bytes of the log that one live record with DATA_BYTES of data takes. */
static inline uint64_t room_live_bytes(uint64_t data_bytes)
{
    return (STORE_HEAD_BYTES + data_bytes + 7u) & ~UINT64_C(7);
}

/* Most bytes of the log that ROOM can take. */
static inline uint64_t room_log_bytes(const struct room *room)
{
    return room->bytes + room->records * ROOM_RECORD_BYTES;
}

static inline void room_add(struct room *room, uint64_t bytes, uint64_t records)
{
    room->bytes += bytes;
    room->records += records;
}

/* Take BYTES and RECORDS out of ROOM; more than there is in it is a bug of the caller. */
static inline void room_take(struct room *room, uint64_t bytes, uint64_t records)
{
    GANGER_ASSERT(bytes <= room->bytes && records <= room->records);
    room->bytes -= bytes;
    room->records -= records;
}

/* Bytes in the IOVCNT parts of IOV. */
static inline size_t room_iov_bytes(const struct iovec *iov, int iovcnt)
{
    size_t sum = 0;

    for (int i = 0; i < iovcnt; i++)
        sum += iov[i].iov_len;
    return sum;
}

#endif
