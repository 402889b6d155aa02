/* number.h -- elements of device memory as float, one or a run of them: float, bf16 or
 * f16. For both compilers: nvcc, and the C compiler of the tests that run the kernels'
 * bodies on the CPU. */
#ifndef SLUICE_NUMBER_H
#define SLUICE_NUMBER_H

#include <string.h>

#include <sluice/image.h>
#include <sluice/rng.h>

#ifdef __CUDACC__
#include <cuda_fp16.h>
#endif

enum {
    RUN = 8, /* elements that a thread loads and stores at once: 16 bytes of halves */
};

SLUICE_HD static inline uint32_t number_bits(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof(u));
    return u;
}

SLUICE_HD static inline float number_of_bits(uint32_t u)
{
    float v;
    memcpy(&v, &u, sizeof(v));
    return v;
}

SLUICE_HD static inline float bf16_value(uint16_t h)
{
    return number_of_bits((uint32_t)h << 16);
}

/* To nearest, ties to even; a NaN stays one. */
SLUICE_HD static inline uint16_t bf16_of(float v)
{
    const uint32_t u = number_bits(v);
    return v != v ? (uint16_t)0x7fc0 : (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

SLUICE_HD static inline float f16_value(uint16_t h)
{
#ifdef __CUDA_ARCH__
    return __half2float(__ushort_as_half(h));
#else
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, size = h & 0x7fffu;
    if (size >= 0x7c00u) /* infinity, NaN */
        return number_of_bits(sign | 0x7f800000u | (size & 0x3ffu) << 13);
    if (size >= 0x400u)
        return number_of_bits(sign | ((size << 13) + 0x38000000u));
    return (sign ? -1.0f : 1.0f) * (float)size * 0x1p-24f;
#endif
}

/* Beyond 65504 to infinity. */
SLUICE_HD static inline uint16_t f16_of(float v)
{
#ifdef __CUDA_ARCH__
    return __half_as_ushort(__float2half_rn(v));
#else
    const uint32_t u = number_bits(v), sign = u >> 16 & 0x8000u, size = u & 0x7fffffffu;
    if (v != v)
        return 0x7e00;
    if (size >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00u);
    if (size >= 0x38800000u)
        return (uint16_t)(sign |
                          (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13);
    if (size < 0x33000000u)
        return (uint16_t)sign;
    const uint32_t shift = 126 - (size >> 23);
    const uint32_t digits = (size & 0x7fffffu) | 0x800000u;
    const uint32_t half = (1u << (shift - 1)) - 1 + (digits >> shift & 1u);
    return (uint16_t)(sign | (digits + half) >> shift);
#endif
}

SLUICE_HD static inline float half_value(enum sluice_dtype dtype, uint16_t h)
{
    return dtype == SLUICE_BF16 ? bf16_value(h) : f16_value(h);
}

SLUICE_HD static inline uint16_t half_of(enum sluice_dtype dtype, float v)
{
    return dtype == SLUICE_BF16 ? bf16_of(v) : f16_of(v);
}

SLUICE_HD static inline float number_load(enum sluice_dtype dtype, const void *p,
                                          size_t i)
{
    return dtype == SLUICE_F32 ? ((const float *)p)[i]
                               : half_value(dtype, ((const uint16_t *)p)[i]);
}

SLUICE_HD static inline void number_store(enum sluice_dtype dtype, void *p, size_t i,
                                          float v)
{
    if (dtype == SLUICE_F32)
        ((float *)p)[i] = v;
    else
        ((uint16_t *)p)[i] = half_of(dtype, v);
}

/* `count` <= RUN elements from `first` on. Memory begins at multiples of 16 bytes, so
 * that whole runs at multiples of RUN are moved in one piece. */
SLUICE_HD static inline void run_load(enum sluice_dtype dtype, const void *p,
                                      size_t first, int count, float v[RUN])
{
#ifdef __CUDA_ARCH__
    if (count == RUN && first % RUN == 0) {
        if (dtype == SLUICE_F32) {
            const float4 *q = (const float4 *)((const float *)p + first);
            const float4 a = q[0], b = q[1];
            v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
            v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
            return;
        }
        const uint4 q = *(const uint4 *)((const uint16_t *)p + first);
        const uint32_t words[4] = { q.x, q.y, q.z, q.w };
#pragma unroll
        for (int i = 0; i < RUN; i++)
            v[i] = half_value(dtype, (uint16_t)(words[i / 2] >> (i % 2 * 16)));
        return;
    }
#endif
    for (int i = 0; i < RUN; i++)
        v[i] = i < count ? number_load(dtype, p, first + (size_t)i) : 0;
}

SLUICE_HD static inline void run_store(enum sluice_dtype dtype, void *p, size_t first,
                                       int count, const float v[RUN])
{
#ifdef __CUDA_ARCH__
    if (count == RUN && first % RUN == 0) {
        if (dtype == SLUICE_F32) {
            float4 *q = (float4 *)((float *)p + first);
            q[0] = make_float4(v[0], v[1], v[2], v[3]);
            q[1] = make_float4(v[4], v[5], v[6], v[7]);
            return;
        }
        uint32_t words[4];
#pragma unroll
        for (int i = 0; i < 4; i++)
            words[i] = (uint32_t)half_of(dtype, v[2 * i]) |
                       (uint32_t)half_of(dtype, v[2 * i + 1]) << 16;
        *(uint4 *)((uint16_t *)p + first) =
            make_uint4(words[0], words[1], words[2], words[3]);
        return;
    }
#endif
    for (int i = 0; i < count; i++)
        number_store(dtype, p, first + (size_t)i, v[i]);
}

#endif
