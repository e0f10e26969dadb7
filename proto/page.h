/*
 * The shared page of a worker child: one page (memfd), mapped by the child and by the coordinator.
 *
 * Every hand on a child's link has a number: 0, 1, 2, ... The child may begin number n only by
 * raising `begun` from n to n+1 while n < `limit` (page_begin). The coordinator raises `limit`
 * when it hands (page_grant) and lowers it to take back what was not begun (page_take_back), which
 * tells it exactly how far the child has come. Both live in one 64-bit word, so each of these
 * is one atomic step and no hand can be both begun and taken back.
 *
 * After a take-back the child finds the rest of its input refused, drops it and says how many
 * (MSG_RETURNED); the coordinator hands nothing more to that child before. The numbers that were
 * dropped are used up: a later page_begin() moves `begun` past them.
 *
 * `cancel` is n+1 when the task with number n is asked to stop: the child's SIGTERM handler acts
 * only if that is the one which is running, so a soft signal never hits the next task.
 *
 * `ran_us` grows by the time that the child has run tasks, so that the coordinator knows how many
 * to hand ahead. By its own clock it could not tell a task that takes long from one that waits for
 * a processor. A child that never writes it is measured by that clock.
 *
 * Numbers go on at 0 after 2^32 - 1: they are compared modulo 2^32, so all those that are compared
 * must lie within 2^31 of each other.
 *
 * What the child writes is untrusted: the coordinator bounds-checks every value.
 */
#ifndef PROTO_PAGE_H
#define PROTO_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE_BYTES 4096u

struct page {
    _Atomic uint64_t word;   /* low half: begun, high half: limit */
    _Atomic uint32_t cancel; /* number + 1 of the hand that is asked to stop, 0 = none */
    uint32_t zero;
    _Atomic uint64_t ran_us; /* microseconds that it has run tasks, in all */
};

static inline uint64_t page_word(uint32_t begun, uint32_t limit)
{
    return ((uint64_t)limit << 32) | begun;
}

/* True when number A comes before number B. */
static inline bool page_before(uint32_t a, uint32_t b)
{
    return a != b && b - a < UINT32_C(1) << 31;
}

static inline uint32_t page_begun(const struct page *p)
{
    return (uint32_t)atomic_load_explicit(&p->word, memory_order_acquire);
}

/* Child: it has run tasks for US microseconds more, of which the results are about to be sent. */
static inline void page_ran_add(struct page *p, uint64_t us)
{
    uint64_t sum = atomic_load_explicit(&p->ran_us, memory_order_relaxed) + us;

    atomic_store_explicit(&p->ran_us, sum, memory_order_relaxed);
}

static inline uint64_t page_ran(const struct page *p)
{
    return atomic_load_explicit(&p->ran_us, memory_order_relaxed);
}

/* Child: begin hand number SEQ. False when it was taken back: drop it. */
static inline bool page_begin(struct page *p, uint32_t seq)
{
    uint64_t old = atomic_load_explicit(&p->word, memory_order_acquire);

    do {
        if (!page_before(seq, (uint32_t)(old >> 32)))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&p->word, &old,
        page_word(seq + 1, (uint32_t)(old >> 32)), memory_order_acq_rel, memory_order_acquire));
    return true;
}

/* Coordinator: hands up to, not including, LIMIT may be begun. */
static inline void page_grant(struct page *p, uint32_t limit)
{
    uint64_t old = atomic_load_explicit(&p->word, memory_order_acquire);

    while (!atomic_compare_exchange_weak_explicit(&p->word, &old, page_word((uint32_t)old, limit),
        memory_order_acq_rel, memory_order_acquire)) {
    }
}

/* No KEEP lies further than this ahead of `begun`; it is well over GANGER_HAND_MAX. */
#define PAGE_AHEAD_MAX 4096u

/*
 * Coordinator: take back what is not begun. The limit becomes max(begun, KEEP), at most what it
 * was; returns `begun` as it was at that instant. What is < max(begun, KEEP) stays with the child.
 * A KEEP that is more than PAGE_AHEAD_MAX ahead of `begun` lies behind it, so that 0 keeps nothing
 * but what is begun, however many hands have passed.
 */
static inline uint32_t page_take_back(struct page *p, uint32_t keep)
{
    uint64_t old = atomic_load_explicit(&p->word, memory_order_acquire);
    uint32_t begun, limit;

    do {
        begun = (uint32_t)old;
        limit = keep - begun <= PAGE_AHEAD_MAX ? keep : begun;
        if (page_before((uint32_t)(old >> 32), limit))
            limit = (uint32_t)(old >> 32);
    } while (!atomic_compare_exchange_weak_explicit(
        &p->word, &old, page_word(begun, limit), memory_order_acq_rel, memory_order_acquire));
    return begun;
}

#endif
