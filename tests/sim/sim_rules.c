/* The rules of fairness, time and words, as a caller would state them. */
#include "tests/sim/sim.h"

static bool fixture(void)
{
    return true;
}

void rules_turn(struct sim *s)
{
    (void)s;
    (void)fixture();
}

void rules_after(struct sim *s)
{
    (void)s;
}

void rules_why(struct sim *s)
{
    (void)s;
}
