/* convert.h -- a byte becomes a number of the result: the only floating arithmetic
 * between pixel and network, so every path and device has the same bits. */
#ifndef SLUICE_AUGMENT_CONVERT_H
#define SLUICE_AUGMENT_CONVERT_H

#include <string.h>

#include "plan.h"

#ifdef __CUDACC__
#include <cuda_fp16.h>
#endif

/* Two roundings, whatever the compiler may contract. */
SLUICE_HD static inline float multiply_add(float v, float gain, float bias)
{
#ifdef __CUDA_ARCH__
    return __fadd_rn(__fmul_rn(v, gain), bias);
#else
    const float product = v * gain;
    return product + bias;
#endif
}

SLUICE_HD static inline uint32_t float_bits(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof(u));
    return u;
}

/* To nearest, ties to even. v is no NaN. */
SLUICE_HD static inline uint16_t bf16_bits(float v)
{
    const uint32_t u = float_bits(v);
    return (uint16_t)((u + 0x7FFFu + (u >> 16 & 1)) >> 16);
}

/* To nearest, ties to even; beyond 65504 to infinity. v is no NaN. */
SLUICE_HD static inline uint16_t f16_bits(float v)
{
#ifdef __CUDA_ARCH__
    return __half_as_ushort(__float2half_rn(v));
#else
    const uint32_t u = float_bits(v), sign = u >> 16 & 0x8000u, size = u & 0x7FFFFFFFu;
    if (size >= 0x477FF000u) /* 65520: halfway to the power that is not there */
        return (uint16_t)(sign | 0x7C00u);
    if (size >= 0x38800000u) /* normal: rebias the exponent, then round 13 bits off */
        return (uint16_t)(sign |
                          (size - 0x38000000u + 0xFFFu + (size >> 13 & 1)) >> 13);
    if (size < 0x33000000u) /* below half of the smallest */
        return (uint16_t)sign;
    const uint32_t shift = 126 - (size >> 23); /* 14 .. 24 */
    const uint32_t digits = (size & 0x7FFFFFu) | 0x800000u;
    const uint32_t half = (1u << (shift - 1)) - 1 + (digits >> shift & 1);
    return (uint16_t)(sign | (digits + half) >> shift);
#endif
}

SLUICE_HD static inline float bits_float(uint32_t u)
{
    float v;
    memcpy(&v, &u, sizeof(v));
    return v;
}

SLUICE_HD static inline float bf16_number(uint16_t bits)
{
    return bits_float((uint32_t)bits << 16);
}

SLUICE_HD static inline float f16_number(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, size = bits & 0x7FFFu;
    if (size >= 0x7C00u) /* infinite: results are no NaN */
        return bits_float(sign | 0x7F800000u);
    if (size >= 0x0400u)
        return bits_float(sign | ((size << 13) + 0x38000000u));
    const float small = (float)size * 0x1p-24f;
    return sign ? -small : small;
}

/* Where element (y, x, channel) lies in one image of the result. */
SLUICE_HD static inline size_t result_index(const struct plan *p, int y, int x,
                                            int channel)
{
    return p->layout == SLUICE_NCHW
               ? ((size_t)channel * p->height + y) * p->width + x
               : ((size_t)y * p->width + x) * p->channels + channel;
}

/* Of the result's type; not u8. */
SLUICE_HD static inline uint32_t type_bits(const struct plan *p, float v)
{
    return p->dtype == SLUICE_F32   ? float_bits(v)
           : p->dtype == SLUICE_F16 ? f16_bits(v)
                                    : bf16_bits(v);
}

SLUICE_HD static inline void store_number(const struct plan *p, void *image, size_t at,
                                          float v)
{
    if (p->dtype == SLUICE_F32)
        ((float *)image)[at] = v;
    else
        ((uint16_t *)image)[at] = p->dtype == SLUICE_F16 ? f16_bits(v) : bf16_bits(v);
}

/* Store one pixel of the result. */
SLUICE_HD static inline void store_pixel(const struct plan *p, void *image, int y,
                                         int x, const uint8_t *pixel)
{
    for (int c = 0; c < p->channels; c++) {
        const size_t at = result_index(p, y, x, c);
        if (p->dtype == SLUICE_U8)
            ((uint8_t *)image)[at] = pixel[c];
        else
            store_number(p, image, at,
                         multiply_add((float)pixel[c], p->gain[c], p->bias[c]));
    }
}

#endif
