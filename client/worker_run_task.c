#include "client/worker_child.h"

#include "client/acting.h"

#include <string.h>
#include <unistd.h>

/* Gathered bytes that are sent at once. */
#define GATHER_BYTES (64u * 1024)
/* A task that ran this long is sent at once, and could have forked. */
#define LONG_TASK_US 20u
/* Tasks in a row that are not timed, when those before them took a microsecond each or less. */
#define UNREAD_MAX 7u
/* Results do not wait longer than this for those of other short tasks. */
#define GATHER_US 50u
/*
 * When a task runs while results wait for it, the timer sends them after this time at the latest.
 * It is not stopped when they leave earlier: it rings once for all that run meanwhile.
 */
#define BACKSTOP_US 2000u
/* Between two reports of progress. */
#define PROGRESS_US 50000u
/* A larger buffer of outcomes is given back before the next task. */
#define SCRATCH_KEEP_BYTES (1024u * 1024)
/* Items of a chunk are asked for so far ahead; what lies behind the end is not touched by that. */
#define AHEAD_BYTES 1024u

void child_close_batch(struct child *c)
{
    if (c->batch_open)
        batch_end(&c->batch, &c->out);
    c->batch_open = false;
}

static void add_result(struct child *c, uint32_t seq, int code, struct slice outcome)
{
    struct msg_result result = { seq, code, outcome };

    if (c->batch_open && c->batch.count >= GANGER_BATCH_MAX)
        child_close_batch(c);
    if (!c->batch_open)
        batch_begin(&c->batch, &c->out, MSG_RESULT);
    c->batch_open = true;
    msg_add_result(&c->batch, &c->out, &result);
}

/* Let handlers send what is gathered, from here to lend_end(). */
static void lend_begin(struct child *c)
{
    c->lent = 1;
    /* Lent first: were it to ring in between, nobody would be left to send what is gathered. */
    atomic_signal_fence(memory_order_seq_cst);
    if (c->batch_open && !c->timer_armed) {
        c->timer_armed = true;
        child_timer_set(c, BACKSTOP_US);
    }
}

static void lend_end(struct child *c)
{
    c->lent = 0;
    /* A function that forked and returned twice: only the worker child goes on. */
    if (child_is_descendant())
        _exit(0);
}

/* One payload, one run. FUNCTION is NULL for commands. */
static void run_payload(struct child *c, struct function_entry *f, struct slice payload)
{
    int rc = 0;

    task_clear(&c->task);
    c->task.args = payload;
    lend_begin(c);
    if (f != NULL)
        rc = f->run(&c->task);
    else
        command_run(&c->command, &c->task, &c->cancelled);
    lend_end(c);
    if (rc != 0 && c->task.code == 0)
        task_fail(&c->task, GANGER_EFAILED, "function %s returned %d", f->name, rc);
}

/* Add [code, value or detail] of one item of a chunk to the outcome in SCRATCH. */
static void chunk_add(struct child *c)
{
    static const uint8_t done[] = { 0x92, 0x00 };
    struct slice value = task_value(&c->task);

    if (c->task.code == 0) {
        write_raw(&c->scratch, done, sizeof done);
        write_raw(&c->scratch, value.data, value.len);
        return;
    }
    write_array(&c->scratch, 2);
    write_int(&c->scratch, c->task.code);
    task_write_detail(&c->task, &c->scratch);
}

/* Run each item of PAYLOAD, an array; leaves the outcome in SCRATCH or a failure in the task. */
static void run_chunk(struct child *c, struct function_entry *f, struct slice payload)
{
    struct cursor at = cursor_make(payload.data, payload.len);
    uint32_t count = read_array(&at, UINT32_MAX);

    task_clear(&c->task);
    if (at.error != 0) {
        task_fail(&c->task, GANGER_EDECODE, "the payload of a chunk is not an array");
        return;
    }
    write_array(&c->scratch, count);
    for (uint32_t i = 0; i < count; i++) {
        struct slice item = read_raw(&at);

        __builtin_prefetch((const void *)((uintptr_t)at.at + AHEAD_BYTES));
        task_clear(&c->task);
        if (c->cancelled)
            task_fail(&c->task, GANGER_ECANCELLED, "cancelled before item %u of the chunk", i);
        else
            run_payload(c, f, item);
        chunk_add(c);
        if (c->scratch.len > GANGER_PAYLOAD_MAX)
            break;
    }
    task_clear(&c->task);
    if (c->scratch.len > GANGER_PAYLOAD_MAX)
        task_fail(&c->task, GANGER_ETOOBIG, "the results of a chunk have over %u bytes in all",
            GANGER_PAYLOAD_MAX);
}

