#include "core/internal.h"

#define RESERVE_WALK 64u /* who cannot run at all stands before the one that reserves */

static struct sem *sem_at(const struct core *c, uint32_t sem)
{
    return &c->sems[sem];
}

void sem_dirty(struct core *c, uint32_t sem)
{
    struct sem *s = sem_at(c, sem);

    if (s->dirty || s->head == 0)
        return;
    s->dirty = true;
    s->dirty_next = c->dirty_sems;
    c->dirty_sems = sem + 1;
}

/* Could the task start if nobody held anything? One that wants more than there is never can. */
static bool is_able(const struct core *c, uint32_t slot)
{
    const struct task *t = task_at(c, slot);
    const struct policy *y = policy_of(c, t);

    for (unsigned i = 0; i < y->need_count; i++) {
        if (y->needs[i].permits > sem_at(c, y->needs[i].sem)->limit)
            return false;
    }
    return pool_runnable(c, pool_of(c, t));
}

/* Are all permits there that T needs, so that it lacks nothing but a child? */
static bool permits_there(const struct core *c, const struct task *t)
{
    const struct policy *y = policy_of(c, t);

    for (unsigned i = 0; i < y->need_count; i++) {
        const struct core_need *n = &y->needs[i];

        if (sem_at(c, n->sem)->held + n->permits > sem_at(c, n->sem)->limit)
            return false;
    }
    return true;
}

/* A reservation counts only while its task could start if it had the permits. */
static bool reservation_counts(const struct core *c, const struct sem *s)
{
    return s->reserved != 0 && is_able(c, s->reserved);
}

/* Is T kept from S by the reservation of an older task that does not itself wait for T? */
static bool kept_back(
    const struct core *c, const struct sem *s, const struct task *t, struct yielded *last)
{
    return reservation_counts(c, s) && task_at(c, s->reserved)->id < t->id &&
           !reservation_yields(c, s->reserved, t, last);
}

/* As sem_lacking(), one of a row (see reservation_yields()). */
static uint32_t lacking_of(
    const struct core *c, const struct task *t, struct yielded *last, bool *ret_reserved)
{
    const struct policy *y = policy_of(c, t);

    for (unsigned i = 0; i < y->need_count; i++) {
        const struct sem *s = sem_at(c, y->needs[i].sem);

        *ret_reserved = false;
        if (s->held + y->needs[i].permits > s->limit)
            return y->needs[i].sem + 1;
        *ret_reserved = true;
        if (kept_back(c, s, t, last))
            return y->needs[i].sem + 1;
    }
    *ret_reserved = false;
    return 0;
}

uint32_t sem_lacking(const struct core *c, const struct task *t, bool *ret_reserved)
{
    return lacking_of(c, t, NULL, ret_reserved);
}

static uint32_t permits_wanted(const struct core *c, const struct task *t, uint32_t sem)
{
    const struct policy *y = policy_of(c, t);

    for (unsigned i = 0; i < y->need_count; i++) {
        if (y->needs[i].sem == sem)
            return y->needs[i].permits;
    }
    return 0;
}

/* When sem_deadline() is to come: never while nobody waits. */
static void deadline_set(struct core *c, uint32_t sem)
{
    const struct sem *s = sem_at(c, sem);
    uint64_t when = s->look_us;

    if (s->lapse_us != 0 && s->lapse_us < when)
        when = s->lapse_us;
    if (s->head != 0 || s->heap_pos != 0)
        heap_set(&c->heap, DUE_SEM, sem, s->head == 0 ? CORE_NEVER : when);
}

/* Never 0. */
static uint32_t now_ms(const struct core *c)
{
    uint32_t ms = (uint32_t)(c->now / 1000);

    return ms == 0 ? 1 : ms;
}

/*
 * For how much of its time before it reserves SLOT has been the oldest around: that goes with it
 * when it moves to another semaphore, or is woken and finds that a younger one took the permits.
 */
static uint64_t oldest_time(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    uint64_t us;

    if (t->oldest_ms == 0)
        t->oldest_ms = now_ms(c);
    us = (uint64_t)(uint32_t)(now_ms(c) - t->oldest_ms) * 1000;
    return us < CORE_RESERVE_US ? us : CORE_RESERVE_US;
}

static void head_changed(struct core *c, uint32_t sem)
{
    struct sem *s = sem_at(c, sem);
    uint64_t spent = 0;

    if (s->head == 0) {
        s->overtaken = 0;
        s->least = UINT32_MAX;
    } else {
        spent = oldest_time(c, s->head);
    }
    s->look_us = c->now + CORE_RESERVE_US - spent;
    deadline_set(c, sem);
}

