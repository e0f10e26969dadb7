/* Maps as the user sees them: waiting, results, errors, one item after the other. */
#include "map.h"

#include "proto/assert.h"

#include <stdlib.h>
#include <string.h>

static struct ganger_map_spec spec_of(const char *pool, const char *function,
    const struct ganger_bytes *items, size_t count, int64_t chunk,
    const struct ganger_options *options)
{
    struct ganger_map_spec spec;

    ganger_map_spec_init(&spec);
    spec.pool = pool;
    spec.function = function;
    spec.items = items;
    spec.count = count;
    spec.chunk = chunk;
    spec.options = options;
    return spec;
}

int ganger_map_async(struct ganger *g, const char *pool, const char *function,
    const struct ganger_bytes *items, size_t count, int64_t chunk,
    const struct ganger_options *options, ganger_map_fn on_done, ganger_map_error_fn on_error,
    void *user, struct ganger_map **ret_map)
{
    struct ganger_map_spec spec = spec_of(pool, function, items, count, chunk, options);

    spec.on_done = on_done;
    spec.on_error = on_error;
    spec.user = user;
    return ganger_map_start(g, &spec, ret_map);
}

int ganger_map(struct ganger *g, const char *pool, const char *function,
    const struct ganger_bytes *items, size_t count, int64_t chunk,
    const struct ganger_options *options, struct ganger_map **ret_map)
{
    struct ganger_map_spec spec = spec_of(pool, function, items, count, chunk, options);
    struct ganger_failure failure;
    struct ganger_map *map;
    int rc = handle_check_block(g);

    *ret_map = NULL;
    if (rc == 0)
        rc = ganger_map_start(g, &spec, &map);
    if (rc < 0)
        return rc;
    rc = ganger_map_wait(map, GANGER_FOREVER);
    if (rc < 0) {
        (void)ganger_map_cancel(map);
        ganger_map_free(map);
        return rc;
    }
    *ret_map = map;
    (void)ganger_map_first_error(map, &failure);
    return failure.code == 0 ? 0 : fail(g, failure.code, "%s", failure.text);
}

static bool map_done(void *arg)
{
    const struct ganger_map *map = arg;

    return map->phase == MAP_READY;
}

int ganger_map_wait(struct ganger_map *map, int64_t timeout_ms)
{
    int rc = map_done(map) ? 0 : wait_for(map->g, map_done, map, timeout_ms);

    return map_done(map) ? 0 : rc;
}

int ganger_map_ready(const struct ganger_map *map)
{
    return map->phase == MAP_READY;
}

int ganger_map_successful(const struct ganger_map *map)
{
    if (map->phase != MAP_READY)
        return fail(map->g, GANGER_ESTATE, "the map has not ended");
    return !map->has_first && map->code == 0;
}

void ganger_map_progress(
    const struct ganger_map *map, size_t *ret_items, size_t *ret_ended, size_t *ret_failed)
{
    if (ret_items != NULL)
        *ret_items = map->source == NULL ? map->count : map->taken;
    if (ret_ended != NULL)
        *ret_ended = map->ended;
    if (ret_failed != NULL)
        *ret_failed = map->failed;
}

size_t ganger_map_chunk(const struct ganger_map *map)
{
    return map->source == NULL && map->count == 0 ? 0 : map->chunk;
}

/* Only an item that was not begun has no chunk, and that one has an error. */
static bool item_has_ended(const struct map_item *item)
{
    return item->chunk != NULL || item->code != 0;
}

/* The item INDEX, if it has ended. */
static int item_at(const struct ganger_map *map, size_t index, const struct map_item **ret_item)
{
    if (map->flags & GANGER_MAP_ITERATE)
        return fail(map->g, GANGER_ESTATE, "the items of this map are taken one by one");
    if (index >= (map->source == NULL ? map->count : map->taken))
        return fail(map->g, GANGER_ERANGE, "the map has no item %zu", index);
    if (index >= map->results_cap || !item_has_ended(&map->results[index]))
        return fail(map->g, GANGER_ESTATE, "item %zu has not ended", index);
    *ret_item = &map->results[index];
    return 0;
}

int ganger_map_result(const struct ganger_map *map, size_t index, struct ganger_bytes *ret_result)
{
    const struct map_item *item;
    int rc = item_at(map, index, &item);

    if (rc < 0)
        return rc;
    if (item->code != 0)
        return fail(map->g, item->code, "item %zu: %s", index, error_text(item->code));
    *ret_result = (struct ganger_bytes){ item->data, item->len };
    return 0;
}

