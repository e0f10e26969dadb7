/*
 * The file of a Unix socket: made with its directory, mode and group, replaced when it is a left
 * over, removed when it is ours.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "conf/conf.h"

#include <stddef.h>
#include <sys/types.h>

/* The file that was made, so that only that one is removed. */
struct address {
    char path[CONF_SOCKET_MAX + 1]; /* "": none */
    dev_t device;
    ino_t inode;
};

/* Make a listening socket at SOCKET. See net_listen() for errors; ERR gets the text. */
int address_listen(const struct conf_socket *socket, char *err, size_t err_bytes,
    struct address *ret_address, int *ret_fd);

/* Remove the file if it is still the one that was made. */
void address_remove(struct address *address);

#endif
