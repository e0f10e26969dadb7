/* What the message encoders and decoders share. Private to proto/. */
#ifndef PROTO_MSG_WIRE_H
#define PROTO_MSG_WIRE_H

#include "proto/assert.h"
#include "proto/err.h"
#include "proto/msg.h"
#include "proto/wire.h"

/* TEXT cut to GANGER_TEXT_MAX bytes or to MAX, without splitting a UTF-8 character. */
struct slice text_cut(struct slice text, size_t max);

/* A C string as a slice; NULL is empty. */
struct slice text_of(const char *text);

/* Begin and end a message that is one frame with FIELDS fields after its type. */
size_t msg_begin(struct out *o, enum msg_type type, uint32_t fields);
void write_text(struct out *o, struct slice text);
void write_code(struct out *o, int code);

int read_code(struct cursor *c);

/* Skip the fields after the first KNOWN and check the exact end of the frame. */
int msg_end_of(struct msg *m, uint32_t known);

/* Skip the fields of an item beyond the KNOWN ones; fewer are an error. */
void skip_fields(struct cursor *c, uint32_t fields, uint32_t known);

/* Write or read the options of a task: a map. */
size_t options_bound(const struct task_options *t);
uint8_t *options_put(uint8_t *p, const struct task_options *t);
void options_read(struct cursor *c, struct task_options *ret);

/* How a worker process ended. */
void worker_end_write(struct out *o, const struct msg_worker_end *w);
void worker_end_read(struct cursor *c, struct msg_worker_end *ret);

/* End the frame of B and begin another. */
void batch_split(struct batch *b, struct out *o);

/* Room for one more item of at most BYTES, or NULL when the buffer failed. */
static inline uint8_t *batch_room(struct batch *b, struct out *o, size_t bytes)
{
    if (WIRE_UNLIKELY(b->count >= GANGER_BATCH_MAX ||
                      o->len - b->mark + bytes > FRAME_HEAD_BYTES + GANGER_FRAME_MAX))
        batch_split(b, o);
    return out_place(o, bytes);
}

static inline void batch_added(struct batch *b, struct out *o, const uint8_t *end)
{
    out_advance(o, end);
    b->count++;
}

static inline uint8_t *put_code(uint8_t *p, int code)
{
    GANGER_ASSERT(code <= 0 && code >= -(int)GANGER_CODE_MAX);
    return put_int(p, code);
}

static inline int take_code(struct cursor *c)
{
    struct cursor copy;
    int code;

    if (WIRE_LIKELY(c->at != c->end && *c->at == 0)) {
        c->at++;
        return 0;
    }
    copy = *c;
    code = read_code(&copy);
    *c = copy;
    return code;
}

/* The head of an item: how many fields it has, at least KNOWN. */
static inline uint32_t take_item(struct cursor *c, uint32_t known)
{
    uint32_t fields = take_array(c, UINT32_MAX);

    if (WIRE_UNLIKELY(fields < known))
        cursor_fail(c, GANGER_EPROTO);
    return fields;
}

/* The end of an item: gives the cursor back to the message. */
static inline int take_item_end(struct msg *m, struct cursor c, uint32_t fields, uint32_t known)
{
    if (WIRE_UNLIKELY(fields > known)) {
        struct cursor copy = c;

        skip_fields(&copy, fields, known);
        c = copy;
    }
    m->body = c;
    return c.error;
}

#endif
