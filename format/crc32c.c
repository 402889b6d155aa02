/* crc32c.c -- CRC-32C by the SSE4.2 instruction, or by table.
 *
 * The instruction takes three cycles and a new one can start each cycle, so three
 * stripes side by side run three times as fast as one. The remainders of the first two
 * are then moved over the bytes behind them: n bytes further means multiplied by x^(8n)
 * modulo the polynomial. A carry-less product leaves a factor of x too little, and the
 * instruction itself reduces what it reads, multiplied by x^32: so the constant is
 * x^(8n - 33). */
#include <pthread.h>
#include <string.h>

#include <sluice/crc32c.h>

enum { POLY = 0x82f63b78 }; /* 0x1EDC6F41, bits reversed: x^31 is the lowest bit */

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t times_x(uint32_t c)
{
    return c & 1 ? c >> 1 ^ (uint32_t)POLY : c >> 1;
}

static uint32_t by_table(uint32_t c, const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        c = c >> 8 ^ table[(c ^ p[i]) & 255];
    return c;
}

static uint32_t (*compute)(uint32_t c, const uint8_t *p, size_t size);

#if defined(__x86_64__)
#include <immintrin.h>

enum { STRIPES = 3 };
static const size_t stripe_bytes[STRIPES] = { 4096, 1024, 128 };
static uint32_t move_one[STRIPES], move_two[STRIPES]; /* over one stripe, over two */

static uint32_t power_of_x(size_t exponent)
{
    uint32_t c = 1u << 31; /* x^0 */
    while (exponent--)
        c = times_x(c);
    return c;
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t moved(uint64_t crc,
                                                               uint32_t by)
{
    const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc),
                                                 _mm_cvtsi32_si128((int)by), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t size)
{
    uint64_t c = crc, u, v, w;
    for (int i = 0; i < STRIPES; i++) {
        const size_t stripe = stripe_bytes[i];
        for (; size >= 3 * stripe; size -= 3 * stripe, p += 3 * stripe) {
            uint64_t c1 = 0, c2 = 0;
            for (size_t at = 0; at < stripe; at += 8) {
                memcpy(&u, p + at, 8);
                memcpy(&v, p + stripe + at, 8);
                memcpy(&w, p + 2 * stripe + at, 8);
                c = _mm_crc32_u64(c, u);
                c1 = _mm_crc32_u64(c1, v);
                c2 = _mm_crc32_u64(c2, w);
            }
            c = moved(c, move_two[i]) ^ moved(c1, move_one[i]) ^ c2;
        }
    }
    for (; size >= 8; size -= 8, p += 8) {
        memcpy(&u, p, 8);
        c = _mm_crc32_u64(c, u);
    }
    for (; size; size--, p++)
        c = _mm_crc32_u8((uint32_t)c, *p);
    return (uint32_t)c;
}

static void prepare_stripes(void)
{
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul"))
        return;
    for (int i = 0; i < STRIPES; i++) {
        move_one[i] = power_of_x(8 * stripe_bytes[i] - 33);
        move_two[i] = power_of_x(16 * stripe_bytes[i] - 33);
    }
    compute = by_instruction;
}
#else
static void prepare_stripes(void)
{
}
#endif

static void prepare(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++)
            table[i] = times_x(table[i]);
    }
    compute = by_table;
    prepare_stripes();
}

uint32_t sluice_crc32c(uint32_t crc, const void *data, size_t size)
{
    pthread_once(&once, prepare);
    return ~compute(~crc, data, size);
}
