/* Options and calls: checked and put into the wire's form; copied to be submitted again. */
#include "handle.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(GANGER_OPT_PRIORITY == 1 << OPT_PRIORITY, "public bits are the wire's");
_Static_assert(GANGER_OPT_MAX_ATTEMPTS == 1 << OPT_ATTEMPTS, "public bits are the wire's");
_Static_assert(GANGER_OPT_RETENTION_MS == 1 << OPT_RETENTION_MS, "public bits are the wire's");

#define GIVEN_ALL (((1u << OPT_NEEDS) - 1) & ~1u)
#define FLAGS_ALL (GANGER_QUIET | GANGER_WAIT_ROOM | GANGER_DETACHED)

static int range(struct ganger *g, const struct ganger_options *o, enum ganger_option bit,
    const char *what, uint64_t value, uint64_t min, uint64_t max)
{
    if ((o->given & bit) == 0 || (value >= min && value <= max))
        return 0;
    return fail(g, GANGER_EINVAL, "option %s: %llu is not %llu..%llu", what,
        (unsigned long long)value, (unsigned long long)min, (unsigned long long)max);
}

static int durations_check(struct ganger *g, const struct ganger_options *o)
{
    const struct {
        enum ganger_option bit;
        const char *what;
        uint64_t value;
    } rows[] = {
        { GANGER_OPT_DELAY_MS, "delay_ms", o->delay_ms },
        { GANGER_OPT_LIMIT_MS, "limit_ms", o->limit_ms },
        { GANGER_OPT_KILL_GRACE_MS, "kill_grace_ms", o->kill_grace_ms },
        { GANGER_OPT_EXPIRY_MS, "expiry_ms", o->expiry_ms },
        { GANGER_OPT_BACKOFF_MS, "backoff_ms", o->backoff_ms },
        { GANGER_OPT_BACKOFF_MAX_MS, "backoff_max_ms", o->backoff_max_ms },
        { GANGER_OPT_RETENTION_MS, "retention_ms", o->retention_ms },
    };
    int rc = 0;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && rc == 0; i++)
        rc = range(g, o, rows[i].bit, rows[i].what, rows[i].value, 0, GANGER_DURATION_MAX_MS);
    if (rc == 0)
        rc = range(g, o, GANGER_OPT_RUN_AT_MS, "run_at_ms", o->run_at_ms, 0, GANGER_RUN_AT_MAX_MS);
    return rc;
}

static int numbers_check(struct ganger *g, const struct ganger_options *o)
{
    int rc = range(g, o, GANGER_OPT_PRIORITY, "priority", o->priority, 0, GANGER_PRIORITY_MAX);

    if (rc == 0)
        rc = range(
            g, o, GANGER_OPT_MAX_ATTEMPTS, "max_attempts", o->max_attempts, 1, GANGER_ATTEMPTS_MAX);
    if (rc == 0)
        rc = range(g, o, GANGER_OPT_JITTER_PERCENT, "jitter_percent", o->jitter_percent, 0, 100);
    if (rc == 0)
        rc = range(
            g, o, GANGER_OPT_CRASH_BUDGET, "crash_budget", o->crash_budget, 1, GANGER_CRASHES_MAX);
    return rc;
}

static int bits_check(struct ganger *g, const struct ganger_options *o)
{
    if ((o->given & ~GIVEN_ALL) != 0 || (o->flags & ~(uint32_t)FLAGS_ALL) != 0 ||
        o->durable > GANGER_DURABLE_NO)
        return fail(g, GANGER_EINVAL, "unknown bits in the options");
    return 0;
}

static int options_check(struct ganger *g, const struct ganger_options *o)
{
    int rc;

    if ((o->given & GANGER_OPT_DELAY_MS) && (o->given & GANGER_OPT_RUN_AT_MS))
        return fail(g, GANGER_EINVAL, "options delay_ms and run_at_ms exclude each other");
    rc = numbers_check(g, o);
    return rc == 0 ? durations_check(g, o) : rc;
}

static int need_convert(
    struct ganger *g, const struct ganger_need *need, struct task_options *ret, uint32_t i)
{
    int64_t len = name_check(g, "semaphore", need->name, false);

    if (len < 0)
        return (int)len;
    if (need->permits == 0 || need->permits > GANGER_PERMITS_MAX)
        return fail(g, GANGER_EINVAL, "semaphore %s: %u is not 1..%u permits", need->name,
            need->permits, GANGER_PERMITS_MAX);
    for (uint32_t j = 0; j < i; j++) {
        if (ret->needs[j].name.len == (size_t)len &&
            memcmp(ret->needs[j].name.data, need->name, (size_t)len) == 0)
            return fail(g, GANGER_EINVAL, "semaphore %s is needed twice", need->name);
    }
    ret->needs[i].name = (struct slice){ (const uint8_t *)need->name, (size_t)len };
    ret->needs[i].permits = need->permits;
    return 0;
}

