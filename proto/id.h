/*
 * Task ids: the epoch of the coordinator that admitted the task, then a counter, so that no id
 * ever repeats across restarts. Printed as two hexadecimal numbers: EPOCH-COUNTER.
 */
#ifndef PROTO_ID_H
#define PROTO_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GANGER_ID_COUNTER_BITS 40
#define GANGER_EPOCH_MAX       ((1u << 24) - 1)
#define GANGER_ID_TEXT_MAX     20 /* bytes of a printed id, with its NUL */

static inline uint64_t id_make(uint32_t epoch, uint64_t counter)
{
    return (epoch * (UINT64_C(1) << GANGER_ID_COUNTER_BITS)) | counter;
}

static inline uint32_t id_epoch(uint64_t id)
{
    return (uint32_t)(id >> GANGER_ID_COUNTER_BITS);
}

static inline uint64_t id_counter(uint64_t id)
{
    return id & ((UINT64_C(1) << GANGER_ID_COUNTER_BITS) - 1);
}

/* Write ID as text ("1-2a") into BUF of at least GANGER_ID_TEXT_MAX bytes; returns its length. */
size_t id_format(uint64_t id, char *buf);

/* Read an id from TEXT (NUL-terminated). Returns 0 or GANGER_EINVAL; *ret_id is then untouched. */
int id_parse(const char *text, uint64_t *ret_id);

#endif
