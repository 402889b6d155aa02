/* pool_order.h -- which of several bf16 values is a window's maximum, for all kernels
 * that pool without making them floats. Needs AVX-512BW. */
#ifndef SLUICE_POOL_ORDER_H
#define SLUICE_POOL_ORDER_H

#include <immintrin.h>

/* Integers in the order of the bf16 values: both zeros are 0, all NaNs the largest. */
static inline __m512i order_of(__m512i v)
{
    const __m512i magnitude = _mm512_and_si512(v, _mm512_set1_epi16(0x7fff));
    const __m512i order = _mm512_mask_sub_epi16(magnitude, _mm512_movepi16_mask(v),
                                                _mm512_setzero_si512(), magnitude);
    return _mm512_mask_mov_epi16(
        order, _mm512_cmpgt_epi16_mask(magnitude, _mm512_set1_epi16(0x7f80)),
        _mm512_set1_epi16(0x7fff));
}

#endif
