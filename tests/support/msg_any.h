/*
 * Decode a message of any type, all its items included, and encode again what was read.
 * A header of static functions, for the tests and the fuzzer of messages.
 */
#ifndef SUPPORT_MSG_ANY_H
#define SUPPORT_MSG_ANY_H

#include "proto/err.h"
#include "proto/msg.h"

#include <stdlib.h>
#include <string.h>

/* Bytes in memory of their own, exactly as long, so that a read beyond the end is seen by ASan. */
static inline uint8_t *exact_copy(const void *data, size_t len)
{
    uint8_t *copy = calloc(1, len == 0 ? 1 : len);

    if (copy == NULL)
        abort();
    if (len != 0)
        memcpy(copy, data, len);
    return copy;
}

static inline char *text_copy(struct slice text)
{
    char *copy = malloc(text.len + 1);

    if (copy == NULL)
        abort();
    if (text.len != 0)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

static inline int any_item(struct msg *m, struct batch *b, struct out *again)
{
    struct msg_submit submit;
    struct msg_accepted accepted;
    struct msg_end end;
    struct msg_hand hand;
    struct msg_result result;
    int rc;

    switch (m->type) {
    case MSG_SUBMIT:
        if ((rc = msg_read_submit(m, &submit)) == 0)
            msg_add_submit(b, again, &submit);
        return rc;
    case MSG_ACCEPTED:
        if ((rc = msg_read_accepted(m, &accepted)) == 0)
            msg_add_accepted(b, again, &accepted);
        return rc;
    case MSG_END:
        if ((rc = msg_read_end(m, &end)) == 0)
            msg_add_end(b, again, &end);
        return rc;
    case MSG_HAND:
        if ((rc = msg_read_hand(m, &hand)) == 0)
            msg_add_hand(b, again, &hand);
        return rc;
    default:
        if ((rc = msg_read_result(m, &result)) == 0)
            msg_add_result(b, again, &result);
        return rc;
    }
}

static inline int any_batch(struct msg *m, struct out *again)
{
    struct batch b;
    int rc = 0;

    batch_begin(&b, again, (enum msg_type)m->type);
    for (uint32_t i = 0; i < m->count && rc == 0; i++)
        rc = any_item(m, &b, again);
    batch_end(&b, again);
    return rc != 0 ? rc : msg_close(m);
}

/* The messages that are a code and a text. */
static inline int any_code_text(struct msg *m, struct out *again)
{
    struct msg_error e;
    int rc = msg_read_error(m, &e);
    char *text;

    if (rc != 0)
        return rc;
    text = text_copy(e.text);
    if (m->type == MSG_ERROR)
        msg_write_error(again, e.code, text);
    else if (m->type == MSG_READY)
        msg_write_ready(again, e.code, text);
    else
        msg_write_agent(again, e.code, text);
    free(text);
    return 0;
}

static inline int any_client(struct msg *m, struct out *again)
{
    struct msg_hello hello;
    struct msg_progress progress;
    struct msg_request request;
    struct msg_reply reply;
    int rc;

    switch (m->type) {
    case MSG_HELLO:
        if ((rc = msg_read_hello(m, &hello)) == 0)
            msg_write_hello(again, &hello);
        return rc;
    case MSG_PROGRESS:
        if ((rc = msg_read_progress(m, &progress)) == 0)
            msg_write_progress(again, &progress);
        return rc;
    case MSG_REQUEST:
        if ((rc = msg_read_request(m, &request)) == 0)
            msg_write_request(again, &request);
        return rc;
    default:
        if ((rc = msg_read_reply(m, &reply)) == 0)
            msg_write_reply(again, &reply);
        return rc;
    }
}

static inline int any_agent(struct msg *m, struct out *again)
{
    struct msg_child child;
    struct msg_signal sig;
    struct msg_started started;
    struct msg_exited exited;
    uint32_t count;
    int rc;

    switch (m->type) {
    case MSG_RETURNED:
        if ((rc = msg_read_returned(m, &count)) == 0)
            msg_write_returned(again, count);
        return rc;
    case MSG_SIGNAL:
        if ((rc = msg_read_signal(m, &sig)) == 0)
            msg_write_signal(again, &sig);
        return rc;
    case MSG_STARTED:
        if ((rc = msg_read_started(m, &started)) == 0)
            msg_write_started(again, &started);
        return rc;
    case MSG_EXITED:
        if ((rc = msg_read_exited(m, &exited)) == 0)
            msg_write_exited(again, &exited);
        return rc;
    default:
        if ((rc = msg_read_child(m, &child)) == 0)
            msg_write_child(again, (enum msg_type)m->type, child.child, child.gen);
        return rc;
    }
}

/*
 * Decode BODY and encode it again into AGAIN (nothing, for an empty batch and for a hello of
 * another version). Returns 0, the decoder's error, or 1 for a type that does not exist.
 */
static inline int any_again(const uint8_t *body, size_t len, struct out *again)
{
    struct msg m;
    int rc = msg_open(body, len, &m);

    if (rc != 0)
        return rc;
    switch (m.type) {
    case MSG_SUBMIT:
    case MSG_ACCEPTED:
    case MSG_END:
    case MSG_HAND:
    case MSG_RESULT:
        return any_batch(&m, again);
    case MSG_ERROR:
    case MSG_READY:
    case MSG_AGENT:
        return any_code_text(&m, again);
    case MSG_HELLO:
    case MSG_PROGRESS:
    case MSG_REQUEST:
    case MSG_REPLY:
        return any_client(&m, again);
    case MSG_RETURNED:
    case MSG_SPAWN:
    case MSG_SIGNAL:
    case MSG_STARTED:
    case MSG_EXITED:
    case MSG_EMPTY:
        return any_agent(&m, again);
    default:
        return 1;
    }
}

#endif