/* Does the reservation of SEM keep others back for want of a child? Then not for long. */
static void lapse_begin(struct core *c, uint32_t sem)
{
    struct sem *s = sem_at(c, sem);

    if (s->reserved == 0 || s->lapse_us != 0 || !permits_there(c, task_at(c, s->reserved)))
        return;
    s->lapse_us = c->now + CORE_RESERVE_BUSY_US;
    deadline_set(c, sem);
}

static void park(struct core *c, uint32_t slot, uint32_t sem)
{
    struct task *t = task_at(c, slot);
    struct sem *s = sem_at(c, sem);
    uint32_t wanted = permits_wanted(c, t, sem);

    task_move(c, slot, TASK_BLOCKED);
    line_enter(c, slot, sem);
    t->parked = sem + 1;
    s->waiting++;
    if (wanted < s->least)
        s->least = wanted;
    if (s->head == 0 || t->id < task_at(c, s->head)->id) {
        s->head = slot;
        head_changed(c, sem);
    }
    lapse_begin(c, sem);
}

void sem_unpark(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    uint32_t sem = t->parked - 1;
    struct sem *s = sem_at(c, sem);

    line_leave(c, slot, sem);
    t->parked = 0;
    s->waiting--;
    if (s->head == slot) {
        s->head = lines_oldest(c, s);
        head_changed(c, sem);
    }
}

/* Could it start if nobody held anything, and may its pool reserve? See lapse(). */
static bool may_reserve(const struct core *c, uint32_t slot)
{
    const struct pool *p = pool_of(c, task_at(c, slot));

    return is_able(c, slot) && (p->idle != 0 || c->now >= p->rest_until);
}

/* The first of a line that may reserve, which is not sought far behind those that never can. */
static uint32_t first_able(const struct core *c, uint32_t slot)
{
    for (unsigned i = 0; i < RESERVE_WALK && slot != 0; i++) {
        if (may_reserve(c, slot))
            return slot;
        slot = task_at(c, slot)->next;
    }
    return 0;
}

/* The oldest task at S that permits alone could help, or that found no child before. */
static uint32_t oldest_able(struct core *c, const struct sem *s)
{
    uint32_t oldest = s->lapsed != 0 && may_reserve(c, s->lapsed) ? s->lapsed : 0;
    struct line *l;

    lines_rewind(c, s);
    while ((l = lines_next(c, s)) != NULL) {
        uint32_t slot = first_able(c, l->at);

        if (slot != 0 && (oldest == 0 || task_at(c, slot)->id < task_at(c, oldest)->id))
            oldest = slot;
        l->at = 0;
    }
    return oldest;
}

static void set_reserved(struct core *c, struct sem *s, uint32_t slot)
{
    if (s->reserved == slot)
        return;
    c->reservations -= s->reserved != 0;
    c->reservations += slot != 0;
    s->reserved = slot;
    s->lapse_us = 0;
    if (slot == 0 && s->lapsed != 0)
        s->lapse_us = pool_of(c, task_at(c, s->lapsed))->rest_until;
    deadline_set(c, (uint32_t)(s - c->sems));
}

/* The oldest blocked task at SEM claims all that it needs: no younger taker passes it there. */
static void reserve(struct core *c, uint32_t sem)
{
    uint32_t slot = oldest_able(c, sem_at(c, sem));
    const struct policy *y;

    if (slot == 0)
        return;
    y = policy_of(c, task_at(c, slot));
    for (unsigned i = 0; i < y->need_count; i++) {
        struct sem *s = sem_at(c, y->needs[i].sem);

        if (!reservation_counts(c, s) || task_at(c, s->reserved)->id > task_at(c, slot)->id)
            set_reserved(c, s, slot);
        s->overtaken = 0;
        lapse_begin(c, y->needs[i].sem);
    }
}

void sem_forget_reserve(struct core *c, uint32_t slot)
{
    const struct policy *y = policy_of(c, task_at(c, slot));

    for (unsigned i = 0; i < y->need_count; i++) {
        struct sem *s = sem_at(c, y->needs[i].sem);

        if (s->lapsed == slot) {
            s->lapsed = 0;
            s->lapse_us = s->reserved == 0 ? 0 : s->lapse_us;
        }
        if (s->reserved == slot) {
            set_reserved(c, s, 0);
            sem_dirty(c, y->needs[i].sem);
        }
    }
}

/*
 * How long a pool whose reservation lapsed reserves nothing: about ten times as long as it kept
 * others back, times the pools that it takes turns with, so that a semaphore is idle for about a
 * tenth of the time. By chance longer or shorter, so that no rhythm of the pool misses its turns.
 */
static uint64_t rest_time(struct core *c)
{
    uint64_t pools = 1;

    for (uint32_t i = 0; i < c->pool_count; i++)
        pools += c->pools[i]->rest_until > c->now;
    return pools * (CORE_RESERVE_US / 2 + core_random(c) % CORE_RESERVE_US);
}

