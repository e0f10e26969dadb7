#include "store/crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define POLYNOMIAL 0x82f63b78u /* bits reversed */

/* Four bits at a time: 64 bytes of table are enough for a path that is hardly ever taken. */
static uint32_t nibble_sum(uint32_t nibble)
{
    for (int i = 0; i < 4; i++)
        nibble = (nibble >> 1) ^ ((nibble & 1u) != 0 ? POLYNOMIAL : 0u);
    return nibble;
}

uint32_t crc32c_table(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint32_t table[16];

    for (uint32_t i = 0; i < 16; i++)
        table[i] = nibble_sum(i);
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= p[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(
    uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint64_t sum = ~crc;

    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, sizeof word);
        sum = _mm_crc32_u64(sum, word);
    }
    for (; bytes > 0; bytes--, p++)
        sum = _mm_crc32_u8((uint32_t)sum, *p);
    return ~(uint32_t)sum;
}

bool crc32c_is_fast(void)
{
    return __builtin_cpu_supports("sse4.2") != 0;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
    return crc32c_is_fast() ? crc32c_sse42(crc, data, bytes) : crc32c_table(crc, data, bytes);
}

#else

bool crc32c_is_fast(void)
{
    return false;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
    return crc32c_table(crc, data, bytes);
}

#endif
