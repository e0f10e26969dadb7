/*
 * Inside a map: items are cut into chunks, a chunk is one task, and its outcome is taken apart
 * again.
 *
 * A chunk lives from when its task is submitted until the map is freed (its outcome holds the
 * results), or with GANGER_MAP_ITERATE until its last item was read. The map feeds itself from
 * link_tend(), never from within a dispatch.
 */
#ifndef CLIENT_MAP_H
#define CLIENT_MAP_H

#include "handle.h"

#define MAP_WINDOW     1024u
#define MAP_CHUNK_MAX  (1024 * 1024)
#define MAP_HELD_BYTES (64u * 1024 * 1024) /* payloads in flight and outcomes not yet read */
/*
 * Where the caller leaves the size of chunks to us, one ends here: what is larger than the caches
 * of a processor takes longer in each process that it goes through, above all the first time, when
 * all of them have to get the memory.
 */
#define MAP_CHUNK_BYTES (256u * 1024)
/* So much is there to be written when the daemon reads again; more would only lie there. */
#define MAP_AHEAD_BYTES (512u * 1024)
#define MAP_NO_INDEX    SIZE_MAX
#define MAP_SMALL       24u /* bytes of an outcome kept in the chunk itself */

enum map_phase {
    MAP_ASKING, /* for the number of processes */
    MAP_RUNNING,
    MAP_ENDED, /* callbacks run */
    MAP_READY
};

/* All zero: it has not ended. */
struct map_item {
    const uint8_t *data; /* result or detail, in the outcome of its chunk */
    const struct map_chunk *chunk;
    uint32_t len;
    int code;
};

struct map_chunk {
    struct map_chunk *next, *prev; /* all of the map, in the order of the input */
    struct map_chunk *next_ended;  /* those that wait to be read, in the order of their ends */
    struct ganger_map *map;
    struct ganger_future *f; /* NULL once it has ended */
    size_t first;            /* index of its first item */
    uint32_t count;
    bool plain; /* one item, as a task of its own */
    bool ended, queued;
    size_t payload_bytes;
    /* After the end: */
    int code; /* of the task; its items' codes are in the outcome */
    enum ganger_end end;
    uint32_t attempts;
    char *text;       /* NULL: the detail's */
    uint8_t *outcome; /* SMALL, or malloc'd */
    uint8_t small[MAP_SMALL];
    size_t outcome_len;
    uint32_t read; /* ITERATE: items given */
    struct cursor at;
};

struct ganger_map {
    struct ganger_map *next, *prev; /* of the handle */
    struct ganger *g;
    enum map_phase phase;
    uint32_t flags, window;
    size_t chunk;           /* items in a task; 0 = not decided */
    size_t chunk_bytes;     /* no further item goes into a chunk beyond this */
    struct call_head *head; /* pool, function, options */
    uint32_t call_flags;
    bool quiet;
    const struct ganger_bytes *items;
    size_t count; /* items of the array */
    ganger_source_fn source;
    void *source_user;
    struct out build;          /* the items of SOURCE that make the next chunk */
    struct ganger_bytes spare; /* an item that did not fit into the last chunk */
    bool has_spare;
    bool fed; /* no more input */
    bool cancelled;
    int code; /* of the input, of the connection, of a callback */
    ganger_map_fn on_done;
    ganger_map_error_fn on_error;
    void *user;
    bool in_callback;

    struct map_chunk *first, *last; /* chunks in the order of the input */
    struct map_chunk *ended_first, *ended_last;
    struct ganger_future *asking;
    size_t taken;             /* items taken from the input */
    size_t ended;             /* items that have ended */
    size_t failed;            /* of those */
    uint32_t in_flight, held; /* chunks; HELD counts those not yet read too */
    size_t held_bytes;

    struct map_item *results; /* not with ITERATE */
    size_t results_cap;
    size_t *failed_at; /* indices in the order of arrival; not with ITERATE */
    size_t failed_cap;
    bool has_first;
    struct failure_box *first_error, *error; /* the first to arrive; the latest asked for */
    struct map_chunk *reading;               /* its last item was given; freed at the next call */
};

/* ---- map_chunk.c ---- */
/* Take a chunk from the input and submit it. 1: done; 0: the input has ended; or an error. */
int chunk_feed(struct ganger_map *map);
void chunk_free(struct map_chunk *chunk);
/* ---- map_item.c ---- */
/* Note how the items of the chunk have ended. */
void chunk_taken_apart(struct map_chunk *chunk);
/* Make room for COUNT items. 0 or GANGER_ENOMEM. */
int results_reserve(struct ganger_map *map, size_t count);
/* The item at INDEX has ended with CODE. */
void item_ended(struct ganger_map *map, size_t index, const struct map_item *item);
/* Read the next item's outcome of an ended chunk. */
struct map_item chunk_next_item(struct map_chunk *chunk);
/* BOX (made if NULL) filled with the failure of ITEM. NULL: out of memory. */
struct ganger_failure *item_failure(struct failure_box **box, const struct map_item *item);
/* Note the map's first error, if it is that. */
void map_first_error(struct ganger_map *map, const struct map_item *item, const char *text);
/* ---- map.c ---- */
/* A chunk has ended: feed on, or end the map. */
void map_chunk_done(struct ganger_map *map);
/* Submit more if there is room for it. */
void map_feed(struct ganger_map *map);
/* Nothing more is submitted; items not begun end with CODE. */
void map_stop(struct ganger_map *map, int code, const char *text);

#endif
