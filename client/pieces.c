#include "pieces.h"

#include "proto/assert.h"

#include <stdlib.h>

static struct piece *spare_take(struct pieces *p)
{
    struct piece *piece = p->spares;

    if (piece == NULL)
        return calloc(1, sizeof *piece);
    p->spares = piece->next;
    p->spare_bytes -= piece->out.cap;
    piece->next = NULL;
    return piece;
}

static void spare_give(struct pieces *p, struct piece *piece)
{
    if (p->spare_bytes + piece->out.cap > PIECES_KEEP_BYTES) {
        out_done(&piece->out);
        free(piece);
        return;
    }
    piece->next = p->spares;
    p->spares = piece;
    p->spare_bytes += piece->out.cap;
}

void pieces_turn(struct pieces *p, size_t bytes)
{
    struct piece *piece;
    struct out empty;

    if (p->last.len == 0 || p->last.len + bytes <= PIECE_BYTES)
        return;
    piece = spare_take(p);
    if (piece == NULL)
        return;
    empty = piece->out;
    piece->out = p->last;
    p->last = empty;
    p->bytes += piece->out.len;
    if (p->first == NULL)
        p->first = piece;
    else
        p->tail->next = piece;
    p->tail = piece;
}

size_t pieces_head(const struct pieces *p, const uint8_t **ret_data)
{
    const struct out *o = p->first != NULL ? &p->first->out : &p->last;

    if (o->len == p->written)
        return 0;
    *ret_data = o->data + p->written;
    return o->len - p->written;
}

void pieces_sent(struct pieces *p, size_t bytes)
{
    struct piece *piece = p->first;
    struct out *o = piece != NULL ? &piece->out : &p->last;

    p->written += bytes;
    GANGER_ASSERT(p->written <= o->len);
    if (p->written < o->len)
        return;
    p->written = 0;
    if (piece != NULL) {
        p->bytes -= o->len;
        p->first = piece->next;
    }
    out_consume(o, o->len);
    if (piece != NULL)
        spare_give(p, piece);
}

void pieces_drop(struct pieces *p)
{
    struct out *o = p->first != NULL ? &p->first->out : &p->last;
    const uint8_t *body;
    size_t at = 0, bytes;
    int64_t frame;

    if (p->written == 0) /* and maybe no memory */
        return;
    while ((frame = frame_next(o->data + at, p->written - at, UINT32_MAX, &body, &bytes, NULL)) > 0)
        at += (size_t)frame;
    p->written -= at;
    if (p->first != NULL)
        p->bytes -= at;
    out_consume(o, at);
}

static void list_free(struct piece *piece)
{
    while (piece != NULL) {
        struct piece *next = piece->next;

        out_done(&piece->out);
        free(piece);
        piece = next;
    }
}

void pieces_done(struct pieces *p)
{
    list_free(p->first);
    list_free(p->spares);
    out_done(&p->last);
    *p = (struct pieces){ 0 };
}
