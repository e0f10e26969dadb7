#include "engine/internal.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool given(const struct task_options *o, enum task_option opt)
{
    return (o->given & (1u << opt)) != 0;
}

static uint32_t pool_of_name(struct engine *e, struct slice name)
{
    const char *last;

    if (e->last_pool != UINT32_MAX) {
        last = core_pool_name(e->core, e->last_pool);
        if (strlen(last) == name.len && memcmp(last, name.data, name.len) == 0)
            return e->last_pool;
    }
    return e->last_pool = core_pool_find(e->core, (const char *)name.data, name.len);
}

void spec_base(const struct task_options *d, struct core_spec *ret_base)
{
    *ret_base = (struct core_spec){ .priority = (uint8_t)d->priority,
        .jitter_percent = (uint8_t)d->jitter_percent,
        .crash_budget = (uint8_t)d->crash_budget,
        .attempts_max = d->attempts == 0 ? 1 : (uint16_t)d->attempts,
        .limit_us = d->limit_ms * 1000,
        .kill_grace_us = d->kill_grace_ms * 1000,
        .backoff_us = d->backoff_ms * 1000,
        .backoff_max_us = d->backoff_max_ms * 1000,
        .retention_us = d->retention_ms * 1000 };
}

/* What the task itself says, instead of its pool's defaults. */
static void fill_given(const struct engine *e, const struct task_options *o, struct core_spec *s)
{
    if (given(o, OPT_PRIORITY))
        s->priority = (uint8_t)o->priority;
    if (given(o, OPT_JITTER_PERCENT))
        s->jitter_percent = (uint8_t)o->jitter_percent;
    if (given(o, OPT_CRASH_BUDGET))
        s->crash_budget = (uint8_t)o->crash_budget;
    if (given(o, OPT_ATTEMPTS))
        s->attempts_max = o->attempts == 0 ? 1 : (uint16_t)o->attempts;
    if (given(o, OPT_LIMIT_MS))
        s->limit_us = o->limit_ms * 1000;
    if (given(o, OPT_KILL_GRACE_MS))
        s->kill_grace_us = o->kill_grace_ms * 1000;
    if (given(o, OPT_BACKOFF_MS))
        s->backoff_us = o->backoff_ms * 1000;
    if (given(o, OPT_BACKOFF_MAX_MS))
        s->backoff_max_us = o->backoff_max_ms * 1000;
    if (given(o, OPT_RETENTION_MS))
        s->retention_us = o->retention_ms * 1000;
    if (given(o, OPT_DELAY_MS) && o->delay_ms > 0)
        s->due_us = e->now_us + o->delay_ms * 1000;
    if (given(o, OPT_RUN_AT_MS)) {
        s->due_us = mono_of(e, o->run_at_ms);
        s->due_wall = true;
    }
}

/* S holds the defaults of the pool. */
static void fill_policy(const struct engine *e, const struct task_options *o,
    const struct task_options *defaults, struct core_spec *s)
{
    bool stays = (s->flags & CORE_TASK_WAIT) == 0 || (s->flags & CORE_TASK_DURABLE) != 0;
    uint64_t expiry_ms = given(o, OPT_EXPIRY_MS) ? o->expiry_ms : defaults->expiry_ms;

    /* The result of a task whose submitter waits for it is not kept unless asked for. */
    if (!stays)
        s->retention_us = 0;
    if (o->given != 0)
        fill_given(e, o, s);
    if (expiry_ms > 0)
        s->expiry_us = e->now_us + expiry_ms * 1000;
}

static int fill_needs(const struct engine *e, const struct task_options *o, struct core_spec *s,
    char *text, size_t text_bytes)
{
    for (unsigned i = 0; i < o->need_count; i++) {
        const struct task_need *n = &o->needs[i];
        uint32_t sem = core_sem_find(e->core, (const char *)n->name.data, n->name.len);

        if (sem == UINT32_MAX) {
            (void)snprintf(text, text_bytes,
                "no semaphore is named \"%.*s\"; define it in the configuration or with "
                "\"ganger sem set\"",
                (int)n->name.len, (const char *)n->name.data);
            return GANGER_ENOSEM;
        }
        s->needs[i] = (struct core_need){ .sem = sem, .permits = n->permits };
    }
    s->need_count = (uint8_t)o->need_count;
    return 0;
}

/* May the next submit ask for the same? Times and needs are of one task alone. */
static bool spec_keeps(const struct core_spec *s)
{
    return s->due_us == 0 && s->expiry_us == 0 && s->need_count == 0;
}

/* A number that no other spec has had for long; 0 is none. */
static uint32_t spec_number(struct engine *e)
{
    if (++e->specs == 0)
        e->specs = 1;
    return e->specs;
}

static int spec_make(
    struct engine *e, session_id session, const struct msg_submit *m, char *text, size_t text_bytes)
{
    struct core_spec *s = &e->last.spec;
    uint32_t pool = pool_of_name(e, m->pool);
    const struct engine_pool_config *p;
    bool durable;
    int rc;

    s->same = 0;
    if (pool == UINT32_MAX || pool >= e->pool_cap || e->pools[pool].name == NULL) {
        (void)snprintf(text, text_bytes, "no pool is named \"%.*s\"", (int)m->pool.len,
            (const char *)m->pool.data);
        return GANGER_ENOPOOL;
    }
    p = &e->pools[pool].cfg;
    durable = (m->flags & TASK_DURABLE) != 0 || (p->durable && (m->flags & TASK_NOT_DURABLE) == 0);
    /* Its needs, which are long, follow as far as there are any. */
    memcpy(s, &e->pools[pool].base, offsetof(struct core_spec, needs));
    s->pool = pool;
    s->uid = engine_session_uid(e, session);
    s->flags = (m->flags & (TASK_WAIT | TASK_QUIET | TASK_CHUNK)) | (durable ? TASK_DURABLE : 0);
    fill_policy(e, &m->options, &p->defaults, s);
    rc = fill_needs(e, &m->options, s, text, text_bytes);
    if (rc < 0 || m->options.given != 0 || !spec_keeps(s))
        return rc;
    s->same = spec_number(e);
    e->last.session = session;
    e->last.flags = m->flags;
    return 0;
}

