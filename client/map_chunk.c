/* Chunks: items of the input in one task, from building it to its end. */
#include "map.h"

#include <stdlib.h>
#include <string.h>

#define ARRAY_HEAD_MAX 5u

static void chunk_unlink(struct map_chunk *chunk)
{
    struct ganger_map *map = chunk->map;

    if (chunk->prev != NULL)
        chunk->prev->next = chunk->next;
    else
        map->first = chunk->next;
    if (chunk->next != NULL)
        chunk->next->prev = chunk->prev;
    else
        map->last = chunk->prev;
}

static void chunk_link(struct map_chunk *chunk)
{
    struct ganger_map *map = chunk->map;

    chunk->prev = map->last;
    if (map->last != NULL)
        map->last->next = chunk;
    else
        map->first = chunk;
    map->last = chunk;
}

void chunk_free(struct map_chunk *chunk)
{
    chunk_unlink(chunk);
    free(chunk->text);
    if (chunk->outcome != chunk->small)
        free(chunk->outcome);
    free(chunk);
}

/* The result moves from the slot to the chunk. */
static void chunk_take(struct map_chunk *chunk, struct ganger_future *f)
{
    chunk->code = f->code;
    chunk->end = (enum ganger_end)f->end;
    chunk->attempts = f->attempts;
    if (f->extra != NULL) {
        chunk->text = f->extra->text;
        f->extra->text = NULL;
    }
    if (f->data != f->inline_data) {
        chunk->outcome = f->data;
        chunk->outcome_len = f->len;
        f->data = NULL;
        return;
    }
    chunk->outcome = f->len <= MAP_SMALL ? chunk->small : malloc(f->len);
    if (chunk->outcome == NULL) {
        chunk->code = GANGER_ENOMEM;
        return;
    }
    memcpy(chunk->outcome, f->data, f->len);
    chunk->outcome_len = f->len;
}

static void chunk_queue(struct map_chunk *chunk)
{
    struct ganger_map *map = chunk->map;

    chunk->queued = true;
    chunk->next_ended = NULL;
    if (map->ended_last != NULL)
        map->ended_last->next_ended = chunk;
    else
        map->ended_first = chunk;
    map->ended_last = chunk;
}

static void chunk_hook(struct ganger_future *f)
{
    struct map_chunk *chunk = f->hook_arg;
    struct ganger_map *map = chunk->map;

    chunk_take(chunk, f);
    chunk->f = NULL;
    chunk->ended = true;
    slot_free(f);
    map->in_flight--;
    map->held_bytes -= chunk->payload_bytes;
    if (map->flags & GANGER_MAP_ITERATE)
        map->held_bytes += chunk->outcome_len;
    else
        map->held--;
    chunk_taken_apart(chunk);
    if ((map->flags & (GANGER_MAP_ITERATE | GANGER_MAP_UNORDERED)) ==
        (GANGER_MAP_ITERATE | GANGER_MAP_UNORDERED))
        chunk_queue(chunk);
    map_chunk_done(map);
}

static size_t payload_max(const struct ganger_map *map)
{
    size_t max = map->g->server.payload_max;

    return max < GANGER_PAYLOAD_MAX ? max : GANGER_PAYLOAD_MAX;
}

static struct ganger_bytes item_bytes(struct ganger_bytes item)
{
    static const uint8_t nil = 0xc0;

    return item.len == 0 ? (struct ganger_bytes){ &nil, 1 } : item;
}

/* Whether ITEM can be number COUNT of a chunk that has BYTES. 1, 0: not in this one; or an error.
 */
static int item_fits(
    const struct ganger_map *map, struct ganger_bytes item, uint32_t count, size_t bytes)
{
    struct ganger *g = map->g;
    size_t max = payload_max(map);

    if (!value_valid(item.data, item.len))
        return fail(
            g, GANGER_EDECODE, "item %zu is not exactly one msgpack value", map->taken + count);
    if (count != 0)
        return bytes + item.len + ARRAY_HEAD_MAX <=
               (max < map->chunk_bytes ? max : map->chunk_bytes);
    return item.len <= max ? 1
                           : fail(g, GANGER_ETOOBIG, "item %zu has %zu bytes; the daemon takes %zu",
                                 map->taken + count, item.len, max);
}

/* What a chunk will be: so many items, which have so many bytes. */
struct cut {
    uint32_t count;
    size_t bytes;
};

/* Cut the next chunk off the array. 1, 0: it is used up; or an error. */
static int array_cut(const struct ganger_map *map, struct cut *cut)
{
    size_t left = map->count - map->taken;

    while (cut->count < map->chunk && cut->count < left) {
        struct ganger_bytes item = item_bytes(map->items[map->taken + cut->count]);
        int rc = item_fits(map, item, cut->count, cut->bytes);

        if (rc < 0)
            return rc;
        if (rc == 0)
            break;
        cut->count++;
        cut->bytes += item.len;
    }
    return cut->count != 0;
}

/* The next item of the source: 1, 0 at its end, or its error. */
static int source_next(struct ganger_map *map, struct ganger_bytes *ret_item)
{
    int rc;

    if (map->has_spare) {
        *ret_item = map->spare;
        map->has_spare = false;
        return 1;
    }
    map->g->inside = true;
    rc = map->source(map->source_user, ret_item);
    map->g->inside = false;
    if (rc < 0)
        return fail(map->g, rc, "the input of the map: %s", error_text(rc));
    return rc > 0 ? 1 : rc;
}

