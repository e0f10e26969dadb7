/* Tasks that were refused as full and wait for room in their pool, each pool's in order. */
#include "handle.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_TASKS 64u /* tasks submitted again for one answer */

static void room_came(struct ganger_future *r);

static struct room *room_find(const struct ganger *g, const void *pool, size_t len)
{
    for (struct room *room = g->rooms; room != NULL; room = room->next) {
        if (strlen(room->pool) == len && memcmp(room->pool, pool, len) == 0)
            return room;
    }
    return NULL;
}

static struct room *room_get(struct ganger *g, const char *pool)
{
    struct room *room = room_find(g, pool, strlen(pool));

    if (room != NULL)
        return room;
    room = calloc(1, sizeof *room);
    if (room == NULL)
        return NULL;
    memcpy(room->pool, pool, strlen(pool) + 1);
    room->next = g->rooms;
    g->rooms = room;
    return room;
}

bool room_busy(const struct ganger *g, struct slice pool)
{
    const struct room *room = room_find(g, pool.data, pool.len);

    return room != NULL && room->waiting.count != 0;
}

/* Ask for room for the first tasks in the list. */
static int room_ask(struct ganger *g, struct room *room)
{
    struct msg_request m = { .verb = VERB_ROOM };
    struct ganger_future *r;
    uint32_t req = room->waiting.first;
    uint32_t max = room->small ? 1 : ROOM_TASKS;
    int rc;

    for (; req != 0 && m.number < max; m.number++) {
        const struct ganger_future *f = slot_find(g, req);

        m.number2 += f->call->payload_bytes;
        req = f->next;
    }
    m.name = (struct slice){ (const uint8_t *)room->pool, strlen(room->pool) };
    rc = request_send(g, &m, &r);
    if (rc < 0)
        return rc;
    r->hook = room_came;
    r->hook_arg = room;
    room->asked = (uint32_t)m.number;
    return 0;
}

int room_hold(struct ganger_future *f)
{
    struct ganger *g = f->g;
    struct room *room = room_get(g, f->call->head->pool);
    int rc = 0;

    if (room == NULL)
        return fail_plain(g, GANGER_ENOMEM);
    list_add(g, &room->waiting, f);
    f->phase = PHASE_HELD;
    g->held_bytes += f->call->payload_bytes;
    if (room->asked == 0)
        rc = room_ask(g, room);
    if (rc < 0) {
        room_drop(f);
        f->phase = PHASE_SENT;
    }
    return rc;
}

void room_drop(struct ganger_future *f)
{
    struct ganger *g = f->g;
    struct room *room = room_get(g, f->call->head->pool);

    list_remove(g, &room->waiting, f);
    g->held_bytes -= f->call->payload_bytes;
}

/* Submit the first COUNT tasks again. */
static void room_submit(struct ganger *g, struct room *room, uint32_t count)
{
    for (uint32_t i = 0; i < count && room->waiting.first != 0; i++) {
        struct ganger_future *f = slot_find(g, room->waiting.first);
        int rc;

        room_drop(f);
        f->phase = PHASE_SENT;
        call_fill(f->call, &g->scratch);
        g->scratch.req = f->req;
        rc = output_submit(g, &g->scratch);
        if (rc < 0)
            slot_finish(f, rc);
    }
}

/* End the first COUNT tasks with CODE; callbacks may hold more, which stay. */
static void room_end(
    struct ganger *g, struct room *room, uint32_t count, int code, const char *text)
{
    for (uint32_t i = 0; i < count && room->waiting.first != 0; i++) {
        struct ganger_future *f = slot_find(g, room->waiting.first);

        room_drop(f);
        slot_finish_text(f, code, text);
    }
}

static void room_came(struct ganger_future *r)
{
    struct ganger *g = r->g;
    struct room *room = r->hook_arg;
    uint32_t asked = room->asked;
    char text[TEXT_BYTES];
    int code = r->code;
    int rc = 0;

    (void)strncpy(text,
        r->extra != NULL && r->extra->text != NULL ? r->extra->text : error_text(code),
        sizeof text - 1);
    text[sizeof text - 1] = '\0';
    slot_free(r);
    room->asked = 0;
    if (code == 0) {
        room_submit(g, room, asked);
    } else if (asked > 1 && (code == GANGER_ERANGE || code == GANGER_EFULL)) {
        /* The pool never holds so many at once. */
        room->small = true;
    } else {
        bool one = code == GANGER_ERANGE || code == GANGER_EFULL;

        room_end(g, room, one ? 1 : room->waiting.count, code, text);
    }
    if (room->waiting.count != 0 && room->asked == 0)
        rc = room_ask(g, room);
    if (rc < 0)
        room_end(g, room, room->waiting.count, rc, error_text(rc));
}

void rooms_done(struct ganger *g)
{
    while (g->rooms != NULL) {
        struct room *room = g->rooms;

        g->rooms = room->next;
        free(room);
    }
}
