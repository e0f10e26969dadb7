/*
 * A private gangerd with the default configuration and the pools that a measurement needs.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <sys/types.h>

struct ganger;

struct server_place {
    const char *build; /* the folder of the build */
    const char *dir;   /* for sockets, journals and logs */
};

struct server {
    const struct server_place *place;
    char dir[512]; /* its own, under the place's; removed by server_stop() */
    char socket[600];
    pid_t pid;
    struct ganger *g; /* a connection of the benchmark's; NULL while it does not run */
};

/*
 * Start a gangerd called NAME with POOLS, the lines of YAML below "pools:", each "%s" in them being
 * the folder of the build's tests. Returns the seconds until it answered a ping. It inherits the
 * CPUs of the caller. PLACE stays the caller's and must outlive S.
 */
double server_start(
    struct server *s, const struct server_place *place, const char *name, const char *pools);

/* End it as an administrator does, and start it again on the same journal. */
void server_halt(struct server *s);
double server_resume(struct server *s);

/* End it and remove all it left. */
void server_stop(struct server *s);

#endif
