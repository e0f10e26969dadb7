/*
 * The floor of whoever promises to have stored something: a file of the size of a journal segment,
 * filled with zeros and synced before, is overwritten record by record, each group synced.
 */
#ifndef BENCH_DISK_H
#define BENCH_DISK_H

#define DISK_RECORD     128u /* bytes */
#define DISK_GROUPS_MAX 4096u

struct disk; /* owned by whoever opened it */

/* Make the file in DIR. Never NULL; fails the program. */
struct disk *disk_open(const char *dir);

/* Median of writing and syncing one record, microseconds. */
double disk_sync_us(struct disk *d, unsigned rounds);

/* Records a second, GROUP (1..DISK_GROUPS_MAX) of them in one write and one sync. */
double disk_group_rate(struct disk *d, unsigned group, unsigned syncs);

/* Remove the file. */
void disk_close(struct disk *d);

/*
 * Seconds for reading every file in DIR once, from the page cache, and summing it as the journal
 * does; what lies behind the last byte that is not zero is left out. *ret_bytes: how many there
 * were.
 */
double disk_reread_s(const char *dir, double *ret_bytes);

#endif
