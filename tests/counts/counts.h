/* What shim_counts.c counts, in a file that all processes map. */
#ifndef COUNTS_COUNTS_H
#define COUNTS_COUNTS_H

#include <stdatomic.h>

#define COUNTS_ENV   "GANGER_COUNTS" /* path of the file, sizeof(struct counts) bytes of zeros */
#define COUNTS_ROLES 3u

struct counts_role {
    atomic_ullong allocations; /* calls of malloc and its relatives */
    atomic_ullong file_bytes;  /* written by pwrite and pwritev */
};

struct counts {
    struct counts_role role[COUNTS_ROLES];
};

/* The program that plays each role. The agent is at rest while its children work. */
static const char *const counts_programs[COUNTS_ROLES] = { "gangerd", "ganger-worker",
    "ganger-counts" };
static const char *const counts_roles[COUNTS_ROLES] = { "gangerd", "child", "client" };

#endif