static void add_failure(struct child *c, uint32_t seq)
{
    c->scratch.len = 0;
    task_write_detail(&c->task, &c->scratch);
    add_result(c, seq, c->task.code, (struct slice){ c->scratch.data, c->scratch.len });
}

/* Run a hand whose function is known and whose payload is well formed. */
static void run_known(struct child *c, struct function_entry *f, const struct msg_hand *hand)
{
    bool chunk = (hand->flags & TASK_CHUNK) != 0;

    if (f != NULL && f->slow) {
        child_flush(c);
        child_timer_rest(c);
    }
    if (chunk)
        run_chunk(c, f, hand->payload);
    else
        run_payload(c, f, hand->payload);
    if (c->scratch.failed != 0)
        task_fail(&c->task, GANGER_ENOMEM, "no memory for the results of a chunk");
    if (c->task.code != 0)
        add_failure(c, hand->seq);
    else if (chunk)
        add_result(c, hand->seq, 0, (struct slice){ c->scratch.data, c->scratch.len });
    else
        add_result(c, hand->seq, 0, task_value(&c->task));
}

/*
 * May this one be among those that are not timed? To read the clock takes longer than the shortest
 * tasks do. A long one among them is sent behind a few more, or by the timer.
 */
static bool goes_unread(struct child *c, const struct function_entry *f)
{
    if (f == NULL || f != c->short_of || c->unread == UNREAD_MAX || c->out.len >= GATHER_BYTES)
        return false;
    c->unread++;
    return true;
}

/* Send what is gathered when it is time. */
static void gather(struct child *c, struct function_entry *f)
{
    uint64_t now, took;
    bool was_long;

    if (goes_unread(c, f))
        return;
    now = child_now_us();
    took = now - c->task_us;
    was_long = took >= LONG_TASK_US;
    if (f != NULL)
        f->slow = was_long;
    c->short_of = took <= c->unread + 1 ? f : NULL; /* a microsecond each */
    c->unread = 0;
    c->task_us = now;
    if (!was_long && now - c->mark_us < GATHER_US && c->out.len < GATHER_BYTES)
        return;
    child_flush(c);
    c->task_us = child_now_us();
    c->mark_us = c->task_us;
}

static void task_prepare(struct child *c, const struct msg_hand *hand)
{
    struct ganger_task *t = &c->task;

    task_clear(t);
    t->seq = hand->seq;
    t->id = hand->id;
    t->fence = hand->fence;
    t->attempt = hand->attempt;
    t->limit_ms = hand->limit_ms;
    t->reported = false;
    memcpy(t->function, hand->function.data, hand->function.len);
    t->function[hand->function.len] = '\0';
    c->scratch.failed = 0;
    c->scratch.len = 0;
    if (c->scratch.cap > SCRATCH_KEEP_BYTES)
        out_done(&c->scratch);
}

void child_run_hand(struct child *c, const struct msg_hand *hand)
{
    struct function_entry *f = NULL;

    task_prepare(c, hand);
    acting_set(hand->id, hand->fence);
    if (c->module != NULL)
        f = function_find(c->functions, hand->function);
    if (c->module != NULL && f == NULL) {
        char text[GANGER_TEXT_MAX];

        function_unknown_text(c->functions, hand->function, text, sizeof text);
        task_fail(&c->task, GANGER_ENOFUNC, "%s", text);
        add_failure(c, hand->seq);
    } else if (!value_valid(hand->payload.data, hand->payload.len)) {
        task_fail(&c->task, GANGER_EDECODE, "the payload of %zu bytes is not one msgpack value",
            hand->payload.len);
        add_failure(c, hand->seq);
    } else {
        run_known(c, f, hand);
    }
    acting_set(0, 0);
    gather(c, f);
}

int ganger_task_cancelled(const struct ganger_task *task)
{
    (void)task;
    return child_self != NULL && child_self->cancelled != 0;
}

void ganger_progress(struct ganger_task *task, uint64_t done, uint64_t total, const char *text)
{
    struct child *c = child_self;
    uint64_t now = child_now_us();
    struct msg_progress m = { .req = task->seq, .done = done, .total = total };

    if (c == NULL || child_is_descendant())
        return;
    if (task->reported && done != total && now - task->reported_us < PROGRESS_US)
        return;
    if (text != NULL)
        m.text = (struct slice){ (const uint8_t *)text, strnlen(text, GANGER_TEXT_MAX) };
    task->reported = true;
    task->reported_us = now;
    c->lent = 0;
    child_close_batch(c);
    msg_write_progress(&c->out, &m);
    /* Not child_flush(): what this task has forked is still needed. */
    if (c->out.failed != 0 || child_send(c->out.data, c->out.len) < 0)
        _exit(1);
    c->out.len = 0;
    c->lent = 1;
}
