/* Maps: begun, fed, ended. */
#include "map.h"

#include "answer.h"

#include <stdlib.h>
#include <string.h>

void ganger_map_spec_init(struct ganger_map_spec *spec)
{
    memset(spec, 0, sizeof *spec);
    spec->chunk = GANGER_CHUNK_DEFAULT;
}

/* Call the callback that is due; a failing one makes the map fail. */
static void callback_run(struct ganger_map *map)
{
    struct ganger_failure plain = { .code = map->code, .text = error_text(map->code) };
    struct map_item own = { 0 };
    int rc = 0;

    plain.backtrace = "";
    map->g->inside = true;
    map->in_callback = true;
    if (!map->has_first && map->on_done != NULL)
        rc = map->on_done(map->user, map);
    else if (map->has_first && map->on_error != NULL)
        rc = map->on_error(
            map->user, map, map->first_error != NULL ? &map->first_error->failure : &plain);
    map->in_callback = false;
    map->g->inside = false;
    if (rc == 0)
        return;
    own.code = rc < 0 ? rc : GANGER_EFAILED;
    map->code = own.code;
    map->has_first = false;
    map_first_error(map, &own, "the map's callback failed");
}

static void map_end_if_done(struct ganger_map *map)
{
    if (map->phase != MAP_RUNNING || !map->fed || map->in_flight != 0)
        return;
    map->phase = MAP_ENDED;
    if (map->taken != 0 || map->code != 0)
        callback_run(map);
    map->phase = MAP_READY;
}

void map_chunk_done(struct ganger_map *map)
{
    map_end_if_done(map);
}

void map_stop(struct ganger_map *map, int code, const char *text)
{
    struct map_item item = { .code = code };

    if (map->fed)
        return;
    map->fed = true;
    if (map->code == 0)
        map->code = code;
    map_first_error(map, &item, text);
    if (map->source == NULL && results_reserve(map, map->count) == 0) {
        while (map->taken < map->count)
            item_ended(map, map->taken++, &item);
    }
}

static bool map_may_feed(const struct ganger_map *map)
{
    const struct ganger *g = map->g;

    return map->phase == MAP_RUNNING && !map->fed && map->held < map->window &&
           (map->held == 0 || map->held_bytes < MAP_HELD_BYTES) &&
           (map->in_flight == 0 ||
               output_bytes(g) <
                   (g->output_max < MAP_AHEAD_BYTES ? g->output_max : MAP_AHEAD_BYTES));
}

void map_feed(struct ganger_map *map)
{
    struct ganger *g = map->g;

    while (map_may_feed(map)) {
        int rc = chunk_feed(map);

        if (rc < 0) {
            char text[TEXT_BYTES];

            memcpy(text, g->error, sizeof text);
            map_stop(map, rc, text);
        }
        if (g->writable && pieces_unsent(&g->out) >= FLUSH_BYTES)
            link_write(g);
    }
    map_end_if_done(map);
}

void maps_feed(struct ganger *g)
{
    struct ganger_map *map = g->maps;

    while (map != NULL) {
        /* The map itself cannot be freed in its callbacks; a neighbour may be. */
        map_feed(map);
        map = map->next;
    }
}

static void map_free_memory(struct ganger_map *map)
{
    while (map->first != NULL)
        chunk_free(map->first);
    call_head_unref(map->head);
    out_done(&map->build);
    free(map->results);
    free(map->failed_at);
    free(map->first_error);
    free(map->error);
    free(map);
}

void maps_done(struct ganger *g)
{
    while (g->maps != NULL) {
        struct ganger_map *map = g->maps;

        g->maps = map->next;
        map_free_memory(map);
    }
}

static void map_unlink(struct ganger_map *map)
{
    if (map->prev != NULL)
        map->prev->next = map->next;
    else
        map->g->maps = map->next;
    if (map->next != NULL)
        map->next->prev = map->prev;
}

static void map_link(struct ganger_map *map)
{
    struct ganger *g = map->g;

    map->next = g->maps;
    if (g->maps != NULL)
        g->maps->prev = map;
    g->maps = map;
}

void ganger_map_free(struct ganger_map *map)
{
    struct map_chunk *chunk;

    if (map == NULL || *map->g->alive == 0 || map->in_callback)
        return;
    for (chunk = map->first; chunk != NULL; chunk = chunk->next) {
        if (chunk->f != NULL)
            slot_release(chunk->f);
    }
    if (map->asking != NULL)
        slot_release(map->asking);
    map_unlink(map);
    map_free_memory(map);
}

/* CPython's rule: four chunks for each process, the rest of the division into them. */
static size_t chunk_default(size_t count, uint32_t processes)
{
    size_t parts = 4 * (size_t)(processes == 0 ? 1 : processes);
    size_t chunk = count / parts + (count % parts != 0);

    return chunk < MAP_CHUNK_MAX ? chunk : MAP_CHUNK_MAX;
}

