/* store_avx512.h -- what kernels with AVX-512 and its byte permutation (VBMI) end with:
 * sixteen bytes become numbers of the output's type. */
#ifndef SLUICE_STORE_AVX512_H
#define SLUICE_STORE_AVX512_H

#include <immintrin.h>

#include <sluice/augment.h>

#define WIDE __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")))
/* dtype is a constant in each caller, so that every loop is for one type. */
#define INLINE static inline __attribute__((always_inline)) WIDE

/* byte * gain + bias at out[at ...], where the mask says so; u8 stays what it is. bf16
 * rounds to nearest even: numbers here are finite. */
INLINE void store(void *out, size_t at, __m128i bytes, __m512 gain, __m512 bias,
                  __mmask16 m, int dtype)
{
    if (dtype == SLUICE_U8) {
        _mm_mask_storeu_epi8((uint8_t *)out + at, m, bytes);
        return;
    }
    const __m512 v = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
    const __m512 number = _mm512_add_ps(_mm512_mul_ps(v, gain), bias);
    if (dtype == SLUICE_F32) {
        _mm512_mask_storeu_ps((float *)out + at, m, number);
        return;
    }
    __m256i half;
    if (dtype == SLUICE_F16) {
        half = _mm512_cvtps_ph(number, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    } else {
        const __m512i u = _mm512_castps_si512(number);
        const __m512i odd =
            _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
        const __m512i up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
        half = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_add_epi32(u, up), 16));
    }
    _mm256_mask_storeu_epi16((uint16_t *)out + at, m, half);
}

#endif
