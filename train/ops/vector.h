/* vector.h -- a register of floats at a time, in the compilers' own vector types: one
 * source that becomes AVX-512, AVX2 or SSE2 by the flags of the file that includes it.
 * Wider vectors than the registers compilers keep in memory. Only
 * where the compilers' translation of a comparison or a rounding is poor do intrinsics
 * stand beside it.
 *
 * Elements in memory are float or bf16; `bf16` is always a constant where these are
 * inlined, so no loop tests it. */
#ifndef SLUICE_VECTOR_H
#define SLUICE_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

enum {
    LANES = VECTOR_BYTES / 4,
};

typedef float vf __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t vu __attribute__((vector_size(VECTOR_BYTES)));
typedef uint16_t vh __attribute__((vector_size(VECTOR_BYTES / 2)));
typedef uint8_t vb __attribute__((vector_size(VECTOR_BYTES / 4)));

INLINE vf splat(float f)
{
    return (vf){ 0 } + f;
}

/* m has all bits of a lane set, or none. */
INLINE vf choose(vi m, vf a, vf b)
{
    return (vf)((m & (vi)a) | (~m & (vi)b));
}

INLINE vf zero_unless(vi m, vf a)
{
    return (vf)(m & (vi)a);
}

INLINE vf absolute(vf a)
{
    return (vf)((vi)a & 0x7fffffff);
}

#ifdef __AVX512F__
/* A NaN stays one: the instruction gives its second operand then. */
INLINE vf relu(vf x)
{
    return (vf)_mm512_max_ps(_mm512_setzero_ps(), (__m512)x);
}
/* y where x > 0, else 0 */
INLINE vf where_positive(vf x, vf y)
{
    const __mmask16 m = _mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_GT_OQ);
    return (vf)_mm512_maskz_mov_ps(m, (__m512)y);
}
/* To about 2^-23: an estimate of 14 bits and one Newton step. */
INLINE vf reciprocal(vf x)
{
    const vf r = (vf)_mm512_rcp14_ps((__m512)x);
    return r * (2.0F - x * r);
}
/* Where v beats the best so far, or is the first NaN, it and its place take over. */
INLINE void keep_largest(vf v, int place, vf *best, vi *index)
{
    const __mmask16 m = _mm512_cmp_ps_mask((__m512)v, (__m512)*best, _CMP_NLE_UQ) &
                        _mm512_cmp_ps_mask((__m512)*best, (__m512)*best, _CMP_ORD_Q);
    *best = (vf)_mm512_mask_mov_ps((__m512)*best, m, (__m512)v);
    *index = (vi)_mm512_mask_set1_epi32((__m512i)*index, m, place);
}
/* y where index is `place`, else 0 */
INLINE vf where_place(vi index, int place, vf y)
{
    const __mmask16 m =
        _mm512_cmpeq_epi32_mask((__m512i)index, _mm512_set1_epi32(place));
    return (vf)_mm512_maskz_mov_ps(m, (__m512)y);
}
#else
INLINE vf relu(vf x)
{
    return zero_unless(~(x <= 0.0F), x);
}
INLINE vf where_positive(vf x, vf y)
{
    return zero_unless(x > 0.0F, y);
}
INLINE vf reciprocal(vf x)
{
    return 1.0F / x;
}
INLINE void keep_largest(vf v, int place, vf *best, vi *index)
{
    const vi m = ~(v <= *best) & (*best == *best);
    *best = choose(m, v, *best);
    *index = (m & place) | (~m & *index);
}
INLINE vf where_place(vi index, int place, vf y)
{
    return zero_unless(index == place, y);
}
#endif

INLINE vf from_bf16(vh h)
{
#ifdef __AVX512F__
    return (vf)((vu)_mm512_cvtepu16_epi32((__m256i)h) << 16);
#else
    return (vf)(__builtin_convertvector(h, vu) << 16);
#endif
}

/* Passes that compute much for each element see too little of the memory ahead for the
 * CPU to fetch it in time: ask for `bytes` of what they will read, AHEAD of from. */
enum {
    AHEAD = 2048,
    CACHE_LINE = 64,
};

INLINE void fetch(const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += CACHE_LINE)
        __builtin_prefetch((const char *)from + i);
}

/* To nearest, ties to even; a NaN stays one. */
INLINE vh to_bf16(vf v)
{
#ifdef __AVX512BF16__
    return (vh)_mm512_cvtneps_pbh((__m512)v);
#else
    const vu u = (vu)v, rounded = (u + 0x7fffU + ((u >> 16) & 1U)) >> 16;
    const vu nan = (vu)(v != v);
    return __builtin_convertvector((rounded & ~nan) | (nan & 0x7fc0U), vh);
#endif
}

INLINE vf load(const void *p, size_t at, bool bf16)
{
    vf v;
    vh h;
    if (bf16) {
        memcpy(&h, (const uint16_t *)p + at, sizeof h);
        return from_bf16(h);
    }
    memcpy(&v, (const float *)p + at, sizeof v);
    return v;
}

