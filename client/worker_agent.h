/* The agent's loop. */
#ifndef CLIENT_WORKER_AGENT_H
#define CLIENT_WORKER_AGENT_H

#include "client/include/ganger/worker.h"

/*
 * Serve the coordinator on FD, whose HELLO is yet to be sent and awaited, until it closes the link
 * or SIGTERM comes; then kill the children. Returns as ganger_worker_run() does. FD stays open.
 */
int agent_serve(const struct ganger_worker_config *config, int fd, char *err, size_t err_bytes);

#endif
