/* Slots: pages, numbers, the list of ready ones, and how a slot ends. */
#include "handle.h"

#include "proto/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ganger_future *slot_at(const struct ganger *g, uint32_t req)
{
    uint32_t i = req - 1;

    return &g->pages[i >> SLOT_PAGE_BITS][i & (SLOT_PAGE - 1)];
}

struct ganger_future *slot_find(const struct ganger *g, uint64_t req)
{
    struct ganger_future *f;

    if (req == 0 || req > g->slot_count)
        return NULL;
    f = slot_at(g, (uint32_t)req);
    return f->kind == SLOT_FREE ? NULL : f;
}

static int page_add(struct ganger *g)
{
    struct ganger_future **pages;
    struct ganger_future *page;

    if (g->slot_count >= SLOTS_MAX)
        return GANGER_ENOMEM;
    pages = realloc(g->pages, (g->page_count + 1) * sizeof *pages);
    if (pages == NULL)
        return GANGER_ENOMEM;
    g->pages = pages;
    page = calloc(SLOT_PAGE, sizeof *page);
    if (page == NULL)
        return GANGER_ENOMEM;
    pages[g->page_count++] = page;
    for (uint32_t i = SLOT_PAGE; i-- > 0;) {
        page[i].g = g;
        page[i].req = g->slot_count + i + 1;
        page[i].next = g->free_first;
        g->free_first = page[i].req;
    }
    g->slot_count += SLOT_PAGE;
    return 0;
}

struct ganger_future *slot_new(struct ganger *g, enum slot_kind kind)
{
    struct ganger_future *f;

    if (g->free_first == 0 && page_add(g) < 0)
        return NULL;
    f = slot_at(g, g->free_first);
    g->free_first = f->next;
    f->kind = (uint8_t)kind;
    f->phase = PHASE_SENT;
    f->end = GANGER_END_NONE;
    f->flags = 0;
    f->id = 0;
    f->data = NULL;
    f->len = 0;
    f->extra = NULL;
    f->hook = NULL;
    f->hook_arg = NULL;
    f->user = NULL;
    f->call = NULL;
    f->next = f->prev = 0;
    f->attempts = 0;
    f->code = 0;
    return f;
}

struct slot_extra *slot_extra(struct ganger_future *f)
{
    if (f->extra == NULL)
        f->extra = calloc(1, sizeof *f->extra);
    return f->extra;
}

static void extra_free(struct slot_extra *extra)
{
    if (extra == NULL)
        return;
    free(extra->text);
    free(extra->box);
    free(extra->progress_text);
    free(extra);
}

static void slot_forget_data(struct ganger_future *f)
{
    if (f->data != f->inline_data)
        free(f->data);
    f->data = NULL;
    f->len = 0;
}

bool slot_counted(const struct ganger_future *f)
{
    return f->hook == NULL && (f->flags & (SLOT_HIDDEN | SLOT_ZOMBIE | SLOT_AUTO_FREE)) == 0 &&
           (f->extra == NULL || (f->extra->on_result == NULL && f->extra->on_error == NULL));
}

void slot_free(struct ganger_future *f)
{
    struct ganger *g = f->g;

    GANGER_ASSERT(f->kind != SLOT_FREE);
    if (f->flags & SLOT_LISTED)
        list_remove(g, &g->ready, f);
    slot_forget_data(f);
    call_free(f->call);
    f->call = NULL;
    extra_free(f->extra);
    f->extra = NULL;
    f->kind = SLOT_FREE;
    f->next = g->free_first;
    g->free_first = f->req;
}

void list_add(struct ganger *g, struct slot_list *list, struct ganger_future *f)
{
    f->next = 0;
    f->prev = list->last;
    if (list->last != 0)
        slot_at(g, list->last)->next = f->req;
    else
        list->first = f->req;
    list->last = f->req;
    list->count++;
}

void list_remove(struct ganger *g, struct slot_list *list, struct ganger_future *f)
{
    if (f->prev != 0)
        slot_at(g, f->prev)->next = f->next;
    else
        list->first = f->next;
    if (f->next != 0)
        slot_at(g, f->next)->prev = f->prev;
    else
        list->last = f->prev;
    f->next = f->prev = 0;
    list->count--;
}

void slot_keep(struct ganger_future *f, const void *data, size_t len)
{
    slot_forget_data(f);
    if (len == 0)
        return;
    f->data = len <= SLOT_INLINE ? f->inline_data : malloc(len);
    if (f->data == NULL) {
        f->code = GANGER_ENOMEM;
        return;
    }
    memcpy(f->data, data, len);
    f->len = len;
}