static void pools_came(struct ganger_future *f)
{
    struct ganger_map *map = f->hook_arg;
    uint32_t processes = 1;
    int code = f->code;

    map->asking = NULL;
    map->phase = MAP_RUNNING;
    if (code == 0)
        code = pools_processes(f->data, f->len, &processes);
    if (code == 0)
        map->chunk = chunk_default(map->count, processes);
    else
        map_stop(map, code,
            f->extra != NULL && f->extra->text != NULL ? f->extra->text : error_text(code));
    slot_free(f);
    map_end_if_done(map);
}

static int map_ask(struct ganger_map *map)
{
    struct msg_request m = { .verb = VERB_POOLS };
    int rc;

    m.name.data = (const uint8_t *)map->head->pool;
    m.name.len = map->head->pool_bytes;
    rc = request_send(map->g, &m, &map->asking);
    if (rc < 0)
        return rc;
    map->asking->hook = pools_came;
    map->asking->hook_arg = map;
    map->phase = MAP_ASKING;
    return 0;
}

static int spec_check(struct ganger *g, const struct ganger_map_spec *spec)
{
    if (spec->chunk != GANGER_CHUNK_DEFAULT && spec->chunk < 1)
        return fail(
            g, GANGER_EINVAL, "the chunk must be 1 or more, not %lld", (long long)spec->chunk);
    if (spec->chunk > MAP_CHUNK_MAX)
        return fail(g, GANGER_EINVAL, "a chunk of more than %d items", MAP_CHUNK_MAX);
    if ((spec->flags & ~(uint32_t)(GANGER_MAP_ITERATE | GANGER_MAP_UNORDERED)) != 0 ||
        (spec->flags & (GANGER_MAP_ITERATE | GANGER_MAP_UNORDERED)) == GANGER_MAP_UNORDERED)
        return fail(g, GANGER_EINVAL, "flags of the map");
    if (spec->source == NULL && spec->count != 0 && spec->items == NULL)
        return fail(g, GANGER_EINVAL, "a map without input");
    if (spec->options != NULL && (spec->options->flags & GANGER_DETACHED) != 0)
        return fail(g, GANGER_EINVAL, "a map of detached tasks has no results");
    return 0;
}

/* Pool, function and options of SPEC. */
static int spec_head(struct ganger *g, const struct ganger_map_spec *spec,
    struct call_head **ret_head, uint32_t *ret_flags)
{
    struct msg_submit *m = &g->scratch;
    int64_t pool = name_check(g, "pool", spec->pool, false);
    int64_t function = name_check(g, "function", spec->function, true);
    int rc;

    if (pool < 0 || function < 0)
        return (int)(pool < 0 ? pool : function);
    m->pool = (struct slice){ (const uint8_t *)spec->pool, (size_t)pool };
    m->function = (struct slice){ (const uint8_t *)spec->function, (size_t)function };
    rc = options_convert(g, spec->options, &m->options, &m->flags);
    if (rc < 0)
        return rc;
    *ret_flags = m->flags;
    *ret_head = call_head_new(m);
    return *ret_head == NULL ? fail_plain(g, GANGER_ENOMEM) : 0;
}

static struct ganger_map *map_new(struct ganger *g, const struct ganger_map_spec *spec)
{
    struct ganger_map *map = calloc(1, sizeof *map);

    if (map == NULL)
        return NULL;
    map->g = g;
    map->phase = MAP_RUNNING;
    map->flags = spec->flags;
    map->window = spec->window == 0 ? MAP_WINDOW : spec->window;
    map->quiet = spec->options != NULL && (spec->options->flags & GANGER_QUIET) != 0;
    map->items = spec->items;
    map->count = spec->source == NULL ? spec->count : 0;
    map->source = spec->source;
    map->source_user = spec->source_user;
    map->on_done = spec->on_done;
    map->on_error = spec->on_error;
    map->user = spec->user;
    map->chunk_bytes = spec->chunk == GANGER_CHUNK_DEFAULT ? MAP_CHUNK_BYTES : SIZE_MAX;
    if (spec->chunk != GANGER_CHUNK_DEFAULT)
        map->chunk = (size_t)spec->chunk;
    else if (spec->source != NULL || spec->count == 0)
        map->chunk = 1;
    return map;
}

int ganger_map_start(
    struct ganger *g, const struct ganger_map_spec *spec, struct ganger_map **ret_map)
{
    struct call_head *head;
    uint32_t flags = 0;
    struct ganger_map *map;
    int rc = handle_check(g);

    if (rc == 0)
        rc = g->state == LINK_DEAD ? fail_plain(g, g->dead_code) : spec_check(g, spec);
    if (rc == 0)
        rc = spec_head(g, spec, &head, &flags);
    if (rc < 0)
        return rc;
    map = map_new(g, spec);
    if (map == NULL) {
        call_head_unref(head);
        return fail_plain(g, GANGER_ENOMEM);
    }
    map->head = head;
    map->call_flags = flags;
    if (map->chunk == 0) {
        rc = map_ask(map);
        if (rc < 0) {
            map_free_memory(map);
            return rc;
        }
    }
    map_link(map);
    /* Inside a callback the source must not be entered from within another one. */
    if (!g->inside || map->source == NULL)
        map_feed(map);
    *ret_map = map;
    return 0;
}
