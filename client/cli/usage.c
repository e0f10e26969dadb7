#include "cli.h"

#include <stdio.h>
#include <string.h>

static void rows_print(unsigned groups, const char *heading)
{
    size_t count;
    const struct option_row *rows = options_rows(&count);
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        const struct option_row *row = &rows[i];
        char left[64];

        if ((row->groups & groups) == 0)
            continue;
        if (!any)
            printf("\n%s:\n", heading);
        any = true;
        (void)snprintf(left, sizeof left, "  %c%c%s--%s%s%s", row->letter == 0 ? ' ' : '-',
            row->letter == 0 ? ' ' : row->letter, row->letter == 0 ? "  " : ", ", row->name,
            row->arg == NULL ? "" : " ", row->arg == NULL ? "" : row->arg);
        printf("%-28s %s\n", left, row->help);
    }
}

void usage_print(const struct command *commands, size_t count)
{
    printf("Usage: ganger [OPTION...] COMMAND [ARG...]\n"
           "Hand tasks to gangerd, wait for them, and look after it.\n\nCommands:\n");
    for (size_t i = 0; i < count; i++)
        printf("  %-12s %s\n", commands[i].name, commands[i].summary);
    rows_print(GROUP_GLOBAL, "Options of every command");
    printf("\n`ganger COMMAND --help` says more; ganger(1) says all.\n");
}

void usage_command(const struct command *command)
{
    printf("Usage: ganger %s %s\n%s.\n", command->name, command->synopsis, command->summary);
    if (command->text != NULL)
        printf("\n%s\n", command->text);
    rows_print(command->groups & ~(unsigned)(GROUP_TASK), "Options");
    rows_print(command->groups & GROUP_TASK, "Options of a task (the pool's defaults hold)");
    rows_print(GROUP_GLOBAL, "Options of every command");
}

#define WORD_MAX 32u

/* How many single changes make A into B. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1], len = strlen(b);

    if (len > WORD_MAX || strlen(a) > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t corner = row[0];

        row[0] = i + 1;
        for (size_t j = 1; j <= len; j++) {
            size_t best = corner + (a[i] != b[j - 1]);

            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[len];
}

const struct command *usage_nearest(const struct command *commands, size_t count, const char *word)
{
    const struct command *nearest = NULL;
    size_t best = 3;

    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, commands[i].name);

        if (d < best) {
            best = d;
            nearest = &commands[i];
        }
    }
    return nearest;
}
