#include "conf/tree.h"

#include "proto/err.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct loader {
    yaml_parser_t parser;
    struct report *report;
    const char *text;
    size_t text_bytes;
    unsigned depth;
};

static struct mark mark_of(const yaml_mark_t *m)
{
    struct mark mark = { (unsigned)m->line + 1, (unsigned)m->column + 1 };

    return mark;
}

/* The place of byte OFFSET: the reader's errors come before a mark exists. */
static struct mark mark_of_offset(const struct loader *l, size_t offset)
{
    struct mark mark = { 1, 1 };

    for (size_t i = 0; i < offset && i < l->text_bytes; i++) {
        if (l->text[i] == '\n') {
            mark.line++;
            mark.column = 1;
        } else if (((unsigned char)l->text[i] & 0xC0u) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static int report_syntax(struct loader *l)
{
    const yaml_parser_t *p = &l->parser;
    const char *problem = p->problem != NULL ? p->problem : "unknown problem";
    size_t at = p->problem_mark.index;
    const char *way_out = "";

    if (p->error == YAML_MEMORY_ERROR)
        return GANGER_ENOMEM;
    if (p->error == YAML_READER_ERROR) {
        report_add(l->report, mark_of_offset(l, p->problem_offset),
            "not UTF-8 text: %s; save the file as UTF-8", problem);
        return GANGER_ECONF;
    }
    /* The index counts characters; it is a byte offset only as long as the text is ASCII, which
     * is all that a hint needs. */
    if (at < l->text_bytes && l->text[at] == '\t')
        way_out = "; indent with spaces, not with tabs";
    if (p->context != NULL)
        report_add(l->report, mark_of(&p->problem_mark), "not valid YAML: %s, %s (line %u)%s",
            problem, p->context, (unsigned)p->context_mark.line + 1, way_out);
    else
        report_add(l->report, mark_of(&p->problem_mark), "not valid YAML: %s%s", problem, way_out);
    return GANGER_ECONF;
}

static int next_event(struct loader *l, yaml_event_t *event)
{
    if (yaml_parser_parse(&l->parser, event) == 0)
        return report_syntax(l);
    return 0;
}

static int refuse(struct loader *l, const yaml_event_t *event, const char *what)
{
    report_add(l->report, mark_of(&event->start_mark), "%s", what);
    return GANGER_ECONF;
}

static int check_plain_node(
    struct loader *l, const yaml_event_t *event, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor != NULL)
        return refuse(l, event, "anchors (&name) are not supported; write the value out");
    if (tag != NULL)
        return refuse(l, event, "tags (!name) are not supported; quote a value to make it text");
    return 0;
}

static struct node *node_new(const yaml_event_t *event, enum node_kind kind)
{
    struct node *n = calloc(1, sizeof *n);

    if (n == NULL)
        return NULL;
    n->kind = kind;
    n->mark = mark_of(&event->start_mark);
    return n;
}

static int scalar_read(struct loader *l, const yaml_event_t *event, struct node **ret_node)
{
    size_t bytes = event->data.scalar.length;
    struct node *n;
    int rc = check_plain_node(l, event, event->data.scalar.anchor, event->data.scalar.tag);

    if (rc < 0)
        return rc;
    n = node_new(event, NODE_SCALAR);
    if (n == NULL)
        return GANGER_ENOMEM;
    n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text = malloc(bytes + 1);
    if (n->text == NULL) {
        free(n);
        return GANGER_ENOMEM;
    }
    memcpy(n->text, event->data.scalar.value, bytes);
    n->text[bytes] = '\0';
    n->bytes = bytes;
    *ret_node = n;
    return 0;
}

static void node_append(struct node *parent, struct node *child)
{
    if (parent->last != NULL)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

static int node_read(struct loader *l, const yaml_event_t *event, struct node **ret_node);

/* Read the next event and the node that it starts; *ret_node is NULL at the event LAST. */
static int child_read(struct loader *l, yaml_event_type_t last, struct node **ret_node)
{
    yaml_event_t event;
    int rc = next_event(l, &event);

    if (rc < 0)
        return rc;
    *ret_node = NULL;
    if (event.type != last)
        rc = node_read(l, &event, ret_node);
    yaml_event_delete(&event);
    return rc;
}

static int sequence_fill(struct loader *l, struct node *sequence)
{
    for (;;) {
        struct node *item = NULL;
        int rc = child_read(l, YAML_SEQUENCE_END_EVENT, &item);

        if (rc < 0 || item == NULL)
            return rc;
        node_append(sequence, item);
    }
}

static int key_compare(const void *a, const void *b)
{
    const struct node *x = *(struct node *const *)a;
    const struct node *y = *(struct node *const *)b;
    size_t shorter = x->bytes < y->bytes ? x->bytes : y->bytes;
    int order = memcmp(x->text, y->text, shorter);

    if (order != 0)
        return order;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    if (x->mark.line != y->mark.line)
        return x->mark.line < y->mark.line ? -1 : 1;
    return x->mark.column < y->mark.column ? -1 : x->mark.column > y->mark.column;
}

/* Remove the keys that are marked as standing twice, so that nobody reads a section again that
 * was made room for once. */
static void mapping_prune(struct node *mapping)
{
    struct node **at = &mapping->first;

    mapping->last = NULL;
    while (*at != NULL) {
        struct node *key = *at;

        if (key->twice) {
            *at = key->next;
            mapping->count--;
            tree_free(key);
        } else {
            mapping->last = key;
            at = &key->next;
        }
    }
}

/* Report and mark those of the N sorted KEYS that stand twice. Returns whether there are any. */
static bool keys_check(struct loader *l, struct node **keys, size_t n)
{
    struct quoted q;
    bool any = false;

    for (size_t i = 1; i < n; i++) {
        const struct node *before = keys[i - 1];

        if (before->bytes != keys[i]->bytes ||
            memcmp(before->text, keys[i]->text, before->bytes) != 0)
            continue;
        report_add(l->report, keys[i]->mark,
            "the key %s is given twice, first at line %u; remove one of them",
            report_quote(&q, keys[i]->text, keys[i]->bytes), before->mark.line);
        keys[i]->twice = true;
        any = true;
    }
    return any;
}

/* Report and remove keys that stand twice. Sorting keeps a hostile mapping of many keys cheap. */
static int mapping_check(struct loader *l, struct node *mapping)
{
    struct node **keys;
    size_t n = 0;

    if (mapping->count < 2)
        return 0;
    keys = calloc(mapping->count, sizeof(struct node *));
    if (keys == NULL)
        return GANGER_ENOMEM;
    for (struct node *key = mapping->first; key != NULL; key = key->next)
        keys[n++] = key;
    qsort(keys, n, sizeof(struct node *), key_compare);
    if (keys_check(l, keys, n))
        mapping_prune(mapping);
    free(keys);
    return 0;
}

static int mapping_fill(struct loader *l, struct node *mapping)
{
    for (;;) {
        struct node *key = NULL;
        int rc = child_read(l, YAML_MAPPING_END_EVENT, &key);

        if (rc < 0)
            return rc;
        if (key == NULL)
            return mapping_check(l, mapping);
        node_append(mapping, key);
        if (key->kind != NODE_SCALAR) {
            report_add(l->report, key->mark, "a key must be a single word or text, not %s",
                node_kind_text(key));
            return GANGER_ECONF;
        }
        rc = child_read(l, YAML_NO_EVENT, &key->value);
        if (rc < 0)
            return rc;
    }
}

static int collection_read(
    struct loader *l, const yaml_event_t *event, enum node_kind kind, struct node **ret_node)
{
    struct node *n;
    int rc;

    if (l->depth == CONF_DEPTH_MAX) {
        report_add(l->report, mark_of(&event->start_mark),
            "nested too deeply: at most %u levels are read", CONF_DEPTH_MAX);
        return GANGER_ECONF;
    }
    n = node_new(event, kind);
    if (n == NULL)
        return GANGER_ENOMEM;
    l->depth++;
    rc = kind == NODE_SEQUENCE ? sequence_fill(l, n) : mapping_fill(l, n);
    l->depth--;
    if (rc < 0) {
        tree_free(n);
        return rc;
    }
    *ret_node = n;
    return 0;
}

static int node_read(struct loader *l, const yaml_event_t *event, struct node **ret_node)
{
    int rc;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return scalar_read(l, event, ret_node);
    case YAML_SEQUENCE_START_EVENT:
        rc = check_plain_node(
            l, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        return rc < 0 ? rc : collection_read(l, event, NODE_SEQUENCE, ret_node);
    case YAML_MAPPING_START_EVENT:
        rc = check_plain_node(
            l, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return rc < 0 ? rc : collection_read(l, event, NODE_MAPPING, ret_node);
    case YAML_ALIAS_EVENT:
        return refuse(l, event, "aliases (*name) are not supported; write the value out");
    default:
        return refuse(l, event, "not valid YAML here");
    }
}

/* Pass the events that start the stream and its document. *ret_empty: there is no document. */
static int stream_start(struct loader *l, bool *ret_empty)
{
    yaml_event_t event;
    int rc = next_event(l, &event);

    if (rc < 0)
        return rc;
    yaml_event_delete(&event);
    rc = next_event(l, &event);
    if (rc < 0)
        return rc;
    *ret_empty = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
    return 0;
}

/* Pass the document's end; nothing but the end of the stream may follow. */
static int stream_end(struct loader *l)
{
    yaml_event_t event;
    int rc = next_event(l, &event);

    if (rc < 0)
        return rc;
    yaml_event_delete(&event);
    rc = next_event(l, &event);
    if (rc < 0)
        return rc;
    if (event.type != YAML_STREAM_END_EVENT)
        rc = refuse(l, &event, "a second document: one file holds one configuration");
    yaml_event_delete(&event);
    return rc;
}

static int document_read(struct loader *l, struct node **ret_root)
{
    struct node *root = NULL;
    bool empty = false;
    int rc = stream_start(l, &empty);

    if (rc < 0 || empty) {
        *ret_root = NULL;
        return rc;
    }
    rc = child_read(l, YAML_NO_EVENT, &root);
    if (rc < 0)
        return rc;
    rc = stream_end(l);
    if (rc < 0) {
        tree_free(root);
        return rc;
    }
    *ret_root = root;
    return 0;
}

int tree_read(const char *text, size_t bytes, struct report *report, struct node **ret_root)
{
    struct loader l = { .report = report, .text = text, .text_bytes = bytes };
    int rc;

    if (yaml_parser_initialize(&l.parser) == 0)
        return GANGER_ENOMEM;
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, bytes);
    rc = document_read(&l, ret_root);
    yaml_parser_delete(&l.parser);
    return rc;
}

void tree_free(struct node *node)
{
    struct node *child;

    if (node == NULL)
        return;
    while ((child = node->first) != NULL) {
        node->first = child->next;
        tree_free(child);
    }
    tree_free(node->value);
    free(node->text);
    free(node);
}

const struct node *tree_find(
    const struct node *mapping, const char *key, const struct node **ret_key)
{
    size_t bytes = strlen(key);

    for (const struct node *n = mapping->first; n != NULL; n = n->next) {
        if (n->bytes == bytes && memcmp(n->text, key, bytes) == 0) {
            if (ret_key != NULL)
                *ret_key = n;
            return n->value;
        }
    }
    return NULL;
}

bool node_is_null(const struct node *node)
{
    static const char *const words[] = { "", "~", "null", "Null", "NULL" };

    if (node->kind != NODE_SCALAR || !node->plain)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(node->text, words[i]) == 0)
            return true;
    }
    return false;
}

const char *node_kind_text(const struct node *node)
{
    if (node->kind == NODE_MAPPING)
        return "a mapping";
    if (node->kind == NODE_SEQUENCE)
        return "a list";
    return node_is_null(node) ? "nothing" : "a single value";
}
