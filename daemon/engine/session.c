#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>

static uint32_t index_of(session_id session)
{
    return (uint32_t)session;
}

void engine_session_open(struct engine *e, session_id session, uint32_t uid)
{
    uint32_t i = index_of(session), cap = e->uid_cap == 0 ? 64 : e->uid_cap;
    uint32_t *uids;

    if (i >= e->uid_cap) {
        while (cap <= i)
            cap *= 2;
        uids = realloc(e->uids, cap * sizeof *uids);
        if (uids == NULL)
            return; /* the session stays unknown to the core: its waits are refused */
        e->uids = uids;
        e->uid_cap = cap;
    }
    e->uids[i] = uid;
    if (step(e, &(struct event){ .type = EVENT_SESSION_OPEN, .session = session }) == 0)
        e->sessions++;
}

void engine_session_gone(struct engine *e, session_id session)
{
    if (e->sessions > 0)
        e->sessions--;
    (void)step(e, &(struct event){ .type = EVENT_SESSION_GONE, .session = session });
}

uint32_t engine_session_uid(const struct engine *e, session_id session)
{
    return index_of(session) < e->uid_cap ? e->uids[index_of(session)] : UINT32_MAX;
}
