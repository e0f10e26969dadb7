/* The word that somebody may have meant. */
#ifndef CONF_SUGGEST_H
#define CONF_SUGGEST_H

#include <stddef.h>

#define SUGGEST_WORD_MAX 64u /* longer words are compared with nothing */

/*
 * How many insertions, deletions, changes and swaps of neighbours turn A into B, where no part is
 * edited twice. Words of SUGGEST_WORD_MAX bytes and more count as SUGGEST_WORD_MAX apart.
 */
size_t suggest_distance(const char *a, const char *b);

/* Is a word at DISTANCE near enough to WORD to be suggested for it? */
int suggest_near(const char *word, size_t distance);

#endif
