/* The checker of the chaos: what clients were told, what was done, and what the daemon says. */
#include "tests/chaos/chaos.h"

#include "ganger/ganger.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRONGS_SHOWN 30

/* What one client was told of one task. */
struct told {
    uint64_t key, id;
    enum kind kind;
    bool acked, cancelled, ended, late;
    int end, code;
    unsigned attempts, causes;
    uint64_t fence;
};

/* A line of the effects. */
struct effect {
    uint64_t key, fence, line;
    unsigned attempt;
    char what;
};

struct check {
    struct daemon *d;
    struct told *told;
    size_t told_count, told_cap;
    struct effect *effects;
    size_t effect_count, effect_cap;
    unsigned wrong, acked, unknown, ends[5], attempts;
};

static void wrong(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrong(struct check *c, const char *format, ...)
{
    va_list args;

    if (c->wrong++ >= WRONGS_SHOWN)
        return;
    va_start(args, format);
    (void)printf("WRONG: ");
    (void)vprintf(format, args);
    (void)printf("\n");
    va_end(args);
}

static void *grown(void *items, size_t *cap, size_t bytes)
{
    *cap = *cap == 0 ? 1024 : 2 * *cap;
    items = realloc(items, *cap * bytes);
    if (items == NULL)
        abort();
    return items;
}

/* ---- reading ---- */

/* Lines of a client come in the order of its tasks' keys only for a new key's first line. */
static struct told *told_of(struct check *c, size_t from, uint64_t key)
{
    struct told *t;

    for (size_t i = c->told_count; i > from; i--) {
        if (c->told[i - 1].key == key)
            return &c->told[i - 1];
    }
    if (c->told_count == c->told_cap)
        c->told = grown(c->told, &c->told_cap, sizeof *c->told);
    t = &c->told[c->told_count++];
    *t = (struct told){ .key = key };
    return t;
}

static void told_line(struct check *c, size_t from, const char *line)
{
    uint64_t key, id = 0, fence = 0;
    int a = 0, b = 0;
    unsigned attempts = 0, causes = 0;
    struct told *t;

    if (sscanf(line + 1, " %" SCNu64, &key) != 1)
        return;
    t = told_of(c, from, key);
    switch (line[0]) {
    case 'A':
        if (sscanf(line, "A %*u %" SCNu64 " %d", &id, &a) != 2)
            return;
        t->acked = true;
        t->id = id;
        t->kind = (enum kind)a;
        break;
    case 'R':
        if (sscanf(line, "R %*u %" SCNu64 " %d %d %u %u %" SCNu64, &id, &a, &b, &attempts, &causes,
                &fence) != 6)
            return;
        t->ended = true;
        t->end = a;
        t->code = b;
        t->attempts = attempts;
        t->causes = causes;
        t->fence = fence;
        break;
    case 'C':
        t->cancelled = true;
        break;
    case 'L':
    case 'T':
        t->late = true;
        break;
    default:
        c->unknown++;
        if (t->acked && sscanf(line, "U %*u %d", &a) == 1)
            wrong(c, "task %" PRIu64 " was acknowledged and then lost: %s", key,
                ganger_error_name(a));
        break;
    }
}

static void told_read(struct check *c, const char *path)
{
    FILE *f = fopen(path, "r");
    char line[256];
    size_t from = c->told_count;

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strchr(line, '\n') != NULL)
            told_line(c, from, line);
    }
    if (f != NULL)
        (void)fclose(f);
}

static void effects_read(struct check *c)
{
    FILE *f = fopen(daemon_path(c->d, "effects"), "r");
    char line[256];

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        struct effect e = { .line = c->effect_count };

        if (sscanf(line, "%c %" SCNu64 " %u %" SCNu64, &e.what, &e.key, &e.attempt, &e.fence) != 4)
            continue;
        if (c->effect_count == c->effect_cap)
            c->effects = grown(c->effects, &c->effect_cap, sizeof *c->effects);
        c->effects[c->effect_count++] = e;
    }
    if (f != NULL)
        (void)fclose(f);
}

