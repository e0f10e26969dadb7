#include "engine/internal.h"

#include <stdio.h>
#include <string.h>

struct request {
    struct engine *e;
    session_id session;
    const struct msg_request *m;
    char text[256];
    bool answered; /* or will be, by an effect */
};

typedef int verb_function(struct request *r, struct out *value);

static uint32_t pool_named(const struct request *r)
{
    uint32_t pool = core_pool_find(r->e->core, (const char *)r->m->name.data, r->m->name.len);

    return pool < r->e->pool_cap && r->e->pools[pool].name != NULL ? pool : UINT32_MAX;
}

static int no_pool(struct request *r)
{
    (void)snprintf(r->text, sizeof r->text, "no pool is named \"%.*s\"", (int)r->m->name.len,
        (const char *)r->m->name.data);
    return GANGER_ENOPOOL;
}

static int no_semaphore(struct request *r)
{
    (void)snprintf(r->text, sizeof r->text, "no semaphore is named \"%.*s\"", (int)r->m->name.len,
        (const char *)r->m->name.data);
    return GANGER_ENOSEM;
}

static int verb_ping(struct request *r, struct out *value)
{
    (void)r;
    write_map(value, 0);
    return 0;
}

/* Verbs that become an event of a task; the core answers by effects, or refuses. */
static int task_event(struct request *r, enum event_type type)
{
    int rc = step(r->e, &(struct event){ .type = type,
                            .session = r->session,
                            .req = r->m->req,
                            .id = r->m->id,
                            .number = r->m->number });

    if (rc == GANGER_ESTATE)
        (void)snprintf(r->text, sizeof r->text, "%s",
            type == EVENT_CANCEL ? "the task has ended already" : "the task has not ended yet");
    return rc;
}

static int verb_wait(struct request *r, struct out *value)
{
    int rc = task_event(r, EVENT_WAIT);

    (void)value;
    r->answered = rc == 0;
    return rc;
}

static int verb_unwait(struct request *r, struct out *value)
{
    (void)value;
    return task_event(r, EVENT_UNWAIT);
}

static int verb_cancel(struct request *r, struct out *value)
{
    int rc = task_event(r, EVENT_CANCEL);

    (void)value;
    r->answered = rc == 0;
    return rc;
}

static int verb_forget(struct request *r, struct out *value)
{
    struct engine *e = r->e;
    int rc;

    (void)value;
    e->dropping = true;
    e->drop_pending = false;
    e->drop_session = r->session;
    e->drop_req = r->m->req;
    rc = task_event(r, EVENT_DROP);
    e->dropping = false;
    e->drop_session = 0;
    r->answered = rc == 0 && e->drop_pending;
    return rc;
}

static int verb_act(struct request *r, struct out *value)
{
    int rc = task_event(r, EVENT_ACT);

    (void)value;
    if (rc == GANGER_ESTALE)
        (void)snprintf(r->text, sizeof r->text, "that attempt is not under way");
    return rc;
}

static int verb_status(struct request *r, struct out *value)
{
    struct core_task_info t;
    int rc = core_task_info(r->e->core, r->m->id, &t);

    if (rc == 0)
        render_status(r->e, &t, value);
    return rc;
}

static int verb_why(struct request *r, struct out *value)
{
    struct core_why w;
    int rc = core_why(r->e->core, r->m->id, &w);

    if (rc == 0)
        render_why(r->e, &w, value);
    return rc;
}

static int verb_pools(struct request *r, struct out *value)
{
    uint32_t only = UINT32_MAX;

    if (r->m->name.len > 0) {
        only = pool_named(r);
        if (only == UINT32_MAX)
            return no_pool(r);
    }
    render_pools(r->e, only, value);
    return 0;
}

static int pool_event(struct request *r, enum event_type type)
{
    uint32_t pool = pool_named(r);

    if (pool == UINT32_MAX)
        return no_pool(r);
    return step(r->e, &(struct event){ .type = type,
                          .index = pool,
                          .session = r->session,
                          .req = r->m->req,
                          .number = r->m->number,
                          .number2 = r->m->number2 });
}

static int verb_pool_resize(struct request *r, struct out *value)
{
    int rc = pool_event(r, EVENT_POOL_RESIZE);

    (void)value;
    if (rc == GANGER_ERANGE)
        (void)snprintf(
            r->text, sizeof r->text, "a pool has 0 to %u processes", GANGER_PROCESSES_MAX);
    return rc;
}

