#include "engine/internal.h"

#include <stdio.h>
#include <string.h>

static struct slice text_slice(const char *text)
{
    return (struct slice){ (const uint8_t *)text, strlen(text) };
}

/* What came before: the codes of earlier attempts, oldest first. The last one is this end itself.
 */
static void add_causes(const struct engine *e, uint32_t slot, struct msg_detail *d)
{
    struct core_attempts a;

    core_task_attempts(e->core, slot, &a);
    for (unsigned i = 0; i < a.cause_count; i++)
        d->causes[d->cause_count++] = (struct msg_cause){ .code = -(int)a.causes[i].code,
            .signal = a.causes[i].signal,
            .exit_code = a.causes[i].exit_code };
}

/* An end that the coordinator decided: its text is the code's, with what is known of the pool. */
static void own_detail(
    struct engine *e, const struct effect *f, char *text, size_t text_bytes, struct msg_detail *d)
{
    struct core_spec spec;
    const char *reason;

    core_task_spec(e->core, f->slot, &spec);
    reason = spec.pool < e->pool_cap ? e->pools[spec.pool].reason : NULL;
    if (f->code == GANGER_EBROKEN && reason != NULL)
        (void)snprintf(
            text, text_bytes, "pool %s is broken: %s", core_pool_name(e->core, spec.pool), reason);
    else if (f->code == GANGER_ETIMELIMIT)
        (void)snprintf(text, text_bytes, "the task ran over its time limit of %llu ms",
            (unsigned long long)spec.limit_us / 1000);
    else
        (void)snprintf(text, text_bytes, "%s", error_text(f->code));
    d->text = text_slice(text);
}

/* An end that a dead worker process left behind. */
static void death_detail(
    struct engine *e, const struct effect *f, char *text, size_t text_bytes, struct msg_detail *d)
{
    const struct engine_child *k;

    if (f->child >= e->child_cap || e->children[f->child].gen != f->gen) {
        d->text = text_slice(error_text(f->code)); /* there was no memory for its report */
        return;
    }
    k = &e->children[f->child];
    d->has_worker_end = true;
    d->worker_end = k->end;
    if (k->end.signal != 0)
        (void)snprintf(text, text_bytes, "%s: worker %llu was killed by signal %u (%s)%s",
            error_text(f->code), (unsigned long long)k->end.pid, k->end.signal,
            strsignal((int)k->end.signal), k->end.core ? ", core dumped" : "");
    else
        (void)snprintf(text, text_bytes, "%s: worker %llu exited with status %u",
            error_text(f->code), (unsigned long long)k->end.pid, k->end.exit_code);
    d->text = text_slice(text);
}

static void result_detail(const struct engine *e, struct msg_detail *d)
{
    if (e->result == NULL || e->result->len == 0)
        return;
    /* What the child wrote is only a description: if it makes no sense, the code still does. */
    if (msg_read_detail(e->result->data, e->result->len, d) < 0)
        *d = (struct msg_detail){ .text = text_slice("the worker gave no readable detail") };
}

static struct body *make_detail(struct engine *e, const struct effect *f)
{
    struct msg_detail d = { 0 };
    char text[GANGER_TEXT_MAX];
    struct out o = { 0 };
    struct body *b;

    if (f->own)
        own_detail(e, f, text, sizeof text, &d);
    else if (f->child != 0)
        death_detail(e, f, text, sizeof text, &d);
    else
        result_detail(e, &d);
    d.code = f->code;
    d.cause_count = 0;
    add_causes(e, f->slot, &d);
    msg_write_detail(&o, &d);
    b = o.failed != 0 ? NULL : body_new(o.data, (uint32_t)o.len);
    out_done(&o);
    return b;
}

void outcome_keep(struct engine *e, const struct effect *f)
{
    struct body *outcome;

    if (f->code == 0) {
        outcome = e->result;
        e->result = NULL;
    } else {
        outcome = make_detail(e, f); /* NULL, so no detail, when there is no memory */
    }
    entry_body_set(e, f->slot, outcome);
}
