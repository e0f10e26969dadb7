#include "cli.h"
#include "json.h"
#include "value.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 32u

/* A value in one cell: strings as they are, a list of nothing as "-", others as JSON. */
static void cell_add(struct reader *at, struct buf *out)
{
    const char *from = (const char *)at->at;
    struct reader head = *at;
    struct value v;

    if (value_read(&head, &v) < 0 || value_skip(at) < 0)
        return;
    if (v.type == VALUE_STR && v.len != 0)
        buf_add(out, v.data, v.len);
    else if (v.type == VALUE_STR || v.type == VALUE_NIL ||
             ((v.type == VALUE_ARRAY || v.type == VALUE_MAP) && v.count == 0))
        buf_char(out, '-');
    else
        (void)json_write(from, (size_t)((const char *)at->at - from), out);
}

/* Characters, so that columns line up. */
static size_t width_of(const struct buf *b)
{
    size_t width = 0;

    for (size_t i = 0; i < b->len; i++)
        width += ((unsigned char)b->data[i] & 0xc0) != 0x80;
    return width;
}

static void spaces_add(struct buf *b, size_t count)
{
    for (; count > 0; count--)
        buf_char(b, ' ');
}

/* "key  value" lines; maps inside are indented. */
static void map_add(struct reader r, struct buf *out, size_t indent)
{
    struct reader keys;
    struct value map, v;
    size_t widest = 0;

    if (value_read(&r, &map) < 0)
        return;
    keys = r;
    for (uint32_t i = 0; i < map.count; i++) {
        if (value_read(&keys, &v) < 0 || value_skip(&keys) < 0)
            return;
        if (v.type == VALUE_STR && v.len > widest)
            widest = v.len;
    }
    for (uint32_t i = 0; i < map.count; i++) {
        struct buf key = { 0 };
        struct reader head;

        cell_add(&r, &key);
        spaces_add(out, indent);
        buf_add(out, key.data, key.len);
        head = r;
        if (value_read(&head, &v) == 0 && v.type == VALUE_MAP && v.count != 0) {
            buf_char(out, '\n');
            map_add(r, out, indent + 2);
            (void)value_skip(&r);
        } else {
            spaces_add(out, widest + 2 > key.len ? widest + 2 - key.len : 2);
            cell_add(&r, out);
            buf_char(out, '\n');
        }
        buf_done(&key);
    }
}

struct table {
    struct value keys[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    size_t columns;
};

/* The columns are COLUMNS (ends with NULL), or if that is NULL the keys of the first map. */
static void table_head(struct table *t, struct reader r, const char *const *columns)
{
    struct value map;

    for (; columns != NULL && columns[t->columns] != NULL; t->columns++) {
        const char *name = columns[t->columns];

        t->widths[t->columns] = strlen(name);
        t->keys[t->columns] = (struct value){ .data = name, .len = strlen(name) };
    }
    if (columns != NULL)
        return;
    if (value_read(&r, &map) < 0 || map.type != VALUE_MAP)
        return;
    for (uint32_t i = 0; i < map.count && t->columns < COLUMNS_MAX; i++) {
        struct value key;

        if (value_read(&r, &key) < 0 || value_skip(&r) < 0)
            return;
        if (key.type != VALUE_STR)
            continue;
        t->keys[t->columns] = key;
        t->widths[t->columns++] = key.len;
    }
}

/* The cell of COLUMN in the map at R, in CELL. */
static void table_cell(const struct table *t, struct reader r, size_t column, struct buf *cell)
{
    char key[256];
    struct reader at;

    buf_clear(cell);
    if (t->keys[column].len >= sizeof key)
        return;
    memcpy(key, t->keys[column].data, t->keys[column].len);
    key[t->keys[column].len] = '\0';
    if (value_find(r, key, &at))
        cell_add(&at, cell);
}

static void table_measure(struct table *t, struct reader r, uint32_t rows)
{
    struct buf cell = { 0 };

    for (uint32_t i = 0; i < rows; i++) {
        for (size_t c = 0; c < t->columns; c++) {
            size_t width;

            table_cell(t, r, c, &cell);
            width = width_of(&cell);
            if (width > t->widths[c])
                t->widths[c] = width;
        }
        if (value_skip(&r) < 0)
            break;
    }
    buf_done(&cell);
}

/* One line, without spaces at its end. */
static void line_end(struct buf *out)
{
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        out->len--;
    buf_char(out, '\n');
}

static void table_add(struct reader r, uint32_t rows, const char *const *columns, struct buf *out)
{
    struct table t = { .columns = 0 };
    struct buf cell = { 0 };

    table_head(&t, r, columns);
    table_measure(&t, r, rows);
    for (size_t c = 0; c < t.columns; c++) {
        buf_add(out, t.keys[c].data, t.keys[c].len);
        spaces_add(out, t.widths[c] - t.keys[c].len + 2);
    }
    line_end(out);
    for (uint32_t i = 0; i < rows; i++) {
        for (size_t c = 0; c < t.columns; c++) {
            table_cell(&t, r, c, &cell);
            buf_add(out, cell.data, cell.len);
            spaces_add(out, t.widths[c] - width_of(&cell) + 2);
        }
        line_end(out);
        if (value_skip(&r) < 0)
            break;
    }
    buf_done(&cell);
}

void show_value(struct cli *cli, const void *data, size_t len, const char *const *columns)
{
    struct reader r = reader_make(data, len), after = r, first;
    struct buf b = { 0 };
    struct value v, inner;

    if (!value_is_one(data, len) || value_read(&after, &v) < 0)
        return;
    first = after;
    if (v.type == VALUE_MAP)
        map_add(r, &b, 0);
    else if (v.type == VALUE_ARRAY && v.count != 0 && value_read(&first, &inner) == 0 &&
             inner.type == VALUE_MAP)
        table_add(after, v.count, columns, &b);
    else if (v.type != VALUE_ARRAY || v.count != 0)
        (void)json_write(data, len, &b);
    if (b.len != 0 && b.data[b.len - 1] == '\n')
        b.len--;
    if (b.len != 0)
        (void)print_line(cli, &b);
    buf_done(&b);
}

int show_reply(struct cli *cli, void *value, size_t len, const char *const *columns)
{
    struct buf b = { 0 };
    int status = STATUS_DONE;

    if (!cli->json) {
        show_value(cli, value, len, columns);
    } else if (json_write(value, len, &b) == 0) {
        status = print_line(cli, &b);
    } else {
        say("the reply is not well-formed msgpack");
        status = own_status(cli, STATUS_TROUBLE);
    }
    buf_done(&b);
    ganger_free(value);
    return status;
}
