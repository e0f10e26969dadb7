/*
 * ganger map: items in, results out, in bounded memory.
 *
 * Usually there is one map of the library's. When a slow input runs dry, that one ends, and the
 * next lines begin another (see map_input.h); results are taken from the oldest first, unless any
 * order will do.
 */
#include "bar.h"
#include "cli.h"
#include "json.h"
#include "map_input.h"
#include "signals.h"
#include "times.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAPS_MAX  64u
#define AHEAD_MAX (16u * 1024 * 1024) /* payload bytes beyond which no further map is begun */
#define CANCEL_MS 3000

struct part {
    struct ganger_map *map;
    uint64_t first; /* number of its first item */
    uint64_t bytes_before;
};

struct mapping {
    struct cli *cli;
    struct map_input in;
    struct ganger_bytes *items; /* packed words, when all are known before */
    struct buf packed;
    struct part parts[MAPS_MAX]; /* oldest first */
    unsigned count;
    uint64_t past_items, past_failed; /* of parts that are over */
    uint64_t printed_bytes;
    bool feeding; /* the newest part still takes items from the input */
    bool stopped; /* nothing more is begun */
    bool broken;  /* the connection is lost for good */
    int status;
};

static void spec_fill(struct mapping *m, struct ganger_map_spec *spec)
{
    struct cli *cli = m->cli;

    ganger_map_spec_init(spec);
    spec->pool = cli->args[0];
    spec->function = cli->to_command ? "" : cli->args[1];
    spec->options = &cli->options;
    spec->flags = GANGER_MAP_ITERATE | (cli->unordered ? (uint32_t)GANGER_MAP_UNORDERED : 0);
    if (cli->chunk != 0)
        spec->chunk = (int64_t)cli->chunk;
}

/* Words are known at once: packed before, so that a bad one stops all and the chunk can be sized.
 */
static int items_pack(struct mapping *m)
{
    size_t count = (size_t)m->in.word_count, at = 0;

    m->items = calloc(count + 1, sizeof m->items[0]);
    if (m->items == NULL)
        return say_failure(m->cli, "items", GANGER_ENOMEM);
    for (size_t i = 0; i < count; i++) {
        struct ganger_bytes item = { NULL, 0 };

        if (map_input_next(&m->in, &item) != 1)
            return m->in.failed;
        buf_add(&m->packed, item.data, item.len);
        m->items[i].len = item.len;
    }
    if (m->packed.failed)
        return say_failure(m->cli, "items", GANGER_ENOMEM);
    /* The buffer has stopped moving. */
    for (size_t i = 0; i < count; i++) {
        m->items[i].data = m->packed.data + at;
        at += m->items[i].len;
    }
    return 0;
}

/* The source of the newest part: once it was told that there is nothing, it asks no more. */
static int part_source(void *user, struct ganger_bytes *ret_item)
{
    struct mapping *m = user;
    int rc = map_input_next(&m->in, ret_item);

    if (rc == 0)
        m->feeding = false;
    return rc;
}

static int part_begin(struct mapping *m)
{
    struct part *part = &m->parts[m->count];
    struct ganger_map_spec spec;
    int rc;

    spec_fill(m, &spec);
    part->first = m->in.count;
    part->bytes_before = m->in.given_bytes;
    if (m->in.fd < 0) {
        part->first = 0;
        spec.items = m->items;
        spec.count = (size_t)m->in.word_count;
    } else {
        spec.source = part_source;
        spec.source_user = m;
        m->feeding = true;
    }
    rc = ganger_map_start(m->cli->g, &spec, &part->map);
    if (rc < 0)
        return say_failure(m->cli, "map", rc);
    m->count++;
    return 0;
}

/* Begin another part if there is input that no living part takes. */
static void parts_feed(struct mapping *m)
{
    uint64_t ahead = m->count == 0 ? 0 : m->in.given_bytes - m->parts[0].bytes_before;
    int rc;

    if (m->stopped || m->in.fd < 0 || m->count == MAPS_MAX || (m->count > 0 && ahead > AHEAD_MAX))
        return;
    if (m->feeding || !map_input_is_ready(&m->in))
        return;
    rc = part_begin(m);
    if (rc != 0) {
        m->stopped = true;
        m->status = rc;
    }
}

static void part_drop(struct mapping *m, unsigned index)
{
    size_t items = 0, failed = 0;

    ganger_map_progress(m->parts[index].map, &items, NULL, &failed);
    m->past_items += items;
    m->past_failed += failed;
    ganger_map_free(m->parts[index].map);
    m->count--;
    if (index == m->count)
        m->feeding = false;
    for (unsigned i = index; i < m->count; i++)
        m->parts[i] = m->parts[i + 1];
}

static void item_print_json(struct mapping *m, uint64_t index, const struct ganger_item *item)
{
    struct buf b = { 0 };

    buf_format(&b, "{\"index\":%" PRIu64, index);
    if (item->code == 0) {
        buf_text(&b, ",\"result\":");
        if (item->value.len == 0 || json_write(item->value.data, item->value.len, &b) < 0)
            buf_text(&b, "null");
    } else {
        buf_text(&b, ",\"error\":");
        failure_json(item->error, &b);
    }
    buf_char(&b, '}');
    (void)print_line(m->cli, &b);
}

static void item_print(struct mapping *m, const struct part *part, const struct ganger_item *item)
{
    uint64_t index = part->first + item->index;
    char what[48];

    if (m->cli->json)
        item_print_json(m, index, item);
    else if (item->code == 0)
        value_print(m->cli, item->value.data, item->value.len);
    if (item->code == 0)
        return;
    /* All that follow would say the same. */
    m->broken = item->code == GANGER_ECONN && item->error->end == GANGER_END_NONE;
    if (m->status == STATUS_DONE || m->broken)
        m->status = status_of_failure(m->cli, item->error);
    (void)snprintf(what, sizeof what, "item %" PRIu64, index + 1);
    failure_say(m->cli, what, item->error);
}

