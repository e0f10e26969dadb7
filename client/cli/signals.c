#include "signals.h"

#include "cli.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t caught;
static struct ganger *volatile handle;

static void on_signal(int number)
{
    if (caught != 0)
        _exit(STATUS_SIGNAL + number);
    caught = number;
    if (handle != NULL)
        ganger_interrupt(handle);
}

void signals_start(struct ganger *g)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = on_signal }, old;

    handle = g;
    (void)sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        /* What a parent has it ignore (nohup, a background job) stays ignored. */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            (void)sigaction(numbers[i], &action, NULL);
    }
}

void signals_end(void)
{
    handle = NULL;
}

int signals_caught(void)
{
    return caught;
}
