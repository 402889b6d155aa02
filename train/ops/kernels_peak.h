/* kernels_peak.h -- multiply-adds whose operands stay in registers: the ceiling above
 * every product. */
#ifndef SLUICE_KERNELS_PEAK_H
#define SLUICE_KERNELS_PEAK_H

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif
#include <string.h>

#include "kernels.h"

/* As wide as the registers, which compilers do not keep wider ones in, and so many sums
 * that none waits for the one before. */
#if defined(__AVX512F__)
enum { PEAK_BYTES = 64, PEAK_SUMS = 12 };
#elif defined(__AVX2__)
enum { PEAK_BYTES = 32, PEAK_SUMS = 12 };
#else
enum { PEAK_BYTES = 16, PEAK_SUMS = 12 };
#endif
enum { PEAK_LANES = PEAK_BYTES / 4 };

typedef float peak_vector __attribute__((vector_size(PEAK_BYTES)));

/* Each sum tends to y / (1 - x): no zeros, which draw less power and run faster on some
 * machines. */
static double peak_f32(size_t rounds, const float *operands, float *to)
{
    peak_vector x, y, s[PEAK_SUMS];
    memcpy(&x, operands, sizeof x);
    memcpy(&y, operands + PEAK_LANES, sizeof y);
    x *= 0.25f;
#pragma GCC unroll 12
    for (int i = 0; i < PEAK_SUMS; i++)
        s[i] = y * (float)i;
    for (size_t k = 0; k < rounds; k++)
#pragma GCC unroll 12
        for (int i = 0; i < PEAK_SUMS; i++)
            s[i] = s[i] * x + y;
#pragma GCC unroll 12
    for (int i = 1; i < PEAK_SUMS; i++)
        s[0] += s[i];
    memcpy(to, &s[0], sizeof s[0]);
    return 2.0 * PEAK_LANES * PEAK_SUMS * (double)rounds;
}

#ifdef __AVX512BF16__
static double peak_bf16(size_t rounds, const float *operands, float *to)
{
    const __m512bh x = (__m512bh)_mm512_loadu_ps(operands);
    const __m512bh y = (__m512bh)_mm512_loadu_ps(operands + PEAK_LANES);
    __m512 s[PEAK_SUMS];
#pragma GCC unroll 12
    for (int i = 0; i < PEAK_SUMS; i++)
        s[i] = _mm512_set1_ps((float)i);
    for (size_t k = 0; k < rounds; k++)
#pragma GCC unroll 12
        for (int i = 0; i < PEAK_SUMS; i++)
            s[i] = _mm512_dpbf16_ps(s[i], x, y);
#pragma GCC unroll 12
    for (int i = 1; i < PEAK_SUMS; i++)
        s[0] = _mm512_add_ps(s[0], s[i]);
    _mm512_storeu_ps(to, s[0]);
    return 4.0 * PEAK_LANES * PEAK_SUMS * (double)rounds;
}
#endif

static double peak(enum sluice_dtype t, size_t rounds, const float *operands, float *to)
{
#ifdef __AVX512BF16__
    if (t == SLUICE_BF16)
        return peak_bf16(rounds, operands, to);
#else
    (void)t;
#endif
    return peak_f32(rounds, operands, to);
}

#endif
