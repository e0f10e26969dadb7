/* Chunks: items of the input in one task, from building it to its end. */
#include "map.h"

#include <stdlib.h>
#include <string.h>

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
    chunk->outcome = malloc(f->len);
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

/* The next item of the input: 1, 0 at its end, or its error. */
static int input_next(struct ganger_map *map, struct ganger_bytes *ret_item)
{
    int rc;

    if (map->has_spare) {
        *ret_item = map->spare;
        map->has_spare = false;
        return 1;
    }
    if (map->source == NULL) {
        if (map->taken == map->count)
            return 0;
        *ret_item = map->items[map->taken];
        return 1;
    }
    map->g->inside = true;
    rc = map->source(map->source_user, ret_item);
    map->g->inside = false;
    return rc > 0 ? 1 : rc;
}

/* A chunk under construction: its items' bytes, one after the other. */
struct builder {
    struct out out;
    uint32_t count;
};

/* Add an item. 1: added; 0: it does not fit any more; or an error. */
static int builder_add(struct ganger_map *map, struct builder *b, struct ganger_bytes item)
{
    static const uint8_t nil = 0xc0;
    struct ganger *g = map->g;
    size_t max = g->server.payload_max < GANGER_PAYLOAD_MAX ? g->server.payload_max
                                                            : GANGER_PAYLOAD_MAX;

    if (item.len == 0)
        item = (struct ganger_bytes){ &nil, 1 };
    if (!value_valid(item.data, item.len))
        return fail(g, GANGER_EDECODE, "item %zu is not exactly one msgpack value", map->taken);
    /* An array head takes 5 bytes at most. */
    if (item.len > max || (b->count != 0 && b->out.len + item.len + 5 > max))
        return b->count != 0
                   ? 0
                   : fail(g, GANGER_ETOOBIG, "item %zu has %zu bytes; the daemon takes %zu",
                         map->taken, item.len, max);
    write_raw(&b->out, item.data, item.len);
    if (b->out.failed != 0)
        return fail_plain(g, GANGER_ENOMEM);
    b->count++;
    map->taken++;
    return 1;
}

/* Fill B with a chunk. 1, 0 when the input has ended and B is empty, or an error: B is then lost.
 */
static int builder_fill(struct ganger_map *map, struct builder *b)
{
    while (b->count < map->chunk) {
        struct ganger_bytes item;
        int rc = input_next(map, &item);

        if (rc < 0)
            return fail(map->g, rc, "the input of the map: %s", error_text(rc));
        if (rc == 0) {
            map->fed = true;
            break;
        }
        rc = builder_add(map, b, item);
        if (rc < 0)
            return rc;
        if (rc == 0) {
            map->spare = item;
            map->has_spare = true;
            break;
        }
    }
    return b->count != 0;
}

/* The payload: the item itself if there is one, else an array of the items. Takes B's bytes. */
static int builder_payload(struct builder *b, struct slot_call *call)
{
    struct out array = { 0 };

    if (b->count == 1) {
        call->payload = malloc(b->out.len);
        if (call->payload == NULL)
            return GANGER_ENOMEM;
        memcpy(call->payload, b->out.data, b->out.len);
        call->payload_bytes = b->out.len;
        return 0;
    }
    write_array(&array, b->count);
    call->payload = malloc(array.len + b->out.len);
    if (call->payload == NULL || array.failed != 0) {
        out_done(&array);
        return GANGER_ENOMEM;
    }
    memcpy(call->payload, array.data, array.len);
    memcpy(call->payload + array.len, b->out.data, b->out.len);
    call->payload_bytes = array.len + b->out.len;
    call->flags |= TASK_CHUNK;
    out_done(&array);
    return 0;
}

static void call_like(struct slot_call *to, const struct slot_call *from)
{
    *to = *from;
    for (uint32_t i = 0; i < to->options.need_count; i++)
        to->options.needs[i].name.data = (const uint8_t *)to->need_names[i];
}

static struct map_chunk *chunk_new(struct ganger_map *map, uint32_t count, size_t bytes)
{
    struct map_chunk *chunk = calloc(1, sizeof *chunk);

    if (chunk == NULL)
        return NULL;
    chunk->map = map;
    chunk->count = count;
    chunk->plain = count == 1;
    chunk->first = map->taken - count;
    chunk->payload_bytes = bytes;
    chunk_link(chunk);
    return chunk;
}

/* Submit CALL (taken) as the task of a new chunk of COUNT items. */
static int chunk_submit(struct ganger_map *map, struct slot_call *call, uint32_t count)
{
    struct ganger *g = map->g;
    size_t bytes = call->payload_bytes;
    struct ganger_future *f = NULL;
    struct map_chunk *chunk = chunk_new(map, count, bytes);
    int rc = GANGER_ENOMEM;

    if (g->state == LINK_DEAD)
        rc = g->dead_code;
    else if (chunk != NULL)
        f = slot_new(g, SLOT_TASK);
    if (f == NULL) {
        call_free(call);
        goto free_chunk;
    }
    f->hook = chunk_hook;
    f->hook_arg = chunk;
    if (map->quiet)
        f->flags |= SLOT_QUIET;
    call_fill(call, &g->scratch);
    rc = submit_slot(f, &g->scratch, call);
    if (rc < 0)
        goto free_slot;
    chunk->f = f;
    map->in_flight++;
    map->held++;
    map->held_bytes += bytes;
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
    struct builder b = { { 0 }, 0 };
    struct slot_call *call = NULL;
    size_t before = map->taken;
    int rc = builder_fill(map, &b);

    if (rc > 0) {
        call = malloc(sizeof *call);
        if (call != NULL)
            call_like(call, map->template);
        rc = call == NULL || results_reserve(map, map->taken) < 0 ? GANGER_ENOMEM
                                                                  : builder_payload(&b, call);
        if (rc < 0)
            call_free(call);
        else
            rc = chunk_submit(map, call, b.count);
    }
    out_done(&b.out);
    /* The items of a chunk that could not be submitted were not begun. */
    if (rc < 0)
        map->taken = before;
    return rc;
}
