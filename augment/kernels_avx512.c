/* kernels_avx512.c -- the inner loops with AVX-512 and its byte permutation (VBMI: Ice
 * Lake, Zen 4 and later). Vectors of 16 numbers; loads and stores at the end of a run
 * are masked, so nothing outside it is touched. */
#include "kernels.h"

#ifdef __x86_64__
#include "store_avx512.h"

enum { LANES = 16 };

int sluice_augment_has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vbmi");
}

static uint64_t first_bytes(size_t n)
{
    return n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
}

static WIDE void reverse(const struct conversion *cv, uint8_t *dst, const uint8_t *src,
                         int pixels)
{
    static const int groups[CHANNELS_MAX + 1] = { 0, 64, 32, 21, 16 };
    const int channels = cv->channels, group = groups[channels];
    const __m512i order = _mm512_loadu_si512(cv->backward);
    for (int left = pixels; left > 0; left -= group) {
        const int n = left < group ? left : group;
        const __mmask64 m = first_bytes((size_t)n * channels);
        /* A short group begins later in the order, by as much as it is shorter. */
        const __m512i skip = _mm512_set1_epi8((char)((group - n) * channels));
        const __m512i in = _mm512_maskz_loadu_epi8(m, src + (left - n) * channels);
        const __m512i out = _mm512_permutexvar_epi8(_mm512_sub_epi8(order, skip), in);
        _mm512_mask_storeu_epi8(dst, m, out);
        dst += (size_t)n * channels;
    }
}

INLINE void interleaved_as(const struct conversion *cv, void *out, const uint8_t *src,
                           size_t n, int dtype)
{
    const __m512 g0 = _mm512_loadu_ps(cv->gain), b0 = _mm512_loadu_ps(cv->bias);
    const __m512 g1 = _mm512_loadu_ps(cv->gain + LANES),
                 b1 = _mm512_loadu_ps(cv->bias + LANES);
    const __m512 g2 = _mm512_loadu_ps(cv->gain + 2 * LANES),
                 b2 = _mm512_loadu_ps(cv->bias + 2 * LANES);
    size_t i = 0;
    for (; i + PATTERN <= n; i += PATTERN) {
        const __m128i *in = (const __m128i *)(const void *)(src + i);
        store(out, i, _mm_loadu_si128(in), g0, b0, 0xFFFF, dtype);
        store(out, i + LANES, _mm_loadu_si128(in + 1), g1, b1, 0xFFFF, dtype);
        store(out, i + 2 * (size_t)LANES, _mm_loadu_si128(in + 2), g2, b2, 0xFFFF,
              dtype);
    }
    for (int k = 0; i < n; i += LANES, k++) {
        const __mmask16 m = (__mmask16)first_bytes(n - i);
        store(out, i, _mm_maskz_loadu_epi8(m, src + i),
              k == 0   ? g0
              : k == 1 ? g1
                       : g2,
              k == 0   ? b0
              : k == 1 ? b1
                       : b2,
              m, dtype);
    }
}

static WIDE void interleaved(const struct conversion *cv, void *out, const uint8_t *src,
                             size_t pixels)
{
    const size_t n = pixels * (size_t)cv->channels;
    if (cv->dtype == SLUICE_F32)
        interleaved_as(cv, out, src, n, SLUICE_F32);
    else if (cv->dtype == SLUICE_BF16)
        interleaved_as(cv, out, src, n, SLUICE_BF16);
    else if (cv->dtype == SLUICE_F16)
        interleaved_as(cv, out, src, n, SLUICE_F16);
    else
        interleaved_as(cv, out, src, n, SLUICE_U8);
}

/* 16 pixels at a time: their bytes in the order of the channels, 16 bytes each. */
INLINE void planar_as(const struct conversion *cv, void *out, size_t plane,
                      const uint8_t *src, size_t pixels, int dtype)
{
    const int channels = cv->channels;
    const __m512i order = _mm512_loadu_si512(cv->planes);
    for (size_t i = 0; i < pixels; i += LANES) {
        const size_t n = pixels - i < LANES ? pixels - i : LANES;
        const __mmask16 m = (__mmask16)first_bytes(n);
        __m512i v = _mm512_maskz_loadu_epi8(first_bytes(n * (size_t)channels),
                                            src + i * (size_t)channels);
        v = _mm512_permutexvar_epi8(order, v);
        for (int c = 0; c < channels; c++) {
            store(out, (size_t)c * plane + i, _mm512_castsi512_si128(v),
                  _mm512_set1_ps(cv->gain[c]), _mm512_set1_ps(cv->bias[c]), m, dtype);
            v = _mm512_shuffle_i32x4(v, v, 0x39); /* the next 16 bytes to the front */
        }
    }
}

static WIDE void planar(const struct conversion *cv, void *out, size_t plane,
                        const uint8_t *src, size_t pixels)
{
    if (cv->dtype == SLUICE_F32)
        planar_as(cv, out, plane, src, pixels, SLUICE_F32);
    else if (cv->dtype == SLUICE_BF16)
        planar_as(cv, out, plane, src, pixels, SLUICE_BF16);
    else if (cv->dtype == SLUICE_F16)
        planar_as(cv, out, plane, src, pixels, SLUICE_F16);
    else
        planar_as(cv, out, plane, src, pixels, SLUICE_U8);
}

const struct kernels sluice_augment_avx512 = { "avx512", reverse, interleaved, planar };

#else

int sluice_augment_has_avx512(void)
{
    return 0;
}

const struct kernels sluice_augment_avx512 = { "none", 0, 0, 0 };

#endif
