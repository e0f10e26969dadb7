/* The options of a task: a map from small integers, of which the usual one is empty. */
#include "proto/msg_wire.h"

#include <stddef.h>

#define NEED_FIELDS 2u

/* Where an option that is a plain number is kept, and its range. */
struct option_row {
    size_t offset;
    bool wide; /* uint64_t, else uint32_t */
    uint64_t min, max;
};

#define OPTION(field) offsetof(struct task_options, field)
#define DURATION(field)                                                                            \
    {                                                                                              \
        OPTION(field), true, 0, GANGER_DURATION_MAX_MS                                             \
    }

static const struct option_row rows[OPT_COUNT] = {
    [OPT_PRIORITY] = { OPTION(priority), false, 0, GANGER_PRIORITY_MAX },
    [OPT_DELAY_MS] = DURATION(delay_ms),
    [OPT_RUN_AT_MS] = { OPTION(run_at_ms), true, 0, GANGER_RUN_AT_MAX_MS },
    [OPT_LIMIT_MS] = DURATION(limit_ms),
    [OPT_KILL_GRACE_MS] = DURATION(kill_grace_ms),
    [OPT_EXPIRY_MS] = DURATION(expiry_ms),
    [OPT_ATTEMPTS] = { OPTION(attempts), false, 1, GANGER_ATTEMPTS_MAX },
    [OPT_BACKOFF_MS] = DURATION(backoff_ms),
    [OPT_BACKOFF_MAX_MS] = DURATION(backoff_max_ms),
    [OPT_JITTER_PERCENT] = { OPTION(jitter_percent), false, 0, 100 },
    [OPT_CRASH_BUDGET] = { OPTION(crash_budget), false, 0, GANGER_CRASHES_MAX },
    [OPT_RETENTION_MS] = DURATION(retention_ms),
};

static bool option_given(const struct task_options *t, unsigned key)
{
    return (t->given & (1u << key)) != 0;
}

static uint64_t option_get(const struct task_options *t, const struct option_row *row)
{
    const uint8_t *at = (const uint8_t *)t + row->offset;
    uint64_t wide;
    uint32_t narrow;

    if (row->wide) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
}

static void option_set(struct task_options *t, const struct option_row *row, uint64_t v)
{
    uint8_t *at = (uint8_t *)t + row->offset;
    uint32_t narrow = (uint32_t)v;

    if (row->wide)
        memcpy(at, &v, sizeof v);
    else
        memcpy(at, &narrow, sizeof narrow);
}

size_t options_bound(const struct task_options *t)
{
    size_t bytes = 1 + OPT_COUNT * (1 + PUT_UINT_MAX) + PUT_HEAD_MAX;

    if (!option_given(t, OPT_NEEDS))
        return bytes;
    for (uint32_t i = 0; i < t->need_count; i++)
        bytes += 1 + PUT_HEAD_MAX + t->needs[i].name.len + PUT_UINT_MAX;
    return bytes;
}

static uint8_t *needs_put(uint8_t *p, const struct task_options *t)
{
    p = put_array(p, t->need_count);
    for (uint32_t i = 0; i < t->need_count; i++) {
        p = put_array(p, NEED_FIELDS);
        p = put_str(p, t->needs[i].name.data, t->needs[i].name.len);
        p = put_uint(p, t->needs[i].permits);
    }
    return p;
}

uint8_t *options_put(uint8_t *p, const struct task_options *t)
{
    GANGER_ASSERT(t->given < (1u << OPT_COUNT) && (t->given & 1u) == 0);
    GANGER_ASSERT(t->need_count <= GANGER_NEEDS_MAX || !option_given(t, OPT_NEEDS));
    p = put_map(p, (uint32_t)__builtin_popcount(t->given));
    for (unsigned key = 1; key < OPT_COUNT; key++) {
        if (!option_given(t, key))
            continue;
        p = put_uint(p, key);
        p = key == OPT_NEEDS ? needs_put(p, t) : put_uint(p, option_get(t, &rows[key]));
    }
    return p;
}

static bool need_named(const struct task_options *t, uint32_t count, struct slice name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (t->needs[i].name.len == name.len &&
            memcmp(t->needs[i].name.data, name.data, name.len) == 0)
            return true;
    }
    return false;
}

static void needs_read(struct cursor *c, struct task_options *ret)
{
    uint32_t count = read_array(c, GANGER_NEEDS_MAX);

    for (uint32_t i = 0; i < count && c->error == 0; i++) {
        uint32_t fields = take_item(c, NEED_FIELDS);
        struct task_need *need = &ret->needs[i];

        need->name = take_str(c, GANGER_NAME_MAX);
        need->permits = take_u32(c, GANGER_PERMITS_MAX);
        skip_fields(c, fields, NEED_FIELDS);
        if (c->error == 0 &&
            (need->permits == 0 || need->name.len == 0 || need_named(ret, i, need->name)))
            cursor_fail(c, GANGER_EPROTO);
    }
    ret->need_count = c->error == 0 ? count : 0;
}

static void option_read(struct cursor *c, struct task_options *ret)
{
    unsigned key = take_u32(c, OPT_COUNT - 1);
    uint64_t v;

    if (key == 0 || option_given(ret, key)) {
        cursor_fail(c, GANGER_EPROTO);
        return;
    }
    ret->given |= 1u << key;
    if (key == OPT_NEEDS) {
        needs_read(c, ret);
        return;
    }
    v = take_uint(c, rows[key].max);
    if (v < rows[key].min)
        cursor_fail(c, GANGER_EPROTO);
    option_set(ret, &rows[key], v);
}

void options_read(struct cursor *c, struct task_options *ret)
{
    /* An unknown key is refused: it would change what the task means. */
    uint32_t pairs = read_map(c, UINT32_MAX);

    for (uint32_t i = 0; i < pairs && c->error == 0; i++)
        option_read(c, ret);
    if (option_given(ret, OPT_DELAY_MS) && option_given(ret, OPT_RUN_AT_MS))
        cursor_fail(c, GANGER_EPROTO);
}
