/* Failures as the user sees them: from a detail, from a refusal, or from the library itself. */
#include "handle.h"

#include <stdlib.h>
#include <string.h>

static void text_copy(char *to, const void *from, size_t len)
{
    size_t n = len < GANGER_TEXT_MAX ? len : GANGER_TEXT_MAX;

    if (n != 0)
        memcpy(to, from, n);
    to[n] = '\0';
}

static void detail_fill(struct failure_box *box, const struct msg_detail *d)
{
    struct ganger_failure *to = &box->failure;

    text_copy(box->text, d->text.data, d->text.len);
    text_copy(box->backtrace, d->backtrace.data, d->backtrace.len);
    to->value = (struct ganger_bytes){ d->value.data, d->value.len };
    to->has_worker = d->has_worker_end;
    if (d->has_worker_end) {
        const struct msg_worker_end *w = &d->worker_end;

        to->worker = (struct ganger_worker_end){ w->pid, w->exit_code, w->signal, w->core,
            w->user_us, w->system_us, w->maxrss_kib, { w->stderr_tail.data, w->stderr_tail.len } };
    }
    to->cause_count = d->cause_count;
    for (uint32_t i = 0; i < d->cause_count; i++) {
        const struct msg_cause *cause = &d->causes[i];

        to->causes[i] = (struct ganger_cause){ cause->code, cause->signal, cause->exit_code };
    }
}

void failure_fill(struct failure_box *box, const struct failure_source *source)
{
    _Static_assert(GANGER_ERROR_CAUSES == GANGER_CAUSES_MAX, "the public bound is the wire's");
    struct msg_detail detail;

    memset(box, 0, sizeof *box);
    box->failure.code = source->code;
    box->failure.end = source->end;
    box->failure.attempts = source->attempts;
    /* A worker of the user's own may have written anything: what is no detail is not shown. */
    if (source->code != 0 && source->detail_len != 0 &&
        msg_read_detail(source->detail, source->detail_len, &detail) == 0)
        detail_fill(box, &detail);
    if (source->text != NULL)
        text_copy(box->text, source->text, strlen(source->text));
    if (box->text[0] == '\0' && source->code != 0)
        text_copy(box->text, error_text(source->code), strlen(error_text(source->code)));
    box->failure.text = box->text;
    box->failure.backtrace = box->backtrace;
}

const struct ganger_failure *failure_of(struct ganger_future *f)
{
    struct failure_source source = { f->code, (enum ganger_end)f->end, f->attempts, NULL, f->data,
        f->len };

    if (slot_extra(f) == NULL)
        return NULL;
    if (f->extra->box == NULL) {
        f->extra->box = malloc(sizeof *f->extra->box);
        if (f->extra->box == NULL)
            return NULL;
        source.text = f->extra->text;
        failure_fill(f->extra->box, &source);
    }
    return &f->extra->box->failure;
}