static int verb_pool_resume(struct request *r, struct out *value)
{
    (void)value;
    return pool_event(r, EVENT_POOL_RESUME);
}

static int verb_pool_pause(struct request *r, struct out *value)
{
    (void)value;
    return pool_event(r, EVENT_POOL_PAUSE);
}

static int verb_room(struct request *r, struct out *value)
{
    int rc = pool_event(r, EVENT_ROOM);

    (void)value;
    r->answered = rc == 0;
    if (rc == GANGER_ERANGE)
        (void)snprintf(r->text, sizeof r->text, "more than the pool's backlog can ever hold");
    return rc;
}

/* As in the configuration, so that what was set by hand can be written there. */
static bool name_legal(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = name.data[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!word && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return true;
}

static int verb_sem_set(struct request *r, struct out *value)
{
    const struct msg_request *m = r->m;
    uint32_t sem;
    int rc;

    (void)value;
    if (m->name.len == 0 || m->number > GANGER_PERMITS_MAX) {
        (void)snprintf(r->text, sizeof r->text, "a semaphore has a name and 0 to %u permits",
            GANGER_PERMITS_MAX);
        return GANGER_ERANGE;
    }
    if (!name_legal(m->name)) {
        (void)snprintf(r->text, sizeof r->text,
            "the name of a semaphore begins with a letter or digit; letters, digits, \".\", \"_\" "
            "and \"-\" follow");
        return GANGER_EINVAL;
    }
    rc = fact_semaphore(r->e, m->name, (uint32_t)m->number, r->session, m->req, &sem);
    if (rc < 0)
        return rc;
    r->answered = true;
    return step(r->e, &(struct event){ .type = EVENT_SEM_SET, .index = sem, .number = m->number });
}

static int verb_sem_value(struct request *r, struct out *value)
{
    uint32_t sem = core_sem_find(r->e->core, (const char *)r->m->name.data, r->m->name.len);

    if (sem == UINT32_MAX)
        return no_semaphore(r);
    render_sem(r->e, sem, value);
    return 0;
}

static int verb_sem_list(struct request *r, struct out *value)
{
    render_sems(r->e, value);
    return 0;
}

static int verb_stats(struct request *r, struct out *value)
{
    render_stats(r->e, value);
    return 0;
}

static verb_function *const verbs[VERB_COUNT] = {
    [VERB_PING] = verb_ping,
    [VERB_WAIT] = verb_wait,
    [VERB_UNWAIT] = verb_unwait,
    [VERB_STATUS] = verb_status,
    [VERB_WHY] = verb_why,
    [VERB_CANCEL] = verb_cancel,
    [VERB_FORGET] = verb_forget,
    [VERB_POOLS] = verb_pools,
    [VERB_POOL_RESIZE] = verb_pool_resize,
    [VERB_POOL_RESUME] = verb_pool_resume,
    [VERB_POOL_PAUSE] = verb_pool_pause,
    [VERB_SEM_SET] = verb_sem_set,
    [VERB_SEM_VALUE] = verb_sem_value,
    [VERB_SEM_LIST] = verb_sem_list,
    [VERB_STATS] = verb_stats,
    [VERB_ROOM] = verb_room,
    [VERB_ACT] = verb_act,
};

static void answer(struct request *r, int code, const struct out *value)
{
    const char *text = r->text[0] != '\0' ? r->text : error_text(code);
    struct msg_reply reply = { .req = r->m->req, .code = code };

    if (code != 0)
        reply.text = (struct slice){ (const uint8_t *)text, strlen(text) };
    else
        reply.value = (struct slice){ value->data, value->len };
    r->e->cfg.net.reply(r->e->cfg.net.ctx, r->session, &reply);
}

void engine_request(struct engine *e, session_id session, const struct msg_request *m)
{
    struct request r = { .e = e, .session = session, .m = m };
    struct out value = { 0 };
    int rc = GANGER_EINVAL;

    e->heard++;
    if (m->verb < VERB_COUNT && verbs[m->verb] != NULL)
        rc = verbs[m->verb](&r, &value);
    else
        (void)snprintf(r.text, sizeof r.text, "verb %u is not known here", m->verb);
    if (rc == 0 && value.failed != 0)
        rc = value.failed;
    if (rc < 0 || !r.answered)
        answer(&r, rc, &value);
    out_done(&value);
}
