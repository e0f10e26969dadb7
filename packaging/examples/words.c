#include "words.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAPACITY_FIRST 1024u
#define READ_BYTES     65536u

/* The word that is being read. */
struct reading {
    char text[WORD_MAX + 1];
    size_t len;
    bool printable; /* it has a printable byte, so it is one */
    bool odd;       /* it has something that keeps it out of the table */
};

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t place_of(const struct words *words, const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    size_t at;

    for (const char *p = text; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    at = (size_t)(hash ^ (hash >> 32)) & (words->capacity - 1);
    while (words->places[at].text[0] != '\0' && strcmp(words->places[at].text, text) != 0)
        at = (at + 1) & (words->capacity - 1);
    return at;
}

/* Keep a third of the places free, so that a search ends soon. */
static int room_make(struct words *words)
{
    struct words grown = { 0 };

    if (words->distinct * 3 < words->capacity * 2)
        return 0;
    grown.capacity = words->capacity == 0 ? CAPACITY_FIRST : words->capacity * 2;
    grown.places = calloc(grown.capacity, sizeof grown.places[0]);
    if (grown.places == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < words->capacity; i++) {
        if (words->places[i].text[0] != '\0')
            grown.places[place_of(&grown, words->places[i].text)] = words->places[i];
    }
    free(words->places);
    words->places = grown.places;
    words->capacity = grown.capacity;
    return 0;
}

int words_add(struct words *words, const char *text, size_t len, uint64_t times)
{
    char word[WORD_MAX + 1];
    struct word *place;
    int rc;

    if (len == 0 || len > WORD_MAX || memchr(text, '\0', len) != NULL)
        return -EINVAL;
    rc = room_make(words);
    if (rc < 0)
        return rc;
    memcpy(word, text, len);
    word[len] = '\0';
    place = &words->places[place_of(words, word)];
    if (place->text[0] == '\0') {
        memcpy(place->text, word, len + 1);
        words->distinct++;
    }
    place->times += times;
    return 0;
}

static int word_end(struct words *words, struct reading *r)
{
    int rc = 0;

    while (r->len > 0 && !is_letter((unsigned char)r->text[r->len - 1]))
        r->len--;
    if (r->printable) {
        words->total++;
        for (size_t i = 0; i < r->len; i++)
            r->odd = r->odd || !(is_letter((unsigned char)r->text[i]) || r->text[i] == '\'' ||
                                   r->text[i] == '-');
        if (r->len > 0 && !r->odd)
            rc = words_add(words, r->text, r->len, 1);
    }
    memset(r, 0, sizeof *r);
    return rc;
}

static void byte_add(struct reading *r, unsigned char c)
{
    bool printable = c > 0x20 && c < 0x7f;

    r->printable = r->printable || printable;
    if (r->len == 0 && printable && !is_letter(c)) {
        r->odd = r->odd || isdigit(c);
        return;
    }
    if (!printable || isdigit(c) || r->len == WORD_MAX)
        r->odd = true;
    else
        r->text[r->len++] = (char)tolower(c);
}

int words_scan(struct words *words, const char *path)
{
    struct reading reading = { 0 };
    char buf[READ_BYTES];
    ssize_t n;
    int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return -errno;
    while (rc == 0 && (n = read(fd, buf, sizeof buf)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = -errno;
        for (ssize_t i = 0; i < n && rc == 0; i++) {
            if (is_space((unsigned char)buf[i]))
                rc = word_end(words, &reading);
            else
                byte_add(&reading, (unsigned char)buf[i]);
        }
    }
    if (rc == 0)
        rc = word_end(words, &reading);
    (void)close(fd);
    return rc;
}

uint64_t words_times(const struct words *words, const char *text)
{
    return words->capacity == 0 ? 0 : words->places[place_of(words, text)].times;
}

static bool comes_before(const struct word *a, const struct word *b)
{
    if (a->times != b->times)
        return a->times > b->times;
    return strcmp(a->text, b->text) < 0;
}

size_t words_top(const struct words *words, const struct word **ret_top, size_t count)
{
    size_t found = 0;

    for (size_t i = 0; i < words->capacity; i++) {
        const struct word *word = &words->places[i];
        size_t at = found;

        if (word->text[0] == '\0')
            continue;
        while (at > 0 && comes_before(word, ret_top[at - 1]))
            at--;
        if (at == count)
            continue;
        found += found < count;
        for (size_t j = found - 1; j > at; j--)
            ret_top[j] = ret_top[j - 1];
        ret_top[at] = word;
    }
    return found;
}

void words_done(struct words *words)
{
    free(words->places);
    memset(words, 0, sizeof *words);
}
