/*
 * Which state moves occurred. The linker sends the core's calls of its mover through here
 * (--wrap), so that a move is seen even when several follow each other in one step.
 */
#include "core/internal.h"
#include "tests/sim/sim.h"

static struct coverage *watched;

void __real_task_move(struct core *c, uint32_t slot, enum task_state to);
void __wrap_task_move(struct core *c, uint32_t slot, enum task_state to);
void __real_task_ready(struct core *c, uint32_t slot);
void __wrap_task_ready(struct core *c, uint32_t slot);
void __real_hand_give(struct core *c, uint32_t child, uint32_t slot);
void __wrap_hand_give(struct core *c, uint32_t child, uint32_t slot);
int __real_submit(struct core *c, const struct event *ev);
int __wrap_submit(struct core *c, const struct event *ev);

void moves_watch(struct coverage *coverage)
{
    watched = coverage;
}

void __wrap_task_move(struct core *c, uint32_t slot, enum task_state to)
{
    watched->moves[task_at(c, slot)->state][to]++;
    __real_task_move(c, slot, to);
}

/* What moves tasks inline is seen by what it did. */
void __wrap_hand_give(struct core *c, uint32_t child, uint32_t slot)
{
    uint8_t from = task_at(c, slot)->state;

    __real_hand_give(c, child, slot);
    watched->moves[from][task_at(c, slot)->state]++;
}

void __wrap_task_ready(struct core *c, uint32_t slot)
{
    uint8_t from = task_at(c, slot)->state;

    __real_task_ready(c, slot);
    if (task_at(c, slot)->state == TASK_DELAYED || task_at(c, slot)->state == TASK_READY)
        watched->moves[from][task_at(c, slot)->state]++;
}

int __wrap_submit(struct core *c, const struct event *ev)
{
    int rc = __real_submit(c, ev);

    if (rc == 0)
        watched->moves[TASK_FREE][task_at(c, *ev->ret_slot)->state]++;
    return rc;
}

uint32_t moves_report(const struct coverage *coverage, FILE *out)
{
    uint32_t missing = 0;

    for (int from = 0; from < TASK_STATES; from++) {
        uint32_t legal = core_task_moves((enum task_state)from);

        for (int to = 0; to < TASK_STATES; to++) {
            if ((legal >> to & 1) == 0 || coverage->moves[from][to] != 0)
                continue;
            if (from == TASK_STARTING || to == TASK_STARTING) /* no task asks for that yet */
                continue;
            (void)fprintf(out, "never occurred: %s -> %s\n",
                core_task_state_name((enum task_state)from),
                core_task_state_name((enum task_state)to));
            missing++;
        }
    }
    return missing;
}