static int needs_convert(struct ganger *g, const struct ganger_options *o, struct task_options *ret)
{
    size_t max = g->server.needs_max < GANGER_NEEDS_MAX ? g->server.needs_max : GANGER_NEEDS_MAX;

    ret->need_count = 0;
    if (o->need_count == 0)
        return 0;
    if (o->need_count > max)
        return fail(
            g, GANGER_ETOOBIG, "%zu semaphores for a task that may need %zu", o->need_count, max);
    for (uint32_t i = 0; i < o->need_count; i++) {
        int rc = need_convert(g, &o->needs[i], ret, i);

        if (rc < 0)
            return rc;
    }
    ret->need_count = (uint32_t)o->need_count;
    ret->given |= 1u << OPT_NEEDS;
    return 0;
}

static uint32_t wire_flags(const struct ganger_options *o)
{
    uint32_t flags = 0;

    if (o->durable == GANGER_DURABLE_YES)
        flags |= TASK_DURABLE;
    else if (o->durable == GANGER_DURABLE_NO)
        flags |= TASK_NOT_DURABLE;
    if ((o->flags & GANGER_DETACHED) == 0) {
        flags |= TASK_WAIT;
        if (o->flags & GANGER_QUIET)
            flags |= TASK_QUIET;
    }
    return flags;
}

int options_convert(struct ganger *g, const struct ganger_options *options,
    struct task_options *ret, uint32_t *ret_flags)
{
    int rc;

    ret->given = 0;
    ret->need_count = 0;
    *ret_flags = TASK_WAIT;
    if (options == NULL)
        return 0;
    rc = bits_check(g, options);
    if (rc < 0)
        return rc;
    *ret_flags = wire_flags(options);
    /* The usual ones have nothing that goes on the wire but flags. */
    if (options->given == 0 && options->need_count == 0)
        return 0;
    rc = options_check(g, options);
    if (rc < 0)
        return rc;
    ret->given = options->given;
    ret->priority = options->priority;
    ret->attempts = options->max_attempts;
    ret->jitter_percent = options->jitter_percent;
    ret->crash_budget = options->crash_budget;
    ret->delay_ms = options->delay_ms;
    ret->run_at_ms = options->run_at_ms;
    ret->limit_ms = options->limit_ms;
    ret->kill_grace_ms = options->kill_grace_ms;
    ret->expiry_ms = options->expiry_ms;
    ret->backoff_ms = options->backoff_ms;
    ret->backoff_max_ms = options->backoff_max_ms;
    ret->retention_ms = options->retention_ms;
    return needs_convert(g, options, ret);
}

void ganger_options_init(struct ganger_options *options)
{
    memset(options, 0, sizeof *options);
}

static void name_copy(char *to, struct slice from)
{
    if (from.len != 0)
        memcpy(to, from.data, from.len);
    to[from.len] = '\0';
}

struct call_head *call_head_new(const struct msg_submit *m)
{
    struct call_head *head = calloc(1, sizeof *head);

    if (head == NULL)
        return NULL;
    head->refs = 1;
    head->pool_bytes = (uint32_t)m->pool.len;
    head->function_bytes = (uint32_t)m->function.len;
    name_copy(head->pool, m->pool);
    name_copy(head->function, m->function);
    if (m->options.given == 0)
        return head;
    head->options = m->options;
    for (uint32_t i = 0; i < m->options.need_count; i++) {
        name_copy(head->need_names[i], m->options.needs[i].name);
        head->options.needs[i].name.data = (const uint8_t *)head->need_names[i];
    }
    return head;
}

void call_head_unref(struct call_head *head)
{
    if (head != NULL && --head->refs == 0)
        free(head);
}

void call_head_fill(const struct call_head *head, struct msg_submit *ret_m)
{
    ret_m->pool = (struct slice){ (const uint8_t *)head->pool, head->pool_bytes };
    ret_m->function = (struct slice){ (const uint8_t *)head->function, head->function_bytes };
    ret_m->options.given = 0;
    ret_m->options.need_count = 0;
    if (head->options.given != 0)
        ret_m->options = head->options;
}

struct slot_call *call_new(struct call_head *head, uint32_t flags, size_t payload_bytes)
{
    struct slot_call *call = malloc(sizeof *call + payload_bytes);

    if (call == NULL)
        return NULL;
    head->refs++;
    call->head = head;
    call->flags = flags;
    call->payload_bytes = payload_bytes;
    return call;
}

void call_free(struct slot_call *call)
{
    if (call == NULL)
        return;
    call_head_unref(call->head);
    free(call);
}

void call_fill(const struct slot_call *call, struct msg_submit *ret_m)
{
    call_head_fill(call->head, ret_m);
    ret_m->flags = call->flags;
    ret_m->payload = (struct slice){ call->payload, call->payload_bytes };
}
