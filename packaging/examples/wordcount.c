/*
 * A module for a pool of workers: counts the words of a file.
 *
 * count(PATH) -> [pid of the worker, words in all, {word: times, ...}]
 *
 * The arguments of a function are an array, as `ganger run POOL FUNCTION ARG...` sends them.
 */
#include "words.h"

#include <ganger/worker.h>
#include <msgpack.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096u

/* The path that is the one argument. */
static int path_read(struct ganger_task *task, char path[PATH_BYTES])
{
    size_t bytes, at = 0;
    const void *data = ganger_task_args(task, &bytes);
    const msgpack_object_array *args;
    msgpack_unpacked value;
    int rc = GANGER_EDECODE;

    msgpack_unpacked_init(&value);
    if (msgpack_unpack_next(&value, data, bytes, &at) == MSGPACK_UNPACK_SUCCESS) {
        args = &value.data.via.array;
        if (value.data.type == MSGPACK_OBJECT_ARRAY && args->size == 1 &&
            args->ptr[0].type == MSGPACK_OBJECT_STR && args->ptr[0].via.str.size < PATH_BYTES) {
            memcpy(path, args->ptr[0].via.str.ptr, args->ptr[0].via.str.size);
            path[args->ptr[0].via.str.size] = '\0';
            rc = 0;
        }
    }
    msgpack_unpacked_destroy(&value);
    return rc;
}

static void words_pack(msgpack_packer *pk, const struct words *words)
{
    msgpack_pack_array(pk, 3);
    msgpack_pack_uint64(pk, (uint64_t)getpid());
    msgpack_pack_uint64(pk, words->total);
    msgpack_pack_map(pk, words->distinct);
    for (size_t i = 0; i < words->capacity; i++) {
        const struct word *word = &words->places[i];

        if (word->text[0] == '\0')
            continue;
        msgpack_pack_str(pk, strlen(word->text));
        msgpack_pack_str_body(pk, word->text, strlen(word->text));
        msgpack_pack_uint64(pk, word->times);
    }
}

static int count(struct ganger_task *task)
{
    char path[PATH_BYTES];
    struct words words = { 0 };
    msgpack_sbuffer out;
    msgpack_packer pk;
    int rc;

    if (path_read(task, path) < 0)
        return ganger_task_fail(task, GANGER_EDECODE, "the argument is not one path");
    rc = words_scan(&words, path);
    if (rc < 0) {
        words_done(&words);
        return ganger_task_fail(task, GANGER_EIO, "%s: %s", path, strerror(-rc));
    }
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    words_pack(&pk, &words);
    rc = ganger_task_return(task, out.data, out.size);
    msgpack_sbuffer_destroy(&out);
    words_done(&words);
    return rc;
}

static const struct ganger_function functions[] = { { "count", count }, { NULL, NULL } };

GANGER_MODULE_EXPORT const struct ganger_module ganger_module = { GANGER_MODULE_ABI, "wordcount",
    functions, NULL, NULL, NULL };
