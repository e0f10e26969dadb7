/* The numbers of a child's hands: granted, ended, taken back, returned. */
#include "pool/internal.h"
#include "proto/assert.h"

void hands_add(struct child *c, const struct msg_hand *h, struct body *call)
{
    GANGER_ASSERT(h->seq == c->handed && c->taken_from == c->taken_to);
    c->handed++;
    outbox_add_hand(&c->out, h, call);
    child_dirty(c);
}

void hands_grant(struct child *c)
{
    if (c->granted == c->handed)
        return;
    c->granted = c->handed;
    page_grant(c->page, c->handed);
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* What the page says is the child's word: it can lie, but not beyond what it was handed. */
static uint32_t begun_checked(struct child *c, uint32_t begun)
{
    if (begun > c->handed) {
        child_garbage(c, "its page says that it began what it was not handed");
        return c->handed;
    }
    return later(begun, c->next_result);
}

uint32_t hands_take_back(struct child *c, uint32_t keep)
{
    bool open = c->taken_from != c->taken_to;
    uint32_t begun, stays;

    if (c->page == NULL)
        return c->handed;
    /* What is still in the outbox is taken back like the rest: the child gets it and drops it. */
    if (!open)
        hands_grant(c);
    keep = later(keep, c->next_result);
    begun = begun_checked(c, page_take_back(c->page, keep));
    stays = later(begun, keep);
    if (open) {
        if (stays < c->taken_from)
            c->taken_from = stays;
    } else if (stays < c->handed) {
        c->taken_from = stays;
        c->taken_to = c->handed;
        c->returned = 0;
    }
    return begun;
}

bool hands_outstanding(const struct child *c, uint32_t seq)
{
    uint32_t end = c->taken_from != c->taken_to ? c->taken_from : c->handed;

    return seq >= c->next_result && seq < end;
}

bool hands_ended(struct child *c, uint32_t seq)
{
    if (seq != c->next_result || !hands_outstanding(c, seq))
        return false;
    c->next_result++;
    return true;
}

bool hands_returned(struct child *c, uint32_t count)
{
    uint32_t taken = c->taken_to - c->taken_from;

    if (count == 0 || count > taken - c->returned || c->next_result != c->taken_from)
        return false;
    c->returned += count;
    if (c->returned == taken) {
        c->next_result = c->taken_to;
        c->taken_from = c->taken_to;
        c->returned = 0;
    }
    return true;
}