INLINE void store(void *p, size_t at, vf v, bool bf16)
{
    if (bf16) {
        const vh h = to_bf16(v);
        memcpy((uint16_t *)p + at, &h, sizeof h);
    } else {
        memcpy((float *)p + at, &v, sizeof v);
    }
}

/* The first n lanes, 1 <= n < LANES; the others are 0 and are not touched in memory. */
#ifdef __AVX512F__
INLINE vf load_part(const void *p, size_t at, int n, bool bf16)
{
    const __mmask16 m = (__mmask16)((1U << n) - 1);
    if (bf16)
        return from_bf16((vh)_mm256_maskz_loadu_epi16(m, (const uint16_t *)p + at));
    return (vf)_mm512_maskz_loadu_ps(m, (const float *)p + at);
}

INLINE void store_part(void *p, size_t at, vf v, int n, bool bf16)
{
    const __mmask16 m = (__mmask16)((1U << n) - 1);
    if (bf16)
        _mm256_mask_storeu_epi16((uint16_t *)p + at, m, (__m256i)to_bf16(v));
    else
        _mm512_mask_storeu_ps((float *)p + at, m, (__m512)v);
}
#else
INLINE vf load_part(const void *p, size_t at, int n, bool bf16)
{
    vf v = { 0 };
    vh h = { 0 };
    if (bf16) {
        memcpy(&h, (const uint16_t *)p + at, (size_t)n * sizeof(uint16_t));
        return from_bf16(h);
    }
    memcpy(&v, (const float *)p + at, (size_t)n * sizeof(float));
    return v;
}

INLINE void store_part(void *p, size_t at, vf v, int n, bool bf16)
{
    if (bf16) {
        const vh h = to_bf16(v);
        memcpy((uint16_t *)p + at, &h, (size_t)n * sizeof(uint16_t));
    } else {
        memcpy((float *)p + at, &v, (size_t)n * sizeof(float));
    }
}
#endif

/* load and store for n = LANES, the parts for less. */
INLINE vf load_n(const void *p, size_t at, int n, bool bf16)
{
    return n == LANES ? load(p, at, bf16) : load_part(p, at, n, bf16);
}

INLINE void store_n(void *p, size_t at, vf v, int n, bool bf16)
{
    if (n == LANES)
        store(p, at, v, bf16);
    else
        store_part(p, at, v, n, bf16);
}

/* As store_n, a whole vector past the cache where `far`: a line of memory that is
 * written whole need not be read before. The place is aligned to the vector, and the
 * line's other half follows at once. Another thread sees it after stores_done. */
INLINE void store_far(void *p, size_t at, vf v, int n, bool bf16, bool far)
{
#ifdef __AVX512F__
    if (far && n == LANES && bf16) {
        _mm256_stream_si256((void *)((uint16_t *)p + at), (__m256i)to_bf16(v));
        return;
    }
    if (far && n == LANES) {
        _mm512_stream_ps((float *)p + at, (__m512)v);
        return;
    }
#else
    (void)far;
#endif
    store_n(p, at, v, n, bf16);
}

/* exp(-x) for x >= 0, relative error 2e-7; 0 where it is below 1e-38. */
INLINE vf exp_minus(vf x)
{
    const vf t = x * -1.44269504F;
    const vi nothing = t < -126.0F; /* and not of a NaN, which stays one */
    const vf clamped = choose(nothing, splat(-126.0F), t);
    const vf n = (clamped + 12582912.0F) - 12582912.0F; /* to the nearest integer */
    const vf f = (clamped - n) * 0.693147181F;          /* |f| <= ln(2) / 2 */
    vf p = f * (1.0F / 720) + 1.0F / 120;
    p = p * f + 1.0F / 24;
    p = p * f + 1.0F / 6;
    p = p * f + 0.5F;
    p = p * f + 1.0F;
    p = p * f + 1.0F;
    const vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
    return zero_unless(~nothing, p * (vf)exponent);
}

/* Phi(x), the normal distribution, and exp(-x^2 / 2). erf is Abramowitz and Stegun
 * 7.1.26, whose error is at most 1.5e-7; both functions need the same exponential,
 * which is 0 from 14 on: no further, as infinity has no estimated reciprocal. */
INLINE vf normal_cdf(vf x, vf *gauss)
{
    const vf far = absolute(x) * 0.707106781F;
    const vf z = choose(far > 14.0F, splat(14.0F), far); /* a NaN stays one */
    const vf t = reciprocal(1.0F + 0.3275911F * z);
    *gauss = exp_minus(z * z);
    vf p = t * 1.061405429F - 1.453152027F;
    p = p * t + 1.421413741F;
    p = p * t - 0.284496736F;
    p = p * t + 0.254829592F;
    const vf upper = 0.5F * p * t * *gauss; /* 1 - Phi(|x|) */
    return choose(x > 0.0F, 1.0F - upper, upper);
}

/* From e^-|x|, so that nothing overflows. */
INLINE vf sigmoid(vf x)
{
    const vf e = exp_minus(absolute(x)), r = reciprocal(1.0F + e);
    return choose(x > 0.0F, r, e * r);
}

#endif
