/*
 * What an implementation of the store provides: one function for each call of store.h.
 *
 * struct store is the first member of each implementation's own struct; store.c calls through
 * OPS. Private to this folder.
 */
#ifndef STORE_STORE_OPS_H
#define STORE_STORE_OPS_H

#include "store/store.h"

struct store_ops {
    int (*replay)(
        struct store *s, int (*visit)(void *ctx, const struct store_record *r), void *ctx);
    int (*reserve)(struct store *s, size_t bytes, unsigned records);
    void (*unreserve)(struct store *s, size_t bytes, unsigned records);
    uint64_t (*append)(
        struct store *s, uint8_t kind, uint64_t key, const struct iovec *iov, int iovcnt);
    void (*dead)(struct store *s, size_t data_bytes);
    void (*flush)(struct store *s);
    bool (*flush_alone)(struct store *s);
    void (*sync)(struct store *s, bool here);
    void (*poll)(struct store *s);
    uint64_t (*synced)(const struct store *s);
    int (*drain)(struct store *s);
    void (*stats)(const struct store *s, struct store_stats *ret_stats);
    void (*close)(struct store *s);
};

struct store {
    const struct store_ops *ops;
};

#endif
