/*
 * ganger-bench --build BUILD --dir DIR [--peers RUN] [--quick] [--only NAME] [--json FILE]
 *
 * Measures Ganger, the floor of this machine and, with --peers, other queues, in turn, and prints
 * medians of five, least and most. Absolute figures are those of one machine at one time; only
 * ratios within one run mean something elsewhere. tests/bench/run prepares all that it needs.
 */
#include "tests/bench/report.h"
#include "tests/bench/sample.h"
#include "tests/bench/stage.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

struct wanted {
    struct bench bench;
    const char *only; /* a stage or a figure; NULL: all */
    const char *json;
};

static void usage(void)
{
    sample_fail("usage", "ganger-bench --build BUILD --dir DIR [--peers RUN] [--quick] "
                         "[--only NAME] [--json FILE]");
}

static void options_take(struct wanted *w, int argc, char **argv)
{
    static const struct option options[] = {
        { "build", required_argument, NULL, 'b' },
        { "dir", required_argument, NULL, 'd' },
        { "peers", required_argument, NULL, 'p' },
        { "quick", no_argument, NULL, 'q' },
        { "only", required_argument, NULL, 'o' },
        { "json", required_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'b')
            w->bench.place.build = optarg;
        else if (c == 'd')
            w->bench.place.dir = w->bench.peers.dir = optarg;
        else if (c == 'p')
            w->bench.peers.run = optarg;
        else if (c == 'q')
            w->bench.quick = true;
        else if (c == 'o')
            w->only = optarg;
        else if (c == 'j')
            w->json = optarg;
        else
            usage();
    }
    if (optind != argc || w->bench.place.build == NULL || w->bench.place.dir == NULL)
        usage();
    w->bench.peers.scale = w->bench.quick ? "0.1" : "0.5";
}

int main(int argc, char **argv)
{
    struct wanted w = { 0 };
    bool any = false;

    options_take(&w, argc, argv);
    if (w.bench.quick)
        (void)printf("Small loads: a look, not a result.\n");
    for (const struct stage *s = stages; s->name != NULL; s++) {
        if (w.only != NULL && strcmp(w.only, s->name) != 0 && !report_figure_is_of(w.only, s->name))
            continue;
        any = true;
        s->run(&w.bench);
        report_print_new();
    }
    if (!any)
        sample_fail(w.only, "no stage and no figure has that name");
    report_print_figures();
    if (w.json != NULL)
        report_write_json(w.json, w.bench.quick);
    return 0;
}
