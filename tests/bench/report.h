/*
 * What was measured, and what is made of it: absolute figures, and ratios with their marks.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>

/* One measurement of the series KEY, which must be in the table of report.c. */
void report_note(const char *key, double value);

/* One measurement of a peer: the series "PEER_WORK". */
void report_note_peer(const char *peer, const char *work, double value);

/* Print the series that came since the last call. */
void report_print_new(void);

/* Print each figure that can be told, its mark, and whether it is reached. */
void report_print_figures(void);

/* Is there a figure of that name, which belongs to the stage STAGE? */
bool report_figure_is_of(const char *figure, const char *stage);

/* All as JSON: "figures" and "measured". QUICK: the loads were small. */
void report_write_json(const char *path, bool quick);

#endif