static int by_key(const void *a, const void *b)
{
    const struct effect *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static int told_by_key(const void *a, const void *b)
{
    const struct told *x = a, *y = b;

    return x->key < y->key ? -1 : x->key > y->key;
}

static int by_fence(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* ---- effects ---- */

static void fences_check(struct check *c)
{
    uint64_t *fences = calloc(c->effect_count + 1, sizeof *fences);
    size_t count = 0;

    for (size_t i = 0; i < c->effect_count; i++) {
        if (c->effects[i].what == 'B' && c->effects[i].fence != 0)
            fences[count++] = c->effects[i].fence;
    }
    qsort(fences, count, sizeof *fences, by_fence);
    for (size_t i = 1; i < count; i++) {
        if (fences[i] == fences[i - 1])
            wrong(c, "two attempts have the fence %" PRIu64, fences[i]);
    }
    c->attempts = (unsigned)count;
    free(fences);
}

/* The effects of one task, in their order. */
static void effects_check(struct check *c, const struct effect *e, size_t count)
{
    uint64_t fence = 0;
    unsigned attempt = 0;

    for (size_t i = 0; i < count; i++) {
        if (e[i].what == 'V')
            wrong(c, "task %" PRIu64 ": attempt %u ran beside an older one", e->key, e[i].attempt);
        if (e[i].what == 'S')
            wrong(c, "task %" PRIu64 ": there were more holders than permits", e->key);
        if (e[i].fence == 0)
            continue;
        if (e[i].what == 'B' && (e[i].fence <= fence || e[i].attempt < attempt))
            wrong(c, "task %" PRIu64 ": attempt %u, fence %" PRIu64 " after %u, %" PRIu64, e->key,
                e[i].attempt, e[i].fence, attempt, fence);
        if (e[i].what == 'E' && e[i].fence != fence)
            wrong(c, "task %" PRIu64 ": attempt %u ended after attempt %u began", e->key,
                e[i].attempt, attempt);
        if (e[i].what == 'B') {
            fence = e[i].fence;
            attempt = e[i].attempt;
        }
    }
}

static void all_effects_check(struct check *c)
{
    size_t from = 0;

    fences_check(c);
    qsort(c->effects, c->effect_count, sizeof *c->effects, by_key);
    for (size_t i = 1; i <= c->effect_count; i++) {
        if (i == c->effect_count || c->effects[i].key != c->effects[from].key) {
            effects_check(c, &c->effects[from], i - from);
            from = i;
        }
    }
}

/* Whether the task has an ended attempt with that fence. */
static bool was_done(const struct check *c, uint64_t key, uint64_t fence)
{
    size_t low = 0, high = c->effect_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (c->effects[mid].key < key)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < c->effect_count && c->effects[low].key == key; low++) {
        if (c->effects[low].what == 'E' && c->effects[low].fence == fence)
            return true;
    }
    return false;
}

/* ---- ends ---- */

/* Whether the kind of the task explains such an end. */
static bool end_explained(const struct told *t)
{
    if (t->end == GANGER_END_CANCELLED)
        return t->cancelled && t->code == GANGER_ECANCELLED;
    switch (t->kind) {
    case KIND_CRASH:
        return t->end == GANGER_END_DEAD && t->attempts >= CHAOS_BUDGET;
    case KIND_BUDGET:
        return t->end == GANGER_END_DONE ||
               (t->end == GANGER_END_DEAD && t->attempts >= CHAOS_BUDGET);
    case KIND_HANG:
        return (t->end == GANGER_END_FAILED || t->end == GANGER_END_DEAD) &&
               t->attempts >= CHAOS_HANG_ATTEMPTS;
    default:
        return t->end == GANGER_END_DONE;
    }
}

/* What the daemon says of the task now, asked by somebody who was not there. */
static void now_check(struct check *c, struct told *t, struct ganger_future *f)
{
    struct ganger_failure e;
    struct ganger_bytes result;
    int rc = ganger_future_result(f, 30000, &result), end;

    if (!ganger_future_ready(f) || ganger_future_error(f, &e) < 0) {
        wrong(c, "task %" PRIu64 " (kind %d) has no end: %s", t->key, (int)t->kind,
            ganger_strerror(rc));
        return;
    }
    end = rc == 0 ? GANGER_END_DONE : (int)e.end;
    if (end == GANGER_END_NONE) {
        wrong(
            c, "task %" PRIu64 " (kind %d) is lost: %s", t->key, (int)t->kind, ganger_strerror(rc));
        return;
    }
    if (t->ended && (t->end != end || t->code != rc))
        wrong(c, "task %" PRIu64 " ended %d (%s), and then %d (%s)", t->key, t->end,
            ganger_error_name(t->code), end, ganger_error_name(rc));
    if (t->ended && rc == 0 && chaos_fence(t->kind, &result) != t->fence)
        wrong(c, "task %" PRIu64 " had the result of fence %" PRIu64 " and now of another", t->key,
            t->fence);
    if (!t->ended) {
        t->end = end;
        t->code = rc;
        t->attempts = e.attempts;
    }
    c->ends[end]++;
}

static void told_check(struct check *c, struct told *t, struct ganger *g)
{
    struct ganger_future *f;

    if (!t->acked)
        return;
    c->acked++;
    if (t->late)
        wrong(c, "task %" PRIu64 " (kind %d) did not end in time", t->key, (int)t->kind);
    if (ganger_attach(g, t->id, &f) < 0) {
        wrong(c, "no connection to ask for task %" PRIu64, t->key);
        return;
    }
    now_check(c, t, f);
    ganger_future_free(f);
    if (!end_explained(t))
        wrong(c, "task %" PRIu64 " (kind %d) ended %d, %s, after %u attempts", t->key, (int)t->kind,
            t->end, ganger_error_name(t->code), t->attempts);
    if (t->ended && t->end == GANGER_END_DONE && !was_done(c, t->key, t->fence))
        wrong(c, "task %" PRIu64 " is done, but nobody did it", t->key);
}

unsigned check_run(struct daemon *d)
{
    struct check c = { .d = d };
    DIR *dir = opendir(daemon_dir(d));
    const struct dirent *entry;
    struct ganger *g;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, "client-", 7) == 0)
            told_read(&c, daemon_path(d, entry->d_name));
    }
    if (dir != NULL)
        (void)closedir(dir);
    effects_read(&c);
    all_effects_check(&c);
    qsort(c.told, c.told_count, sizeof *c.told, told_by_key);
    g = daemon_open(d);
    for (size_t i = 0; i < c.told_count; i++)
        told_check(&c, &c.told[i], g);
    ganger_close(g);
    (void)printf("tasks: %u acknowledged, %u not; %u attempts of functions; ended: %u done, %u "
                 "failed, %u cancelled, %u dead\n",
        c.acked, c.unknown, c.attempts, c.ends[GANGER_END_DONE], c.ends[GANGER_END_FAILED],
        c.ends[GANGER_END_CANCELLED], c.ends[GANGER_END_DEAD]);
    if (c.acked == 0)
        wrong(&c, "no task was acknowledged");
    free(c.told);
    free(c.effects);
    return c.wrong;
}
