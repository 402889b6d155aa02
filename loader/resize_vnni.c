/* resize_vnni.c -- the passes of resize.h with AVX512's byte permutation and dot
 * products of bytes. A weight of 22 bits is three signed bytes, digits of base 256, so
 * a sum over four positions takes three instructions; each digit's sum times 256 is
 * where the next one begins. */
#include <immintrin.h>

#include "resize.h"

enum {
    ACROSS =
        4,    /* output positions at a time: three channels and an unused one of each */
    TAPS = 4, /* weights of a group, the bytes of a dot product */
    GROUPS = 2, /* at most; more are left to the other kernels */
    WINDOW = 64,
    TILE = 64, /* rows gone through before the next positions, so that they stay near */
    HALF = 1 << (RESIZE_BITS - 1 - 16), /* as the highest digit's sum has it */
};

/* Three digits of each weight. */
struct digits {
    __m512i low, middle, high;
};

/* Of weights in 32 bits, brought together as `order` has it. */
static inline struct digits split(__m512i weights, __m512i order)
{
    const __m512i low = _mm512_srai_epi32(_mm512_slli_epi32(weights, 24), 24);
    const __m512i rest = _mm512_srai_epi32(_mm512_sub_epi32(weights, low), 8);
    const __m512i middle = _mm512_srai_epi32(_mm512_slli_epi32(rest, 24), 24);
    const __m512i high = _mm512_srai_epi32(_mm512_sub_epi32(rest, middle), 8);
    return (struct digits){ _mm512_shuffle_epi8(low, order),
                            _mm512_shuffle_epi8(middle, order),
                            _mm512_shuffle_epi8(high, order) };
}

/* What four output positions take, in lanes of four channels of four weights. */
struct block {
    __m512i from; /* which bytes of the window */
    struct digits digits;
};

static inline struct block make_block(const struct resize_axis *a, int i, int count,
                                      int group)
{
    const __m512i order = _mm512_set1_epi32(0x0c080400);
    const __m512i pattern = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12));
    const int there = a->taps - TAPS * group;
    const __mmask8 some = (__mmask8)((1 << (there < TAPS ? there : TAPS)) - 1);
    int32_t weights[ACROSS][TAPS] = { { 0 } };
    int32_t start[ACROSS] = { 0 };
    for (int p = 0; p < count; p++) {
        const int32_t *w =
            a->weight + (size_t)(i + p) * (size_t)a->taps + (size_t)(TAPS * group);
        _mm_storeu_si128((__m128i *)(void *)weights[p], _mm_maskz_loadu_epi32(some, w));
        start[p] = 3 * (a->first[i + p] - a->first[i] + TAPS * group) * 0x01010101;
    }
    const __m512i lanes = _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
        _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(void *)start)));
    return (struct block){ _mm512_add_epi8(pattern, lanes),
                           split(_mm512_loadu_si512(weights), order) };
}

static inline __m512i finish(__m512i high, __m512i middle, __m512i low)
{
    high = _mm512_add_epi32(_mm512_slli_epi32(high, 8), middle);
    return _mm512_srli_epi32(_mm512_add_epi32(_mm512_slli_epi32(high, 8), low),
                             RESIZE_BITS);
}

/* Four positions (or `count`) from i on, of `rows` rows. */
static inline __attribute__((always_inline)) void column(const struct resize_axis *a,
                                                         int i, int count,
                                                         const uint8_t *in, size_t rows,
                                                         uint8_t *out, const int groups)
{
    const __m512i pixels = _mm512_zextsi128_si512(
        _mm_setr_epi8(0, 4, 8, 16, 20, 24, 32, 36, 40, 48, 52, 56, 0, 0, 0, 0));
    const __mmask16 bytes = (__mmask16)((1 << 3 * count) - 1);
    const size_t stride = 3 * (size_t)a->from, out_stride = 3 * (size_t)a->to;
    struct block b[GROUPS];
    for (int g = 0; g < groups; g++)
        b[g] = make_block(a, i, count, g);
    in += 3 * (size_t)a->first[i];
    out += 3 * (size_t)i;
    for (size_t y = 0; y < rows; y++, in += stride, out += out_stride) {
        const __m512i window = _mm512_loadu_si512(in);
        __m512i high = _mm512_set1_epi32(HALF), middle = _mm512_setzero_si512();
        __m512i low = middle;
        for (int g = 0; g < groups; g++) {
            const __m512i taken = _mm512_permutexvar_epi8(b[g].from, window);
            high = _mm512_dpbusd_epi32(high, taken, b[g].digits.high);
            middle = _mm512_dpbusd_epi32(middle, taken, b[g].digits.middle);
            low = _mm512_dpbusd_epi32(low, taken, b[g].digits.low);
        }
        const __m512i sums = finish(high, middle, low);
        _mm_mask_storeu_epi8(
            out, bytes, _mm512_castsi512_si128(_mm512_permutexvar_epi8(pixels, sums)));
    }
}

