/*
 * The plain text files below some directories.
 */
#ifndef EXAMPLE_FILES_H
#define EXAMPLE_FILES_H

#include <stddef.h>
#include <stdint.h>

struct files {
    char **paths; /* sorted */
    size_t count;
    uint64_t bytes; /* of all together */
};

/*
 * List the COUNT directories ROOTS. Each file stands there once, by whatever links it is reached;
 * links to directories are not followed. Left out is what cannot be read, is empty, is compressed
 * or holds control characters in its first 8 KiB. A directory that does not exist counts as
 * empty. Returns 0 or a negative errno. End with files_done().
 */
int files_list(const char *const *roots, size_t count, struct files *ret_files);

void files_done(struct files *files);

#endif
