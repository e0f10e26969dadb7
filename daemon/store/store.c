#include "store/store.h"

#include "store/store_ops.h"

int store_replay(struct store *s, int (*visit)(void *ctx, const struct store_record *r), void *ctx)
{
    return s->ops->replay(s, visit, ctx);
}

int store_reserve(struct store *s, size_t bytes, unsigned records)
{
    return s->ops->reserve(s, bytes, records);
}

void store_unreserve(struct store *s, size_t bytes, unsigned records)
{
    s->ops->unreserve(s, bytes, records);
}

uint64_t store_append(
    struct store *s, uint8_t kind, uint64_t key, const struct iovec *iov, int iovcnt)
{
    return s->ops->append(s, kind, key, iov, iovcnt);
}

void store_dead(struct store *s, size_t data_bytes)
{
    s->ops->dead(s, data_bytes);
}

void store_flush(struct store *s)
{
    s->ops->flush(s);
}

bool store_flush_alone(struct store *s)
{
    return s->ops->flush_alone(s);
}

void store_sync(struct store *s, bool here)
{
    s->ops->sync(s, here);
}

void store_poll(struct store *s)
{
    s->ops->poll(s);
}

uint64_t store_synced(const struct store *s)
{
    return s->ops->synced(s);
}

int store_drain(struct store *s)
{
    return s->ops->drain(s);
}

void store_stats(const struct store *s, struct store_stats *ret_stats)
{
    s->ops->stats(s, ret_stats);
}

void store_close(struct store *s)
{
    if (s != NULL)
        s->ops->close(s);
}