int ganger_map_error(struct ganger_map *map, size_t index, struct ganger_failure *ret_error)
{
    const struct ganger_failure *failure;
    const struct map_item *item;
    int rc = item_at(map, index, &item);

    if (rc < 0)
        return rc;
    failure = item_failure(&map->error, item);
    if (failure == NULL)
        return fail_plain(map->g, GANGER_ENOMEM);
    *ret_error = *failure;
    return 0;
}

int ganger_map_failed(const struct ganger_map *map, size_t nth, size_t *ret_index)
{
    if (map->flags & GANGER_MAP_ITERATE)
        return fail(map->g, GANGER_ESTATE, "the items of this map are taken one by one");
    if (nth >= map->failed)
        return GANGER_ERANGE;
    *ret_index = map->failed_at[nth];
    return 0;
}

int ganger_map_first_error(struct ganger_map *map, struct ganger_failure *ret_error)
{
    struct map_item none = { .code = map->code };
    const struct ganger_failure *failure = NULL;

    if (map->has_first && map->first_error != NULL)
        failure = &map->first_error->failure;
    else
        failure = item_failure(&map->error, &none);
    if (failure == NULL)
        return fail_plain(map->g, GANGER_ENOMEM);
    *ret_error = *failure;
    return 0;
}

int ganger_map_cancel(struct ganger_map *map)
{
    struct map_chunk *chunk, *next;
    int rc = handle_check(map->g);

    if (rc < 0)
        return rc;
    if (map->phase == MAP_READY || map->phase == MAP_ENDED)
        return 0;
    if (map->asking != NULL) {
        slot_release(map->asking);
        map->asking = NULL;
        map->phase = MAP_RUNNING;
    }
    map_stop(map, GANGER_ECANCELLED, "cancelled before it was submitted");
    /* Backwards: of what waits for room, the last is not submitted when the first is dropped. */
    for (chunk = map->last; chunk != NULL; chunk = next) {
        next = chunk->prev;
        if (chunk->f != NULL)
            (void)ganger_future_cancel(chunk->f);
    }
    map_feed(map);
    return 0;
}

/* The chunk whose items are given next, if it has ended. */
static struct map_chunk *chunk_readable(const struct ganger_map *map)
{
    if (map->flags & GANGER_MAP_UNORDERED)
        return map->ended_first;
    return map->first != NULL && map->first->ended ? map->first : NULL;
}

static bool next_done(void *arg)
{
    const struct ganger_map *map = arg;

    return chunk_readable(map) != NULL || map->phase == MAP_READY;
}

/* All items of the chunk were given. */
static void chunk_spent(struct ganger_map *map, struct map_chunk *chunk)
{
    if (chunk->queued) {
        GANGER_ASSERT(map->ended_first == chunk);
        map->ended_first = chunk->next_ended;
        if (map->ended_first == NULL)
            map->ended_last = NULL;
    }
    map->held--;
    map->held_bytes -= chunk->outcome_len;
    chunk_free(chunk);
}

static int item_give(struct ganger_map *map, struct map_chunk *chunk, struct ganger_item *ret_item)
{
    struct map_item item = chunk_next_item(chunk);
    struct ganger_item given = { chunk->first + chunk->read, item.code, { NULL, 0 }, NULL };

    chunk->read++;
    /* Its bytes are the caller's until the next call. */
    if (chunk->read == chunk->count)
        map->reading = chunk;
    if (item.code == 0) {
        given.value = (struct ganger_bytes){ item.data, item.len };
    } else {
        given.error = item_failure(&map->error, &item);
        if (given.error == NULL)
            return fail_plain(map->g, GANGER_ENOMEM);
    }
    *ret_item = given;
    return 1;
}

int ganger_map_next(struct ganger_map *map, int64_t timeout_ms, struct ganger_item *ret_item)
{
    struct map_chunk *chunk;
    int rc = handle_check_block(map->g);

    if (rc < 0)
        return rc;
    if ((map->flags & GANGER_MAP_ITERATE) == 0)
        return fail(map->g, GANGER_ESTATE, "the map was not started with GANGER_MAP_ITERATE");
    if (map->reading != NULL) {
        chunk_spent(map, map->reading);
        map->reading = NULL;
    }
    map_feed(map);
    if (!next_done(map)) {
        rc = wait_for(map->g, next_done, map, timeout_ms);
        if (rc < 0 && !next_done(map))
            return rc;
    }
    chunk = chunk_readable(map);
    if (chunk != NULL)
        return item_give(map, chunk, ret_item);
    return map->code == 0 ? 0
                          : fail(map->g, map->code, "%s",
                                map->first_error != NULL ? map->first_error->failure.text
                                                         : error_text(map->code));
}
