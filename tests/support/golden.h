/*
 * The golden vectors of tests/golden/messages.txt: messages and values, byte by byte.
 * A header of static functions, for the test programs that need them.
 */
#ifndef SUPPORT_GOLDEN_H
#define SUPPORT_GOLDEN_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_LINE_MAX 4096
#define GOLDEN_MAX      64

struct golden {
    char name[64];
    char text[GOLDEN_LINE_MAX]; /* the whole line, as it is repeated in PROTOCOL.md */
    uint8_t bytes[GOLDEN_LINE_MAX / 2];
    size_t len;
};

/* Path of a file of the source tree, named from its root. The caller frees it. */
static inline char *source_path(const char *name)
{
    static const char here[] = __FILE__;
    static const char mine[] = "tests/support/golden.h";
    size_t root = sizeof here - sizeof mine;
    char *path = malloc(root + strlen(name) + 1);

    if (path == NULL)
        abort();
    memcpy(path, here, root);
    memcpy(path + root, name, strlen(name) + 1);
    return path;
}

static inline int golden_parse(const char *line, struct golden *ret)
{
    char hex[GOLDEN_LINE_MAX];

    memset(ret, 0, sizeof *ret);
    (void)snprintf(ret->text, sizeof ret->text, "%s", line);
    ret->text[strcspn(ret->text, "\n")] = '\0';
    if (line[0] == '#' || sscanf(line, "%63s %4095s", ret->name, hex) != 2)
        return -1;
    for (const char *p = hex; p[0] != '\0' && p[1] != '\0'; p += 2) {
        unsigned byte = 0;

        if (sscanf(p, "%2x", &byte) != 1)
            return -1;
        ret->bytes[ret->len++] = (uint8_t)byte;
    }
    return 0;
}

/* Read all vectors into V, which has room for GOLDEN_MAX; returns how many there are. */
static inline size_t golden_load(struct golden *v)
{
    char *path = source_path("tests/golden/messages.txt");
    FILE *file = fopen(path, "r");
    char line[GOLDEN_LINE_MAX];
    size_t n = 0;

    if (file == NULL) {
        perror(path);
        abort();
    }
    while (n < GOLDEN_MAX && fgets(line, sizeof line, file) != NULL) {
        if (golden_parse(line, &v[n]) == 0)
            n++;
    }
    (void)fclose(file);
    free(path);
    return n;
}

#endif
