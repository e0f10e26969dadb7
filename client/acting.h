/*
 * The task that this process works for, if any: what it waits for as a client is waited for by that
 * attempt, and the daemon is told so (request ACT), lest a reservation that waits for what the
 * attempt holds keeps back what the attempt waits for.
 *
 * The worker runtime sets it for each task; a program that a task runs finds it in its environment.
 * Relaxed: other threads may look while a task begins, and a pair that is torn names no attempt.
 */
#ifndef CLIENT_ACTING_H
#define CLIENT_ACTING_H

#include <stdatomic.h>
#include <stdint.h>

struct acting {
    _Atomic uint64_t id, fence; /* fence 0: none */
};
extern struct acting acting;

/* The fencing number of the present attempt, 0 = none. */
static inline uint64_t acting_fence(void)
{
    return atomic_load_explicit(&acting.fence, memory_order_relaxed);
}

/* From now on this process works for that attempt; 0, 0: for none. */
static inline void acting_set(uint64_t id, uint64_t fence)
{
    atomic_store_explicit(&acting.id, id, memory_order_relaxed);
    atomic_store_explicit(&acting.fence, fence, memory_order_relaxed);
}

/* Take the attempt from GANGER_TASK_ID and GANGER_FENCE, unless this is a worker child. */
void acting_from_environment(void);

/* This process is a worker child: only acting_set() counts, and it passes on nobody's attempt. */
void acting_forget_environment(void);

#endif
