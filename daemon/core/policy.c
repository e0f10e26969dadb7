#include "core/internal.h"

#include <stdlib.h>
#include <string.h>

#define POLICY_BUCKETS 65536u

/* Field by field, so that padding never counts. */
static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

/* From a secret on, lest somebody make many that fall into one bucket. */
static uint32_t spec_hash(const struct core *c, const struct core_spec *s, uint32_t lane)
{
    uint64_t h = mix(lane, c->cfg.seed);

    h = mix(h, s->limit_us);
    h = mix(h, s->kill_grace_us);
    h = mix(h, s->backoff_us);
    h = mix(h, s->backoff_max_us);
    h = mix(h, s->retention_us);
    h = mix(
        h, (uint64_t)s->attempts_max << 16 | (uint64_t)s->jitter_percent << 8 | s->crash_budget);
    for (unsigned i = 0; i < s->need_count; i++)
        h = mix(h, (uint64_t)s->needs[i].sem << 32 | s->needs[i].permits);
    return (uint32_t)h;
}

static bool same(const struct policy *y, const struct core_spec *s, uint32_t lane)
{
    return y->lane == lane && y->limit_us == s->limit_us && y->kill_grace_us == s->kill_grace_us &&
           y->backoff_us == s->backoff_us && y->backoff_max_us == s->backoff_max_us &&
           y->retention_us == s->retention_us && y->attempts_max == s->attempts_max &&
           y->jitter_percent == s->jitter_percent && y->crash_budget == s->crash_budget &&
           y->need_count == s->need_count &&
           (y->need_count == 0 ||
               memcmp(y->needs, s->needs, y->need_count * sizeof *y->needs) == 0);
}

/* The needs, and behind them the lines in which to wait for each; NULL: no memory. */
static struct core_need *needs_new(struct core *c, const struct core_spec *s, uint32_t pool)
{
    struct core_need *needs = malloc(s->need_count * (sizeof *needs + sizeof(uint32_t)));
    uint32_t *lines;

    if (needs == NULL)
        return NULL;
    memcpy(needs, s->needs, s->need_count * sizeof *needs);
    lines = (uint32_t *)(needs + s->need_count);
    for (unsigned i = 0; i < s->need_count; i++) {
        lines[i] = line_find(c, needs[i].sem, pool);
        if (lines[i] == 0) {
            free(needs);
            return NULL;
        }
    }
    return needs;
}

static uint32_t policy_new(struct core *c, const struct core_spec *s, uint32_t lane, uint32_t hash)
{
    uint32_t cell;
    struct policy *y;
    struct core_need *needs = NULL;

    if (s->need_count > 0)
        needs = needs_new(c, s, lane_at(c, lane)->pool);
    cell = needs == NULL && s->need_count > 0 ? 0
                                              : slab_take_raw(&c->policies, sizeof(struct policy));
    if (cell == 0) {
        free(needs);
        return 0;
    }
    y = policy_at(c, cell);
    *y = (struct policy){ .hash = hash,
        .lane = lane,
        .in = lane_at(c, lane),
        .pool = c->pools[lane_at(c, lane)->pool],
        .jitter_percent = s->jitter_percent,
        .crash_budget = s->crash_budget,
        .need_count = s->need_count,
        .attempts_max = s->attempts_max,
        .limit_us = s->limit_us,
        .kill_grace_us = s->kill_grace_us,
        .backoff_us = s->backoff_us,
        .backoff_max_us = s->backoff_max_us,
        .retention_us = s->retention_us,
        .needs = needs,
        .lines = needs == NULL ? NULL : (uint32_t *)(needs + s->need_count),
        .hash_next = c->policy_buckets[hash % POLICY_BUCKETS] };
    c->policy_buckets[hash % POLICY_BUCKETS] = cell;
    return cell;
}

static uint32_t policy_lookup(
    struct core *c, const struct core_spec *s, uint32_t lane, uint32_t hash)
{
    uint32_t cell = c->policy_buckets[hash % POLICY_BUCKETS];

    while (cell != 0) {
        const struct policy *y = policy_at(c, cell);

        if (y->hash == hash && same(y, s, lane))
            return cell;
        cell = y->hash_next;
    }
    return 0;
}

static void take(struct core *c, uint32_t policy)
{
    policy_at(c, policy)->refs++;
}

static uint32_t policy_intern(struct core *c, const struct core_spec *spec, uint32_t lane)
{
    uint32_t cell = c->policy_last, hash;

    /* Nearly every task asks for the same as the one before it, which may have ended. */
    if (cell != 0 && same(policy_at(c, cell), spec, lane)) {
        take(c, cell);
        return cell;
    }
    if (c->policy_buckets == NULL) {
        c->policy_buckets = calloc(POLICY_BUCKETS, sizeof *c->policy_buckets);
        if (c->policy_buckets == NULL)
            return 0;
    }
    hash = spec_hash(c, spec, lane);
    cell = policy_lookup(c, spec, lane, hash);
    if (cell == 0)
        cell = policy_new(c, spec, lane, hash);
    if (cell == 0)
        return 0;
    take(c, cell);
    take(c, cell);
    if (c->policy_last != 0)
        policy_drop(c, c->policy_last);
    c->policy_last = cell;
    return cell;
}

uint32_t policy_find(struct core *c, const struct core_spec *spec)
{
    uint32_t lane, policy;

    if (spec->same != 0 && spec->same == c->policy_same) {
        take(c, c->policy_last);
        return c->policy_last;
    }
    c->policy_same = 0; /* the lane of the last one may be given another identity now */
    lane = lane_find(c, spec->pool, spec->priority, spec->uid);
    policy = lane == 0 ? 0 : policy_intern(c, spec, lane);
    if (policy != 0)
        c->policy_same = spec->same;
    return policy;
}

void policy_drop(struct core *c, uint32_t policy)
{
    struct policy *y = policy_at(c, policy);
    uint32_t *link;

    GANGER_ASSERT(y->refs > 0);
    if (--y->refs > 0)
        return;
    link = &c->policy_buckets[y->hash % POLICY_BUCKETS];
    while (*link != policy)
        link = &policy_at(c, *link)->hash_next;
    *link = y->hash_next;
    free(y->needs);
    y->needs = NULL;
    y->lines = NULL;
    slab_give_sized(&c->policies, policy, sizeof(struct policy));
}
