/* Handles: addresses, opening, closing, settings. */
#include "acting.h"
#include "handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "ganger.sock"

static const char *env(const char *name)
{
    const char *value = secure_getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

int ganger_default_address(char *buf, size_t buf_bytes)
{
    const char *value;
    int n;

    if ((value = env("GANGER_SOCKET")) != NULL)
        n = snprintf(buf, buf_bytes, "%s", value);
    else if ((value = env("RUNTIME_DIRECTORY")) != NULL)
        n = snprintf(buf, buf_bytes, "%s/" SOCKET_NAME, value);
    else if (geteuid() == 0)
        n = snprintf(buf, buf_bytes, "/run/ganger/" SOCKET_NAME);
    else if ((value = env("XDG_RUNTIME_DIR")) != NULL)
        n = snprintf(buf, buf_bytes, "%s/ganger/" SOCKET_NAME, value);
    else
        n = snprintf(buf, buf_bytes, "/tmp/ganger-%lu/" SOCKET_NAME, (unsigned long)geteuid());
    return n < 0 || (size_t)n >= buf_bytes ? GANGER_ERANGE : 0;
}

/* The path of ADDRESS, malloc'd. */
static int address_path(const char *address, char **ret_path)
{
    char buf[sizeof((struct sockaddr_un *)0)->sun_path + sizeof "unix:"];
    int rc = 0;

    if (address == NULL) {
        rc = ganger_default_address(buf, sizeof buf);
        address = buf;
    }
    if (rc < 0)
        return GANGER_EINVAL;
    if (strncmp(address, "unix:", 5) == 0)
        address += 5;
    else if (strchr(address, '/') == NULL)
        return GANGER_EINVAL;
    if (address[0] == '\0' || strlen(address) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return GANGER_EINVAL;
    *ret_path = strdup(address);
    return *ret_path == NULL ? GANGER_ENOMEM : 0;
}

static int alive_map(struct ganger *g)
{
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return GANGER_ENOMEM;
    /* Where the kernel cannot wipe it (before 4.14), a use in a forked child goes unnoticed. */
    (void)madvise(page, bytes, MADV_WIPEONFORK);
    g->alive = page;
    *g->alive = 1;
    return 0;
}

static void handle_free(struct ganger *g)
{
    maps_done(g);
    rooms_done(g);
    slots_done(g);
    pieces_done(&g->out);
    if (g->fd >= 0)
        (void)close(g->fd);
    if (g->wake_fd >= 0)
        (void)close(g->wake_fd);
    if (g->alive != NULL)
        (void)munmap((void *)(uintptr_t)g->alive, (size_t)sysconf(_SC_PAGESIZE));
    free(g->in);
    free(g->path);
    free(g);
}

static int handle_new(const char *address, struct ganger **ret_g)
{
    struct ganger *g = calloc(1, sizeof *g);
    int rc;

    if (g == NULL)
        return GANGER_ENOMEM;
    g->fd = g->wake_fd = -1;
    g->output_max = OUTPUT_DEFAULT;
    g->reconnect_ms = RECONNECT_MS;
    g->retry_wait = RETRY_FIRST_MS;
    g->server = (struct msg_hello){ .frame_max = GANGER_FRAME_MAX,
        .payload_max = GANGER_PAYLOAD_MAX,
        .name_max = GANGER_NAME_MAX,
        .batch_max = GANGER_BATCH_MAX,
        .needs_max = GANGER_NEEDS_MAX };
    rc = address_path(address, &g->path);
    if (rc < 0)
        goto free_handle;
    rc = alive_map(g);
    if (rc < 0)
        goto free_handle;
    acting_from_environment();
    g->in_cap = READ_BYTES;
    g->in = malloc(g->in_cap);
    g->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g->in == NULL || g->wake_fd < 0) {
        rc = g->in == NULL ? GANGER_ENOMEM : GANGER_EIO;
        goto free_handle;
    }
    *ret_g = g;
    return 0;

free_handle:
    handle_free(g);
    return rc;
}

int ganger_open_async(const char *address, struct ganger **ret_g)
{
    struct ganger *g;
    int rc = handle_new(address, &g);

    if (rc < 0)
        return rc;
    g->give_up_at = clock_ms() + GANGER_HANDSHAKE_MS;
    rc = link_start(g);
    if (rc < 0) {
        handle_free(g);
        return rc;
    }
    /* The time to connect the first time is no time to reconnect. */
    if (g->state == LINK_HELLO)
        g->give_up_at = 0;
    *ret_g = g;
    return 0;
}

static bool open_done(void *arg)
{
    const struct ganger *g = arg;

    return g->state == LINK_UP || g->state == LINK_DEAD;
}

int ganger_open(const char *address, struct ganger **ret_g)
{
    struct ganger *g;
    int rc = ganger_open_async(address, &g);

    if (rc < 0)
        return rc;
    rc = wait_for(g, open_done, g, GANGER_HANDSHAKE_MS + 100);
    if (rc == 0 && g->state == LINK_DEAD)
        rc = g->dead_code;
    if (rc < 0) {
        handle_free(g);
        return rc;
    }
    *ret_g = g;
    return 0;
}

void ganger_close(struct ganger *g)
{
    if (g != NULL)
        handle_free(g);
}

int ganger_server_info(const struct ganger *g, struct ganger_server_info *ret_info)
{
    const struct msg_hello *h = &g->server;

    if (!g->opened)
        return GANGER_ECONN;
    *ret_info = (struct ganger_server_info){ h->epoch, h->pid, h->version, h->frame_max,
        h->payload_max, h->name_max, h->batch_max, h->needs_max, g->server_text };
    return 0;
}

int ganger_connected(const struct ganger *g)
{
    return g->state == LINK_UP && g->fail_code == 0;
}

int ganger_set_reconnect_ms(struct ganger *g, int64_t ms)
{
    g->reconnect_ms = ms < 0 ? 0 : ms;
    return 0;
}

int ganger_set_output_bytes(struct ganger *g, size_t bytes)
{
    if (bytes < FLUSH_BYTES)
        return fail(g, GANGER_EINVAL, "an output bound below %u bytes", FLUSH_BYTES);
    g->output_max = bytes;
    return 0;
}

int ganger_set_nonblocking(struct ganger *g, int nonblocking)
{
    g->nonblocking = nonblocking != 0;
    return 0;
}

int ganger_set_spin_us(struct ganger *g, uint32_t microseconds)
{
    if (microseconds > 1000)
        return fail(g, GANGER_EINVAL, "spinning for more than 1000 microseconds");
    g->spin_us = microseconds;
    return 0;
}