/* Print what is there of one part. True when the part is over. */
static bool part_print(struct mapping *m, struct part *part)
{
    struct ganger_item item;
    int rc;

    while ((rc = ganger_map_next(part->map, 0, &item)) == 1) {
        /* On a terminal the bar and the results share the last line. */
        bar_hide();
        item_print(m, part, &item);
        if (m->cli->deaf != 0 || m->broken)
            return false;
    }
    if (rc == GANGER_ETIMEDOUT || rc == GANGER_EINTR)
        return false;
    if (rc < 0) {
        m->status = say_failure(m->cli, "map", rc);
        m->stopped = true;
    }
    return true;
}

static void parts_print(struct mapping *m)
{
    unsigned i = 0;

    while (i < m->count) {
        if (part_print(m, &m->parts[i]))
            part_drop(m, i);
        else if (m->cli->unordered && m->cli->deaf == 0 && !m->broken)
            i++;
        else
            break;
    }
    /* What is printed is to be seen before the next wait. */
    print_flush(m->cli);
}

static void mapping_draw(const struct mapping *m)
{
    uint64_t items = m->past_items, ended = m->past_items, failed = m->past_failed;
    char text[48] = "";

    if (!bar_is_on())
        return;
    for (unsigned i = 0; i < m->count; i++) {
        size_t known = 0, done = 0, bad = 0;

        ganger_map_progress(m->parts[i].map, &known, &done, &bad);
        items += known;
        ended += done;
        failed += bad;
    }
    if (m->in.fd < 0)
        items = (uint64_t)m->in.word_count;
    if (failed != 0)
        (void)snprintf(text, sizeof text, "%" PRIu64 " failed", failed);
    bar_draw(ended, items, !map_input_is_over(&m->in), text);
}

/* Wait until the daemon says something, there is input that nobody takes, or UNTIL_MS. */
static void mapping_wait(struct mapping *m, int64_t until_ms)
{
    struct ganger *g = m->cli->g;
    bool hungry = !m->stopped && !m->feeding && m->in.fd >= 0 && !map_input_is_over(&m->in) &&
                  m->count < MAPS_MAX;
    struct pollfd fds[2] = { { ganger_fd(g), ganger_events(g), 0 },
        { hungry ? m->in.fd : -1, POLLIN, 0 } };
    int64_t ms = ganger_timeout_ms(g);

    if (until_ms != INT64_MAX) {
        int64_t left = until_ms - clock_ms();

        left = left < 0 ? 0 : left;
        ms = ms < 0 || left < ms ? left : ms;
    }
    if (bar_is_on() && (ms < 0 || ms > BAR_MS))
        ms = BAR_MS;
    if (poll(fds, 2, ms < 0 ? -1 : ms > 60000 ? 60000 : (int)ms) < 0)
        fds[0].revents = 0;
    (void)ganger_process(g, fds[0].revents);
}

static bool mapping_is_over(const struct mapping *m)
{
    return m->count == 0 && (m->stopped || m->in.fd < 0 || map_input_is_over(&m->in));
}

/* Nothing more is begun; what runs is cancelled, and shortly waited for. */
static void mapping_cancel(struct mapping *m)
{
    int64_t until = clock_ms() + CANCEL_MS;

    m->stopped = true;
    if (m->cli->keep)
        return;
    for (unsigned i = 0; i < m->count; i++)
        (void)ganger_map_cancel(m->parts[i].map);
    (void)ganger_flush(m->cli->g, CANCEL_MS);
    for (unsigned i = 0; i < m->count; i++) {
        while (!ganger_map_ready(m->parts[i].map) && clock_ms() < until)
            mapping_wait(m, until);
    }
}

static void mapping_run(struct mapping *m)
{
    struct cli *cli = m->cli;

    while (!mapping_is_over(m)) {
        parts_feed(m);
        parts_print(m);
        mapping_draw(m);
        if (m->broken)
            return;
        if (signals_caught() != 0) {
            m->status = STATUS_SIGNAL + signals_caught();
            bar_hide();
            if (!cli->quiet && !cli->keep)
                say("interrupted: the tasks are being cancelled (once more to leave at once)");
            mapping_cancel(m);
            return;
        }
        if (cli->deaf != 0 || clock_ms() >= cli->deadline_ms) {
            if (cli->deaf == 0)
                m->status = say_failure(cli, "map", GANGER_ETIMEDOUT);
            mapping_cancel(m);
            return;
        }
        if (!mapping_is_over(m))
            mapping_wait(m, cli->deadline_ms);
    }
}

int command_map(struct cli *cli)
{
    struct mapping *m = calloc(1, sizeof *m);
    int rc;

    if (m == NULL)
        return say_failure(cli, "map", GANGER_ENOMEM);
    m->cli = cli;
    cli->options.flags |= GANGER_WAIT_ROOM;
    rc = map_input_open(&m->in, cli);
    if (rc == 0 && m->in.fd < 0)
        rc = items_pack(m);
    if (rc == 0 && m->in.fd < 0)
        rc = part_begin(m);
    if (rc == 0) {
        if (!cli->quiet)
            bar_start();
        mapping_run(m);
        bar_hide();
        rc = m->status != STATUS_DONE ? m->status : m->in.failed;
    }
    while (m->count > 0)
        part_drop(m, m->count - 1);
    map_input_close(&m->in);
    buf_done(&m->packed);
    free(m->items);
    free(m);
    return rc;
}