void slot_keep_text(struct ganger_future *f, const void *text, size_t len)
{
    char *copy;

    /* Without memory the code's own text has to do. */
    if (len == 0 || slot_extra(f) == NULL)
        return;
    copy = malloc(len + 1);
    if (copy == NULL)
        return;
    memcpy(copy, text, len);
    copy[len] = '\0';
    free(f->extra->text);
    f->extra->text = copy;
}

/* Call the one callback that is due; a non-zero return becomes the error. */
static void callback_run(struct ganger_future *f)
{
    struct slot_extra *extra = f->extra;
    char text[64];
    int rc = 0;

    f->g->inside = true;
    f->flags |= SLOT_IN_CALLBACK;
    if (f->code == 0 && extra->on_result != NULL) {
        struct ganger_bytes result = { f->data, f->len };

        rc = extra->on_result(extra->callback_user, f, &result);
    } else if (f->code != 0 && extra->on_error != NULL) {
        const struct ganger_failure *failure = failure_of(f);
        struct ganger_failure plain = { .code = f->code, .text = error_text(f->code) };

        plain.backtrace = "";
        rc = extra->on_error(extra->callback_user, f, failure != NULL ? failure : &plain);
    }
    f->flags &= (uint16_t)~SLOT_IN_CALLBACK;
    f->g->inside = false;
    if (rc == 0)
        return;
    f->code = rc < 0 ? rc : GANGER_EFAILED;
    slot_forget_data(f);
    free(extra->box);
    extra->box = NULL;
    slot_keep_text(
        f, text, (size_t)snprintf(text, sizeof text, "the task's callback returned %d", rc));
}

void slot_finish(struct ganger_future *f, int code)
{
    struct ganger *g = f->g;

    if (f->flags & SLOT_ZOMBIE) {
        /* The answer to its UNWAIT still refers to it. */
        if ((f->flags & SLOT_UNWAITED) == 0)
            slot_free(f);
        return;
    }
    f->code = code != 0 ? code : f->code;
    f->phase = PHASE_ENDED;
    if (f->hook != NULL) {
        f->phase = PHASE_READY;
        f->hook(f);
        return;
    }
    if (f->extra != NULL && (f->extra->on_result != NULL || f->extra->on_error != NULL))
        callback_run(f);
    f->phase = PHASE_READY;
    if (f->flags & SLOT_AUTO_FREE) {
        slot_free(f);
    } else if (slot_counted(f)) {
        list_add(g, &g->ready, f);
        f->flags |= SLOT_LISTED;
    }
}

void slot_finish_text(struct ganger_future *f, int code, const char *text)
{
    slot_keep_text(f, text, strlen(text));
    slot_finish(f, code);
}

/* A task or attached task that the daemon may still say something about. */
static void release_pending(struct ganger_future *f)
{
    if (f->phase == PHASE_HELD) {
        room_drop(f);
        slot_free(f);
        return;
    }
    f->flags |= SLOT_ZOMBIE;
    f->hook = NULL;
    if (f->flags & SLOT_UNSENT)
        return;
    if (f->phase == PHASE_ACCEPTED || f->kind == SLOT_ATTACH)
        (void)request_unwait(f);
}

void slot_release(struct ganger_future *f)
{
    if (f->phase == PHASE_READY)
        slot_free(f);
    else if (f->phase == PHASE_ENDED)
        f->flags |= SLOT_AUTO_FREE;
    else if (f->kind == SLOT_REQUEST)
        f->flags |= SLOT_ZOMBIE;
    else
        release_pending(f);
}

struct ganger_future *slot_next(const struct ganger *g, uint32_t *req)
{
    while (*req < g->slot_count) {
        struct ganger_future *f = slot_at(g, ++*req);

        if (f->kind != SLOT_FREE)
            return f;
    }
    return NULL;
}

void slots_done(struct ganger *g)
{
    for (uint32_t i = 0; i < g->slot_count; i++) {
        struct ganger_future *f = slot_at(g, i + 1);

        if (f->kind == SLOT_FREE)
            continue;
        slot_forget_data(f);
        call_free(f->call);
        extra_free(f->extra);
    }
    for (uint32_t i = 0; i < g->page_count; i++)
        free(g->pages[i]);
    free(g->pages);
}
