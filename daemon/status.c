/* What a service manager is told (sd_notify), and what it gives us. */
#include "conf/log.h"
#include "gangerd.h"

#include <systemd/sd-daemon.h>
#include <time.h>

void status_ready(const struct gangerd *d)
{
    (void)sd_notify(0, "READY=1");
    status_line(d);
}

void status_reloading(void)
{
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_now_us());
}

void status_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1\nSTATUS=stopping: running tasks may end");
}

void status_line(const struct gangerd *d)
{
    struct engine_stats s;

    engine_stats(d->engine, &s);
    (void)sd_notifyf(0, "STATUS=%llu tasks waiting, %llu running, %u connections",
        (unsigned long long)s.waiting, (unsigned long long)s.running, net_sessions(d->net));
}

uint64_t status_watchdog_ms(void)
{
    uint64_t us = 0;

    return sd_watchdog_enabled(0, &us) > 0 ? us / 2000 : 0;
}

void status_alive(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

int status_socket(void)
{
    int count = sd_listen_fds(1);

    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; fd++) {
        if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0)
            return fd;
        log_event(LOG_WARNING, "socket-ignored", "fd=%d reason=%s", fd,
            "not a listening Unix stream socket");
    }
    return -1;
}
