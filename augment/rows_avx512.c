/* rows_avx512.c -- see rows_avx512.h. A row lies in two registers; one instruction
 * (vpermi2b) takes any 64 of its 128 bytes, so flips, shifts and reflections cost the
 * same: two instructions a row. */
#include <string.h>

#include "rows_avx512.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

bool sluice_avx512_supports(const struct chain *c)
{
    return c->width * c->channels <= AVX512_ROW_MAX && !c->planar &&
           (c->type == CHAIN_F32 || c->type == CHAIN_BF16) &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}

void sluice_avx512_prepare(struct avx512_rows *r, const struct chain *c,
                           const uint16_t *source, int first, int last,
                           const uint8_t *colour)
{
    const int bytes = c->width * c->channels;
    r->filled[0] = r->filled[1] = 0;
    for (int x = 0, i = 0; x < c->width; x++)
        for (int k = 0; k < c->channels; k++, i++) {
            r->index[i] = (uint8_t)source[i];
            r->scale[i] = c->scale[k];
            r->shift[i] = c->shift[k];
            r->filler[i] = colour ? colour[k] : 0;
            if (x < first || x >= last)
                r->filled[i / 64] |= (uint64_t)1 << i % 64;
        }
    memset(r->index + bytes, 0, (size_t)(AVX512_ROW_MAX - bytes));
}

/* Sixteen elements from byte `at` of the row in v, `count` of which exist. */
AVX512 static inline void store16(const struct avx512_rows *r, const struct chain *c,
                                  __m128i v, int at, int count, size_t to, void *out)
{
    const __mmask16 live = count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1u);
    const __m512 pixels = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(v));
    const __m512 f = _mm512_add_ps(_mm512_mul_ps(pixels, _mm512_load_ps(r->scale + at)),
                                   _mm512_load_ps(r->shift + at));
    if (c->type == CHAIN_F32) {
        _mm512_mask_storeu_ps((float *)out + to, live, f);
        return;
    }
    const __m512i u = _mm512_castps_si512(f);
    const __m512i odd =
        _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    _mm512_mask_cvtepi32_storeu_epi16((uint16_t *)out + to, live,
                                      _mm512_srli_epi32(rounded, 16));
}

AVX512 static inline void store_row(const struct avx512_rows *r, const struct chain *c,
                                    __m512i low, __m512i high, int y, void *out)
{
    const int bytes = c->width * c->channels;
    const size_t begin = (size_t)y * (size_t)bytes;
    __m128i part[8];
    _mm512_storeu_si512(part, low);
    _mm512_storeu_si512(part + 4, high);
    for (int at = 0; at < bytes; at += 16)
        store16(r, c, part[at / 16], at, bytes - at, begin + (size_t)at, out);
}

AVX512 static inline void load_row(const uint8_t *row, int bytes, __m512i *low,
                                   __m512i *high)
{
    const __mmask64 all = ~(__mmask64)0;
    *low =
        _mm512_maskz_loadu_epi8(bytes >= 64 ? all : ((__mmask64)1 << bytes) - 1, row);
    *high = bytes <= 64 ? _mm512_setzero_si512()
                        : _mm512_maskz_loadu_epi8(
                              bytes >= 128 ? all : ((__mmask64)1 << (bytes - 64)) - 1,
                              row + 64);
}

AVX512 void sluice_avx512_row(const struct avx512_rows *r, const struct chain *c,
                              const uint8_t *source, int y, void *out)
{
    __m512i a, b;
    load_row(source, c->width * c->channels, &a, &b);
    __m512i low = _mm512_permutex2var_epi8(a, _mm512_load_si512(r->index), b);
    __m512i high = _mm512_permutex2var_epi8(a, _mm512_load_si512(r->index + 64), b);
    low = _mm512_mask_mov_epi8(low, r->filled[0], _mm512_load_si512(r->filler));
    high = _mm512_mask_mov_epi8(high, r->filled[1], _mm512_load_si512(r->filler + 64));
    store_row(r, c, low, high, y, out);
}

AVX512 void sluice_avx512_convert(const struct avx512_rows *r, const struct chain *c,
                                  const uint8_t *row, int y, void *out)
{
    __m512i low, high;
    load_row(row, c->width * c->channels, &low, &high);
    store_row(r, c, low, high, y, out);
}

#else

bool sluice_avx512_supports(const struct chain *c)
{
    (void)c;
    return false;
}

void sluice_avx512_prepare(struct avx512_rows *r, const struct chain *c,
                           const uint16_t *source, int first, int last,
                           const uint8_t *colour)
{
    (void)r, (void)c, (void)source, (void)first, (void)last, (void)colour;
}

void sluice_avx512_row(const struct avx512_rows *r, const struct chain *c,
                       const uint8_t *source, int y, void *out)
{
    (void)r, (void)c, (void)source, (void)y, (void)out;
}

void sluice_avx512_convert(const struct avx512_rows *r, const struct chain *c,
                           const uint8_t *row, int y, void *out)
{
    (void)r, (void)c, (void)row, (void)y, (void)out;
}

#endif
