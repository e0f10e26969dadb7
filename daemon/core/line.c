#include "core/internal.h"

static struct line *line_at(const struct core *c, uint32_t line)
{
    return slab_at_sized(&c->lines, line, sizeof(struct line));
}

uint32_t line_find(struct core *c, uint32_t sem, uint32_t pool)
{
    struct sem *s = &c->sems[sem];
    uint32_t line = s->lines;

    while (line != 0 && line_at(c, line)->pool != pool)
        line = line_at(c, line)->next;
    if (line != 0)
        return line;
    line = slab_take_raw(&c->lines, sizeof(struct line));
    if (line == 0)
        return 0;
    *line_at(c, line) = (struct line){ .pool = pool, .next = s->lines };
    s->lines = line;
    return line;
}

uint32_t line_of(const struct core *c, const struct task *t, uint32_t sem)
{
    const struct policy *y = policy_of(c, t);
    unsigned i = 0;

    while (y->needs[i].sem != sem)
        i++;
    return y->lines[i];
}

static void waits_enter(struct core *c, struct sem *s, uint32_t line)
{
    struct line *l = line_at(c, line);

    l->waits_prev = 0;
    l->waits_next = s->waits;
    if (s->waits != 0)
        line_at(c, s->waits)->waits_prev = line;
    s->waits = line;
}

static void waits_leave(struct core *c, struct sem *s, uint32_t line)
{
    const struct line *l = line_at(c, line);

    if (l->waits_prev == 0)
        s->waits = l->waits_next;
    else
        line_at(c, l->waits_prev)->waits_next = l->waits_next;
    if (l->waits_next != 0)
        line_at(c, l->waits_next)->waits_prev = l->waits_prev;
}

/*
 * The last of the line that is older than T, 0 if none. It is sought from both ends and from where
 * the last task of T's lane was parked: tasks of a lane come in order, those of several do not.
 */
static uint32_t older_waiting(
    const struct core *c, const struct line *l, const struct task *t, uint32_t sem)
{
    uint32_t head = l->head, tail = l->tail, from = lane_of(c, t)->parked;
    const struct task *last = task_known(c, from);

    if (last == NULL || last->state != TASK_BLOCKED || last->parked != sem + 1 ||
        last->id > t->id || lane_of(c, last)->pool != l->pool)
        from = 0;
    while (tail != 0 && task_at(c, tail)->id > t->id) {
        if (task_at(c, head)->id > t->id)
            return task_at(c, head)->prev;
        if (from != 0 && task_at(c, task_at(c, from)->next)->id > t->id)
            return from;
        from = from == 0 ? 0 : task_at(c, from)->next;
        head = task_at(c, head)->next;
        tail = task_at(c, tail)->prev;
    }
    return tail;
}

void line_enter(struct core *c, uint32_t slot, uint32_t sem)
{
    struct task *t = task_at(c, slot);
    uint32_t line = line_of(c, t, sem);
    struct line *l = line_at(c, line);
    uint32_t after = older_waiting(c, l, t, sem);

    if (l->head == 0)
        waits_enter(c, &c->sems[sem], line);
    t->prev = after;
    t->next = after == 0 ? l->head : task_at(c, after)->next;
    if (t->next == 0)
        l->tail = slot;
    else
        task_at(c, t->next)->prev = slot;
    if (after == 0)
        l->head = slot;
    else
        task_at(c, after)->next = slot;
    lane_of(c, t)->parked = slot;
}

void line_leave(struct core *c, uint32_t slot, uint32_t sem)
{
    struct task *t = task_at(c, slot);
    uint32_t line = line_of(c, t, sem);
    struct line *l = line_at(c, line);

    if (t->prev == 0)
        l->head = t->next;
    else
        task_at(c, t->prev)->next = t->next;
    if (t->next == 0)
        l->tail = t->prev;
    else
        task_at(c, t->next)->prev = t->prev;
    t->next = t->prev = 0;
    if (l->head == 0)
        waits_leave(c, &c->sems[sem], line);
}

uint32_t lines_oldest(const struct core *c, const struct sem *s)
{
    uint32_t oldest = 0;

    for (uint32_t line = s->waits; line != 0; line = line_at(c, line)->waits_next) {
        uint32_t slot = line_at(c, line)->head;

        if (oldest == 0 || task_at(c, slot)->id < task_at(c, oldest)->id)
            oldest = slot;
    }
    return oldest;
}

uint32_t line_head(const struct core *c, const struct sem *s, uint32_t pool)
{
    uint32_t line = s->waits;

    while (line != 0 && line_at(c, line)->pool != pool)
        line = line_at(c, line)->waits_next;
    return line == 0 ? 0 : line_at(c, line)->head;
}

void lines_rewind(struct core *c, const struct sem *s)
{
    for (uint32_t line = s->waits; line != 0; line = line_at(c, line)->waits_next)
        line_at(c, line)->at = line_at(c, line)->head;
}

struct line *lines_next(const struct core *c, const struct sem *s)
{
    struct line *best = NULL;

    for (uint32_t line = s->waits; line != 0; line = line_at(c, line)->waits_next) {
        struct line *l = line_at(c, line);

        if (l->at != 0 && (best == NULL || task_at(c, l->at)->id < task_at(c, best->at)->id))
            best = l;
    }
    return best;
}

static uint32_t line_check(const struct core *c, uint32_t sem, uint32_t line)
{
    const struct line *l = line_at(c, line);
    uint32_t last = 0, waiting = 0;

    for (uint32_t at = l->head; at != 0; at = task_at(c, at)->next) {
        const struct task *t = task_at(c, at);

        GANGER_ASSERT(t->state == TASK_BLOCKED && t->parked == sem + 1 && t->prev == last);
        GANGER_ASSERT(last == 0 || task_at(c, last)->id < t->id);
        GANGER_ASSERT(line_of(c, t, sem) == line && lane_of(c, t)->pool == l->pool);
        last = at;
        waiting++;
    }
    GANGER_ASSERT(last == l->tail);
    return waiting;
}

uint32_t lines_check(const struct core *c, uint32_t sem)
{
    uint32_t waiting = 0, lines = 0, last = 0;

    for (uint32_t line = c->sems[sem].lines; line != 0; line = line_at(c, line)->next) {
        waiting += line_check(c, sem, line);
        lines += line_at(c, line)->head != 0;
    }
    for (uint32_t line = c->sems[sem].waits; line != 0; line = line_at(c, line)->waits_next) {
        GANGER_ASSERT(line_at(c, line)->head != 0 && line_at(c, line)->waits_prev == last);
        GANGER_ASSERT(lines-- > 0);
        last = line;
    }
    GANGER_ASSERT(lines == 0 && c->sems[sem].head == lines_oldest(c, &c->sems[sem]));
    return waiting;
}
