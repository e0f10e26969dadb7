/* What typed helpers read out of the daemon's answers. */
#ifndef CLIENT_ANSWER_H
#define CLIENT_ANSWER_H

#include "ganger/ganger.h"

#include <stddef.h>
#include <stdint.h>

/* The number "processes" of the first pool in the answer to VERB_POOLS. 0 or GANGER_EPROTO. */
int pools_processes(const void *value, size_t len, uint32_t *ret_processes);

/* The answer to VERB_SEM_VALUE. 0 or GANGER_EPROTO. */
int sem_parse(const void *value, size_t len, struct ganger_sem_value *ret_value);

#endif