/* Whether every four positions lie in a window. */
static int near_enough(const struct resize_axis *a)
{
    if (a->taps > TAPS * GROUPS)
        return 0;
    for (int i = 0; i < a->to; i += ACROSS) {
        const int last = i + ACROSS <= a->to ? i + ACROSS - 1 : a->to - 1;
        if (3 * (a->first[last] - a->first[i] + a->taps) > WINDOW)
            return 0;
    }
    return 1;
}

static void across(const struct resize_axis *a, const uint8_t *in, size_t rows,
                   int channels, uint8_t *out)
{
    const size_t stride = 3 * (size_t)a->from, out_stride = 3 * (size_t)a->to;
    if (channels != 3 || !near_enough(a)) {
        sluice_resize_avx512.across(a, in, rows, channels, out);
        return;
    }
    for (size_t y = 0; y < rows; y += TILE) {
        const size_t n = rows - y < TILE ? rows - y : TILE;
        for (int i = 0; i < a->to; i += ACROSS) {
            const int count = a->to - i < ACROSS ? a->to - i : ACROSS;
            if (a->taps <= TAPS)
                column(a, i, count, in + y * stride, n, out + y * out_stride, 1);
            else
                column(a, i, count, in + y * stride, n, out + y * out_stride, 2);
        }
    }
}

/* Weights 4 g to 4 g + 3, in every place. */
static inline struct digits digits_down(const int32_t *w, int taps, int group)
{
    const __m512i order = _mm512_set1_epi32(0x0c080400);
    const int there = taps - TAPS * group;
    const __mmask8 some = (__mmask8)((1 << (there < TAPS ? there : TAPS)) - 1);
    return split(_mm512_broadcast_i32x4(_mm_maskz_loadu_epi32(some, w + TAPS * group)),
                 order);
}

/* 64 bytes of four rows, interleaved; rows without a weight are not read. */
static inline void interleave(const uint8_t *in, size_t stride, int rows, __m512i v[4],
                              __mmask64 bytes)
{
    __m512i r[TAPS];
    for (int k = 0; k < TAPS; k++)
        r[k] = k < rows ? _mm512_maskz_loadu_epi8(bytes, in + (size_t)k * stride)
                        : _mm512_setzero_si512();
    const __m512i ab = _mm512_unpacklo_epi8(r[0], r[1]);
    const __m512i cd = _mm512_unpacklo_epi8(r[2], r[3]);
    const __m512i ab2 = _mm512_unpackhi_epi8(r[0], r[1]);
    const __m512i cd2 = _mm512_unpackhi_epi8(r[2], r[3]);
    v[0] = _mm512_unpacklo_epi16(ab, cd);
    v[1] = _mm512_unpackhi_epi16(ab, cd);
    v[2] = _mm512_unpacklo_epi16(ab2, cd2);
    v[3] = _mm512_unpackhi_epi16(ab2, cd2);
}

static void down(const struct resize_axis *a, int y, const uint8_t *in, size_t stride,
                 uint8_t *out, size_t bytes)
{
    const int32_t *w = a->weight + (size_t)y * (size_t)a->taps;
    const uint8_t *first = in + (size_t)a->first[y] * stride;
    if (a->taps > TAPS * GROUPS) {
        sluice_resize_avx512.down(a, y, in, stride, out, bytes);
        return;
    }
    const int groups = a->taps <= TAPS ? 1 : 2;
    struct digits d[GROUPS];
    for (int g = 0; g < groups; g++)
        d[g] = digits_down(w, a->taps, g);
    for (size_t x = 0; x < bytes; x += WINDOW) {
        const __mmask64 some =
            bytes - x < WINDOW ? ((__mmask64)1 << (bytes - x)) - 1 : ~(__mmask64)0;
        __m512i high[4], middle[4], low[4], v[4];
        for (int i = 0; i < 4; i++) {
            high[i] = _mm512_set1_epi32(HALF);
            middle[i] = low[i] = _mm512_setzero_si512();
        }
        for (int g = 0; g < groups; g++) {
            interleave(first + (size_t)(TAPS * g) * stride + x, stride,
                       a->taps - TAPS * g, v, some);
            for (int i = 0; i < 4; i++) {
                high[i] = _mm512_dpbusd_epi32(high[i], v[i], d[g].high);
                middle[i] = _mm512_dpbusd_epi32(middle[i], v[i], d[g].middle);
                low[i] = _mm512_dpbusd_epi32(low[i], v[i], d[g].low);
            }
        }
        for (int i = 0; i < 4; i++)
            v[i] = finish(high[i], middle[i], low[i]);
        _mm512_mask_storeu_epi8(out + x, some,
                                _mm512_packus_epi16(_mm512_packus_epi32(v[0], v[1]),
                                                    _mm512_packus_epi32(v[2], v[3])));
    }
}

const struct resize_kernels sluice_resize_vnni = { "vnni", across, down };