/* Does M ask for what the submit before asked for? Then only its bytes differ. */
static bool spec_stands(const struct engine *e, session_id session, const struct msg_submit *m)
{
    const struct last_spec *l = &e->last;
    const struct engine_pool *p;

    if (l->spec.same == 0 || l->session != session || l->flags != m->flags ||
        m->options.given != 0 || m->options.need_count != 0)
        return false;
    p = &e->pools[l->spec.pool];
    return p->name_bytes == m->pool.len && memcmp(p->name, m->pool.data, m->pool.len) == 0;
}

/* Why the core or the journal did not take it, for a person. */
static void refusal(
    struct engine *e, uint32_t call_bytes, int code, bool journal, char *text, size_t text_bytes)
{
    uint32_t pool = e->last.spec.pool;
    struct core_pool_info i;
    const char *reason = e->pools[pool].reason;

    core_pool_info(e->core, pool, &i);
    if (journal)
        (void)snprintf(text, text_bytes, "the journal has no room: %s", error_text(code));
    else if (code == GANGER_EFULL && i.tasks < i.settings.backlog &&
             i.bytes + call_bytes <= i.settings.backlog_bytes)
        (void)snprintf(text, text_bytes,
            "the daemon knows as many tasks as limits.tasks lets it, kept results included");
    else if (code == GANGER_EFULL)
        (void)snprintf(text, text_bytes,
            "pool %s is full: %llu tasks of %llu, %llu bytes of %llu; wait for room",
            core_pool_name(e->core, pool), (unsigned long long)i.tasks,
            (unsigned long long)i.settings.backlog, (unsigned long long)i.bytes,
            (unsigned long long)i.settings.backlog_bytes);
    else if (code == GANGER_EBROKEN && reason != NULL)
        (void)snprintf(text, text_bytes, "pool %s is broken: %s; mend it, then resume the pool",
            core_pool_name(e->core, pool), reason);
    else
        (void)snprintf(text, text_bytes, "%s", error_text(code));
}

/* Bytes and journal room of a task, before the core admits it. */
static int admission_prepare(struct engine *e, const struct msg_submit *m,
    const struct core_spec *s, struct admission *a, bool *ret_journal)
{
    size_t bytes = 0;
    int rc;

    *ret_journal = false;
    if ((s->flags & TASK_DURABLE) != 0) {
        bytes = record_task_bytes(e, s, m->call.len);
        rc = room_for_task(e, bytes);
        *ret_journal = rc < 0;
        if (rc < 0)
            return rc;
        a->durable = durable_new();
        if (a->durable == NULL) {
            room_give_back(e, bytes);
            return GANGER_ENOMEM;
        }
        a->durable->bytes = (uint32_t)bytes;
        a->durable->room_end = a->durable->room_attempt = true;
        a->durable->room_cancel = a->durable->room_forget = true;
    }
    a->call = body_new(m->call.data, (uint32_t)m->call.len);
    if (a->call == NULL && a->durable != NULL)
        room_give_back(e, bytes);
    return a->call == NULL ? GANGER_ENOMEM : 0;
}

static void admission_undo(struct engine *e, struct admission *a)
{
    if (a->durable != NULL)
        room_give_back(e, a->durable->bytes);
    body_unref(a->call);
    durable_free(a->durable);
}

/* Admit what the last spec asks for. */
static int admit(
    struct engine *e, session_id session, const struct msg_submit *m, bool *ret_journal)
{
    struct event *ev = &e->submit_event;
    struct admission a = { 0 };
    int rc = admission_prepare(e, m, &e->last.spec, &a, ret_journal);

    if (rc < 0) {
        durable_free(a.durable);
        return rc;
    }
    e->admission = &a;
    ev->session = session;
    ev->req = m->req;
    ev->spec = &e->last.spec;
    ev->ret_slot = &a.slot;
    rc = step(e, ev);
    e->admission = NULL;
    if (rc < 0)
        admission_undo(e, &a);
    return rc;
}

static void refuse(
    struct engine *e, session_id session, const struct msg_submit *m, int code, bool journal)
{
    char text[512];

    refusal(e, (uint32_t)m->call.len, code, journal, text, sizeof text);
    e->cfg.net.refused(e->cfg.net.ctx, session, m->req, code, text);
}

/* A spec that stands in no other's place; false when it was refused. */
static bool spec_new(struct engine *e, session_id session, const struct msg_submit *m)
{
    char text[512];
    int rc = spec_make(e, session, m, text, sizeof text);

    if (rc < 0)
        e->cfg.net.refused(e->cfg.net.ctx, session, m->req, rc, text);
    return rc == 0;
}

void engine_submit(struct engine *e, session_id session, const struct msg_submit *m)
{
    bool journal = false;
    int rc;

    e->heard++;
    if (!spec_stands(e, session, m) && !spec_new(e, session, m))
        return;
    e->last.spec.call_bytes = (uint32_t)m->call.len;
    rc = admit(e, session, m, &journal);
    if (rc < 0)
        refuse(e, session, m, rc, journal);
}
