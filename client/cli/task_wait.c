#include "bar.h"
#include "cli.h"
#include "signals.h"
#include "times.h"

/* After a cancel: how long to wait for the task to end. */
#define CANCEL_MS 3000

static void progress_draw(const struct ganger_future *f)
{
    struct ganger_progress p;

    ganger_future_progress(f, &p);
    if (p.count != 0)
        bar_draw(p.done, p.total, false, p.text);
}

/* Wait until the end or UNTIL_MS; comes back earlier only with GANGER_EINTR or another error. */
static int wait_until(struct cli *cli, struct ganger_future *f, int64_t until_ms)
{
    for (;;) {
        int64_t left = until_ms == INT64_MAX ? GANGER_FOREVER : until_ms - clock_ms();
        int64_t slice = bar_is_on() && left > BAR_MS ? BAR_MS : left;
        int rc = ganger_future_wait(f, slice);

        if (rc == GANGER_EINTR && signals_caught() == 0)
            continue;
        if (rc != GANGER_ETIMEDOUT || (until_ms != INT64_MAX && clock_ms() >= until_ms))
            return rc;
        if (!cli->quiet)
            progress_draw(f);
    }
}

int task_wait(struct cli *cli, struct ganger_future *f)
{
    int rc = signals_caught() != 0 ? GANGER_EINTR : wait_until(cli, f, cli->deadline_ms);

    bar_hide();
    if ((rc != GANGER_EINTR && rc != GANGER_ETIMEDOUT) || cli->keep)
        return rc;
    if (rc == GANGER_EINTR && !cli->quiet)
        say("interrupted: the task is being cancelled (once more to leave at once)");
    if (ganger_future_cancel(f) == 0)
        (void)wait_until(cli, f, clock_ms() + CANCEL_MS);
    return rc;
}
