#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES 8192u

struct entry {
    char *path;
    dev_t device;
    ino_t inode;
    off_t bytes;
};

struct entries {
    struct entry *at;
    size_t count, room;
};

/* A compressed file begins with control characters too; so does no text. */
static bool is_text(const unsigned char *head, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (head[i] == 0x7f || (head[i] < 0x20 && (head[i] < '\b' || head[i] > '\r')))
            return false;
    }
    return len > 0;
}

static bool file_is_text(const char *path)
{
    unsigned char head[HEAD_BYTES];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return false;
    n = read(fd, head, sizeof head);
    (void)close(fd);
    return n > 0 && is_text(head, (size_t)n);
}

static int entry_add(struct entries *entries, const char *path)
{
    struct stat st;
    struct entry *grown;
    char *real;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !file_is_text(path))
        return 0;
    if (entries->count == entries->room) {
        entries->room = entries->room == 0 ? 1024 : entries->room * 2;
        grown = realloc(entries->at, entries->room * sizeof *grown);
        if (grown == NULL)
            return -ENOMEM;
        entries->at = grown;
    }
    real = realpath(path, NULL);
    if (real == NULL)
        return errno == ENOMEM ? -ENOMEM : 0;
    entries->at[entries->count++] = (struct entry){ real, st.st_dev, st.st_ino, st.st_size };
    return 0;
}

static int walk(struct entries *entries, const char *root)
{
    char *roots[] = { strdup(root), NULL };
    FTS *fts = roots[0] == NULL ? NULL : fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *found;
    int rc = fts == NULL ? -ENOMEM : 0;

    while (rc == 0 && (found = fts_read(fts)) != NULL) {
        if (found->fts_info == FTS_F || found->fts_info == FTS_SL)
            rc = entry_add(entries, found->fts_accpath);
    }
    if (fts != NULL)
        (void)fts_close(fts);
    free(roots[0]);
    return rc;
}

static int by_identity(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    if (a->inode != b->inode)
        return a->inode < b->inode ? -1 : 1;
    return strcmp(a->path, b->path);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Move the paths out of ENTRIES, one for each file. */
static int take(struct entries *entries, struct files *files)
{
    const struct entry *before = NULL;

    files->paths = calloc(entries->count + 1, sizeof files->paths[0]);
    if (files->paths == NULL)
        return -ENOMEM;
    if (entries->count > 0)
        qsort(entries->at, entries->count, sizeof entries->at[0], by_identity);
    for (size_t i = 0; i < entries->count; i++) {
        struct entry *e = &entries->at[i];

        if (before != NULL && before->device == e->device && before->inode == e->inode)
            continue;
        before = e;
        files->paths[files->count++] = e->path;
        files->bytes += (uint64_t)e->bytes;
        e->path = NULL;
    }
    qsort(files->paths, files->count, sizeof files->paths[0], by_name);
    return 0;
}

int files_list(const char *const *roots, size_t count, struct files *ret_files)
{
    struct entries entries = { 0 };
    struct files files = { 0 };
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = walk(&entries, roots[i]);
    if (rc == 0)
        rc = take(&entries, &files);
    for (size_t i = 0; i < entries.count; i++)
        free(entries.at[i].path);
    free(entries.at);
    if (rc == 0)
        *ret_files = files;
    return rc;
}

void files_done(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->paths[i]);
    free(files->paths);
    memset(files, 0, sizeof *files);
}