/* Gather the next chunk from the source in BUILD. 1, 0: it has ended; or an error. */
static int source_cut(struct ganger_map *map, struct cut *cut)
{
    map->build.len = 0;
    while (cut->count < map->chunk) {
        struct ganger_bytes item;
        int rc = source_next(map, &item);

        if (rc == 0) {
            map->fed = true;
            break;
        }
        if (rc < 0)
            return rc;
        item = item_bytes(item);
        rc = item_fits(map, item, cut->count, cut->bytes);
        if (rc < 0)
            return rc;
        if (rc == 0) {
            map->spare = item;
            map->has_spare = true;
            break;
        }
        write_raw(&map->build, item.data, item.len);
        if (map->build.failed != 0) {
            map->build.failed = 0;
            return fail_plain(map->g, GANGER_ENOMEM);
        }
        cut->count++;
        cut->bytes += item.len;
    }
    return cut->count != 0;
}

/* The head of a payload: none for the item itself, else that of an array. Returns its bytes. */
static size_t payload_head(uint32_t count, uint8_t head[ARRAY_HEAD_MAX])
{
    size_t bytes = count < 16 ? 1 : count <= UINT16_MAX ? 3 : 5;

    if (count == 1)
        return 0;
    head[0] = (uint8_t)(bytes == 1 ? 0x90 | count : bytes == 3 ? 0xdc : 0xdd);
    for (size_t i = 1; i < bytes; i++)
        head[i] = (uint8_t)(count >> (8 * (bytes - 1 - i)));
    return bytes;
}

/* The payload of CHUNK to P. */
static void payload_put(const struct map_chunk *chunk, uint8_t *p)
{
    const struct ganger_map *map = chunk->map;
    uint8_t head[ARRAY_HEAD_MAX];
    size_t head_bytes = payload_head(chunk->count, head);

    memcpy(p, head, head_bytes);
    p += head_bytes;
    if (map->source != NULL) {
        memcpy(p, map->build.data, map->build.len);
        return;
    }
    for (uint32_t i = 0; i < chunk->count; i++) {
        struct ganger_bytes item = item_bytes(map->items[chunk->first + i]);

        memcpy(p, item.data, item.len);
        p += item.len;
    }
}

static uint32_t chunk_flags(const struct map_chunk *chunk)
{
    return chunk->map->call_flags | (chunk->plain ? 0 : TASK_CHUNK);
}

int chunk_recall(struct ganger_future *f)
{
    const struct map_chunk *chunk = f->hook_arg;

    f->call = call_new(chunk->map->head, chunk_flags(chunk), chunk->payload_bytes);
    if (f->call == NULL)
        return GANGER_ENOMEM;
    payload_put(chunk, f->call->payload);
    return 0;
}

static struct map_chunk *chunk_new(struct ganger_map *map, const struct cut *cut)
{
    struct map_chunk *chunk = calloc(1, sizeof *chunk);
    uint8_t head[ARRAY_HEAD_MAX];

    if (chunk == NULL)
        return NULL;
    chunk->map = map;
    chunk->count = cut->count;
    chunk->plain = cut->count == 1;
    chunk->first = map->taken;
    chunk->payload_bytes = payload_head(cut->count, head) + cut->bytes;
    chunk_link(chunk);
    return chunk;
}

/*
 * Put the task of a chunk, with the slot F, on the wire, or hold it for room. What came from a
 * source is kept until it is accepted; an array is still there when it has to be sent again.
 */
static int chunk_send(struct map_chunk *chunk, struct ganger_future *f)
{
    struct ganger *g = f->g;
    struct msg_submit *m = &g->scratch;
    uint8_t *place;
    int rc = 0;

    call_head_fill(chunk->map->head, m);
    m->req = f->req;
    m->flags = chunk_flags(chunk);
    m->payload = (struct slice){ NULL, chunk->payload_bytes };
    if (chunk->map->source != NULL || room_busy(g, m->pool))
        rc = chunk_recall(f);
    if (rc < 0)
        return fail_plain(g, rc);
    if (room_busy(g, m->pool))
        return room_hold(f);
    rc = output_place(g, m, &place);
    if (rc == 0)
        payload_put(chunk, place);
    return rc;
}

/* Submit the task of a new chunk. 1 or an error. */
static int chunk_submit(struct ganger_map *map, const struct cut *cut)
{
    struct ganger *g = map->g;
    struct ganger_future *f = NULL;
    struct map_chunk *chunk = chunk_new(map, cut);
    int rc = GANGER_ENOMEM;

    if (g->state == LINK_DEAD)
        rc = g->dead_code;
    else if (chunk != NULL)
        f = slot_new(g, SLOT_TASK);
    if (f == NULL)
        goto free_chunk;
    f->hook = chunk_hook;
    f->hook_arg = chunk;
    f->flags |= SLOT_WAIT_ROOM;
    if (map->quiet)
        f->flags |= SLOT_QUIET;
    rc = chunk_send(chunk, f);
    if (rc < 0)
        goto free_slot;
    chunk->f = f;
    map->taken += cut->count;
    map->in_flight++;
    map->held++;
    map->held_bytes += chunk->payload_bytes;
    return 1;

free_slot:
    slot_free(f);
free_chunk:
    if (chunk != NULL)
        chunk_free(chunk);
    return fail_plain(g, rc);
}

int chunk_feed(struct ganger_map *map)
{
    struct cut cut = { 0, 0 };
    int rc = map->source == NULL ? array_cut(map, &cut) : source_cut(map, &cut);

    if (rc == 0)
        map->fed = true;
    else if (rc > 0 && results_reserve(map, map->taken + cut.count) < 0)
        rc = fail_plain(map->g, GANGER_ENOMEM);
    if (rc > 0)
        rc = chunk_submit(map, &cut);
    /* The items of a chunk that could not be submitted were not begun. */
    if (rc < 0)
        map->fed = false;
    else if (map->source == NULL && map->taken == map->count)
        map->fed = true;
    return rc;
}
