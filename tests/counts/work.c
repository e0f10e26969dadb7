/*
 * ganger-counts SOCKET WORK:ROUNDS...: does a fixed amount of work in lock step, through the public
 * library, for those who count what it costs. A round is so many tasks, submitted together, and
 * then the results of all; so how much is done at once does not depend on who is the fastest.
 *
 * Who watches its system calls sees access(2) of "/ganger-counts/WORK" (which nobody has) where a
 * round begins, and of "/ganger-counts/end" behind the last. With GANGER_COUNTS set to a file it
 * prints what shim_counts.c has counted of each work, as lines "WORK ROLE WHAT COUNT TASKS".
 */
#include "tests/counts/counts.h"

#include "ganger/ganger.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POOL         "counts"
#define FUNCTION     "noop"
#define TASKS_MAX    1000u
#define ITEMS        4000u
#define ITEM_BYTES   16u
#define PAYLOAD      64u
#define SETTLE_PINGS 3
#define MARK_END     "end"

struct work {
    const char *name;
    int (*round)(struct ganger *g, const struct work *w);
    unsigned tasks; /* of a round; items of a map */
    uint32_t durable;
};

static unsigned char payload[PAYLOAD] = { 0xc4, PAYLOAD - 2 }; /* msgpack bin 8 */
static unsigned char item[ITEM_BYTES] = { 0xc4, ITEM_BYTES - 2 };
static struct ganger_future *futures[TASKS_MAX];
static struct ganger_bytes items[ITEMS];

_Noreturn static void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "ganger-counts: %s: %s\n", what, why);
    exit(1);
}

static int tasks_submit(struct ganger *g, const struct work *w)
{
    struct ganger_call call = {
        .pool = POOL, .function = FUNCTION, .payload = payload, .payload_bytes = PAYLOAD
    };
    struct ganger_options options;
    int rc = 0;

    ganger_options_init(&options);
    options.durable = w->durable;
    options.flags = w->durable == GANGER_DURABLE_YES ? 0 : GANGER_QUIET;
    for (unsigned i = 0; i < w->tasks && rc == 0; i++)
        rc = ganger_submit(g, &call, &options, &futures[i]);
    return rc;
}

static int tasks_round(struct ganger *g, const struct work *w)
{
    int rc = tasks_submit(g, w);

    for (unsigned i = 0; i < w->tasks && rc == 0; i++) {
        rc = ganger_future_wait(futures[i], GANGER_FOREVER);
        if (rc == 0 && ganger_future_successful(futures[i]) != 1)
            rc = GANGER_EFAILED;
        ganger_future_free(futures[i]);
    }
    return rc;
}

static int map_round(struct ganger *g, const struct work *w)
{
    struct ganger_map *map = NULL;
    int rc = ganger_map(g, POOL, FUNCTION, items, w->tasks, GANGER_CHUNK_DEFAULT, NULL, &map);

    ganger_map_free(map);
    return rc;
}

static const struct work works[] = {
    { "trip", tasks_round, 1, GANGER_DURABLE_NO },
    { "cycle_100", tasks_round, 100, GANGER_DURABLE_NO },
    { "cycle_1000", tasks_round, 1000, GANGER_DURABLE_NO },
    { "durable_100", tasks_round, 100, GANGER_DURABLE_YES },
    { "map", map_round, ITEMS, GANGER_DURABLE_NO },
};

static const struct work *work_of(const char *name, size_t bytes)
{
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        if (strlen(works[i].name) == bytes && memcmp(works[i].name, name, bytes) == 0)
            return &works[i];
    }
    give_up(name, "no such work");
}

static const struct counts *counts_map(void)
{
    const char *path = getenv(COUNTS_ENV);
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *at = MAP_FAILED;

    if (fd >= 0) {
        at = mmap(NULL, sizeof(struct counts), PROT_READ, MAP_SHARED, fd, 0);
        (void)close(fd);
    }
    return at == MAP_FAILED ? NULL : at;
}

static void mark(const char *name)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/ganger-counts/%s", name);
    (void)access(path, F_OK);
}

static void difference_print(const char *work, const char *role, const char *what,
    const atomic_ullong *now, unsigned long long before, unsigned long long tasks)
{
    (void)printf("%s %s %s %llu %llu\n", work, role, what, atomic_load(now) - before, tasks);
}

static void counts_print(const struct work *w, const struct counts *now,
    const struct counts *before, unsigned long long tasks)
{
    for (unsigned i = 0; i < COUNTS_ROLES; i++) {
        difference_print(w->name, counts_roles[i], "allocations", &now->role[i].allocations,
            atomic_load(&before->role[i].allocations), tasks);
        difference_print(w->name, counts_roles[i], "file_bytes", &now->role[i].file_bytes,
            atomic_load(&before->role[i].file_bytes), tasks);
    }
}

/* What is still to do behind the last result belongs to the work as well. */
static int settle(struct ganger *g)
{
    int rc = 0;

    for (int i = 0; i < SETTLE_PINGS && rc == 0; i++)
        rc = ganger_ping(g, GANGER_FOREVER);
    return rc;
}

static int work_do(struct ganger *g, const struct work *w, unsigned rounds)
{
    static struct counts before;
    const struct counts *now = counts_map();
    int rc = settle(g);

    if (now != NULL)
        memcpy(&before, now, sizeof before);
    for (unsigned i = 0; i < rounds && rc == 0; i++) {
        mark(w->name);
        rc = w->round(g, w);
    }
    mark(MARK_END);
    if (rc == 0 && now != NULL)
        counts_print(w, now, &before, (unsigned long long)rounds * w->tasks);
    return rc;
}

int main(int argc, char **argv)
{
    struct ganger *g;
    int rc;

    if (argc < 3)
        give_up("usage", "ganger-counts SOCKET WORK:ROUNDS...");
    for (unsigned i = 0; i < ITEMS; i++)
        items[i] = (struct ganger_bytes){ item, ITEM_BYTES };
    rc = ganger_open(argv[1], &g);
    if (rc < 0)
        give_up(argv[1], ganger_strerror(rc));
    for (int i = 2; i < argc; i++) {
        const char *colon = strchr(argv[i], ':');

        if (colon == NULL)
            give_up(argv[i], "no rounds");
        rc = work_do(
            g, work_of(argv[i], (size_t)(colon - argv[i])), (unsigned)strtoul(colon + 1, NULL, 10));
        if (rc < 0)
            give_up(argv[i], ganger_last_error(g));
    }
    /* The children end in good order, so that who watches them can say what it saw. */
    rc = ganger_pool_resize(g, POOL, 0, GANGER_FOREVER);
    if (rc < 0)
        give_up("resize", ganger_last_error(g));
    ganger_close(g);
    return 0;
}
