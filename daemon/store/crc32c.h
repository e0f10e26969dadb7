/*
 * CRC-32C (Castagnoli), as in iSCSI and ext4. Private to this folder.
 */
#ifndef STORE_CRC32C_H
#define STORE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The sum of BYTES bytes at DATA, going on from CRC (0 at the start). Uses the processor's
 * instruction where there is one. Any thread.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);

/* The same sum by table, on any processor; what crc32c() falls back to. Any thread. */
uint32_t crc32c_table(uint32_t crc, const void *data, size_t bytes);

/* Does crc32c() use an instruction of the processor? */
bool crc32c_is_fast(void);

#endif
