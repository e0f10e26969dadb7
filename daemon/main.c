/* gangerd: reads its command line and configuration, opens all parts, runs until told to stop. */
#include "conf/log.h"
#include "gangerd.h"
#include "proto/err.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MMAP_FROM_BYTES   (32 * 1024 * 1024)
#define MEMORY_KEPT_BYTES (64 * 1024 * 1024)

static void errors_print(struct conf_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        (void)fprintf(stderr, "%s\n", errors->text[i]);
    if (errors->dropped > 0)
        (void)fprintf(stderr, "and %zu more\n", errors->dropped);
    conf_errors_done(errors);
}

static int configure(const struct options *options, struct conf **ret_conf)
{
    struct conf_errors errors = { 0 };
    struct conf *conf = NULL;
    char err[256] = "";
    int rc = options->config != NULL ? conf_load(options->config, &errors, &conf)
                                     : conf_defaults(&conf);

    if (rc == 0)
        rc = options_apply(options, conf, err, sizeof err);
    if (rc < 0 && errors.count == 0)
        (void)fprintf(stderr, "gangerd: %s\n", err[0] != '\0' ? err : error_text(rc));
    errors_print(&errors);
    if (rc < 0) {
        conf_free(conf);
        return rc;
    }
    *ret_conf = conf;
    return 0;
}

static bool pid_write(const char *path)
{
    char text[32];
    int fd, len;
    bool done;

    if (path == NULL)
        return true;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return false;
    len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    done = write(fd, text, (size_t)len) == (ssize_t)len;
    (void)close(fd);
    return done;
}

static int serve(struct gangerd *d)
{
    char err[512] = "";
    int status = setup_open(d, err, sizeof err);

    if (status == EXIT_CLEAN && !pid_write(d->options.pid_file)) {
        (void)snprintf(err, sizeof err, "%s: %s", d->options.pid_file, strerror(errno));
        status = EXIT_CONFIG;
    }
    if (status != EXIT_CLEAN) {
        log_event(LOG_ERR, "start-failed", "error=%s", err);
        return status;
    }
    log_event(LOG_NOTICE, "serving", "version=%s socket=%s journal=%s epoch=%u pools=%zu",
        GANGER_VERSION, d->conf->socket.path,
        d->conf->journal.memory ? "memory" : d->conf->journal.dir, engine_epoch(d->engine),
        d->conf->pool_count);
    status_ready(d);
    helm_run(d);
    stop_end(d);
    if (d->options.pid_file != NULL)
        (void)unlink(d->options.pid_file);
    return EXIT_CLEAN;
}

static int run(const struct options *options)
{
    struct gangerd *d = calloc(1, sizeof *d);
    int status;

    if (d == NULL)
        return EXIT_INTERNAL;
    d->options = *options;
    d->clock_fd = -1;
    status = EXIT_CONFIG;
    if (configure(options, &d->conf) < 0)
        goto free_daemon;
    if (options->check) {
        (void)puts("ok");
        status = EXIT_CLEAN;
        goto free_conf;
    }
    log_open(STDERR_FILENO, d->conf->log.format);
    log_level_set(d->conf->log.level);
    status = serve(d);
    setup_close(d);
    log_flush();

free_conf:
    conf_free(d->conf);
free_daemon:
    free(d);
    return status;
}

/* Started without one of the standard descriptors: else the journal would take its number. */
static void standard_open(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

/*
 * Large bodies come and go, one after the other. Memory that is given back to the system each time
 * has to be faulted in anew, page by page, which costs more than all that is done with it; so
 * this much is kept.
 */
static void memory_keep(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT_BYTES);
}

int main(int argc, char **argv)
{
    struct options options;
    char err[256] = "";

    memory_keep();
    standard_open();
    if (options_parse(argc, argv, &options, err, sizeof err) < 0) {
        (void)fprintf(stderr, "gangerd: %s\nTry gangerd --help.\n", err);
        return EXIT_CONFIG;
    }
    if (options.help) {
        (void)fputs(options_help(), stdout);
        return EXIT_CLEAN;
    }
    if (options.version) {
        (void)puts("gangerd " GANGER_VERSION);
        return EXIT_CLEAN;
    }
    return run(&options);
}
