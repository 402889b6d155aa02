/* planes_vector.h -- eight pixels at a time, by the compilers' own vectors. */
#ifndef SLUICE_AUGMENT_PLANES_VECTOR_H
#define SLUICE_AUGMENT_PLANES_VECTOR_H

#include <stdint.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

/* Eight pixels, in the plain set too: compilers split what the CPU lacks. */
typedef uint8_t bytes8 __attribute__((vector_size(8)));
typedef int32_t ints8 __attribute__((vector_size(32)));
typedef float floats8 __attribute__((vector_size(32)));
typedef double doubles8 __attribute__((vector_size(64)));
typedef int64_t longs8 __attribute__((vector_size(64)));

#define INLINE static inline __attribute__((always_inline))

INLINE ints8 choose(ints8 mask, ints8 a, ints8 b)
{
    return (mask & a) | (~mask & b);
}

INLINE doubles8 choose_doubles(ints8 mask, doubles8 a, doubles8 b)
{
    const longs8 m = __builtin_convertvector(mask, longs8);
    return (doubles8)((m & (longs8)a) | (~m & (longs8)b));
}

/* Compilers make two halves of these. */
INLINE doubles8 wide(floats8 v)
{
#ifdef __AVX512F__
    return (doubles8)_mm512_cvtps_pd((__m256)v);
#else
    return __builtin_convertvector(v, doubles8);
#endif
}

INLINE floats8 narrow(doubles8 v)
{
#ifdef __AVX512F__
    return (floats8)_mm512_cvtpd_ps((__m512d)v);
#else
    return __builtin_convertvector(v, floats8);
#endif
}

INLINE doubles8 doubles_of(ints8 v)
{
#ifdef __AVX512F__
    return (doubles8)_mm512_cvtepi32_pd((__m256i)v);
#else
    return __builtin_convertvector(v, doubles8);
#endif
}

/* Cut off. */
INLINE ints8 whole(doubles8 v)
{
#ifdef __AVX512F__
    return (ints8)_mm512_cvttpd_epi32((__m512d)v);
#else
    return __builtin_convertvector(v, ints8);
#endif
}

/* The compilers' own conversions of bytes go one by one. */
INLINE ints8 load8(const uint8_t *from)
{
#ifdef __AVX2__
    return (ints8)_mm256_cvtepu8_epi32(
        _mm_loadl_epi64((const __m128i *)(const void *)from));
#else
    bytes8 v;
    memcpy(&v, from, sizeof(v));
    return __builtin_convertvector(v, ints8);
#endif
}

/* Numbers from 0 to 255. */
INLINE void store8(uint8_t *to, ints8 v)
{
#ifdef __AVX2__
    const __m256i halves = _mm256_packus_epi32((__m256i)v, (__m256i)v);
    const __m128i low = _mm256_castsi256_si128(_mm256_permute4x64_epi64(halves, 8));
    _mm_storel_epi64((__m128i *)(void *)to, _mm_packus_epi16(low, low));
#else
    const bytes8 low = __builtin_convertvector(v, bytes8);
    memcpy(to, &low, sizeof(low));
#endif
}

/* blend() of colour.h. */
INLINE ints8 between8(ints8 a, ints8 b, float f)
{
    const floats8 part = f * __builtin_convertvector(b - a, floats8);
    const floats8 v = __builtin_convertvector(a, floats8) + part;
    const ints8 cut = __builtin_convertvector(v, ints8), zero = { 0 };
    return choose(v > 0.0F, choose(v < 255.0F, cut, zero + 255), zero);
}

INLINE doubles8 load_doubles(const double *from)
{
    doubles8 v;
    memcpy(&v, from, sizeof(v));
    return v;
}

INLINE void store_doubles(double *to, doubles8 v)
{
    memcpy(to, &v, sizeof(v));
}

#endif
