/* The messages between the coordinator and an agent. */
#include "proto/msg_wire.h"

#define CHILD_FIELDS   2u
#define SIGNAL_FIELDS  3u
#define STARTED_FIELDS 3u
#define EXITED_FIELDS  5u

#define SIGNAL_MAX 64u

void msg_write_child(struct out *o, enum msg_type type, uint32_t child, uint32_t gen)
{
    size_t mark = msg_begin(o, type, CHILD_FIELDS);

    write_uint(o, child);
    write_uint(o, gen);
    frame_end(o, mark);
}

int msg_read_child(struct msg *m, struct msg_child *ret)
{
    ret->child = take_u32(&m->body, UINT32_MAX);
    ret->gen = take_u32(&m->body, UINT32_MAX);
    return msg_end_of(m, CHILD_FIELDS);
}

void msg_write_signal(struct out *o, const struct msg_signal *m)
{
    size_t mark = msg_begin(o, MSG_SIGNAL, SIGNAL_FIELDS);

    write_uint(o, m->child);
    write_uint(o, m->gen);
    write_uint(o, m->signal);
    frame_end(o, mark);
}

int msg_read_signal(struct msg *m, struct msg_signal *ret)
{
    ret->child = take_u32(&m->body, UINT32_MAX);
    ret->gen = take_u32(&m->body, UINT32_MAX);
    ret->signal = take_u32(&m->body, SIGNAL_MAX);
    return msg_end_of(m, SIGNAL_FIELDS);
}

void msg_write_started(struct out *o, const struct msg_started *m)
{
    size_t mark = msg_begin(o, MSG_STARTED, STARTED_FIELDS);

    write_uint(o, m->child);
    write_uint(o, m->gen);
    write_uint(o, m->pid);
    frame_end(o, mark);
}

int msg_read_started(struct msg *m, struct msg_started *ret)
{
    ret->child = take_u32(&m->body, UINT32_MAX);
    ret->gen = take_u32(&m->body, UINT32_MAX);
    ret->pid = take_uint(&m->body, UINT64_MAX);
    return msg_end_of(m, STARTED_FIELDS);
}

void msg_write_exited(struct out *o, const struct msg_exited *m)
{
    size_t mark = msg_begin(o, MSG_EXITED, EXITED_FIELDS);

    write_uint(o, m->child);
    write_uint(o, m->gen);
    write_bool(o, m->group_empty);
    worker_end_write(o, &m->end);
    write_text(o, m->text);
    frame_end(o, mark);
}

int msg_read_exited(struct msg *m, struct msg_exited *ret)
{
    ret->child = take_u32(&m->body, UINT32_MAX);
    ret->gen = take_u32(&m->body, UINT32_MAX);
    ret->group_empty = read_bool(&m->body);
    worker_end_read(&m->body, &ret->end);
    ret->text = take_str(&m->body, GANGER_TEXT_MAX);
    return msg_end_of(m, EXITED_FIELDS);
}
