/* The records of the engine: whatever a journal holds is read or refused, never misread. */
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read as a task is written again, and reads as the same. */
static void task_again(struct engine *e, const struct core_spec *s, const struct slice *call)
{
    struct event ev = { .type = EVENT_REPLAY_TASK, .id = id_make(1, 1), .spec = s };
    struct store_record again = { .key = 1 };
    struct core_spec other;
    struct slice other_call;
    struct out bytes = { 0 };
    uint32_t slot;

    ev.ret_slot = &slot;
    if (core_step(e->core, 1, &ev) < 0)
        return;
    record_task(e, slot, &bytes);
    GANGER_ASSERT(bytes.len + call->len <= record_task_bytes(e, s, call->len));
    write_raw(&bytes, call->data, call->len);
    again.data = bytes.data;
    again.data_bytes = bytes.len;
    GANGER_ASSERT(record_read_task(e, &again, &other, &other_call) == 0);
    GANGER_ASSERT(other.pool == s->pool && other.need_count == s->need_count);
    GANGER_ASSERT(other_call.len == call->len);
    out_done(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct core_config config = { .epoch = 1, .tasks_max = 16 };
    struct engine e = { .now_us = 1000000, .wall_ms = 1700000000000 };
    struct store_record r = { .birth = 1, .key = 1, .data = data, .data_bytes = size };
    struct core_spec spec;
    struct core_attempts attempts;
    struct event ev;
    struct slice rest;

    e.core = core_new(&config);
    if (e.core == NULL)
        return 0;
    if (record_read_task(&e, &r, &spec, &rest) == 0)
        task_again(&e, &spec, &rest);
    if (record_read_attempt(&e, &r, &attempts) == 0)
        GANGER_ASSERT(attempts.cause_count <= GANGER_CAUSES_MAX);
    if (record_read_end(&e, &r, &ev, &spec, &rest) == 0)
        GANGER_ASSERT(ev.state >= TASK_DONE && ev.state <= TASK_DEAD);
    core_free(e.core);
    return 0;
}
