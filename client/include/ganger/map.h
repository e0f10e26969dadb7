/*
 * Maps of libganger: one function over many items, several items (a chunk) in a task.
 *
 * Items are msgpack values; results come in the order of the items. An item's own error does not
 * stop the others. All submits of a map wait for room in the pool, and only a window of them is in
 * flight. What <ganger/ganger.h> says of errors, time and threads holds here too; it includes
 * this header.
 */
#ifndef GANGER_MAP_H
#define GANGER_MAP_H

#include "ganger/ganger.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Chunk as CPython's Pool.map: items / (4 * processes of the pool), rounded up; but none has more
 * items than fit into 256 KiB, unless one alone is larger. Asks the daemon.
 */
#define GANGER_CHUNK_DEFAULT INT64_MIN

/*
 * The next item: 1 and *ret_item (valid until the next call), 0 at the end, or a negative code,
 * which ends the input: the whole chunks before it are still run, then the map ends with that code.
 */
typedef int (*ganger_source_fn)(void *user, struct ganger_bytes *ret_item);

/* Exactly one is called once, before the map is ready; neither if there was no item. As above. */
typedef int (*ganger_map_fn)(void *user, struct ganger_map *map);
typedef int (*ganger_map_error_fn)(
    void *user, struct ganger_map *map, const struct ganger_failure *error);

enum ganger_map_flag {
    /*
     * Results are taken one by one by ganger_map_next() and dropped then, so that any number of
     * items runs in bounded memory: no more than the window is ahead of the reader.
     */
    GANGER_MAP_ITERATE = 1,
    GANGER_MAP_UNORDERED = 2 /* with ITERATE: in the order of completion */
};

struct ganger_map_spec {
    const char *pool, *function;          /* borrowed for the call */
    const struct ganger_options *options; /* of each task; may be NULL; borrowed for the call */
    int64_t chunk;   /* items in a task: 1 .. 1048576, or GANGER_CHUNK_DEFAULT */
    uint32_t flags;  /* enum ganger_map_flag, ored */
    uint32_t window; /* chunks in flight (ITERATE: or not yet read); 0 = default, 1024 */
    /* The input: an array, which must stay as it is until the map is ready or freed ... */
    const struct ganger_bytes *items;
    size_t count;
    /* ... or, if SOURCE is not NULL, this. It is called from inside the calls on the handle. The
     * default chunk is 1. */
    ganger_source_fn source;
    void *source_user;
    ganger_map_fn on_done;        /* all items ended well */
    ganger_map_error_fn on_error; /* at least one did not; the first error to arrive */
    void *user;
    uint64_t reserved[8]; /* zero */
};

/* Set all to the default: no input, GANGER_CHUNK_DEFAULT. */
GANGER_PUBLIC void ganger_map_spec_init(struct ganger_map_spec *spec);

/*
 * Begin a map; does not wait. ganger_map_free() it when done with it. GANGER_EINVAL: chunk below 1
 * or over its bound, name missing, flags; the errors of ganger_submit() for a bad item come as the
 * map's error.
 */
GANGER_PUBLIC int ganger_map_start(
    struct ganger *g, const struct ganger_map_spec *spec, struct ganger_map **ret_map);

/*
 * Map and wait, without bound. Returns 0 when all items ended well, else the first error to arrive.
 * *ret_map is set whenever the map has run, even if items failed, else it is NULL (also after
 * GANGER_EINTR: what was not begun is then cancelled).
 */
GANGER_PUBLIC int ganger_map(struct ganger *g, const char *pool, const char *function,
    const struct ganger_bytes *items, size_t count, int64_t chunk,
    const struct ganger_options *options, struct ganger_map **ret_map);

/* Begin a map with callbacks (each may be NULL); ITEMS must stay until it is ready or freed. */
GANGER_PUBLIC int ganger_map_async(struct ganger *g, const char *pool, const char *function,
    const struct ganger_bytes *items, size_t count, int64_t chunk,
    const struct ganger_options *options, ganger_map_fn on_done, ganger_map_error_fn on_error,
    void *user, struct ganger_map **ret_map);

/* As for a future. A map without items is ready at once, and successful. */
GANGER_PUBLIC int ganger_map_wait(struct ganger_map *map, int64_t timeout_ms);
GANGER_PUBLIC int ganger_map_ready(const struct ganger_map *map);
GANGER_PUBLIC int ganger_map_successful(const struct ganger_map *map);

/* Items known so far, items that have ended, and those of them that failed; each pointer may be
 * NULL. */
GANGER_PUBLIC void ganger_map_progress(
    const struct ganger_map *map, size_t *ret_items, size_t *ret_ended, size_t *ret_failed);

/* Items in a task, as it was decided; 0 while the daemon is being asked, and for a map without
 * items. */
GANGER_PUBLIC size_t ganger_map_chunk(const struct ganger_map *map);

/*
 * The result of item INDEX (valid until ganger_map_free()), or its error. GANGER_ESTATE: that item
 * has not ended (ganger_map_ready() tells), or GANGER_MAP_ITERATE; GANGER_ERANGE: no such item.
 */
GANGER_PUBLIC int ganger_map_result(
    const struct ganger_map *map, size_t index, struct ganger_bytes *ret_result);

/*
 * The error of item INDEX, code 0 if none; valid until the next such call on the map. Errors as
 * ganger_map_result(); GANGER_ENOMEM.
 */
GANGER_PUBLIC int ganger_map_error(
    struct ganger_map *map, size_t index, struct ganger_failure *ret_error);

/*
 * The items that failed, in the order in which their errors arrived: the index of the NTH (from 0).
 * GANGER_ERANGE: there are not so many.
 */
GANGER_PUBLIC int ganger_map_failed(const struct ganger_map *map, size_t nth, size_t *ret_index);

/*
 * The first error that arrived, of an item, of the input or of a callback. Code 0 if there is none
 * (yet).
 */
GANGER_PUBLIC int ganger_map_first_error(struct ganger_map *map, struct ganger_failure *ret_error);

struct ganger_item {
    size_t index;                       /* in the input, from 0 */
    int code;                           /* 0, or the item's error: ERROR is then set */
    struct ganger_bytes value;          /* the result */
    const struct ganger_failure *error; /* NULL if code is 0 */
};

/*
 * The next item of a map with GANGER_MAP_ITERATE, waiting up to TIMEOUT_MS: 1 and *ret_item (valid
 * until the next call on the map); 0 after the last (and again); GANGER_ETIMEDOUT, GANGER_EINTR,
 * _ESTATE; else the error of the input or of the connection, after all items before it were given.
 */
GANGER_PUBLIC int ganger_map_next(
    struct ganger_map *map, int64_t timeout_ms, struct ganger_item *ret_item);

/*
 * Cancel what has not ended: nothing more is submitted, tasks in flight are cancelled, and the
 * items end with GANGER_ECANCELLED. Does not wait.
 */
GANGER_PUBLIC int ganger_map_cancel(struct ganger_map *map);

/* Free the map and its results. Tasks in flight go on, nothing more is submitted. Accepts NULL. */
GANGER_PUBLIC void ganger_map_free(struct ganger_map *map);

#ifdef __cplusplus
}
#endif

#endif
