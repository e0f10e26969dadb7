/*
 * Counts the words of all plain text files below some directories, three times: by itself, by
 * tasks for the module wordcount.c (one task a file), and by tasks that run `wc -w`. Ends with
 * status 1 when they do not agree, and with 3 when there is nothing to count.
 *
 *     wordcount-client SOCKET DIRECTORY...
 *
 * The pools are called "words" (the module) and "wc" (command: [wc, -w], with LC_ALL=C).
 */
#include "files.h"
#include "words.h"

#include <ganger/ganger.h>
#include <inttypes.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TOP_WORDS   20u
#define WORKERS_MAX 4096u
#define BAR_COLUMNS 40u
#define MEGABYTE    1000000u

struct worker {
    uint64_t pid, files;
};

/* One pass over all files. */
struct pass {
    const char *title, *pool, *function;
    struct words words; /* of a command pass: only the total */
    struct worker workers[WORKERS_MAX];
    size_t worker_count;
    double seconds;
};

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- progress ---- */

static void bar_draw(const char *title, size_t done, size_t total)
{
    static double drawn;
    char bar[BAR_COLUMNS + 1] = "";

    if (!isatty(STDERR_FILENO) || (done < total && now() - drawn < 0.05))
        return;
    drawn = now();
    for (size_t i = 0; i < BAR_COLUMNS; i++)
        bar[i] = total > 0 && i * total < done * BAR_COLUMNS ? '#' : '.';
    (void)fprintf(stderr, "\r%-8s [%s] %zu/%zu files", title, bar, done, total);
    if (done == total)
        (void)fputs("\r\033[K", stderr);
}

/* ---- tasks ---- */

static void str_pack(msgpack_packer *pk, const char *text)
{
    msgpack_pack_str(pk, strlen(text));
    msgpack_pack_str_body(pk, text, strlen(text));
}

/* The payload for a file: the arguments [path]; for a command [[path], standard input]. */
static void payload_pack(msgpack_sbuffer *out, const char *path, bool command)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    if (command)
        msgpack_pack_array(&pk, 2);
    msgpack_pack_array(&pk, 1);
    str_pack(&pk, path);
    if (command)
        msgpack_pack_nil(&pk);
}

/* Hand over one task for each file; the results come in any order. */
static int files_submit(struct ganger *g, const struct pass *pass, const struct files *files)
{
    struct ganger_options options;
    int rc = 0;

    ganger_options_init(&options);
    options.flags = GANGER_WAIT_ROOM;
    for (size_t i = 0; i < files->count && rc == 0; i++) {
        struct ganger_call call = { .pool = pass->pool, .function = pass->function };
        struct ganger_future *future;
        msgpack_sbuffer payload;

        msgpack_sbuffer_init(&payload);
        payload_pack(&payload, files->paths[i], pass->function == NULL);
        call.payload = payload.data;
        call.payload_bytes = payload.size;
        rc = ganger_submit(g, &call, &options, &future);
        if (rc == 0)
            ganger_future_set_user(future, files->paths[i]);
        msgpack_sbuffer_destroy(&payload);
    }
    return rc;
}

static void worker_note(struct pass *pass, uint64_t pid, uint64_t files)
{
    size_t i = 0;

    while (i < pass->worker_count && pass->workers[i].pid != pid)
        i++;
    if (i == WORKERS_MAX)
        return;
    if (i == pass->worker_count)
        pass->workers[pass->worker_count++] = (struct worker){ pid, 0 };
    pass->workers[i].files += files;
}

