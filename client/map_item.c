/* The items of a map: what became of each. */
#include "map.h"

#include "proto/pages.h"

#include <stdlib.h>
#include <string.h>

int results_reserve(struct ganger_map *map, size_t count)
{
    size_t cap = map->results_cap == 0 ? 64 : map->results_cap;
    struct map_item *results;

    if ((map->flags & GANGER_MAP_ITERATE) || count <= map->results_cap)
        return 0;
    while (cap < count)
        cap *= 2;
    if (map->source == NULL)
        cap = map->count;
    /* All at once it is memory that is zero as it comes. */
    if (map->results == NULL)
        results = calloc(cap, sizeof *results);
    else
        results = realloc(map->results, cap * sizeof *results);
    if (results == NULL)
        return GANGER_ENOMEM;
    pages_huge(results + map->results_cap, (cap - map->results_cap) * sizeof *results);
    if (map->results != NULL)
        memset(results + map->results_cap, 0, (cap - map->results_cap) * sizeof *results);
    map->results = results;
    map->results_cap = cap;
    return 0;
}

struct ganger_failure *item_failure(struct failure_box **box, const struct map_item *item)
{
    struct failure_source source = {
        .code = item->code, .detail = item->data, .detail_len = item->len
    };

    if (*box == NULL)
        *box = malloc(sizeof **box);
    if (*box == NULL)
        return NULL;
    if (item->chunk != NULL) {
        const struct map_chunk *chunk = item->chunk;

        source.end = chunk->end;
        source.attempts = chunk->attempts;
        source.text = chunk->text;
        /* The task ended well, and the item in it did not. */
        if (item->code != 0 && source.end == GANGER_END_DONE)
            source.end = GANGER_END_FAILED;
    }
    failure_fill(*box, &source);
    return &(*box)->failure;
}

void map_first_error(struct ganger_map *map, const struct map_item *item, const char *text)
{
    struct ganger_failure *failure;

    if (map->has_first)
        return;
    map->has_first = true;
    failure = item_failure(&map->first_error, item);
    if (failure == NULL)
        return;
    if (text != NULL) {
        (void)strncpy(map->first_error->text, text, GANGER_TEXT_MAX);
        map->first_error->text[GANGER_TEXT_MAX] = '\0';
    }
    /* With ITERATE these bytes go with their chunk. */
    if (map->flags & GANGER_MAP_ITERATE) {
        failure->value = (struct ganger_bytes){ NULL, 0 };
        failure->worker.stderr_tail = (struct ganger_bytes){ NULL, 0 };
    }
}

static void failed_add(struct ganger_map *map, size_t index)
{
    if ((map->flags & GANGER_MAP_ITERATE) == 0) {
        if (map->failed == map->failed_cap) {
            size_t cap = map->failed_cap == 0 ? 16 : map->failed_cap * 2;
            size_t *at = realloc(map->failed_at, cap * sizeof *at);

            if (at == NULL) {
                map->code = GANGER_ENOMEM;
                return;
            }
            map->failed_at = at;
            map->failed_cap = cap;
        }
        map->failed_at[map->failed] = index;
    }
    map->failed++;
}

void item_ended(struct ganger_map *map, size_t index, const struct map_item *item)
{
    map->ended++;
    if (map->results != NULL)
        map->results[index] = *item;
    if (item->code == 0)
        return;
    failed_add(map, index);
    map_first_error(map, item, NULL);
}

/* Take [0, value], the usual outcome of an item. False: it is another one. */
static inline bool item_short(struct map_chunk *chunk, struct map_item *item)
{
    const uint8_t *p = chunk->at.at;
    struct slice value;

    if (chunk->at.end - p < 3 || p[0] != 0x92 || p[1] != 0)
        return false;
    chunk->at.at = p + 2;
    value = read_raw(&chunk->at);
    if (chunk->at.error != 0) {
        chunk->at.at = p;
        chunk->at.error = 0;
        return false;
    }
    item->data = value.data;
    item->len = (uint32_t)value.len;
    return true;
}

struct map_item chunk_next_item(struct map_chunk *chunk)
{
    struct map_item item = { chunk->outcome, chunk, (uint32_t)chunk->outcome_len, chunk->code };
    struct slice value;
    uint32_t fields;
    int64_t code;

    /* The task's own error is that of each of its items. */
    if (chunk->plain || chunk->code != 0)
        return item;
    if (item_short(chunk, &item))
        return item;
    fields = read_array(&chunk->at, UINT32_MAX);
    code = read_int(&chunk->at);
    value = read_raw(&chunk->at);
    for (uint32_t i = 2; i < fields && chunk->at.error == 0; i++)
        read_skip(&chunk->at);
    item.code = (int)code;
    item.data = value.data;
    item.len = (uint32_t)value.len;
    if (fields >= 2 && chunk->at.error == 0 && code <= 0 && code >= -(int64_t)GANGER_CODE_MAX)
        return item;
    /* A worker of the user's own may answer anything; its next items are no better. */
    chunk->at.error = GANGER_EPROTO;
    chunk->at.at = chunk->at.end;
    return (struct map_item){ NULL, chunk, 0, GANGER_EPROTO };
}

void chunk_taken_apart(struct map_chunk *chunk)
{
    struct cursor begin = cursor_make(chunk->outcome, chunk->outcome_len);

    if (!chunk->plain && chunk->code == 0 && read_array(&begin, UINT32_MAX) != chunk->count)
        begin.error = GANGER_EPROTO;
    if (begin.error != 0)
        begin.at = begin.end;
    chunk->at = begin;
    for (uint32_t i = 0; i < chunk->count; i++) {
        struct map_item item = chunk_next_item(chunk);

        item_ended(chunk->map, chunk->first + i, &item);
    }
    /* For whoever reads them one by one. */
    chunk->at = begin;
}
