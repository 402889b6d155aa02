/* kernels_avx2.c -- the inner loops with AVX2 and F16C, for 1 and 3 channels. Vectors
 * of 8 numbers; what does not fill a group is left to the plain loops. */
#include "kernels.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

#define WIDE __attribute__((target("avx2,f16c")))
/* dtype is a constant in each caller, so that every loop is for one type. */
#define INLINE static inline __attribute__((always_inline)) WIDE

enum { LANES = 8 };

int sluice_augment_has_avx2(void)
{
    unsigned a, b, c, d;
    /* Compilers disagree about the name "f16c"; the operating system's part is in the
     * answer for AVX2. */
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) &&
           c & bit_F16C;
}

/* Five pixels are 15 bytes of a vector. Each vector is read one byte early and written
 * one byte too far; both stay inside as long as a pixel is left. */
static WIDE void reverse(const struct conversion *cv, uint8_t *dst, const uint8_t *src,
                         int pixels)
{
    const int channels = cv->channels;
    const __m128i rgb =
        _mm_setr_epi8(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, 0);
    const __m128i grey =
        _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    while (channels == 3 && pixels >= 6) {
        const uint8_t *from = src + (size_t)(pixels - 5) * 3 - 1;
        const __m128i in = _mm_loadu_si128((const __m128i *)(const void *)from);
        _mm_storeu_si128((__m128i *)(void *)dst, _mm_shuffle_epi8(in, rgb));
        dst += 15;
        pixels -= 5;
    }
    while (channels == 1 && pixels >= 16) {
        const uint8_t *from = src + pixels - 16;
        const __m128i in = _mm_loadu_si128((const __m128i *)(const void *)from);
        _mm_storeu_si128((__m128i *)(void *)dst, _mm_shuffle_epi8(in, grey));
        dst += 16;
        pixels -= 16;
    }
    sluice_augment_plain.reverse(cv, dst, src, pixels);
}

/* Eight numbers, from the low half of `bytes`. */
INLINE void store(void *out, size_t at, __m128i bytes, __m256 gain, __m256 bias,
                  int dtype)
{
    const __m256 v = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
    const __m256 number = _mm256_add_ps(_mm256_mul_ps(v, gain), bias);
    if (dtype == SLUICE_F32) {
        _mm256_storeu_ps((float *)out + at, number);
        return;
    }
    __m128i half;
    if (dtype == SLUICE_F16) {
        half = _mm256_cvtps_ph(number, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    } else {
        const __m256i u = _mm256_castps_si256(number);
        const __m256i odd =
            _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
        const __m256i up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF));
        const __m256i high = _mm256_srli_epi32(_mm256_add_epi32(u, up), 16);
        half = _mm256_castsi256_si128(
            _mm256_permute4x64_epi64(_mm256_packus_epi32(high, high), 0x08));
    }
    _mm_storeu_si128((__m128i *)(void *)((uint16_t *)out + at), half);
}

INLINE size_t interleaved_as(const struct conversion *cv, void *out, const uint8_t *src,
                             size_t n, int dtype)
{
    size_t i = 0;
    for (; i + PATTERN <= n; i += PATTERN)
        for (int k = 0; k < PATTERN; k += LANES) {
            const __m128i in =
                _mm_loadl_epi64((const __m128i *)(const void *)(src + i + k));
            store(out, i + (size_t)k, in, _mm256_loadu_ps(cv->gain + k),
                  _mm256_loadu_ps(cv->bias + k), dtype);
        }
    return i;
}

static WIDE void interleaved(const struct conversion *cv, void *out, const uint8_t *src,
                             size_t pixels)
{
    const size_t channels = (size_t)cv->channels, n = pixels * channels;
    size_t done = 0, size = 2;
    if (cv->dtype == SLUICE_F32) {
        done = interleaved_as(cv, out, src, n, SLUICE_F32);
        size = 4;
    } else if (cv->dtype == SLUICE_BF16) {
        done = interleaved_as(cv, out, src, n, SLUICE_BF16);
    } else if (cv->dtype == SLUICE_F16) {
        done = interleaved_as(cv, out, src, n, SLUICE_F16);
    }
    sluice_augment_plain.interleaved(cv, (char *)out + done * size, src + done,
                                     pixels - done / channels);
}

/* Byte j of channel c of 16 RGB pixels is byte 3j + c of three vectors: where each
 * vector's bytes go; 0x80 gives zero. */
INLINE __m128i channel(const __m128i in[3], int c)
{
    __m128i all = _mm_setzero_si128();
    const __m128i at =
        _mm_setr_epi8(0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45);
    for (int part = 0; part < 3; part++) {
        const __m128i here = _mm_add_epi8(at, _mm_set1_epi8((char)(c - 16 * part)));
        const __m128i outside = _mm_cmpgt_epi8(here, _mm_set1_epi8(15));
        all =
            _mm_or_si128(all, _mm_shuffle_epi8(in[part], _mm_or_si128(here, outside)));
    }
    return all;
}

INLINE size_t planar_as(const struct conversion *cv, void *out, size_t plane,
                        const uint8_t *src, size_t pixels, int dtype)
{
    size_t i = 0;
    for (; i + 16 <= pixels; i += 16) {
        __m128i in[3];
        for (int part = 0; part < 3; part++)
            in[part] = _mm_loadu_si128(
                (const __m128i *)(const void *)(src + 3 * i + 16 * (size_t)part));
        for (int c = 0; c < 3; c++) {
            const size_t at = (size_t)c * plane + i;
            const __m128i bytes = channel(in, c);
            const __m256 gain = _mm256_set1_ps(cv->gain[c]);
            const __m256 bias = _mm256_set1_ps(cv->bias[c]);
            if (dtype == SLUICE_U8) {
                _mm_storeu_si128((__m128i *)(void *)((uint8_t *)out + at), bytes);
                continue;
            }
            store(out, at, bytes, gain, bias, dtype);
            store(out, at + LANES, _mm_srli_si128(bytes, 8), gain, bias, dtype);
        }
    }
    return i;
}

static WIDE void planar(const struct conversion *cv, void *out, size_t plane,
                        const uint8_t *src, size_t pixels)
{
    size_t done = 0, size = 2;
    if (cv->channels == 1) {
        interleaved(cv, out, src, pixels);
        return;
    }
    if (cv->dtype == SLUICE_F32) {
        done =
            cv->channels == 3 ? planar_as(cv, out, plane, src, pixels, SLUICE_F32) : 0;
        size = 4;
    } else if (cv->channels == 3 && cv->dtype == SLUICE_BF16) {
        done = planar_as(cv, out, plane, src, pixels, SLUICE_BF16);
    } else if (cv->channels == 3 && cv->dtype == SLUICE_F16) {
        done = planar_as(cv, out, plane, src, pixels, SLUICE_F16);
    } else if (cv->dtype == SLUICE_U8) {
        done =
            cv->channels == 3 ? planar_as(cv, out, plane, src, pixels, SLUICE_U8) : 0;
        size = 1;
    }
    sluice_augment_plain.planar(cv, (char *)out + done * size, plane,
                                src + done * (size_t)cv->channels, pixels - done);
}

const struct kernels sluice_augment_avx2 = { "avx2", reverse, interleaved, planar };

#else

int sluice_augment_has_avx2(void)
{
    return 0;
}

const struct kernels sluice_augment_avx2 = { "none", 0, 0, 0 };

#endif