/* Merge [pid, words in all, {word: times}]. */
static int module_merge(struct pass *pass, const msgpack_object *value)
{
    const msgpack_object *part = value->via.array.ptr;
    int rc = 0;

    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size != 3 ||
        part[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
        part[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER || part[2].type != MSGPACK_OBJECT_MAP)
        return GANGER_EDECODE;
    worker_note(pass, part[0].via.u64, 1);
    pass->words.total += part[1].via.u64;
    for (uint32_t i = 0; i < part[2].via.map.size && rc == 0; i++) {
        const msgpack_object_kv *kv = &part[2].via.map.ptr[i];

        if (kv->key.type != MSGPACK_OBJECT_STR || kv->val.type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return GANGER_EDECODE;
        rc = words_add(&pass->words, kv->key.via.str.ptr, kv->key.via.str.size, kv->val.via.u64);
    }
    return rc == 0 ? 0 : GANGER_ENOMEM;
}

/* Merge what `wc -w` wrote: "NUMBER PATH". */
static int command_merge(struct pass *pass, const msgpack_object *value)
{
    char text[32] = "";
    char *end;
    uint64_t words;

    if (value->type != MSGPACK_OBJECT_BIN)
        return GANGER_EDECODE;
    memcpy(text, value->via.bin.ptr,
        value->via.bin.size < sizeof text ? value->via.bin.size : sizeof text - 1);
    words = strtoull(text, &end, 10);
    if (end == text || *end != ' ')
        return GANGER_EDECODE;
    pass->words.total += words;
    return 0;
}

static int result_merge(struct pass *pass, const struct ganger_bytes *result)
{
    msgpack_unpacked value;
    size_t at = 0;
    int rc = GANGER_EDECODE;

    msgpack_unpacked_init(&value);
    if (msgpack_unpack_next(&value, result->data, result->len, &at) == MSGPACK_UNPACK_SUCCESS)
        rc = pass->function == NULL ? command_merge(pass, &value.data)
                                    : module_merge(pass, &value.data);
    msgpack_unpacked_destroy(&value);
    return rc;
}

/* The next result, whichever task ends first. */
static int result_take(struct ganger *g, struct pass *pass)
{
    struct ganger_future *future;
    struct ganger_failure failure;
    struct ganger_bytes result;
    int rc = ganger_wait_next(g, GANGER_FOREVER, &future);

    if (rc < 0)
        return rc;
    rc = ganger_future_result(future, 0, &result);
    if (rc == 0)
        rc = result_merge(pass, &result);
    else if (ganger_future_error(future, &failure) == 0)
        (void)fprintf(stderr, "%s: %s\n", (char *)ganger_future_user(future), failure.text);
    ganger_future_free(future);
    return rc;
}

static int pass_run(struct ganger *g, struct pass *pass, const struct files *files)
{
    double start = now();
    int rc = files_submit(g, pass, files);

    for (size_t done = 0; done < files->count && rc == 0; done++) {
        bar_draw(pass->title, done, files->count);
        rc = result_take(g, pass);
    }
    bar_draw(pass->title, files->count, files->count);
    pass->seconds = now() - start;
    if (rc < 0)
        (void)fprintf(
            stderr, "%s: %s (%s)\n", pass->title, ganger_strerror(rc), ganger_last_error(g));
    return rc;
}

/* A command knows nothing of Ganger; so ask the daemon which workers the pool has. */
static void pool_workers_note(struct ganger *g, struct pass *pass)
{
    void *reply = NULL;
    size_t bytes = 0, at = 0;
    msgpack_unpacked value;

    if (ganger_pools(g, pass->pool, 5000, &reply, &bytes) < 0)
        return;
    msgpack_unpacked_init(&value);
    if (msgpack_unpack_next(&value, reply, bytes, &at) == MSGPACK_UNPACK_SUCCESS &&
        value.data.type == MSGPACK_OBJECT_ARRAY && value.data.via.array.size == 1 &&
        value.data.via.array.ptr[0].type == MSGPACK_OBJECT_MAP) {
        const msgpack_object_map *pool = &value.data.via.array.ptr[0].via.map;

        for (uint32_t i = 0; i < pool->size; i++) {
            const msgpack_object *key = &pool->ptr[i].key, *pids = &pool->ptr[i].val;

            if (key->via.str.size != 4 || memcmp(key->via.str.ptr, "pids", 4) != 0)
                continue;
            for (uint32_t j = 0; j < pids->via.array.size; j++)
                worker_note(pass, pids->via.array.ptr[j].via.u64, 0);
        }
    }
    msgpack_unpacked_destroy(&value);
    ganger_free(reply);
}

/* ---- the plain count, and the report ---- */

static int plain_run(struct pass *pass, const struct files *files)
{
    double start = now();
    int rc = 0;

    for (size_t i = 0; i < files->count && rc == 0; i++) {
        bar_draw(pass->title, i, files->count);
        rc = words_scan(&pass->words, files->paths[i]);
        if (rc < 0)
            (void)fprintf(stderr, "%s: %s\n", files->paths[i], strerror(-rc));
    }
    bar_draw(pass->title, files->count, files->count);
    pass->seconds = now() - start;
    return rc;
}

static void pass_print(const struct pass *pass, const struct files *files)
{
    (void)printf("%-8s %9" PRIu64 " words %7.2f s %9.0f %s/s", pass->title, pass->words.total,
        pass->seconds, (double)files->count / pass->seconds,
        pass->pool == NULL ? "files" : "tasks");
    if (pass->worker_count > 0)
        (void)printf("   workers:");
    for (size_t i = 0; i < pass->worker_count; i++) {
        (void)printf(" %" PRIu64, pass->workers[i].pid);
        if (pass->workers[i].files > 0)
            (void)printf(" (%" PRIu64 " files)", pass->workers[i].files);
    }
    (void)printf("\n");
}

static void top_print(const struct words *words)
{
    const struct word *top[TOP_WORDS];
    size_t found = words_top(words, top, TOP_WORDS);

    (void)printf("The most frequent words:\n");
    for (size_t i = 0; i < found; i++)
        (void)printf("%9" PRIu64 " %-12s%s", top[i]->times, top[i]->text,
            i % 4 == 3 || i + 1 == found ? "\n" : "");
}

static bool tables_equal(const struct words *a, const struct words *b)
{
    if (a->distinct != b->distinct)
        return false;
    for (size_t i = 0; i < a->capacity; i++) {
        if (a->places[i].text[0] != '\0' && a->places[i].times != words_times(b, a->places[i].text))
            return false;
    }
    return true;
}

static int report(const struct pass *plain, const struct pass *module, const struct pass *command,
    const struct files *files)
{
    top_print(&module->words);
    (void)printf("\n");
    pass_print(plain, files);
    pass_print(module, files);
    pass_print(command, files);
    if (plain->words.total != module->words.total || plain->words.total != command->words.total ||
        !tables_equal(&plain->words, &module->words)) {
        (void)printf("The counts differ.\n");
        return 1;
    }
    (void)printf(
        "All three counts agree; the tables of %zu words are equal.\n", plain->words.distinct);
    return 0;
}

static struct pass plain = { .title = "plain" };
static struct pass module = { .title = "module", .pool = "words", .function = "count" };
static struct pass command = { .title = "wc -w", .pool = "wc" };

static int count_all(const char *socket, const struct files *files)
{
    struct ganger *g;
    int rc = ganger_open(socket, &g), status = 1;

    if (rc < 0) {
        (void)fprintf(stderr, "%s: %s\n", socket, ganger_strerror(rc));
        return 1;
    }
    if (plain_run(&plain, files) == 0 && pass_run(g, &module, files) == 0 &&
        pass_run(g, &command, files) == 0) {
        pool_workers_note(g, &command);
        status = report(&plain, &module, &command, files);
    }
    ganger_close(g);
    words_done(&plain.words);
    words_done(&module.words);
    return status;
}

int main(int argc, char **argv)
{
    struct files files;
    int status, rc;

    if (argc < 3) {
        (void)fprintf(stderr, "Usage: %s SOCKET DIRECTORY...\n", argv[0]);
        return 2;
    }
    rc = files_list((const char *const *)&argv[2], (size_t)argc - 2, &files);
    if (rc < 0) {
        (void)fprintf(stderr, "%s: %s\n", argv[0], strerror(-rc));
        return 1;
    }
    (void)printf("%zu text file%s, %.*f %s, one task a file\n\n", files.count,
        files.count == 1 ? "" : "s", files.bytes < MEGABYTE ? 0 : 1,
        (double)files.bytes / (files.bytes < MEGABYTE ? 1e3 : 1e6),
        files.bytes < MEGABYTE ? "kB" : "MB");
    (void)fflush(stdout);
    status = files.count == 0 ? 3 : count_all(argv[1], &files);
    files_done(&files);
    return status;
}