/*
 * A reservation keeps others back without limit while its task lacks permits. Once all of them are
 * there it does so for CORE_RESERVE_BUSY_US only: a task that finds no child by then lets the
 * others pass, and its pool rests, unless a child of it is idle. Then the same task reserves again,
 * so that it does not wait for ever for the moment when a child and the permits happen to be free
 * together: it starts at the first child that comes free while it reserves.
 */
static void lapse(struct core *c, uint32_t slot)
{
    const struct task *t = task_at(c, slot);
    const struct policy *y = policy_of(c, t);

    pool_of(c, t)->rest_until = c->now + rest_time(c);
    for (unsigned i = 0; i < y->need_count; i++) {
        struct sem *s = sem_at(c, y->needs[i].sem);

        if (s->reserved != slot)
            continue;
        if (s->lapsed == 0 || task_at(c, s->lapsed)->id > t->id)
            s->lapsed = slot;
        set_reserved(c, s, 0);
        s->overtaken = 0;
        sem_dirty(c, y->needs[i].sem);
    }
}

/* Does it get a child in this turn, or is one idle that something else keeps from it? */
static bool gets_child(const struct core *c, uint32_t slot)
{
    const struct pool *p = pool_of(c, task_at(c, slot));
    uint32_t best = p->idle == 0 ? 0 : lane_best(c, p);

    return p->idle != 0 && (best == 0 || best == slot);
}

/* Who lapsed has rested. */
static void come_back(struct core *c, uint32_t sem)
{
    struct sem *s = sem_at(c, sem);

    reserve(c, sem);
    if (s->reserved == 0 && s->lapsed != 0)
        s->lapse_us = c->now + CORE_RESERVE_US;
}

static void lapse_check(struct core *c, uint32_t sem)
{
    struct sem *s = sem_at(c, sem);
    uint32_t slot = s->reserved;

    s->lapse_us = 0;
    if (slot == 0)
        come_back(c, sem);
    if (slot == 0 || !reservation_counts(c, s) || !permits_there(c, task_at(c, slot)))
        return;
    if (gets_child(c, slot))
        lapse_begin(c, sem);
    else
        lapse(c, slot);
}

static void count_overtaking(struct core *c, const struct task *t, uint32_t sem)
{
    struct sem *s = sem_at(c, sem);

    if (s->head == 0 || task_at(c, s->head)->id > t->id)
        return;
    if (++s->overtaken >= CORE_RESERVE_OVERTAKEN)
        reserve(c, sem);
}

bool permits_take(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    const struct policy *y = policy_of(c, t);
    bool reserved;
    uint32_t lacking = sem_lacking(c, t, &reserved);

    if (lacking != 0) {
        park(c, slot, lacking - 1);
        /* Its other semaphores may have room for whoever comes after it. */
        for (unsigned i = 0; i < y->need_count; i++) {
            if (y->needs[i].sem != lacking - 1)
                sem_dirty(c, y->needs[i].sem);
        }
        return false;
    }
    for (unsigned i = 0; i < y->need_count; i++) {
        struct sem *s = sem_at(c, y->needs[i].sem);

        s->held += y->needs[i].permits;
        count_overtaking(c, t, y->needs[i].sem);
        if (t->parked != 0 && s->held < s->limit) /* another one may be woken in its place */
            sem_dirty(c, y->needs[i].sem);
    }
    if (y->need_count > 0)
        t->marks |= MARK_PERMITS;
    return true;
}

void permits_release(struct core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    const struct policy *y = policy_of(c, t);

    t->marks = (uint8_t)(t->marks & ~MARK_PERMITS);
    for (unsigned i = 0; i < y->need_count; i++) {
        struct sem *s = sem_at(c, y->needs[i].sem);

        GANGER_ASSERT(s->held >= y->needs[i].permits);
        s->held -= y->needs[i].permits;
        sem_dirty(c, y->needs[i].sem);
    }
}

/* Somebody of P who waits at SEM is not woken, since those who are would take every child of P. */
static void pass_over(struct core *c, struct pool *p, uint32_t sem)
{
    struct sem *s = sem_at(c, sem);

    p->passed_over = true;
    if (s->passed_over)
        return;
    s->passed_over = true;
    s->passed_over_next = c->passed_over_sems;
    c->passed_over_sems = sem + 1;
}

void sem_look_again(struct core *c, struct pool *p)
{
    p->passed_over = false;
    while (c->passed_over_sems != 0) {
        uint32_t sem = c->passed_over_sems - 1;

        c->passed_over_sems = sem_at(c, sem)->passed_over_next;
        sem_at(c, sem)->passed_over = false;
        sem_dirty(c, sem);
    }
}

