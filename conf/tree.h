/*
 * A YAML text as a tree of nodes that know where they stand.
 *
 * Anchors, aliases, tags and several documents are refused, so a tree is never larger than its
 * text allows, and keys are scalars that occur once in their mapping.
 */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include "conf/report.h"

#include <stdbool.h>
#include <stddef.h>

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct node {
    enum node_kind kind;
    bool plain; /* scalar: written without quotes, so its form says its type */
    struct mark mark;
    char *text;         /* scalar: NUL-terminated, may hold further NULs; else NULL */
    size_t bytes;       /* of text */
    struct node *first; /* sequence: items; mapping: keys */
    struct node *last;
    struct node *next;  /* in the sequence or mapping that holds this node */
    struct node *value; /* of a key of a mapping */
    size_t count;       /* items or keys */
    bool twice;         /* a key that stood before in its mapping; only while that is read */
};

/*
 * Read TEXT. *ret_root is NULL for a text that says nothing. GANGER_ECONF: the text is not YAML
 * or more than we take; REPORT says where and why. GANGER_ENOMEM. A key that occurs twice is
 * reported too, but the tree is given back without its later occurrences, so that other errors are
 * found as well.
 */
int tree_read(const char *text, size_t bytes, struct report *report, struct node **ret_root);

/* Free NODE and all below it; NULL is allowed. */
void tree_free(struct node *node);

/* The value of KEY in MAPPING (borrowed), or NULL; with ret_key also the key's node. */
const struct node *tree_find(
    const struct node *mapping, const char *key, const struct node **ret_key);

/* Does the node say nothing: no value, ~ or null? */
bool node_is_null(const struct node *node);

/* "a mapping", "a list", "nothing" or "a value": what NODE is, for messages. */
const char *node_kind_text(const struct node *node);

#endif
