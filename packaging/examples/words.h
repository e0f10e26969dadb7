/*
 * Words of text files: how many there are, and how often each comes.
 *
 * A word is what wc(1) takes for one in the C locale: bytes without white space between, at least
 * one of them printable ASCII. In the table stand those that are made of ASCII letters, with ' and
 * - inside, once the punctuation around them is gone, in lower case.
 */
#ifndef EXAMPLE_WORDS_H
#define EXAMPLE_WORDS_H

#include <stddef.h>
#include <stdint.h>

#define WORD_MAX 40u /* longer ones are counted but not in the table */

struct word {
    char text[WORD_MAX + 1]; /* "" = free place */
    uint64_t times;
};

/* All zero is a good start. */
struct words {
    struct word *places; /* a hash table; CAPACITY is a power of two, or 0 */
    size_t capacity, distinct;
    uint64_t total; /* words in all */
};

/* Count what the file PATH holds. Returns 0 or a negative errno; WORDS may then hold a part. */
int words_scan(struct words *words, const char *path);

/* Add a word of the table TIMES times; TOTAL stays. Returns 0, -EINVAL (length), or -ENOMEM. */
int words_add(struct words *words, const char *text, size_t len, uint64_t times);

/* How often TEXT came; 0 if it is not there. */
uint64_t words_times(const struct words *words, const char *text);

/* The COUNT most frequent words, most frequent first, into RET_TOP; returns how many there are. */
size_t words_top(const struct words *words, const struct word **ret_top, size_t count);

/* Free the table; WORDS is all zero afterwards. */
void words_done(struct words *words);

#endif