/* Who reserves S, if it waits there and is younger than SLOT of the same pool; else 0. */
static uint32_t reserver_behind(const struct core *c, const struct sem *s, uint32_t slot)
{
    const struct task *t = task_at(c, slot), *r;

    if (s->reserved == 0)
        return 0;
    r = task_at(c, s->reserved);
    return r->state == TASK_BLOCKED && r->parked == t->parked && r->id > t->id &&
                   pool_of(c, r) == pool_of(c, t)
               ? s->reserved
               : 0;
}

/* Free permits could serve SLOT, who waits at SEM: is nothing in its way any more? */
static bool wake_one(struct core *c, uint32_t slot, uint32_t sem, struct yielded *last)
{
    bool reserved;
    uint32_t lacking = lacking_of(c, task_at(c, slot), last, &reserved);
    uint32_t oldest_ms = task_at(c, slot)->oldest_ms;

    if (lacking == sem + 1)
        return false;
    if (lacking != 0) {
        park(c, slot, lacking - 1);
        return false;
    }
    task_move(c, slot, TASK_READY);
    task_at(c, slot)->parked = sem + 1;
    task_at(c, slot)->oldest_ms = oldest_ms;
    pool_of(c, task_at(c, slot))->woken++;
    return true;
}

/*
 * Wake, in arrival order, those whom the free permits of SEM could serve. Those whose pool has no
 * free child are woken too, but do not count: they must not keep the permits from the others. Of
 * these it wakes no more than could begin together, and who reserves, so that many who wait do not
 * come and go in vain; the others of that pool are not even looked at.
 */
static void wake(struct core *c, uint32_t sem)
{
    struct sem *s = sem_at(c, sem);
    uint32_t room = s->limit > s->held ? s->limit - s->held : 0;
    struct yielded last = { 0 };
    struct line *l;

    lapse_begin(c, sem);
    lines_rewind(c, s);
    while (room >= s->least && room > 0 && (l = lines_next(c, s)) != NULL) {
        struct pool *p = c->pools[l->pool];
        bool counts = p->idle != 0 && pool_runnable(c, p);
        uint32_t slot = l->at, wanted;

        c->looked++;
        if (!counts && p->woken > p->set.processes && slot != s->reserved) {
            pass_over(c, p, sem);
            l->at = reserver_behind(c, s, slot);
            continue;
        }
        l->at = task_at(c, slot)->next;
        wanted = permits_wanted(c, task_at(c, slot), sem);
        if (wake_one(c, slot, sem, &last) && counts)
            room = room > wanted ? room - wanted : 0;
    }
}

/* Somebody waits for more than before: reservations may have to yield. */
static void reserved_look(struct core *c)
{
    c->waits_more = false;
    for (uint32_t sem = 0; sem < c->sem_count && c->reservations != 0; sem++) {
        if (sem_at(c, sem)->reserved != 0)
            sem_dirty(c, sem);
    }
}

void sem_wake(struct core *c)
{
    if (c->waits_more)
        reserved_look(c);
    while (c->dirty_sems != 0) {
        uint32_t sem = c->dirty_sems - 1;

        c->dirty_sems = sem_at(c, sem)->dirty_next;
        sem_at(c, sem)->dirty = false;
        wake(c, sem);
    }
}

int sem_set(struct core *c, const struct event *ev)
{
    if (ev->number > GANGER_PERMITS_MAX)
        return GANGER_ERANGE;
    sem_at(c, ev->index)->limit = (uint32_t)ev->number;
    sem_dirty(c, ev->index);
    return 0;
}

void sem_deadline(struct core *c, uint32_t sem)
{
    struct sem *s = sem_at(c, sem);

    if (s->lapse_us != 0 && s->lapse_us <= c->now)
        lapse_check(c, sem);
    if (s->look_us > c->now) {
        deadline_set(c, sem);
        return;
    }
    if (s->head != 0) {
        task_at(c, s->head)->oldest_ms = now_ms(c);
        reserve(c, sem);
    }
    head_changed(c, sem); /* again in a second, should its pool not be able to run now */
    /* Who was woken may have found no child since, or its pool stopped: let others look again. */
    sem_dirty(c, sem);
}

void core_sem_info(const struct core *c, uint32_t sem, struct core_sem_info *ret)
{
    const struct sem *s = sem_at(c, sem);

    *ret = (struct core_sem_info){ .limit = s->limit,
        .held = s->held,
        .waiting = s->waiting,
        .reserved_by = s->reserved == 0 ? 0 : task_at(c, s->reserved)->id };
}

uint32_t core_sem_count(const struct core *c)
{
    return c->sem_count;
}
