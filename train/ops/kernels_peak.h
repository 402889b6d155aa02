/* kernels_peak.h -- multiply-adds whose operands stay in registers: the ceiling above
 * every product. */
#ifndef SLUICE_KERNELS_PEAK_H
#define SLUICE_KERNELS_PEAK_H

#include "kernels.h"
#include "vector.h"

enum {
    PEAK_SUMS = 12, /* so that none waits for the one before */
};

/* Each sum tends to y / (1 - x): no zeros, which draw less power and run faster on some
 * machines. */
static double peak_f32(size_t rounds, const float *operands, float *to)
{
    const vf x = load(operands, 0, false) * 0.25F, y = load(operands, LANES, false);
    vf s[PEAK_SUMS];
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
    store(to, 0, s[0], false);
    return 2.0 * LANES * PEAK_SUMS * (double)rounds;
}

#ifdef __AVX512BF16__
static double peak_bf16(size_t rounds, const float *operands, float *to)
{
    const __m512bh x = (__m512bh)_mm512_loadu_ps(operands);
    const __m512bh y = (__m512bh)_mm512_loadu_ps(operands + LANES);
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
    return 4.0 * LANES * PEAK_SUMS * (double)rounds;
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
