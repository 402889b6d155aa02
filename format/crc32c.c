/* crc32c.c -- CRC-32C by the SSE4.2 instruction, or by
 * table. */
#include <pthread.h>
#include <string.h>

#include <sluice/crc32c.h>

enum { POLY = 0x82f63b78 }; /* 0x1EDC6F41, bits reversed */

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ (uint32_t)POLY : c >> 1;
        table[i] = c;
    }
}

static uint32_t by_table(uint32_t c, const uint8_t *p, size_t size)
{
    pthread_once(&table_once, fill_table);
    for (size_t i = 0; i < size; i++)
        c = c >> 8 ^ table[(c ^ p[i]) & 255];
    return c;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t size)
{
    uint64_t c = crc, word;
    for (; size >= 8; size -= 8, p += 8) {
        memcpy(&word, p, 8);
        c = _mm_crc32_u64(c, word);
    }
    for (; size; size--, p++)
        c = _mm_crc32_u8((uint32_t)c, *p);
    return (uint32_t)c;
}
#endif

uint32_t sluice_crc32c(uint32_t crc, const void *data, size_t size)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~by_instruction(~crc, data, size);
#endif
    return ~by_table(~crc, data, size);
}
